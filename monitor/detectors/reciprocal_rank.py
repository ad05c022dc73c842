"""Mean reciprocal rank of labelled lists: how high the first relevant item stands.

    value = mean of 1 / place of the first relevant item, 0 where there is none        in [0, 1]

Breach when the upper bound is below the larger of `limit` and the reference's mean - `limit_under_reference`.

Source: Voorhees 1999, TREC-8, 77. Interval: normal with four pseudo-rows (intervals.bounded_mean). Failure mode: from
the third place on it hardly moves; hit_rate with a larger k does.
"""

from dataclasses import dataclass
from typing import ClassVar

from monitor.detectors.coverage import COVERAGE_MIN
from monitor.detectors.estimates import Estimate, Found, at_least
from monitor.detectors.intervals import bounded_mean
from monitor.detectors.protocol import NO_KIND, RANKING
from monitor.facts import FeatureKind, Ranks, Reading, Subject, Task, View


@dataclass(frozen=True, slots=True)
class ReciprocalRank:
    """Breach when the mean is surely below the limit; UNKNOWN below `rows_min` or `coverage_min` of the lists."""

    subjects: ClassVar[frozenset[Subject]] = frozenset({Subject.OUTCOMES})
    kinds: ClassVar[frozenset[FeatureKind]] = NO_KIND
    tasks: ClassVar[frozenset[Task]] = RANKING

    limit: float | None = None  # [0, 1], absolute
    limit_under_reference: float | None = 0.05  # [0, 1], subtracted from the reference's
    rows_min: int = 200  # >= 1, labelled lists
    coverage_min: float = COVERAGE_MIN  # [0, 1], labelled share of the rows

    def __post_init__(self) -> None:
        at_least(self).demand()

    def read(self, reference: View, current: View) -> Reading:
        """Compare what labels say of two windows; ValueError for other views."""
        return at_least(self).read(Ranks, reference, current, _mean, "share")


def _mean(ranks: Ranks) -> Found:
    n = ranks.labelled
    if not n:
        return "no list is labelled"
    value = min(1.0, max(0.0, ranks.reciprocal / n))
    return Estimate(value, n, n, *bounded_mean(ranks.reciprocal, ranks.reciprocal_squared, n))
