"""Hellinger distance between a reference and the current counts.

    h = sqrt( 1/2 sum_i (sqrt p_i - sqrt q_i)^2 )        in [0, 1]; 0 same, 1 disjoint

A metric, finite where bins are empty, and more moved by rare bins than total variation is: the root lifts small shares.

Bins: they can only hide a difference, never make one. No interval: the point decides.

Source: Hellinger 1909, J. reine angew. Math. 136:210; for drift, Ditzler & Polikar 2011, IEEE CIDUE, 41.
Not a test: two samples of n and m rows from one source still give about sqrt((bins - 1) (1/n + 1/m) / 8), .07 for 22
bins at 500 rows against many.
"""

from dataclasses import dataclass
from math import sqrt
from typing import ClassVar

from monitor.detectors.parameters import demand_rows, demand_share
from monitor.detectors.protocol import EVERY_KIND, judge, take_histograms, too_few
from monitor.facts import EVERY_TASK, FeatureKind, Reading, Subject, Task, View


@dataclass(frozen=True, slots=True)
class Hellinger:
    """Breach above `limit`, given `rows_min` binned rows on each side."""

    subjects: ClassVar[frozenset[Subject]] = frozenset({Subject.FEATURES, Subject.OUTPUT, Subject.SCORE})
    kinds: ClassVar[frozenset[FeatureKind]] = EVERY_KIND
    tasks: ClassVar[frozenset[Task]] = EVERY_TASK

    limit: float = 0.2  # (0, 1]
    rows_min: int = 500  # >= 1; noise at 22 bins is then about .07

    def __post_init__(self) -> None:
        demand_share("limit", self.limit)
        demand_rows("rows_min", self.rows_min)

    def read(self, reference: View, current: View) -> Reading:
        """Compare two histograms of the same bins; ValueError if the bins differ.

        >>> from monitor.facts import Histogram
        >>> Hellinger(rows_min=4).read(Histogram("x", True, (4, 0)), Histogram("x", True, (0, 4))).value
        1.0
        """
        expected, found = take_histograms(reference, current)
        expected_n, found_n = expected.n, found.n
        if min(expected_n, found_n) < self.rows_min:
            return too_few(found_n, self.rows_min)
        pairs = zip(expected.bins, found.bins, strict=True)
        twice = sum((sqrt(before / expected_n) - sqrt(now / found_n)) ** 2 for before, now in pairs)
        value = sqrt(min(1.0, twice / 2))
        return Reading(judge(value > self.limit), found_n, value, self.limit)
