"""Deletion of what a commit made superfluous, a chunk at a time, by the writer between other commits.

Readers are already told not to look there, so when a chunk is deleted changes no answer. A chunk is sized to take a few
milliseconds; freed pages are used again, the file does not shrink.
"""

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import apsw

from monitor.store.panes import SeriesIds, detail_start
from monitor.store.protocol import Position
from monitor.store.records import RecordFiles

Chore: TypeAlias = Callable[[], bool]  # one step; True if there may be more

RECORDS = "SELECT file FROM journal WHERE seq <= ? ORDER BY seq LIMIT ?"
RECORDS_CHUNK = 64  # a record in the table has up to 256 pages, all read to be freed
JOURNAL = "DELETE FROM journal WHERE seq IN (SELECT seq FROM journal WHERE seq <= ? ORDER BY seq LIMIT ?)"
DELTAS = "DELETE FROM deltas WHERE rowid IN (SELECT rowid FROM deltas WHERE fold <= ? LIMIT ?)"
PANES = (
    "DELETE FROM panes WHERE rowid IN (SELECT p.rowid FROM series s CROSS JOIN panes p ON p.series = s.id "
    "AND p.span IN (0, 3600) AND p.start < ? LIMIT ?)"
)

DAYS = (
    "DELETE FROM panes WHERE rowid IN (SELECT p.rowid FROM series s CROSS JOIN panes p ON p.series = s.id "
    "AND p.span = 86400 AND p.start < ? LIMIT ?)"
)
DAYS_CHUNK = 500


def chores(db: apsw.Connection, files: RecordFiles, before: Position, now: Position) -> dict[str, Chore]:
    """What there is to delete when the position has moved from `before` to `now`."""
    moved = {
        "deltas": (DELTAS, 500, before.consumed, now.consumed),
        "panes": (PANES, 500, detail_start(before.horizon), detail_start(now.horizon)),
    }
    found: dict[str, Chore] = {
        name: partial(_delete, db, statement, limit, chunk)
        for name, (statement, chunk, earlier, limit) in moved.items()
        if limit != earlier
    }
    if now.cursor != before.cursor:
        found["journal"] = partial(_delete_records, db, files, now.cursor)
    return found


def forget_days(db: apsw.Connection, series: SeriesIds, oldest: int) -> bool:
    """Delete sums of days before `oldest`; then, as all are gone, the series that nothing is left of."""
    return _delete(db, DAYS, oldest, DAYS_CHUNK) or series.drop(db, DAYS_CHUNK)


def _delete_records(db: apsw.Connection, files: RecordFiles, cursor: int) -> bool:
    """Delete folded records; then, as that is committed, the files that none is left in."""
    names = {name for (name,) in db.execute(RECORDS, (cursor, RECORDS_CHUNK)) if name is not None}
    more = _delete(db, JOURNAL, cursor, RECORDS_CHUNK)
    if names:  # the records of a file follow each other
        files.remove(names - {db.execute("SELECT file FROM journal ORDER BY seq LIMIT 1").get})
    return more


def _delete(db: apsw.Connection, statement: str, limit: float, chunk: int) -> bool:
    """Delete up to `chunk` rows, one commit; nothing is written when there are none."""
    db.execute(statement, (limit, chunk))
    return db.changes() == chunk
