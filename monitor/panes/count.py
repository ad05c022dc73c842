"""Binned rows become counts: one `bincount` for a run of features, over their cells and the group of the output.

The marginal counts of a feature are the sums of its joint counts, so counting it by the group of the row's output costs
what counting alone would. The same holds of two features: a `bincount` of the pair, summed over the other, takes .75 ns
a value where one of each takes 1.45, most of it for widening indices and for counters that wait for themselves. Three
of 24 cells take .6, but their table of 41,472 counters is worth it for 100,000 rows, and a fold has 10,000. Rows go in
chunks, so that memory does not grow with them; where they are few, features are laid end to end in one `bincount`, or
its fixed cost of 2 us would be paid 2,000 times.

Cost, 1,000,000 x 20 doubles: counting 0.02 s, moments 0.05 s, pairs, contents, score and output 0.01 s each of CPU
(measured 2026-11; `python -m bench counting` compares it with a bare pass of numpy).
"""

import math
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from monitor.facts import Pane, Task
from monitor.panes.binning import Binned, Cells, Doubles, bin_rows, score_cells
from monitor.panes.concordance import count_concordance
from monitor.panes.contents import bucket_rows
from monitor.panes.errors import paired_gap, split_sums
from monitor.panes.layout import Layout
from monitor.panes.moments import sum_moments
from monitor.panes.sections import BUCKETS, SCORE_BINS

__all__ = ["EVERY_ROW", "NOT_ASKED", "Binned", "Cells", "bin_rows", "count_pairs", "count_rows", "score_cells"]

Rows: TypeAlias = NDArray[np.intp] | NDArray[np.bool_] | slice

EVERY_ROW = slice(None)
NOT_ASKED = 255  # a known-good output where the known-good was not asked; NaN where outputs are numbers
_CHUNK = 65_536  # rows of one feature, or cells of several: 0.5 MB of indices
_FEW_ROWS = 8_192  # from here on the table of a run and its sums, 15 us, cost less than they save
_TABLE_CELLS = 4_096  # of a run, 32 KiB of counters: they stay in the first-level cache


def count_rows(layout: Layout, binned: Binned, rows: Rows = EVERY_ROW, kept: int | None = None) -> Pane:
    """Count some of the rows, by index, mask or slice; `kept` of them have a receipt, None: all."""
    if isinstance(rows, np.ndarray) and rows.dtype == np.bool_:
        rows = np.flatnonzero(rows)
    by_feature, outputs = _columns(binned.cells.T, rows), binned.output_cells[rows]
    counts = np.zeros(layout.size, np.int64)
    counts[layout.rows] = len(outputs)
    counts[layout.kept] = len(outputs) if kept is None else kept
    counts[layout.joint_span] = count_joint(layout, by_feature, layout.groups.of[outputs])
    _sum_features(layout, binned, by_feature, rows, counts[layout.moments])
    if len(by_feature):
        counts[layout.contents] = np.bincount(bucket_rows(by_feature), minlength=BUCKETS)
    counts[layout.concordance] = count_concordance(layout.pairing, by_feature)
    if layout.reference.output is None:
        _count_classes(layout, outputs, binned.score_cells[rows], counts)
    else:
        counts[layout.output] = _counted(outputs, layout.output.stop - layout.output.start)
        sums = sum_moments([layout.reference.output], [binned.values[rows]], outputs[np.newaxis])
        counts[layout.output_moments] = sums[0]
    return layout.pane(counts)


def count_repeated(layout: Layout, rows: int) -> Pane:
    """Count predictions whose id was seen before; nothing else is known to be new about them."""
    counts = np.zeros(layout.size, np.int64)
    counts[layout.repeated] = rows
    return layout.pane(counts)


def count_pairs(layout: Layout, binned: Binned, known_good: Cells | Doubles, rows: Rows = EVERY_ROW) -> Pane:
    """Count those of the rows that the known-good answered too, and how far its answers lie from the served ones.

    `known_good` are its answers to all rows: outputs u1[n], NOT_ASKED where it was not, or numbers f8[n], NaN where it
    was not. Lists are not compared.
    """
    counts = np.zeros(layout.size, np.int64)
    pairs, said = counts[layout.pairs], known_good[rows]
    match layout.task:
        case Task.CLASSIFICATION:
            asked = said != NOT_ASKED
            differ = asked & (binned.output_cells[rows] != np.minimum(said, layout.classes))
            pairs[:2] = np.count_nonzero(asked), np.count_nonzero(differ)
        case Task.REGRESSION:
            _, gap = paired_gap(layout.reference.error_scale, binned.values[rows], said.astype(np.float64))
            pairs[0] = len(gap)
            pairs[1:3] = split_sums([gap], np.ones(len(gap), np.int64))
        case Task.RANKING:
            pass
    return layout.pane(counts)


