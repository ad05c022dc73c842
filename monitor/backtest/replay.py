"""The replay of a history file: rows, as they would have come, through the e-detector and the rules over windows.

    batch -> binned once -> runs of one tick -> cells by hour, minutes -> bets, and those of planted shifts
                         -> labels, each in the tick in which it came ---^
                         -> runs of one grain -> whole panes -> windows of every length

Time stands still inside a tick and moves at its end; nothing looks ahead. Memory is that of a batch, the panes of open
windows, labels on their way and a state for each planted shift that is looked for: it does not grow with the rows.

Cost: 1,000,000 rows of 20 numbers in 16,667 ticks: see docs/backtest.md for what was measured.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.backtest.bets import WITHIN_LABELS_S, WITHIN_S, Bets, placed_bets, sow
from monitor.backtest.flipped import Flipped
from monitor.backtest.following import together
from monitor.backtest.plants import Change, Plant, place
from monitor.backtest.report import LabelWindows, Planted
from monitor.backtest.rows import HOUR_S, Clock, Survey, survey, usable
from monitor.backtest.sown import SownColumn, SownRows
from monitor.backtest.terms import Terms, demand_schema
from monitor.backtest.told import Ledgered
from monitor.backtest.unread import bet_on, label_windows, unwatched
from monitor.backtest.whole import Whole
from monitor.backtest.windows import Windows, readable
from monitor.errors import Problem, SettingsError
from monitor.facts import BundleId, Epoch, Family, Schema
from monitor.ingest.history import open_history
from monitor.panes.binning import Binned
from monitor.panes.build import HistoryBatch
from monitor.panes.count import bin_rows, count_rows
from monitor.panes.schema import ColumnNames

NO_BUDGET: Final = "it needs a budget in the pack and bands in the reference"

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
    labels: LabelWindows | None = None
    minutes: int | None = None
    families: tuple[str, ...] = ()  # of which something was bet on


@dataclass(frozen=True, slots=True)
class History:
    """A file with its schema, which names its columns."""

    path: Path
    schema: Schema
    names: ColumnNames


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
    replay = Replay.of(terms, history, found, plants, within_s, tolerances)
    for batch in open_history(history.path, history.schema, history.names)():
        replay.add(batch)
        progress(found.rows + replay.rows)
    return replay.close()


@dataclass(slots=True)
class Replay:
    """A file on its way: what is bet on, the windows, and how far it was read."""

    terms: Terms
    history: History
    found: Survey
    ledgered: Ledgered
    bets: Bets | None
    whole: Whole
    not_read: tuple[str, ...]
    clock: Clock
    rows: int = 0
    left_out: int = 0

    @classmethod
    def of(  # noqa: PLR0917  # what is replayed, and how
        cls,
        terms: Terms,
        history: History,
        found: Survey,
        plants: Sequence[Plant],
        within_s: float | None,
        tolerances: Sequence[float],
    ) -> "Replay":
        """Everything before the first row."""
        labelled = history.names.label is not None
        rules, not_read = readable(terms, labelled=labelled, paired=False)
        every_s = 60.0 if terms.pack.watch is None else terms.pack.watch.every_s
        placed = _placed(plants, found, every_s, within_s, labelled=labelled)
        ledgered = Ledgered()
        bets = placed_bets(terms, found.start, ledgered, sow(terms, placed, within_s), tolerances)
        _demand_minutes(placed, bets)
        epoch = Epoch(1, terms.model, BundleId("backtest"), "", found.start, found.start, terms.layout.digest)
        windows = Windows(terms, epoch, ledgered, rules)
        flips = placed if bets is None or any(rule.family is Family.LABELS for rule in rules) else ()
        flipped = [
            Flipped(plant, within_s or WITHIN_LABELS_S, terms.layout.classes)
            for plant in flips
            if plant.change is Change.FLIP
        ]
        unread = (*unwatched(terms, labelled=labelled), *not_read)
        return cls(
            terms, history, found, ledgered, bets, Whole(terms, windows, flipped), unread, Clock(every_s, HOUR_S)
        )

    def add(self, batch: HistoryBatch) -> None:
        """Replay the next rows of the file."""
        first = self.rows
        self.rows += batch.predictions.n
        kept, gone = usable(batch, self.found)
        self.left_out += gone
        binned = bin_rows(self.terms.layout, kept.predictions)
        if self.bets is not None:
            self._bet(self.bets, kept, binned, first)
        self.whole.add(kept, binned, first)

    def close(self) -> Replayed:
        """The file is over; SettingsError if it is another one than was surveyed."""
        if self.rows != self.found.rows:
            raise SettingsError([Problem(str(self.history.path), "changed while it was read")])
        bets, end = self.bets, self.found.end
        if bets is not None:
            bets.close(end)
        self.whole.close(end)
        return Replayed(
            self.ledgered,
            tuple(self._planted()),
            self.not_read,
            self.rows - self.left_out,
            self.clock.late,
            self.left_out,
            self.found.start,
            end,
            end - self.found.start,
            () if bets is None else tuple((tolerance, rung.ledgered) for tolerance, rung in bets.rungs),
            None if bets is None or self.history.names.label is None else label_windows(bets, self._timed),
            None if bets is None or not bets.minutes.watched else bets.minutes.judged,
            bet_on(self.terms, labelled=self.history.names.label is not None),
        )

    @property
    def _timed(self) -> bool:
        return self.history.names.label_time is not None

    def _bet(self, bets: Bets, batch: HistoryBatch, binned: Binned, first: int) -> None:
        """Tell the e-detector of the rows of a batch whose first is the `first` of the file."""
        times = batch.predictions.times
        bets.waiting.add(batch, binned, self.clock.arrivals(times), first)
        moved = _moved(bets, batch, first)
        counted = [plant for plant in bets.sown if isinstance(plant, SownRows)]
        for run in self.clock.cut(times):
            bets.move(run.tick)
            for hour, rows in run.parts:
                where = slice(int(rows[0]), int(rows[-1]) + 1) if rows[-1] - rows[0] == len(rows) - 1 else rows
                bets.add(hour, count_rows(self.terms.layout, binned, where).counts)
                bets.come(times[where])
                for sown, column in moved:
                    sown.add(hour, column[where])
                for each in counted:
                    each.add(times[where], first + rows)

    def _planted(self) -> list[Planted]:
        """What became of every plant, whoever looked for it."""
        told: dict[tuple[str, float], list[Planted]] = {}
        sown = () if self.bets is None else self.bets.sown
        for each in (*(plant.follow.close() for plant in sown), *(one.close() for one in self.whole.flipped)):
            told.setdefault((each.plant, each.onset), []).append(each)
        return sorted(map(together, told.values()), key=lambda each: (each.column, each.plant, each.onset))


def _moved(bets: Bets, batch: HistoryBatch, first: int) -> list[tuple[SownColumn, NDArray[np.uint8]]]:
    """The changed cells of every planted shift that is looked for by the end of this batch."""
    times = batch.predictions.times
    last = float(times.max()) if len(times) else -np.inf
    sown = [each for each in bets.sown if isinstance(each, SownColumn)]
    active = [each for each in sown if each.follow.done is None and each.follow.onset <= last]
    return [(each, each.cells(batch.predictions, first)) for each in active]


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


def _demand_minutes(placed: Sequence[Plant], bets: Bets | None) -> None:
    """SettingsError where rows are planted that nobody could miss."""
    counts = [plant for plant in placed if plant.change is Change.COUNT]
    why = NO_BUDGET if bets is None else bets.betting.lookout.untold(Family.VOLUME)
    if counts and why:
        what = "is a change of how many rows come, and nothing is bet on that"
        raise SettingsError([Problem(f"--plant {counts[0].text}", what, why)])
