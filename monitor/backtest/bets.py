"""The e-detector's part of a replay: the open tick, the alerts, and the planted shifts that are looked for.

    rows, labels, times -> open tick -> what came, label windows that close, minutes that are over -> one bet

Each source of evidence is what it is in the daemon's tick (`monitor.turns.ticking`), in the same order. Time moves when
a row of a later tick comes, tick by tick while anything could be said of the ticks between, and in one leap otherwise.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from monitor.backtest.betting import Betting
from monitor.backtest.came import Counts, Open
from monitor.backtest.labelling import Labelling
from monitor.backtest.minutely import Minutely
from monitor.backtest.plants import Change, Plant
from monitor.backtest.sown import Replaying, Sowing, SownColumn, SownLabels, SownRows
from monitor.backtest.terms import Terms
from monitor.backtest.tick import Tick, hear
from monitor.backtest.told import Crossings, Ledgered
from monitor.backtest.waiting import Waiting

DAY_S = 86_400.0
WITHIN_S = DAY_S  # how long a planted shift is looked for
WITHIN_LABELS_S = 7 * DAY_S  # of labels: their windows wait


@dataclass(slots=True)
class Bets:
    """One e-detector with everything that is told to it."""

    crossings: Crossings
    minutes: Minutely
    labels: Labelling
    waiting: Waiting
    rungs: tuple[tuple[float, Crossings], ...] = ()
    sown: tuple[Sowing, ...] = ()
    tick: int | None = None
    open: Open = field(init=False)
    times: list[NDArray[np.float64]] = field(default_factory=list)  # of rows of the open tick

    def __post_init__(self) -> None:
        self.open = Open(self.betting.lookout.signals)

    @property
    def betting(self) -> Betting:
        """The detector of the replay itself."""
        return self.crossings.betting

    @property
    def every_s(self) -> float:
        """Seconds of a tick."""
        return self.betting.every_s

    def move(self, tick: int) -> None:
        """Rows of this tick come next: the ones before are over."""
        if self.tick is None:
            self.tick = tick
        while self.tick < tick:
            self.end_tick()
            self.tick = tick if self._idle else self.tick + 1

    def add(self, hour: int, counts: Counts) -> None:
        """Count rows of the open tick: a pane's counts of one hour."""
        self.open.add(hour, counts)

    def come(self, times: NDArray[np.float64]) -> None:
        """Say when these rows of the open tick were made."""
        self.times.append(times)

    def end_tick(self) -> None:
        """Bet on the open tick, first what was planted: it takes over the state from before."""
        if self.tick is None:
            return
        began = self.tick * self.every_s
        for plant in self.sown:
            if plant.follow.begins(began):
                plant.begin(Replaying(self.betting, self.labels, self.minutes))
        tick = self._told(began)
        for plant in self.sown:
            plant.tick(tick)
        for each in (self.crossings, *(rung for _, rung in self.rungs)) if tick.parts else ():
            each.advance(tick.now, tick.parts)
        self.open, self.times = Open(self.open.signals), []

    def close(self, end: float) -> None:
        """The rows are over."""
        self.end_tick()
        for each in (self.crossings, *(rung for _, rung in self.rungs)):
            each.close(end)

    def _told(self, began: float) -> Tick:
        assert self.tick is not None, "asked for while a tick is open"
        now, came, fresh = began + self.every_s, self.open.came, self.waiting.take(self.tick)
        for times in self.times:
            self.minutes.add(times)
        labelled = hear(self.labels, came, fresh, now)
        return Tick(began, now, came, self.times, fresh, self.open.arrived(), labelled, self.minutes.judge(now))

    @property
    def _idle(self) -> bool:
        """Whether ticks without rows say nothing."""
        return not (self.minutes.watched or self.waiting.order or self.labels.open)


def armed(terms: Terms, start: float) -> Betting | None:
    """The e-detector before its first tick; None where there is nothing to bet on."""
    lookout = terms.lookout()
    if lookout is None or lookout.rhythm is None:
        return None
    assert terms.pack.watch is not None, "what is looked out for follows from a budget"
    every_s = terms.pack.watch.every_s
    return Betting(lookout, every_s, start // every_s * every_s)


def placed_bets(
    terms: Terms, start: float, ledgered: Ledgered, sown: Sequence[Sowing] = (), tolerances: Sequence[float] = ()
) -> Bets | None:
    """Everything of one e-detector that begins at `start`, and one more for each tolerance; None: nothing is bet on."""
    betting = armed(terms, start)
    if betting is None:
        return None
    lookout, windows = betting.lookout, terms.label_windows
    shares = {plant.follow.plant.size for plant in sown if plant.follow.plant.change is Change.FLIP}
    rungs = tuple(
        (tolerance, _followed(other, armed(other, start), Ledgered()))
        for tolerance, other in ((each, terms.tolerant(each)) for each in tolerances)
    )
    return Bets(
        _followed(terms, betting, ledgered),
        Minutely.since(lookout, terms.grace_s, start),
        Labelling.since(lookout, windows, start),
        Waiting(terms.layout, lookout.signals.margins, windows, betting.every_s, tuple(sorted(shares))),
        rungs,
        tuple(sown),
    )


def sow(terms: Terms, placed: Sequence[Plant], within_s: float | None) -> tuple[Sowing, ...]:
    """Plants that have their onsets, as the e-detector looks for them."""
    found: list[Sowing] = []
    for plant in placed:
        if plant.change is Change.FLIP:
            found.append(SownLabels(plant, within_s or WITHIN_LABELS_S))
        elif plant.change is Change.COUNT:
            found.append(SownRows(plant, within_s or WITHIN_S))
        else:
            found.append(SownColumn(plant, terms.layout, within_s or WITHIN_S))
    return tuple(found)


def _followed(terms: Terms, betting: Betting | None, ledgered: Ledgered) -> Crossings:
    assert betting is not None, "a tolerance is tried where there are bands"
    return Crossings(betting, terms.pack, ledgered)
