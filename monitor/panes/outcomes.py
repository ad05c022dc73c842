"""Labels become counts, with a sign: a label adds what it says, a corrected one takes that back to the last bit.

A label arrives hours or weeks after its prediction and is counted in the prediction's pane, from the prediction's
receipt (receipts.py). When its source corrects it, the old label is counted with sign -1 and the new one with +1. For
the sums to meet exactly everything here is an integer, made once per row from what the receipt holds: a squared error
becomes round(error^2 * FIXED_POINT), from the f4 score. Resolution: 2**-32 a row; the mean over any number of rows is
off by at most 2**-33, and by 3e-8 from the score's rounding to f4.

Log loss: -ln p of what came true, p clipped to [eps, 1 - eps] with the eps of float32 (1.2e-7), as scikit-learn does
with probabilities of that type. With two classes p follows from the positive class's score; with more, the label's own
probability is needed, and where only the top one was sent the row is not counted: of the rows that were wrong nothing
would be known. A label that is none of the classes has no probability and counts in no curve of a class.

Cost: 10,000 labels 0.4 ms, and 0.9 ms for a hundred slices (measured 2026-11; `python -m bench counting`).
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from monitor.facts import FIXED_POINT, Pane, Task
from monitor.panes import errors
from monitor.panes.binning import Cells, edges_below, score_cells
from monitor.panes.count import NOT_ASKED
from monitor.panes.errors import error_terms, paired_gap, split_sums, standardise
from monitor.panes.layout import Layout
from monitor.panes.ranking import PLACES, unpack
from monitor.panes.reference import NumericBins
from monitor.panes.sections import HITS_AT, LAG_EDGES_S, SCORE_BINS
from monitor.panes.slices import count_slices

Bools: TypeAlias = NDArray[np.bool_]
Counts: TypeAlias = NDArray[np.int64]
Doubles: TypeAlias = NDArray[np.float64]
Floats: TypeAlias = NDArray[np.float32] | NDArray[np.float64]
Receipts: TypeAlias = NDArray[np.void]  # of `receipt_dtype`

EPS = float(np.finfo(np.float32).eps)


def count_outcomes(
    layout: Layout, *, receipts: Receipts, labels: Doubles, lags_s: Doubles, sign: NDArray[np.int8]
) -> Pane:
    """Count labels by trusted sources, one entry of each array per label.

    `labels` as of `monitor.facts.Label`; `lags_s` is label time - prediction time, NaN where unknown; `sign` +-1.
    """
    signs = sign.astype(np.int64)
    counts = np.zeros(layout.size, np.int64)
    match layout.task:
        case Task.CLASSIFICATION:
            _count_classification(layout, counts, receipts, _classes(layout, labels), signs)
        case Task.REGRESSION:
            finite = np.isfinite(receipts["value"]) & np.isfinite(labels)
            receipts, labels, lags_s, signs = receipts[finite], labels[finite], lags_s[finite], signs[finite]
            _count_regression(layout, counts, receipts, labels, signs)
        case Task.RANKING:
            _count_ranking(layout, counts, labels, signs)
    counts[layout.slices] = count_slices(
        layout.slicing, receipts["bins"], wrong_answers(layout, receipts, labels), signs
    )
    known = ~np.isnan(lags_s)
    np.add.at(counts[layout.lag], np.searchsorted(LAG_EDGES_S, lags_s[known], side="right"), signs[known])
    return layout.pane(counts)


def count_agreement(layout: Layout, receipts: Receipts, labels: Doubles, sign: NDArray[np.int8]) -> Pane:
    """Count labels by untrusted sources: whether they agree with what was served. They move no error.

    A number agrees when the error is at most `error_scale`, a list when a relevant item is among its first ten.
    """
    match layout.task:
        case Task.CLASSIFICATION:
            agree = _classes(layout, receipts["output"]) == _classes(layout, labels)
        case Task.REGRESSION:
            with np.errstate(over="ignore", invalid="ignore"):
                agree = np.abs(receipts["value"] - labels) <= layout.reference.error_scale
        case Task.RANKING:
            first, _ = unpack(labels)
            agree = (first > 0) & (first <= PLACES)
    counts = np.zeros(layout.size, np.int64)
    np.add.at(counts[layout.agreement], (~agree).astype(np.intp), sign.astype(np.int64))
    return layout.pane(counts)


def wrong_answers(layout: Layout, receipts: Receipts, labels: Doubles) -> Bools:
    """Which answers were wrong, as slices.py has it; labels of a regression are finite, and so are its predictions."""
    match layout.task:
        case Task.CLASSIFICATION:
            wrong: Bools = _classes(layout, receipts["output"]) != _classes(layout, labels)
        case Task.REGRESSION:
            with np.errstate(over="ignore"):
                wrong = np.abs(receipts["value"] - labels) > layout.reference.large_error
        case Task.RANKING:
            first, _ = unpack(labels)
            wrong = (first == 0) | (first > PLACES)
    return wrong


def error_cells(bins: NumericBins, values: Doubles, labels: Doubles) -> Cells:
    """Put each prediction - label, all finite, into its cell of `bins`: under, bins, over."""
    with np.errstate(over="ignore"):  # an infinite difference is over, or under
        apart = values - labels
    cells = np.empty(len(apart), np.uint8)
    edges_below(bins.edges, apart, cells)
    return cells


def squared_errors(scores: Floats, outcome: Bools) -> Counts:
    """Square score - outcome per row, in FIXED_POINT, in [0, FIXED_POINT]; scores are probabilities, no NaN."""
    error = scores.astype(np.float32).astype(np.float64) - outcome
    return np.rint(error * error * FIXED_POINT).astype(np.int64)


def log_losses(probabilities: Floats) -> Counts:
    """-ln of each probability of what came true, in FIXED_POINT, in [0, 16 FIXED_POINT]; no NaN."""
    clipped = np.clip(probabilities.astype(np.float64), EPS, 1 - EPS)
    losses: Counts = np.rint(-np.log(clipped) * FIXED_POINT).astype(np.int64)
    return losses


def _classes(layout: Layout, outputs: Cells | Doubles) -> NDArray[np.intp]:
    found: NDArray[np.intp] = np.minimum(outputs, layout.classes).astype(np.intp)
    return found


# ---------------------------------------------------------------- classification


def _count_classification(
    layout: Layout, counts: Counts, receipts: Receipts, labels: NDArray[np.intp], signs: Counts
) -> None:
    outputs = _classes(layout, receipts["output"])
    np.add.at(counts[layout.confusion], outputs * (layout.classes + 1) + labels, signs)
    right = outputs == labels
    outcome = right if layout.positive is None else labels == layout.positive
    _count_scores(layout, counts, receipts["score"], outcome, signs)
    if layout.probabilities:
        _count_probabilities(layout, counts, receipts["probabilities"], labels, signs)
    elif layout.positive is not None:
        known = (score_cells(receipts["score"]) < SCORE_BINS) & (labels < layout.classes)
        scores = receipts["score"][known].astype(np.float64)
        _count_losses(layout, counts, np.where(outcome[known], scores, 1 - scores), signs[known])
    known_good = receipts["known_good_output"]
    asked = known_good != NOT_ASKED
    both = 2 + (~right).astype(np.intp) + 2 * (_classes(layout, known_good) != labels)  # after asked and differ
    np.add.at(counts[layout.pairs], both[asked], signs[asked])


def _count_scores(layout: Layout, counts: Counts, scores: Floats, outcome: Bools, signs: Counts) -> None:
    cells = score_cells(scores)
    given = cells < SCORE_BINS
    cells, outcome, signs = cells[given], outcome[given], signs[given]
    counts[layout.scored] = signs.sum()
    counts[layout.squared_error] = squared_errors(scores[given], outcome) @ signs
    np.add.at(counts[layout.score_label], cells.astype(np.intp) * 2 + outcome, signs)


def _count_probabilities(
    layout: Layout, counts: Counts, found: NDArray[np.float16], labels: NDArray[np.intp], signs: Counts
) -> None:
    given = found.astype(np.float32)
    cells = score_cells(given)
    known = (cells < SCORE_BINS).all(axis=1)
    cells, labels, signs = cells[known].astype(np.intp), labels[known], signs[known]
    true = labels[:, np.newaxis] == np.arange(layout.classes)
    index = (np.arange(layout.classes) * SCORE_BINS + cells) * 2 + true
    np.add.at(counts[layout.class_scores], index, signs[:, np.newaxis])
    _count_losses(layout, counts, given[known][true], signs[labels < layout.classes])


def _count_losses(layout: Layout, counts: Counts, probabilities: Floats, signs: Counts) -> None:
    counts[layout.log_loss] = log_losses(probabilities) @ signs
    counts[layout.likely] = signs.sum()


# ---------------------------------------------------------------- numbers and lists


def _count_regression(layout: Layout, counts: Counts, receipts: Receipts, labels: Doubles, signs: Counts) -> None:
    output, scale = layout.reference.output, layout.reference.error_scale
    assert output is not None, "a regression has bins of its output"
    error = standardise(receipts["value"], labels, scale)
    shifted = standardise(labels, output.centre, output.scale)
    counts[layout.labelled] = signs.sum()
    counts[layout.clipped] = ((np.abs(error) == errors.CLIP) | (np.abs(shifted) == errors.CLIP)) @ signs
    counts[layout.errors] = split_sums(error_terms(error, shifted), signs)
    if (bins := layout.reference.errors) is not None:
        np.add.at(counts[layout.error_bins], error_cells(bins, receipts["value"], labels), signs)
    asked, _ = paired_gap(scale, receipts["value"], receipts["known_good_value"])
    worse = np.abs(error[asked]) - np.abs(standardise(receipts["known_good_value"][asked], labels[asked], scale))
    pairs = counts[layout.pairs]
    pairs[3] = signs[asked].sum()
    pairs[4:] = split_sums([worse, worse * worse, np.clip(worse, -1.0, 1.0)], signs[asked])


def _count_ranking(layout: Layout, counts: Counts, labels: Doubles, signs: Counts) -> None:
    first, ndcg = unpack(labels)
    counts[layout.labelled] = signs.sum()
    reciprocal = np.where(first > 0, 1 / np.maximum(first, 1), 0.0)
    gain = ndcg / FIXED_POINT
    hits = [((first > 0) & (first <= place)) @ signs for place in HITS_AT]
    sums = [_fixed(term) @ signs for term in (reciprocal, reciprocal**2, gain, gain**2)]
    counts[layout.ranks] = [*hits, *sums]


def _fixed(shares: Doubles) -> Counts:
    return np.rint(shares * FIXED_POINT).astype(np.int64)
