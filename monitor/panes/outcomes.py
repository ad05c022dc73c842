"""Labels become counts, with a sign: a label adds what it says, a corrected one takes that back to the last bit.

A label arrives hours or weeks after its prediction and is counted in the prediction's pane, from the prediction's
receipt (receipts.py). When its source corrects it, the old label is counted with sign -1 and the new one with +1. For
the sums to meet exactly everything here is an integer: a squared error becomes round(error^2 * FIXED_POINT) once, from
the f4 score of the receipt, so that the same row always gives the same number. Resolution: 2**-32 a row; the mean over
any number of rows is off by at most 2**-33, and by 3e-8 from the score's rounding to f4.

Cost: 10,000 labels 0.3 ms (measured 2026-11).
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from monitor.facts import FIXED_POINT, Pane
from monitor.panes.count import NOT_ASKED, Cells, score_cells
from monitor.panes.layout import LAG_EDGES_S, SCORE_BINS, Layout

Floats: TypeAlias = NDArray[np.float32] | NDArray[np.float64]
Signs: TypeAlias = NDArray[np.int8]


def count_outcomes(
    layout: Layout,
    *,
    outputs: Cells,
    scores: Floats,
    labels: Cells,
    lags_s: NDArray[np.float64],
    known_good_outputs: Cells,
    sign: Signs,
) -> Pane:
    """Count labels by trusted sources, one entry of each array per label.

    `outputs`, `labels` index the classes, K and above is another class; `scores` NaN where there was none; `lags_s`
    is label time - prediction time, NaN where unknown; `known_good_outputs` is NOT_ASKED where it was not; `sign` +-1.
    """
    k = layout.classes
    outputs, labels = np.minimum(outputs, k), np.minimum(labels, k)
    signs = sign.astype(np.int64)
    counts = np.zeros(layout.size, np.int64)
    np.add.at(counts[layout.confusion], outputs.astype(np.intp) * (k + 1) + labels, signs)
    _count_scores(layout, counts, scores, _outcome(layout, outputs, labels), signs)
    _count_lags(counts[layout.lag], lags_s, signs)
    _count_pairs(counts[layout.pairs], outputs == labels, known_good_outputs, labels, signs)
    return layout.pane(counts)


def count_agreement(layout: Layout, outputs: Cells, labels: Cells, sign: Signs) -> Pane:
    """Count labels by untrusted sources: whether they agree with what was served. They move no error."""
    agree = np.minimum(outputs, layout.classes) == np.minimum(labels, layout.classes)
    counts = np.zeros(layout.size, np.int64)
    np.add.at(counts[layout.agreement], (~agree).astype(np.intp), sign.astype(np.int64))
    return layout.pane(counts)


def squared_errors(scores: Floats, outcome: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Square score - outcome per row, in FIXED_POINT, in [0, FIXED_POINT]; scores are probabilities, no NaN."""
    error = scores.astype(np.float32).astype(np.float64) - outcome
    return np.rint(error * error * FIXED_POINT).astype(np.int64)


def _outcome(layout: Layout, outputs: Cells, labels: Cells) -> NDArray[np.bool_]:
    """Whether what the score is a probability of came true."""
    right: NDArray[np.bool_] = labels == (outputs if layout.positive is None else layout.positive)
    return right


def _count_scores(
    layout: Layout, counts: NDArray[np.int64], scores: Floats, outcome: NDArray[np.bool_], signs: NDArray[np.int64]
) -> None:
    cells = score_cells(scores)
    given = cells < SCORE_BINS
    cells, outcome, signs = cells[given], outcome[given], signs[given]
    counts[layout.scored] = signs.sum()
    counts[layout.squared_error] = np.dot(squared_errors(scores[given], outcome), signs)
    np.add.at(counts[layout.score_label], cells.astype(np.intp) * 2 + outcome, signs)


def _count_lags(counts: NDArray[np.int64], lags_s: NDArray[np.float64], signs: NDArray[np.int64]) -> None:
    known = ~np.isnan(lags_s)
    np.add.at(counts, np.searchsorted(LAG_EDGES_S, lags_s[known], side="right"), signs[known])


def _count_pairs(
    counts: NDArray[np.int64], right: NDArray[np.bool_], known_good: Cells, labels: Cells, signs: NDArray[np.int64]
) -> None:
    """Add to both_right, only_serving_wrong, only_known_good_wrong, both_wrong, which follow asked and differ."""
    asked = known_good != NOT_ASKED
    which = 2 + (~right).astype(np.intp) + 2 * (known_good != labels)
    np.add.at(counts, which[asked], signs[asked])
