"""What a signal is: a share that is watched, and where its rows lie among the marginal cells."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from monitor.facts import Family

CUTS_MAX: Final = 9
NAMED_MAX: Final = 12  # categories or classes with a signal each: at 31, thin ones would take most of a column's weight

Counts = NDArray[np.int64]


class What(Enum):
    """The kind of set whose share is watched."""

    ABOVE = "above"  # a cut
    CATEGORY = "category"
    CLASS = "class"
    MISSING = "missing"
    INVALID = "invalid"
    NON_FINITE = "non_finite"
    UNSEEN = "unseen"
    UNDER = "under"
    OVER = "over"
    CONCORDANT = "concordant"
    CONTENT = "content"
    REPEATED = "repeated"
    ERROR = "error"
    CLASS_ERROR = "class_error"
    SLICE_ERROR = "slice_error"
    SEGMENT_ERROR = "segment_error"
    CALIBRATION = "calibration"
    HIT = "hit"
    PAIRED_ERROR = "paired_error"
    PAIRED_LOSS = "paired_loss"
    AGREEMENT = "agreement"
    RATE = "rate"
    STALE = "stale"


class Signal(msgspec.Struct, frozen=True):
    """One watched share."""

    family: Family
    group: str  # what pages and latches together: "features/age", "quality/age", "output", "score"
    column: str
    what: What
    item: str  # the cut's edge, the category or the class, in words; "" where `what` says it all
    rises: bool  # whether a rise is watched
    falls: bool


@dataclass(frozen=True, slots=True)
class Placed:
    """A signal with the ranges of marginal cells of its set and of what it is a share of."""

    signal: Signal
    hits: tuple[int, int]
    of: tuple[int, int]


def choose_cuts(bins: Counts) -> list[int]:
    """Choose at most nine places between `bins`, each the index of the first bin above it, ascending.

    Only places that have rows on both sides, and no two with the same rows above.

    >>> choose_cuts(np.array([5, 0, 5])), choose_cuts(np.full(20, 5))
    ([1], [2, 4, 6, 8, 10, 12, 14, 16, 18])
    """
    above = bins.sum() - np.cumsum(bins)[:-1]
    _, places = np.unique(-above, return_index=True)  # the first of those with the same rows above
    places = places[(above[places] > 0) & (above[places] < bins.sum())]
    if len(places) > CUTS_MAX:
        wanted = np.arange(CUTS_MAX, 0, -1) / (CUTS_MAX + 1) * bins.sum()
        places = np.unique(places[np.abs(above[places] - wanted[:, np.newaxis]).argmin(axis=1)])
    return [int(place) + 1 for place in places]
