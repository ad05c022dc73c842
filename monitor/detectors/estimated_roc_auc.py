"""Area under the ROC curve that is expected of a window before its labels come, from calibrated scores.

    value = P(score of a row expected to come true > score of one not) + 1/2 P(equal)        in [0, 1]

Of the 64 score bins with their expected hits and misses. With more than two classes only `top` is told: rows without
labels are counted by the score of the answered class alone.

Interval: of the figure that this window's labels will give: the rows' own luck and the reference's sampling error
(expected.py, where both are written out). Source: Kivimaki et al. 2025; NannyML's CBPE. Failure mode: it needs P(y|x)
unchanged and calibration given x, so it cannot see a concept drift or a confident backdoored model, and a reference
made of rows that the model was trained on flatters it. It is displayed; no rule may alert or roll back by it.
"""

from dataclasses import dataclass
from typing import ClassVar

from monitor.detectors.coverage import COVERAGE_MIN
from monitor.detectors.curves import demand_of
from monitor.detectors.estimates import at_least
from monitor.detectors.expected import read
from monitor.detectors.expected_figures import curve, roc_auc
from monitor.detectors.protocol import CLASSIFICATION, NO_KIND
from monitor.facts import Chances, FeatureKind, Reading, Subject, Task, View


@dataclass(frozen=True, slots=True)
class EstimatedRocAuc:
    """Breach when it is surely below the limit; UNKNOWN below the floors, or where the reference lacks labels."""

    subjects: ClassVar[frozenset[Subject]] = frozenset({Subject.EXPECTED})
    kinds: ClassVar[frozenset[FeatureKind]] = NO_KIND
    tasks: ClassVar[frozenset[Task]] = CLASSIFICATION

    limit: float | None = None  # [0, 1], absolute
    limit_under_reference: float | None = 0.05  # [0, 1], subtracted from the reference's
    of: str = "macro"  # a class, macro, weighted or top
    rows_min: int = 200  # >= 1, rows with a score
    coverage_min: float = COVERAGE_MIN  # [0, 1], share of the rows that came with a score

    def __post_init__(self) -> None:
        demand_of(self.of)
        at_least(self).demand()

    def read(self, reference: View, current: View) -> Reading:
        """Compare what is expected of two windows; ValueError for other views."""
        return read(
            at_least(self), Chances, reference, current, figure=lambda view: curve(view, self.of, roc_auc), unit="share"
        )
