"""Figures of a classification that are expected of calibrated scores (expected.py): of all rows, of classes, of curves.

With two classes the whole confusion is expected. With more, rows without labels are counted by the score of the
answered class alone: whether an answer is right can be weighed, what else it would be cannot, so the figures that need
the labels of wrong rows are UNKNOWN.
"""

from collections.abc import Callable
from math import sqrt
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from monitor.detectors.confusion import MACRO, MICRO, WEIGHTED, Figure
from monitor.detectors.curves import TOP
from monitor.detectors.estimates import Estimate, Found
from monitor.detectors.expected import Doubles, Table, expect, spread, table
from monitor.detectors.intervals import Z95
from monitor.facts import Chances

EXPECTED_MIN: Final = 10.0  # rows that are expected to come true, and not to: below it a ratio of them is none
UNTOLD: Final = "of three classes or more, rows without labels are counted by the score of the answered class alone"

# hits, rows -> value, and how far ties may move it
Curve: TypeAlias = Callable[[Doubles, Doubles], tuple[Doubles, Doubles]]


def accuracy(view: Chances) -> Found:
    """Rows expected to be right."""
    found = table(view)
    return found if isinstance(found, str) else expect(found, lambda hits: _right(found, hits) / found.n)


def by_class(view: Chances, of: str, figure: Figure) -> Found:
    """Precision, recall or F1 of a class or an average, from the expected confusion; or why it cannot be told."""
    found = table(view)
    if isinstance(found, str):
        return found
    if of not in (MACRO, WEIGHTED, MICRO, *view.classes):
        return f"the model has no class {of!r}"
    if of == MICRO or (of == WEIGHTED and figure is Figure.RECALL):
        return accuracy(view)
    if view.positive is None:
        return _precision_of_many(found, of) if figure is Figure.PRECISION and of != WEIGHTED else UNTOLD
    shares = _shares(found, found.hits, figure)
    known = np.isfinite(shares[0]) & (shares[1] > 0)
    if figure is not Figure.PRECISION and (shares[1][: len(view.classes)] < EXPECTED_MIN).any():
        return f"fewer than {EXPECTED_MIN:g} rows are expected to be of a class"
    if of in view.classes:
        known &= np.arange(len(known)) == view.classes.index(of)
    if not known.any():
        return f"no row was {figure.value} {of!r}" if of in view.classes else f"no class was {figure.value}"
    return expect(found, lambda hits: _average(found, hits, figure, known, weighted=of == WEIGHTED))


def curve(view: Chances, of: str, measure: Curve) -> Found:
    """ROC AUC or average precision of the positive class, or with more classes of the top label."""
    found = table(view)
    if isinstance(found, str):
        return found
    if view.positive is None and of != TOP:
        return UNTOLD if of in (MACRO, WEIGHTED, *view.classes) else f"the model has no class {of!r}"
    if of not in (TOP, MACRO, WEIGHTED, *view.classes):
        return f"the model has no class {of!r}"
    if min(found.hits.sum(), (found.rows - found.hits).sum()) < EXPECTED_MIN:
        return f"fewer than {EXPECTED_MIN:g} rows are expected to come true, or not to"
    negative = view.positive is not None and of in view.classes and of != view.classes[view.positive]
    rows = found.rows @ found.bins

    def figure(hits: Doubles) -> Doubles:
        true = hits @ found.bins
        return measure((rows - true)[..., ::-1], rows[::-1])[0] if negative else measure(true, rows)[0]

    true = found.hits @ found.bins
    ties = measure((rows - true)[::-1], rows[::-1])[1] if negative else measure(true, rows)[1]
    return expect(found, figure, ties=float(ties))


def roc_auc(hits: Doubles, rows: Doubles) -> tuple[Doubles, Doubles]:
    """P(hit above miss) of expected hits f8[..., 64] among `rows` f8[64], ties one half; half the share of ties."""
    misses = rows - hits
    below = np.cumsum(misses, axis=-1) - misses
    pairs = hits.sum(axis=-1) * misses.sum(axis=-1)
    return (hits * (below + misses / 2)).sum(axis=-1) / pairs, (hits * misses).sum(axis=-1) / (2 * pairs)


