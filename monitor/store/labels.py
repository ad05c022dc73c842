"""Labels that hold, and labels that wait for their prediction.

One current label per (model, id hash, source): a correction replaces it in place. `time` is the prediction's, so that a
label is forgotten together with its receipt. Waiting labels are bounded per model; over the bound the longest-waiting
go first, because a prediction that has not come for longest is the least likely to come; but those of trusted sources
go last, or any source could push the truth out. They are found in the order in which they came, because the first
trusted one becomes the truth (`turns.labels`).

Rows are 40 bytes and clustered by hash: a lookup is one descent. They are made ready and sorted before the transaction
(`prepared`), so that the writer goes through the tree once, in order: 200,000 upserts among 1,000,000 labels hold it
for 0.6 s of CPU, unsorted 2.1 s (2026-11, two cores). No index by time: it cost as much again, and all it served was
forgetting, which walks the table instead (`LabelWalk`). Hashes are random, so beyond tens of millions of labels every
upsert touches a page of its own; then labels should become runs, as receipts are.
"""

from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

import apsw
import numpy as np
from numpy.typing import NDArray

from monitor.facts import ModelName
from monitor.store.connections import transaction
from monitor.store.protocol import StoredLabel, WaitingLabel

SIGN = 1 << 63
KEY = itemgetter(0, 1, 2)  # model, hash, source
WALKED = 2_000  # rows looked at in one step: about 3 ms
WALK_EVERY_S = 3_600.0  # event time: a hundredth of the shortest horizon in use is forgotten at once

ANY_LABEL = "SELECT EXISTS (SELECT 1 FROM labels WHERE model = ?)"
ANY_WAITING = "SELECT EXISTS (SELECT 1 FROM waiting WHERE model = ?)"
FIND_LABELS = (
    "SELECT t.hash, source, label, weight, labelled, time FROM carray(?) c CROSS JOIN labels t "
    "ON t.model = ? AND t.hash = c.value ORDER BY t.hash, t.source"
)
FIND_WAITING = (
    "SELECT t.hash, source, label, time, arrival, expires, trusted, place FROM carray(?) c CROSS JOIN waiting t "
    "ON t.model = ? AND t.hash = c.value ORDER BY t.hash, t.place, t.arrival, t.source"
)


def signed(value: int) -> int:
    """An unsigned 64-bit hash as SQLite keeps it."""
    return value - 2 * SIGN if value >= SIGN else value


def unsigned(value: int) -> int:
    """And back."""
    return value + 2 * SIGN if value < 0 else value


class LabelRows(NamedTuple):
    """Labels as they are written: rows of their tables, in the order of their keys."""

    labels: list[tuple[Any, ...]]
    waiting: list[tuple[Any, ...]]


def prepared(labels: Iterable[StoredLabel], waiting: Iterable[WaitingLabel]) -> LabelRows:
    """On the calling thread, so that the writer is left with the writing. Of equal keys the last is written last."""
    held = [
        (x.model, signed(x.hash), x.source, float(x.label), x.weight, float(x.labelled), float(x.time)) for x in labels
    ]
    waits = [
        (
            x.model,
            signed(x.hash),
            x.source,
            float(x.label),
            float(x.time),
            float(x.arrival),
            float(x.expires),
            x.trusted,
            x.place,
        )
        for x in waiting
    ]
    return LabelRows(sorted(held, key=KEY), sorted(waits, key=KEY))


def put_labels(db: apsw.Connection, rows: Iterable[tuple[Any, ...]]) -> None:
    """Inside the fold's transaction."""
    db.executemany(
        "INSERT INTO labels VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE "
        "SET label = excluded.label, weight = excluded.weight, labelled = excluded.labelled, time = excluded.time",
        rows,
    )


