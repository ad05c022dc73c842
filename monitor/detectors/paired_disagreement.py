"""Share of rows that the known-good answers differently from the served model.

    value = differ / asked        in [0, 1]; breach when Wilson's lower bound exceeds `limit`

It needs no label, so it is there at once; but an honest retrain disagrees too (6 % is usual), and it does not say who
is right. Interval: Wilson 1927 (intervals.py).
"""

from dataclasses import dataclass
from typing import ClassVar

from monitor.detectors.intervals import wilson
from monitor.detectors.parameters import demand_rows, demand_share_or_zero
from monitor.detectors.protocol import CLASSIFICATION, NO_KIND, judge, take, too_few
from monitor.facts import FeatureKind, Pairs, Reading, Subject, Task, View


@dataclass(frozen=True, slots=True)
class PairedDisagreement:
    """Breach when the two surely differ on more than `limit` of the rows, given `rows_min` asked rows."""

    subjects: ClassVar[frozenset[Subject]] = frozenset({Subject.PAIRS})
    kinds: ClassVar[frozenset[FeatureKind]] = NO_KIND
    tasks: ClassVar[frozenset[Task]] = CLASSIFICATION

    limit: float = 0.1  # [0, 1], share of the asked rows
    rows_min: int = 200  # >= 1

    def __post_init__(self) -> None:
        demand_share_or_zero("limit", self.limit)
        demand_rows("rows_min", self.rows_min)

    def read(self, reference: View, current: View) -> Reading:
        """Read the pairs; the reference has none. ValueError for other views."""
        take(Pairs, reference)
        found = take(Pairs, current)
        if found.asked < self.rows_min:
            return too_few(found.asked, self.rows_min, "share")
        low, high = wilson(found.differ, found.asked)
        return Reading(judge(low > self.limit), found.asked, found.differ / found.asked, self.limit, low, high, "share")
