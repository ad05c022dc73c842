"""Jensen-Shannon distance between a reference and the current counts.

    js = sqrt( 1/2 sum_i p_i log2(p_i / m_i) + 1/2 sum_i q_i log2(q_i / m_i) ),  m = (p + q) / 2;   in [0, 1]

0 same, 1 disjoint; a metric, bounded, and finite where bins are empty (0 log 0 = 0), so nothing is added to them.

Bins: they can only hide a difference, never make one. No interval: the point decides.

Source: Endres & Schindelin 2003, IEEE Trans. Inf. Theory 49:1858.
Not a test: two samples of n and m rows from one source still give about sqrt((bins - 1) (1/n + 1/m) / (8 ln 2)), .09
for 22 bins at 500 rows against many.
"""

from dataclasses import dataclass
from math import log2, sqrt
from typing import ClassVar

from monitor.detectors.parameters import demand_rows, demand_share
from monitor.detectors.protocol import EVERY_KIND, judge, take_histograms, too_few
from monitor.facts import EVERY_TASK, FeatureKind, Reading, Subject, Task, View


@dataclass(frozen=True, slots=True)
class JensenShannon:
    """Breach above `limit`, given `rows_min` binned rows on each side."""

    subjects: ClassVar[frozenset[Subject]] = frozenset({Subject.FEATURES, Subject.OUTPUT, Subject.SCORE})
    kinds: ClassVar[frozenset[FeatureKind]] = EVERY_KIND
    tasks: ClassVar[frozenset[Task]] = EVERY_TASK

    limit: float = 0.2  # (0, 1]
    rows_min: int = 500  # >= 1; noise at 22 bins is then about .09

    def __post_init__(self) -> None:
        demand_share("limit", self.limit)
        demand_rows("rows_min", self.rows_min)

    def read(self, reference: View, current: View) -> Reading:
        """Compare two histograms of the same bins; ValueError if the bins differ.

        >>> from monitor.facts import Histogram
        >>> JensenShannon(rows_min=4).read(Histogram("x", True, (4, 0)), Histogram("x", True, (0, 4))).value
        1.0
        """
        expected, found = take_histograms(reference, current)
        expected_n, found_n = expected.n, found.n
        if min(expected_n, found_n) < self.rows_min:
            return too_few(found_n, self.rows_min)
        expected_scale, found_scale = 1 / expected_n, 1 / found_n
        twice = 0.0
        for expected_count, found_count in zip(expected.bins, found.bins, strict=True):
            p, q = expected_count * expected_scale, found_count * found_scale
            if p and q:
                middle = 2 / (p + q)
                twice += p * log2(p * middle) + q * log2(q * middle)
            else:
                twice += p + q  # log2(2)
        value = sqrt(min(1.0, max(0.0, twice / 2)))
        return Reading(judge(value > self.limit), found_n, value, self.limit)
