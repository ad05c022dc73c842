"""The marginal cells of labels: what trusted labels say, in parts of which each labelled row is in one cell.

| part | task | cells |
|---|---|---|
| error | C | right, wrong |
| classes | C | [label][right, wrong]: k + 1 labels, the last one any other class |
| predicted | C | [answer][right, wrong]: of these labels, by the predicted class |
| scored | C | 64: labelled rows with a score, by its bin |
| true | C | 64: of these, the ones whose outcome came true |
| errors | R | prediction - label in the bins of `Reference.errors`: under, bins, over |
| first, third, fifth, tenth | K | miss, hit: whether a relevant item is among so many |
| paired | C | labelled pairs of which one model alone was wrong: the known-good, the served one |
| | R | labelled pairs, shared out: less, more by how much the served model errs more (errors.worse_rows) |
| agreement | all | labels by untrusted sources that disagree, agree with what was served |
| slices | all | [slice][right, wrong], a part a feature |

All of it follows from the sections of a pane (`sum_labels`), and from single rows of history (`place_labels`), by which
slots of time are counted; a test holds the two to the same sums. Of history nobody asked a known-good, and all labels
are taken for the truth; untrusted labels of a pane reach `agreement` and nothing else. Labels of the same row may be
corrected: a pane's delta can then be negative, so labels are bet on by closed windows and never by what arrived.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from monitor.facts import Task
from monitor.panes.binning import score_cells
from monitor.panes.errors import worse_rows
from monitor.panes.layout import Layout
from monitor.panes.outcomes import Doubles, Receipts, error_cells, wrong_answers
from monitor.panes.ranking import unpack
from monitor.panes.sections import HITS_AT, SCORE_BINS

Counts: TypeAlias = NDArray[np.int64]
Places: TypeAlias = NDArray[np.intp]

HIT_NAMES: Final = ("first", "third", "fifth", "tenth")  # of HITS_AT
ERROR, CLASSES, PREDICTED, SCORED, TRUE = "error", "classes", "predicted", "scored", "true"
ERRORS, PAIRED, AGREEMENT, SLICES = "errors", "paired", "agreement", "slices"


@dataclass(frozen=True, slots=True)
class LabelPart:
    """So many cells of one name; slices have one part for each of their features."""

    name: str
    width: int


def label_parts(layout: Layout) -> tuple[LabelPart, ...]:
    """The parts of this layout's task, in order."""
    match layout.task:
        case Task.CLASSIFICATION:
            by_class = 2 * (layout.classes + 1)
            found = [(ERROR, 2), (CLASSES, by_class), (PREDICTED, by_class), (SCORED, SCORE_BINS), (TRUE, SCORE_BINS)]
            found.append((PAIRED, 2))
        case Task.REGRESSION:
            found = [(ERRORS, layout.error_bins.stop - layout.error_bins.start), (PAIRED, 2)]
        case Task.RANKING:
            found = [(name, 2) for name in HIT_NAMES]
    found.append((AGREEMENT, 2))
    found += [(SLICES, 2 * width) for width in layout.slicing.widths]
    return tuple(LabelPart(*each) for each in found)


def sum_labels(layout: Layout, counts: Counts) -> Counts:
    """Sum the counts i8[layout.size] of a pane to those of all parts, one after the other."""
    return np.concatenate([*_sums(layout, counts), counts[layout.agreement][::-1], counts[layout.slices]])


def _sums(layout: Layout, counts: Counts) -> Iterator[Counts]:
    match layout.task:
        case Task.CLASSIFICATION:
            k = layout.classes + 1
            confusion = counts[layout.confusion].reshape(k, k)
            right = np.diagonal(confusion)
            by_label = np.stack([right, confusion.sum(axis=0) - right], axis=1)
            yield by_label.sum(axis=0)
            yield by_label.reshape(-1)
            yield np.stack([right, confusion.sum(axis=1) - right], axis=1).reshape(-1)
            by_score = counts[layout.score_label].reshape(SCORE_BINS, 2)
            yield by_score.sum(axis=1)
            yield by_score[:, 1]
            yield counts[layout.pairs][4:2:-1]
        case Task.REGRESSION:
            yield counts[layout.error_bins]
            pairs, high, low = (int(counts[layout.pairs][at]) for at in (3, 8, 9))
            more = worse_rows(pairs, high, low)
            yield np.array([pairs - more, more])
        case Task.RANKING:
            labelled = counts[layout.labelled]
            for hits in counts[layout.ranks][: len(HITS_AT), np.newaxis]:
                yield np.concatenate([labelled - hits, hits])


def place_labels(layout: Layout, receipts: Receipts, labels: Doubles) -> tuple[Places, ...]:
    """Which cell of each part every label is in, intp[n] a part; the part's width where it is in none."""
    wrong = np.zeros(len(labels), np.intp)
    usable = np.ones(len(labels), np.bool_)
    found: list[Places] = []
    match layout.task:
        case Task.CLASSIFICATION:
            wrong[:] = wrong_answers(layout, receipts, labels)
            classes = np.minimum(labels, layout.classes).astype(np.intp)
            cells = score_cells(receipts["score"]).astype(np.intp)
            outcome = wrong == 0 if layout.positive is None else classes == layout.positive
            said = np.minimum(receipts["output"], layout.classes).astype(np.intp)
            nobody = np.full(len(labels), 2, np.intp)
            came_true = np.where(outcome, cells, SCORE_BINS)
            found = [wrong, 2 * classes + wrong, 2 * said + wrong, cells, came_true, nobody]
        case Task.REGRESSION:
            usable = np.isfinite(receipts["value"]) & np.isfinite(labels)
            wrong[usable] = wrong_answers(layout, receipts[usable], labels[usable])
            if (bins := layout.reference.errors) is None:
                found = [wrong * 0]
            else:
                places = np.full(len(labels), bins.bins + 2, np.intp)
                places[usable] = error_cells(bins, receipts["value"][usable], labels[usable])
                found = [places]
            found.append(np.full(len(labels), 2, np.intp))
        case Task.RANKING:
            wrong[:] = wrong_answers(layout, receipts, labels)
            first, _ = unpack(labels)
            found = [((first > 0) & (first <= place)).astype(np.intp) for place in HITS_AT]
    found.append(np.full(len(labels), 2, np.intp))  # nobody disagrees with the truth
    return (*found, *_slice_places(layout, receipts, wrong, usable))


def _slice_places(layout: Layout, receipts: Receipts, wrong: Places, usable: NDArray[np.bool_]) -> Iterator[Places]:
    begin = 0
    for places, width in zip(layout.slicing.places(receipts["bins"]), layout.slicing.widths, strict=True):
        inside = (places < layout.slicing.many) & usable
        yield np.where(inside, 2 * (places - begin) + wrong, 2 * width)
        begin += width
