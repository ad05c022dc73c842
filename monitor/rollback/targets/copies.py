"""One copy of a checkpoint on a disk: made read-only while it is hashed, checked, removed.

What is copied is brought to the disk piece by piece: one fsync at the end of 10 GB would hold up everybody else who
writes to that volume, and the pages of a copy that nobody reads yet would push out those that somebody does.
"""

import errno
import os
import shutil
import stat
from contextlib import suppress
from pathlib import Path

from monitor.errors import Transient
from monitor.rollback.digest import Progress, measure_beneath
from monitor.rollback.targets.contract import Unfit
from monitor.rollback.tree import Part, combine, files_in

PIECE_BYTES = 64 << 20  # at most so much of a copy waits to be written to the disk

FULL = {errno.ENOSPC, errno.EDQUOT}

_WRITABLE = 0o222
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class NoRoom(Transient):
    """The volume is full, or would be."""


def copied(source: Path, draft: Path, size_max: int, progress: Progress) -> str:
    """Copy a checkpoint, read-only, to the disk; return the digest of what was copied. Permanent, Transient, OSError.

    `progress` is told of every piece, and may raise to have it end there.
    """
    if not source.is_dir() or source.is_symlink():
        return _copy(source.parent, source.name, draft, size_max, progress).digest
    draft.mkdir(0o700)
    parts = []
    for name in files_in(source):
        (draft / name).parent.mkdir(0o700, parents=True, exist_ok=True)
        parts.append(_copy(source, name, draft / name, size_max, progress))
    for folder, _, _ in os.walk(draft, topdown=False):
        _like(source, Path(folder), 0o555)
        synced(Path(folder))
    return combine(parts) if parts else ""


def size_of(source: Path) -> int:
    """How many bytes a copy of a checkpoint takes, as far as can be told; OSError."""
    if not source.is_dir() or source.is_symlink():
        return source.lstat().st_size
    return sum((source / name).lstat().st_size for name in files_in(source))


def read_only(staged: Path) -> None:
    """Unfit if anything of a copy is a link, has a second name, can be written, or is not ours."""
    each = [staged]
    if stat.S_ISDIR(staged.lstat().st_mode):
        each += [Path(at) / name for at, folders, names in os.walk(staged) for name in (*folders, *names)]
    for path in each:
        found = path.lstat()
        one = stat.S_ISDIR(found.st_mode) or (stat.S_ISREG(found.st_mode) and found.st_nlink == 1)
        if not one or found.st_mode & _WRITABLE or found.st_uid != os.geteuid():
            raise Unfit(f"{path} is not as it was staged: a link, or a file that others can write")


def removed(path: Path) -> None:
    """Remove a copy, or half of one; nothing happens if there is none."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    for folder, _, _ in os.walk(path):
        Path(folder).chmod(0o700)
    shutil.rmtree(path)


def synced(folder: Path) -> None:
    """Bring the names in a directory to the disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class _Written:
    """A new file that is brought to the disk as it grows."""

    def __init__(self, file: int) -> None:
        self._file, self._size, self._waiting = file, 0, 0

    def write(self, data: memoryview) -> None:
        """Write all of it; NoRoom, Transient."""
        self._size, self._waiting = self._size + len(data), self._waiting + len(data)
        written(self._file, data)
        if self._waiting >= PIECE_BYTES:
            os.fdatasync(self._file)
            os.posix_fadvise(self._file, 0, self._size, os.POSIX_FADV_DONTNEED)
            self._waiting = 0


def written(file: int, data: memoryview) -> None:
    """Write all of `data` to a descriptor; NoRoom, Transient."""
    try:
        while data:
            data = data[os.write(file, data) :]
    except OSError as error:
        kind = NoRoom if error.errno in FULL else Transient
        raise kind(f"a copy cannot be written: {error.strerror}") from error


def _copy(folder: Path, name: str, copy: Path, size_max: int, progress: Progress) -> Part:
    file = os.open(copy, _NEW, 0o600)
    try:
        measured = measure_beneath(folder, name, size_max, progress, _Written(file).write)
        _like(folder / name, copy, 0o444)
        os.fsync(file)
    finally:
        os.close(file)
    return Part(name, *measured)


def _like(source: Path, copy: Path, mode: int) -> None:
    """Let those read the copy who may read the source, and nobody write it."""
    found = source.stat()
    with suppress(PermissionError):
        os.chown(copy, -1, found.st_gid)
    copy.chmod(stat.S_IMODE(found.st_mode) & mode | mode & 0o500)
