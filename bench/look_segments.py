"""One look at 2,000 features of nine windows: the whole and eight segments, each read by two rules.

The window is 83 minutes, so that the store answers with an hour and 23 single minutes; nothing but the last minute was
touched since the look before, as between two looks of a running daemon. Every window must be summed once, whatever the
number of rules. `bench.look` prints these figures.
"""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from bench.counting import WIDE, WIDE_PANES, WIDE_ROWS, make
from bench.figure import Figure
from bench.rows import SCHEMA
from monitor.clock import WallClock
from monitor.decisions.rules import parse_pack
from monitor.decisions.state import ModelState
from monitor.detectors import DETECTORS
from monitor.facts import Epoch, ModelName, PaneKey
from monitor.panes.batch import encode_predictions
from monitor.panes.count import bin_rows, count_rows
from monitor.panes.layout import Layout
from monitor.panes.stored import encode_pane
from monitor.panes.window import sum_bodies, sum_panes
from monitor.settings import MonitoredModel, SegmentColumn
from monitor.store import Change, Parts, SqliteStore
from monitor.turns.loading import Releases, Shelf
from monitor.turns.look import Look
from monitor.turns.watched import Watched

MODEL = ModelName("bench")
VALUES = tuple(f"v{i}" for i in range(7))  # and the pooled one
MINUTE_S = 60
WINDOW_S = WIDE_PANES * MINUTE_S
LOOKS = 5


def measure() -> list[Figure]:
    """Median time of a look, and of the sums of its windows alone."""
    data = make(WIDE_ROWS, WIDE, seed=2)
    layout, body = data.layout, encode_pane(count_rows(data.layout, bin_rows(data.layout, data.rows)))
    watched = model(layout)
    segments = ("", *watched.segments(layout.digest).names)
    took, summed, readings = [], [], 0
    with filled(layout, body, segments) as store:
        look = Look(store, grace_s=0.0, ticks={})
        for turn in range(LOOKS + 1):
            began = time.perf_counter()
            look.run(watched, float(WINDOW_S))
            took.append(time.perf_counter() - began)
            readings = len(watched.shown)
            began = time.perf_counter()
            for segment in segments:
                sum_window(store, layout, segment)
            summed.append(time.perf_counter() - began)
            touch(store, layout, body, segments, turn)
    what = f"one look, {WIDE:,} features, the whole and {len(segments) - 1} segments, {readings:,} readings"
    return [
        Figure(what, round(1e3 * median(took[1:])), "ms"),
        Figure("  of it the sums of its windows, once each", round(1e3 * median(summed[1:])), "ms"),
    ]


def model(layout: Layout) -> Watched:
    """One model with a segment column and two rules, each over the whole and by segment."""
    two = [("psi", {}), ("missing_share", {})]
    readings = [
        {"name": f"{name}_{by or 'whole'}", "subject": "features", "detector": name, "window": f"{WIDE_PANES}m"}
        | ({"by": by} if by else {})
        for name, _ in two
        for by in ("", "part")
    ]
    shelf = Shelf(Path("references"), {layout.digest: layout})
    epoch = Epoch(1, MODEL, "v1", "", 0.0, 0.0, layout.digest, layout.digest, known_good=True)
    return Watched(
        name=MODEL,
        settings=MonitoredModel.model_construct(segments={"part": SegmentColumn(values=VALUES)}),
        pack=parse_pack({"version": 1, "readings": readings}, DETECTORS),
        releases=Releases(Path("releases.json"), MODEL, shelf),
        bundles=(),
        layouts=shelf.layouts,
        state=ModelState(MODEL),
        epochs=(epoch,),
    )


@contextmanager
def filled(layout: Layout, body: bytes, segments: tuple[str, ...]) -> Iterator[SqliteStore]:
    """A store that holds the window's panes of every segment, a minute each."""
    parts = Parts(lambda _kind, _model, rows: encode_predictions(rows, SCHEMA), sum_bodies, WallClock())
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        store = SqliteStore(Path(folder), parts)
        try:
            for minute in range(WIDE_PANES):
                commit(store, layout, body, segments, minute)
            yield store
        finally:
            store.close()


def commit(store: SqliteStore, layout: Layout, body: bytes, segments: tuple[str, ...], minute: int) -> None:
    """One minute of every segment, as a fold of its own."""
    keys = [PaneKey(MODEL, 1, segment, layout.digest, minute * MINUTE_S, "0") for segment in segments]
    fold = store.position().fold + 1
    store.commit(Change(fold=fold, deltas=[(key, body) for key in sorted(keys)], consumed=fold - 1))


def touch(store: SqliteStore, layout: Layout, body: bytes, segments: tuple[str, ...], turn: int) -> None:
    """Late rows for the last minute."""
    commit(store, layout, body, segments, WIDE_PANES - 1)
    assert store.position().fold == WIDE_PANES + turn + 1


def sum_window(store: SqliteStore, layout: Layout, segment: str) -> None:
    """What a look does first."""
    found = store.panes(MODEL, 1, segment, layout.digest, 0, WINDOW_S)
    sum_panes([body for _, body in found], layout.digest, layout.size)
