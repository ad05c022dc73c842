"""Reads from a pane what labels say of it: views of the outcome and pair sections, by task."""

from typing import TYPE_CHECKING

from monitor.facts import FIXED_POINT, Curve, Errors, Outcomes, PairedErrors, Pane, Ranks
from monitor.panes import errors
from monitor.panes.errors import QUANTILES, real
from monitor.panes.sections import HITS_AT, SCORE_BINS

if TYPE_CHECKING:
    from monitor.panes.layout import Layout


def read_outcomes(layout: "Layout", pane: Pane) -> Outcomes:
    """What labels say of a classification."""
    k = layout.classes
    confusion = pane.counts[layout.confusion].reshape(k + 1, k + 1).tolist()
    return Outcomes(
        rows=_cell(pane, layout.kept),
        confusion=tuple(map(tuple, confusion)),
        scored=_cell(pane, layout.scored),
        squared_error=_cell(pane, layout.squared_error),
        lag=_tuple(pane, layout.lag),
        classes=layout.reference.schema.classes,
        curves=_curves(layout, pane),
        log_loss=_cell(pane, layout.log_loss),
        likely=_cell(pane, layout.likely),
        all_outputs=_tuple(pane, layout.output),
        all_scores=tuple(pane.counts[layout.score].reshape(k + 1, -1)[:, :SCORE_BINS].sum(axis=0).tolist()),
    )


def read_errors(layout: "Layout", pane: Pane) -> Errors:
    """What labels say of a regression, in the target's unit."""
    labelled, scale = _cell(pane, layout.labelled), layout.reference.error_scale
    sums = errors.joined(list(_tuple(pane, layout.errors)))
    error, absolute, squared, fourth, shifted, label_squares, *losses = sums
    output = layout.reference.output
    assert output is not None, "a regression has bins of its output"
    label, variation = errors.label_sums(output, labelled, shifted, label_squares)
    pinball = zip(QUANTILES, losses[::2], losses[1::2], strict=True)
    return Errors(
        rows=_cell(pane, layout.kept),
        labelled=labelled,
        lag=_tuple(pane, layout.lag),
        error=real(error, scale),
        absolute=real(absolute, scale),
        squared=real(squared, scale, 2),
        fourth=real(fourth, scale, 4),
        label=label,
        variation=variation,
        pinball=tuple((share, real(loss, scale), real(square, scale, 2)) for share, loss, square in pinball),
        clipped=_cell(pane, layout.clipped),
    )


def read_ranks(layout: "Layout", pane: Pane) -> Ranks:
    """What labels say of a ranking."""
    counts = _tuple(pane, layout.ranks)
    reciprocal, reciprocal_squared, ndcg, ndcg_squared = (count / FIXED_POINT for count in counts[len(HITS_AT) :])
    return Ranks(
        rows=_cell(pane, layout.kept),
        labelled=_cell(pane, layout.labelled),
        lag=_tuple(pane, layout.lag),
        hits=tuple(zip(HITS_AT, counts[: len(HITS_AT)], strict=True)),
        reciprocal=reciprocal,
        reciprocal_squared=reciprocal_squared,
        ndcg=ndcg,
        ndcg_squared=ndcg_squared,
    )


def read_paired(layout: "Layout", pane: Pane) -> PairedErrors:
    """How a regression and its known-good differ on the same rows, in the target's unit."""
    asked, *apart, labelled, worse, worse_low, square, square_low, _, _ = _tuple(pane, layout.pairs)
    scale = layout.reference.error_scale
    (far,), (more, squared) = errors.joined(apart), errors.joined([worse, worse_low, square, square_low])
    rows = _cell(pane, layout.rows)
    return PairedErrors(rows, asked, real(far, scale), labelled, real(more, scale), real(squared, scale, 2))


def _curves(layout: "Layout", pane: Pane) -> tuple[Curve, ...]:
    """The score's curve, then one for each class where all probabilities were sent."""
    schema = layout.reference.schema
    first = _curve(schema.positive or "", pane.counts[layout.score_label].tolist())
    tables = pane.counts[layout.class_scores]
    if not tables.any():
        return (first,)
    by_class = tables.reshape(-1, 2 * SCORE_BINS).tolist()
    return (first, *map(_curve, schema.classes, by_class))


def _curve(outcome: str, cells: list[int]) -> Curve:
    return Curve(outcome, tuple(cells[1::2]), tuple(cells[::2]))


def _cell(pane: Pane, where: slice) -> int:
    return int(pane.counts[where.start])


def _tuple(pane: Pane, where: slice) -> tuple[int, ...]:
    return tuple(pane.counts[where].tolist())
