"""Share of rows in which a feature was null or absent, against the reference.

    value = missing / rows

A column that is gone altogether reads 1.
Interval: Wilson 1927 (intervals.py). The rule for a breach, and its false alarms, are in shares.py.
"""

from dataclasses import dataclass
from typing import ClassVar

from monitor.detectors.protocol import EVERY_KIND, take_histograms
from monitor.detectors.shares import demand_limits, read_excess
from monitor.facts import EVERY_TASK, FeatureKind, Reading, Subject, Task, View


@dataclass(frozen=True, slots=True)
class MissingShare:
    """Breach when the share is surely more than `limit` above the reference's, given `rows_min` rows."""

    subjects: ClassVar[frozenset[Subject]] = frozenset({Subject.FEATURES})
    kinds: ClassVar[frozenset[FeatureKind]] = EVERY_KIND
    tasks: ClassVar[frozenset[Task]] = EVERY_TASK

    limit: float = 0.05  # [0, 1], added to the reference's share
    rows_min: int = 100  # >= 1

    def __post_init__(self) -> None:
        demand_limits(self)

    def read(self, reference: View, current: View) -> Reading:
        """Compare two histograms of one feature; ValueError if the bins differ."""
        expected, found = take_histograms(reference, current)
        return read_excess(self, found.missing, found.rows, expected.missing, expected.rows)
