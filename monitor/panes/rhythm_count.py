"""History counted by time, in memory that is fixed before the first row: what bands are learned from.

Two tables of marginal cells (margins.py), filled in pass two:

- *slots* over the whole history, of 15 minutes, doubled until they fit: what wanders, and the rhythm of day and week;
- *minutes* of a few hours, spread evenly over the history with golden jitter, so that they meet every hour of the day:
  how much minutes differ by chance alone, sessions and other clusters of rows included.

Counts add, so neither the order of the rows nor how they are cut into batches matters.

A history whose slots are longer than two hours shows no rhythm of the day; its bands are wider for it. With 500
features and 64 MiB that is so above 56 days, with 20 features above two years: give the last weeks, not all there is.

Times. A handful of rows with an absurd time (1970, 2099) would stretch the slots over decades. Pass one counts rows by
day, exactly; up to .05 % of them at either end are left out if that halves the span. They count everywhere else.

Bounds: `memory` bytes for both tables; 40,000 distinct days. A cell is an unsigned number of 32 bits: 4 * 10^9 rows a
slot. Cost: 3 ns a value (measured 2026-11).
"""

from bisect import bisect_right
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.panes.binning import Binned, Cells
from monitor.panes.concordance import count_concordance
from monitor.panes.contents import bucket_rows
from monitor.panes.margins import Margins
from monitor.panes.rhythm_volume import MINUTES_MAX

MEMORY: Final = 64 << 20
SLOTS_MAX: Final = 10_000
HOURS_MAX: Final = 168  # counted by minute: 9,900 degrees of freedom, a design effect within 1.5 %
SLOT_S: Final = 900.0
MINUTE_S: Final = 60.0
HOUR_S: Final = 3600.0
DAY_S: Final = 86_400.0
DAYS_MAX: Final = 40_000  # distinct ones: 110 years, and 5 MB
_TRIMMED: Final = 0.0005  # of the rows, at either end
_MINUTES_SHARE: Final = 0.375  # of the memory
_CELL_BYTES: Final = 4
_GOLDEN: Final = 0.6180339887498949

Table = NDArray[np.uint32]
Counts = NDArray[np.int64]
Places = NDArray[np.intp]
Doubles = NDArray[np.float64]


