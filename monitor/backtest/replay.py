"""The replay of a history file: rows, as they would have come, through the e-detector and the rules over windows.

    batch -> binned once -> runs of one tick -> cells by hour -> bets, and those of planted shifts
                         -> runs of one grain -> whole panes -> windows of every length

Time stands still inside a tick and moves at its end; nothing looks ahead. Memory is that of a batch, the panes of open
windows and a state for each planted shift that is still looked for: it does not grow with the rows.

Cost: 1,000,000 rows of 20 numbers in 16,667 ticks: see docs/backtest.md for what was measured.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from monitor.backtest.betting import Betting
from monitor.backtest.flipped import Flipped
from monitor.backtest.plants import Change, Plant, place
from monitor.backtest.report import Planted
from monitor.backtest.rows import HOUR_S, Clock, Run, Survey, part, survey, usable
from monitor.backtest.sown import Sown
from monitor.backtest.terms import Terms, demand_schema
from monitor.backtest.told import Crossings, Ledgered
from monitor.backtest.windows import WHOLE, Windows, grain, readable
from monitor.errors import Problem, SettingsError
from monitor.facts import BundleId, Epoch, Schema
from monitor.ingest.history import open_history
from monitor.panes.binning import Binned
from monitor.panes.build import HistoryBatch, count_history
from monitor.panes.count import bin_rows, count_rows
from monitor.panes.layout import Layout
from monitor.panes.schema import ColumnNames

DAY_S = 86_400.0
WITHIN_S = DAY_S  # how long a planted shift is looked for
WITHIN_LABELS_S = 7 * DAY_S  # of labels: their windows are days

Counts = NDArray[np.int64]
Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay found, before it is put in words."""

    ledgered: Ledgered
    planted: tuple[Planted, ...]
    not_read: tuple[str, ...]
    rows: int
    late: int
    left_out: int
    start: float | None
    end: float | None
    armed_s: float
    rungs: tuple[tuple[float, Ledgered], ...] = ()  # the same rows under bands of other tolerances


@dataclass(frozen=True, slots=True)
class History:
    """A file with its schema, which names its columns."""

    path: Path
    schema: Schema
    names: ColumnNames


@dataclass(slots=True)
class Bets:
    """The e-detector's part: the open tick, the alerts, and the planted shifts that are looked for."""

    layout: Layout
    crossings: Crossings
    sown: list[Sown]
    rungs: tuple[tuple[float, Crossings], ...] = ()
    tick: int | None = None
    came: dict[int, Counts] = field(default_factory=dict)  # marginal cells of the open tick, by hour

    def add(self, binned: Binned, run: Run, moved: Sequence[tuple[Sown, NDArray[np.uint8]]]) -> None:
        """Count the rows of a run; a later tick than the open one ends that."""
        if self.tick is not None and run.tick != self.tick:
            self.end_tick()
        self.tick = run.tick
        margins = self.crossings.betting.lookout.signals.margins
        for hour, rows in run.parts:
            where = slice(int(rows[0]), int(rows[-1]) + 1) if rows[-1] - rows[0] == len(rows) - 1 else rows
            cells = margins.sum(count_rows(self.layout, binned, where).counts)
            self.came[hour] = self.came[hour] + cells if hour in self.came else cells
            for sown, column in moved:
                sown.add(hour, column[where])

    def end_tick(self) -> None:
        """Bet on the open tick, first what was planted: it takes over the state from before."""
        if self.tick is None:
            return
        betting = self.crossings.betting
        began = self.tick * betting.every_s
        now = began + betting.every_s
        for sown in self.sown:
            if sown.done is None and sown.onset <= began:
                sown.tick(betting, now, self.came)
            else:
                sown.told.clear()
        climb((self.crossings, *(rung for _, rung in self.rungs)), now, self.came)
        self.came = {}
        self.tick = None


