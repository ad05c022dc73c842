"""How far the share of any output class has moved from the reference's, with an interval.

    value = max_k |q_k - p_k|        over the classes and "any other"; in [0, 1]

Interval: each class gets Newcombe's of q_k - p_k at confidence 1 - .05 / classes (Bonferroni), so all of them hold at
once with 95 %: `low` is the surest of the lower bounds of |q_k - p_k|, `high` the largest of the upper ones.

Why beside the distances: this one comes in shares of the traffic ("late is answered 9 points more often"), counts the
reference's own sampling error, and says how sure it is.
Source: Newcombe 1998, Stat. Med. 17:873, method 10. Cost: 3 us a class.
Failure mode: outputs that follow the time of day move with it; compare windows of whole days.
"""

from dataclasses import dataclass
from statistics import NormalDist
from typing import ClassVar

from monitor.detectors.intervals import newcombe
from monitor.detectors.parameters import demand_rows, demand_share_or_zero
from monitor.detectors.protocol import CLASSIFICATION, NO_KIND, judge, take_histograms, too_few
from monitor.facts import FeatureKind, Reading, Subject, Task, View


@dataclass(frozen=True, slots=True)
class ClassShareShift:
    """Breach when a class has surely moved by more than `limit`, given `rows_min` rows on each side."""

    subjects: ClassVar[frozenset[Subject]] = frozenset({Subject.OUTPUT})
    kinds: ClassVar[frozenset[FeatureKind]] = NO_KIND
    tasks: ClassVar[frozenset[Task]] = CLASSIFICATION

    limit: float = 0.05  # [0, 1], share of the rows
    rows_min: int = 200  # >= 1

    def __post_init__(self) -> None:
        demand_share_or_zero("limit", self.limit)
        demand_rows("rows_min", self.rows_min)

    def read(self, reference: View, current: View) -> Reading:
        """Compare two histograms of the output; ValueError if the classes differ.

        >>> from monitor.facts import Histogram
        >>> expected, found = Histogram("output", False, (800, 200, 0)), Histogram("output", False, (700, 300, 0))
        >>> round(ClassShareShift().read(expected, found).value, 3)
        0.1
        """
        expected, found = take_histograms(reference, current)
        if min(expected.n, found.n) < self.rows_min:
            return too_few(found.n, self.rows_min, "share")
        z = NormalDist().inv_cdf(1 - 0.05 / 2 / len(expected.bins))
        value = low = high = 0.0
        for before, now in zip(expected.bins, found.bins, strict=True):
            least, most = newcombe(now, found.n, before, expected.n, z)
            value = max(value, abs(now / found.n - before / expected.n))
            low, high = max(low, least, -most), max(high, most, -least)
        return Reading(judge(low > self.limit), found.n, value, self.limit, low, high, "share")
