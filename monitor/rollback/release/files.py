"""Files of the release directory: written whole or not at all, by one writer at a time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from monitor.errors import Problem, SettingsError


def write(path: Path, body: bytes) -> None:
    """Write a file whole or not at all; durable when it returns. One writer at a time. OSError."""
    draft = path.with_name(f".{path.name}.draft")
    with draft.open("wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync(path.parent)


def sync(folder: Path) -> None:
    """Make renames in a directory durable. OSError."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def waiting_beside(path: Path) -> Path:
    """Where a change of the index waits for signatures."""
    return path.with_name(f".{path.name}.waiting")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the writers' lock; it stands beside the index, which is replaced and so cannot carry one. SettingsError."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        file = os.open(path.with_name(f".{path.name}.lock"), flags, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
        finally:
            os.close(file)
    except OSError as error:
        raise SettingsError([Problem(str(path), f"cannot be written: {error.strerror}")]) from error
