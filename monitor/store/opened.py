"""One state directory, opened: its lock, state.db, the directories beside it, and what is known of them in memory.

Opening is all or nothing: until the last step of it succeeds, whatever was opened is closed again, so that a directory
that was refused can be opened once it is mended. What is known in memory follows the transactions (see commits.py).
"""

import os
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw

from monitor.errors import Corrupt
from monitor.store import connections, journal, labels, panes, samples
from monitor.store.disk import lock
from monitor.store.parts import Limits, Parts, space
from monitor.store.protocol import Position
from monitor.store.receipts import ReceiptRuns
from monitor.store.records import SUFFIX as RECORDS_SUFFIX
from monitor.store.records import RecordFiles


@dataclass(slots=True)
class Opened:
    """What the threads of a store share. `db` and what writes through it belong to the writer's thread."""

    path: Path  # of state.db
    lock: int  # descriptor, held while it is open
    db: apsw.Connection  # the writing one
    readers: connections.Readers
    log: connections.Log
    space: journal.Space
    secret: bytes
    position: Position
    series: panes.SeriesIds
    walk: labels.LabelWalk
    runs: ReceiptRuns
    samples: samples.SampleFiles
    records: RecordFiles
    journal: journal.Journal
    waiting: int  # labels without a prediction, of all models
    swept: int  # files that no row named

    def spare_bytes(self) -> int:
        """Free space above the reserve."""
        return self.space.free_bytes() - self.space.free_bytes_min

    def close(self) -> None:
        """Nobody may use it any more."""
        self.readers.close()
        self.db.close()
        os.close(self.lock)


def open_state(state_dir: Path, parts: Parts, limits: Limits) -> Opened:
    """Open or make the state, all or nothing; blocks while a crash's log is recovered."""
    state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    path, room = state_dir / "state.db", space(state_dir, parts, limits)
    with ExitStack() as undo:
        held = lock(state_dir / "lock")
        undo.callback(os.close, held)
        _refuse_lost(path, state_dir)
        db = connections.open_writer(path, parts.vfs)
        undo.callback(db.close)
        opened = _load(db, path, held, parts, limits, room)
        undo.pop_all()
    return opened


def _load(  # noqa: PLR0917  # what its caller has opened so far
    db: apsw.Connection, path: Path, held: int, parts: Parts, limits: Limits, room: journal.Space
) -> Opened:
    """Read what an earlier run left, and sweep what it left by half."""
    state_dir, disk = path.parent, parts.disk
    meta: dict[str, Any] = dict(db.execute("SELECT name, value FROM meta"))
    runs = ReceiptRuns(state_dir / "receipts", disk)
    kept = samples.SampleFiles(state_dir / "samples", disk, parts.clock)
    records = RecordFiles(state_dir / "journal", disk)
    swept = runs.load(db.execute("SELECT name, model, level, born FROM runs"))
    strays, lost = kept.load(db.execute("SELECT * FROM samples"))
    db.executemany(samples.TABLE.delete, [(entry.name,) for entry in lost])
    swept += strays + records.sweep(name for (name,) in db.execute(journal.FILES))
    files = journal.Files(records, limits.file_bytes_min)
    bounds = journal.KeyBounds(limits.keys_kept_s, limits.keys_max)
    return Opened(
        path=path,
        lock=held,
        db=db,
        readers=connections.Readers(path, parts.vfs),
        log=connections.Log(db, limits.wal_pages_max),
        space=room,
        secret=meta.pop("secret"),
        position=Position(**meta),
        series=panes.SeriesIds(db),
        walk=labels.LabelWalk(db),
        runs=runs,
        samples=kept,
        records=records,
        journal=journal.Journal(db, files, parts.encode, parts.clock, room, bounds),
        waiting=labels.count_waiting(db),
        swept=swept,
    )


def size_of(path: Path) -> int:
    """Bytes of a file; 0 if there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _refuse_lost(path: Path, state_dir: Path) -> None:
    """Corrupt if the database is gone and its files are left: a new one would forget rollbacks, latch, labels, rows."""
    if size_of(path):
        return
    for what, pattern in (("receipts are", "receipts/*.run"), ("records are", f"journal/*{RECORDS_SUFFIX}")):
        if any(state_dir.glob(pattern)):
            hint = f"it is gone or empty, but its {what} there; restore it, or start a new state"
            raise Corrupt(str(path), 0, hint)
