"""Share of labelled lists with a relevant item among the first k.

    value = lists with a hit in the first k / labelled lists        in [0, 1]

Where each list has one relevant item this is recall at k. `k` is one of the places that are counted: 1, 3, 5, 10.
Breach when Wilson's upper bound is below the larger of `limit` and the reference's share - `limit_under_reference`.

Interval: Wilson 1927 (intervals.py). Failure mode: it says nothing of the order inside the first k.
"""

from dataclasses import dataclass
from typing import ClassVar

from monitor.detectors.coverage import COVERAGE_MIN
from monitor.detectors.estimates import Estimate, Found, at_least
from monitor.detectors.intervals import wilson
from monitor.detectors.parameters import demand_one_of
from monitor.detectors.protocol import NO_KIND, RANKING
from monitor.facts import FeatureKind, Ranks, Reading, Subject, Task, View
from monitor.panes.sections import HITS_AT


@dataclass(frozen=True, slots=True)
class HitRate:
    """Breach when the share is surely below the limit; UNKNOWN below `rows_min` or `coverage_min` of the lists."""

    subjects: ClassVar[frozenset[Subject]] = frozenset({Subject.OUTCOMES})
    kinds: ClassVar[frozenset[FeatureKind]] = NO_KIND
    tasks: ClassVar[frozenset[Task]] = RANKING

    limit: float | None = None  # [0, 1], absolute
    limit_under_reference: float | None = 0.05  # [0, 1], subtracted from the reference's
    k: int = 5  # one of panes.sections.HITS_AT
    rows_min: int = 200  # >= 1, labelled lists
    coverage_min: float = COVERAGE_MIN  # [0, 1], labelled share of the rows

    def __post_init__(self) -> None:
        demand_one_of("k", self.k, HITS_AT)
        at_least(self).demand()

    def read(self, reference: View, current: View) -> Reading:
        """Compare what labels say of two windows; ValueError for other views."""
        return at_least(self).read(Ranks, reference, current, lambda view: _share(view, self.k), "share")


def _share(ranks: Ranks, k: int) -> Found:
    n, hits = ranks.labelled, dict(ranks.hits).get(k)
    if not n:
        return "no list is labelled"
    if hits is None:
        return f"hits among the first {k} are not counted"
    return Estimate(hits / n, n, n, *wilson(hits, n))
