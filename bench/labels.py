"""Late labels at scale: 10,000 labels for random ones of 10,000,000 predictions, joined as a fold joins them.

The receipts are the store's own runs: folds of 200,000, an hour each, merged by its keeper, 20 features. A join is what
a fold does: labels that wait, receipts, labels that stand, the rules, the commit of the label rows, fsync included.
"Cold" means that the kernel was told to forget the receipt files (posix_fadvise) and the runs were mapped anew; the
device's own cache is beyond us. Joins with `prediction_time` search the runs of that time, those without search all.
"""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.figure import Figure
from monitor.clock import WallClock
from monitor.facts import ModelName
from monitor.panes.receipts import receipt_dtype
from monitor.store import Change, Limits, Parts, Quota, Receipts, SqliteStore, StoredLabel
from monitor.store.keeper import Keeper
from monitor.store.receipts import ReceiptRuns
from monitor.turns.labels import Arrived, Held, Join, Weight, join

MODEL = ModelName("m")
FOLDS, FOLD_ROWS, FOLD_S = 50, 200_000, 3_600.0
FEATURES, LABELS, LARGE = 20, 10_000, 200_000
SLICED = receipt_dtype(FEATURES)  # of a receipt a label reads the cells that slices of error are cut by


def measure() -> list[Figure]:
    """Cold and warm, hinted and not; a large fold of labels; bytes on disk."""
    with tempfile.TemporaryDirectory() as directory:
        keys, times = built(Path(directory))
        rng = np.random.default_rng(1)
        seconds = {}
        for hinted in (True, False):
            at = [rng.integers(0, len(keys), LABELS) for _ in range(6)]
            with opened(Path(directory), cold=True) as store:
                seconds["cold", hinted] = joined(store, keys[at[0]], times[at[0]] if hinted else None)
                again = [joined(store, keys[one], times[one] if hinted else None) for one in at[1:]]
                seconds["warm", hinted] = sorted(again)[len(again) // 2]
        with opened(Path(directory), cold=False) as store:
            size = store.health().run_bytes / store.health().run_rows
            large = rng.integers(0, len(keys), LARGE)
            joined(store, keys[large], times[large])
            blocked = store.health().commit_seconds_max
    return [
        Figure("10,000 labels joined to 10,000,000 receipts", seconds["warm", True], "s", "<= 1"),
        Figure("  without prediction_time", seconds["warm", False], "s", "<= 1"),
        Figure("  receipts not in memory", seconds["cold", True], "s", "<= 1"),
        Figure("  receipts not in memory, without prediction_time", seconds["cold", False], "s", "<= 1"),
        Figure("bytes on disk a receipt, 20 features", round(size, 1), "bytes", "<= 64"),
        Figure("200,000 labels in one fold hold the writer", round(blocked, 3), "s"),
    ]


@contextmanager
def opened(directory: Path, *, cold: bool) -> Iterator[SqliteStore]:
    """The store on these receipts, settled; its first reading of every byte after a start is over."""
    parts = Parts(lambda *_: b"", lambda bodies: bodies[0], WallClock())
    store = SqliteStore(directory, parts, Limits(quotas={MODEL: Quota(1 << 40)}))
    try:
        keeper, runs = inside(store)
        keeper.kick()
        while runs.mergeable() or not keeper.verified:
            time.sleep(0.05)
        if cold:
            forget(directory / "receipts", store)
        yield store
    finally:
        store.close()


def inside(store: SqliteStore) -> tuple[Keeper, ReceiptRuns]:
    """What no caller needs: whether the upkeep is done, and which files there are."""
    return store._keeper, store._runs  # noqa: SLF001  # a measurement must begin with a store at rest


def forget(directory: Path, store: SqliteStore) -> None:
    """Make the kernel drop the receipts: unmapped from us first, because mapped pages stay."""
    for entry in inside(store)[1].files.of(MODEL):
        entry.run.release()
    for path in directory.iterdir():
        descriptor = os.open(path, os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def built(directory: Path) -> tuple[NDArray[np.uint64], NDArray[np.float64]]:
    """Write the receipts; the hash and the time of each."""
    rng = np.random.default_rng(0)
    keys, times = [], []
    with opened(directory, cold=False) as store:
        for number in range(FOLDS):
            hashes = rng.integers(0, 2**64 - 1, FOLD_ROWS, np.uint64)
            records = np.zeros(FOLD_ROWS, receipt_dtype(FEATURES))
            records["time"] = FOLD_S * (number + rng.random(FOLD_ROWS))
            store.commit(Change(fold=number + 1, receipts=[Receipts(MODEL, hashes, records)]))
            keys.append(hashes)
            times.append(records["time"].copy())
        while inside(store)[1].mergeable():
            time.sleep(0.05)
    return np.concatenate(keys), np.concatenate(times)


def joined(store: SqliteStore, keys: NDArray[np.uint64], hints: NDArray[np.float64] | None) -> float:
    """Seconds from decoded labels to their commit."""
    said = np.nan if hints is None else hints
    rows = zip(keys.tolist(), np.broadcast_to(said, keys.shape).tolist(), strict=True)
    arrived = [Arrived(key, "ops", 1.0, 1e9, hint) for key, hint in rows]
    start = time.perf_counter()
    store.find_waiting(MODEL, keys)
    wanted, first = np.unique(keys, return_index=True)
    known, records = store.find_receipts(MODEL, wanted, SLICED, None if hints is None else hints[first])
    held: dict[int, list[Held]] = {}
    for label in store.find_labels(MODEL, wanted[known]):
        held.setdefault(label.hash, []).append(
            Held(label.hash, label.source, label.label, label.labelled, Weight(label.weight))
        )
    result = join(arrived, known=set(wanted[known].tolist()), held=held, trusted=lambda _: True)
    store.commit(Change(fold=store.position().fold + 1, labels=stored(result, wanted, records)))
    assert known.all(), "every prediction has its receipt"
    return round(time.perf_counter() - start, 3)


def stored(result: Join, wanted: NDArray[np.uint64], records: NDArray[np.void]) -> list[StoredLabel]:
    """As counting does it."""
    keys = np.fromiter((one.key for one in result.held.values()), np.uint64, len(result.held))
    times = records["time"][np.searchsorted(wanted, keys)].tolist()
    return [
        StoredLabel(MODEL, one.key, one.source, one.label, one.weight.value, one.time, at)
        for one, at in zip(result.held.values(), times, strict=True)
    ]
