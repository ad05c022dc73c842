"""Which rows are odd: what makes a row worth keeping as it came, read from the cells that it was counted in.

Which odd cells any row is in, the rows' counts say; only for these is a feature's column looked through, a byte a row.
Missing is odd only in a feature of which the reference always had a value.

Cost: 0.1 ns a row and odd cell that has rows, nothing for the others (2026-11, two cores).
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from monitor.facts import Task
from monitor.panes.binning import Binned
from monitor.panes.layout import Layout
from monitor.panes.sampling import Flag
from monitor.panes.sections import FeatureCells

Flags: TypeAlias = NDArray[np.uint32]


class Odd:
    """The odd cells of one layout."""

    def __init__(self, layout: Layout) -> None:
        """Lay out the flag of every cell of every feature: 4 bytes a cell."""
        self._layout = layout
        self._groups = len(layout.group_names)
        always = [histogram.missing == 0 for histogram in layout.features(layout.reference_pane())]
        tables = [_table(cells, given) for cells, given in zip(layout.feature_cells, always, strict=True)]
        self._flags = np.concatenate([np.empty(0, np.uint32), *tables])  # by cell, of all features
        self._features = np.repeat(np.arange(len(tables)), [len(table) for table in tables])

    def flags(self, binned: Binned, counted: NDArray[np.int64]) -> Flags:
        """Flag bits of each row, u4[n]; `counted` are the cells of a pane in which just these rows were counted."""
        found = np.zeros(len(binned.cells), np.uint32)
        by_group = counted[self._layout.joint_span].reshape(-1, self._groups)
        filled = by_group[:, 0] != 0
        for group in range(1, self._groups):
            filled |= by_group[:, group] != 0
        for cell in np.flatnonzero(filled & (self._flags != 0)).tolist():
            feature = int(self._features[cell])
            rows = binned.cells[:, feature] == cell - self._layout.feature_cells[feature].start
            found[np.flatnonzero(rows)] |= self._flags[cell]
        other = self._other_outputs(binned)
        if other.any():
            found[other] |= np.uint32(Flag.OTHER_OUTPUT)
        return found

    def strata(self, binned: Binned) -> NDArray[np.uint8]:
        """What a sample is stratified by, u1[n]: the class, or the group that a predicted number falls into."""
        if self._layout.task is Task.CLASSIFICATION:
            return binned.output_cells
        return self._layout.groups.of[binned.output_cells]

    def _other_outputs(self, binned: Binned) -> NDArray[np.bool_]:
        if self._layout.task is Task.CLASSIFICATION:
            other: NDArray[np.bool_] = binned.output_cells == self._layout.classes
            return other
        return ~np.isfinite(binned.values)


def _table(cells: FeatureCells, always: bool) -> Flags:  # noqa: FBT001  # whether the reference always has a value
    table = np.zeros(cells.size, np.uint32)
    missing = cells.bins
    if cells.numbers is None:
        table[cells.bins - 1] = Flag.UNSEEN
        table[missing + 1] = Flag.INVALID
    else:
        table[[0, cells.bins - 1]] = Flag.OUT_OF_RANGE
        table[missing + 1] = Flag.NON_FINITE
        table[missing + 2] = Flag.INVALID
    if always:
        table[missing] = Flag.MISSING
    return table
