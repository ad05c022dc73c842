"""What is drawn of a model: rows by bin since the start, and where the numbers of its newest window lie.

Bins are the judge's, so that what is seen is what decides. A bin of a category is called by its place unless the
settings ask for the category itself (`metrics.category_names`): categories are values of rows, and the page of metrics
is read without a token. Of a sensitive feature the bins are drawn by their places alone: neither are its categories
named, nor is it told where its numbers lie, because a quantile of few rows is the value of one.

Scores have 64 bins; four each are drawn as one, because sixteen say what a picture can show.

Cost: what belongs to the reference is made once (`Frame`); a render adds up 22 cells each of at most `features_max`
features, 60 us at 20, whatever the traffic and however wide the schema (measured 2026-11).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.export.pictures import BinsView, Drawn, Pictures, SpreadView
from monitor.facts import Histogram, Pane, Subject, Task
from monitor.panes.display import quantiles
from monitor.panes.layout import Layout
from monitor.panes.reference import Bins, CategoryBins
from monitor.panes.sections import OTHER, SCORE_BINS, FeatureCells

UNSEEN = "__unseen__"
NAME_LENGTH_MAX = 100  # of a category that is a label
SHARES = (0.05, 0.5, 0.95)
PROFILE_LENGTH = 12  # hexadecimal digits of a digest: 48 bits tell any number of profiles apart that one fleet has
SCORES_DRAWN = 16
_POOLED = SCORE_BINS // SCORES_DRAWN

Cells = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Drawing:
    """How much is drawn, as the settings say."""

    features_max: int = 0  # the first ones of the schema
    category_names: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """What is the same in every picture of one reference: names of bins, its own rows, its own spread."""

    layout: Layout
    drawing: Drawing
    columns: tuple[BinsView, ...]  # with no rows yet
    spreads: tuple[SpreadView, ...]

    @classmethod
    def of(cls, layout: Layout, drawing: Drawing) -> "Frame":
        """Make the frame of a reference."""
        pane = layout.reference_pane()
        cells = _drawn(layout, drawing, pane.counts)
        columns = tuple(
            BinsView(drawn, column, names, (0,) * len(names), tuple(found.tolist()))
            for (drawn, column, names), found in zip(_columns(layout, drawing), cells, strict=True)
        )
        features = layout.features(pane) if drawing.features_max else ()
        own = spreads(answers(layout, pane), told(layout, drawing, features), of_reference=True)
        return cls(layout, drawing, columns, tuple(own))

    def pictures(
        self, counted: Cells | None, window: Sequence[Histogram], answered: Sequence[Histogram] = ()
    ) -> Pictures:
        """Draw the cells counted since the start (None: no row yet), and the features of the newest window.

        `answered`: its predicted numbers, or the lengths of its lists.
        """
        columns = self.columns
        if counted is not None:
            cells = _drawn(self.layout, self.drawing, counted)
            columns = tuple(
                BinsView(each.drawn, each.column, each.names, tuple(found.tolist()), each.reference)
                for each, found in zip(columns, cells, strict=True)
            )
        live = tuple(spreads(answered, told(self.layout, self.drawing, window), of_reference=False))
        profile = self.layout.digest.rpartition(":")[2][:PROFILE_LENGTH]
        return Pictures(profile, columns, (*live, *self.spreads))


def answers(layout: Layout, pane: Pane) -> tuple[Histogram, ...]:
    """Predicted numbers, or lengths of lists, of a pane; of classes there are none."""
    output = layout.view(pane, Subject.OUTPUT)
    return (output,) if isinstance(output, Histogram) and layout.output_cells is not None else ()


def told(layout: Layout, drawing: Drawing, features: Sequence[Histogram]) -> list[Histogram]:
    """The features drawn of which it may be told where their numbers lie."""
    hidden = {feature.name for feature in layout.reference.schema.features if feature.sensitive}
    return [histogram for histogram in features[: drawing.features_max] if histogram.column not in hidden]


def spreads(
    answered: Sequence[Histogram], features: Sequence[Histogram], *, of_reference: bool
) -> Iterator[SpreadView]:
    """Where the numbers of answers and features lie, as far as that is known; nothing of categories."""
    named = [*(("", histogram) for histogram in answered), *((histogram.column, histogram) for histogram in features)]
    for column, histogram in named:
        known = tuple((q.share, q.value) for q in quantiles(histogram, SHARES) if q.value is not None)
        if known or histogram.mean is not None:
            yield SpreadView(column, of_reference, known, histogram.mean)


def _columns(layout: Layout, drawing: Drawing) -> Iterator[tuple[Drawn, str, tuple[str, ...]]]:
    """Column and names of its bins, of all that is drawn, in order."""
    schema = layout.reference.schema
    if layout.output_cells is None:
        names = (*schema.classes, OTHER)
        yield Drawn.OUTPUT, "", names if usable(names) else places(len(names))
    else:
        yield Drawn.OUTPUT, "", places(layout.output_cells.bins)
    if layout.task is Task.CLASSIFICATION:
        yield Drawn.SCORE, "", tuple(str((i + 1) / SCORES_DRAWN) for i in range(SCORES_DRAWN))
    features = zip(schema.features, layout.reference.columns, layout.feature_cells, strict=True)
    for _, (feature, bins, cells) in zip(range(drawing.features_max), features, strict=False):
        named = drawing.category_names and not feature.sensitive
        yield Drawn.FEATURE, feature.name, category_names(bins, cells) if named else places(cells.bins)


def category_names(bins: Bins, cells: FeatureCells) -> tuple[str, ...]:
    """The categories as names of their bins; places where they cannot be labels, and of numbers."""
    if isinstance(bins, CategoryBins) and usable(names := (*bins.top, OTHER, UNSEEN)):
        return names
    return places(cells.bins)


def usable(names: Sequence[str]) -> bool:
    """Whether each can be a label, and tells its bin from every other."""
    return len(set(names)) == len(names) and all(0 < len(name) <= NAME_LENGTH_MAX for name in names)


def places(bins: int) -> tuple[str, ...]:
    """Number the bins so that text sorts like numbers.

    >>> places(11)[-2:]
    ('09', '10')
    """
    return tuple(f"{i:0{len(str(max(bins - 1, 10)))}}" for i in range(bins))


def _drawn(layout: Layout, drawing: Drawing, counts: Cells) -> Iterator[Cells]:
    """Rows by bin, in the order of `_columns`."""
    if layout.output_cells is None:
        yield counts[layout.output]
    else:
        yield counts[layout.output][: layout.output_cells.bins]
    if layout.task is Task.CLASSIFICATION:
        by_output = counts[layout.score].reshape(layout.classes + 1, SCORE_BINS + 1)
        yield by_output[:, :SCORE_BINS].sum(axis=0).reshape(SCORES_DRAWN, _POOLED).sum(axis=1)
    joint = counts[layout.joint_span].reshape(-1, len(layout.group_names))
    for feature in layout.feature_cells[: drawing.features_max]:
        yield joint[feature.start : feature.start + feature.bins].sum(axis=1)
