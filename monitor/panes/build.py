"""Builds the reference profile from history, in two passes and in memory that does not grow with the rows.

Pass one finds the bins: per numeric feature quantiles (quantiles.py), least, greatest, and the distinct values while
they are few; per categorical feature counts of the categories, bounded. Pass two counts every row exactly in these
bins, with the code that counts live rows. So what is approximate is where an edge lies, never what lies in a bin.

Edges. With at most 20 distinct values each has a bin of its own, or a flag that is set in 2 % of the rows would share
one with the rest. Otherwise they are the 20-quantiles; a value that holds more than a bin's share (the zeros of an
amount) repeats among them, and gets a bin of its own: [value, next double). The greatest value closes the last bin, so
its own bin begins one double below. A constant column is one bin.

Categories. Counted exactly up to 50,000; above, the rarer half is dropped and the largest dropped count subtracted
from the rest (Misra & Gries 1982: a count is too small by at most rows / 25,000, which no top category notices).

Same batches, same bytes: nothing here is random or depends on time. Cost: both passes over 2,000,000 x 20 values, the
reading of Parquet included, 3 s of CPU (measured 2026-11).
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from monitor.errors import Problem, SettingsError
from monitor.facts import FeatureKind, Schema
from monitor.panes.batch import CategoricalColumn, Column, NumericColumn, Predictions
from monitor.panes.count import NOT_ASKED, bin_rows, count_rows
from monitor.panes.layout import Layout
from monitor.panes.outcomes import count_outcomes
from monitor.panes.quantiles import Quantiles
from monitor.panes.reference import BINS_MAX, FORMAT, KNOWN_MAX, TOP_MAX, Bins, CategoryBins, NumericBins, Reference

NO_LABEL = 255
COUNTED_MAX = 50_000  # categories counted at once; 5 MB at 20 letters each
_CUTS = [i / BINS_MAX for i in range(1, BINS_MAX)]


@dataclass(frozen=True, slots=True, eq=False)
class HistoryBatch:
    """Some rows of history and their `labels` u1[n]: class indices, K for another class, NO_LABEL where none came."""

    predictions: Predictions  # times NaN where unknown
    labels: NDArray[np.uint8]


OpenBatches: TypeAlias = Callable[[], Iterator[HistoryBatch]]


def build_reference(open_batches: OpenBatches, schema: Schema, progress: Callable[[int], None]) -> Reference:
    """Read the history twice and freeze it; `progress` hears the rows read so far, both passes counted.

    SettingsError if there are no rows, or not the same ones the second time.
    """
    draft = _find_bins(open_batches(), schema, progress)
    layout = Layout.draft(draft)
    counts, rows, labelled = np.zeros(layout.size, np.int64), 0, False
    for batch in open_batches():
        counts += _count(layout, batch)
        labelled = labelled or bool((batch.labels != NO_LABEL).any())
        rows += batch.predictions.n
        progress(draft.rows + rows)
    if rows != draft.rows:
        raise SettingsError([Problem("history", f"had {draft.rows} rows, then {rows}", "it changed while it was read")])
    return msgspec.structs.replace(draft, labelled=labelled, counts=tuple(counts.tolist()))


def find_edges(distinct: list[float] | None, quantiles: list[float], low: float, high: float) -> tuple[float, ...]:
    """Choose at most 21 strictly increasing edges from `low` to `high`, as the design note says.

    `distinct` are the values when they are at most 20, else None; `quantiles` the 19 ascending cuts between. No edges
    for `low` above `high`, which is how no values at all look.

    >>> find_edges([0.0, 1.0], [], 0.0, 1.0)
    (0.0, 0.9999999999999999, 1.0)
    """
    if not low < high:
        return (low,) if low == high else ()
    if distinct is not None:
        return tuple(sorted({*distinct, math.nextafter(high, -math.inf)}))
    edges = set()
    for value, run in groupby((low, *quantiles, high)):
        edges.add(value)
        if len(list(run)) > 1:
            edges.add(math.nextafter(value, math.inf if value < high else -math.inf))
    return tuple(sorted(edges))


def _find_bins(batches: Iterator[HistoryBatch], schema: Schema, progress: Callable[[int], None]) -> Reference:
    numeric = FeatureKind.NUMERIC
    summaries = [(_Numbers if feature.kind is numeric else _Categories)(feature.name) for feature in schema.features]
    rows, span = 0, _Span()
    for batch in batches:
        for summary in summaries:
            summary.update(batch.predictions.columns.get(summary.name))
        span.update(batch.predictions.times)
        rows += batch.predictions.n
        progress(rows)
    if not rows:
        raise SettingsError([Problem("history", "has no rows", "a reference needs the rows the model was approved on")])
    columns = tuple(summary.bins() for summary in summaries)
    start, end = (span.low, span.high) if span.low <= span.high else (None, None)
    return Reference(FORMAT, schema, columns, rows, start, end, labelled=False, counts=())


def _count(layout: Layout, batch: HistoryBatch) -> NDArray[np.int64]:
    rows, labels = batch.predictions, batch.labels
    labelled = np.flatnonzero(labels != NO_LABEL)
    outcomes = count_outcomes(
        layout,
        outputs=rows.outputs[labelled],
        scores=rows.scores[labelled],
        labels=labels[labelled],
        lags_s=np.full(len(labelled), np.nan),
        known_good_outputs=np.full(len(labelled), NOT_ASKED, np.uint8),
        sign=np.ones(len(labelled), np.int8),
    )
    return count_rows(layout, bin_rows(layout, rows), rows.outputs).counts + outcomes.counts


class _Span:
    """The least and the greatest finite value so far."""

    def __init__(self) -> None:
        self.low, self.high = math.inf, -math.inf

    def update(self, values: NDArray[np.float64]) -> None:
        finite = values[np.isfinite(values)]
        if len(finite):
            self.low, self.high = min(self.low, float(finite.min())), max(self.high, float(finite.max()))


class _Numbers:
    """What pass one remembers of a numeric feature."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._span = _Span()
        self._quantiles = Quantiles()
        self._distinct: NDArray[np.float64] | None = np.empty(0)

    def update(self, column: Column | None) -> None:
        if not isinstance(column, NumericColumn):
            return
        values = column.values[np.isfinite(column.values)] + 0.0  # -0.0 becomes 0.0: they are one value
        self._span.update(values)
        self._quantiles.update(values)
        if self._distinct is not None:
            distinct = np.union1d(self._distinct, values)
            self._distinct = distinct if len(distinct) <= BINS_MAX else None

    def bins(self) -> Bins:
        distinct = None if self._distinct is None else self._distinct.tolist()
        return NumericBins(self.name, find_edges(distinct, self._quantiles.at(_CUTS), self._span.low, self._span.high))


class _Categories:
    """What pass one remembers of a categorical feature."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._counts: Counter[str] = Counter()
        self._complete = True

    def update(self, column: Column | None) -> None:
        if not isinstance(column, CategoricalColumn):
            return
        counts = np.bincount(column.codes[column.codes >= 0], minlength=len(column.values)).tolist()
        self._counts.update({value: count for value, count in zip(column.values, counts, strict=True) if count})
        if len(self._counts) > COUNTED_MAX:
            ranked = self._ranked()
            kept, dropped = ranked[: COUNTED_MAX // 2], self._counts[ranked[COUNTED_MAX // 2]]
            self._counts = Counter({value: self._counts[value] - dropped for value in kept})
            self._complete = False

    def bins(self) -> Bins:
        ranked = self._ranked()
        top, known = ranked[:TOP_MAX], ranked[TOP_MAX : TOP_MAX + KNOWN_MAX]
        complete = self._complete and len(ranked) <= TOP_MAX + KNOWN_MAX
        return CategoryBins(self.name, tuple(top), tuple(sorted(known)), complete)

    def _ranked(self) -> list[str]:
        """Most frequent first, then by name."""
        return sorted(self._counts, key=lambda value: (-self._counts[value], value))
