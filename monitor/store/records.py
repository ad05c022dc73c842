"""Large records of the journal: files beside state.db, one for each group that was committed together.

SQLite writes a blob into its log, checksums it, copies it into the database and reads its pages once more to free them.
For the columns of ten thousand rows that was 0.94 us of CPU a row and twice the bytes; a file of its own takes 0.15 us
(187 bytes a row, two cores, 2026-11). Small records stay in the database, where many share one fsync.

Order is what makes it safe: the file is written and fsynced, then its directory, then the transaction that names it is
committed, and only then is anybody told. It goes after the deletion of the last row that names it was committed. So
after a crash a file is named and whole, or it is swept. There is no second name while it is written: what counts is
the row, not the name.

A failed transaction keeps its file until a later one succeeds, as in named.py: the log may still hold it as a whole.
"""

import mmap
import os
import secrets
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from monitor.errors import Corrupt
from monitor.store.disk import Disk

SUFFIX: Final = ".rows"
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

    def sweep(self, named: Iterable[str]) -> int:
        """Remove every file that no row names; returns how many there were."""
        strays = {path.name for path in self.directory.iterdir()} - set(named)
        for name in strays:
            self._disk.remove(self.directory / name)
        return len(strays)

    def write(self, bodies: Sequence[bytes]) -> list[Place]:
        """Bring the records to disk as one new file, which does not count yet. OSError leaves none; SyncFailed."""
        path = self.directory / f"{secrets.token_hex(12)}{SUFFIX}"
        descriptor = self._disk.create(path)
        try:
            places = self._write(descriptor, path.name, bodies)
            self._disk.sync(descriptor)
            self._disk.sync_directory(self.directory)
        except BaseException:
            self.remove([path.name])
            raise
        finally:
            os.close(descriptor)
        return places

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
        """Delete files that no row names any more; who reads one keeps its bytes."""
        for name in names:
            with suppress(OSError):  # it is swept at the next start
                self._disk.remove(self.directory / name)

    def read(self, place: Place, size: int) -> memoryview:
        """The bytes of a record, mapped, not copied. FileNotFoundError; Corrupt if the file is too short."""
        path = self.directory / place.name
        with path.open("rb") as file:
            length = os.fstat(file.fileno()).st_size
            if length < place.at + size:
                raise Corrupt(str(path), length, f"{length} bytes long, a record ends at {place.at + size}; {_HINT}")
            flags = mmap.MAP_SHARED | mmap.MAP_POPULATE  # all of it is about to be read
            start = place.at - place.at % mmap.ALLOCATIONGRANULARITY
            mapped = mmap.mmap(file.fileno(), place.at + size - start, flags, mmap.PROT_READ, offset=start)
        return memoryview(mapped)[place.at - start :]

    def lost(self, place: Place) -> Corrupt:
        """The error for a file that a row names and that is not there."""
        return Corrupt(str(self.directory / place.name), 0, f"it is gone; {_HINT}")
