"""The files of the audit log, and the operations on them whose order decides what survives a crash.

    <state>/audit/00000001.jsonl ...   records, oldest file first; only the newest is written to, and only at its end
    <state>/audit/heads.jsonl          signed heads
    <state>/audit/torn-<seq>-<n>       what a crash left of lines that were never acknowledged
    <state>/audit/spare                space held for what may not go unwritten
    <state>/audit/lock                 flock: one writer at a time, in whichever process
    <state>/audit/audit.pub            the key that signs; the private one lies outside: <state>/audit.key

A failing fsync is never tried again: after it nobody knows what is on disk (Rebello et al., USENIX ATC 2020).
"""

import contextlib
import errno
import fcntl
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from monitor.audit.records import LINE_BYTES_MAX, Head, head_of, skim
from monitor.errors import Permanent, Transient

SPARE: Final = "spare"
LOCK: Final = "lock"
TORN: Final = "torn-"
PUBLIC_KEY: Final = "audit.pub"
PRIVATE_KEY: Final = "audit.key"  # beside the directory, so that a copy of it holds no secret
BLOCK: Final = 64 * 1024
SPARE_BYTES: Final = 1 << 20
LOCK_PAUSE_S: Final = 0.005
_NAME: Final = re.compile(r"[0-9]{8}\.jsonl")


class Io:
    """The real operations. Tests hand in one that fails at operation N."""

    def write(self, descriptor: int, data: bytes) -> None:
        """Write all of it at the end."""
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]

    def sync(self, descriptor: int) -> None:
        """Bring it to disk; Permanent if the kernel cannot."""
        try:
            os.fsync(descriptor)
        except OSError as error:
            raise Permanent(f"an fsync of the audit log failed: what is on disk is unknown ({error})") from error

    def truncate(self, descriptor: int, size: int) -> None:
        """Cut a file."""
        os.ftruncate(descriptor, size)

    def allocate(self, descriptor: int, size: int) -> None:
        """Take blocks, so that they can be given back when there are no others."""
        os.posix_fallocate(descriptor, 0, size)

    def sync_directory(self, path: Path) -> None:
        """Bring the names in it to disk."""
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self.sync(descriptor)
        finally:
            os.close(descriptor)


def log_files(directory: Path) -> list[Path]:
    """The files of records, oldest first."""
    try:
        return sorted(path for path in directory.iterdir() if _NAME.fullmatch(path.name))
    except FileNotFoundError:
        return []


def following(path: Path) -> Path:
    """The name of the file after this one."""
    return path.with_name(f"{int(path.stem) + 1:08d}.jsonl")


@contextlib.contextmanager
def locked(directory: Path, wait_s: float) -> Iterator[None]:
    """Hold the directory for this writer; Transient if another holds it for `wait_s`. OSError."""
    descriptor = os.open(directory / LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        deadline = time.monotonic() + wait_s
        while not _taken(descriptor):
            if time.monotonic() >= deadline:
                raise Transient(f"another process has held {directory / LOCK} for {wait_s:g} s", wait_s)
            time.sleep(LOCK_PAUSE_S)
        yield
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def appending(path: Path, *, new: bool = False) -> int:
    """Descriptor of a file that is written to at its end, made where it is not there. OSError."""
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | (os.O_EXCL if new else 0)
    return os.open(path, flags, 0o600)


def put(io: Io, path: Path, data: bytes, *, size: int | None = None, new: bool = False) -> None:
    """Append `data` to a file and bring it to disk. OSError: the file is `size` long again, or torn. Permanent.

    `size`: what it is now; None asks. The name of a file that was not there is on disk as well.
    """
    fresh = new or not path.exists()
    descriptor = appending(path, new=fresh)
    try:
        size = os.fstat(descriptor).st_size if size is None else size
        try:
            io.write(descriptor, data)
        except OSError:
            io.truncate(descriptor, size)
            raise
        io.sync(descriptor)
    finally:
        os.close(descriptor)
    if fresh:
        io.sync_directory(path.parent)


def cut(io: Io, path: Path, size: int) -> None:
    """Make a file `size` long, on disk. OSError, Permanent."""
    descriptor = appending(path)
    try:
        io.truncate(descriptor, size)
        io.sync(descriptor)
    finally:
        os.close(descriptor)


def last_intact(path: Path) -> tuple[Head | None, int]:
    """The head of the last intact line of a file of records, and the offset behind it; (None, 0) if there is none.

    Read from the end, in blocks that double, so an intact file costs one block whatever its size. OSError.
    """
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        span = BLOCK
        while True:
            begin = max(size - span, 0)
            file.seek(begin)
            found = _last_of(file.read(size - begin), whole=begin == 0)
            if found is not None:
                return found[0], begin + found[1]
            if begin == 0:
                return None, 0
            span *= 2


def _last_of(block: bytes, *, whole: bool) -> tuple[Head, int] | None:
    end = block.rfind(b"\n")
    while end >= 0:
        begin = block.rfind(b"\n", 0, end) + 1
        if begin or whole:
            head = head_of(block[begin:end])
            if head is not None:
                return head, end + 1
        end = begin - 1
    return None


def first_head(path: Path) -> Head | None:
    """The head *before* the first line of a file, as that line names it; None if it is not intact. OSError."""
    with path.open("rb") as file:
        line = file.readline(LINE_BYTES_MAX)
    found = skim(line[:-1]) if line.endswith(b"\n") else None
    return None if found is None else Head(found.seq - 1, found.prev, found.time)


def full(error: OSError) -> bool:
    """Whether it is for want of space."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def hold_spare(io: Io, directory: Path) -> None:
    """Hold blocks back for what may not go unwritten. Not to have them is no failure: others are not needed yet."""
    path = directory / SPARE
    if path.exists() and path.stat().st_size >= SPARE_BYTES:
        return
    descriptor = appending(path)
    try:
        io.allocate(descriptor, SPARE_BYTES)
    except OSError:
        path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def give_spare(directory: Path) -> bool:
    """Give back the blocks that are held; whether there were any."""
    try:
        (directory / SPARE).unlink()
    except OSError:
        return False
    return True
