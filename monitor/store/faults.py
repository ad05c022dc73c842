"""What an error means for the store: the one place where causes are told apart.

| cause | said to the caller | the store |
|---|---|---|
| no space, a failing read or write | `Transient` | goes on; the transaction is rolled back |
| a file that may not be written, or is in the way | `Permanent` | goes on, if it was open |
| a failing fsync | `Permanent` | fails for good: what is on disk is unknown |
| a damaged database | `Corrupt` | fails for good |
| anything else | as it is: a bug, or the caller's | goes on |
"""

import errno
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import apsw

from monitor.errors import Corrupt, Permanent, Transient
from monitor.store.disk import SyncFailed

T = TypeVar("T")

RETRY_S = 5.0  # a guess: space is freed by people, or by the next prune, within seconds at best
PASSING = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN})
SYNC_CODES = frozenset({apsw.SQLITE_IOERR_FSYNC, apsw.SQLITE_IOERR_DIR_FSYNC})


class Failed(NamedTuple):
    """Work ended with this error."""

    error: Exception


class Fault(NamedTuple):
    """What to tell the caller, and whether the store is finished."""

    error: Exception
    fatal: bool


def attempt(work: Callable[[], T]) -> T | Failed:
    """Run `work` for somebody else: its error belongs to who waits for it, not to the thread that runs it."""
    try:
        return work()
    except Exception as error:  # noqa: BLE001  # the supervisor of the store's threads: every error reaches its waiter
        return Failed(error)


def diagnose(error: Exception, path: str) -> Fault:
    """Tell causes apart; `path` is the database, for the operator."""
    if isinstance(error, SyncFailed) or getattr(error, "extendedresult", None) in SYNC_CODES:
        return Fault(Permanent(f"an fsync beside {path} failed: what is on disk is unknown ({error})"), fatal=True)
    if isinstance(error, apsw.CorruptError | apsw.NotADBError):
        return Fault(Corrupt(path, 0, f"{error}; restore the state directory from a backup, or start a new one"), True)
    if isinstance(error, apsw.FullError | apsw.IOError | apsw.BusyError) or getattr(error, "errno", None) in PASSING:
        return Fault(Transient(f"{path}: {error}", RETRY_S), fatal=False)
    if isinstance(error, OSError | apsw.CantOpenError | apsw.ReadOnlyError):
        return Fault(Permanent(f"{path}: {error}"), fatal=False)
    return Fault(error, fatal=False)
