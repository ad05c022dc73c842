"""Files that count because a row of state.db names them: runs of receipts, files of samples.

A file is written and fsynced first and named by a transaction afterwards; after a crash it is either named and whole,
or swept at start. The set of files that count is an immutable tuple per model, replaced as a whole: who reads never
sees half of a merge. The commit adds, the keeper merges and forgets, each under `_lock`.

A failed transaction keeps its files until a later one succeeds: the log may still hold it as a whole, and a crash would
bring it back; the next commit overwrites it.
"""

import secrets
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import apsw

from monitor.facts import ModelName
from monitor.store.disk import Disk


class Entry(Protocol):
    """One file that counts, or will once its row is committed."""

    @property
    def name(self) -> str:
        """Of the file, in its directory."""

    @property
    def model(self) -> ModelName:
        """Whose rows are in it."""

    @property
    def born(self) -> int:
        """Orders files by the age of their newest rows; unique among the files of a moment."""

    def row(self) -> tuple[Any, ...]:
        """What its table keeps of it, the name first."""


E = TypeVar("E", bound=Entry)


class Table(NamedTuple):
    """Where the names stand."""

    insert: str
    delete: str  # by name


class NamedFiles(Generic[E]):
    """The files of one directory."""

    def __init__(self, directory: Path, disk: Disk, table: Table, suffix: str) -> None:
        """Nothing is loaded yet; the directory is made if need be."""
        directory.mkdir(exist_ok=True)
        disk.sync_directory(directory.parent)
        self.directory = directory
        self.table = table
        self._disk = disk
        self._suffix = suffix
        self._lock = threading.Lock()
        self._entries: dict[ModelName, tuple[E, ...]] = {}  # oldest first
        self._abandoned: list[E] = []
        self._born = 0

    def load(self, entries: Sequence[E]) -> int:
        """Begin with the named files, sweep every other; returns how many were swept."""
        self.replace((), entries)
        self._born = max((entry.born for entry in entries), default=0)
        strays = {path.name for path in self.directory.iterdir()} - {entry.name for entry in entries}
        for name in strays:
            self._disk.remove(self.directory / name)
        return len(strays)

    def abandon(self, entries: Sequence[E]) -> None:
        """The transaction that names these failed. A crash could still bring it back, so the files wait."""
        self._abandoned += entries

    def replace(self, old: Sequence[E], new: Sequence[E]) -> None:
        """A transaction succeeded: `new` counts now and `old` does not. The files of `old` remain, see `remove`."""
        self.remove(self._abandoned)  # of earlier transactions, which can no longer come back
        self._abandoned.clear()
        gone = {entry.name for entry in old}
        with self._lock:
            for model in {entry.model for entry in (*old, *new)}:
                kept = [entry for entry in self._entries.get(model, ()) if entry.name not in gone]
                kept += [entry for entry in new if entry.model == model]
                self._entries[model] = tuple(sorted(kept, key=lambda entry: entry.born))

    def remove(self, entries: Iterable[E]) -> None:
        """Delete files whose rows are gone; who has one open keeps its bytes."""
        for entry in entries:
            with suppress(OSError):  # it is swept at the next start
                self._disk.remove(self.directory / entry.name)

    def of(self, model: ModelName) -> tuple[E, ...]:
        """The files of one model that count, oldest first."""
        return self._entries.get(model, ())

    def every(self) -> list[E]:
        """All files that count, each model's oldest first."""
        with self._lock:
            return [entry for entries in self._entries.values() for entry in entries]

    def models(self) -> list[ModelName]:
        """Those that have files, or had."""
        with self._lock:
            return list(self._entries)

    def fresh(self) -> Path:
        """A name that was never used; age and owner stand in state.db."""
        return self.directory / f"{secrets.token_hex(12)}{self._suffix}"

    def next_born(self) -> int:
        """Age of the next file."""
        with self._lock:
            self._born += 1
            return self._born


class Move(NamedTuple):
    """In one transaction `new` files begin to count and `old` ones end."""

    files: NamedFiles[Any]
    old: Sequence[Any]
    new: Sequence[Any]

    def write(self, db: apsw.Connection) -> None:
        """Inside the transaction."""
        db.executemany(self.files.table.delete, [(entry.name,) for entry in self.old])
        db.executemany(self.files.table.insert, [entry.row() for entry in self.new])
