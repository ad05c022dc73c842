"""Figures that are expected of a window whose labels have not come: their value, and an interval of two parts.

Calibrated scores (CBPE). With n_c rows in a cell c of output and score bin and chance p_c that one comes true, hits h_c =
n_c p_c are expected, and a figure T is read from them as from labels. What the labels will say differs from it by

    var T = sum_c (dT/dh_c)^2 n_c p_c (1 - p_c)  +  sum_c (dT/dh_c)^2 n_c^2 var(p_c)        slack = sum_c |dT/dh_c| n_c s_c

the rows' own luck, the reference's (var p_c: it is a sample) and, of cells the reference never saw, how far p_c may be
off (monitor.panes.expected_read). The interval is Wilson's with as many rows as give a share that variance, widened by
the slack: it is about the figure that this window's labels will give, not about a mean over windows. Derivatives are
differences of T itself, all cells at once.

Expected errors (DLE). The mean is linear in the window's shares of cells; its variance is (mean e^2 - mean |e| squared)
over the rows, and of e^2 by the reference's kurtosis; the reference's part is a jackknife over 8 parts, hence weighted
by the square of t with 7 degrees of freedom over that of z.

Both take the rows of a window as independent, as all intervals here do. Cost of one figure: 0.3 ms (measured 2026-11).

Source: Kivimaki et al. 2025 (expected confusion from calibrated chances); the delta method: Oehlert 1992, Am. Stat.
46:27; NannyML's documentation of CBPE and DLE, whose interval has the first part alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from typing import Final, TypeAlias, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from monitor.detectors.confusion import MACRO, MICRO, WEIGHTED, Figure
from monitor.detectors.curves import TOP
from monitor.detectors.estimates import Estimate, Found, Limit
from monitor.detectors.intervals import Z95
from monitor.detectors.protocol import take, unknown
from monitor.facts import Chances, ExpectedErrors, Reading, View

WARNING: Final = (
    "an estimate: needs P(y|x) unchanged and calibration given x, so it cannot see concept drift or a confident "
    "backdoored model"
)
CALIBRATED_MIN: Final = 200  # labelled rows of the reference
STRANGE_MAX: Final = 0.1  # share of the rows of which the reference says next to nothing
EXPECTED_MIN: Final = 10.0  # rows that are expected to come true, and not to: below it a ratio of them is none
T7: Final = 2.364624  # the 97.5 % point of Student's t with 7 degrees of freedom

Doubles: TypeAlias = NDArray[np.float64]
Figures: TypeAlias = Callable[[Doubles], Doubles]  # hits f8[..., cells] -> f8[...]

_E = TypeVar("_E", Chances, ExpectedErrors)


def read(
    limit: Limit, kind: type[_E], reference: View, current: View, figure: Callable[[_E], Found], unit: str
) -> Reading:
    """Hold what is expected of a window against what is expected of the reference; ValueError for other views."""
    before, view = figure(take(kind, reference)), take(kind, current)
    n = view.scored if isinstance(view, Chances) else view.told
    found = _lacking(n, view.rows, limit) or figure(view)
    if isinstance(found, str):
        return unknown(n, found, unit)
    reading = limit.judge(before, found, unit)
    return reading if reading.value is None else msgspec.structs.replace(reading, why=WARNING)


def _lacking(n: int, rows: int, limit: Limit) -> str:
    if n < limit.rows_min:
        return f"fewer than {limit.rows_min} rows with an answer that can be weighed"
    if n < limit.coverage_min * rows:
        return f"{n} of {rows} rows have an answer that can be weighed, below the floor of {limit.coverage_min}"
    return ""


# ---------------------------------------------------------------- calibrated scores


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """The cells of a window as columns, f8[cells]; `outputs` f8[cells, k + 1] and `bins` f8[cells, 64] say where."""

    view: Chances
    rows: Doubles
    chance: Doubles
    variance: Doubles
    slack: Doubles
    outputs: Doubles
    bins: Doubles

    @property
    def n(self) -> int:
        """Rows with a score."""
        return int(self.rows.sum())

    @property
    def hits(self) -> Doubles:
        """Rows expected to come true."""
        return self.rows * self.chance

    def column(self, name: str) -> Doubles:
        """One number of each cell."""
        return np.array([getattr(cell, name) for cell in self.view.cells], float)


def table(view: Chances) -> Table | str:
    """The cells as columns; or why they say nothing."""
    if view.calibrated < CALIBRATED_MIN:
        return f"the reference has fewer than {CALIBRATED_MIN} labelled rows with a score"
    if not view.cells:
        return "no row came with a score"
    output, place, rows, chance, variance, slack = np.array([tuple(_numbers(cell)) for cell in view.cells]).T
    classes = np.arange(len(view.classes) + 1)
    found = Table(
        *(view, rows, chance, variance, slack),
        (output[:, np.newaxis] == classes).astype(float),
        (place[:, np.newaxis] == np.arange(64)).astype(float),
    )
    strange = float((rows * slack).sum() / rows.sum())
    if strange > STRANGE_MAX:
        return "the reference has next to no labelled rows with such scores"
    return found


def _numbers(cell: msgspec.Struct) -> tuple[float, ...]:
    return msgspec.structs.astuple(cell)[:6]


def expect(found: Table, figure: Figures, extra: float = 0.0, ties: float = 0.0) -> Estimate:
    """A figure in [0, 1] with its interval; `extra` variance and `ties`, on both sides, are the caller's."""
    value, variance, slack = spread(found, figure)
    low, high = _share_interval(min(1.0, max(0.0, value)), variance + extra)
    value = min(1.0, max(0.0, value))
    return Estimate(value, found.n, found.n, max(0.0, low - slack - ties), min(1.0, high + slack + ties))


