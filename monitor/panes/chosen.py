"""What a builder chooses to watch beside every column: halves, pairs and slices, from a bounded sample of the history.

The sample are the rows with the least hashes of what they hold, their time included: the same ones for the same rows,
in whatever order and batches they come, and no period of the history is preferred. Only the choice rests on it; what
is chosen is counted over all rows.

- *Half* of a number: the edge whose share at or above it is nearest to one half; none where one value is all there is.
- *Pairs*: the largest |phi| of the indicators "in the upper half", over the rows that have both numbers, two pairs of
  the same |phi| by place. Sums of +-1 are exact in any order, so the choice is.
- *Slices*: categories, and numbers in five parts of about the same rows; those with the most rows first, none below 1 %
  of the rows, in which an error would take a hundred times as long to be seen. Half of the places are kept for
  categories while there are any: a fifth has more rows than most of them, and twenty numbers would take every place.

Bounds: 4,096 rows and 16 MB of doubles. Cost: 8 ns a value for the hash, 0.4 s of CPU for the pairs of 500 numbers,
1.2 s of 2,000 (measured 2026-11).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from monitor.panes.binning import bin_rows
from monitor.panes.layout import Layout
from monitor.panes.reference import PAIRS_MAX, SLICED_MAX, SLICES_MAX, NumericBins, Slice
from monitor.panes.rows import Column, NumericColumn, Predictions

Cells: TypeAlias = NDArray[np.uint8]
Doubles: TypeAlias = NDArray[np.float64]
Hashes: TypeAlias = NDArray[np.uint64]

SAMPLE_ROWS: Final = 4_096
SAMPLE_BYTES: Final = 16 << 20
ROWS_MIN: Final = 30  # of both numbers, for a pair to be chosen
SHARE_MIN: Final = 0.01
_PARTS: Final = 5
_PRIME: Final = np.uint64(0x9E3779B97F4A7C15)
_SPREAD: Final = np.uint64(0xBF58476D1CE4E5B9)


class RowSample:
    """The numbers of the rows with the least hashes."""

    def __init__(self, names: Sequence[str]) -> None:
        """Sample the numeric features called `names`."""
        self._names = tuple(names)
        self._rows = max(1, min(SAMPLE_ROWS, SAMPLE_BYTES // (8 * max(1, len(names)))))
        self._hashes = np.empty(0, np.uint64)
        self._values = np.empty((0, len(names)))

    def update(self, rows: Predictions) -> None:
        """Take in some more rows."""
        if not self._names or not rows.n:
            return
        columns = [self._numbers(rows, name) for name in self._names]
        hashes = _hashed([rows.times, *columns])
        near = np.flatnonzero(hashes < self._hashes.max()) if len(self._hashes) == self._rows else np.arange(rows.n)
        if len(near) > self._rows:
            near = near[np.argpartition(hashes[near], self._rows - 1)[: self._rows]]
        if not len(near):
            return
        found = np.concatenate([self._hashes, hashes[near]])
        values = np.concatenate([self._values, np.column_stack([column[near] for column in columns])])
        if len(found) > self._rows:
            least = np.argpartition(found, self._rows - 1)[: self._rows]
            found, values = found[least], values[least]
        self._hashes, self._values = found, values

    def cells(self, layout: Layout) -> Cells:
        """Put the sample into the bins of a layout: u1[features, rows], only those of numbers mean anything."""
        missing, nothing = np.isnan(self._values), np.zeros(len(self._values), np.bool_)
        columns: dict[str, Column] = {
            name: NumericColumn(self._values[:, at], missing[:, at], nothing) for at, name in enumerate(self._names)
        }
        unknown = np.full(len(self._values), np.nan)
        rows = Predictions.unsent(columns, times=unknown, outputs=nothing.view(np.uint8), scores=unknown)
        return bin_rows(layout, rows).cells.T

    @staticmethod
    def _numbers(rows: Predictions, name: str) -> Doubles:
        column = rows.columns.get(name)
        return column.values if isinstance(column, NumericColumn) else np.full(rows.n, np.nan)


@dataclass(frozen=True, slots=True)
class Chosen:
    """Fields of a `Reference` of the same names."""

    halves: tuple[int, ...]
    pairs: tuple[tuple[int, int], ...]
    slices: tuple[Slice, ...]


def choose(layout: Layout, sample: RowSample, categories: Sequence[Sequence[float]]) -> Chosen:
    """Choose for a draft's `layout`; `categories` are the shares of the top ones of each feature, () for numbers."""
    cells = sample.cells(layout)
    halves = tuple(
        _half(own, column.bins) if isinstance(column, NumericBins) else 0
        for own, column in zip(cells, layout.reference.columns, strict=True)
    )
    return Chosen(halves, _pairs(layout, cells, halves), _slices(layout, cells, categories))


