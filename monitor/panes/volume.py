"""Volume: whether a minute had more rows than minutes of that hour of the day have, fewer, or none.

    more: rows > the .98 quantile of the hour      fewer: rows < its .02 quantile      none: no row

Each minute is one row of a share like any other ("of n minutes, x had more"), so a flood and a silence are bet on with
a band of their own. The quantiles would hold too well for the days they come from: the shares that bands are learned
from are those of days held out (rhythm_volume.py).

A minute can be judged when it is over and its rows have arrived; it counts once (`due_minutes`).

Where intake refused rows nobody knows how many the minute had, only that they were between those counted and those with
all that were refused. What is true of both ends is said, what is true of one is unknown (`judge_refused`): a handful of
broken rows silences nothing, and a full journal is no silence.
"""

from typing import Final, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

Counts: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]

DAY_H: Final = 24
MANY: Final = 1 << 40  # rows that nobody counted: a request that was refused unread
ITEMS: Final = ("more", "fewer", "none")


def due_minutes(judged: int, now: float, wait_s: float) -> range:
    """The minutes since 1970 after `judged` that were over `wait_s` seconds before `now`; of more than a day the last.

    Minutes that are given up bet on nothing: that is always allowed.

    >>> due_minutes(9, 720.0, 30.0)
    range(10, 11)
    """
    end = int((now - wait_s) // 60)
    return range(max(judged + 1, end - DAY_H * 60), end)


class Volume(msgspec.Struct, frozen=True):
    """Quantiles of rows a minute, by hour of the day, UTC."""

    low: tuple[int, ...]
    high: tuple[int, ...]

    def judge_refused(self, hours: Counts, rows: Counts, refused: Counts) -> tuple[Flags, Flags]:
        """What `judge` says of minutes with `refused` i8[m] rows on top at most, and whether it is known: bool[m, 3].

        >>> volume = Volume((40,) * 24, (60,) * 24)
        >>> hours, rows, refused = np.zeros(3, int), np.array([0, 0, 61]), np.array([0, MANY, MANY])
        >>> volume.judge_refused(hours, rows, refused)[1].tolist()
        [[True, True, True], [False, False, False], [True, True, True]]
        """
        least, most = self.judge(hours, rows), self.judge(hours, rows + refused)
        return least, least == most

    def judge(self, hours: Counts, rows: Counts) -> Flags:
        """Which of ITEMS are true of minutes with so many `rows` i8[m], in `hours` i8[m] since 1970: bool[m, 3]."""
        place = hours % DAY_H
        more, fewer = rows > np.array(self.high)[place], rows < np.array(self.low)[place]
        return np.stack([more, fewer, rows == 0], axis=1)


def volume_fault(volume: Volume | None) -> str:
    """Say what makes stored quantiles unusable, or nothing."""
    if volume is None:
        return ""
    if len(volume.low) != DAY_H or len(volume.high) != DAY_H:
        return "the day of the volume has other hours"
    if any(not 0 <= low <= high for low, high in zip(volume.low, volume.high, strict=True)):
        return "quantiles of the volume are none"
    return ""
