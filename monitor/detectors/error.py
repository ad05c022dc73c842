"""Share of labelled predictions that were wrong, against the reference's share or an absolute limit.

    value = wrong / labelled        in [0, 1]; breach when Wilson's lower bound exceeds the limit

Labels are those of trusted sources, counted at their prediction's time. The limit is the smaller of `limit` and the
reference's error + `limit_over_reference`; the latter counts only when the reference has `rows_min` labels itself.

Interval: Wilson 1927 (intervals.py). Failure mode: the world may have become harder for every model; that is what
paired_error tells apart.
"""

from dataclasses import dataclass
from typing import ClassVar

from monitor.detectors.coverage import COVERAGE_MIN, demand_floors, lacking
from monitor.detectors.intervals import wilson
from monitor.detectors.parameters import demand_given, demand_share, demand_share_or_zero
from monitor.detectors.protocol import CLASSIFICATION, NO_KIND, judge, take, unknown
from monitor.facts import FeatureKind, Outcomes, Reading, Subject, Task, View


@dataclass(frozen=True, slots=True)
class Error:
    """Breach when the error is surely above the limit; UNKNOWN below `rows_min` or `coverage_min` of the rows."""

    subjects: ClassVar[frozenset[Subject]] = frozenset({Subject.OUTCOMES})
    kinds: ClassVar[frozenset[FeatureKind]] = NO_KIND
    tasks: ClassVar[frozenset[Task]] = CLASSIFICATION

    limit: float | None = None  # (0, 1], absolute
    limit_over_reference: float | None = 0.05  # [0, 1], added to the reference's error
    rows_min: int = 200  # >= 1, labelled rows
    coverage_min: float = COVERAGE_MIN  # [0, 1], labelled share of the rows

    def __post_init__(self) -> None:
        demand_given(limit=self.limit, limit_over_reference=self.limit_over_reference)
        if self.limit is not None:
            demand_share("limit", self.limit)
        if self.limit_over_reference is not None:
            demand_share_or_zero("limit_over_reference", self.limit_over_reference)
        demand_floors(self.rows_min, self.coverage_min)

    def read(self, reference: View, current: View) -> Reading:
        """Compare what labels say of two windows; ValueError for other views."""
        expected, found = take(Outcomes, reference), take(Outcomes, current)
        if why := lacking(found.labelled, found.rows, self.rows_min, self.coverage_min):
            return unknown(found.labelled, why, "share")
        limit = self._limit(expected)
        if limit is None:
            return unknown(found.labelled, f"the reference has fewer than {self.rows_min} labels", "share")
        low, high = wilson(found.wrong, found.labelled)
        value = found.wrong / found.labelled
        return Reading(judge(low > limit), found.labelled, value, limit, low, high, "share")

    def _limit(self, expected: Outcomes) -> float | None:
        if self.limit_over_reference is None or expected.labelled < self.rows_min:
            return self.limit
        relative = expected.wrong / expected.labelled + self.limit_over_reference
        return relative if self.limit is None else min(self.limit, relative)
