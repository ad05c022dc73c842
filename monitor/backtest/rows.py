"""History files as ticks: rows in the order of the file, cut where simulated time goes on.

    survey    one pass over the times alone: from when to when, how many rows, and whether they are in order
    ticks     one pass over everything, a batch at a time; memory does not grow with the rows

Simulated time is the greatest tick that any row so far belongs to; it never goes back. A row that comes later in the
file belongs to the tick that is open, and is bet on with the band of its own hour: as live rows that arrive late are. A
file that is not in order would make most rows late, so it is refused: sorting needs memory, and every tool can do it.

Times. As when a reference is built, up to .05 % of the rows at either end are left out if that halves the span: one row
of the year 2099 would carry the clock there. They and rows without a time are counted, and left out.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from monitor.errors import Problem, SettingsError
from monitor.facts import Schema
from monitor.ingest.history import open_history
from monitor.panes.binning import Binned
from monitor.panes.build import HistoryBatch, OpenBatches
from monitor.panes.rhythm_count import DAY_S, DAYS_MAX, Days
from monitor.panes.schema import ColumnNames

HOUR_S: Final = 3600.0
DISORDER_MAX: Final = 0.01  # of the rows may come more than an hour after a later one

Places = NDArray[np.intp]
Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Survey:
    """What the times of a history say."""

    rows: int  # all
    start: float  # of the rows that are replayed
    end: float
    first_day: int  # days since 1970 that are replayed, both included
    last_day: int


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """Consecutive rows of a batch that arrive in one tick, parted by the unit of their own time."""

    tick: int  # ticks since 1970: it ends at (tick + 1) * every_s
    parts: tuple[tuple[int, Places], ...]  # units since 1970, and rows of the batch


@dataclass(slots=True)
class Clock:
    """Simulated time, as ticks of `every_s` seconds; rows are parted by units of `unit_s`."""

    every_s: float
    unit_s: float
    tick: int = -(2**62)
    late: int = 0

    def arrivals(self, times: Doubles) -> NDArray[np.int64]:
        """In which tick each row of a batch comes, if it is the next one."""
        own = np.floor(times / self.every_s).astype(np.int64)
        return np.maximum.accumulate(np.maximum(own, self.tick))

    def cut(self, times: Doubles) -> Iterator[Run]:
        """Cut the rows of a batch, all with times, into runs."""
        if not len(times):
            return
        arrives = self.arrivals(times)
        self.late += int(np.count_nonzero(np.floor(times / self.every_s) < arrives))
        self.tick = int(arrives[-1])
        units = np.floor(times / self.unit_s).astype(np.int64)
        ends = np.append(np.flatnonzero(np.diff(arrives)) + 1, len(times))
        start = 0
        for end in ends.tolist():
            yield Run(int(arrives[start]), tuple(_by_unit(units[start:end], start)))
            start = end


def survey(path: Path, schema: Schema, names: ColumnNames, progress: Callable[[int], None]) -> Survey:
    """Read the times of a history; SettingsError where a replay cannot follow them."""
    if names.time is None:
        hint = "name the column of times as columns.time of the schema"
        raise SettingsError([Problem(str(path), "has no times, and a replay goes by them", hint)])
    times_alone = ColumnNames(names.prediction, time=names.time)
    days, rows, newest, disorder = Days(), 0, -math.inf, 0
    spans: dict[int, tuple[float, float]] = {}
    for batch in open_history(path, msgspec.structs.replace(schema, features=()), times_alone)():
        times = batch.predictions.times
        days.update(times)
        usable = times[np.isfinite(times) & (np.abs(times) < DAY_S * 2**31)]
        if len(usable):
            plausible = usable[usable <= np.quantile(usable, 0.999, method="lower") + DAY_S]
            so_far = np.maximum.accumulate(np.append(newest, plausible))
            disorder += int(np.count_nonzero(plausible < so_far[1:] - HOUR_S))
            newest = float(so_far[-1])
        rows += batch.predictions.n
        _span(spans, usable)
        progress(rows)
    chosen = days.chosen()
    if not len(chosen):
        hint = "seconds since 1970, or dates as 2013-03-01T05:15:00Z"
        raise SettingsError([Problem(str(path), f"has no time in column {names.time} that can be read", hint)])
    first, last = int(chosen[0]), int(chosen[-1])
    if disorder > DISORDER_MAX * rows:
        what = f"is not in the order of its times: {disorder} of {rows} rows come over an hour after a later one"
        raise SettingsError([Problem(str(path), what, "sort it by the column of times")])
    return Survey(rows, spans[first][0], spans[last][1], first, last)


def usable(batch: HistoryBatch, found: Survey) -> tuple[HistoryBatch, int]:
    """Those rows of a batch that are replayed, and how many are left out."""
    times = batch.predictions.times
    day = np.floor(np.where(np.isfinite(times), times, -np.inf) / DAY_S)
    kept = (day >= found.first_day) & (day <= found.last_day)
    if kept.all():
        return batch, 0
    return _take(batch, np.flatnonzero(kept)), int((~kept).sum())


def part(batch: HistoryBatch, binned: Binned, rows: Places) -> tuple[HistoryBatch, Binned]:
    """Some rows of a batch that was binned."""
    return (
        _take(batch, rows),
        Binned(
            binned.cells[rows],
            binned.score_cells[rows],
            binned.output_cells[rows],
            tuple(None if numbers is None else numbers[rows] for numbers in binned.numbers),
            binned.values[rows],
        ),
    )


def _take(batch: HistoryBatch, rows: Places) -> HistoryBatch:
    told = None if batch.label_times is None else batch.label_times[rows]
    return HistoryBatch(batch.predictions.take(rows), batch.labels[rows], told)


def opened(path: Path, schema: Schema, names: ColumnNames) -> OpenBatches:
    """The rows of the file, each time from its start."""
    return open_history(path, schema, names)


def _span(spans: dict[int, tuple[float, float]], times: Doubles) -> None:
    """Remember the least and the greatest time of each day, of as many days as `Days` counts."""
    days, which = np.unique(np.floor(times / DAY_S).astype(np.int64), return_inverse=True)
    low, high = np.full(len(days), np.inf), np.full(len(days), -np.inf)
    np.minimum.at(low, which, times)
    np.maximum.at(high, which, times)
    for day, least, most in zip(days.tolist(), low.tolist(), high.tolist(), strict=True):
        if day in spans or len(spans) < DAYS_MAX:
            before = spans.get(day, (math.inf, -math.inf))
            spans[day] = min(before[0], least), max(before[1], most)


def _by_unit(units: NDArray[np.int64], start: int) -> Iterator[tuple[int, Places]]:
    places = np.arange(start, start + len(units))
    if units[0] == units[-1] and (units == units[0]).all():
        yield int(units[0]), places
        return
    for unit in np.unique(units).tolist():
        yield unit, places[units == unit]
