"""One stream with everything that is watched in it: two numbers that go together, a category, scores and labels."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from monitor.facts import Feature, FeatureKind, ModelName, Schema, Task
from monitor.panes.build import HistoryBatch, build_reference
from monitor.panes.count import bin_rows, count_rows
from monitor.panes.layout import Layout
from monitor.panes.outcomes import count_outcomes
from monitor.panes.ranking import score_place
from monitor.panes.rhythm_count import DAY_S
from monitor.panes.rows import CategoricalColumn, NumericColumn, Predictions
from monitor.panes.signals import Signals

MONDAY_S = 1_704_067_200.0
FEATURES = (Feature("x", FeatureKind.NUMERIC), Feature("y", FeatureKind.NUMERIC), Feature("c", FeatureKind.CATEGORICAL))
WORDS = ("red", "green", "blue")


@dataclass(frozen=True)
class Fault:
    """What is planted; amounts are shares of the rows, or of what is said."""

    correlation: float = 0.6  # of x and y
    copies: float = 0.0
    blue_wrong: float = 0.0  # labels turned round where c is blue
    wrong: float = 0.0  # labels turned round anywhere
    bias: float = 0.0  # of a regression's predictions
    place: int = 1  # a list's first relevant item stands so much further down


def schema(task=Task.CLASSIFICATION, *, sensitive=()):
    features = tuple(Feature(f.name, f.kind, sensitive=f.name in sensitive) for f in FEATURES)
    classes = ("no", "yes") if task is Task.CLASSIFICATION else ()
    return Schema(ModelName("m"), features, classes, "yes" if classes else None, task)


def stream(seed, *, days=7.0, rows_a_minute=10, fault=Fault(), task=Task.CLASSIFICATION, start=MONDAY_S):
    """Rows and labels of some days."""
    rng, n = np.random.default_rng(seed), int(days * 1440 * rows_a_minute)
    x = rng.normal(size=n)
    y = fault.correlation * x + np.sqrt(1 - fault.correlation**2) * rng.normal(size=n)
    codes = rng.choice(3, n, p=[0.5, 0.3, 0.2]).astype(np.int32)
    copied = rng.random(n) < fault.copies
    x[copied], y[copied], codes[copied] = 0.1, 0.2, 0
    scores = 1 / (1 + np.exp(-1.5 * x))
    outputs, labels = (scores > 0.5).astype(np.uint8), (rng.random(n) < scores).astype(float)
    turned = (rng.random(n) < np.where(codes == 2, fault.blue_wrong, 0.0)) | (rng.random(n) < fault.wrong)
    labels = np.where(turned, 1 - labels, labels)
    values = None
    if task is Task.REGRESSION:
        values, labels = x + fault.bias, x + rng.normal(size=n)
    if task is Task.RANKING:
        values, places = rng.integers(5, 20, n).astype(float), np.minimum(rng.geometric(0.3, n), 12)
        labels = np.array([score_place(int(p) + fault.place - 1) for p in places])
    return _batch(np.sort(start + rng.random(n) * days * DAY_S), x, y, codes, outputs, scores, values, labels, task)


def _batch(times, x, y, codes, outputs, scores, values, labels, task):  # noqa: PLR0917 - columns
    clean = np.zeros(len(times), bool)
    columns = {
        "x": NumericColumn(x, clean, clean),
        "y": NumericColumn(y, clean, clean),
        "c": CategoricalColumn(codes, WORDS),
    }
    if task is not Task.CLASSIFICATION:
        outputs, scores = np.zeros(len(times), np.uint8), np.full(len(times), np.nan)
    rows = Predictions.unsent(columns, times=times, outputs=outputs, scores=scores, values=values)
    return HistoryBatch(rows, labels)


def built(batch, task=Task.CLASSIFICATION, size=50_000, sensitive=(), **rest):
    """The reference of a batch, read in pieces."""

    def batches():
        for first in range(0, batch.predictions.n, size):
            part = slice(first, first + size)
            yield HistoryBatch(batch.predictions.take(part), batch.labels[part])

    return build_reference(batches, schema(task, sensitive=sensitive), lambda _: None, **rest)


@cache
def learned(task=Task.CLASSIFICATION):
    """A week's layout and table."""
    layout = Layout.of(built(stream(1, task=task), task))
    return layout, Signals.table(layout)


def receipts(layout, batch, write):
    """The receipts of the labelled rows, and their labels; `write` is the fixture `receipts_of`."""
    given = np.flatnonzero(~np.isnan(batch.labels))
    return write(layout, batch.predictions)[given], batch.labels[given]


def row_counts(layout, batch):
    return count_rows(layout, bin_rows(layout, batch.predictions)).counts


def label_counts(layout, batch, write):
    found, labels = receipts(layout, batch, write)
    rest = {"lags_s": np.full(len(labels), np.nan), "sign": np.ones(len(labels), np.int8)}
    return count_outcomes(layout, receipts=found, labels=labels, **rest).counts


def beyond(layout, table, counted, hour=int(MONDAY_S // 3600)):
    """The signals whose share lies outside their band, in a direction that is watched."""
    bounds = layout.reference.rhythm.bounds(hour)
    with np.errstate(invalid="ignore"):
        share = counted.x / counted.n
        above, below = share > bounds.high, share < bounds.low
    return [
        s for s, up, down in zip(table.signals, above, below, strict=True) if (up and s.rises) or (down and s.falls)
    ]
