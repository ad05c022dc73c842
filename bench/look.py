"""One look at 20 features over a day of panes: it must cost the same, whatever the number of rows counted in them.

A day is 1,440 panes of a minute, in the real store. The window begins at 00:34, so that it can not be answered from
whole days: the store gives single minutes at both ends and hours between. A look reads them, adds them up, and reads
three distances and five shares of every feature, three distances of output and score, and the output's shift.
"""

import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

import msgspec
import numpy as np

from bench import look_segments, look_sequential
from bench.figure import Figure
from bench.rows import MODEL, SCHEMA, predictions
from monitor.clock import WallClock
from monitor.decisions.rules import Rule, parse_pack
from monitor.detectors import DETECTORS
from monitor.facts import Pane, PaneKey, Reading
from monitor.panes.batch import encode_predictions
from monitor.panes.binning import Binned, bin_rows
from monitor.panes.build import NO_LABEL, HistoryBatch, build_reference
from monitor.panes.count import count_rows
from monitor.panes.layout import Layout
from monitor.panes.stored import encode_pane
from monitor.panes.views import Views
from monitor.panes.window import sum_bodies, sum_panes
from monitor.store import Parts, SqliteStore
from monitor.store.protocol import Change
from monitor.turns.reading import read_all

ROWS = (10_000, 100_000, 1_000_000, 10_000_000)
BATCH = 1_000_000  # rows counted at once: what fits in memory
MINUTE_S, DAY_S = 60, 86_400
OFFSET_S = 34 * MINUTE_S
LOOKS = 200
FEATURES = (
    *("psi", "jensen_shannon", "kolmogorov_smirnov"),
    *("missing_share", "unseen_share", "out_of_range_share", "invalid_share", "non_finite_share"),
)
OTHERS = (("output", "psi"), ("output", "class_share_shift"), ("score", "psi"), ("score", "kolmogorov_smirnov"))


def measure() -> list[Figure]:
    """Median time of a look, per number of rows, and how much the slowest differs from the fastest."""
    layout, rules = layout_of(), rules_of()
    reference = Views(layout, layout.reference_pane())
    with ExitStack() as stack:
        stores = {rows: stack.enter_context(filled(layout, rows)) for rows in ROWS}
        took: dict[int, list[float]] = {rows: [] for rows in ROWS}
        for _ in range(LOOKS):  # in turns, so that whatever else the machine does hits all alike
            for rows, store in stores.items():
                took[rows].append(timed(store, reference, rules, rows))
    middle = {rows: median(times) for rows, times in took.items()}
    figures = [
        Figure(f"one look, 20 features, a day of panes, {rows:,} rows", round(1e3 * s, 2), "ms", "<= 2")
        for rows, s in middle.items()
    ]
    ratio = max(middle.values()) / min(middle.values())
    return [
        *figures,
        Figure("  slowest to fastest of these", round(ratio, 2), "x", "<= 1.5"),
        *look_segments.measure(),
        *look_sequential.measure(),
    ]


def layout_of() -> Layout:
    """The bins of a reference of 50,000 rows."""
    found = predictions(50_000, seed=1)
    history = HistoryBatch(found, np.full(found.n, NO_LABEL))
    return Layout.of(build_reference(lambda: iter([history]), SCHEMA, lambda _: None))


def rules_of() -> tuple[Rule, ...]:
    """One rule per detector and subject."""
    pairs = [*(("features", detector) for detector in FEATURES), *OTHERS]
    readings = [
        {"name": f"{subject}_{detector}", "subject": subject, "detector": detector, "window": "1d"}
        for subject, detector in pairs
    ]
    return parse_pack({"version": 1, "readings": readings}, DETECTORS).rules


@contextmanager
def filled(layout: Layout, rows: int) -> Iterator[SqliteStore]:
    """A store that holds a day of panes, in which `rows` rows are counted."""
    with empty() as store:
        fill(store, layout, rows)
        yield store


@contextmanager
def empty() -> Iterator[SqliteStore]:
    """A new store in a folder of its own."""
    parts = Parts(lambda _kind, _model, rows: encode_predictions(rows, SCHEMA), sum_bodies, WallClock())
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        store = SqliteStore(Path(folder), parts)
        try:
            yield store
        finally:
            store.close()


def fill(store: SqliteStore, layout: Layout, rows: int) -> None:
    """Count a day of rows; what does not fit in memory is the same million rows, counted as often as it takes."""
    at_once = min(rows, BATCH)
    spread(store, layout, bin_rows(layout, predictions(at_once, seed=2)), at_once, rows // at_once)


def spread(store: SqliteStore, layout: Layout, binned: Binned, rows: int, times: int = 1) -> None:
    """Count rows, evenly spread over a day from OFFSET_S on, into panes of a minute."""
    minutes = DAY_S // MINUTE_S
    shares = np.array_split(np.arange(rows), minutes)
    panes = [count_rows(layout, binned, share) for share in shares]
    deltas = []
    for minute, pane in enumerate(panes):
        key = PaneKey(MODEL, 1, "", layout.digest, OFFSET_S + minute * MINUTE_S, "0")
        deltas.append((key, encode_pane(msgspec.structs.replace(pane, counts=pane.counts * times))))
    for fold, start in enumerate(range(0, minutes, 60), 1):
        store.commit(Change(fold=fold, deltas=deltas[start : start + 60]))


def timed(store: SqliteStore, reference: Views, rules: tuple[Rule, ...], rows: int) -> float:
    """One look; the views of the reference are made once, as the daemon does."""
    began = time.perf_counter()
    pane, readings = look(store, reference, rules)
    took = time.perf_counter() - began
    assert int(pane.counts[reference.layout.rows][0]) == rows, "every row is in the window"
    assert sum(len(each) for each in readings) > 20, "every feature was read"
    return took


def look(store: SqliteStore, reference: Views, rules: tuple[Rule, ...]) -> tuple[Pane, list[dict[str, Reading]]]:
    """The day's pane, and what each rule reads of it."""
    layout = reference.layout
    found = store.panes(MODEL, 1, "", layout.digest, OFFSET_S, OFFSET_S + DAY_S)
    pane = sum_panes([body for _, body in found], layout.digest, layout.size)
    window = Views(layout, pane)
    return pane, [read_all(rule, reference, window) for rule in rules]
