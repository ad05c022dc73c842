"""Population stability index between a reference and the current counts.

    psi = sum_i (p_i - q_i) ln(p_i / q_i)        in [0, inf); the symmetric Kullback-Leibler (Jeffreys) divergence

p, q are the shares of bin i, outer and pooled bins included, each count raised by 1/2 (the prior of Jeffreys), so that
an empty bin costs what a bin seen half a time would and no bin costs infinity.

Bins: but for the halves added, they can only hide a difference. No interval: the point decides.

Source: Jeffreys 1946, Proc. R. Soc. A 186:453; as a credit-score index, Siddiqi, Credit Risk Scorecards (2006).
Not a test: two samples of n and m rows from one source still give about (bins - 1) (1/n + 1/m), .05 for 22 bins at 500
rows against many. The folklore limits .1 and .2 therefore mean something only with a floor on the rows.
"""

from dataclasses import dataclass
from math import log
from typing import ClassVar

from monitor.detectors.parameters import demand_positive, demand_rows
from monitor.detectors.protocol import EVERY_KIND, judge, take_histograms, too_few
from monitor.facts import EVERY_TASK, FeatureKind, Reading, Subject, Task, View


@dataclass(frozen=True, slots=True)
class Psi:
    """Breach above `limit`, given `rows_min` binned rows on each side."""

    subjects: ClassVar[frozenset[Subject]] = frozenset({Subject.FEATURES, Subject.OUTPUT, Subject.SCORE})
    kinds: ClassVar[frozenset[FeatureKind]] = EVERY_KIND
    tasks: ClassVar[frozenset[Task]] = EVERY_TASK

    limit: float = 0.2  # > 0, nats
    rows_min: int = 500  # >= 1; noise at 22 bins is then about .05

    def __post_init__(self) -> None:
        demand_positive("limit", self.limit)
        demand_rows("rows_min", self.rows_min)

    def read(self, reference: View, current: View) -> Reading:
        """Compare two histograms of the same bins; ValueError if the bins differ.

        >>> from monitor.facts import Histogram
        >>> even, odd = Histogram("x", True, (500, 500)), Histogram("x", True, (900, 100))
        >>> round(Psi().read(even, odd).value, 2)
        0.88
        """
        expected, found = take_histograms(reference, current)
        expected_n, found_n = expected.n, found.n
        if min(expected_n, found_n) < self.rows_min:
            return too_few(found_n, self.rows_min)
        half = len(expected.bins) / 2
        expected_scale, found_scale = 1 / (expected_n + half), 1 / (found_n + half)
        value = 0.0
        for expected_count, found_count in zip(expected.bins, found.bins, strict=True):
            p, q = (expected_count + 0.5) * expected_scale, (found_count + 0.5) * found_scale
            value += (p - q) * log(p / q)
        return Reading(judge(value > self.limit), found_n, value, self.limit)
