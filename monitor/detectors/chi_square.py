"""Pearson's chi-square statistic of the table of two samples: reference and current counts by bin.

    value = sum over samples s and bins i of (count_si - n_s c_i / n)^2 / (n_s c_i / n),  c_i both counts of bin i

without the correction of Yates, on bins that either sample has a row in; with (bins - 1) degrees of freedom the limit
is the point beyond which a chi-square variable lies with probability `significance`.

For display only. A p-value answers whether two windows are samples of one source, and of enough rows no two ever are:
the statistic grows with the rows, so every busy model breaches on every feature. A p-value at each window cries wolf:
at .001, fifty features and hourly windows, 36 false breaches a month even if nothing ever changes; and rows that come
in sessions make it worse. Distances (total_variation, jensen_shannon) say how much has changed.

No interval: the point of `significance` decides. Bins: a difference inside a bin does not show.

Source: Pearson 1900, Philos. Mag. 50:157. The tail is exact (tails.py); expected counts below 5 make it approximate.
"""

from dataclasses import dataclass
from typing import ClassVar

from monitor.detectors.parameters import demand_finite, demand_rows
from monitor.detectors.protocol import EVERY_KIND, judge, take_histograms, too_few, unknown
from monitor.detectors.tails import chi_square_point
from monitor.facts import EVERY_TASK, FeatureKind, Reading, Subject, Task, View


@dataclass(frozen=True, slots=True)
class ChiSquare:
    """Breach beyond the point of `significance`, given `rows_min` binned rows on each side."""

    subjects: ClassVar[frozenset[Subject]] = frozenset({Subject.FEATURES, Subject.OUTPUT, Subject.SCORE})
    kinds: ClassVar[frozenset[FeatureKind]] = EVERY_KIND
    tasks: ClassVar[frozenset[Task]] = EVERY_TASK

    significance: float = 0.001  # [1e-12, .5], the share of false breaches of one window of independent rows
    rows_min: int = 500  # >= 1

    def __post_init__(self) -> None:
        demand_finite("significance", self.significance, 1e-12, 0.5)
        demand_rows("rows_min", self.rows_min)

    def read(self, reference: View, current: View) -> Reading:
        """Compare two histograms of the same bins; ValueError if the bins differ.

        >>> from monitor.facts import Histogram
        >>> ChiSquare(rows_min=4).read(Histogram("x", True, (2, 2)), Histogram("x", True, (4, 0))).value
        2.6666666666666665
        """
        expected, found = take_histograms(reference, current)
        expected_n, found_n = expected.n, found.n
        if min(expected_n, found_n) < self.rows_min:
            return too_few(found_n, self.rows_min)
        seen = [(before, now) for before, now in zip(expected.bins, found.bins, strict=True) if before or now]
        if len(seen) < 2:
            return unknown(found_n, "all rows are in one bin, so there is nothing to compare")
        # Both samples' terms of a bin together: (b m - c n)^2 / (n m (b + c)), in whole numbers until the division.
        apart = sum((before * found_n - now * expected_n) ** 2 / (before + now) for before, now in seen)
        value, limit = apart / expected_n / found_n, chi_square_point(self.significance, len(seen) - 1)
        return Reading(judge(value > limit), found_n, value, limit)
