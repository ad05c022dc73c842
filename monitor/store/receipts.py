"""All receipts of all models: which runs count, how they are searched, merged and forgotten.

Every fold writes one small run per model. When `FAN_IN` runs of one model, level and dtype have gathered, they are
merged into one of the next level, so n folds leave at most 7 log8(n) files, and a receipt is rewritten log8(n) times:
14 days of one fold a second are 48 files and 7 rewrites. Merges stop at `ROWS_MAX` rows a run, which bounds the space a
merge needs; from there on the number of files grows with the data.

Runs are searched from the newest to the oldest, each only for what is not found yet. The set of runs is an immutable
tuple per model, replaced as a whole: a search never sees half of a merge. The commit adds, the keeper merges and
forgets, each under `_lock`; files are named by a row of state.db before they count, and removed after the row is gone.
"""

import secrets
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.errors import Corrupt
from monitor.facts import ModelName
from monitor.store.disk import Disk
from monitor.store.protocol import Receipts
from monitor.store.runs import (
    Chunk,
    Run,
    merged,
    merged_shape,
    open_run,
    shape_of,
    sorted_chunk,
    write_run,
)

FAN_IN = 8
ROWS_MAX = 16_000_000  # 1 GB at 20 features
SUFFIX = ".run"


class Stopped(Exception):
    """The store is closing; a merge was given up."""


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One run that counts, or will once its row is committed."""

    name: str
    model: ModelName
    level: int  # how often its oldest records were merged
    born: int  # orders runs by age of their newest records; unique among the runs of a moment
    run: Run


def together(receipts: Iterable[Receipts]) -> list[Receipts]:
    """Joined by model and dtype, in the order given, without empty ones: a run each."""
    groups: dict[tuple[ModelName, str], list[Receipts]] = {}
    for each in receipts:
        if len(each.hashes):
            groups.setdefault((each.model, str(each.records.dtype)), []).append(each)
    return [
        Receipts(
            group[0].model,
            np.concatenate([each.hashes for each in group]),
            np.concatenate([each.records for each in group]),
        )
        for group in groups.values()
    ]


class ReceiptRuns:
    """The runs of one directory."""

    def __init__(self, directory: Path, disk: Disk) -> None:
        """Nothing is loaded yet; the directory is made if need be."""
        directory.mkdir(exist_ok=True)
        disk.sync_directory(directory.parent)
        self._directory = directory
        self._disk = disk
        self._lock = threading.Lock()
        self._entries: dict[ModelName, tuple[Entry, ...]] = {}  # oldest first
        self._abandoned: list[Entry] = []
        self._born = 0
        self._damage: Corrupt | None = None

    def load(self, rows: Iterable[tuple[str, ModelName, int, int]]) -> int:
        """Open the named runs (name, model, level, born) and sweep every other file; returns how many were swept."""
        named = [Entry(name, model, level, born, open_run(self._directory / name)) for name, model, level, born in rows]
        self.replace((), named)
        self._born = max((entry.born for entry in named), default=0)
        strays = {path.name for path in self._directory.iterdir()} - {entry.name for entry in named}
        for name in strays:
            self._disk.remove(self._directory / name)
        return len(strays)

    def write(self, receipts: Receipts) -> Entry:
        """A new run on disk, which does not count yet. ValueError if these are no receipts."""
        shape = shape_of(receipts.hashes, receipts.records)
        path = self._path()
        write_run(self._disk, path, shape, [sorted_chunk(receipts.hashes, receipts.records)])
        return Entry(path.name, receipts.model, 0, self._next_born(), open_run(path))

    def merge(self, entries: Sequence[Entry], horizon: float, stopping: threading.Event) -> Entry:
        """One run on disk instead of several of one model, level and dtype, oldest first; it does not count yet.

        Every input is verified first: damage must not get a fresh checksum. Raises Corrupt, Stopped, OSError.
        """
        runs = [entry.run for entry in entries]
        for run in runs:
            run.verify()
        path = self._path()
        write_run(self._disk, path, merged_shape(runs, horizon), _until(stopping, merged(runs, horizon)))
        newest = entries[-1]
        return Entry(path.name, newest.model, newest.level + 1, newest.born, open_run(path))

    def abandon(self, entries: Sequence[Entry]) -> None:
        """The transaction that names these failed. A crash could still bring it back, so the files wait."""
        self._abandoned += entries

    def replace(self, old: Sequence[Entry], new: Sequence[Entry]) -> None:
        """A transaction succeeded: `new` counts now and `old` does not. The files of `old` remain, see `remove`."""
        self.remove(self._abandoned)  # of earlier transactions, which can no longer come back
        self._abandoned.clear()
        gone = {entry.name for entry in old}
        with self._lock:
            for model in {entry.model for entry in (*old, *new)}:
                kept = [entry for entry in self._entries.get(model, ()) if entry.name not in gone]
                kept += [entry for entry in new if entry.model == model]
                self._entries[model] = tuple(sorted(kept, key=lambda entry: entry.born))

    def remove(self, entries: Iterable[Entry]) -> None:
        """Delete files whose rows are gone; who still searches them keeps their bytes."""
        for entry in entries:
            with suppress(OSError):  # it is swept at the next start
                self._disk.remove(self._directory / entry.name)

    def find(
        self, model: ModelName, hashes: NDArray[np.uint64], dtype: np.dtype[Any], horizon: float
    ) -> tuple[NDArray[np.bool_], NDArray[np.void]]:
        """See Store.find_receipts; Corrupt once a run of any model was seen to be damaged."""
        if self._damage:
            raise Corrupt(self._damage.path, self._damage.offset, self._damage.hint)
        found, records = np.zeros(len(hashes), np.bool_), np.zeros(len(hashes), dtype)
        order = np.argsort(hashes, kind="stable")  # neighbours in the run are then neighbours in the cache
        for entry in reversed(self._entries.get(model, ())):
            if not len(order):
                break
            here, at = entry.run.find(hashes[order])
            here[here] = entry.run.records["time"][at[here]] >= horizon
            _copy(entry.run.records, at[here], records, order[here])
            found[order[here]] = True
            order = order[~here]
        return found, records

    def expired(self, horizon: float) -> list[Entry]:
        """Runs that hold nothing from the horizon on."""
        return [entry for entry in self.entries() if entry.run.shape.end < horizon]

    def mergeable(self) -> list[Entry]:
        """The next runs to merge, oldest first; none when all is tidy."""
        groups: dict[tuple[ModelName, int, str], list[Entry]] = {}
        for entry in self.entries():
            groups.setdefault((entry.model, entry.level, str(entry.run.shape.dtype)), []).append(entry)
        for group in groups.values():
            oldest = group[:FAN_IN]
            if len(oldest) == FAN_IN and sum(entry.run.shape.rows for entry in oldest) <= ROWS_MAX:
                return oldest
        return []

    def verify(self, stopping: threading.Event) -> None:
        """Read every run once. A damaged one is remembered, and every later search raises it."""
        for entry in self.entries():
            if stopping.is_set():
                return
            try:
                entry.run.verify()
            except Corrupt as damage:
                self.report(damage)

    def report(self, damage: Corrupt) -> None:
        """Remember damage: a label that is not joined would be taken for one whose prediction never came."""
        self._damage = damage

    def entries(self) -> list[Entry]:
        """All runs that count, each model's oldest first."""
        with self._lock:
            return [entry for entries in self._entries.values() for entry in entries]

    def _path(self) -> Path:
        """A name that was never used; age and owner stand in state.db."""
        return self._directory / f"{secrets.token_hex(12)}{SUFFIX}"

    def _next_born(self) -> int:
        """Age of the next run."""
        with self._lock:
            self._born += 1
            return self._born


def _copy(source: NDArray[np.void], rows: NDArray[np.intp], target: NDArray[np.void], to: NDArray[np.intp]) -> None:
    """Copy records, field by field where the dtypes differ: of array fields as much as both have."""
    if source.dtype == target.dtype:
        target[to] = source[rows]
        return
    for name in set(source.dtype.names or ()) & set(target.dtype.names or ()):
        if source.dtype[name].ndim:
            width = min(source.dtype[name].shape[0], target.dtype[name].shape[0])
            target[name][to, :width] = source[name][rows, :width]
        else:
            target[name][to] = source[name][rows]


def _until(stopping: threading.Event, chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """Pass on chunks; Stopped as soon as the store closes."""
    for chunk in chunks:
        if stopping.is_set():
            raise Stopped
        yield chunk
