"""Slices of error: whether an answer was right, by a category of a feature or a fifth of a number.

A model can fail for one carrier or for the longest distances while the whole hardly moves. So each trusted label is
counted, as right or wrong, in every slice its row lies in, and the share of wrong ones in a slice is held against that
slice's own band. Which slices: those with the most rows in the reference, at most 100 of the first 256 features
(`monitor.panes.chosen`); more of them would take weight from each other and pages at the same budget would come later.

Wrong is, of a classification, another class than the label; of a regression, an error beyond `Reference.large_error`,
which one in five of the reference's was; of a ranked list, that nothing relevant is among the first ten.

Cells of other bins, such as those of a receipt that was written without its features, are in no slice.

Cost: 2 ns a label and feature that has slices, plus 20 us a call (measured 2026-11).
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from monitor.panes.reference import Slice

Bools: TypeAlias = NDArray[np.bool_]
Cells: TypeAlias = NDArray[np.uint8]
Counts: TypeAlias = NDArray[np.int64]
Places: TypeAlias = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Slicing:
    """The K slices of one reference, in M features: `table` intp[M, 256] is the slice of each cell, K for none."""

    features: Places
    table: Places
    many: int
    widths: tuple[int, ...]  # how many slices each of the features has

    @classmethod
    def of(cls, slices: tuple[Slice, ...]) -> "Slicing":
        """Look up cells; slices ascend by feature."""
        features = sorted({each.feature for each in slices})
        table = np.full((len(features), 256), len(slices), np.intp)
        for place, each in enumerate(slices):
            table[features.index(each.feature), each.start : each.stop] = place
        widths = tuple(sum(each.feature == feature for each in slices) for feature in features)
        return cls(np.array(features, np.intp), table, len(slices), widths)

    @property
    def reach(self) -> int:
        """How many features of a receipt are read."""
        return int(self.features.max(initial=-1)) + 1

    def places(self, bins: Cells) -> Places:
        """Which slice of each feature a label's row lies in, intp[M, n]; K: none. `bins` u1[n, >= reach]."""
        found = np.empty((len(self.features), len(bins)), np.intp)
        for row, feature, table in zip(found, self.features.tolist(), self.table, strict=True):
            np.take(table, bins[:, feature], out=row)
        return found


def count_slices(slicing: Slicing, bins: Cells, wrong: Bools, signs: Counts) -> Counts:
    """Count labels by slice, i8[2 K]: [slice][right, wrong]; each of `bins` u1[n, F], `wrong` and `signs` is a label's.

    A receipt without the cells of features is in no slice.
    """
    many = 2 * (slicing.many + 1)
    counts = np.zeros(many, np.int64)
    if slicing.many and bins.shape[1] >= slicing.reach:
        cells = 2 * slicing.places(bins) + wrong
        for sign in (1, -1):
            mine = cells[:, signs == sign]
            if mine.size:
                counts += sign * np.bincount(mine.ravel(), minlength=many)
    return counts[:-2]
