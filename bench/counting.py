"""What counting costs: a million rows of 20 doubles, in CPU time, beside a bare pass of numpy over the same values.

The bare pass puts every value into one of 4,096 equal cells between the column's ends, in blocks, and counts them:
about the least that can be done with a value. Everything else is exact at quantile edges and counts more. All runs are
interleaved, so that whatever else the machine does hits all alike, and the best of each counts.

Another library joins as one more entry of `entries()`: a name, and a function that does the same work on `Data`.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.figure import Figure
from monitor.facts import Feature, FeatureKind, ModelName, Schema
from monitor.panes.binning import bin_rows
from monitor.panes.build import NO_LABEL, HistoryBatch, build_reference
from monitor.panes.concordance import count_concordance
from monitor.panes.contents import bucket_rows
from monitor.panes.count import NOT_ASKED, count_joint, count_rows
from monitor.panes.layout import Layout
from monitor.panes.outcomes import count_outcomes
from monitor.panes.receipts import write_receipts
from monitor.panes.rows import NumericColumn, Predictions
from monitor.panes.stored import encode_pane
from monitor.panes.window import sum_panes

ROWS, FEATURES = 1_000_000, 20
WIDE, WIDE_ROWS, WIDE_PANES = 2_000, 1_000, 83
ROUNDS = 7
BARE_CELLS, BARE_BLOCK = 4_096, 16_384

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Data:
    """The same values in both forms: `values` f8[features, rows], and rows for us; `cells` u1[features, rows]."""

    values: Doubles
    rows: Predictions
    layout: Layout
    cells: NDArray[np.uint8]


def measure() -> list[Figure]:
    """CPU of a whole run, how many bare passes that is, and what 2,000 features cost."""
    data = make(ROWS, FEATURES, seed=1)
    took = interleaved({name: _bound(work, data) for name, work in entries().items()}, ROUNDS)
    bare = took["bare"]
    size = f"{ROWS:,} x {FEATURES} doubles"
    return [
        Figure(f"{size}, a bare pass of numpy (4,096 cells, not exact)", round(1e3 * bare, 1), "ms CPU"),
        Figure(f"{size}, into the feature bins by output", round(took["bins"] / bare, 2), "bare passes", "<= 2"),
        Figure(f"{size}, a whole pane", round(took["pane"] / bare, 2), "bare passes", "<= 6"),
        Figure("  CPU of a whole pane", round(1e3 * took["pane"], 1), "ms CPU"),
        Figure(
            f"  of it {len(data.layout.reference.pairs)} pairs of numbers, a row and pair",
            round(1e9 * took["pairs"] / ROWS / len(data.layout.reference.pairs), 3),
            "ns CPU",
            "<= 2",
        ),
        Figure("  of it buckets of contents, a row", round(1e9 * took["contents"] / ROWS, 1), "ns CPU", "<= 20"),
        Figure("10,000 labels into a pane, 100 slices, a label", sliced(data), "ns CPU"),
        *wide(),
    ]


def entries() -> dict[str, Callable[[Data], object]]:
    """What is compared on the same data."""
    return {"bare": bare_pass, "bins": feature_bins, "pane": whole_pane, "pairs": pairs, "contents": contents}


def bare_pass(data: Data) -> list[NDArray[np.int64]]:
    """Blocked quantisation and `bincount`, one column after the other."""
    return [_bare_column(column) for column in data.values]


def feature_bins(data: Data) -> NDArray[np.int64]:
    """Exact cells of all features, counted by the group of the output."""
    binned = bin_rows(data.layout, data.rows)
    return count_joint(data.layout, binned.cells.T, data.layout.groups.of[binned.output_cells])


def whole_pane(data: Data) -> bytes:
    """All that the fold counts of rows: bins by output, moments, score by output, output; and its stored form."""
    return encode_pane(count_rows(data.layout, bin_rows(data.layout, data.rows)))


def pairs(data: Data) -> NDArray[np.int64]:
    """Concordance of all pairs, the cells being there."""
    return count_concordance(data.layout.pairing, data.cells)


def contents(data: Data) -> NDArray[np.uint8]:
    """Buckets of all rows, the cells being there."""
    return bucket_rows(data.cells)


def sliced(data: Data) -> float:
    """CPU of a label in ns, its receipt being there."""
    rows = data.rows.take(slice(10_000))
    nothing = np.zeros(rows.n, np.uint32)
    receipts = write_receipts(
        data.layout,
        rows,
        bin_rows(data.layout, rows),
        epochs=nothing,
        known_good=np.full(rows.n, NOT_ASKED, np.uint8),
        segments=nothing.astype(np.uint16),
        sources=nothing,
    )
    labels, lags = np.arange(rows.n) % 2.0, np.full(rows.n, 60.0)
    sign = np.ones(rows.n, np.int8)
    work: dict[str, Callable[[], object]] = {
        "labels": lambda: count_outcomes(data.layout, receipts=receipts, labels=labels, lags_s=lags, sign=sign)
    }
    return round(1e9 * interleaved(work, ROUNDS)["labels"] / rows.n)


def wide() -> list[Figure]:
    """2,000 features: counting a thousand rows, reading all histograms, and the sum of 83 panes."""
    data = make(WIDE_ROWS, WIDE, seed=2)
    layout, body = data.layout, whole_pane(data)
    pane = count_rows(layout, bin_rows(layout, data.rows))
    work: dict[str, Callable[[], object]] = {
        "count": lambda: whole_pane(data),
        "views": lambda: layout.features(pane),
        "sum": lambda: sum_panes([body] * WIDE_PANES, layout.digest, layout.size),
    }
    took = {name: round(1e3 * cpu_s, 1) for name, cpu_s in interleaved(work, ROUNDS).items()}
    return [
        Figure(f"{WIDE:,} features, a pane of {WIDE_ROWS:,} rows", took["count"], "ms CPU"),
        Figure(f"{WIDE:,} features, all histograms of a pane", took["views"], "ms CPU"),
        Figure(f"{WIDE:,} features, the sum of {WIDE_PANES} panes", took["sum"], "ms CPU"),
        Figure(f"{WIDE:,} features, a stored pane of {WIDE_ROWS:,} rows", round(len(body) / 1024, 1), "KiB"),
    ]


def interleaved(work: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The least CPU time in seconds of each, over rounds in which all take their turn; a first round warms up."""
    best = dict.fromkeys(work, float("inf"))
    for turn in range(rounds + 1):
        for name, run in work.items():
            began = time.process_time()
            run()
            took = time.process_time() - began
            best[name] = min(best[name], took) if turn else best[name]
    return best


