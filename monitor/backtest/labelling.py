"""Windows of labels in a replay: what labels say of the hours of their rows, bet on when the windows close.

When a window closes is the daemon's own function (`monitor.turns.closing.due`), asked at every tick at which it could
answer anything new: when labels came, when a window is over, and at a deadline. What a closed window says is read from
the same cells as a stored pane's, hour by hour; only the sums are kept here instead of in a store.

Memory: one vector of label cells for each hour up to the deadline; some KB each.
"""

from dataclasses import dataclass, field, replace
from math import floor

import numpy as np

from monitor.backtest.came import Counts, Parts
from monitor.panes.signals import Counted
from monitor.turns.closing import Closing, Coverage, Terms, begin, due
from monitor.turns.lookout import HOUR_S, Lookout


@dataclass(frozen=True, slots=True, eq=False)
class Said:
    """Rows of one hour that a label can reach, how many are labelled, and the label cells of these."""

    kept: int
    labelled: int
    cells: Counts

    def __add__(self, other: "Said") -> "Said":
        """Both together."""
        return Said(self.kept + other.kept, self.labelled + other.labelled, self.cells + other.cells)


@dataclass(slots=True)
class Labelling:
    """The label windows of one replay; a fork of it goes on by itself."""

    lookout: Lookout
    terms: Terms
    closing: Closing
    said: dict[int, Said] = field(default_factory=dict)  # by hour since 1970
    came: dict[int, int] = field(default_factory=dict)  # windows that rows or labels came for, and how many labels

    @classmethod
    def since(cls, lookout: Lookout, terms: Terms, start: float) -> "Labelling":
        """Watch from `start` on."""
        return cls(lookout, terms, begin(terms, start))

    def add(self, hour: int, more: Said) -> None:
        """Rows came, or labels."""
        start = self.terms.start(hour * HOUR_S)
        self.came[start] = self.came.get(start, 0) + more.labelled
        if start >= self.closing.first:
            self.said[hour] = self.said[hour] + more if hour in self.said else more

    def close(self, now: float) -> Parts:
        """What the windows that close at `now` say, by hour."""
        if not self._could_close(now):
            return ()
        found = due(self.terms, self.closing, self.came, now, self._coverage)
        self.came, self.closing = {}, found.after
        hours = [start // HOUR_S + part for start in found.starts for part in range(self._hours)]
        parts = [(hour, self._counted(hour)) for hour in hours if hour in self.said]
        first = found.after.first // HOUR_S
        self.said = {hour: each for hour, each in self.said.items() if hour >= first}
        return [(hour, counted) for hour, counted in parts if counted.n.any()]

    @property
    def open(self) -> int:
        """Windows with rows that nothing was bet on."""
        return len({*self.closing.open, *(s for s in self.came if s >= self.closing.first)} - {*self.closing.closed})

    def fork(self) -> "Labelling":
        """The same windows, to go on with by themselves."""
        return replace(self, said=dict(self.said), came=dict(self.came))

    @property
    def _hours(self) -> int:
        return self.terms.window_s // HOUR_S

    def _could_close(self, now: float) -> bool:
        """Whether labels came, or a window has ended or met its deadline since the last look."""
        ends = (self.terms.ended(0), self.terms.deadline(0))
        return any(self.came.values()) or any(
            floor((now - end) / self.terms.window_s) > floor((self.closing.at - end) / self.terms.window_s)
            for end in ends
        )

    def _coverage(self, start: int) -> Coverage:
        hours = [self.said[hour] for hour in range(start // HOUR_S, start // HOUR_S + self._hours) if hour in self.said]
        return Coverage(sum(each.kept for each in hours), sum(each.labelled for each in hours))

    def _counted(self, hour: int) -> Counted:
        signals = self.lookout.signals
        cells = np.zeros(signals.margins.size, np.int64)
        cells[signals.margins.labels] = self.said[hour].cells
        return signals.read(cells)
