"""Rows become cells: every value is put into its bin once, and whatever counts it reads the cell.

Binning must be exact at the edges (a sketch's error would be of the order of what we want to see) and must not sort.
A numeric value's cell is the number of edges at or below it, so we compare a chunk of the column with all edges at once
and add up the truth values: vectorised compares over buffers that stay in the cache, no table, no correction step, the
same cost for any distribution. One edge after the other costs the same at a million rows, and at ten thousand 5 ns a
value instead of 3, in calls. A 4096-cell lookup with corrections at the edges, the usual trick, degrades to a search on
heavy tails, where most edges fall into one cell; `searchsorted` is used where it wins, below 150 rows. Both are exact,
and a test holds them to the same answers.

Cost, 1,000,000 x 20 doubles: 0.05 s of CPU, 20 MB; searchsorted alone 0.5 s (measured 2026-11). A row beyond the last
edge, a missing, a wrong and a non-finite one each have their cell: nothing is dropped.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from monitor.panes.layout import Layout
from monitor.panes.reference import CategoryBins, NumericBins
from monitor.panes.rows import MISSING, CategoricalColumn, Column, NumericColumn, Predictions
from monitor.panes.sections import SCORE_BINS

Cells: TypeAlias = NDArray[np.uint8]
Doubles: TypeAlias = NDArray[np.float64]

_CHUNK = 20_480  # rows; their values and 21 truth values each, 0.6 MB, stay in the second-level cache
_SEARCH_ROWS = 150  # below it a search of 25 ns a value beats the fixed cost of the compares, 5 us


@dataclass(frozen=True, slots=True, eq=False)
class Binned:
    """Rows in the cells of one reference, and the numbers that are summed as well.

    `cells` u1[n, F] within each feature's section; `score_cells` u1[n]; `output_cells` u1[n]: the class, or the cell of
    the predicted number; `numbers` f8[n] of each numeric feature, None where the rows have none; `values` f8[n] of the
    predicted number, NaN where there are classes.
    """

    cells: Cells
    score_cells: Cells
    output_cells: Cells
    numbers: tuple[Doubles | None, ...]
    values: Doubles


def bin_rows(layout: Layout, predictions: Predictions) -> Binned:
    """Put every value of every row into its cell; a column that the rows lack is missing in all of them."""
    by_feature = np.empty((len(layout.feature_cells), predictions.n), np.uint8)
    numbers: list[Doubles | None] = []
    for cells, column in zip(by_feature, layout.reference.columns, strict=True):
        values = predictions.columns.get(column.name)
        if isinstance(column, NumericBins):
            _bin_numbers(column, values, cells)
            numbers.append(values.values if isinstance(values, NumericColumn) else None)
        else:
            _bin_categories(column, values, cells)
    outputs = _bin_outputs(layout, predictions)
    return Binned(by_feature.T, score_cells(predictions.scores), outputs, tuple(numbers), predictions.values)


def score_cells(scores: Doubles | NDArray[np.float32]) -> Cells:
    """Bin scores into 64 equal bins over [0, 1], 1 into the last; SCORE_BINS where there is none, or no probability.

    Rounded to f4 first, as a receipt keeps them, so that a score and its late label meet in the same bin.
    """
    given = scores.astype(np.float32)
    usable = (given >= 0) & (given <= 1)
    cells = np.where(usable, given, 0) * SCORE_BINS
    return np.where(usable, np.minimum(cells.astype(np.uint8), SCORE_BINS - 1), SCORE_BINS).astype(np.uint8)


def _bin_outputs(layout: Layout, predictions: Predictions) -> Cells:
    bins = layout.reference.output
    if bins is None:
        return np.minimum(predictions.outputs, layout.classes).astype(np.uint8)
    cells = np.empty(predictions.n, np.uint8)
    given = np.zeros(predictions.n, np.bool_)
    _bin_numbers(bins, NumericColumn(predictions.values, given, given), cells)
    return cells


def _bin_numbers(column: NumericBins, found: Column | None, cells: Cells) -> None:
    missing, non_finite, invalid = (column.bins + 2 + i for i in range(3))
    if not isinstance(found, NumericColumn):
        cells[:] = missing if found is None else _misfit(found.codes == MISSING, invalid, missing)
        return
    for start in range(0, len(cells), _CHUNK):
        values, chunk = found.values[start : start + _CHUNK], cells[start : start + _CHUNK]
        edges_below(column.edges, values, chunk)
        finite = np.isfinite(values)  # while they are in the cache
        if not finite.all():  # looking first costs a tenth of writing through a mask, and most columns are clean
            chunk[~finite] = non_finite
    for marked, cell in ((found.missing, missing), (found.invalid, invalid)):
        if marked.any():
            cells[marked] = cell


def _bin_categories(column: CategoryBins, found: Column | None, cells: Cells) -> None:
    k = len(column.top)
    other, unseen, missing, invalid = range(k, k + 4)
    if not isinstance(found, CategoricalColumn):
        cells[:] = missing if found is None else _misfit(found.missing, invalid, missing)
        return
    cell_of = dict.fromkeys(column.known, other) | {value: cell for cell, value in enumerate(column.top)}
    table = [cell_of.get(value, unseen) for value in found.values]
    cells[:] = np.array([*table, invalid, missing], np.uint8)[found.codes]  # codes -2 and -1 count from the end


def _misfit(missing: NDArray[np.bool_], invalid: int, gone: int) -> Cells:
    """Judge a column of the other kind: there is no value that could be right."""
    return np.where(missing, np.uint8(gone), np.uint8(invalid))


def edges_below(edges: tuple[float, ...], values: Doubles, cells: Cells) -> None:
    """Set each cell: 0 below the edges, 1 + i in bin i, bins + 1 above. Any value for NaN."""
    if not edges:
        cells[:] = 0
        return
    lower, last = edges[: max(1, len(edges) - 1)], edges[-1]
    if len(values) < _SEARCH_ROWS:
        cells[:] = np.searchsorted(np.array(lower), values, side="right")
        cells += values > last
        return
    inner = np.array(lower)[:, np.newaxis]
    above = np.empty((len(lower) + 1, min(_CHUNK, len(values))), np.bool_)  # by edge
    for start in range(0, len(values), _CHUNK):
        part = values[start : start + _CHUNK]
        found = above[:, : len(part)]
        np.greater_equal(part, inner, out=found[:-1])
        np.greater(part, last, out=found[-1])
        np.add.reduce(found.view(np.uint8), axis=0, dtype=np.uint8, out=cells[start : start + len(part)])
