"""Fits a regression's absolute and squared errors as sums of effects of the row's cells, and how sure these are.

Ridge least squares on indicators of cells, the constant free. With the parts of the history g = 1 .. 8, each an eighth
of the sampled rows in order, and the normal matrices A_g = X_g' X_g,

    beta(-g) = (sum over h != g of A_h + ridge I)^-1 (X'y without g)
    var(a' beta) = 7/8 sum_g (a' beta(-g) - mean of them)^2

(Quenouille 1956; Miller 1974, "The jackknife - a review"). Parts are long stretches, so rows that come in sessions or
days widen it, as a formula for independent rows would not. Cells of a column are shrunk by one row, lest a window that
moved is drawn back to the mean (all by the same 100, coverage fell to 82 %); cells of crossed ones by 1, 10, 100 or
1,000 rows, whichever has the least squared error on quarters left out.

A normal matrix holds the joint counts of every pair of terms. It is bounded at 1,024 cells: the output, then the
features whose cells tell most of |e| by themselves within the first half, then, crossed with groups of the output,
those that this tells most more of. That is 20 numeric features and 4 of them crossed, or 8 of 8.

Cost: 50,000 rows x 20 features .6 s of CPU on one thread, x 500 .7 s; a matrix of 1,024 x 1,024 doubles for each part,
64 MB (measured 2026-11).
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
Codes = NDArray[np.intp]
Doubles = NDArray[np.float64]
Term = tuple[Codes, int]  # the cell of each row, and how many there are


def fit_errors(layout: Layout, cells: Cells, outputs: Cells, errors: Doubles) -> Additive | None:
    """Fit `errors` f8[n] >= 0, in error scales, by `cells` u1[n, F] and `outputs` u1[n]; None below ROWS_MIN rows."""
    if len(errors) < ROWS_MIN:
        return None
    assert layout.output_cells is not None, "a regression has bins of its output"
    groups = len(layout.group_names) - 1  # the last is of rows without a number, and these have no error
    group = layout.groups.of[outputs].astype(np.intp)
    plain = [(cells[:, i].astype(np.intp), each.size) for i, each in enumerate(layout.feature_cells)]
    plain.append((outputs.astype(np.intp), layout.output_cells.size))
    columns, crossed = choose_terms(plain, (group, groups), errors)
    terms = [plain[i] for i in columns] + [_cross(plain[i], (group, groups)) for i in crossed]
    parts = [_normal(terms, rows, errors) for rows in np.array_split(np.arange(len(errors)), GROUPS)]
    plainly = 1 + sum(plain[i][1] for i in columns)  # cells before those of the crossed
    ridge = _choose_ridge(parts, plainly)
    every = (sum_parts(parts), *(sum_parts(parts, {g}) for g in range(GROUPS)))
    solved = np.stack([_solve(*equations, plainly, ridge) for equations in every])
    solved = np.rint(solved / STEP).astype(np.int64)
    absolute, squared = (tuple(map(tuple, solved[:, :, i].tolist())) for i in range(2))
    return Additive(len(errors), ridge, tuple(columns), tuple(crossed), absolute, squared)


def choose_terms(plain: list[Term], group: Term, errors: Doubles) -> tuple[list[int], list[int]]:
    """Which columns have effects, and which of them crossed with the output's group, as the design note says.

    The output, the last of `plain`, is always among the columns: errors that grow with the number are common.
    """
    last = len(plain) - 1
    gains = [_explained(term, errors) for term in plain]
    columns = _within(gains[:last], [size for _, size in plain], CELLS_MAX // 2 - plain[last][1])
    left = CELLS_MAX - plain[last][1] - sum(plain[i][1] for i in columns)
    more = [_explained(_cross(plain[i], group), errors) - gains[i] for i in columns]
    crossed = _within(more, [plain[i][1] * group[1] for i in columns], left) if group[1] > 1 else []
    return [*columns, last], [columns[i] for i in crossed]


def sum_parts(
    parts: list[tuple[Doubles, Doubles]], without: frozenset[int] | set[int] = frozenset()
) -> tuple[Doubles, Doubles]:
    """Add the normal equations of all parts but some."""
    matrix, sides = np.zeros_like(parts[0][0]), np.zeros_like(parts[0][1])
    for i, part in enumerate(parts):
        if i not in without:
            matrix += part[0]
            sides += part[1]
    return matrix, sides


def _within(gains: list[float], sizes: list[int], cells: int) -> list[int]:
    """The places with the largest gains whose sizes fit, in order."""
    chosen = []
    for i in sorted(range(len(gains)), key=lambda each: (-gains[each], each)):
        if sizes[i] <= cells:
            chosen.append(i)
            cells -= sizes[i]
    return sorted(chosen)


def _cross(term: Term, group: Term) -> Term:
    return term[0] * group[1] + group[0], term[1] * group[1]


def _explained(term: Term, errors: Doubles) -> float:
    """Sum of squares between cells, less what cells of noise would explain; of six digits, so ties break by place."""
    codes, size = term
    counts = np.bincount(codes, minlength=size)
    sums = np.bincount(codes, errors - errors.mean(), size)
    between = float((sums**2 / np.maximum(counts, 1)).sum())
    return float(f"{between - float(errors.var()) * np.count_nonzero(counts):.6g}")


def _normal(terms: list[Term], rows: Codes, errors: Doubles) -> tuple[Doubles, Doubles]:
    """X'X and X'(|e|, e^2) over some rows, of indicators of all cells after a constant."""
    starts = np.cumsum([1, *(size for _, size in terms)])
    values = (errors[rows], errors[rows] ** 2)
    matrix, sides = np.zeros((starts[-1], starts[-1])), np.zeros((starts[-1], 2))
    matrix[0, 0], sides[0] = len(rows), [each.sum() for each in values]
    codes = [found[rows] for found, _ in terms]
    for i, (a, (_, size)) in enumerate(zip(starts, terms, strict=False)):
        sides[a : a + size] = np.stack([np.bincount(codes[i], each, size) for each in values], axis=1)
        matrix[0, a : a + size] = matrix[a : a + size, 0] = np.bincount(codes[i], minlength=size)
        for j in range(i, len(terms)):
            b, other = starts[j], terms[j][1]
            both = np.bincount(codes[i] * other + codes[j], minlength=size * other).reshape(size, other)
            matrix[a : a + size, b : b + other] = both
            matrix[b : b + other, a : a + size] = both.T
    return matrix, sides


def _solve(matrix: Doubles, sides: Doubles, plainly: int, ridge: float) -> Doubles:
    """Coefficients f8[cells, 2]; 0 for cells that no row lies in, which would only make the matrix larger."""
    used = np.flatnonzero(matrix.diagonal())
    penalty = np.where(used < plainly, 1.0, ridge)
    penalty[0] = 0.0
    found = np.zeros_like(sides)
    found[used] = np.linalg.solve(matrix[np.ix_(used, used)] + np.diag(penalty), sides[used])
    return found


def _choose_ridge(parts: list[tuple[Doubles, Doubles]], plainly: int) -> int:
    """The one with the least squared error of |e| on quarters left out, up to what is the same for all."""
    losses = dict.fromkeys(RIDGES, 0.0)
    for g in range(0, GROUPS, 2):
        kept, (matrix, sides) = sum_parts(parts, {g, g + 1}), sum_parts(parts[g : g + 2])
        for ridge in RIDGES:
            found = _solve(*kept, plainly, ridge)[:, 0]
            losses[ridge] += float(found @ matrix @ found - 2 * found @ sides[:, 0])
    return min(RIDGES, key=losses.__getitem__)
