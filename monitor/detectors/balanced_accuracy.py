"""Mean over classes of the share that was recognised: accuracy in which every class weighs the same.

    value = 1/K sum_k right_k / labelled_k        in [0, 1]; classes that no label names are left out

The macro recall. A model that always answers the common class has 1 / K, however rare the other one is.

Source: Brodersen et al. 2010, ICPR, 3121. Interval: square-and-add of Wilson's (confusion.py): a class of few labels
makes it wide, as it must. Failure mode: a class that loses all its labels drops out of the mean, which then jumps.
"""

from dataclasses import dataclass
from typing import ClassVar

from monitor.detectors.confusion import MACRO, Figure, estimate
from monitor.detectors.coverage import COVERAGE_MIN
from monitor.detectors.estimates import at_least
from monitor.detectors.protocol import CLASSIFICATION, NO_KIND
from monitor.facts import FeatureKind, Outcomes, Reading, Subject, Task, View


@dataclass(frozen=True, slots=True)
class BalancedAccuracy:
    """Breach when it is surely below the limit; UNKNOWN below `rows_min` or `coverage_min` of the rows."""

    subjects: ClassVar[frozenset[Subject]] = frozenset({Subject.OUTCOMES})
    kinds: ClassVar[frozenset[FeatureKind]] = NO_KIND
    tasks: ClassVar[frozenset[Task]] = CLASSIFICATION

    limit: float | None = None  # [0, 1], absolute
    limit_under_reference: float | None = 0.05  # [0, 1], subtracted from the reference's
    rows_min: int = 200  # >= 1, labelled rows
    coverage_min: float = COVERAGE_MIN  # [0, 1], labelled share of the rows

    def __post_init__(self) -> None:
        at_least(self).demand()

    def read(self, reference: View, current: View) -> Reading:
        """Compare what labels say of two windows; ValueError for other views."""
        return at_least(self).read(
            Outcomes, reference, current, lambda view: estimate(view, MACRO, Figure.RECALL), "share"
        )
