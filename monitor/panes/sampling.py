"""Which rows of a fold are kept as they came: by a keyed hash, by stratum, and whatever is odd.

Each row belongs to one group and is kept with that group's probability:

    stratum s, n_s rows     p_s = max(share, min(1, per_stratum_min / n_s))     kept if hash < p_s * 2**64
    flagged, n_f rows       p_f = min(1, flagged_max / n_f)                     kept if among the flagged_max lowest

The hash is of the row's id under a secret, so a client cannot choose what is looked at, and the same rows always give
the same sample. Hashes are uniform and independent, so each is an exact inclusion probability: in the strata because
the threshold depends on counts alone (Poisson sampling with permanent random numbers; Ohlsson, Coordination of Samples
Using Permanent Random Numbers, 1995), among the flagged because the k lowest of n are a simple random sample. So sums
over all rows are estimated without bias by sums of 1 / p over the sample (Horvitz & Thompson, JASA 47, 1952).

A stratum is as large as it comes out: at an expectation of m rows it varies by sqrt(m). Rejected: the k lowest of every
stratum, because share * n_s must then be rounded up, and small folds would keep everything. The flagged have a hard
cap, because a broken sender flags every row at once.
Receipts are thinned by the same hash (`monitor.store.receipts`): a row of the sample loses its receipt last.
Cost: 2 ms for 200,000 rows (2026-11, two cores).
"""

from enum import IntFlag
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

HASHES = 2.0**64


class Flag(IntFlag):
    """Why a row is odd. The numbers are stored in samples: never reuse one."""

    UNSEEN = 1  # a category that the reference does not know
    OUT_OF_RANGE = 2  # a number outside the reference's range
    INVALID = 4  # a value of the wrong kind
    NON_FINITE = 8  # NaN or infinite
    MISSING = 16  # a feature that the reference always has
    OTHER_OUTPUT = 32  # an answer that the schema does not name, or no finite number
    DISAGREES = 64  # the known-good answers otherwise
    LATE = 128  # it came after its pane was closed
    CLAIM = 256  # its sender names another bundle than the one that was served


class Chosen(NamedTuple):
    """What is kept: `rows` ascending, and the probability with which each was, in (0, 1]."""

    rows: NDArray[np.intp]
    probability: NDArray[np.float64]


def choose(
    keys: NDArray[np.uint64],
    strata: NDArray[np.uint8],
    flags: NDArray[np.uint32],
    *,
    share: float,
    per_stratum_min: int,
    flagged_max: int,
) -> Chosen:
    """Choose among n rows: `keys` are keyed hashes of their ids, `strata` any numbers, `flags` 0 or `Flag` bits.

    `share` in [0, 1] of every stratum, yet `per_stratum_min` >= 0 rows in expectation; `flagged_max` >= 0.
    The order of the rows does not matter.
    """
    odd = np.flatnonzero(flags)
    sizes = np.bincount(strata, minlength=256) - np.bincount(strata[odd], minlength=256)
    of_stratum = np.maximum(share, np.minimum(1.0, per_stratum_min / np.maximum(sizes, 1)))
    kept = (keys < _limits(of_stratum)[strata]) | (of_stratum >= 1.0)[strata]
    of_odd = 1.0
    kept[odd] = False
    if len(odd) > flagged_max:
        of_odd = flagged_max / len(odd)
        odd = odd[np.argsort(keys[odd], kind="stable")[:flagged_max]]
    kept[odd] = True
    rows = np.flatnonzero(kept)
    return Chosen(rows, np.where(flags[rows] != 0, of_odd, of_stratum[strata[rows]]))


def below(keys: NDArray[np.uint64], probability: NDArray[np.float64] | float) -> NDArray[np.bool_]:
    """Which hashes lie below p * 2**64; all where p is 1, none where it is 0."""
    p = np.asarray(probability, np.float64)
    result: NDArray[np.bool_] = (keys < _limits(p)) | (p >= 1.0)
    return result


def _limits(p: NDArray[np.float64]) -> NDArray[np.uint64]:
    limits: NDArray[np.uint64] = (np.minimum(p, 1.0 - 2.0**-53) * HASHES).astype(np.uint64)  # 2**64 is no uint64
    return limits
