"""Share of the rows answered with a class that are of it, for one class or averaged.

    value = hits / predicted        in [0, 1]; how far a positive answer can be trusted

`of` says which class, or which average (confusion.py, where the formulas and the intervals stand). A class that was
never predicted has no precision: alone it is UNKNOWN, in an average it is left out, so a model that stopped answering a
class keeps its average; recall and f1 see that.

Interval: of a class Wilson's, of averages as confusion.py says. Source: van Rijsbergen, Information Retrieval, 2nd ed.
(1979), ch. 7. Failure mode: it falls with the share of the class among the rows although the model is the same.
"""

from dataclasses import dataclass
from typing import ClassVar

from monitor.detectors.confusion import Figure, demand_of, estimate
from monitor.detectors.coverage import COVERAGE_MIN
from monitor.detectors.estimates import at_least
from monitor.detectors.protocol import CLASSIFICATION, NO_KIND
from monitor.facts import FeatureKind, Outcomes, Reading, Subject, Task, View


@dataclass(frozen=True, slots=True)
class Precision:
    """Breach when it is surely below the limit; UNKNOWN below `rows_min` or `coverage_min` of the rows."""

    subjects: ClassVar[frozenset[Subject]] = frozenset({Subject.OUTCOMES})
    kinds: ClassVar[frozenset[FeatureKind]] = NO_KIND
    tasks: ClassVar[frozenset[Task]] = CLASSIFICATION

    limit: float | None = None  # [0, 1], absolute
    limit_under_reference: float | None = 0.05  # [0, 1], subtracted from the reference's
    of: str = "macro"  # a class, macro, weighted or micro
    rows_min: int = 200  # >= 1, labelled rows; of a class, those predicted
    coverage_min: float = COVERAGE_MIN  # [0, 1], labelled share of the rows

    def __post_init__(self) -> None:
        demand_of(self.of)
        at_least(self).demand()

    def read(self, reference: View, current: View) -> Reading:
        """Compare what labels say of two windows; ValueError for other views."""
        return at_least(self).read(
            Outcomes, reference, current, lambda view: estimate(view, self.of, Figure.PRECISION), "share"
        )
