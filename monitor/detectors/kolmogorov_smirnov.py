"""Kolmogorov-Smirnov statistic between a reference and the current counts of ordered bins.

    ks = max_i |P_i - Q_i|,  P, Q cumulative shares up to bin i, the outer bins included;   in [0, 1]

Bins: on them it is at most the statistic of the raw values, and less by at most the largest share of one bin (1/20 at
quantile bins): a difference inside a bin does not show.

No interval: the point decides. Source: Smirnov 1948, Ann. Math. Stat. 19:279; on grouped data, Noether 1963,
Technometrics 5:131 (conservative). Not a test here: two samples of n and m rows from one source exceed 1.36 sqrt(1/n +
1/m) at most one time in twenty, .06 at 500 rows against many; a look every minute makes that daily news.
"""

from dataclasses import dataclass
from itertools import accumulate
from typing import ClassVar

from monitor.detectors.parameters import demand_rows, demand_share
from monitor.detectors.protocol import judge, take_histograms, too_few, unknown
from monitor.facts import EVERY_TASK, FeatureKind, Reading, Subject, Task, View


@dataclass(frozen=True, slots=True)
class KolmogorovSmirnov:
    """Breach above `limit`, given `rows_min` binned rows on each side; UNKNOWN where bins have no order."""

    subjects: ClassVar[frozenset[Subject]] = frozenset({Subject.FEATURES, Subject.OUTPUT, Subject.SCORE})
    kinds: ClassVar[frozenset[FeatureKind]] = frozenset({FeatureKind.NUMERIC})
    tasks: ClassVar[frozenset[Task]] = EVERY_TASK

    limit: float = 0.15  # (0, 1]
    rows_min: int = 500  # >= 1

    def __post_init__(self) -> None:
        demand_share("limit", self.limit)
        demand_rows("rows_min", self.rows_min)

    def read(self, reference: View, current: View) -> Reading:
        """Compare two histograms of the same bins; ValueError if the bins differ.

        >>> from monitor.facts import Histogram
        >>> KolmogorovSmirnov(rows_min=4).read(Histogram("x", True, (2, 2)), Histogram("x", True, (3, 1))).value
        0.25
        """
        expected, found = take_histograms(reference, current)
        if not expected.ordered:
            return unknown(found.n, "its bins have no order")
        expected_n, found_n = expected.n, found.n
        if min(expected_n, found_n) < self.rows_min:
            return too_few(found_n, self.rows_min)
        below = zip(accumulate(expected.bins), accumulate(found.bins), strict=True)
        farthest = max([abs(before * found_n - now * expected_n) for before, now in below])
        value = farthest / (expected_n * found_n)
        return Reading(judge(value > self.limit), found_n, value, self.limit)
