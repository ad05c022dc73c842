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

Beside the columns: pairs, copies, repeated ids, how many rows there are (flow_signals.py), and labels
(label_signals.py).

Of ordered columns the counts by bin are given as well: a mean normal score says more than any one cut, because it uses
all bins at once. A score's 64 bins are joined to at most 20 of about equal shares for it.

Words of a sensitive feature's items are places ("decile 3", "category 2"): its values are never shown.

Cost: 500 features, 7,003 signals, 0.09 ms of CPU a pane (measured 2026-11); 0.3 MB of indices a table.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from monitor.facts import Family, Task
from monitor.panes.flow_signals import is_stale, place_flow, place_minutes, stale_rows
from monitor.panes.label_signals import place_labels_signals
from monitor.panes.layout import Layout
from monitor.panes.margins import Margins
from monitor.panes.reference import CategoryBins, NumericBins
from monitor.panes.rhythm import BINS as SCORED_BINS
from monitor.panes.sections import OTHER, SCORE_BINS, SCORE_EDGES, FeatureCells
from monitor.panes.shares import NAMED_MAX, Counts, Placed, Signal, What, choose_cuts
from monitor.panes.volume import ITEMS, Volume

__all__ = ["Counted", "Signal", "Signals", "What", "choose_cuts"]


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


@dataclass(frozen=True, slots=True, eq=False)
class Signals:
    """The table of all signals of one layout: S signals and C scored columns.

    `hits` and `of` i8[2, S] are ranges of marginal cells, `starts` i8[C, 23] the ends of a scored column's bins.
    Signals stand in three parts, by what tells of them: rows as they arrive, closed windows of `labels`, `minutes`.
    """

    margins: Margins
    signals: tuple[Signal, ...]
    hits: Counts
    of: Counts
    scored: tuple[str, ...]
    scored_group: tuple[str, ...]
    starts: Counts
    labels: slice  # among the signals
    minutes: slice  # ITEMS of the volume, then each number that may be stale
    stale_rows: tuple[float, ...]  # of a minute, for each number: with fewer nobody can tell

    @classmethod
    def table(cls, layout: Layout) -> "Signals":
        """Choose what is watched of this layout, whose reference has counts."""
        margins = Margins.of(layout)
        cells = margins.sum(np.array(layout.reference.counts, np.int64))
        arriving = [*_place(margins, cells), *place_flow(margins)]
        labelled, minutes = list(place_labels_signals(margins, cells)), list(place_minutes(layout))
        placed = [*arriving, *labelled, *minutes]
        ends = len(arriving), len(arriving) + len(labelled), len(placed)
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
            slice(ends[0], ends[1]),
            slice(ends[1], ends[2]),
            tuple(stale_rows(margins, cells)),
        )

    def beside(self, more: tuple[Signal, ...]) -> "Signals":
        """This table with `more` signals behind its own, of which no cell of the whole says anything."""
        nothing = np.zeros((2, len(more)), np.int64)
        hits, of = (np.concatenate([ranges, nothing], axis=1) for ranges in (self.hits, self.of))
        return replace(self, signals=(*self.signals, *more), hits=hits, of=of)

    def count(self, counts: Counts) -> Counted:
        """Read what a pane, i8[layout.size], says of rows that arrived; of labels and minutes nothing."""
        return self.read_arrived(self.margins.sum(counts))

    def read_arrived(self, cells: Counts) -> Counted:
        """Read marginal cells i8[margins.size] as `count` does a pane's; the labels among them are set to 0."""
        cells[self.margins.labels] = 0
        return self.read(cells)

    def count_labels(self, counts: Counts) -> Counted:
        """Read what the pane of a closed window says of labels, and nothing else."""
        cells = self.margins.sum(counts)
        cells[: self.margins.labels.start] = 0
        return self.read(cells)

    def count_minutes(self, volume: Volume | None, hour: int, rows: Counts, refused: Counts | None = None) -> Counted:
        """Read `rows` i8[m] of whole minutes of one hour since 1970, none of which was given before.

        Without a `volume`, `Rhythm.volume`, nobody knows how many rows there should be. What nobody knows because rows
        were `refused` i8[m] counts nowhere.
        """
        found = self.read(np.zeros(self.margins.size, np.int64))
        if volume is not None:
            here = slice(self.minutes.start, self.minutes.start + len(ITEMS))
            turned_away = np.zeros_like(rows) if refused is None else refused
            said, known = volume.judge_refused(np.full(len(rows), hour), rows, turned_away)
            found.x[here] = (said & known).sum(axis=0)
            found.n[here] = known.sum(axis=0)
        return found

    def count_stale(self, counts: Counts) -> Counted:
        """Read whether each number stood still in the rows of one pane, i8[layout.size], of about a minute: n is 1.

        Unlike everything else this does not add up to what a longer pane would say; minutes do.
        """
        return self.read_stale(self.margins.sum(counts), counts[self.margins.layout.moments])

    def read_stale(self, cells: Counts, moments: Counts) -> Counted:
        """Read marginal cells i8[margins.size] and the moments of the same rows as `count_stale` does a pane's."""
        found, layout = self.read(np.zeros(self.margins.size, np.int64)), self.margins.layout
        below = np.concatenate([[0], np.cumsum(cells[self.margins.features])])
        numbers = [feature for feature in layout.feature_cells if feature.numbers is not None]
        starts = np.array([feature.start for feature in numbers], np.intp)
        bins = np.array([feature.bins for feature in numbers], np.intp)
        rows = below[starts + bins] - below[starts]
        enough = rows >= np.array(self.stale_rows)
        first, second = moments.reshape(-1, 2).T
        here = slice(self.minutes.start + len(ITEMS), self.minutes.stop)
        found.x[here], found.n[here] = is_stale(rows, first, second) & enough, enough
        return found

    def read(self, cells: Counts) -> Counted:
        """Read marginal cells i8[margins.size]."""
        below = np.zeros(len(cells) + 1, np.int64)
        np.cumsum(cells, out=below[1:])
        x = below[self.hits[1]] - below[self.hits[0]]
        n = below[self.of[1]] - below[self.of[0]]
        return Counted(x, n, np.diff(below[self.starts], axis=1))


