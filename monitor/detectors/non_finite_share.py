"""Share of rows in which a numeric feature was NaN or infinite, against the reference.

    value = non_finite / rows

They count apart from the missing ones: a division by zero upstream is another fault than a column left out.
Interval: Wilson 1927 (intervals.py). The rule for a breach, and its false alarms, are in shares.py.
"""

from dataclasses import dataclass
from typing import ClassVar

from monitor.detectors.protocol import take_histograms, unknown
from monitor.detectors.shares import UNIT, demand_limits, read_excess
from monitor.facts import EVERY_TASK, FeatureKind, Reading, Subject, Task, View


@dataclass(frozen=True, slots=True)
class NonFiniteShare:
    """Breach when the share is surely more than `limit` above the reference's, given `rows_min` rows."""

    subjects: ClassVar[frozenset[Subject]] = frozenset({Subject.FEATURES})
    kinds: ClassVar[frozenset[FeatureKind]] = frozenset({FeatureKind.NUMERIC})
    tasks: ClassVar[frozenset[Task]] = EVERY_TASK

    limit: float = 0.01  # [0, 1], added to the reference's share
    rows_min: int = 100  # >= 1

    def __post_init__(self) -> None:
        demand_limits(self)

    def read(self, reference: View, current: View) -> Reading:
        """Compare two histograms of one feature; ValueError if the bins differ."""
        expected, found = take_histograms(reference, current)
        if not expected.ordered:
            return unknown(found.rows, "only numbers can be non-finite", UNIT)
        return read_excess(self, found.non_finite, found.rows, expected.non_finite, expected.rows)
