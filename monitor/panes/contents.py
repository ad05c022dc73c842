"""Contents: which of 64 buckets a row's cells fall into, so that a flood of copies fills one of them.

    bucket = top 6 bits of sum over features of a_f (c_f + 1) mod 2^32      c: cell of feature f, a_f: fixed, odd

Rows whose values share all their bins share a bucket, near duplicates included; other rows meet in one in about 1 of 64
(multilinear hashing: Carter & Wegman 1979; with the top bits Lemire & Kaser 2014). The reference's own rows are counted
alike, so what is common there, such as a few features of few values, is no news here: a bucket's share is held against
its own band, and only a rise is watched. Copies of one row that are s of the traffic raise one bucket by about s.

The numbers are fixed and public: someone who wants to send many different rows into one bucket can, and nothing follows
but an alert; copies cannot be spread over buckets without ceasing to be copies.

Cost: one multiplication and one addition a value; `python -m bench counting` says what a row takes.
"""

from functools import cache
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from monitor.panes.sections import BUCKETS

Cells: TypeAlias = NDArray[np.uint8]

_CHUNK: Final = 32_768  # cells
_SHIFT: Final = 32 - (BUCKETS.bit_length() - 1)
_GAMMA, _FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def bucket_rows(by_feature: Cells) -> Cells:
    """Give the bucket u1[n] of each row, by the cells u1[F, n] of all features."""
    features, rows = by_feature.shape
    factors, found = _factors(features), np.empty(rows, np.uint8)
    wide = max(1, _CHUNK // max(rows, 1))
    for start in range(0, rows, _CHUNK):
        part = by_feature[:, start : start + _CHUNK]
        total = np.full(part.shape[1], factors.sum(dtype=np.uint32), np.uint32)
        for first in range(0, features, wide):
            terms = part[first : first + wide] * factors[first : first + wide]
            total += terms[0] if wide == 1 else terms.sum(axis=0, dtype=np.uint32)
        found[start : start + _CHUNK] = total >> _SHIFT
    return found


@cache
def _factors(features: int) -> NDArray[np.uint32]:
    """Make odd numbers u4[F, 1] of splitmix64 (Steele, Lea & Flood 2014): fewer are the first ones."""
    state: NDArray[np.uint64] = np.arange(1, features + 1, dtype=np.uint64) * np.uint64(_GAMMA)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(_FIRST)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(_SECOND)
    return ((state ^ (state >> np.uint64(31))) >> np.uint64(32)).astype(np.uint32)[:, np.newaxis] | np.uint32(1)