def make(rows: int, features: int, seed: int) -> Data:
    """Normal values, outputs and scores; the reference is made of the first 50,000 rows."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(features, rows))
    return compared(values, values[:, :50_000], rng.random(rows))


def compared(values: Doubles, reference: Doubles, scores: Doubles) -> Data:
    """Both f8[features, rows], rows to count and rows to make the edges of; the reference has the first scores."""
    names = [f"number_{i:04}" for i in range(len(values))]
    schema = Schema(ModelName("bench"), tuple(Feature(n, FeatureKind.NUMERIC) for n in names), ("no", "yes"), "yes")
    history = _rows(names, reference, scores[: reference.shape[1]])
    batch = HistoryBatch(history, np.full(history.n, NO_LABEL))
    layout = Layout.of(build_reference(lambda: iter([batch]), schema, lambda _: None))
    rows = _rows(names, values, scores)
    return Data(values, rows, layout, bin_rows(layout, rows).cells.T)


def _rows(names: list[str], values: Doubles, scores: Doubles) -> Predictions:
    nothing = np.zeros(len(scores), np.bool_)
    return Predictions.unsent(
        {n: NumericColumn(column, nothing, nothing) for n, column in zip(names, values, strict=True)},
        times=np.zeros(len(scores)),
        outputs=(scores > 0.5).astype(np.uint8),
        scores=scores,
    )


def _bound(work: Callable[[Data], object], data: Data) -> Callable[[], object]:
    return lambda: work(data)


def _bare_column(column: Doubles) -> NDArray[np.int64]:
    low, high = float(column.min()), float(column.max())
    factor = (BARE_CELLS - 1) / (high - low)
    scaled, cells = np.empty(BARE_BLOCK), np.empty(BARE_BLOCK, np.intp)
    counts = np.zeros(BARE_CELLS, np.int64)
    for start in range(0, len(column), BARE_BLOCK):
        part = column[start : start + BARE_BLOCK]
        where, cell = scaled[: len(part)], cells[: len(part)]
        np.subtract(part, low, out=where)
        np.multiply(where, factor, out=where)
        np.copyto(cell, where, casting="unsafe")
        counts += np.bincount(cell, minlength=BARE_CELLS)
    return counts
