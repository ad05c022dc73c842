"""Builds the reference profile from history, in two passes and in memory that does not grow with the rows.

Pass one finds the bins: per numeric feature quantiles (quantiles.py), least, greatest, and the distinct values while
they are few; per categorical feature counts of the categories, bounded. Pass two counts every row exactly in these
bins, with the code that counts live rows. So what is approximate is where an edge lies, never what lies in a bin.

Edges. With at most 20 distinct values each has a bin of its own, or a flag that is set in 2 % of the rows would share
one with the rest. Otherwise they are the 20-quantiles; a value that holds more than a bin's share (the zeros of an
amount) repeats among them, and gets a bin of its own: [value, next double). The greatest value closes the last bin, so
its own bin begins one double below. A constant column is one bin.

Centre and scale, in which a pane sums values (moments.py): the median, and the least power of two that is no less than
the interquartile range and an eighth of the way to the farther end. A regression's errors get a scale of their own,
which nine in ten errors of the history do not exceed; without labels it is the predictions' scale.

Categories. Counted exactly up to 50,000; above, the rarer half is dropped and the largest dropped count subtracted
from the rest (Misra & Gries 1982: a count is too small by at most rows / 25,000, which no top category notices).

Beside every column a builder chooses pairs of numbers and slices of error to watch (chosen.py). A regression's errors
have bins of their own, and one in five of them is large.

Rhythm. Pass one learns on which days there were rows, pass two counts by slots of time as well (rhythm_count.py), and
from these tables the band of every signal is learned (rhythm_learn.py).

Same batches, same bytes: nothing here is random or depends on time. Cost: both passes over 10,000,000 x 20 values, the
reading of Parquet included, 23 s of CPU and 250 MB resident, no more than for 200,000 (measured 2026-11).
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
from monitor.facts import FeatureKind, Pane, Schema, Task
from monitor.panes.chosen import RowSample, choose
from monitor.panes.count import NOT_ASKED, Binned, bin_rows, count_rows
from monitor.panes.expected_count import Expecting
from monitor.panes.label_margins import place_labels
from monitor.panes.layout import Layout
from monitor.panes.margins import Margins
from monitor.panes.outcomes import count_outcomes
from monitor.panes.quantiles import Quantiles
from monitor.panes.receipts import write_receipts
from monitor.panes.reference import (
    BINS_MAX,
    EXPONENT_MAX,
    FORMAT,
    GROUPS_MAX,
    KNOWN_MAX,
    TOP_MAX,
    Bins,
    CategoryBins,
    NumericBins,
    Reference,
)
from monitor.panes.rhythm_bands import DEFAULT_LEARNING, Learning
from monitor.panes.rhythm_count import Days, Labelled, Plan, Tally
from monitor.panes.rhythm_learn import learn_rhythm
from monitor.panes.rows import CategoricalColumn, Column, NumericColumn, Predictions

NO_LABEL = math.nan
COUNTED_MAX = 50_000  # categories counted at once; 5 MB at 20 letters each
_CUTS = [i / BINS_MAX for i in range(1, BINS_MAX)]
_QUARTILES = [0.25, 0.5, 0.75]
_REACH = 8  # scales from the centre to the farther end, at most: moments.py clips at 32
_ERROR_SHARE = 0.9  # of the errors lie within a scale
_LARGE_SHARE = 0.8  # of the errors are not large
_ERROR_REACH = 64  # scales to the largest error, at most: errors.py clips at 256


@dataclass(frozen=True, slots=True, eq=False)
class HistoryBatch:
    """Some rows of history and their `labels` f8[n], as of `monitor.facts.Label`; NO_LABEL (NaN) where none came."""

    predictions: Predictions  # times NaN where unknown
    labels: NDArray[np.float64]
    label_times: NDArray[np.float64] | None = None  # when each came, NaN where unknown; None: the file does not say


OpenBatches: TypeAlias = Callable[[], Iterator[HistoryBatch]]


def build_reference(
    open_batches: OpenBatches,
    schema: Schema,
    progress: Callable[[int], None],
    learning: Learning = DEFAULT_LEARNING,
) -> Reference:
    """Read the history twice and freeze it; `progress` hears the rows read so far, both passes counted.

    SettingsError if there are no rows, or not the same ones the second time.
    """
    days = Days()
    draft = _find_bins(open_batches(), schema, progress, days)
    layout = Layout.draft(draft)
    margins, chosen = Margins.of(layout), days.chosen()
    tally = Tally(margins, Plan.of(chosen, margins.size, learning.memory)) if len(chosen) else None
    expecting = Expecting(layout, draft.rows)
    counts, rows, labelled = np.zeros(layout.size, np.int64), 0, False
    for batch in open_batches():
        binned = bin_rows(layout, batch.predictions)
        given = np.flatnonzero(~np.isnan(batch.labels))
        receipts, labels = history_receipts(layout, batch, binned)[given], batch.labels[given].astype(np.float64)
        counts += count_rows(layout, binned).counts + _count_labels(layout, receipts, labels).counts
        expecting.update(binned, batch.predictions.scores, batch.labels)
        if tally is not None:
            tally.update(binned, batch.predictions.times, Labelled(given, place_labels(layout, receipts, labels)))
        labelled = labelled or len(given) > 0
        rows += batch.predictions.n
        progress(draft.rows + rows)
    if rows != draft.rows:
        raise SettingsError([Problem("history", f"had {draft.rows} rows, then {rows}", "it changed while it was read")])
    learned = expecting.complete()
    counted = msgspec.structs.replace(draft, labelled=labelled, counts=tuple(counts.tolist()), expected=learned)
    return msgspec.structs.replace(counted, rhythm=learn_rhythm(Layout.draft(counted), tally, learning))


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


def find_scale(needed: float) -> float:
    """Give the least power of two that is at least `needed`; 1 for 0. Bounded, so that its inverse is a normal double.

    >>> find_scale(3.0), find_scale(4.0), find_scale(0.0)
    (4.0, 4.0, 1.0)
    """
    if needed == 0:
        return 1.0
    mantissa, exponent = math.frexp(min(needed, math.ldexp(1.0, EXPONENT_MAX)))
    return math.ldexp(1.0, max(exponent - (mantissa == 0.5), -EXPONENT_MAX))


def _find_bins(
    batches: Iterator[HistoryBatch], schema: Schema, progress: Callable[[int], None], days: Days
) -> Reference:
    numeric = FeatureKind.NUMERIC
    summaries = [(_Numbers if feature.kind is numeric else _Categories)(feature.name) for feature in schema.features]
    sample = RowSample([feature.name for feature in schema.features if feature.kind is numeric])
    rows, span, answers = 0, _Span(), _Answers(schema)
    for batch in batches:
        for summary in summaries:
            summary.update(batch.predictions.columns.get(summary.name))
        span.update(batch.predictions.times)
        days.update(batch.predictions.times)
        answers.update(batch)
        sample.update(batch.predictions)
        rows += batch.predictions.n
        progress(rows)
    if not rows:
        raise SettingsError([Problem("history", "has no rows", "a reference needs the rows the model was approved on")])
    columns = tuple(summary.bins() for summary in summaries)
    start, end = (span.low, span.high) if span.low <= span.high else (None, None)
    draft = answers.complete(Reference(FORMAT, schema, columns, rows, start, end, labelled=False, counts=()))
    chosen = choose(Layout.draft(draft), sample, [summary.shares(rows) for summary in summaries])
    return msgspec.structs.replace(draft, halves=chosen.halves, pairs=chosen.pairs, slices=chosen.slices)


def count_history(layout: Layout, batch: HistoryBatch, binned: Binned) -> NDArray[np.int64]:
    """Count rows of history and their labels, which are taken to have come at once; i8[layout.size]."""
    given = np.flatnonzero(~np.isnan(batch.labels))
    receipts, labels = history_receipts(layout, batch, binned)[given], batch.labels[given].astype(np.float64)
    return count_rows(layout, binned).counts + _count_labels(layout, receipts, labels).counts


def history_receipts(layout: Layout, batch: HistoryBatch, binned: Binned) -> NDArray[np.void]:
    """Write the receipts of rows of history, of which nobody asked a known-good."""
    rows = batch.predictions
    nobody = np.full(rows.n, NOT_ASKED, np.uint8) if layout.task is Task.CLASSIFICATION else np.full(rows.n, np.nan)
    return write_receipts(
        layout,
        rows,
        binned,
        epochs=np.zeros(rows.n, np.uint32),
        known_good=nobody,
        segments=np.zeros(rows.n, np.uint16),
        sources=np.zeros(rows.n, np.uint32),
    )


def _count_labels(layout: Layout, receipts: NDArray[np.void], labels: NDArray[np.float64]) -> Pane:
    """Count labels of which nobody knows when they came."""
    unknown, sign = np.full(len(labels), np.nan), np.ones(len(labels), np.int8)
    return count_outcomes(layout, receipts=receipts, labels=labels, lags_s=unknown, sign=sign)


class _Answers:
    """What pass one remembers of outputs: classes by count, or numbers, and how far labels lie from them."""

    def __init__(self, schema: Schema) -> None:
        self._task = schema.task
        self._classes = np.zeros(256, np.int64)
        self._numbers = _Numbers("output")
        self._errors, self._errors_span = Quantiles(), _Span()
        self._signed = _Numbers("error")

    def update(self, batch: HistoryBatch) -> None:
        rows = batch.predictions
        if self._task is Task.CLASSIFICATION:
            self._classes += np.bincount(rows.outputs, minlength=256)
            return
        nothing = np.zeros(rows.n, np.bool_)
        self._numbers.update(NumericColumn(rows.values, nothing, nothing))
        if self._task is Task.REGRESSION:
            with np.errstate(over="ignore", invalid="ignore"):
                signed = rows.values - batch.labels
            self._signed.update(NumericColumn(signed, nothing, nothing))
            errors = np.abs(signed[np.isfinite(signed)])
            self._errors.update(errors)
            self._errors_span.update(errors)

    def complete(self, draft: Reference) -> Reference:
        """Add what belongs to the task."""
        classes = len(draft.schema.classes)
        if self._task is Task.CLASSIFICATION:
            ranked = sorted(range(classes), key=lambda index: (-self._classes[index], index))
            groups = tuple(ranked[: GROUPS_MAX - 1]) if classes >= GROUPS_MAX else ()
            return msgspec.structs.replace(draft, groups=groups)
        output = self._numbers.bins()
        errors = self._errors.at([_ERROR_SHARE, _LARGE_SHARE])
        needed = max(errors[0], self._errors_span.high / _ERROR_REACH) if errors else 0.0
        return msgspec.structs.replace(
            draft,
            output=output,
            error_scale=find_scale(needed) if needed else output.scale,
            errors=self._signed.bins() if errors else None,
            large_error=errors[1] if errors else 0.0,
        )


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

    def shares(self, rows: int) -> tuple[float, ...]:  # noqa: ARG002  # a category's have some
        return ()

    def bins(self) -> NumericBins:
        distinct = None if self._distinct is None else self._distinct.tolist()
        low, high = self._span.low, self._span.high
        edges = find_edges(distinct, self._quantiles.at(_CUTS), low, high)
        if not edges:
            return NumericBins(self.name, edges)
        first, centre, third = self._quantiles.at(_QUARTILES)
        needed = max(third - first, (high - centre) / _REACH, (centre - low) / _REACH)
        return NumericBins(self.name, edges, centre, find_scale(needed or abs(centre)))


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

    def shares(self, rows: int) -> tuple[float, ...]:
        """The top categories' shares of all rows."""
        return tuple(self._counts[value] / rows for value in self._ranked()[:TOP_MAX])

    def _ranked(self) -> list[str]:
        """Most frequent first, then by name."""
        return sorted(self._counts, key=lambda value: (-self._counts[value], value))
