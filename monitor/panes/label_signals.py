"""What is watched of trusted labels: errors of the whole, a class, a slice, and whether scores mean what they say.

- *error*: of a classification the wrong ones; of a regression cuts of prediction - label: that more lies above those of
  the upper half, that less lies above (more lies below) those of the lower half, the median both ways. So a bias is
  seen on either side, a larger spread on both, and an improvement on none.
- *class error*: of the labels of one class, those that were not predicted, and of the answers of one class ("predicted
  yes") the wrong ones; the 12 most frequent classes each.
- *calibration*: of the rows with a score in one of five parts, those whose outcome came true; both ways.
- *slice error*: of the labels of a slice, the wrong ones (slices.py).
- *hit*: of ranked lists, those with a relevant item in the first 1, 3, 5, 10; that they fall.
- *paired error*: of labelled pairs of which one model alone was wrong, how often it was the served one (the sign test
  of McNemar 1947). Its band follows from what it is, one half (rhythm_labels.py).
- *paired loss*: of a regression's labelled pairs, the mean of (1 + d) / 2, d by how many error scales the served
  model's |error| is larger than the known-good's, cut at one scale either way: one half where both err as much. A mean
  of values in [0, 1] is bet on as a share is, because e^(eta s) <= 1 + s (e^eta - 1) there (Hoeffding 1963): E[L] <= 1
  for any law of d whose mean is inside the band. Cut, or one absurd label would outweigh a month; nine in ten errors of
  the reference are below a scale. So a model that is better only by its rarest, largest errors looks no better.
- *agreement*: of labels by untrusted sources, those that agree with what was served; both ways. It is watched as the
  quality of what comes in: whoever may send labels without being trusted must not bring a rollback about.

A label is bet on once, when its window closes; see `Signals.count_labels`.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

import numpy as np

from monitor.facts import Family, Task
from monitor.panes.label_margins import (
    AGREEMENT,
    CLASSES,
    ERROR,
    ERRORS,
    HIT_NAMES,
    PAIRED,
    PREDICTED,
    SCORED,
    SLICES,
    TRUE,
)
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
    paired = {Task.CLASSIFICATION: (What.PAIRED_ERROR, ""), Task.REGRESSION: (What.PAIRED_LOSS, _scale(margins))}
    if margins.layout.task in paired:
        what, item = paired[margins.layout.task]
        yield _apart(margins, PAIRED, Signal(Family.PAIRED, "paired", "label", what, item, rises=True, falls=False))
    agrees = Signal(Family.QUALITY, "quality/labels", "label", What.AGREEMENT, "", rises=True, falls=True)
    yield _apart(margins, AGREEMENT, agrees)


def _scale(margins: Margins) -> str:
    return f"{margins.layout.reference.error_scale:.6g}"


def _apart(margins: Margins, part: str, signal: Signal) -> Placed:
    start = margins.part(part).start
    return Placed(signal, (start + 1, start + 2), (start, start + 2))


def _signal(  # the fields of a signal but its family
    group: str, column: str, what: What, item: str, *, rises: bool = True, falls: bool = False
) -> Signal:
    return Signal(Family.LABELS, group, column, what, item, rises, falls)


def _classes(margins: Margins, cells: Counts) -> Iterator[Placed]:
    start = margins.part(ERROR).start
    yield Placed(_signal("labels/error", "label", What.ERROR, ""), (start + 1, start + 2), (start, start + 2))
    names = (*margins.layout.reference.schema.classes, OTHER)
    for part, words in ((CLASSES, ""), (PREDICTED, "predicted ")):
        counts = cells[margins.part(part)].reshape(-1, 2).sum(axis=1)
        ranked = np.argsort(-counts[:-1], kind="stable")[:NAMED_MAX]
        for index in sorted(ranked.tolist()):
            at = margins.part(part).start + 2 * index
            signal = _signal("labels/classes", "label", What.CLASS_ERROR, words + names[index])
            yield Placed(signal, (at + 1, at + 2), (at, at + 2))


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
