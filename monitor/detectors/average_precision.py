"""Average precision: the area under the precision-recall curve, for classes that are rare.

    value = 1/H sum over the H rows of the class of the precision among the rows scored at least as high

in [0, 1]; chance is the share of the class. Bins: 64 of the score, hits and misses of a bin evenly mixed; the interval
also holds every order of the rows inside their bins (curves.py). `of` says which class or average.

Interval: binomial, Boyd, Eng & Page 2013, ECML PKDD, LNCS 8190:451, in Wilson's form. Failure mode: it falls with the
share of the class although the model is the same; a rare class scored below 1/64 has one bin, hence a wide interval.
"""

from dataclasses import dataclass
from typing import ClassVar

from monitor.detectors.coverage import COVERAGE_MIN
from monitor.detectors.curves import average_precision, demand_of, estimate
from monitor.detectors.estimates import at_least
from monitor.detectors.protocol import CLASSIFICATION, NO_KIND
from monitor.facts import FeatureKind, Outcomes, Reading, Subject, Task, View


@dataclass(frozen=True, slots=True)
class AveragePrecision:
    """Breach when it is surely below the limit; UNKNOWN below the floors, or where no row is of the class."""

    subjects: ClassVar[frozenset[Subject]] = frozenset({Subject.OUTCOMES})
    kinds: ClassVar[frozenset[FeatureKind]] = NO_KIND
    tasks: ClassVar[frozenset[Task]] = CLASSIFICATION

    limit: float | None = None  # [0, 1], absolute
    limit_under_reference: float | None = 0.1  # [0, 1], subtracted from the reference's
    of: str = "macro"  # a class, macro, weighted or top
    rows_min: int = 200  # >= 1, labelled rows with a score
    coverage_min: float = COVERAGE_MIN  # [0, 1], labelled share of the rows

    def __post_init__(self) -> None:
        demand_of(self.of)
        at_least(self).demand()

    def read(self, reference: View, current: View) -> Reading:
        """Compare what labels say of two windows; ValueError for other views."""
        return at_least(self).read(
            Outcomes, reference, current, lambda view: estimate(view, self.of, average_precision), "share"
        )
