"""The lines of what is drawn: each histogram whole or not at all, as half of one lies.

A bin's counter and the reference's share of the same bin have the same labels, so drift over any time and any set of
replicas is PromQL: the increase of the counters, summed and divided, against the shares, as the recording rules do
(`rules/`). The rows of the reference stand beside the shares, because the smoothing of PSI needs them.

What of it has room is decided in series.py; models take turns there, so that none of them draws at another's expense.
"""

from collections.abc import Iterable, Iterator
from itertools import zip_longest
from math import isfinite

from monitor.export.pictures import BinsView, Drawn, SpreadView
from monitor.export.readings import Sample
from monitor.export.snapshot import ModelView


def pictures(models: Iterable[ModelView]) -> Iterator[tuple[Sample, ...]]:
    """Every picture of every model as its lines, most wanted first: bins, then where values lie."""
    models = list(models)
    for views in zip_longest(*(_bins(model) for model in models)):
        yield from (lines for lines in views if lines)
    for views in zip_longest(*(_spreads(model) for model in models)):
        yield from (lines for lines in views if lines)


def _bins(model: ModelView) -> Iterator[tuple[Sample, ...]]:
    for view in model.pictures.bins:
        yield tuple(_histogram(model.model, model.pictures.profile, view))


def _histogram(model: str, profile: str, view: BinsView) -> Iterator[Sample]:
    drawn, rows = view.drawn.value, sum(view.reference)
    labels = {"model": model, "profile": profile} | ({"feature": view.column} if view.column else {})
    bin_label = "le" if view.drawn is Drawn.SCORE else "bin"
    yield Sample(f"tocsin_reference_{drawn}_rows", labels, rows)
    for name, count, expected in zip(view.names, view.rows, view.reference, strict=True):
        bin_labels = {**labels, bin_label: name}
        yield Sample(f"tocsin_{drawn}_bin_rows_total", bin_labels, count)
        if rows:
            yield Sample(f"tocsin_reference_{drawn}_bin_ratio", bin_labels, expected / rows)


def _spreads(model: ModelView) -> Iterator[tuple[Sample, ...]]:
    for view in model.pictures.spreads:
        yield tuple(_spread(model.model, view))


def _spread(model: str, view: SpreadView) -> Iterator[Sample]:
    drawn = (Drawn.FEATURE if view.column else Drawn.OUTPUT).value
    whose = f"reference_{drawn}" if view.of_reference else drawn
    labels = {"model": model} | ({"feature": view.column} if view.column else {})
    for share, value in view.quantiles:
        if isfinite(value):
            yield Sample(f"tocsin_{whose}_quantile", {**labels, "quantile": f"{share:g}"}, value)
    if view.mean is not None and isfinite(view.mean):
        yield Sample(f"tocsin_{whose}_mean", labels, view.mean)