class Days:
    """Rows by day: pass one's knowledge of when the history was."""

    def __init__(self) -> None:
        """Start with no rows."""
        self._rows: dict[int, int] = {}

    def update(self, times: Doubles) -> None:
        """Count rows at `times`, seconds; those without a usable time are left out."""
        usable = times[np.isfinite(times) & (np.abs(times) < DAY_S * 2**31)]
        days, rows = np.unique(np.floor(usable / DAY_S).astype(np.int64), return_counts=True)
        for day, count in zip(days.tolist(), rows.tolist(), strict=True):
            if day in self._rows or len(self._rows) < DAYS_MAX:
                self._rows[day] = self._rows.get(day, 0) + count

    def chosen(self) -> Counts:
        """Days since 1970 that have rows, ascending, without the absurd ones; empty without times."""
        if not self._rows:
            return np.empty(0, np.int64)
        days = sorted(self._rows)
        seen = np.cumsum([self._rows[day] for day in days])
        first = int(np.searchsorted(seen, _TRIMMED * seen[-1], side="right"))
        last = int(np.searchsorted(seen, (1 - _TRIMMED) * seen[-1]))
        whole, middle = days[-1] - days[0] + 1, days[last] - days[first] + 1
        return np.array(days[first : last + 1] if 2 * middle < whole else days, np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Which slots and which minutes are counted: `slots` of `slot_s` seconds from `start` on, `hours` since 1970."""

    start: float
    slot_s: float
    slots: int
    hours: Counts  # ascending

    @classmethod
    def of(cls, days: Counts, cells: int, memory: int = MEMORY) -> "Plan":
        """Plan for a history on these days, as `Days.chosen` gives at least one, and so many cells."""
        start, end = float(days[0]) * DAY_S, float(days[-1] + 1) * DAY_S
        fit = int(min(SLOTS_MAX, max(1, memory * (1 - _MINUTES_SHARE) / (cells * _CELL_BYTES))))
        slot_s = SLOT_S
        while (slots := int(np.ceil(end / slot_s) - np.floor(start / slot_s))) > fit:
            slot_s *= 2
        whole = 24 * len(days)
        many = int(min(HOURS_MAX, whole, max(1, memory * _MINUTES_SHARE / (cells * 60 * _CELL_BYTES))))
        steps = np.arange(many)
        at = np.floor((steps + steps * _GOLDEN % 1) * whole / many).astype(np.int64)
        hours = days[at // 24] * 24 + at % 24
        return cls(np.floor(start / slot_s) * slot_s, slot_s, slots, np.unique(hours))

    def slot_of(self, times: Doubles) -> Places:
        """Place of each row among the slots; -1 for none."""
        with np.errstate(invalid="ignore"):
            found = np.floor((times - self.start) / self.slot_s)
            return np.where((found >= 0) & (found < self.slots), found, -1).astype(np.intp)

    def minute_of(self, times: Doubles) -> Places:
        """Place of each row among the counted minutes; -1 for none."""
        usable = np.isfinite(times) & (np.abs(times) < DAY_S * 2**31)
        minutes = np.floor(np.where(usable, times, -1.0) / MINUTE_S).astype(np.int64)
        hours = minutes // 60
        at = np.minimum(np.searchsorted(self.hours, hours), len(self.hours) - 1)
        return np.where(usable & (self.hours[at] == hours), at * 60 + minutes % 60, -1).astype(np.intp)


class Tally:
    """The tables of one history."""

    def __init__(self, margins: Margins, plan: Plan) -> None:
        """Reserve the memory; nothing is reserved later."""
        self.plan, self._margins = plan, margins
        parts = (margins.output, margins.score, slice(margins.rows, margins.rows + 2), margins.contents)
        widths = [feature.size for feature in margins.layout.feature_cells]
        widths += [part.stop - part.start for part in (*parts, margins.concordance)]
        widths += [part.width for part in margins.parts]
        self._starts: list[int] = [0, *np.cumsum(widths)[:-1].tolist()]
        self._first_label = len(widths) - len(margins.parts)
        self._slots = [np.zeros((plan.slots, width), np.uint32) for width in widths]
        self._minutes = [np.zeros((60 * len(plan.hours), width), np.uint32) for width in widths]
        self.first_minute = self._last_minutes(plan)
        end = int(np.ceil((plan.start + plan.slots * plan.slot_s) / MINUTE_S))
        self._arrivals = np.zeros(end - self.first_minute, np.uint32)
        self.timed = 0  # rows in a slot

    @staticmethod
    def _last_minutes(plan: Plan) -> int:
        """The first minute since 1970 of which rows are counted one by one."""
        start, stop = plan.start / MINUTE_S, (plan.start + plan.slots * plan.slot_s) / MINUTE_S
        return int(np.floor(max(start, stop - MINUTES_MAX)))

    @property
    def arrivals(self) -> Counts:
        """Rows of every minute from `first_minute` on."""
        return self._arrivals.astype(np.int64)

    @property
    def memory(self) -> int:
        """Bytes of the tables."""
        return sum(table.nbytes for table in (*self._slots, *self._minutes, self._arrivals))

    @property
    def rows(self) -> Counts:
        """All rows of each slot, i8[slots]."""
        return self.by_slot(self._margins.rows, self._margins.rows + 1)[:, 0]

    def update(self, binned: Binned, times: Doubles, labels: "Labelled | None" = None) -> None:
        """Count some rows by their `times` f8[n], and the labels of some of them."""
        slots = self.plan.slot_of(times)
        self.timed += int(np.count_nonzero(slots >= 0))
        with np.errstate(invalid="ignore"):
            minutes = np.floor(times[slots >= 0] / MINUTE_S).astype(np.int64) - self.first_minute
        found, many = np.unique(minutes[minutes >= 0], return_counts=True)
        self._arrivals[found] += many.astype(np.uint32)
        columns = (*binned.cells.T, binned.output_cells, binned.score_cells)
        buckets = bucket_rows(binned.cells.T)
        for tables, places in ((self._slots, slots), (self._minutes, self.plan.minute_of(times))):
            if not (usable := _Places.of(places)).empty:
                self._add(tables, usable, columns, buckets, binned.cells.T)
            if labels is not None and not (usable := _Places.of(places[labels.rows])).empty:
                for cells, table in zip(labels.parts, tables[self._first_label :], strict=True):
                    usable.add(table, cells)

    def by_slot(self, start: int, stop: int) -> Counts:
        """Rows of each slot in the marginal cells from `start` to `stop` of one column: i8[slots, cells]."""
        return self._cut(self._slots, start, stop)

    def by_minute(self, start: int, stop: int) -> Counts:
        """The same of the counted minutes: i8[hours, 60, cells]."""
        return self._cut(self._minutes, start, stop).reshape(len(self.plan.hours), 60, -1)

    def _cut(self, tables: list[Table], start: int, stop: int) -> Counts:
        part = bisect_right(self._starts, start) - 1
        while not tables[part].shape[1]:  # a part without cells begins where the next one does
            part += 1
        begin = self._starts[part]
        return tables[part][:, start - begin : stop - begin].astype(np.int64)

    def _add(
        self, tables: list[Table], places: "_Places", columns: tuple[Cells, ...], buckets: Cells, by_feature: Cells
    ) -> None:
        for cells, table in zip(columns, tables, strict=False):
            places.add(table, cells)
        rows, contents, concordance = tables[len(columns) : self._first_label]
        rows[places.found, 0] += np.bincount(places.index).astype(np.uint32)
        places.add(contents, buckets)
        if concordance.shape[1]:
            ordered = np.take(by_feature, places.rows[np.argsort(places.index, kind="stable")], axis=1)
            ends = np.cumsum(np.bincount(places.index))
            for place, start, stop in zip(places.found, [0, *ends[:-1].tolist()], ends.tolist(), strict=True):
                counted = count_concordance(self._margins.layout.pairing, ordered[:, start:stop])
                concordance[place] += counted.astype(np.uint32)


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """Trusted labels of some of the rows that are counted: `rows` intp[m], and their cells by part (label_margins)."""

    rows: Places
    parts: tuple[Places, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Places:
    """Where rows belong in a table: those of `rows` at `found[index]`, the others nowhere."""

    rows: Places
    found: Places
    index: Places
    many: int  # rows in all

    @classmethod
    def of(cls, places: Places) -> "_Places":
        rows = np.flatnonzero(places >= 0)
        found, index = np.unique(places[rows], return_inverse=True)
        return cls(rows, found, index, len(places))

    @property
    def empty(self) -> bool:
        return not len(self.rows)

    def add(self, table: Table, cells: Cells | Places) -> None:
        """Count the `cells` of all rows; one that is the table's width belongs to none."""
        if not (width := table.shape[1]):
            return
        mine = cells if len(self.rows) == self.many else cells[self.rows]
        both = self.index * (width + 1) + mine
        counted = np.bincount(both, minlength=len(self.found) * (width + 1)).reshape(-1, width + 1)
        table[self.found] += counted[:, :-1].astype(np.uint32)
