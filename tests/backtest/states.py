"""State directories that hold the panes of a history, as a daemon's folds would have left them."""

from contextlib import contextmanager
from pathlib import Path

import numpy as np

from monitor.backtest.terms import Terms
from monitor.clock import ManualClock
from monitor.facts import BundleId, Epoch, ModelName, PaneKey
from monitor.ingest.history import open_history
from monitor.panes.count import bin_rows, count_rows
from monitor.panes.stored import encode_pane
from monitor.panes.window import sum_bodies
from monitor.store import Change, Limits, Parts, SqliteStore
from monitor.turns.watched import Timeline

MODEL = ModelName("W1")


@contextmanager
def state(folder: Path):
    """An open store, as a running daemon has it."""
    parts = Parts(lambda *_: b"", sum_bodies, ManualClock(1000.0), free_bytes=lambda: 1 << 40)
    store = SqliteStore(folder, parts, Limits())
    try:
        yield store
    finally:
        store.close()


def fold(store, terms: Terms, history, *epochs: Epoch, replicas=1) -> None:
    """Keep the rows of a history as panes of a minute, in the epoch that each belongs to."""
    layout = terms.layout
    deltas = []
    for batch in open_history(history.path, history.schema, history.names)():
        binned = bin_rows(layout, batch.predictions)
        minutes = np.floor(batch.predictions.times / 60.0).astype(np.int64) * 60
        for start in np.unique(minutes).tolist():
            number = max(epoch.number for epoch in epochs if epoch.start <= start)
            for replica in range(replicas):
                rows = np.flatnonzero(minutes == start)[replica::replicas]
                key = PaneKey(MODEL, number, "", layout.digest, start, f"r{replica}")
                deltas.append((key, encode_pane(count_rows(layout, binned, rows))))
    number = store.position().fold + 1
    store.commit(Change(fold=number, deltas=deltas, puts=[(MODEL, Timeline(epochs))]))


def epoch(terms: Terms, start: float, number: int = 1, judge: str | None = None) -> Epoch:
    return Epoch(number, MODEL, BundleId(f"v{number}"), "", start, start, judge or terms.layout.digest)
