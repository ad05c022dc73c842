"""What the history says of signals learned together, and what it lends to those that no row of it fell into.

Sets that no row of the history fell into (under, over, unseen) show no dependence of their own, and a warm day is not a
thousand independent rows above the warmest of March. They borrow it from the column's cuts or categories, by their
medians: how many rows are worth one (T / effective rows), the correlation of rows in a pane b^2 / p (1 - p), the design
effect. With u = 9 / (n + 9), the Wilson limit at n effective rows, b is then sqrt(correlation u (1 - u)). What is wrong
with values at all (missing, invalid, non-finite) borrows nothing: it comes from elsewhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.panes.rhythm import Z
from monitor.panes.signals import Signal, What

Doubles = NDArray[np.float64]
Flags = NDArray[np.bool_]

_MEAN: Final = [(False, False, True, True)]  # a score is no signal: nor cut nor borrower, watched both ways
_BORROWERS: Final = (What.UNDER, What.OVER, What.UNSEEN)


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """What makes the width of s signals' bands, f8[s] each; `memory_h` and `reach` are one for all of them."""

    rows: Doubles  # effective
    wander: Doubles
    design: Doubles
    error: Doubles  # of the centre
    memory_h: float
    reach: float


@dataclass(frozen=True, slots=True)
class Kin:
    """What a column lends to the sets it never fell into."""

    alike: float  # >= 1: rows that are worth one
    correlation: float  # [0, 1], of rows in one pane
    design: float

    @classmethod
    def of(cls, total: float, measured: Measured, variance: Doubles) -> "Kin | None":
        """The medians of the signals that vary, of `total` rows; None where none does."""
        some = variance > 0
        if not some.any():
            return None
        correlation = np.minimum(measured.wander[some] ** 2 / variance[some], 1.0)
        return cls(
            float(np.median(total / np.maximum(measured.rows[some], 1e-9))),
            float(np.median(correlation)),
            float(np.median(measured.design[some])),
        )

    def lend(self, total: float, own: Measured, borrows: Flags) -> Measured:
        """What is measured, of `total` rows, with this in the place of what those that borrow cannot show."""
        rows = np.where(borrows, np.minimum(own.rows, total / self.alike), own.rows)
        limit = Z**2 / (rows + Z**2)
        lent = np.sqrt(self.correlation * limit * (1 - limit))
        wander = np.where(borrows, np.maximum(own.wander, lent), own.wander)
        return replace(own, rows=rows, wander=wander, design=np.where(borrows, self.design, own.design))


@dataclass(frozen=True, slots=True, eq=False)
class Kinds:
    """Which signals of a group are cuts, which borrow, which directions are watched, bool[s]; and who lends."""

    cuts: Flags
    borrows: Flags
    rises: Flags
    falls: Flags
    lent: Kin | None

    @classmethod
    def of(cls, signals: Sequence[Signal], lent: Kin | None) -> "Kinds":
        """Of these signals; of none: of a mean normal score."""
        said = [(each.what is What.ABOVE, each.what in _BORROWERS, each.rises, each.falls) for each in signals]
        cuts, borrows, rises, falls = np.array(said or _MEAN, np.bool_).T
        return cls(cuts, borrows, rises, falls, lent)

    @classmethod
    def of_minutes(cls, many: int) -> "Kinds":
        """Of signals whose rows are minutes: bet on by ticks alone, so their history is not replayed."""
        none = np.zeros(many, np.bool_)
        return cls(none, none, none, none, None)
