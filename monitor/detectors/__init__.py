"""A detector is a frozen value whose one pure method turns (reference, current) counts into a reading.

It has no state, plot, log or threshold beside its own parameters; too little data is UNKNOWN, never 0, NaN or OK.

To add one: its file, its line in DETECTORS (alphabetical), its row in the README. The contract tests find it here.
"""

from collections.abc import Mapping
from types import MappingProxyType

from monitor.detectors.brier import Brier
from monitor.detectors.class_share_shift import ClassShareShift
from monitor.detectors.error import Error
from monitor.detectors.invalid_share import InvalidShare
from monitor.detectors.jensen_shannon import JensenShannon
from monitor.detectors.kolmogorov_smirnov import KolmogorovSmirnov
from monitor.detectors.label_coverage import LabelCoverage
from monitor.detectors.label_lag import LabelLag
from monitor.detectors.missing_share import MissingShare
from monitor.detectors.non_finite_share import NonFiniteShare
from monitor.detectors.out_of_range_share import OutOfRangeShare
from monitor.detectors.paired_disagreement import PairedDisagreement
from monitor.detectors.paired_error import PairedError
from monitor.detectors.protocol import Detector, Sequential
from monitor.detectors.psi import Psi
from monitor.detectors.silence import Silence
from monitor.detectors.unseen_share import UnseenShare
from monitor.detectors.volume import Volume

DETECTORS: Mapping[str, type[Detector] | type[Sequential]] = MappingProxyType(
    {
        "brier": Brier,
        "class_share_shift": ClassShareShift,
        "error": Error,
        "invalid_share": InvalidShare,
        "jensen_shannon": JensenShannon,
        "kolmogorov_smirnov": KolmogorovSmirnov,
        "label_coverage": LabelCoverage,
        "label_lag": LabelLag,
        "missing_share": MissingShare,
        "non_finite_share": NonFiniteShare,
        "out_of_range_share": OutOfRangeShare,
        "paired_disagreement": PairedDisagreement,
        "paired_error": PairedError,
        "psi": Psi,
        "silence": Silence,
        "unseen_share": UnseenShare,
        "volume": Volume,
    }
)
"""Every detector a rule can name."""
