"""A detector is a frozen value whose one pure method turns (reference, current) counts into a reading.

It has no state, plot, log or threshold beside its own parameters; too little data is UNKNOWN, never 0, NaN or OK.

To add one: its file, its line in DETECTORS (alphabetical), its name in the README. The contract tests find it here.
"""

from collections.abc import Mapping
from types import MappingProxyType

from monitor.detectors.accuracy import Accuracy
from monitor.detectors.average_precision import AveragePrecision
from monitor.detectors.balanced_accuracy import BalancedAccuracy
from monitor.detectors.bias import Bias
from monitor.detectors.brier import Brier
from monitor.detectors.calibration_error import CalibrationError
from monitor.detectors.chi_square import ChiSquare
from monitor.detectors.class_share_shift import ClassShareShift
from monitor.detectors.demographic_parity import DemographicParity
from monitor.detectors.disparate_impact import DisparateImpact
from monitor.detectors.equal_opportunity import EqualOpportunity
from monitor.detectors.error import Error
from monitor.detectors.estimated_accuracy import EstimatedAccuracy
from monitor.detectors.estimated_average_precision import EstimatedAveragePrecision
from monitor.detectors.estimated_brier import EstimatedBrier
from monitor.detectors.estimated_f1 import EstimatedF1
from monitor.detectors.estimated_log_loss import EstimatedLogLoss
from monitor.detectors.estimated_mean_absolute_error import EstimatedMeanAbsoluteError
from monitor.detectors.estimated_precision import EstimatedPrecision
from monitor.detectors.estimated_recall import EstimatedRecall
from monitor.detectors.estimated_roc_auc import EstimatedRocAuc
from monitor.detectors.estimated_root_mean_squared_error import EstimatedRootMeanSquaredError
from monitor.detectors.f1 import F1
from monitor.detectors.hellinger import Hellinger
from monitor.detectors.hit_rate import HitRate
from monitor.detectors.invalid_share import InvalidShare
from monitor.detectors.jensen_shannon import JensenShannon
from monitor.detectors.kolmogorov_smirnov import KolmogorovSmirnov
from monitor.detectors.label_coverage import LabelCoverage
from monitor.detectors.label_lag import LabelLag
from monitor.detectors.log_loss import LogLoss
from monitor.detectors.mcc import Mcc
from monitor.detectors.mean_absolute_error import MeanAbsoluteError
from monitor.detectors.missing_share import MissingShare
from monitor.detectors.ndcg import Ndcg
from monitor.detectors.non_finite_share import NonFiniteShare
from monitor.detectors.out_of_range_share import OutOfRangeShare
from monitor.detectors.paired_absolute_error import PairedAbsoluteError
from monitor.detectors.paired_disagreement import PairedDisagreement
from monitor.detectors.paired_error import PairedError
from monitor.detectors.precision import Precision
from monitor.detectors.protocol import Detector, Sequential
from monitor.detectors.psi import Psi
from monitor.detectors.quantile_loss import QuantileLoss
from monitor.detectors.r_squared import RSquared
from monitor.detectors.recall import Recall
from monitor.detectors.reciprocal_rank import ReciprocalRank
from monitor.detectors.roc_auc import RocAuc
from monitor.detectors.root_mean_squared_error import RootMeanSquaredError
from monitor.detectors.silence import Silence
from monitor.detectors.total_variation import TotalVariation
from monitor.detectors.unseen_share import UnseenShare
from monitor.detectors.volume import Volume
from monitor.detectors.wasserstein import Wasserstein

DETECTORS: Mapping[str, type[Detector] | type[Sequential]] = MappingProxyType(
    {
        "accuracy": Accuracy,
        "average_precision": AveragePrecision,
        "balanced_accuracy": BalancedAccuracy,
        "bias": Bias,
        "brier": Brier,
        "calibration_error": CalibrationError,
        "chi_square": ChiSquare,
        "class_share_shift": ClassShareShift,
        "demographic_parity": DemographicParity,
        "disparate_impact": DisparateImpact,
        "equal_opportunity": EqualOpportunity,
        "error": Error,
        "estimated_accuracy": EstimatedAccuracy,
        "estimated_average_precision": EstimatedAveragePrecision,
        "estimated_brier": EstimatedBrier,
        "estimated_f1": EstimatedF1,
        "estimated_log_loss": EstimatedLogLoss,
        "estimated_mean_absolute_error": EstimatedMeanAbsoluteError,
        "estimated_precision": EstimatedPrecision,
        "estimated_recall": EstimatedRecall,
        "estimated_roc_auc": EstimatedRocAuc,
        "estimated_root_mean_squared_error": EstimatedRootMeanSquaredError,
        "f1": F1,
        "hellinger": Hellinger,
        "hit_rate": HitRate,
        "invalid_share": InvalidShare,
        "jensen_shannon": JensenShannon,
        "kolmogorov_smirnov": KolmogorovSmirnov,
        "label_coverage": LabelCoverage,
        "label_lag": LabelLag,
        "log_loss": LogLoss,
        "mcc": Mcc,
        "mean_absolute_error": MeanAbsoluteError,
        "missing_share": MissingShare,
        "ndcg": Ndcg,
        "non_finite_share": NonFiniteShare,
        "out_of_range_share": OutOfRangeShare,
        "paired_absolute_error": PairedAbsoluteError,
        "paired_disagreement": PairedDisagreement,
        "paired_error": PairedError,
        "precision": Precision,
        "psi": Psi,
        "quantile_loss": QuantileLoss,
        "r_squared": RSquared,
        "recall": Recall,
        "reciprocal_rank": ReciprocalRank,
        "roc_auc": RocAuc,
        "root_mean_squared_error": RootMeanSquaredError,
        "silence": Silence,
        "total_variation": TotalVariation,
        "unseen_share": UnseenShare,
        "volume": Volume,
        "wasserstein": Wasserstein,
    }
)
"""Every detector a rule can name."""
