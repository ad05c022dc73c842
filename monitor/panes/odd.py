"""Which rows are odd: what makes a row worth keeping as it came, read from the cells that it was counted in.

Most features of most folds have no odd cell at all, which their counts say; only the others are looked at row by row.
Missing is odd only in a feature of which the reference always had a value.

Cost: 1 ns a row and feature with an odd cell, nothing for the others (2026-11, two cores).
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from monitor.facts import Pane, Task
from monitor.panes.binning import Binned
from monitor.panes.layout import Layout
from monitor.panes.sampling import Flag
from monitor.panes.sections import FeatureCells

Flags: TypeAlias = NDArray[np.uint32]


class Odd:
    """The odd cells of one layout."""

    def __init__(self, layout: Layout) -> None:
        """Make a table of flags for each feature: 256 entries of 4 bytes."""
        self._layout = layout
        self._groups = len(layout.group_names)
        always = [histogram.missing == 0 for histogram in layout.features(layout.reference_pane())]
        self._tables = [_table(cells, given) for cells, given in zip(layout.feature_cells, always, strict=True)]

    def flags(self, binned: Binned, counted: Pane) -> Flags:
        """Flag bits of each row, u4[n]; `counted` is a pane in which all of these rows were counted."""
        found = np.zeros(len(binned.cells), np.uint32)
        by_cell = counted.counts[self._layout.joint_span].reshape(-1, self._groups).sum(axis=1)
        for place, (cells, table) in enumerate(zip(self._layout.feature_cells, self._tables, strict=True)):
            counts = by_cell[cells.start : cells.start + cells.size]
            if counts[table[: cells.size] > 0].any():
                found |= table[binned.cells[:, place]]
        found[self._other_outputs(binned)] |= np.uint32(Flag.OTHER_OUTPUT)
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
    table = np.zeros(256, np.uint32)
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