def average_precision(hits: Doubles, rows: Doubles) -> tuple[Doubles, Doubles]:
    """Mean precision over hits f8[..., 64], each bin's evenly mixed; half of what the order inside bins could move.

    Within a bin of h hits the precision is averaged by the integral of (T + x) / (A + r x) over x in [0, h], with T
    hits and A rows above and r rows a hit; the worst order has all of the bin's misses above, the best none.
    """
    hits = np.maximum(hits, 1e-9)
    misses = np.maximum(rows - hits, 0.0)
    true, false = (np.cumsum(each[..., ::-1], axis=-1)[..., ::-1] - each for each in (hits, misses))
    above, total = np.maximum(true + false, 1e-9), hits.sum(axis=-1)
    even: Doubles = _mean_precision(true, above, 1 + misses / hits, hits).sum(axis=-1) / total
    worst = _mean_precision(true, above + misses, np.ones(()), hits).sum(axis=-1) / total
    best = _mean_precision(true, above, np.ones(()), hits).sum(axis=-1) / total
    return even, np.maximum(best - worst, 0.0) / 2


def _mean_precision(true: Doubles, above: Doubles, step: Doubles, hits: Doubles) -> Doubles:
    found: Doubles = (hits + (true - above / step) * np.log1p(step * hits / above)) / step
    return found


def brier(view: Chances) -> Found:
    """Mean squared error of the score, as of the mean score of each bin."""
    found = table(view)
    if isinstance(found, str):
        return found
    score = found.column("score")
    one, zero = (1 - score) ** 2, score**2
    return expect(found, lambda hits: (hits * one + (found.rows - hits) * zero).sum(axis=-1) / found.n)


def log_loss(view: Chances) -> Found:
    """Mean of -ln of the probability of what comes true; two classes only."""
    if view.positive is None:
        return UNTOLD
    found = table(view)
    if isinstance(found, str):
        return found
    one, zero, one_squared, zero_squared = map(found.column, ("one", "zero", "one_squared", "zero_squared"))
    value, variance, slack = spread(
        found, lambda hits: (hits * one + (found.rows - hits) * zero).sum(axis=-1) / found.n
    )
    within = np.maximum(one_squared - one**2, 0), np.maximum(zero_squared - zero**2, 0)
    inner = (found.hits * within[0] + (found.rows - found.hits) * within[1]).sum() / found.n**2
    half = Z95 * sqrt(variance + float(inner)) + slack
    return Estimate(value, found.n, found.n, max(0.0, value - half), value + half)


def _right(found: Table, hits: Doubles) -> Doubles:
    """Rows that are right: with two classes those of the positive output that come true, of the other that do not."""
    signs = np.ones(len(found.rows))
    negative = np.zeros_like(signs)
    if found.view.positive is not None:
        negative = found.outputs[:, 1 - found.view.positive]
        signs = found.outputs[:, found.view.positive] - negative
    right: Doubles = hits @ signs + found.rows @ negative
    return right


def _precision_of_many(found: Table, of: str) -> Found:
    """Of an output, or the mean over those that came; each is the share of its own rows that come true."""
    rows = found.rows @ found.outputs
    known = rows > 0
    if of != MACRO:
        known &= np.arange(len(rows)) == found.view.classes.index(of)
    if not known.any():
        return f"no row was predicted {of!r}"
    weights = found.outputs[:, known] @ (1 / rows[known]) / known.sum()
    return expect(found, lambda hits: (hits * weights).sum(axis=-1))


def _shares(found: Table, hits: Doubles, figure: Figure) -> tuple[Doubles, Doubles]:
    """The figure of each of two classes and any other, f8[..., 3], and the rows it is a share of; NaN where none."""
    positive = found.view.positive
    assert positive is not None, "with more classes the labels of wrong rows are not expected"
    predicted = found.rows @ found.outputs
    by_output = hits @ found.outputs
    right, labelled = np.zeros_like(by_output), np.zeros_like(by_output)
    right[..., positive] = by_output[..., positive]
    right[..., 1 - positive] = predicted[1 - positive] - by_output[..., 1 - positive]
    labelled[..., positive] = by_output.sum(axis=-1)
    labelled[..., 1 - positive] = predicted.sum() - by_output.sum(axis=-1)
    match figure:
        case Figure.PRECISION:
            top, rows = right, np.broadcast_to(predicted, right.shape)
        case Figure.RECALL:
            top, rows = right, labelled
        case Figure.F1:
            top, rows = 2 * right, predicted + labelled
    return np.divide(top, rows, out=np.full(rows.shape, np.nan), where=rows > 0), rows


def _average(found: Table, hits: Doubles, figure: Figure, known: NDArray[np.bool_], *, weighted: bool) -> Doubles:
    shares = _shares(found, hits, figure)[0][..., known]
    weights = _shares(found, hits, Figure.RECALL)[1][..., known] if weighted else np.ones_like(shares)
    mean: Doubles = (shares * weights).sum(axis=-1) / weights.sum(axis=-1)
    return mean
