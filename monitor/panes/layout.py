"""The layout of the panes of one reference: cuts a pane into its sections (sections.py) and reads views from them.

Cost: the histograms of 20 features with mean and standard deviation, and those of 2,000, are in bench/counting.py.
"""

from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from monitor.errors import Corrupt
from monitor.facts import Arrivals, Group, Histogram, PairedErrors, Pairs, Pane, Subject, Task, Truth, View
from monitor.panes import expected_read, truth
from monitor.panes.concordance import Pairing
from monitor.panes.reference import Reference, digest, encode_reference
from monitor.panes.sections import (
    LAG_EDGES_S,
    PROBABILITIES_MAX,
    SCORE_BINS,
    SCORE_EDGES,
    FeatureCells,
    OutputGroups,
    group_outputs,
    place_features,
    section_sizes,
)
from monitor.panes.slices import Slicing

__all__ = ["LAG_EDGES_S", "SCORE_BINS", "Layout"]


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """The meaning of the cells of every pane counted in the bins of one reference."""

    reference: Reference
    digest: str  # of the reference
    task: Task
    classes: int  # k; k itself stands for any other class
    positive: int | None  # index of the class a score speaks of; None: it speaks of the predicted class
    feature_cells: tuple[FeatureCells, ...]
    output_cells: FeatureCells | None  # of a predicted number or a list's length; None: classes
    groups: OutputGroups
    pairing: Pairing  # which features' concordance is counted
    slicing: Slicing  # by which slices labels are
    size: int  # cells of a pane; the slices below cut them into the sections of the table in sections.py
    rows: slice
    kept: slice
    joint_span: slice
    moments: slice
    output: slice
    output_moments: slice
    score: slice
    confusion: slice
    scored: slice
    squared_error: slice
    score_label: slice
    log_loss: slice
    likely: slice
    class_scores: slice
    labelled: slice
    clipped: slice
    errors: slice
    ranks: slice
    lag: slice
    pairs: slice
    agreement: slice
    repeated: slice
    contents: slice
    concordance: slice
    error_bins: slice
    slices: slice

    @classmethod
    def of(cls, reference: Reference) -> "Layout":
        """Lay out the panes of `reference`; Corrupt if its own counts do not fit."""
        layout = cls.draft(reference, digest(encode_reference(reference)))
        if len(reference.counts) != layout.size:
            hint = f"{len(reference.counts)} counts where its columns need {layout.size}; build it again"
            raise Corrupt("the reference profile", 0, hint)
        counts = layout.reference_pane().counts
        if any(counts[where].min(initial=0) < 0 for where in layout.plain):
            raise Corrupt("the reference profile", 0, "a count is negative; build it again")
        return layout

    @classmethod
    def draft(cls, reference: Reference, name: str = "") -> "Layout":
        """Lay out a reference whose own counts are still to be made, under a provisional `name`."""
        schema = reference.schema
        features = place_features(reference.columns)
        output = None if reference.output is None else place_features((reference.output,))[0]
        groups = group_outputs(reference)
        ends = list(accumulate(section_sizes(reference, features, len(groups.names), output), initial=0))
        positive = None if schema.positive is None else schema.classes.index(schema.positive)
        slices = map(slice, ends, ends[1:])
        k = len(schema.classes)
        pairing, slicing = Pairing.of(reference, features), Slicing.of(reference.slices)
        before = (reference, name, schema.task, k, positive, features, output, groups, pairing, slicing, ends[-1])
        return cls(*before, *slices)

    @property
    def group_names(self) -> tuple[str, ...]:
        """What the columns of `joint` stand for."""
        return self.groups.names

    @property
    def plain(self) -> tuple[slice, ...]:
        """The sections that count rows; what lies between them are sums, which may be negative."""
        before = slice(0, self.moments.start)
        watched = slice(self.agreement.start, self.size)
        return before, self.output, slice(self.score.start, self.errors.start), self.ranks, self.lag, watched

    @property
    def probabilities(self) -> int:
        """How many classes' probabilities are kept of a row; 0 unless the classes are 3 to PROBABILITIES_MAX."""
        return self.classes if 2 < self.classes <= PROBABILITIES_MAX else 0

    def empty(self) -> Pane:
        """The pane of no rows."""
        return self.pane(np.zeros(self.size, np.int64))

    def pane(self, counts: NDArray[np.int64]) -> Pane:
        """Freeze `counts`, one per cell, as a pane of this reference."""
        assert counts.shape == (self.size,), (counts.shape, self.size)
        counts.setflags(write=False)
        return Pane(self.digest, counts)

    def reference_pane(self) -> Pane:
        """The pane of the reference's own rows."""
        return self.pane(np.array(self.reference.counts, np.int64))

    def features(self, pane: Pane) -> tuple[Histogram, ...]:
        """One histogram per feature, in the schema's order; ValueError for a pane of other bins."""
        by_group = self._joint(pane)
        cells = by_group[:, 0].copy()
        for group in range(1, by_group.shape[1]):  # numpy takes five times as long to sum over so short an axis
            cells += by_group[:, group]
        found, moments = cells.tolist(), pane.counts[self.moments].tolist()
        return tuple(feature.histogram(found, moments) for feature in self.feature_cells)

    def joint(self, pane: Pane, column: str) -> tuple[tuple[int, ...], ...]:
        """Count one feature by [bin][group]: bins as its histogram has them, groups as `group_names`.

        KeyError for an unknown column, ValueError for a pane of other bins.
        """
        feature = self._cells_of(column)
        rows = self._joint(pane)[feature.start : feature.start + feature.bins]
        return tuple(map(tuple, rows.tolist()))

    def group(self, pane: Pane, segment: str) -> Group:
        """What fairness reads of one segment's pane; ValueError unless it is a classification's, of these bins."""
        self._demand(pane)
        if self.task is not Task.CLASSIFICATION:
            msg = f"fairness compares shares of classes, and {self.reference.schema.model} answers none"
            raise ValueError(msg)
        return Group(segment, _cell(pane, self.rows), _tuple(pane, self.output), truth.read_outcomes(self, pane))

    def view(self, pane: Pane, subject: Subject, column: str = "") -> View:
        """What a detector of `subject` reads, for FEATURES of one `column`; ValueError for a pane of other bins."""
        self._demand(pane)
        match subject:
            case Subject.FEATURES:
                self._cells_of(column)
                return next(histogram for histogram in self.features(pane) if histogram.column == column)
            case Subject.OUTPUT:
                return self._output(pane)
            case Subject.SCORE:
                return self._score(pane)
            case Subject.OUTCOMES:
                return self._outcomes(pane)
            case Subject.EXPECTED:
                return expected_read.read_expected(self, pane)
            case Subject.PAIRS:
                return self._pairs(pane)
            case Subject.ARRIVALS:
                return Arrivals(_cell(pane, self.rows))
            case Subject.GROUPS:
                msg = "groups are made of several panes"
                raise ValueError(msg)

    def _demand(self, pane: Pane) -> None:
        if pane.reference != self.digest:
            msg = f"a pane counted in the bins of {pane.reference} was read as one of {self.digest}"
            raise ValueError(msg)

    def _joint(self, pane: Pane) -> NDArray[np.int64]:
        self._demand(pane)
        return pane.counts[self.joint_span].reshape(-1, len(self.groups.names))

    def _cells_of(self, column: str) -> FeatureCells:
        for feature in self.feature_cells:
            if feature.name == column:
                return feature
        raise KeyError(column)

    def _output(self, pane: Pane) -> Histogram:
        cells = _tuple(pane, self.output)
        if self.output_cells is None:
            return Histogram("output", False, cells)
        return self.output_cells.histogram(list(cells), list(_tuple(pane, self.output_moments)))

    def _score(self, pane: Pane) -> Histogram:
        if self.task is not Task.CLASSIFICATION:
            return Histogram("score", True, (0,) * SCORE_BINS, missing=_cell(pane, self.rows), edges=SCORE_EDGES)
        by_output = pane.counts[self.score].reshape(self.classes + 1, SCORE_BINS + 1)
        *bins, missing = by_output.sum(axis=0).tolist()
        return Histogram("score", True, tuple(bins), missing=missing, edges=SCORE_EDGES)

    def _outcomes(self, pane: Pane) -> Truth:
        match self.task:
            case Task.CLASSIFICATION:
                return truth.read_outcomes(self, pane)
            case Task.REGRESSION:
                return truth.read_errors(self, pane)
            case Task.RANKING:
                return truth.read_ranks(self, pane)

    def _pairs(self, pane: Pane) -> Pairs | PairedErrors:
        rows = _cell(pane, self.rows)
        match self.task:
            case Task.CLASSIFICATION:
                return Pairs(rows, *_tuple(pane, self.pairs))
            case Task.REGRESSION:
                return truth.read_paired(self, pane)
            case Task.RANKING:
                return Pairs(rows, 0, 0, 0, 0, 0, 0)  # lists are not compared


def _cell(pane: Pane, where: slice) -> int:
    return int(pane.counts[where.start])


def _tuple(pane: Pane, where: slice) -> tuple[int, ...]:
    return tuple(pane.counts[where].tolist())
