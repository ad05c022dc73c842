"""Area under the ROC curve: how well scores put the rows of a class above the others.

    value = P(score of a row of the class > score of another row) + 1/2 P(they are equal)        in [0, 1]; .5 is chance

Bins: 64 of the score. Two rows of one bin count as equal. The area of the raw scores is within half the share of such
pairs, and the interval is widened by that on both sides. `of` says which class or average (curves.py); with two classes
every choice but `top` of three is the positive class's, and both classes have the same.

Interval: Newcombe 2006, method 5 (intervals.py). Source: Hanley & McNeil 1982, Radiology 143:29. Failure mode: it is
blind to scores that are all too high (brier, calibration_error see it), and scores that crowd into one bin say nothing.
"""

from dataclasses import dataclass
from typing import ClassVar

from monitor.detectors.coverage import COVERAGE_MIN
from monitor.detectors.curves import demand_of, estimate, roc_auc
from monitor.detectors.estimates import at_least
from monitor.detectors.protocol import CLASSIFICATION, NO_KIND
from monitor.facts import FeatureKind, Outcomes, Reading, Subject, Task, View


@dataclass(frozen=True, slots=True)
class RocAuc:
    """Breach when the area is surely below the limit; UNKNOWN below the floors, or where only one class is labelled."""

    subjects: ClassVar[frozenset[Subject]] = frozenset({Subject.OUTCOMES})
    kinds: ClassVar[frozenset[FeatureKind]] = NO_KIND
    tasks: ClassVar[frozenset[Task]] = CLASSIFICATION

    limit: float | None = None  # [0, 1], absolute
    limit_under_reference: float | None = 0.05  # [0, 1], subtracted from the reference's
    of: str = "macro"  # a class, macro, weighted or top
    rows_min: int = 200  # >= 1, labelled rows with a score
    coverage_min: float = COVERAGE_MIN  # [0, 1], labelled share of the rows

    def __post_init__(self) -> None:
        demand_of(self.of)
        at_least(self).demand()

    def read(self, reference: View, current: View) -> Reading:
        """Compare what labels say of two windows; ValueError for other views."""
        return at_least(self).read(Outcomes, reference, current, lambda view: estimate(view, self.of, roc_auc), "share")