def spread(found: Table, figure: Figures) -> tuple[float, float, float]:
    """The figure of the expected hits, its variance and its slack, as the design note says."""
    hits, rows, chance = found.hits, found.rows, found.chance
    steps = rows * 1e-4
    moved = figure(np.concatenate([hits + np.diag(steps), hits - np.diag(steps)]))
    slopes = (moved[: len(rows)] - moved[len(rows) :]) / (2 * steps)
    luck = rows * chance * (1 - chance) + rows**2 * found.variance
    return float(figure(hits)), float((slopes**2 * luck).sum()), float((abs(slopes) * rows * found.slack).sum())


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


UNTOLD: Final = "of three classes or more, rows without labels are counted by the score of the answered class alone"


def curve(view: Chances, of: str, measure: "Curve") -> Found:
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


Curve: TypeAlias = Callable[
    [Doubles, Doubles], tuple[Doubles, Doubles]
]  # hits, rows -> value, and how far ties move it


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
    even = _mean_precision(true, above, 1 + misses / hits, hits).sum(axis=-1) / total
    worst = _mean_precision(true, above + misses, np.ones(()), hits).sum(axis=-1) / total
    best = _mean_precision(true, above, np.ones(()), hits).sum(axis=-1) / total
    return even, np.maximum(best - worst, 0.0) / 2


def _mean_precision(true: Doubles, above: Doubles, step: Doubles, hits: Doubles) -> Doubles:
    return (hits + (true - above / step) * np.log1p(step * hits / above)) / step


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
    if found.view.positive is None:
        return hits.sum(axis=-1)
    positive = found.outputs[:, found.view.positive]
    negative = found.outputs[:, 1 - found.view.positive]
    return (hits * (positive - negative)).sum(axis=-1) + (found.rows * negative).sum()


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
    if not weighted:
        return shares.mean(axis=-1)
    labelled = _shares(found, hits, Figure.RECALL)[1][..., known]
    return (shares * labelled).sum(axis=-1) / labelled.sum(axis=-1)


def _share_interval(value: float, variance: float) -> tuple[float, float]:
    """Wilson's, with the rows at which a share of this value has this variance."""
    if variance <= 0 or not 0 < value < 1:
        half = Z95 * sqrt(max(variance, 0.0))
        return value - half, value + half
    rows = value * (1 - value) / variance
    square = Z95 * Z95
    centre, half = value * rows + square / 2, Z95 * sqrt(rows * value * (1 - value) + square / 4)
    return min((centre - half) / (rows + square), value), max((centre + half) / (rows + square), value)


# ---------------------------------------------------------------- expected errors


def absolute_error(view: ExpectedErrors) -> Found:
    """Mean of |prediction - label|."""
    if why := _untold(view):
        return why
    value = max(0.0, view.absolute)
    return _estimate(view, value, max(0.0, view.squared - value**2) / view.told, view.absolute_variance)


def root_squared_error(view: ExpectedErrors) -> Found:
    """Root of the mean of (prediction - label)^2."""
    if why := _untold(view):
        return why
    value = max(0.0, view.squared)
    square = _estimate(view, value, (view.kurtosis - 1) * value**2 / view.told, view.squared_variance)
    assert square.low is not None, "an estimate has an interval"
    assert square.high is not None, "an estimate has an interval"
    return square._replace(value=sqrt(value), low=sqrt(square.low), high=sqrt(square.high))


def _untold(view: ExpectedErrors) -> str:
    if not view.fitted:
        return "the reference has too few labels to expect errors from"
    if not view.told:
        return "no row has a finite prediction"
    if view.strange_share > STRANGE_MAX:
        return f"{view.strange_share:.0%} of {view.strange} lies where the reference has next to no rows"
    return ""


def _estimate(view: ExpectedErrors, value: float, luck: float, calibration: float) -> Estimate:
    half = sqrt(Z95**2 * luck + T7**2 * calibration)
    return Estimate(value, view.told, view.told, max(0.0, value - half), value + half)
