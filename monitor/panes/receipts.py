"""Receipts: what a late label needs to know about its prediction, so that the rows themselves need not be kept.

One packed record per prediction, beside the 64-bit hash of its id that the store sorts by:

| field | type | |
|---|---|---|
| time | f8 | the prediction's; its pane follows from it |
| epoch | u4 | who answered |
| output | u1 | the served class; K is another class |
| known_good_output | u1 | what the known-good said to the same row; NOT_ASKED if it was not asked |
| score | f4 | NaN: none |
| segment | u2 | number of the segment |
| source | u4 | hash of the sender's name |
| bins | u1[F] | the cell of each feature, in the bins of the epoch's judging reference |

24 bytes + F; with the hash 52 bytes at 20 features. 10,000,000 receipts are half a gigabyte on disk.
"""

import hashlib

import numpy as np
from numpy.typing import NDArray

from monitor.panes.count import Binned, Cells


def receipt_dtype(feature_count: int) -> np.dtype[np.void]:
    """The packed little-endian record for rows of so many features: 24 + feature_count bytes."""
    return np.dtype(
        [
            ("time", "<f8"),
            ("epoch", "<u4"),
            ("output", "u1"),
            ("known_good_output", "u1"),
            ("score", "<f4"),
            ("segment", "<u2"),
            ("source", "<u4"),
            ("bins", "u1", (feature_count,)),
        ]
    )


def write_receipts(
    binned: Binned,
    *,
    times: NDArray[np.float64],
    epochs: NDArray[np.uint32],
    outputs: Cells,
    known_good_outputs: Cells,
    scores: NDArray[np.float64],
    segments: NDArray[np.uint16],
    sources: NDArray[np.uint32],
) -> NDArray[np.void]:
    """One receipt per row, in the order of the rows; every array has an entry per row."""
    receipts = np.empty(len(times), receipt_dtype(binned.cells.shape[1]))
    receipts["time"] = times
    receipts["epoch"] = epochs
    receipts["output"] = outputs
    receipts["known_good_output"] = known_good_outputs
    receipts["score"] = scores
    receipts["segment"] = segments
    receipts["source"] = sources
    receipts["bins"] = binned.cells
    return receipts


def hash_source(source: str) -> int:
    """The sender's name in 32 bits, for `source`; the same on every machine. Names may collide: it decides nothing."""
    return int.from_bytes(hashlib.blake2b(source.encode(), digest_size=4).digest(), "little")
