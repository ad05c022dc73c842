"""Signals: everything that is watched, reduced to "of n rows, x fell into a set", for one layout.

A signal's rows are two ranges of marginal cells (margins.py): x those of the set, n those it is a share of. One prefix
sum over the cells and four gathers count all of them. The null of a signal, and so all that is learned of it, is a band
for that share (rhythm.py).

What is watched of a column:
- a number: the share above each of at most nine cuts, the bin edges whose share above was in the reference nearest to
  .9, .8, ... .1. A shift of the mean moves all of them, a change of the spread the outer ones. Both directions.
- a category: the share of each of the 12 most frequent, and of all other known ones together. Of two, one is enough.
- what is wrong with it: missing, invalid, non-finite, unseen, under, over; of all rows, and only that it rises.
- the output: as a number, or the share of each class (12 at most; any class beyond the schema's); of two the positive.
- the score: cuts as of a number, and that it is missing.

Of ordered columns the counts by bin are given as well: a mean normal score says more than any one cut, because it uses
all bins at once. A score's 64 bins are joined to at most 20 of about equal shares for it.

Words of a sensitive feature's items are places ("decile 3", "category 2"): its values are never shown.

Cost: 500 features, 7,003 signals, 0.09 ms of CPU a pane (measured 2026-11); 0.3 MB of indices a table.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from monitor.facts import Family, Task
from monitor.panes.layout import Layout
from monitor.panes.margins import Margins
from monitor.panes.reference import CategoryBins, NumericBins
from monitor.panes.rhythm import BINS as SCORED_BINS
from monitor.panes.sections import OTHER, SCORE_BINS, SCORE_EDGES, FeatureCells

CUTS_MAX: Final = 9
NAMED_MAX: Final = 12  # categories or classes with a signal each: at 31, thin ones would take most of a column's weight

Counts = NDArray[np.int64]


class What(Enum):
    """The kind of set whose share is watched."""

    ABOVE = "above"  # a cut
    CATEGORY = "category"
    CLASS = "class"
    MISSING = "missing"
    INVALID = "invalid"
    NON_FINITE = "non_finite"
    UNSEEN = "unseen"
    UNDER = "under"
    OVER = "over"


class Signal(msgspec.Struct, frozen=True):
    """One watched share."""

    family: Family
    group: str  # what pages and latches together: "features/age", "quality/age", "output", "score"
    column: str
    what: What
    item: str  # the cut's edge, the category or the class, in words; "" where `what` says it all
    rises: bool  # whether a rise is watched
    falls: bool


@dataclass(frozen=True, slots=True, eq=False)
class Counted:
    """What some rows say: `x` i8[S] of `n` i8[S] rows fell into each set; `bins` i8[C, 22] of each scored column.

    A scored column's bins are under, b0, b1 ..., over; then zeros.
    """

    x: Counts
    n: Counts
    bins: Counts

    def __add__(self, other: "Counted") -> "Counted":
        """Sum of two counts of the same table."""
        return Counted(self.x + other.x, self.n + other.n, self.bins + other.bins)


@dataclass(frozen=True, slots=True)
class _Placed:
    """A signal with the ranges of marginal cells of its set and of what it is a share of."""

    signal: Signal
    hits: tuple[int, int]
    of: tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Signals:
    """The table of all signals of one layout: S signals and C scored columns.

    `hits` and `of` i8[2, S] are ranges of marginal cells, `starts` i8[C, 23] the ends of a scored column's bins.
    """

    margins: Margins
    signals: tuple[Signal, ...]
    hits: Counts
    of: Counts
    scored: tuple[str, ...]
    scored_group: tuple[str, ...]
    starts: Counts

    @classmethod
    def table(cls, layout: Layout) -> "Signals":
        """Choose what is watched of this layout, whose reference has counts."""
        margins = Margins.of(layout)
        cells = margins.sum(np.array(layout.reference.counts, np.int64))
        placed = list(_place(margins, cells))
        scored = list(_score(margins, cells))
        hits = np.array([each.hits for each in placed], np.int64).reshape(-1, 2).T
        of = np.array([each.of for each in placed], np.int64).reshape(-1, 2).T
        starts = np.array([ends for _, _, ends in scored], np.int64).reshape(-1, SCORED_BINS + 1)
        return cls(
            margins,
            tuple(each.signal for each in placed),
            np.ascontiguousarray(hits),
            np.ascontiguousarray(of),
            tuple(name for name, _, _ in scored),
            tuple(group for _, group, _ in scored),
            starts,
        )

    def count(self, counts: Counts) -> Counted:
        """Read the counts i8[layout.size] of a pane of this layout."""
        return self.read(self.margins.sum(counts))

    def read(self, cells: Counts) -> Counted:
        """Read marginal cells i8[margins.size]."""
        below = np.zeros(len(cells) + 1, np.int64)
        np.cumsum(cells, out=below[1:])
        x = below[self.hits[1]] - below[self.hits[0]]
        n = below[self.of[1]] - below[self.of[0]]
        return Counted(x, n, np.diff(below[self.starts], axis=1))


def choose_cuts(bins: Counts) -> list[int]:
    """Choose at most nine places between `bins`, each the index of the first bin above it, ascending.

    Only places that have rows on both sides, and no two with the same rows above.

    >>> choose_cuts(np.array([5, 0, 5])), choose_cuts(np.full(20, 5))
    ([1], [2, 4, 6, 8, 10, 12, 14, 16, 18])
    """
    above = bins.sum() - np.cumsum(bins)[:-1]
    _, places = np.unique(-above, return_index=True)  # the first of those with the same rows above
    places = places[(above[places] > 0) & (above[places] < bins.sum())]
    if len(places) > CUTS_MAX:
        wanted = np.arange(CUTS_MAX, 0, -1) / (CUTS_MAX + 1) * bins.sum()
        places = np.unique(places[np.abs(above[places] - wanted[:, np.newaxis]).argmin(axis=1)])
    return [int(place) + 1 for place in places]


def _place(margins: Margins, cells: Counts) -> Iterator[_Placed]:
    layout = margins.layout
    for feature, bins, said in zip(
        layout.feature_cells, layout.reference.columns, layout.reference.schema.features, strict=True
    ):
        group = f"features/{feature.name}"
        if isinstance(bins, NumericBins):
            yield from _cuts(Family.FEATURES, group, feature, cells, hidden=said.sensitive)
        else:
            yield from _categories(group, feature, bins, hidden=said.sensitive)
        yield from _wrongs(feature, margins.rows)
    if layout.output_cells is not None:
        output = _moved(layout.output_cells, margins.output.start)
        yield from _cuts(Family.OUTPUT, "output", output, cells, hidden=False)
        yield from _wrongs(output, margins.rows)
        return
    yield from _classes(margins, cells)
    start, end = margins.score.start, margins.score.stop - 1
    for cut in choose_cuts(cells[start:end]):
        signal = Signal(Family.OUTPUT, "score", "score", What.ABOVE, f"{SCORE_EDGES[cut]:g}", rises=True, falls=True)
        yield _Placed(signal, (start + cut, end), (start, end))
    missing = Signal(Family.QUALITY, "quality/score", "score", What.MISSING, "", rises=True, falls=False)
    yield _Placed(missing, (end, end + 1), (margins.rows, margins.rows + 1))


def _moved(feature: FeatureCells, start: int) -> FeatureCells:
    return FeatureCells(feature.name, start, feature.bins, feature.numbers, feature.moments)


def _cuts(family: Family, group: str, feature: FeatureCells, cells: Counts, *, hidden: bool) -> Iterator[_Placed]:
    assert feature.numbers is not None, "categories have no order"
    start, end, edges = feature.start, feature.start + feature.bins, feature.numbers.edges
    for cut in choose_cuts(cells[start + 1 : end - 1]):
        item = f"decile {cut / feature.numbers.bins * 10:g}" if hidden else f"{edges[cut]:g}"
        signal = Signal(family, group, feature.name, What.ABOVE, item, rises=True, falls=True)
        yield _Placed(signal, (start + 1 + cut, end), (start, end))


def _categories(group: str, feature: FeatureCells, bins: CategoryBins, *, hidden: bool) -> Iterator[_Placed]:
    start, top = feature.start, len(bins.top)
    named = min(top, NAMED_MAX)
    pooled = top > named or bool(bins.known)
    of = (start, start + feature.bins)
    alone = named <= 2 and not pooled  # the share of one of two says what the other's does, and of one, `unseen` does
    for index in range(named - 1 if alone else named):
        item = f"category {index + 1}" if hidden else bins.top[index]
        signal = Signal(Family.FEATURES, group, feature.name, What.CATEGORY, item, rises=True, falls=True)
        yield _Placed(signal, (start + index, start + index + 1), of)
    if pooled:
        signal = Signal(Family.FEATURES, group, feature.name, What.CATEGORY, OTHER, rises=True, falls=True)
        yield _Placed(signal, (start + named, start + top + 1), of)


def _wrongs(feature: FeatureCells, rows: int) -> Iterator[_Placed]:
    """What is wrong with a column: each one cell, of all rows."""
    last = feature.start + feature.bins
    if feature.numbers is None:
        found = {What.UNSEEN: last - 1, What.MISSING: last, What.INVALID: last + 1}
    else:
        found = {What.UNDER: feature.start, What.OVER: last - 1, What.MISSING: last}
        found |= {What.NON_FINITE: last + 1, What.INVALID: last + 2}
    for what, cell in found.items():
        signal = Signal(Family.QUALITY, f"quality/{feature.name}", feature.name, what, "", rises=True, falls=False)
        yield _Placed(signal, (cell, cell + 1), (rows, rows + 1))


def _classes(margins: Margins, cells: Counts) -> Iterator[_Placed]:
    layout, start = margins.layout, margins.output.start
    names, counts = layout.reference.schema.classes, cells[margins.output]
    ranked = sorted(range(len(names)), key=lambda index: (-int(counts[index]), index))[:NAMED_MAX]
    for index in ranked if layout.positive is None else [layout.positive]:
        signal = Signal(Family.OUTPUT, "output", "output", What.CLASS, names[index], rises=True, falls=True)
        yield _Placed(signal, (start + index, start + index + 1), (margins.rows, margins.rows + 1))
    other = Signal(Family.OUTPUT, "output", "output", What.CLASS, OTHER, rises=True, falls=False)
    yield _Placed(other, (start + len(names), start + len(names) + 1), (margins.rows, margins.rows + 1))


def _score(margins: Margins, cells: Counts) -> Iterator[tuple[str, str, list[int]]]:
    """Every ordered column of at least two bins with rows: its name, its group, and the ends of its bins."""
    layout = margins.layout
    for feature in layout.feature_cells:
        if feature.numbers is not None and choose_cuts(cells[feature.start + 1 : feature.start + feature.bins - 1]):
            yield feature.name, f"features/{feature.name}", _ends(feature.start, feature.bins)
    if layout.output_cells is not None:
        output = _moved(layout.output_cells, margins.output.start)
        if choose_cuts(cells[output.start + 1 : output.start + output.bins - 1]):
            yield "output", "output", _ends(output.start, output.bins)
    elif layout.task is Task.CLASSIFICATION:
        start, end = margins.score.start, margins.score.stop - 1
        joined = _join(cells[start:end])
        if len(joined) > 2:
            ends = [start, *(start + place for place in joined)]
            yield "score", "score", ends + [end] * (SCORED_BINS + 1 - len(ends))


def _ends(start: int, bins: int) -> list[int]:
    return [start + min(place, bins) for place in range(SCORED_BINS + 1)]


def _join(bins: Counts) -> list[int]:
    """Cut 64 bins into at most 20 of about equal shares: the places between, both ends included."""
    above = np.cumsum(bins)[:-1]
    parts = SCORED_BINS - 2
    wanted = np.arange(1, parts) / parts * bins.sum()
    places = np.unique(np.searchsorted(above, wanted)) + 1
    inside = [int(p) for p in places if p < SCORE_BINS and 0 < above[p - 1] < bins.sum()]
    return [0, *inside, SCORE_BINS]