def _columns(by_feature: Cells, rows: NDArray[np.intp] | NDArray[np.bool_] | slice) -> Cells:
    return by_feature[:, rows] if isinstance(rows, slice) else np.take(by_feature, rows, axis=1)


def count_joint(layout: Layout, by_feature: Cells, groups: Cells) -> NDArray[np.int64]:
    """Count the cells u1[F, n] of all features by the group u1[n] of each row, as `joint_span` has them."""
    rows, many = by_feature.shape[1], len(layout.group_names)
    by_cell = np.zeros(layout.joint_span.stop - layout.joint_span.start, np.int64).reshape(-1, many)
    if rows < _FEW_ROWS:
        _count_together(layout, by_feature, groups, by_cell)
        return by_cell.reshape(-1)
    features = [by_cell[feature.start : feature.start + feature.size] for feature in layout.feature_cells]
    for first, last in _runs([len(feature) for feature in features], _TABLE_CELLS // many):
        _count_run(features[first:last], by_feature[first:last], groups)
    return by_cell.reshape(-1)


def _runs(sizes: Sequence[int], cells_max: int) -> Iterator[tuple[int, int]]:
    """Cut features into runs of neighbours, (first, last + 1), whose cells multiplied are at most `cells_max`; or one.

    >>> list(_runs([24, 24, 24, 2, 3000, 5], 1365))
    [(0, 2), (2, 4), (4, 5), (5, 6)]
    """
    first, cells = 0, 1
    for at, size in enumerate(sizes):
        if at > first and cells * size > cells_max:
            yield first, at
            first, cells = at, 1
        cells *= size
    if first < len(sizes):
        yield first, len(sizes)


def _count_run(features: Sequence[NDArray[np.int64]], cells: Cells, groups: Cells) -> None:
    """Add the rows to the counts i8[cells, groups] of each feature of a run, their cells being u1[features, n]."""
    shape = (*map(len, features), features[0].shape[1])
    table = np.zeros(math.prod(shape), np.int64)
    for start in range(0, len(groups), _CHUNK):
        first, *others = (column[start : start + _CHUNK] for column in (*cells, groups))
        index = first.astype(np.uint16)  # a run's is below _TABLE_CELLS, a single feature's at most 255 * 8 + 7
        for size, more in zip(shape[1:], others, strict=True):
            index *= size
            index += more
        table += np.bincount(index, minlength=len(table))
    by_run, axes = table.reshape(shape), range(len(features))
    for own in axes:
        features[own][:] += by_run.sum(axis=tuple(axis for axis in axes if axis != own))


def _count_together(layout: Layout, by_feature: Cells, groups: Cells, by_cell: NDArray[np.int64]) -> None:
    """Count as many features at once as fit a chunk."""
    rows, many = by_feature.shape[1], by_cell.shape[1]
    wide = max(1, _CHUNK // max(rows, 1))
    for first in range(0, len(by_feature), wide):
        features = layout.feature_cells[first : first + wide]
        begin, end = features[0].start, features[-1].start + features[-1].size
        starts = np.array([[feature.start - begin] for feature in features], np.intp)
        index = by_feature[first : first + wide] + starts
        index *= many
        index += groups
        by_cell[begin:end] = np.bincount(index.ravel(), minlength=(end - begin) * many).reshape(-1, many)


def _sum_features(layout: Layout, binned: Binned, by_feature: Cells, rows: Rows, sums: NDArray[np.int64]) -> None:
    numeric = [i for i, feature in enumerate(layout.feature_cells) if feature.numbers is not None]
    columns = [column for feature in layout.feature_cells if (column := feature.numbers) is not None]
    values = [None if found is None else found[rows] for found in binned.numbers]
    cells = by_feature if len(numeric) == len(by_feature) else by_feature[numeric]
    sums[:] = sum_moments(columns, values, cells).ravel()


def _count_classes(layout: Layout, outputs: Cells, scores: Cells, counts: NDArray[np.int64]) -> None:
    counts[layout.output] = _counted(outputs, layout.classes + 1)
    by_output = outputs.astype(np.intp) * (SCORE_BINS + 1) + scores
    counts[layout.score] = np.bincount(by_output, minlength=(layout.classes + 1) * (SCORE_BINS + 1))


def _counted(cells: Cells, size: int) -> NDArray[np.intp]:
    return np.bincount(cells, minlength=size)
