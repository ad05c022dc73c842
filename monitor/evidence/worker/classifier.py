"""Could a classifier tell these rows from the reference's? Its AUC on rows it has not seen, and what it looks at.

Gradient-boosted trees are fitted to four fifths of the rows of both sides to say which side a row is of, and asked
about the last fifth; five times, so every row is asked about once, by a model that never saw it. The AUC is the chance
that of two rows, one of each side, it takes the right one for the live one: 0.5 it cannot tell, 1 it always can.

    AUC = mean of the folds;   variance = 2 * sum of the folds' variances / folds^2          (each fold's by DeLong)

Why twice: what chance put into folds 1 and 2 alike helps the model of 2 on 1 and the model of 1 on 2. To first order
a fold's AUC - 1/2 is the sum of b(learned fold, asked fold) over the others; where nothing changed, each b(j, k) has
mean 0 and is uncorrelated with all but b(k, j), with which it agrees at most wholly. So the variance of the mean is at
most twice that of folds that know nothing of each other. Measured: 1.95 times (200 runs of 300 rows a side of 4
columns), where intervals without it missed 1/2 in 30 runs instead of 10. Where rows really differ it is cautious.

The interval is AUC +- 1.96 sd, and at least 3 / min(n, m) either way (the rule of three: where no row was taken for
the other side there is no variance left to see). It is for rows that do not depend on each other. A fold is compared
within itself: scores of two fitted models have no common scale.

What it looks at: by how much the AUC of the held-out rows falls when one column's values are shuffled among them
(`Telling.fall`), the mean of the folds, on at most ROWS_ASKED rows of each. Two columns that say the same cover for
each other: then neither falls much.

It finds any difference, harmless ones, too: an hour of the night against a year of days is told apart by its weather.

Cost, in CPU: 5,000 rows a side of 20 columns 0.9 s, of 60 2.5 s, of 400 20 s, 10^5 rows a side of 20 columns 5 s, by
335 MiB at most (one thread, 2026-11, beside other work). Failure mode: rows that come several times lie on both sides
of a fold and are told apart by heart; a flood of copies is a difference, though.

Sources: Lopez-Paz & Oquab 2017, Revisiting Classifier Two-Sample Tests; Rabanser, Günnemann & Lipton 2019, Failing
Loudly; DeLong, DeLong & Clarke-Pearson 1988; Breiman 2001 (permutation importance); Hanley & Lippman-Hand 1983 (three).
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor.evidence.worker.encoding import Rows

FOLDS: Final = 5
TELLING_MAX: Final = 10
ROWS_ASKED: Final = 2_000
_Z: Final = 1.959963984540054  # of 95 %


@dataclass(frozen=True, slots=True)
class Telling:
    """A column, and by how much the AUC falls without it."""

    column: str
    fall: float


@dataclass(frozen=True, slots=True)
class Told:
    """How well the sides are told apart: AUC with its 95 % interval, and the columns that tell most, the first most."""

    auc: float
    low: float
    high: float
    telling: tuple[Telling, ...]
    n: int
    m: int

    @property
    def tells(self) -> bool:
        """Whether the interval lies above one half; wholly below it is chance: no classifier sets out to be wrong."""
        return self.low > 0.5


def classify(rows: Rows, seed: int) -> Told:
    """Fit and ask; `rows` has at least one column, and FOLDS rows or more on both sides."""
    table = np.hstack([rows.numbers, np.where(rows.codes < 0, np.nan, rows.codes).astype(np.float32)])
    live = np.arange(rows.n + rows.m) < rows.n
    draw = np.random.default_rng(seed)
    fold = np.concatenate([draw.permutation(size) % FOLDS for size in (rows.n, rows.m)])
    areas, variances, falls = np.zeros(FOLDS), np.zeros(FOLDS), np.zeros((FOLDS, table.shape[1]))
    for number in range(FOLDS):
        held = np.flatnonzero(fold == number)
        model = _fitted(table[fold != number], live[fold != number], rows)
        areas[number], variances[number] = area(*_scores(model, table[held], live[held]))
        falls[number] = _falls(model, table, _some(held, live, draw), live, draw)
    auc, half = float(areas.mean()), _Z * float(np.sqrt(2 * variances.sum())) / FOLDS
    half = max(half, 3 / min(rows.n, rows.m))
    order = sorted(range(table.shape[1]), key=lambda at: (-falls[:, at].mean(), rows.names[at]))
    telling = [Telling(rows.names[at], float(falls[:, at].mean())) for at in order[:TELLING_MAX]]
    worth = tuple(each for each in telling if each.fall > 0)
    return Told(auc, max(0.0, auc - half), min(1.0, auc + half), worth, rows.n, rows.m)


def area(live: NDArray[np.float64], reference: NDArray[np.float64]) -> tuple[float, float]:
    """AUC of scores and its variance by DeLong's components; a tie counts one half.

    >>> area(np.array([0.2, 0.8]), np.array([0.1, 0.5]))[0]
    0.75
    """
    above = _placed(live, reference)
    below = _placed(reference, live)
    variance = above.var(ddof=1) / len(live) + below.var(ddof=1) / len(reference)
    return float(above.mean()), float(variance)


def _placed(scores: NDArray[np.float64], among: NDArray[np.float64]) -> NDArray[np.float64]:
    """The share of `among` below each score, ties half."""
    ordered = np.sort(among)
    sides = np.searchsorted(ordered, scores, "left") + np.searchsorted(ordered, scores, "right")
    return np.asarray(sides / (2 * len(among)))


def _fitted(table: NDArray[np.float32], live: NDArray[np.bool_], rows: Rows) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    words = np.arange(table.shape[1]) >= rows.numbers.shape[1]
    # No weights for a smaller side: an AUC needs none, and weighted bins take thirty times as long.
    model = HistGradientBoostingClassifier(
        max_iter=60,
        learning_rate=0.15,
        max_leaf_nodes=15,
        l2_regularization=1.0,
        early_stopping=False,  # it would draw rows of its own
        categorical_features=words if words.any() else None,
        random_state=0,  # of the binning, where there are over 200,000 rows
    )
    return model.fit(table, live)


def _scores(
    model: Any, table: NDArray[np.float32], live: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(of live rows, of the reference's): how much the model takes each for a live one."""
    scores = np.asarray(model.decision_function(table), np.float64)
    return scores[live], scores[~live]


def _some(held: NDArray[np.intp], live: NDArray[np.bool_], draw: np.random.Generator) -> NDArray[np.intp]:
    """At most ROWS_ASKED of the rows, with as many of each side as there are, up to one half."""
    sides = [draw.permutation(held[live[held] == side])[: ROWS_ASKED // 2] for side in (True, False)]
    return np.concatenate(sides)


def _falls(
    model: Any, table: NDArray[np.float32], asked: NDArray[np.intp], live: NDArray[np.bool_], draw: np.random.Generator
) -> NDArray[np.float64]:
    """By how much the AUC of these rows falls with each column shuffled."""
    shown, sides = table[asked], live[asked]
    whole, _ = area(*_scores(model, shown, sides))
    falls = np.zeros(table.shape[1])
    for at in range(table.shape[1]):
        kept = shown[:, at].copy()
        shown[:, at] = draw.permutation(kept)
        falls[at] = whole - area(*_scores(model, shown, sides))[0]
        shown[:, at] = kept
    return falls
