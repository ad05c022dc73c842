"""The state of a daemon, read from beside: panes and facts, while it runs or after it stopped.

Nothing is written, locked or left behind. SQLite needs the log's index beside a database in WAL mode; while a daemon
runs it is there, and a log without one would be given one. A database that was closed for good has no log, and is read
as a file that nobody changes.

A statement sees one moment. Between two of them the daemon goes on, so what is read is asked for in pieces, each short:
a long read would keep its log from being copied back.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

import apsw

from monitor.errors import Corrupt, Permanent
from monitor.facts import ModelName, PaneKey
from monitor.store import documents, panes
from monitor.store.protocol import Fact
from monitor.store.tables import APPLICATION_ID, LOOKED_AT_FROM, STEPS

HOUR_S: Final = 3_600.0


class Looking:
    """A state directory that is looked at. Of one thread."""

    def __init__(self, db: apsw.Connection, path: Path) -> None:
        """Use `look_at`."""
        self._db, self._path = db, path

    def facts(self, kind: type[Fact]) -> dict[str, Fact]:
        """All documents of one type, by key."""
        return documents.read(self._db, kind, str(self._path))

    def detail_start(self) -> float:
        """Event time before which single panes are forgotten; only whole days are known there."""
        found = self._db.execute("SELECT value FROM meta WHERE name = 'horizon'").get
        return float(panes.detail_start(found or 0.0))

    def span(self, model: ModelName, epoch: int, reference: str) -> tuple[int, int] | None:
        """Beginnings of the first and the last single pane of an epoch in these bins; None: there are none."""
        found: tuple[int | None, int | None] | None = self._db.execute(
            "SELECT min(p.start), max(p.start) FROM panes p JOIN series s ON p.series = s.id "
            "WHERE s.model = ? AND s.epoch = ? AND s.segment = '' AND s.reference = ? AND p.span = 0",
            (model, epoch, reference),
        ).get
        if found is None or found[0] is None or found[1] is None:
            return None
        return found[0], found[1]

    def segments(self, model: ModelName, epoch: int, reference: str) -> tuple[str, ...]:
        """Segments that there are panes of, the whole ("") left out."""
        rows = self._db.execute(
            "SELECT DISTINCT segment FROM series WHERE model = ? AND epoch = ? AND reference = ? AND segment <> '' "
            "ORDER BY segment",
            (model, epoch, reference),
        )
        return tuple(segment for (segment,) in rows)

    def hours(
        self, of: tuple[ModelName, int, str, str], start: float, end: float
    ) -> Iterator[Sequence[tuple[PaneKey, bytes]]]:
        """Single panes of all replicas that begin in [start, end), ascending, an hour of time a piece."""
        at = start // HOUR_S * HOUR_S
        while at < end:
            piece = panes.Piece(0, max(at, start), min(at + HOUR_S, end))
            yield sorted(panes.read(self._db, of, [piece]), key=lambda each: each[0].start)
            at += HOUR_S


@contextmanager
def look_at(state_dir: Path) -> Iterator[Looking]:
    """Look at a state directory; Permanent where there is none of ours, Corrupt where it is damaged."""
    path = state_dir / "state.db"
    if not path.is_file():
        raise Permanent(f"{state_dir} holds no state of tocsin: there is no state.db")
    closed = "" if path.with_name("state.db-wal").exists() else "&immutable=1"
    try:
        db = apsw.Connection(
            f"file:{quote(str(path.absolute()))}?mode=ro{closed}",
            flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI,
        )
    except apsw.Error as error:
        raise Permanent(f"{path} cannot be opened: {type(error).__name__}") from error
    try:
        db.set_busy_timeout(5_000)
        if db.pragma("application_id") != APPLICATION_ID:
            raise Permanent(f"{path} is a database, but not of tocsin")
        version = db.pragma("user_version")
        if not LOOKED_AT_FROM <= version <= len(STEPS):
            known = f"{LOOKED_AT_FROM} to {len(STEPS)}"
            raise Permanent(f"{path} has format {version}; this version of tocsin reads {known}")
        yield Looking(db, path)
    except (apsw.NotADBError, apsw.CorruptError) as error:
        raise Corrupt(str(path), 0, "it is damaged") from error
    except apsw.Error as error:
        raise Permanent(f"{path} cannot be read: {type(error).__name__}") from error
    finally:
        db.close()
