"""Normalised discounted cumulative gain at 10 of labelled lists: how well the order serves, with graded relevance.

    value = mean of DCG / ideal DCG,  DCG = sum over the first 10 places i of (2^gain - 1) / log2(i + 1)    in [0, 1]

Each list's own is made at intake (panes/ranking.py); here they are averaged. A list without any relevant item counts 0.
Breach when the upper bound is below the larger of `limit` and the reference's mean - `limit_under_reference`.

Source: Jarvelin & Kekalainen 2002, ACM Trans. Inf. Syst. 20:422; gains 2^g - 1, Burges et al. 2005, ICML, 89. Interval:
normal with four pseudo-rows (intervals.bounded_mean). Failure mode: the ideal is that of the items shown, so a list of
one relevant item alone has 1, and what was never shown is not missed.
"""

from dataclasses import dataclass
from typing import ClassVar

from monitor.detectors.coverage import COVERAGE_MIN
from monitor.detectors.estimates import Estimate, Found, at_least
from monitor.detectors.intervals import bounded_mean
from monitor.detectors.protocol import NO_KIND, RANKING
from monitor.facts import FeatureKind, Ranks, Reading, Subject, Task, View


@dataclass(frozen=True, slots=True)
class Ndcg:
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
    value = min(1.0, max(0.0, ranks.ndcg / n))
    return Estimate(value, n, n, *bounded_mean(ranks.ndcg, ranks.ndcg_squared, n))
