"""Rows in a window, against the least that is expected.

    value = rows; breach when below `rows_min`

No interval: it is a count.

The one detector that reads an empty window: here nothing is a measurement, not a lack of one. It says that traffic is
low, of a window; that it has stopped is said sooner by `silence`.
"""

from dataclasses import dataclass
from typing import ClassVar

from monitor.detectors.parameters import demand_rows
from monitor.detectors.protocol import NO_KIND, judge, take
from monitor.facts import EVERY_TASK, Arrivals, FeatureKind, Reading, Subject, Task, View


@dataclass(frozen=True, slots=True)
class Volume:
    """Breach below `rows_min` rows in the window."""

    subjects: ClassVar[frozenset[Subject]] = frozenset({Subject.ARRIVALS})
    kinds: ClassVar[frozenset[FeatureKind]] = NO_KIND
    tasks: ClassVar[frozenset[Task]] = EVERY_TASK

    rows_min: int = 1  # >= 1

    def __post_init__(self) -> None:
        demand_rows("rows_min", self.rows_min)

    def read(self, reference: View, current: View) -> Reading:
        """Read the number of rows; the reference says nothing here. ValueError for other views."""
        take(Arrivals, reference)
        rows = take(Arrivals, current).rows
        return Reading(judge(rows < self.rows_min), rows, float(rows), float(self.rows_min), unit="rows")
