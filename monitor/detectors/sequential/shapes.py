"""What the detector is fed: which shares are watched, what a tick counted of them, and their bands at one hour."""

from dataclasses import dataclass
from enum import Enum

import msgspec
import numpy as np
from numpy.typing import NDArray

from monitor.facts import Family


class What(Enum):
    """What a row must be to be counted."""

    ABOVE = "above"
    CATEGORY = "category"
    MISSING = "missing"


class Signal(msgspec.Struct, frozen=True):
    """One watched share; the groups page and latch as one."""

    family: Family
    group: str
    column: str
    what: What
    item: str
    rises: bool
    falls: bool


@dataclass(frozen=True, slots=True, eq=False)
class Signals:
    """Everything that is watched of one layout."""

    signals: tuple[Signal, ...]
    scored: tuple[str, ...] = ()
    scored_group: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Counted:
    """Of `n` rows each, `x` fell into the signal's set; `bins` of the scored columns."""

    x: NDArray[np.int64]
    n: NDArray[np.int64]
    bins: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Bounds:
    """The bands at one hour; NaN is unknown."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    design: NDArray[np.float64]
    score_low: NDArray[np.float64]
    score_high: NDArray[np.float64]
    score_shares: NDArray[np.float64]
    score_z: NDArray[np.float64]
    score_design: NDArray[np.float64]
