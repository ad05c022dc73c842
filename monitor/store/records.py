"""Large records of the journal: files beside state.db, one for each group that was committed together.

SQLite writes a blob into its log, checksums it, copies it into the database and reads its pages once more to free them.
For the columns of ten thousand rows that was 0.94 us of CPU a row and twice the bytes; a file of its own takes 0.15 us
(187 bytes a row, two cores, 2026-11). Small records stay in the database, where many share one fsync.

Order is what makes it safe: the file is written and fsynced, then its directory, then the transaction that names it is
committed, and only then is anybody told. It goes after the deletion of the last row that names it was committed. So
after a crash a file is named and whole, or it is swept. There is no second name while it is written: what counts is
the row, not the name.

A failed transaction keeps its file until a later one succeeds, as in named.py: the log may still hold it as a whole.

*Spare files.* A file that no row names any more is written over by a later group: its blocks and its name are on disk,
so `fdatasync` brings 6 MB there in 2 ms and 0.6 ms of CPU, where a new file, fsynced and removed again, takes 12 ms and
2.2 ms (ext4, two cores, 2026-11). At most `SPARES_MAX` wait, none larger than `SPARE_BYTES_MAX`; the others are
removed. None is written over while somebody holds a record that was read from it. A reader that was slow to open a file
asks after it did whether the record was folded meanwhile (`journal.read_journal`): only then can its bytes be others.
"""

import mmap
import os
import secrets
import threading
import weakref
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from monitor.errors import Corrupt
from monitor.store.disk import Disk
from monitor.store.mapped import Mapped

SUFFIX: Final = ".rows"
SPARES_MAX: Final = 8  # as many as a group each takes while a fold is behind
SPARE_BYTES_MAX: Final = 32 << 20  # twice the largest group
_ALIGNMENT: Final = 64  # a record's columns are then aligned in memory as they are in the record
_HINT: Final = "acknowledged rows are lost; restore the state directory from a backup"


class Place(NamedTuple):
    """Where a record lies."""

    name: str
    at: int


class RecordFiles:
    """The files of one directory. Written and removed by the writer's thread; read by any."""

    def __init__(self, directory: Path, disk: Disk) -> None:
        """Nothing is swept yet; the directory is made if need be."""
        directory.mkdir(exist_ok=True)
        disk.sync_directory(directory.parent)
        self.directory = directory
        self._disk = disk
        self._abandoned: list[str] = []
        self._spares: list[str] = []
        self._lock = threading.Lock()  # what is read, between readers and the writer
        self._read: dict[str, list[weakref.ref[Mapped]]] = {}

    @property
    def spares(self) -> int:
        """How many files wait to be written over."""
        return len(self._spares)

    def sweep(self, named: Iterable[str]) -> int:
        """Remove every file that no row names; returns how many there were."""
        strays = {path.name for path in self.directory.iterdir()} - set(named)
        for name in strays:
            self._disk.remove(self.directory / name)
        return len(strays)

    def write(self, bodies: Sequence[bytes]) -> list[Place]:
        """Bring the records to disk as one file, which does not count yet. OSError leaves none; SyncFailed."""
        spare = next((name for name in self._spares if not self._is_read(name)), None)
        if spare is not None:
            self._spares.remove(spare)
            return self._filled(spare, self._disk.reopen(self.directory / spare), bodies, self._disk.sync_data)
        name = f"{secrets.token_hex(12)}{SUFFIX}"
        return self._filled(name, self._disk.create(self.directory / name), bodies, self._sync_new)

    def _filled(
        self, name: str, descriptor: int, bodies: Sequence[bytes], sync: Callable[[int], object]
    ) -> list[Place]:
        try:
            places = self._write(descriptor, name, bodies)
            sync(descriptor)
        except BaseException:
            self._remove(name)
            raise
        finally:
            os.close(descriptor)
        return places

    def _sync_new(self, descriptor: int) -> None:
        self._disk.sync(descriptor)
        self._disk.sync_directory(self.directory)

    def _write(self, descriptor: int, name: str, bodies: Sequence[bytes]) -> list[Place]:
        places, at = [], 0
        for body in bodies:
            self._disk.write(descriptor, memoryview(body), at)
            places.append(Place(name, at))
            at += -(-len(body) // _ALIGNMENT) * _ALIGNMENT
        return places

    def abandon(self, places: Sequence[Place]) -> None:
        """The transaction that names these failed. A crash could still bring it back, so the file waits."""
        self._abandoned += {place.name for place in places}

    def settle(self) -> None:
        """A later transaction succeeded: no earlier one can come back."""
        self.remove(self._abandoned)
        self._abandoned.clear()

    def remove(self, names: Iterable[str]) -> None:
        """No row names these files any more: they are spare, or go. Who reads one keeps its bytes."""
        for name in names:
            if self._is_spare(name):
                self._spares.append(name)
            else:
                self._remove(name)

    def _is_spare(self, name: str) -> bool:
        try:
            small = (self.directory / name).stat().st_size <= SPARE_BYTES_MAX
        except OSError:
            return False
        return small and len(self._spares) < SPARES_MAX

    def _is_read(self, name: str) -> bool:
        """Whether somebody holds a record of this file."""
        with self._lock:
            readers = [reader for reader in self._read.pop(name, ()) if reader() is not None]
            if readers:
                self._read[name] = readers
        return bool(readers)

    def _remove(self, name: str) -> None:
        with self._lock:
            self._read.pop(name, None)
        with suppress(OSError):  # it is swept at the next start
            self._disk.remove(self.directory / name)

    def read(self, place: Place, size: int) -> memoryview:
        """The bytes of a record, or of several and what lies between: mapped, not copied.

        They are those of the records unless these were folded before this returned. FileNotFoundError; Corrupt if the
        file is too short.
        """
        path = self.directory / place.name
        with path.open("rb") as file:
            length = os.fstat(file.fileno()).st_size
            if length < place.at + size:
                raise Corrupt(str(path), length, f"{length} bytes long, a record ends at {place.at + size}; {_HINT}")
            start = place.at - place.at % mmap.ALLOCATIONGRANULARITY
            populate = mmap.MAP_POPULATE  # all of it is about to be read
            mapped = Mapped(file.fileno(), place.at + size - start, start, populate)
        with self._lock:
            readers = [reader for reader in self._read.get(place.name, []) if reader() is not None]
            self._read[place.name] = [*readers, weakref.ref(mapped)]
        return mapped.array().data[place.at - start :]

    def lost(self, place: Place) -> Corrupt:
        """The error for a file that a row names and that is not there."""
        return Corrupt(str(self.directory / place.name), 0, f"it is gone; {_HINT}")
