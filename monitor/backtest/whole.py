"""The part of whole panes: rows of a history with their labels, by grain, for rules over windows.

Labels count with their rows here, whenever they came: rules over windows of labels are read at their best.
"""

from dataclasses import dataclass, field

from monitor.backtest.flipped import Flipped
from monitor.backtest.rows import Clock, part
from monitor.backtest.terms import Terms
from monitor.backtest.windows import WHOLE, Windows, grain
from monitor.panes.binning import Binned
from monitor.panes.build import HistoryBatch, count_history


@dataclass(slots=True)
class Whole:
    """All windows, and those of planted labels."""

    terms: Terms
    windows: Windows
    flipped: list[Flipped]
    clock: Clock = field(init=False)

    def __post_init__(self) -> None:
        step = grain(self.windows.rules)
        self.clock = Clock(step, step)

    def add(self, batch: HistoryBatch, binned: Binned, first: int) -> None:
        """Count a batch whose first row is the `first` of the file."""
        if not self.windows.rules:
            return
        for each in (self.windows, *(one.windows for one in self.flipped if one.windows is not None)):
            each.arrive(batch.predictions.times)
        for run in self.clock.cut(batch.predictions.times):
            now = run.tick * self.clock.every_s
            self._go_on(now)
            for unit, rows in run.parts:
                start = unit * self.clock.unit_s
                piece, cells = part(batch, binned, rows)
                for one in self.flipped:  # first, so that what it takes over does not hold these rows
                    if one.looks(now + self.clock.every_s):
                        self._count(one.take_over(self.windows), start, one.flip(piece, first + rows), cells)
                self._count(self.windows, start, piece, cells)

    def close(self, end: float) -> None:
        """The rows are over: read the windows that are, too."""
        self._go_on(end + self.terms.grace_s)
        self.windows.finish()

    def _go_on(self, now: float) -> None:
        for _ in self.windows.close(now):
            pass
        for one in self.flipped:
            one.go_on(now)

    def _count(self, windows: Windows, start: float, batch: HistoryBatch, binned: Binned) -> None:
        layout = self.terms.layout
        windows.count(start, WHOLE, count_history(layout, batch, binned))
        if self.terms.segments is None or not any(rule.by for rule in windows.rules):
            return
        packed = self.terms.segments.pack(batch.predictions)
        for name, rows in self.terms.segments.rows(binned.cells, packed):
            windows.count(start, name, count_history(layout, *part(batch, binned, rows)))
