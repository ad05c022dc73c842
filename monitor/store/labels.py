"""Labels that hold, and labels that wait for their prediction.

One current label per (model, id hash, source): a correction replaces it in place. `time` is the prediction's, so that a
label is forgotten together with its receipt. Waiting labels are bounded per model; over the bound the longest-waiting
go first, because a prediction that has not come for longest is the least likely to come.

Rows are 40 bytes and clustered by hash: a lookup is one descent. Hashes are random, so beyond tens of millions of
labels every upsert touches a page of its own; then labels should become runs, as receipts are.
"""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import apsw
import numpy as np
from numpy.typing import NDArray

from monitor.facts import ModelName
from monitor.store.protocol import StoredLabel, WaitingLabel

L = TypeVar("L", StoredLabel, WaitingLabel)

SIGN = 1 << 63

ANY_LABEL = "SELECT EXISTS (SELECT 1 FROM labels WHERE model = ?)"
ANY_WAITING = "SELECT EXISTS (SELECT 1 FROM waiting WHERE model = ?)"
FIND_LABELS = (
    "SELECT t.hash, source, label, weight, labelled, time FROM carray(?) c CROSS JOIN labels t "
    "ON t.model = ? AND t.hash = c.value ORDER BY t.hash, t.source"
)
FIND_WAITING = (
    "SELECT t.hash, source, label, time, arrival, expires FROM carray(?) c CROSS JOIN waiting t "
    "ON t.model = ? AND t.hash = c.value ORDER BY t.hash, t.source"
)


def signed(value: int) -> int:
    """An unsigned 64-bit hash as SQLite keeps it."""
    return value - 2 * SIGN if value >= SIGN else value


def unsigned(value: int) -> int:
    """And back."""
    return value + 2 * SIGN if value < 0 else value


def put_labels(db: apsw.Connection, labels: Iterable[StoredLabel]) -> None:
    """Inside the fold's transaction."""
    db.executemany(
        "INSERT INTO labels VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE "
        "SET label = excluded.label, weight = excluded.weight, labelled = excluded.labelled, time = excluded.time",
        [(x.model, signed(x.hash), x.source, x.label, x.weight, float(x.labelled), float(x.time)) for x in labels],
    )


def put_waiting(db: apsw.Connection, waiting: Sequence[WaitingLabel], rows_max: int) -> int:
    """Inside the fold's transaction; returns how many were dropped over `rows_max` of a model."""
    db.executemany(
        "REPLACE INTO waiting VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (x.model, signed(x.hash), x.source, x.label, float(x.time), float(x.arrival), float(x.expires))
            for x in waiting
        ],
    )
    dropped = 0
    for model in sorted({label.model for label in waiting}):
        over = max(0, db.execute("SELECT count(*) FROM waiting WHERE model = ?", (model,)).get - rows_max)
        db.execute(
            "DELETE FROM waiting WHERE (model, hash, source) IN (SELECT model, hash, source FROM waiting "
            "WHERE model = ? ORDER BY arrival, hash, source LIMIT ?)",
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
        WaitingLabel(model, unsigned(value), *row)
        for value, *row in _lookup(db, ANY_WAITING, FIND_WAITING, model, hashes)
    ]


def _lookup(
    db: apsw.Connection, any_row: str, query: str, model: ModelName, hashes: NDArray[np.uint64]
) -> list[tuple[Any, ...]]:
    """What `query` finds for one model's hashes; nothing at once where `any_row` finds nothing."""
    if not len(hashes) or not db.execute(any_row, (model,)).get:
        return []
    wanted = np.unique(np.ascontiguousarray(hashes).view(np.int64))
    return db.execute(query, (apsw.carray(wanted), model)).fetchall()
