"""How much larger the served model's absolute error is than the known-good's, on the same rows.

    value = mean of d,  d = |e of the served| - |e of the known-good|        in the target's unit; above 0 is worse

Breach when the lower bound exceeds `limit`. As paired_error is for classes: a change of the world hits both models and
mostly cancels, what stays is what a rollback would gain, and that makes it the evidence one rests on.

Interval: normal, of the differences themselves (the paired t of Student 1908, Biometrika 6:1, at many rows;
intervals.mean). Without it (all differences alike) the point decides. Labels must be trusted: whoever writes them
decides this number. Failure mode: few rows of huge error are most of it; `limit` is in the target's unit, and 0 lets a
loss of no importance breach once enough rows prove it.
"""

from dataclasses import dataclass
from math import isfinite
from typing import ClassVar

from monitor.detectors.coverage import COVERAGE_MIN, demand_floors, lacking
from monitor.detectors.intervals import mean
from monitor.detectors.parameters import demand_finite
from monitor.detectors.protocol import NO_KIND, REGRESSION, judge, take, unknown
from monitor.facts import FeatureKind, PairedErrors, Reading, Subject, Task, View


@dataclass(frozen=True, slots=True)
class PairedAbsoluteError:
    """Breach when the served is surely worse by `limit`; UNKNOWN below `rows_min` or `coverage_min` of the asked."""

    subjects: ClassVar[frozenset[Subject]] = frozenset({Subject.PAIRS})
    kinds: ClassVar[frozenset[FeatureKind]] = NO_KIND
    tasks: ClassVar[frozenset[Task]] = REGRESSION

    limit: float = 0.0  # >= 0, in the target's unit
    rows_min: int = 200  # >= 1, labelled pairs
    coverage_min: float = COVERAGE_MIN  # [0, 1], labelled share of the asked rows

    def __post_init__(self) -> None:
        demand_finite("limit", self.limit, 0)
        demand_floors(self.rows_min, self.coverage_min)

    def read(self, reference: View, current: View) -> Reading:
        """Read the pairs; the reference has none. ValueError for other views.

        >>> from monitor.facts import PairedErrors
        >>> none = PairedErrors(0, 0, 0.0, 0)
        >>> PairedAbsoluteError().read(none, PairedErrors(4000, 400, 300.0, 400, 100.0, 500.0)).value
        0.25
        """
        take(PairedErrors, reference)
        found = take(PairedErrors, current)
        if why := lacking(found.labelled, found.asked, self.rows_min, self.coverage_min):
            return unknown(found.labelled, f"of the pairs, {why}")
        if not isfinite(found.worse):
            return unknown(found.labelled, "the sums are beyond what a double holds")
        value = found.worse / found.labelled
        low, high = mean(found.worse, found.worse_squared, found.labelled) or (None, None)
        surest = value if low is None else low
        return Reading(judge(surest > self.limit), found.labelled, value, self.limit, low, high)
