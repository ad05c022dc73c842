"""The digest of a checkpoint of several files, and what lies in a directory.

    one file        the SHA-256 of its bytes
    several files   the SHA-256 of [[path, "sha256:<hex>", size], ...] as JSON without blanks, sorted by path

Paths are relative to the checkpoint's directory, with "/", in UTF-8. Everything in the directory counts: a file that is
not in the manifest would be loaded by the model server like one that is. Links and files that are no regular ones are
refused, wherever they lie.
"""

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from monitor.errors import Permanent, Transient
from monitor.rollback.digest import SIZE_MAX, Progress, measure_beneath, nobody

FILES_MAX = 10_000  # of one checkpoint
DEPTH_MAX = 32

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Part(NamedTuple):
    """One file of a checkpoint."""

    path: str  # relative to the checkpoint's directory
    digest: str
    size: int  # bytes


def combine(parts: Iterable[Part]) -> str:
    """Return the digest of a checkpoint of these files, at least one."""
    found = sorted(parts)
    assert found, "a checkpoint has a file"
    if len(found) == 1:
        return found[0].digest
    return f"sha256:{hashlib.sha256(msgspec.json.encode(found)).hexdigest()}"


def digest_at(path: Path, size_max: int = SIZE_MAX, progress: Progress = nobody) -> str:
    """Return the digest of the checkpoint at `path`, a file or a directory.

    Permanent if it is neither, is a link or holds one, holds no file, or has a file larger than `size_max` bytes;
    Transient if it cannot be read now. The way to it may lead through links.
    """
    if not path.is_dir() or path.is_symlink():
        return measure_beneath(path.parent, path.name, size_max, progress).digest
    names = files_in(path)
    if not names:
        raise Permanent(f"{path} holds no file")
    return combine(Part(name, *measure_beneath(path, name, size_max, progress)) for name in names)


def files_in(folder: Path) -> list[str]:
    """Name all files below `folder`, sorted. Permanent for a link, a special file, too many of them; Transient."""
    found: list[str] = []
    try:
        handle = os.open(folder, _FOLDER)
        try:
            for name in _walk(handle, "", 0):
                found.append(name)
                if len(found) > FILES_MAX:
                    raise Permanent(f"{folder} holds more than {FILES_MAX} files")
        finally:
            os.close(handle)
    except OSError as error:
        raise Transient(f"{folder} cannot be read: {error.strerror}") from error
    return sorted(found)


def _walk(handle: int, prefix: str, depth: int) -> Iterator[str]:
    if depth > DEPTH_MAX:
        raise Permanent(f"{prefix!r} lies deeper than {DEPTH_MAX} directories")
    for name in os.listdir(handle):
        mode = os.stat(name, dir_fd=handle, follow_symlinks=False).st_mode
        if stat.S_ISREG(mode):
            yield prefix + name
        elif stat.S_ISDIR(mode):
            inner = os.open(name, _FOLDER, dir_fd=handle)
            try:
                yield from _walk(inner, f"{prefix}{name}/", depth + 1)
            finally:
                os.close(inner)
        else:
            raise Permanent(f"{prefix + name!r} is no regular file")
