"""The marginal cells of a pane: every column on its own, in one vector that signals cut into ranges.

A pane counts features by output group and scores by output (sections.py). What is watched one column at a time needs
neither, so both are summed out:

| part | cells |
|---|---|
| features | the cells of every feature, as `FeatureCells.start` places them |
| output | of classes k + 1; of numbers the cells of a numeric feature |
| score | 64 equal bins over [0, 1], then missing; none where there are no classes |
| rows | 2: rows, then repeated ones |
| contents | 64 buckets |
| concordance | 2 a pair: discordant, concordant |
| labels | what trusted labels say (label_margins.py); the same as rows of history are counted by |

The same vector is what history is counted into, by slots of time (rhythm_count.py): so a live share and the band it is
held against are ranges of the same cells, and cannot mean different things.

Cost: see signals.py.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.facts import Task
from monitor.panes.label_margins import LabelPart, label_parts, sum_labels
from monitor.panes.layout import Layout
from monitor.panes.sections import SCORE_BINS

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Margins:
    """Where each part lies in the vector of `size` cells."""

    layout: Layout
    features: slice
    output: slice
    score: slice
    rows: int
    repeated: int  # the cell after `rows`
    contents: slice
    concordance: slice
    labels: slice
    parts: tuple[LabelPart, ...]  # of the labels, one after the other
    size: int

    @classmethod
    def of(cls, layout: Layout) -> "Margins":
        """Place the parts for one layout."""
        cells = layout.feature_cells
        features = cells[-1].start + cells[-1].size if cells else 0
        output = features + layout.output.stop - layout.output.start
        score = output + (SCORE_BINS + 1 if layout.task is Task.CLASSIFICATION else 0)
        contents = score + 2
        concordance = contents + layout.contents.stop - layout.contents.start
        labels = concordance + layout.concordance.stop - layout.concordance.start
        parts = label_parts(layout)
        size = labels + sum(part.width for part in parts)
        return cls(
            layout,
            slice(0, features),
            slice(features, output),
            slice(output, score),
            score,
            score + 1,
            slice(contents, concordance),
            slice(concordance, labels),
            slice(labels, size),
            parts,
            size,
        )

    def part(self, name: str) -> slice:
        """Where one part of the labels lies; empty where the task has none of that name."""
        start = self.labels.start
        for part in self.parts:
            if part.name == name:
                return slice(start, start + part.width)
            start += part.width
        return slice(start, start)

    def sum(self, counts: Counts) -> Counts:
        """Sum the counts i8[layout.size] of a pane to i8[size]."""
        layout, found = self.layout, np.empty(self.size, np.int64)
        by_group = counts[layout.joint_span].reshape(-1, len(layout.group_names))
        cells = found[self.features]
        cells[:] = by_group[:, 0]
        for group in range(1, by_group.shape[1]):  # numpy takes five times as long to sum over so short an axis
            cells += by_group[:, group]
        found[self.output] = counts[layout.output]
        if layout.task is Task.CLASSIFICATION:
            found[self.score] = counts[layout.score].reshape(-1, SCORE_BINS + 1).sum(axis=0)
        found[self.rows] = counts[layout.rows.start]
        found[self.repeated] = counts[layout.repeated.start]
        found[self.contents] = counts[layout.contents]
        found[self.concordance] = counts[layout.concordance]
        found[self.labels] = sum_labels(layout, counts)
        return found
