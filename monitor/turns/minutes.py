"""Whole minutes as bets: how many rows each had, read from the store once it is over and its rows have come.

    judged    now - grace    now
    ...|--- due ---|.........|        each due minute: rows of its pane, 0 without one -> more, fewer, none

A minute is judged once: the last one is committed with the state that bet on it. Without a row it is silence only if
somebody listened, so these minutes are unknown and bet on nothing:

- those in which the epoch began, or the watch over it;
- all up to a look that comes more than `away_s` after the one before, or after the last tick of another life. Rows that
  were sent meanwhile are lost, or come late; both look like silence. A shorter absence empties two minutes at most,
  which page nobody (tests/turns/test_minutes.py). Where time is stepped (replay) it stands still while nobody looks,
  so no step is an absence. A look in an earlier minute than the one before is one: nobody knows when rows came.
  Minutes that were judged are not judged again, unless all of them began later than it is now: else a clock that stood
  in another year for one look would end the watch over minutes until that year;
- of more than a day the first (`due_minutes`), and those of which the store keeps no minutes any more.

Rows that came and were refused are no silence: what they may have changed of a minute is unknown (`refusals`).

Rows that wait uncounted (nobody knows what is served, or folds are behind) hold minutes back: one is due when
everything that came in its time and its grace is counted.

What one tick judges is one bet, however many minutes it holds, so a silence pages after about five ticks: in five
minutes live, in five steps where time is stepped by hours.

Cost: one read of one pane a tick; after a step of a day 48 reads and 1,440 panes, which is the most.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import floor, inf
from typing import Final, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from monitor.facts import Family, ModelName
from monitor.panes.layout import Layout
from monitor.panes.rhythm import Bounds
from monitor.panes.signals import Counted
from monitor.panes.volume import due_minutes
from monitor.panes.window import sum_panes
from monitor.store.protocol import Store
from monitor.turns.lookout import MINUTE_S, Lookout
from monitor.turns.refusals import Refused, nothing_refused

Counts: TypeAlias = NDArray[np.int64]
Parts: TypeAlias = list[tuple[Bounds, Counted]]

AWAY_LOOKS: Final = 2  # a look may come as late as the next one should
DAY_MINUTES: Final = 1440
READ: Final = 30  # minutes at once: a whole hour comes as one pane


@dataclass(frozen=True, slots=True)
class Pace:
    """How rows come and looks follow one another; seconds."""

    grace_s: float  # late rows are waited for
    pane_s: int = MINUTE_S
    away_s: float = AWAY_LOOKS * 60.0  # between two looks, after more nobody listened; inf: time is stepped
    horizon_s: float = inf  # after which panes have no detail

    @property
    def minutes(self) -> bool:
        """Whether panes tell how many rows a minute had."""
        return self.pane_s == MINUTE_S


def pace_of(grace_s: float, pane_s: int, look_every_s: float, *, stepped: bool, horizon_s: float = inf) -> Pace:
    """By the settings; minutes are judged at ticks, which are no more than one a minute."""
    away_s = inf if stepped else AWAY_LOOKS * max(look_every_s, float(MINUTE_S))
    return Pace(grace_s, pane_s, away_s, horizon_s)


class Heard(msgspec.Struct, frozen=True):
    """Minutes since 1970 that were listened to without a break: those after `since`; judged are those to `upto`."""

    since: int
    upto: int

    def after(self, minute: int) -> "Heard":
        """What is left where minutes up to this one are unknown."""
        return self if minute <= self.upto else Heard(minute, minute)

    def before(self, minute: int) -> "Heard":
        """What is left where the clock says that it is only `minute`: what began later began in another time."""
        return self if self.since <= minute else Heard(minute, minute)


def minute_of(time: float) -> int:
    """The minute since 1970 that holds `time`."""
    return floor(time / MINUTE_S)


@dataclass(frozen=True, slots=True)
class Minutes:
    """The minutes of one epoch of one model."""

    store: Store
    model: ModelName
    epoch: int
    lookout: Lookout
    pace: Pace
    refused: Refused = nothing_refused

    def judge(self, heard: Heard, now: float) -> tuple[Parts, Heard]:
        """The bets of the minutes that are due, by hour, and what is judged after that."""
        if not self.lookout.counts_minutes:
            return [], heard
        heard = heard.after(floor(self.store.position().horizon / 86_400.0) * DAY_MINUTES - 1)
        waiting = self.store.health().oldest_arrival
        counted = now if waiting is None else min(now, waiting)
        due = due_minutes(heard.upto, counted, self.pace.grace_s)
        if not due:
            return [], heard
        kept = heard.after(due.start - 1)
        return self.count(due), Heard(kept.since, due.stop - 1)

    def in_doubt(self, heard: Heard) -> bool:
        """Whether something of the newest judged minute is unknown, because rows that came in it were refused."""
        newest, kin = range(heard.upto, heard.upto + 1), self.lookout.families.get(Family.VOLUME)
        if kin is None or not self.refused(newest).any():
            return False
        return any(not part.n[kin.signals].all() for _, part in self.count(newest))

    def since(self, heard: Heard, start: float) -> Parts:
        """Judged minutes from `start` on again, the last day of them, for whoever asks why."""
        first = max(minute_of(start), heard.since + 1, heard.upto + 1 - DAY_MINUTES)
        return self.count(range(first, heard.upto + 1))

    def count(self, minutes: range) -> Parts:
        """What these minutes say, each hour with its own band."""
        return [
            (self.lookout.bounds(hour), self.lookout.count_minutes(hour, self._rows(each), self.refused(each)))
            for hour, each in _cut(minutes, 60)
        ]

    def _rows(self, minutes: range) -> Counts:
        layout, found = self.lookout.layout, np.zeros(len(minutes), np.int64)
        for _, part in _cut(minutes, READ):
            stored = self.store.panes(
                self.model, self.epoch, "", layout.digest, part.start * MINUTE_S, part.stop * MINUTE_S
            )
            for key, body in stored:
                found[key.start // MINUTE_S - minutes.start] += rows_in(layout, body)
        return found


def rows_in(layout: Layout, body: bytes) -> int:
    """How many rows a stored pane has."""
    return int(sum_panes([body], layout.digest, layout.size).counts[layout.rows].sum())


def _cut(minutes: range, length: int) -> Iterator[tuple[int, range]]:
    """Parts of a range that lie in the same `length` minutes, with the number of these."""
    start = minutes.start
    while start < minutes.stop:
        number = start // length
        end = min((number + 1) * length, minutes.stop)
        yield number, range(start, end)
        start = end
