"""How state.db is opened: one writing connection with its transactions, and a pool of reading ones.

The writer's log is fsynced at every commit (`synchronous=FULL`) and copied into the database between requests, never
inside one (`wal_autocheckpoint=0`, see Writer). Readers see the last commit and block nobody.
"""

import secrets
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import apsw

from monitor.errors import Permanent
from monitor.store.tables import APPLICATION_ID, STEPS


@contextmanager
def transaction(db: apsw.Connection) -> Iterator[None]:
    """All or nothing; durable when it is left without an error."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # SQLite rolls back by itself after some errors
            with suppress(apsw.Error):  # the first error is the one to tell
                db.execute("ROLLBACK")
        raise


def open_writer(path: Path, vfs: str | None) -> apsw.Connection:
    """The one writing connection, on tables of the newest format.

    Raises apsw.Error when it is damaged, Permanent when it is not ours or of a later format.
    """
    db = apsw.Connection(str(path), vfs=vfs)
    try:
        db.set_busy_timeout(5_000)  # recovery of the log after a crash takes its lock
        _check(db, path)
        db.pragma("journal_mode", "wal")
        db.pragma("synchronous", 2)  # FULL: every commit fsyncs the log
        db.pragma("wal_autocheckpoint", 0)  # checkpoints happen between requests, see Writer
        db.pragma("journal_size_limit", 64 << 20)  # a log that one large change blew up shrinks again
        db.pragma("cache_size", -16_384)  # KiB
        db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)  # after a failed fsync nothing may touch the file
        _migrate(db)
    except BaseException:
        db.close()
        raise
    return db


def open_reader(path: Path, vfs: str | None) -> apsw.Connection:
    """A connection that cannot write, for one thread at a time."""
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY, vfs=vfs)
    db.set_busy_timeout(5_000)
    return db


def _check(db: apsw.Connection, path: Path) -> None:
    """Refuse a database that we did not make or that a later version made."""
    version = db.pragma("user_version")
    if version > len(STEPS):
        raise Permanent(f"{path} has format {version}; this version of tocsin reads up to {len(STEPS)}: upgrade it")
    strange = db.pragma("application_id") != APPLICATION_ID
    if strange and db.execute("SELECT count(*) FROM sqlite_schema").get:
        raise Permanent(f"{path} is a database, but not of tocsin")


def _migrate(db: apsw.Connection) -> None:
    """Bring the tables to the newest format, in one transaction."""
    version = db.pragma("user_version")
    if version == len(STEPS):
        return
    with transaction(db):
        for step in STEPS[version:]:
            db.execute(step)
        db.execute("INSERT OR IGNORE INTO meta VALUES ('secret', ?)", (secrets.token_bytes(32),))
        db.pragma("application_id", APPLICATION_ID)
        db.pragma("user_version", len(STEPS))


class Readers:
    """Reading connections, as many as there are threads reading at once."""

    def __init__(self, path: Path, vfs: str | None) -> None:
        """None is opened yet."""
        self._path = path
        self._vfs = vfs
        self._idle: deque[apsw.Connection] = deque()  # its append and pop are atomic
        self._closed = False

    @contextmanager
    def borrow(self) -> Iterator[apsw.Connection]:
        """A connection for this thread alone; each statement sees the last commit."""
        try:
            db = self._idle.pop()
        except IndexError:
            db = open_reader(self._path, self._vfs)
        try:
            yield db
        finally:
            if self._closed:
                db.close()
            else:
                self._idle.append(db)

    def close(self) -> None:
        """Close those that nobody uses; the others close when they come back."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()


class Log:
    """The write-ahead log: how long it is, and when it is copied into the database. Of the writer's thread."""

    def __init__(self, db: apsw.Connection, pages_max: int) -> None:
        """Follow the commits of this connection; over `pages_max` pages of 4 KiB the log is copied."""
        self._db = db
        self._pages_max = pages_max
        self._pages = 0
        db.set_wal_hook(self._on_commit)

    def _on_commit(self, _db: apsw.Connection, _name: str, pages: int) -> int:
        """SQLite tells how long the log is after each commit."""
        self._pages = pages
        return int(apsw.SQLITE_OK)

    def checkpoint(self, idle: bool) -> None:  # noqa: FBT001  # called by position through Work
        """Copy the log into the database when it is long, or when there is nothing better to do."""
        if self._pages > (0 if idle else self._pages_max):
            self._pages = 0  # until the next commit says otherwise
            self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)

    def copy_all(self) -> None:
        """Leave an empty log behind, at the end."""
        self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
