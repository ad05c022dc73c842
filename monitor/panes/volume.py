"""Volume: whether a minute had more rows than minutes of that hour of the day have, fewer, or none.

    more: rows > the .98 quantile of the hour      fewer: rows < its .02 quantile      none: no row

Each minute is one row of a share like any other ("of n minutes, x had more"), so a flood and a silence are bet on with
a band of their own. The quantiles would hold too well for the days they come from: the shares that bands are learned
from are those of days held out (rhythm_volume.py).

A minute can be judged when it is over and its rows have arrived; it counts once.
"""

from typing import Final, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

Counts: TypeAlias = NDArray[np.int64]

DAY_H: Final = 24
ITEMS: Final = ("more", "fewer", "none")


class Volume(msgspec.Struct, frozen=True):
    """Quantiles of rows a minute, by hour of the day, UTC."""

    low: tuple[int, ...]
    high: tuple[int, ...]

    def judge(self, hours: Counts, rows: Counts) -> NDArray[np.bool_]:
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
