"""The file operations whose order and success decide what survives a power cut.

A file of ours appears under its name only when its bytes are on disk: write, fsync, rename, fsync the directory. What a
row in state.db names therefore exists; what no row names is swept at the next start. After a failing fsync the kernel
may have dropped the dirty pages and report success the next time (Rebello et al., Can Applications Recover from fsync
Failures?, USENIX ATC 2020), so it is never tried again: `SyncFailed` stops the daemon.
"""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

from monitor.errors import Permanent

PARTIAL = ".partial"  # suffix of a file that is still being written


class SyncFailed(Exception):
    """An fsync failed: nobody knows what is on disk."""


class Disk:
    """The real file system. Tests hand in one that fails or loses power at operation N."""

    def create(self, path: Path) -> int:
        """Descriptor of a new file; FileExistsError if there is one."""
        return os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)

    def reopen(self, path: Path) -> int:
        """Descriptor of a file that is there, to be written over; FileNotFoundError."""
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)

    def write(self, descriptor: int, data: memoryview, offset: int) -> None:
        """Write all of `data` at `offset`."""
        while data:
            written = os.pwrite(descriptor, data, offset)
            data, offset = data[written:], offset + written

    def sync(self, descriptor: int) -> None:
        """Bring the file's bytes to disk; SyncFailed if the kernel cannot."""
        try:
            os.fsync(descriptor)
        except OSError as error:
            raise SyncFailed(str(error)) from error

    def sync_data(self, descriptor: int) -> None:
        """As `sync`, of a file whose name is on disk already: times that nobody reads are left out."""
        try:
            os.fdatasync(descriptor)
        except OSError as error:
            raise SyncFailed(str(error)) from error

    def rename(self, old: Path, new: Path) -> None:
        """Give a finished file its name."""
        old.rename(new)

    def sync_directory(self, path: Path) -> None:
        """Bring the names in a directory to disk."""
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self.sync(descriptor)
        finally:
            os.close(descriptor)

    def remove(self, path: Path) -> None:
        """Delete a file; nothing happens if it is gone."""
        path.unlink(missing_ok=True)


def publish(disk: Disk, path: Path, write: Callable[[int], None]) -> None:
    """A new file under its name: `write` it by its descriptor, fsync, rename, fsync the directory.

    OSError leaves at most a file that the next start sweeps; SyncFailed is final.
    """
    partial = path.with_name(path.name + PARTIAL)
    descriptor = disk.create(partial)
    try:
        write(descriptor)
        disk.sync(descriptor)
    except BaseException:
        disk.remove(partial)
        raise
    finally:
        os.close(descriptor)
    disk.rename(partial, path)
    disk.sync_directory(path.parent)


def free_bytes(path: Path) -> int:
    """What an unprivileged process may still write on the file system of `path`."""
    status = os.statvfs(path)
    return status.f_bavail * status.f_frsize


def reserve_bytes(path: Path) -> int:
    """Space that intake leaves to alerts and rollback: max(256 MiB, 5 % of the file system)."""
    status = os.statvfs(path)
    return max(256 << 20, status.f_blocks * status.f_frsize // 20)


def lock(path: Path) -> int:
    """Hold `path` for this process alone; Permanent if another holds it. Closing the descriptor lets go."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise Permanent(f"{path.parent} is in use by another tocsin process") from error
    return descriptor