def put_waiting(db: apsw.Connection, rows: Sequence[tuple[Any, ...]], rows_max: int) -> int:
    """Inside the fold's transaction; returns how many were dropped over `rows_max` of a model."""
    db.executemany(
        "INSERT INTO waiting VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET label = excluded.label, "
        "arrival = excluded.arrival, expires = excluded.expires, trusted = excluded.trusted",
        rows,
    )
    dropped = 0
    for model in sorted({row[0] for row in rows}):
        over = max(0, db.execute("SELECT count(*) FROM waiting WHERE model = ?", (model,)).get - rows_max)
        db.execute(
            "DELETE FROM waiting WHERE (model, hash, source) IN (SELECT model, hash, source FROM waiting "
            "WHERE model = ? ORDER BY trusted, arrival, hash, source LIMIT ?)",
            (model, over),
        )
        dropped += over
    return dropped


def count_waiting(db: apsw.Connection) -> int:
    """How many labels wait, of all models: a scan of an index, 1 ms at its bound of 100,000."""
    count: int = db.execute("SELECT count(*) FROM waiting").get
    return count


def end_waiting(db: apsw.Connection, done: Iterable[tuple[ModelName, int, str]], now: float | None) -> int:
    """Inside the fold's transaction; returns how many had waited long enough at `now`."""
    db.executemany(
        "DELETE FROM waiting WHERE model = ? AND hash = ? AND source = ?",
        [(model, signed(value), source) for model, value, source in done],
    )
    if now is None:
        return 0
    db.execute("DELETE FROM waiting WHERE expires <= ?", (now,))
    return db.changes()


def find_labels(db: apsw.Connection, model: ModelName, hashes: NDArray[np.uint64], horizon: float) -> list[StoredLabel]:
    """See Store.find_labels."""
    return [
        StoredLabel(model, unsigned(value), source, label, weight, labelled, time)
        for value, source, label, weight, labelled, time in _lookup(db, ANY_LABEL, FIND_LABELS, model, hashes)
        if time >= horizon
    ]


def find_waiting(db: apsw.Connection, model: ModelName, hashes: NDArray[np.uint64]) -> list[WaitingLabel]:
    """See Store.find_waiting."""
    return [
        WaitingLabel(model, unsigned(value), source, label, time, arrival, expires, bool(trusted), place)
        for value, source, label, time, arrival, expires, trusted, place in _lookup(
            db, ANY_WAITING, FIND_WAITING, model, hashes
        )
    ]


def _lookup(
    db: apsw.Connection, any_row: str, query: str, model: ModelName, hashes: NDArray[np.uint64]
) -> list[tuple[Any, ...]]:
    """What `query` finds for one model's hashes; nothing at once where `any_row` finds nothing."""
    if not len(hashes) or not db.execute(any_row, (model,)).get:
        return []
    wanted = np.unique(np.ascontiguousarray(hashes).view(np.int64))
    return db.execute(query, (apsw.carray(wanted), model)).fetchall()


class LabelWalk:
    """Forgets labels from before the horizon by walking through all of them, a chunk at a time.

    Readers are already told not to see them, so it is in no hurry: a walk begins when the horizon has moved by
    `WALK_EVERY_S` since the last one began, or at the first move after a start.
    """

    def __init__(self, db: apsw.Connection) -> None:
        """Nothing is to be done yet."""
        self._db = db
        self._begun = 0.0
        self._at: tuple[str, int, str] | None = None  # None: no walk is under way

    def due(self, horizon: float) -> bool:
        """Whether `step` is to be called: a walk is under way, or begins now."""
        if self._at is None and horizon > 0 and (not self._begun or horizon >= self._begun + WALK_EVERY_S):
            self._at, self._begun = ("", -SIGN, ""), horizon
        return self._at is not None

    def step(self) -> bool:
        """One chunk, one commit, on the writer's thread; True if there may be more."""
        if self._at is None:
            return False
        rows: list[Any] = self._db.execute(
            "SELECT model, hash, source, time FROM labels WHERE (model, hash, source) > (?, ?, ?) "
            "ORDER BY model, hash, source LIMIT ?",
            (*self._at, WALKED),
        ).fetchall()
        old = [row[:3] for row in rows if row[3] < self._begun]
        if old:
            with transaction(self._db):
                self._db.executemany("DELETE FROM labels WHERE model = ? AND hash = ? AND source = ?", old)
        self._at = rows[-1][:3] if len(rows) == WALKED else None
        return self._at is not None
