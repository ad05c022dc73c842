"""Mean error of the labelled predictions: whether the model is too high or too low on the whole.

    value = 1/n sum e,  e = predicted - label        in the target's unit; above 0 it predicts too much

Breach when its interval lies wholly beyond the limit on either side: the smaller of `limit` and the reference's own
distance from 0 plus `limit_of_error` times the reference's root mean squared error.

Interval: normal (intervals.mean). Source: the central limit theorem. Where errors were cut to what the sums hold, they
no longer balance and it is UNKNOWN. Failure mode: groups that are wrong in opposite directions cancel; read it by
segment.
"""

from dataclasses import dataclass
from math import isfinite, sqrt
from typing import ClassVar

from monitor.detectors.coverage import COVERAGE_MIN, demand_floors, lacking
from monitor.detectors.intervals import mean
from monitor.detectors.parameters import demand_given, demand_positive
from monitor.detectors.protocol import NO_KIND, REGRESSION, judge, take, unknown
from monitor.facts import Errors, FeatureKind, Reading, Subject, Task, View


@dataclass(frozen=True, slots=True)
class Bias:
    """Breach when the mean error is surely farther from 0 than the limit; UNKNOWN below the floors."""

    subjects: ClassVar[frozenset[Subject]] = frozenset({Subject.OUTCOMES})
    kinds: ClassVar[frozenset[FeatureKind]] = NO_KIND
    tasks: ClassVar[frozenset[Task]] = REGRESSION

    limit: float | None = None  # > 0, in the target's unit, absolute
    limit_of_error: float | None = 0.25  # > 0, times the reference's root mean squared error, beyond its own bias
    rows_min: int = 200  # >= 1, labelled rows
    coverage_min: float = COVERAGE_MIN  # [0, 1], labelled share of the rows

    def __post_init__(self) -> None:
        demand_given(limit=self.limit, limit_of_error=self.limit_of_error)
        if self.limit is not None:
            demand_positive("limit", self.limit)
        if self.limit_of_error is not None:
            demand_positive("limit_of_error", self.limit_of_error)
        demand_floors(self.rows_min, self.coverage_min)

    def read(self, reference: View, current: View) -> Reading:
        """Compare what labels say of two windows; ValueError for other views."""
        expected, found = take(Errors, reference), take(Errors, current)
        n = found.labelled
        if why := lacking(n, found.rows, self.rows_min, self.coverage_min):
            return unknown(n, why)
        if found.clipped or not isfinite(found.error):
            return unknown(n, f"{found.clipped} errors are beyond what the sums hold")
        limit = self._limit(expected)
        if limit is None:
            return unknown(n, f"the reference has fewer than {self.rows_min} labels")
        value = found.error / n
        low, high = mean(found.error, found.squared, n) or (None, None)
        surest = value if low is None or high is None else max(low, -high) if low > 0 or high < 0 else 0.0
        return Reading(judge(abs(surest) > limit), n, value, limit, low, high)

    def _limit(self, expected: Errors) -> float | None:
        if self.limit_of_error is None or expected.labelled < self.rows_min:
            return self.limit
        relative = abs(expected.error / expected.labelled)
        relative += self.limit_of_error * sqrt(expected.squared / expected.labelled)
        return relative if self.limit is None else min(self.limit, relative)
