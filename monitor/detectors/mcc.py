"""Matthews' correlation of predicted and true classes: one number for all cells of the confusion matrix.

    value = (c n - sum_k p_k t_k) / sqrt((n^2 - sum p_k^2) (n^2 - sum t_k^2))        in [-1, 1]; 0 is chance

c right of n labelled rows, p_k predicted and t_k labelled as class k. High only where every class is both found and
trusted, whatever their shares. UNKNOWN where one class alone is predicted or labelled: the formula is then 0 / 0, and
the 0 that is often put there would say "chance".

Source: Matthews 1975, Biochim. Biophys. Acta 405:442; for more classes Gorodkin 2004, Comput. Biol. Chem. 28:367.
Interval: the delta method on the cells as a multinomial sample (Bishop, Fienberg & Holland 1975, ch. 14), on Fisher's
scale, artanh, so that it stays in range; none at -1 or 1, where no spread shows.
"""

from dataclasses import dataclass
from math import atanh, sqrt, tanh
from typing import ClassVar

from monitor.detectors.coverage import COVERAGE_MIN
from monitor.detectors.estimates import Estimate, Found, at_least
from monitor.detectors.intervals import Z95
from monitor.detectors.protocol import CLASSIFICATION, NO_KIND
from monitor.facts import FeatureKind, Outcomes, Reading, Subject, Task, View


@dataclass(frozen=True, slots=True)
class Mcc:
    """Breach when it is surely below the limit; UNKNOWN below the floors, or with one class alone on a side."""

    subjects: ClassVar[frozenset[Subject]] = frozenset({Subject.OUTCOMES})
    kinds: ClassVar[frozenset[FeatureKind]] = NO_KIND
    tasks: ClassVar[frozenset[Task]] = CLASSIFICATION

    limit: float | None = None  # [0, 1], absolute
    limit_under_reference: float | None = 0.1  # [0, 1], subtracted from the reference's
    rows_min: int = 200  # >= 1, labelled rows
    coverage_min: float = COVERAGE_MIN  # [0, 1], labelled share of the rows

    def __post_init__(self) -> None:
        at_least(self).demand()

    def read(self, reference: View, current: View) -> Reading:
        """Compare what labels say of two windows; ValueError for other views."""
        return at_least(self).read(Outcomes, reference, current, _correlation)


def _correlation(outcomes: Outcomes) -> Found:
    table, n = outcomes.confusion, outcomes.labelled
    predicted, labelled = [sum(row) for row in table], [sum(column) for column in zip(*table, strict=True)]
    right = n - outcomes.wrong
    both = right * n - sum(p * t for p, t in zip(predicted, labelled, strict=True))
    spread, true_spread = n * n - sum(p * p for p in predicted), n * n - sum(t * t for t in labelled)
    if not spread or not true_spread:
        return "one class alone is predicted or labelled" if n else "no row is labelled"
    root = sqrt(spread) * sqrt(true_spread)
    value = max(-1.0, min(1.0, both / root))
    variance = 0.0  # of the value: sum of counts times squared slopes, which have mean 0 since only shares matter
    for i, row in enumerate(table):
        for j, count in enumerate(row):
            rise = (n * (i == j) + right - labelled[i] - predicted[j]) / root
            slope = rise - value * ((n - predicted[i]) / spread + (n - labelled[j]) / true_spread)
            variance += count * slope * slope
    room = (1 - value) * (1 + value)
    if not variance or room < 1e-12:
        return Estimate(value, n, n)
    half = Z95 * sqrt(variance) / room
    return Estimate(value, n, n, min(value, tanh(atanh(value) - half)), max(value, tanh(atanh(value) + half)))
