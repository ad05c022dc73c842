"""Labels of a history on their way: each comes when its own time says so, or with its row where it has none.

    batch -> cells of each label, once as it is and once for every planted share of wrong ones -> by tick of arrival

A label that comes before its row waits for it; one that comes after the deadline of its window is never bet on, live
neither, and is only counted (`late`). So what waits is bounded by the deadline, and by LABELS_MAX.

Memory: 8 bytes a part of the label cells (`monitor.panes.label_margins`) and variant: some 80 a label.
"""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from monitor.backtest.came import Counts
from monitor.backtest.labelling import Said
from monitor.backtest.plants import touched
from monitor.errors import Problem, SettingsError
from monitor.facts import Task
from monitor.panes.binning import Binned
from monitor.panes.build import HistoryBatch, history_receipts
from monitor.panes.label_margins import place_labels
from monitor.panes.layout import Layout
from monitor.panes.margins import Margins
from monitor.turns.closing import Terms
from monitor.turns.lookout import HOUR_S

LABELS_MAX: Final = 5_000_000  # that wait at once: some 400 MB
AS_IT_IS: Final = 0.0  # share of the labels that are another class

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """Labels that come in one tick."""

    times: Doubles  # of their rows
    cells: dict[float, NDArray[np.int32]]  # by share that is flipped: [n, parts], the size of all parts where in none

    @property
    def many(self) -> int:
        """How many."""
        return len(self.times)

    def said(self, size: int, share: float, since: float) -> Iterator[tuple[int, Said]]:
        """What they say by the hour of their rows, flipped if these were made `since` then."""
        places = self.cells[AS_IT_IS]
        if share != AS_IT_IS:
            places = np.where((self.times >= since)[:, np.newaxis], self.cells[share], places)
        hours = np.floor(self.times / HOUR_S).astype(np.int64)
        for hour in np.unique(hours).tolist():
            mine = places[hours == hour]
            yield hour, Said(0, len(mine), np.bincount(mine.ravel(), minlength=size + 1)[:size].astype(np.int64))


class Coming(Protocol):
    """What comes in one tick, of a history or of stored panes."""

    @property
    def many(self) -> int:
        """How many labels."""
        ...

    def said(self, size: int, share: float, since: float) -> Iterator[tuple[int, Said]]:
        """What they say by hour, in label cells of this size; a share of those since then is another class."""
        ...


@dataclass(slots=True)
class Waiting:
    """The labels that have not come yet, by tick."""

    layout: Layout
    margins: Margins
    terms: Terms
    every_s: float
    shares: tuple[float, ...] = ()  # planted
    ticks: dict[int, list[Coming]] = field(default_factory=dict)
    order: list[int] = field(default_factory=list)  # heap of these ticks
    waiting: int = 0
    came: int = 0
    late: int = 0

    def add(self, batch: HistoryBatch, binned: Binned, arrivals: Counts, first: int) -> None:
        """Add the labels of a batch whose rows come in ticks `arrivals`, its first row the `first` of the file."""
        given = np.flatnonzero(self._usable(batch))
        ticks, times = arrivals[given], batch.predictions.times[given]
        if batch.label_times is not None:
            told = batch.label_times[given]
            ticks = np.maximum(
                ticks, np.floor(np.where(np.isfinite(told), told, times) / self.every_s).astype(np.int64)
            )
        starts = np.floor(times / self.terms.window_s) * self.terms.window_s
        due = ticks * self.every_s < starts + self.terms.deadline(0)
        self.late += int(np.count_nonzero(~due))
        given, ticks, times = given[due], ticks[due], times[due]
        if not len(given):
            return
        if self.waiting + len(given) > LABELS_MAX:
            what = f"has more than {LABELS_MAX} labels on their way at once"
            raise SettingsError([Problem("history", what, "take a shorter labels.deadline, or a part of the rows")])
        receipts = history_receipts(self.layout, batch, binned)[given]
        cells = {share: self._cells(receipts, labels) for share, labels in self._variants(batch, given, first)}
        self._put(ticks, times, cells)

    def take(self, tick: int) -> Sequence[Coming]:
        """Take those that come by the end of a tick."""
        found: list[Coming] = []
        while self.order and self.order[0] <= tick:
            found += self.ticks.pop(heapq.heappop(self.order))
        many = sum(each.many for each in found)
        self.waiting -= many
        self.came += many
        return found

    def put(self, tick: int, labels: Coming) -> None:
        """Let labels come in a tick."""
        if tick not in self.ticks:
            self.ticks[tick] = []
            heapq.heappush(self.order, tick)
        self.ticks[tick].append(labels)
        self.waiting += labels.many

    def _usable(self, batch: HistoryBatch) -> NDArray[np.bool_]:
        if self.layout.task is Task.REGRESSION:
            return np.isfinite(batch.labels) & np.isfinite(batch.predictions.values)
        return ~np.isnan(batch.labels)

    def _variants(self, batch: HistoryBatch, given: NDArray[np.intp], first: int) -> Iterator[tuple[float, Doubles]]:
        labels = batch.labels[given].astype(np.float64)
        yield AS_IT_IS, labels
        for share in self.shares:
            yield share, flip(labels, touched(first + given, share), self.layout.classes)

    def _cells(self, receipts: NDArray[np.void], labels: Doubles) -> NDArray[np.int32]:
        size, start, found = sum(part.width for part in self.margins.parts), 0, []
        for part, places in zip(self.margins.parts, place_labels(self.layout, receipts, labels), strict=True):
            found.append(np.where(places < part.width, start + places, size).astype(np.int32))
            start += part.width
        return np.stack(found, axis=1)

    def _put(self, ticks: Counts, times: Doubles, cells: dict[float, NDArray[np.int32]]) -> None:
        order = np.argsort(ticks, kind="stable")
        found, starts = np.unique(ticks[order], return_index=True)
        for tick, mine in zip(found.tolist(), np.split(order, starts[1:]), strict=True):
            self.put(tick, Labels(times[mine], {share: each[mine] for share, each in cells.items()}))


def flip(labels: Doubles, chosen: NDArray[np.bool_], classes: int) -> Doubles:
    """Labels of which the chosen ones are the next class; one that is none of the classes, or missing, stays."""
    known = chosen & (labels < classes)  # False for NaN
    return np.where(known, (labels + 1) % classes, labels)