def replay_history(  # noqa: PLR0917  # what is replayed, and how
    terms: Terms,
    history: History,
    plants: Sequence[Plant],
    progress: Progress,
    within_s: float | None = None,
    tolerances: Sequence[float] = (),
) -> Replayed:
    """Replay a file; SettingsError where it, or what is to be planted, does not fit.

    `progress` hears the rows read, the pass over the times included. `tolerances` are tried beside, on the same rows.
    """
    demand_schema(history.schema, terms.layout.reference.schema)
    found = survey(history.path, history.schema, history.names, progress)
    labelled = history.names.label is not None
    rules, not_read = readable(terms, labelled=labelled, paired=False)
    betting = armed(terms, found.start)
    every_s = 60.0 if betting is None else betting.every_s
    placed = _placed(plants, found, every_s, within_s, labelled=labelled)
    ledgered = Ledgered()
    epoch = Epoch(1, terms.model, BundleId("backtest"), "", found.start, found.start, terms.layout.digest)
    windows = Windows(terms, epoch, ledgered, rules)
    bets = None if betting is None else _bets(terms, betting, ledgered, placed, within_s, tolerances)
    flips = [plant for plant in placed if plant.change is Change.FLIP]
    flipped = [Flipped(plant, within_s or WITHIN_LABELS_S, terms.layout.classes) for plant in flips]
    whole = Whole(terms, windows, flipped)
    rows, left_out = 0, 0
    clock = Clock(every_s, HOUR_S)
    for batch in open_history(history.path, history.schema, history.names)():
        rows += batch.predictions.n
        kept, gone = usable(batch, found)
        left_out += gone
        binned = bin_rows(terms.layout, kept.predictions)
        first = rows - batch.predictions.n
        if bets is not None:
            moved = _moved(bets, kept, first)
            for run in clock.cut(kept.predictions.times):
                bets.add(binned, run, moved)
        whole.add(kept, binned, first)
        progress(found.rows + rows)
    if rows != found.rows:
        raise SettingsError([Problem(str(history.path), "changed while it was read")])
    end = found.end
    if bets is not None:
        bets.end_tick()
        for crossings in (bets.crossings, *(rung for _, rung in bets.rungs)):
            crossings.close(end)
    whole.close(end)
    sown = [] if bets is None else bets.sown
    planted = [*(one.close() for one in sown), *(one.close() for one in flipped)]
    unwatched = () if betting is not None else (_unwatched(terms),)
    return Replayed(
        ledgered,
        tuple(sorted(planted, key=lambda each: (each.column, each.plant, each.onset))),
        (*unwatched, *not_read),
        rows - left_out,
        clock.late,
        left_out,
        found.start,
        end,
        end - found.start,
        () if bets is None else tuple((tolerance, rung.ledgered) for tolerance, rung in bets.rungs),
    )


@dataclass(slots=True)
class Whole:
    """The part of whole panes: rows counted with their labels, by grain, for rules over windows."""

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
                self._count(self.windows, start, piece, cells)
                for one in self.flipped:
                    if one.looks(now + self.clock.every_s):
                        self._count(one.take_over(self.windows), start, one.flip(piece, first + rows), cells)

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


def armed(terms: Terms, start: float) -> Betting | None:
    """The e-detector before its first tick; None where there is nothing to bet on."""
    lookout = terms.lookout()
    if lookout is None or lookout.rhythm is None:
        return None
    assert terms.pack.watch is not None, "what is looked out for follows from a budget"
    every_s = terms.pack.watch.every_s
    return Betting(lookout, every_s, start // every_s * every_s)


def followed(terms: Terms, betting: Betting, ledgered: Ledgered) -> Crossings:
    """An e-detector and its alerts."""
    assert terms.pack.watch is not None, "what is looked out for follows from a budget"
    return Crossings(betting, terms.pack, ledgered, terms.pack.watch.calm_s)


def ladder(terms: Terms, start: float, tolerances: Sequence[float]) -> tuple[tuple[float, Crossings], ...]:
    """An e-detector for each tolerance, to be told the same rows."""
    found = []
    for tolerance in tolerances:
        other = terms.tolerant(tolerance)
        betting = armed(other, start)
        assert betting is not None, "tried where there are bands"
        found.append((tolerance, followed(other, betting, Ledgered())))
    return tuple(found)


def climb(rungs: Sequence[Crossings], now: float, came: Mapping[int, Counts]) -> None:
    """One tick of each of them."""
    for rung in rungs:
        rung.advance(now, rung.betting.counted(came))


def _bets(  # noqa: PLR0917  # what is bet on, and what is tried beside
    terms: Terms,
    betting: Betting,
    ledgered: Ledgered,
    placed: Sequence[Plant],
    within_s: float | None,
    tolerances: Sequence[float],
) -> Bets:
    features = [plant for plant in placed if plant.change is not Change.FLIP]
    sown = [Sown(plant, terms.layout, within_s or WITHIN_S) for plant in features]
    return Bets(terms.layout, followed(terms, betting, ledgered), sown, ladder(terms, betting.at, tolerances))


def _moved(bets: Bets, batch: HistoryBatch, first: int) -> list[tuple[Sown, NDArray[np.uint8]]]:
    """The changed cells of every planted shift that is looked for by the end of this batch."""
    times = batch.predictions.times
    last = float(times.max()) if len(times) else -np.inf
    active = [sown for sown in bets.sown if sown.done is None and sown.onset <= last]
    return [(sown, sown.cells(batch.predictions, first)) for sown in active]


def _placed(
    plants: Sequence[Plant], found: Survey, every_s: float, within_s: float | None, *, labelled: bool
) -> tuple[Plant, ...]:
    flips = [plant for plant in plants if plant.change is Change.FLIP]
    if flips and not labelled:
        raise SettingsError([Problem(f"--plant {flips[0].text}", "needs labels", "name their column as columns.label")])
    others = [plant for plant in plants if plant.change is not Change.FLIP]
    return (
        *place(others, found.start, found.end, within_s or WITHIN_S, every_s),
        *place(flips, found.start, found.end, within_s or WITHIN_LABELS_S, every_s),
    )


def _unwatched(terms: Terms) -> str:
    if terms.pack.watch is None:
        return "sequential: the pack has no section `sequential:`, so nothing is bet on"
    return "sequential: the reference has no bands, so nothing is bet on"