def _hashed(columns: Sequence[Doubles]) -> Hashes:
    """Mix the bits of each row's values, u8[n]; zeros of both signs are one value, as are all NaN."""
    found = np.zeros(len(columns[0]), np.uint64)
    for column in columns:
        found ^= np.where(np.isnan(column), 0.0, column + 0.0).view(np.uint64)
        found *= _PRIME
        found ^= found >> 29
    found *= _SPREAD
    found ^= found >> 32
    return found


def _half(cells: Cells, bins: int) -> int:
    counts = np.bincount(cells, minlength=bins + 2)[: bins + 2]
    total = int(counts.sum())
    above = total - np.cumsum(counts)[1:bins]  # rows in cell 2 or higher, 3 or higher, ... the last bin
    inside = np.flatnonzero((above > 0) & (above < total))
    return int(inside[np.abs(2 * above[inside] - total).argmin()]) + 2 if len(inside) else 0


def _pairs(layout: Layout, cells: Cells, halves: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    columns = np.flatnonzero(halves)
    if len(columns) < 2:
        return ()
    half = np.array(halves)[columns, np.newaxis]
    absent = np.array([layout.feature_cells[column].bins for column in columns])[:, np.newaxis]
    given = (cells[columns] < absent).astype(np.float32)
    sides = (2 * (cells[columns] >= half).astype(np.float32) - 1) * given
    both = (given @ given.T).astype(np.float64)
    first, second = np.triu_indices(len(columns), 1)
    rows = np.maximum(both, 1.0)
    agree, mine = (sides @ sides.T) / rows, (sides @ given.T) / rows  # mine[i, j]: mean of i where j is there
    spread = (1 - mine**2) * (1 - mine.T**2)
    with np.errstate(divide="ignore", invalid="ignore"):
        phi = np.where(spread > 0, np.abs(agree - mine * mine.T) / np.sqrt(spread), 0.0)[first, second]
    known = np.flatnonzero(both[first, second] >= ROWS_MIN)
    best = known[np.argsort(-phi[known], kind="stable")[:PAIRS_MAX]]
    places = zip(columns[first[best]].tolist(), columns[second[best]].tolist(), strict=True)
    return tuple(sorted(places))


def _slices(layout: Layout, cells: Cells, categories: Sequence[Sequence[float]]) -> tuple[Slice, ...]:
    numbers: list[tuple[float, Slice]] = []
    named: list[tuple[float, Slice]] = []
    for at, column in enumerate(layout.reference.columns[:SLICED_MAX]):
        if isinstance(column, NumericBins):
            numbers += _fifths(at, cells[at], column.bins)
        else:
            named += [(share, Slice(at, cell, cell + 1)) for cell, share in enumerate(categories[at])]
    numbers, named = _telling(numbers), _telling(named)
    place = min(len(named), max(SLICES_MAX // 2, SLICES_MAX - len(numbers)))
    kept = [each for _, each in (*named[:place], *numbers[: SLICES_MAX - place])]
    return tuple(sorted(kept, key=lambda each: (each.feature, each.start)))


def _telling(found: Sequence[tuple[float, Slice]]) -> list[tuple[float, Slice]]:
    """Those with enough rows, the largest share first."""
    enough = [each for each in found if each[0] >= SHARE_MIN]
    return sorted(enough, key=lambda each: (-each[0], each[1].feature, each[1].start))


def _fifths(at: int, cells: Cells, bins: int) -> list[tuple[float, Slice]]:
    """Cut a number into at most five parts; values beyond the bins belong to the outer ones."""
    counts = np.bincount(cells, minlength=bins + 2)[: bins + 2]
    inside, total = counts[1:-1], int(counts.sum())
    if not total or bins < 2:
        return []
    middle = np.cumsum(inside) - inside / 2
    part = np.minimum((middle / total * _PARTS).astype(np.intp), _PARTS - 1)
    begins = [0, *(int(place) + 2 for place in np.flatnonzero(np.diff(part)))]
    ends = [*begins[1:], bins + 2]
    return [
        (round(float(counts[start:stop].sum()) / len(cells), 2), Slice(at, start, stop))
        for start, stop in zip(begins, ends, strict=True)
    ]
