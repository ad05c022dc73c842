"""Receipts: what a late label needs to know about its prediction, so that the rows themselves need not be kept.

One packed little-endian record per prediction, beside the 64-bit hash of its id that the store sorts by:

| field | type | task | |
|---|---|---|---|
| time | f8 | all | the prediction's; its pane follows from it |
| epoch | u4 | all | who answered |
| output | u1 | classification | the served class; K is another class |
| known_good_output | u1 | classification | what the known-good said to the same row; NOT_ASKED if it was not asked |
| score | f4 | classification | NaN: none |
| probabilities | f2[K] | classification of 3 to 6 classes | NaN: none were sent |
| value | f8 | regression | the predicted number |
| known_good_value | f8 | regression | the known-good's; NaN if it was not asked |
| segment | u2 | all | the segments that follow from no feature (segments.py) |
| source | u4 | all | hash of the sender's name |
| bins | u1[F] | all | the cell of each feature, in the bins of the epoch's judging reference |

With the hash and 20 features: 52 bytes, 64 with six classes' probabilities, 62 for a regression, 46 for a ranking.
10,000,000 receipts are half a gigabyte on disk. Probabilities in f2 are off by 2^-12 of themselves: a log loss by less
than .0003 a row.
"""

import hashlib

import numpy as np
from numpy.typing import NDArray

from monitor.facts import Task
from monitor.panes.binning import Binned, Cells, Doubles
from monitor.panes.layout import Layout
from monitor.panes.rows import Predictions
from monitor.panes.sections import PROBABILITIES_MAX


def receipt_dtype(feature_count: int, task: Task = Task.CLASSIFICATION, classes: int = 2) -> np.dtype[np.void]:
    """The packed record for rows of so many features; with 0 features, what joining a label needs of one."""
    answer: list[tuple[str, str] | tuple[str, str, tuple[int]]] = []
    match task:
        case Task.CLASSIFICATION:
            answer = [("output", "u1"), ("known_good_output", "u1"), ("score", "<f4")]
            if 2 < classes <= PROBABILITIES_MAX:
                answer.append(("probabilities", "<f2", (classes,)))
        case Task.REGRESSION:
            answer = [("value", "<f8"), ("known_good_value", "<f8")]
        case Task.RANKING:
            pass
    after = [("segment", "<u2"), ("source", "<u4"), ("bins", "u1", (feature_count,))]
    return np.dtype([("time", "<f8"), ("epoch", "<u4"), *answer, *after])


def write_receipts(
    layout: Layout,
    rows: Predictions,
    binned: Binned,
    *,
    epochs: NDArray[np.uint32],
    known_good: Cells | Doubles | None,
    segments: NDArray[np.uint16],
    sources: NDArray[np.uint32],
) -> NDArray[np.void]:
    """One receipt per row, in the order of the rows; every array has an entry per row.

    `known_good` as of `count_pairs`; None: a ranking.
    """
    receipts = np.empty(rows.n, receipt_dtype(binned.cells.shape[1], layout.task, layout.classes))
    receipts["time"], receipts["epoch"] = rows.times, epochs
    receipts["segment"], receipts["source"], receipts["bins"] = segments, sources, binned.cells
    match layout.task:
        case Task.CLASSIFICATION:
            receipts["output"], receipts["known_good_output"] = rows.outputs, known_good
            receipts["score"] = rows.scores
            if layout.probabilities:
                receipts["probabilities"] = np.nan if rows.probabilities is None else rows.probabilities
        case Task.REGRESSION:
            receipts["value"], receipts["known_good_value"] = rows.values, known_good
        case Task.RANKING:
            pass
    return receipts


def hash_source(source: str) -> int:
    """The sender's name in 32 bits, for `source`; the same on every machine. Names may collide: it decides nothing."""
    return int.from_bytes(hashlib.blake2b(source.encode(), digest_size=4).digest(), "little")
