"""Learns how many rows a minute has: quantiles by hour of the day, and how often minutes of other days lie beyond them.

Shares beyond a quantile are 2 % on the minutes it was made of, whatever the traffic does. What matters is another day,
so days are put aside by turns, an eighth of them at a time, and judged by the quantiles of the others. Where the days
differ much, these shares are large and wander; their band says so, and where it would hold everything it is unknown.

Days without any row are gaps of the history and not silence. Minutes before the first row and after the last are not of
the history. Hours that no day has rows in have quantiles of 0.

Bound: the last 400 days, 2.3 MB of counts. Cost: 10 ms for a week, 0.5 s for a year (measured 2026-11).
"""

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from monitor.panes.volume import DAY_H, ITEMS, Volume

Counts: TypeAlias = NDArray[np.int64]
Doubles: TypeAlias = NDArray[np.float64]

MINUTES_MAX: Final = 400 * 1440
LOW, HIGH = 0.02, 0.98
_FOLDS: Final = 8
_DAY: Final = 1440


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """The quantiles of all days, and per minute from `first` (since 1970) on whether it counts and what is true of it.

    `beyond` f8[m, 3], by the quantiles of other days; `held` bool[m], False in gaps of the history.
    """

    volume: Volume
    first: int
    beyond: Doubles
    held: NDArray[np.bool_]


def learn_volume(rows: Counts, first: int) -> Learned | None:
    """Learn from rows of each minute i8[m], the first of which is `first` since 1970; None for less than two days."""
    inside = np.flatnonzero(rows)
    if not len(inside):
        return None
    begin, end = int(inside[0]), int(inside[-1]) + 1
    rows, first = rows[begin:end], first + begin
    minutes = first + np.arange(len(rows))
    days, hours = minutes // _DAY, minutes // 60 % DAY_H
    index = days - days[0]
    busy = np.bincount(index, weights=rows) > 0
    held = busy[index]
    number = (np.cumsum(busy) - 1)[index]  # of the days that have rows
    if busy.sum() < 2:
        return None
    folds = min(_FOLDS, int(busy.sum()))
    beyond = np.zeros((len(rows), len(ITEMS)))
    for fold in range(folds):
        mine = held & (number % folds == fold)
        beyond[mine] = _quantiles(rows, hours, held & ~mine).judge(minutes[mine] // 60, rows[mine])
    return Learned(_quantiles(rows, hours, held), first, beyond, held)


def _quantiles(rows: Counts, hours: Counts, used: NDArray[np.bool_]) -> Volume:
    low, high = [0] * DAY_H, [0] * DAY_H
    for hour in range(DAY_H):
        mine = rows[used & (hours == hour)]
        if len(mine):
            low[hour] = int(np.quantile(mine, LOW, method="lower"))
            high[hour] = int(np.quantile(mine, HIGH, method="higher"))
    return Volume(tuple(low), tuple(high))
