"""What a label says of a ranked list, in one exact double.

A label gives the gains of the items by place as served. Two things are kept of it: the place of the first relevant item
(gain above 0), from which hits and the reciprocal rank follow, and the normalised discounted cumulative gain at 10:

    ndcg = dcg(gains) / dcg(gains in descending order)
    dcg  = sum over the first 10 of (2^gain - 1) / log2(place + 1)

Sources: Järvelin & Kekäläinen, ACM TOIS 20(4), 2002 (discounted gain); Burges et al., ICML 2005 (2^gain - 1). The
ideal order is that of the gains that were sent: a relevant item that was never served cannot be known here. Where
nothing is relevant there is no ideal to compare with; such a list scores 0, like one whose items all miss.

Packed: first * 2^33 + round(ndcg * 2^32), at most 2^41: exact as a double, so it travels, is stored and is corrected as
any number. 2^33 and not 2^32, because an ndcg of 1 needs the 33rd bit.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from monitor.facts import FIXED_POINT

PLACES = 10  # of the discounted gain
FIRST_MAX = 255  # this place or a later one
GAIN_MAX = 64.0  # 2^gain - 1 stays exact enough to add; graded relevance uses 0 to 5
_PLACE = 2 * FIXED_POINT
_DISCOUNTS = tuple(1 / math.log2(place + 1) for place in range(1, PLACES + 1))


def pack(first: int, ndcg: float) -> float:
    """Put the place of the first relevant item (0: none, 255: there or later) and ndcg in [0, 1] into one double.

    ValueError outside of these ranges.

    >>> unpack(np.array([pack(3, 0.5)]))[0].tolist()
    [3]
    """
    if not 0 <= first <= FIRST_MAX or not 0 <= ndcg <= 1:
        msg = f"no place and no gain of a list: {first}, {ndcg}"
        raise ValueError(msg)
    return float(first * _PLACE + round(ndcg * FIXED_POINT))


def unpack(values: NDArray[np.float64]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Take packed labels f8[n] apart: places u1[n], and ndcg i8[n] in FIXED_POINT."""
    first, ndcg = np.divmod(values.astype(np.int64), _PLACE)
    return first.astype(np.uint8), ndcg


def score_place(place: int) -> float:
    """Pack the 1-based place of the one relevant item, 0 where none was served; ValueError below 0."""
    if place < 0:
        msg = f"no place in a list: {place}"
        raise ValueError(msg)
    return pack(min(place, FIRST_MAX), _DISCOUNTS[place - 1] if 1 <= place <= PLACES else 0.0)


def score_gains(gains: Sequence[float]) -> float:
    """Pack the gains by place as served; ValueError for one that is below 0, above GAIN_MAX or not a number.

    >>> score_gains([0, 0, 1]) == score_place(3) == pack(3, 0.5)
    True
    """
    if not all(isinstance(gain, int | float) and 0 <= gain <= GAIN_MAX for gain in gains):
        msg = f"gains are numbers from 0 to {GAIN_MAX:g}"
        raise ValueError(msg)
    first = next((place for place, gain in enumerate(gains, 1) if gain > 0), 0)
    ideal = _dcg(sorted(gains, reverse=True))
    return pack(min(first, FIRST_MAX), min(_dcg(gains) / ideal, 1.0) if first else 0.0)


def _dcg(gains: Sequence[float]) -> float:
    return sum(math.expm1(gain * math.log(2)) * discount for gain, discount in zip(gains, _DISCOUNTS, strict=False))
