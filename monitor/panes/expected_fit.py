"""Fits a regression's absolute and squared errors as sums of effects of the row's cells, and how sure these are.

Ridge least squares on indicators of cells, the constant free. With the parts of the history g = 1 .. 8, each an eighth
of the sampled rows in order, and the normal matrices A_g = X_g' X_g,

    beta(-g) = (sum over h != g of A_h + ridge I)^-1 (X'y without g)        var(a' beta) = 7/8 sum_g (a' beta(-g) - mean)^2

(Quenouille 1956; Miller 1974, "The jackknife - a review"). Parts are long stretches, so rows that come in sessions or
days widen it, as a formula for independent rows would not. The ridge is, of 1, 10, 100 and 1,000 rows, the one with the
least squared error on the parts left out.

A normal matrix holds the joint counts of every pair of columns. It is bounded: where there are more than 1,024 cells
the columns whose cells tell most of |e| by themselves are kept, about 40 numeric ones.

Cost: 50,000 rows x 20 features 0.4 s of CPU, 525 cells squared in doubles per part: 18 MB (measured 2026-11).
Coefficients are rounded to whole steps (expected.py): solvers differ in their last digits between machines.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.panes.expected import GROUPS, STEP, Additive
from monitor.panes.layout import Layout

ROWS_MIN: Final = 500  # labelled rows to learn from
CELLS_MAX: Final = 1_024
RIDGES: Final = (1, 10, 100, 1_000)

Cells = NDArray[np.uint8]
Doubles = NDArray[np.float64]


def fit_errors(layout: Layout, cells: Cells, outputs: Cells, errors: Doubles) -> Additive | None:
    """Fit `errors` f8[n] >= 0, in error scales, by `cells` u1[n, F] and `outputs` u1[n]; None below ROWS_MIN rows."""
    if len(errors) < ROWS_MIN:
        return None
    assert layout.output_cells is not None, "a regression has bins of its output"
    sizes = [*(feature.size for feature in layout.feature_cells), layout.output_cells.size]
    columns = np.concatenate([cells.T, outputs[np.newaxis]])
    chosen = choose_columns(columns, sizes, errors)
    sizes = [sizes[i] for i in chosen]
    parts = [
        _normal(columns[chosen][:, rows], sizes, errors[rows])
        for rows in np.array_split(np.arange(len(errors)), GROUPS)
    ]
    ridge = _choose_ridge(parts)
    every = (sum_parts(parts, -1), *(sum_parts(parts, g) for g in range(GROUPS)))
    solved = np.rint(np.stack([_solve(matrix, sides, ridge) for matrix, sides in every]) / STEP).astype(np.int64)
    absolute, squared = (tuple(map(tuple, solved[:, :, i].tolist())) for i in range(2))
    return Additive(len(errors), ridge, tuple(chosen), absolute, squared)


def choose_columns(columns: Cells, sizes: list[int], errors: Doubles) -> list[int]:
    """The columns, in order, whose cells explain most of the variance of the errors by themselves, within CELLS_MAX.

    The output's, which is the last, is always among them: that errors grow with the number is the commonest thing.
    """
    gains = [_explained(column, size, errors) for column, size in zip(columns, sizes, strict=True)]
    last = len(sizes) - 1
    chosen, cells = [last], sizes[last]
    for i in sorted(range(last), key=lambda each: (-gains[each], each)):
        if cells + sizes[i] < CELLS_MAX:
            chosen.append(i)
            cells += sizes[i]
    return sorted(chosen)


def sum_parts(parts: list[tuple[Doubles, Doubles]], without: int) -> tuple[Doubles, Doubles]:
    """Add the normal equations of all parts but one; -1: of all."""
    kept = [part for i, part in enumerate(parts) if i != without]
    return sum(matrix for matrix, _ in kept), sum(sides for _, sides in kept)  # type: ignore[return-value]  # never none


def _explained(column: Cells, size: int, errors: Doubles) -> float:
    """Sum of squares between cells, less what cells of noise would explain; of six digits, so ties break by place."""
    counts = np.bincount(column, minlength=size)
    sums = np.bincount(column, errors - errors.mean(), size)
    between = float((sums**2 / np.maximum(counts, 1)).sum())
    return float(f"{between - float(errors.var()) * np.count_nonzero(counts):.6g}")


def _normal(columns: Cells, sizes: list[int], errors: Doubles) -> tuple[Doubles, Doubles]:
    """X'X and X'(|e|, e^2) of indicators of all cells after a constant."""
    starts = np.cumsum([1, *sizes])
    matrix, sides = np.zeros((starts[-1], starts[-1])), np.zeros((starts[-1], 2))
    matrix[0, 0], sides[0] = len(errors), (errors.sum(), (errors**2).sum())
    for i, (a, size) in enumerate(zip(starts[:-1], sizes, strict=True)):
        first = columns[i].astype(np.intp)
        sides[a : a + size] = np.stack([np.bincount(first, values, size) for values in (errors, errors**2)], axis=1)
        matrix[0, a : a + size] = matrix[a : a + size, 0] = np.bincount(first, minlength=size)
        for j in range(i, len(sizes)):
            b, other = starts[j], sizes[j]
            both = np.bincount(first * other + columns[j], minlength=size * other).reshape(size, other)
            matrix[a : a + size, b : b + other] = both
            matrix[b : b + other, a : a + size] = both.T
    return matrix, sides


def _solve(matrix: Doubles, sides: Doubles, ridge: float) -> Doubles:
    penalty = np.full(len(matrix), float(ridge))
    penalty[0] = 0.0
    return np.linalg.solve(matrix + np.diag(penalty), sides)


def _choose_ridge(parts: list[tuple[Doubles, Doubles]]) -> int:
    """The one with the least squared error of |e| on parts left out, up to what is the same for all."""

    def loss(ridge: int) -> float:
        total = 0.0
        for g, (matrix, sides) in enumerate(parts):
            found = _solve(*sum_parts(parts, g), ridge)[:, 0]
            total += float(found @ matrix @ found - 2 * found @ sides[:, 0])
        return total

    return min(RIDGES, key=loss)
