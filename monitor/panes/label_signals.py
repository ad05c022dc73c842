"""What is watched of trusted labels: errors of the whole, a class, a slice, and whether scores mean what they say.

- *error*: of a classification the wrong ones; of a regression cuts of prediction - label: that more lies above those of
  the upper half, that less lies above (more lies below) those of the lower half, the median both ways. So a bias is
  seen on either side, a larger spread on both, and an improvement on none.
- *class error*: of the labels of one class, those that were not predicted; the 12 most frequent classes.
- *calibration*: of the rows with a score in one of five parts, those whose outcome came true; both ways.
- *slice error*: of the labels of a slice, the wrong ones (slices.py).
- *hit*: of ranked lists, those with a relevant item in the first 1, 3, 5, 10; that they fall.

A label is bet on once, when its window closes; see `Signals.count_labels`.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

import numpy as np

from monitor.facts import Family, Task
from monitor.panes.label_margins import CLASSES, ERROR, ERRORS, HIT_NAMES, SCORED, SLICES, TRUE
from monitor.panes.margins import Margins
from monitor.panes.reference import NumericBins, Slice
from monitor.panes.sections import HITS_AT, OTHER, SCORE_EDGES
from monitor.panes.shares import NAMED_MAX, Counts, Placed, Signal, What, choose_cuts

CALIBRATED_PARTS: Final = 5


def place_labels_signals(margins: Margins, cells: Counts) -> Iterator[Placed]:
    """Signals of labels, by the cells i8[margins.size] of the reference."""
    match margins.layout.task:
        case Task.CLASSIFICATION:
            yield from _classes(margins, cells)
            yield from _calibration(margins, cells)
        case Task.REGRESSION:
            yield from _errors(margins, cells)
        case Task.RANKING:
            for name, place in zip(HIT_NAMES, HITS_AT, strict=True):
                start = margins.part(name).start
                signal = _signal("labels/hits", "label", What.HIT, f"in the first {place}", rises=False, falls=True)
                yield Placed(signal, (start + 1, start + 2), (start, start + 2))
    yield from _slices(margins)


def _signal(  # the fields of a signal but its family
    group: str, column: str, what: What, item: str, *, rises: bool = True, falls: bool = False
) -> Signal:
    return Signal(Family.LABELS, group, column, what, item, rises, falls)


def _classes(margins: Margins, cells: Counts) -> Iterator[Placed]:
    start = margins.part(ERROR).start
    yield Placed(_signal("labels/error", "label", What.ERROR, ""), (start + 1, start + 2), (start, start + 2))
    names = (*margins.layout.reference.schema.classes, OTHER)
    counts = cells[margins.part(CLASSES)].reshape(-1, 2).sum(axis=1)
    ranked = sorted(range(len(names) - 1), key=lambda index: (-int(counts[index]), index))[:NAMED_MAX]
    for index in sorted(ranked):
        at = margins.part(CLASSES).start + 2 * index
        yield Placed(_signal("labels/classes", "label", What.CLASS_ERROR, names[index]), (at + 1, at + 2), (at, at + 2))


def _calibration(margins: Margins, cells: Counts) -> Iterator[Placed]:
    """The parts are those of the reference's scores, of about as many rows each."""
    scored, true = margins.part(SCORED).start, margins.part(TRUE).start
    bins = cells[margins.score][:-1]
    if not bins.sum():
        return
    middle = (np.cumsum(bins) - bins / 2) / bins.sum()
    part = np.minimum((middle * CALIBRATED_PARTS).astype(np.intp), CALIBRATED_PARTS - 1)
    ends = [0, *(np.flatnonzero(np.diff(part)) + 1).tolist(), len(bins)]
    for start, stop in pairwise(ends):
        item = f"{SCORE_EDGES[start]:g} to {SCORE_EDGES[stop]:g}"
        signal = _signal("labels/calibration", "score", What.CALIBRATION, item, falls=True)
        yield Placed(signal, (true + start, true + stop), (scored + start, scored + stop))


def _errors(margins: Margins, cells: Counts) -> Iterator[Placed]:
    bins, where = margins.layout.reference.errors, margins.part(ERRORS)
    if bins is None:
        return
    counts = cells[where]
    for cut in choose_cuts(counts[1:-1]):
        above = float(counts[1 + cut :].sum() / counts.sum())
        signal = _signal(
            "labels/error",
            "label",
            What.ERROR,
            f"above {bins.edges[cut]:.6g}",
            rises=above <= 0.55,  # the median cut is watched both ways
            falls=above >= 0.45,
        )
        yield Placed(signal, (where.start + 1 + cut, where.stop), (where.start, where.stop))


def _slices(margins: Margins) -> Iterator[Placed]:
    at = margins.part(SLICES).start
    for each in margins.layout.reference.slices:
        signal = _signal("labels/slices", *_named(margins, each))
        yield Placed(signal, (at + 1, at + 2), (at, at + 2))
        at += 2


def _named(margins: Margins, each: Slice) -> tuple[str, What, str]:
    """Name the column and the slice; of a sensitive feature only its place."""
    reference = margins.layout.reference
    column, said = reference.columns[each.feature], reference.schema.features[each.feature]
    if isinstance(column, NumericBins):
        if said.sensitive:
            low, high = (
                round(100 * min(max(cell - 1, 0), column.bins) / column.bins) for cell in (each.start, each.stop)
            )
            return said.name, What.SLICE_ERROR, f"{low} % to {high} %"
        first, last = each.start == 0, each.stop > column.bins
        low_edge, high_edge = column.edges[max(each.start - 1, 0)], column.edges[min(each.stop - 1, column.bins)]
        below, above = f"below {high_edge:.6g}", f"from {low_edge:.6g}"
        words = below if first else above if last else f"{low_edge:.6g} to {high_edge:.6g}"
        return said.name, What.SLICE_ERROR, words
    words = f"category {each.start + 1}" if said.sensitive else column.top[each.start]
    return said.name, What.SLICE_ERROR, words
