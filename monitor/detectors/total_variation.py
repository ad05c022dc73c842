"""Total variation distance between a reference and the current counts.

    tvd = 1/2 sum_i |p_i - q_i|        in [0, 1]; 0 same, 1 disjoint

The share of rows that would have to change their bin; the easiest distance to explain. Bins: they can only hide a
difference, never make one. No interval: the point decides.

Source: Levin, Peres & Wilmer, Markov Chains and Mixing Times, 2nd ed., prop. 4.2.
Not a test: two samples of n and m rows from one source still give about sqrt(bins (1/n + 1/m) / (2 pi)), .08 for 22
bins at 500 rows against many.
"""

from dataclasses import dataclass
from typing import ClassVar

from monitor.detectors.parameters import demand_rows, demand_share
from monitor.detectors.protocol import EVERY_KIND, judge, take_histograms, too_few
from monitor.facts import EVERY_TASK, FeatureKind, Reading, Subject, Task, View


@dataclass(frozen=True, slots=True)
class TotalVariation:
    """Breach above `limit`, given `rows_min` binned rows on each side."""

    subjects: ClassVar[frozenset[Subject]] = frozenset({Subject.FEATURES, Subject.OUTPUT, Subject.SCORE})
    kinds: ClassVar[frozenset[FeatureKind]] = EVERY_KIND
    tasks: ClassVar[frozenset[Task]] = EVERY_TASK

    limit: float = 0.2  # (0, 1], share of the rows
    rows_min: int = 500  # >= 1; noise at 22 bins is then about .08

    def __post_init__(self) -> None:
        demand_share("limit", self.limit)
        demand_rows("rows_min", self.rows_min)

    def read(self, reference: View, current: View) -> Reading:
        """Compare two histograms of the same bins; ValueError if the bins differ.

        >>> from monitor.facts import Histogram
        >>> TotalVariation(rows_min=4).read(Histogram("x", True, (2, 2)), Histogram("x", True, (4, 0))).value
        0.5
        """
        expected, found = take_histograms(reference, current)
        expected_n, found_n = expected.n, found.n
        if min(expected_n, found_n) < self.rows_min:
            return too_few(found_n, self.rows_min, "share")
        pairs = zip(expected.bins, found.bins, strict=True)
        apart = sum(abs(before * found_n - now * expected_n) for before, now in pairs)
        value = apart / (2 * expected_n * found_n)
        return Reading(judge(value > self.limit), found_n, value, self.limit, unit="share")
