"""One look of the e-detector: a tick over 20, 500 and 2,000 numbers, score and answer, with all that is done for it.

A fold brings one minute of 60 rows; the look reads it back from the real store, counts the signals, steps the detector
and makes slots and status of what it said; then the state is made the bytes that are stored. Bands are those of the
drawn reference, by the hour of the day; the first tick of an hour makes its table, which the others find. CPU time of
the process, the median of the ticks of one hour. `bench.look` prints these figures.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import msgspec
import numpy as np

from bench.counting import make
from bench.figure import Figure
from bench.look_segments import MINUTE_S, MODEL, model
from bench.rows import SCHEMA
from monitor.clock import WallClock
from monitor.decisions.rules import parse_pack
from monitor.detectors import DETECTORS
from monitor.facts import PaneKey
from monitor.panes.batch import encode_predictions
from monitor.panes.binning import Binned, bin_rows
from monitor.panes.count import count_rows
from monitor.panes.layout import Layout
from monitor.panes.rhythm import DAILY, Band, Rhythm, ScoredBins
from monitor.panes.signals import Signals
from monitor.panes.stored import encode_pane
from monitor.panes.window import sum_bodies
from monitor.store import Change, Parts, SqliteStore
from monitor.turns.look import Look, Looked
from monitor.turns.watched import Watched

FEATURES = (20, 500, 2_000)
HELD = 500  # features of which the goal speaks
ROWS, TICKS, SEED = 60, 59, 3
WAVES = (0.0,) * 2 * len(DAILY)


def measure() -> list[Figure]:
    """CPU of a look, of the first one of an hour, and the state's size."""
    return [figure for features in FEATURES for figure in _measure(features)]


def _measure(features: int) -> list[Figure]:
    data = make(TICKS * ROWS, features, SEED)
    layout = banded(data.layout)
    watched, binned = watching(layout), bin_rows(layout, data.rows)
    with filled() as store:
        look = Look(store, grace_s=0.0, ticks={})
        took, size = [], 0
        for tick in range(TICKS):
            fold(store, binned, layout, tick)
            began = time.process_time()
            found = look.run(watched, float((tick + 1) * MINUTE_S))
            states = [msgspec.json.encode(state) for _, state in found.states]
            took.append(time.process_time() - began)
            size = state_bytes(found)
            assert len(states) == 1, "a tick was due"
            store.commit(Change(puts=found.states, consumed=found.consumed))
            look.committed(found)
    held = features == HELD
    what = f"a look of the e-detector, {features:,} features"
    return [
        Figure(what, round(1e3 * median(took[2:]), 2), "ms CPU", "<= 5" if held else ""),
        Figure("  the first one: what is watched, and an hour's bands", round(1e3 * took[0]), "ms CPU"),
        Figure("  its state, all three tiers", round(size / 2**20, 2), "MiB", "<= 1" if held else ""),
    ]


def watching(layout: Layout) -> Watched:
    """One model whose rules are a budget and nothing else."""
    watched = model(layout)
    watched.pack = parse_pack({"version": 1, "sequential": {}}, DETECTORS)
    return watched


def banded(layout: Layout) -> Layout:
    """The layout with a band around each share of its reference, the same in every hour."""
    signals = Signals.table(layout)
    seen = signals.count(np.array(layout.reference.counts, np.int64))
    bands = tuple(_band(x, n) for x, n in zip(seen.x.tolist(), seen.n.tolist(), strict=True))
    bins = [np.maximum(each, 0.5) / np.maximum(each, 0.5).sum() for each in seen.bins]
    scored = tuple(ScoredBins(tuple(each.tolist()), Band(0.0, 1e4, 1.0, 0.02, 1.2, waves=WAVES)) for each in bins)
    rhythm = Rhythm(DAILY, 0.04, timed=True, why="", signals=bands, scored=scored)
    return Layout.of(msgspec.structs.replace(layout.reference, rhythm=rhythm))


def _band(x: float, n: float) -> Band:
    if not n:
        return Band(None, 0.0, 0.0, 0.0, 1.0, why="the reference has no rows of it")
    share = x / n
    return Band(share, 1e4, (share * (1 - share)) ** 0.5, 0.01, 1.2, waves=WAVES)


@contextmanager
def filled() -> Iterator[SqliteStore]:
    """A new store."""
    parts = Parts(lambda _kind, _model, rows: encode_predictions(rows, SCHEMA), sum_bodies, WallClock())
    with TemporaryDirectory(prefix="bench-") as folder:
        store = SqliteStore(Path(folder), parts)
        try:
            yield store
        finally:
            store.close()


def fold(store: SqliteStore, binned: Binned, layout: Layout, tick: int) -> None:
    """Count one minute of rows."""
    which = np.arange(tick * ROWS, (tick + 1) * ROWS)
    pane = count_rows(layout, binned, which)
    key = PaneKey(MODEL, 1, "", layout.digest, tick * MINUTE_S, "0")
    store.commit(Change(fold=tick + 1, deltas=[(key, encode_pane(pane))]))


def state_bytes(found: Looked) -> int:
    """What the state's arrays take."""
    assert found.ticked is not None, "the rules set a budget"
    state = found.ticked.armed.state
    assert state is not None, "it ticked"
    return sum(len(each) for each in msgspec.structs.astuple(state) if isinstance(each, bytes))