def _place(margins: Margins, cells: Counts) -> Iterator[Placed]:
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
        yield Placed(signal, (start + cut, end), (start, end))
    missing = Signal(Family.QUALITY, "quality/score", "score", What.MISSING, "", rises=True, falls=False)
    yield Placed(missing, (end, end + 1), (margins.rows, margins.rows + 1))


def _moved(feature: FeatureCells, start: int) -> FeatureCells:
    return FeatureCells(feature.name, start, feature.bins, feature.numbers, feature.moments)


def _cuts(family: Family, group: str, feature: FeatureCells, cells: Counts, *, hidden: bool) -> Iterator[Placed]:
    assert feature.numbers is not None, "categories have no order"
    start, end, edges = feature.start, feature.start + feature.bins, feature.numbers.edges
    for cut in choose_cuts(cells[start + 1 : end - 1]):
        item = f"decile {cut / feature.numbers.bins * 10:g}" if hidden else f"{edges[cut]:g}"
        signal = Signal(family, group, feature.name, What.ABOVE, item, rises=True, falls=True)
        yield Placed(signal, (start + 1 + cut, end), (start, end))


def _categories(group: str, feature: FeatureCells, bins: CategoryBins, *, hidden: bool) -> Iterator[Placed]:
    start, top = feature.start, len(bins.top)
    named = min(top, NAMED_MAX)
    pooled = top > named or bool(bins.known)
    of = (start, start + feature.bins)
    alone = named <= 2 and not pooled  # the share of one of two says what the other's does, and of one, `unseen` does
    for index in range(named - 1 if alone else named):
        item = f"category {index + 1}" if hidden else bins.top[index]
        signal = Signal(Family.FEATURES, group, feature.name, What.CATEGORY, item, rises=True, falls=True)
        yield Placed(signal, (start + index, start + index + 1), of)
    if pooled:
        signal = Signal(Family.FEATURES, group, feature.name, What.CATEGORY, OTHER, rises=True, falls=True)
        yield Placed(signal, (start + named, start + top + 1), of)


def _wrongs(feature: FeatureCells, rows: int) -> Iterator[Placed]:
    """What is wrong with a column: each one cell, of all rows."""
    last = feature.start + feature.bins
    if feature.numbers is None:
        found = {What.UNSEEN: last - 1, What.MISSING: last, What.INVALID: last + 1}
    else:
        found = {What.UNDER: feature.start, What.OVER: last - 1, What.MISSING: last}
        found |= {What.NON_FINITE: last + 1, What.INVALID: last + 2}
    for what, cell in found.items():
        signal = Signal(Family.QUALITY, f"quality/{feature.name}", feature.name, what, "", rises=True, falls=False)
        yield Placed(signal, (cell, cell + 1), (rows, rows + 1))


def _classes(margins: Margins, cells: Counts) -> Iterator[Placed]:
    layout, start = margins.layout, margins.output.start
    names, counts = layout.reference.schema.classes, cells[margins.output]
    ranked = sorted(range(len(names)), key=lambda index: (-int(counts[index]), index))[:NAMED_MAX]
    for index in ranked if layout.positive is None else [layout.positive]:
        signal = Signal(Family.OUTPUT, "output", "output", What.CLASS, names[index], rises=True, falls=True)
        yield Placed(signal, (start + index, start + index + 1), (margins.rows, margins.rows + 1))
    other = Signal(Family.OUTPUT, "output", "output", What.CLASS, OTHER, rises=True, falls=False)
    yield Placed(other, (start + len(names), start + len(names) + 1), (margins.rows, margins.rows + 1))


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
