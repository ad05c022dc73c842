"""What rows say when they come: counts by the hour of a row's own time, against whose bands they are bet.

Bands are the detector's business, so the same counts are told to detectors of other tolerances, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from monitor.panes.signals import Counted, Signals

Counts: TypeAlias = NDArray[np.int64]
Parts: TypeAlias = Sequence[tuple[int, Counted]]  # by hour since 1970


@dataclass(frozen=True, slots=True, eq=False)
class Arrival:
    """Rows of one hour: marginal cells without labels, and the sums of numbers that tell whether one stood still."""

    cells: Counts
    moments: Counts

    @classmethod
    def of(cls, signals: Signals, counts: Counts) -> "Arrival":
        """Of a pane's counts i8[layout.size]; labels are not bet on by arrival."""
        cells = signals.margins.sum(counts)
        cells[signals.margins.labels] = 0
        return cls(cells, counts[signals.margins.layout.moments])

    def __add__(self, other: "Arrival") -> "Arrival":
        """Both together."""
        return Arrival(self.cells + other.cells, self.moments + other.moments)

    def counted(self, signals: Signals) -> Counted:
        """What the rows say, as the daemon's tick reads it of a delta."""
        return signals.read_arrived(self.cells.copy()) + signals.read_stale(self.cells, self.moments)


@dataclass(slots=True)
class Open:
    """The rows of the open tick."""

    signals: Signals
    came: dict[int, Arrival] = field(default_factory=dict)

    def add(self, hour: int, counts: Counts) -> None:
        """Add what a pane of the hour counts."""
        more = Arrival.of(self.signals, counts)
        self.came[hour] = self.came[hour] + more if hour in self.came else more

    def arrived(self) -> Parts:
        """What they say, the earliest hour first."""
        return [(hour, each.counted(self.signals)) for hour, each in sorted(self.came.items())]
