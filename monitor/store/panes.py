"""Pane deltas and their sums.

A delta is kept by fold until the sequential detectors have consumed it (`deltas`). In the same transaction it is
added to three sums (`panes`): the pane as it came (span 0), its hour (3600) and its day (86400, UTC).
A sum counts every pane that *begins* in its span, so panes of any length add up, and a window is a few rows: a day of
one-minute panes at any offset is at most 60 minutes + 23 hours, any window at most 2 * 59 + 2 * 23 + its days.

Rejected: rolling up later, when a span is over. It saves two writes of a kilobyte per fold, and costs a state ("rolled
up already?") that every late row, restart and reader has to agree on. Cost here: a pane that a fold touches is three
sums of 0.03 ms (1,000 cells, measured 2026-11), on the thread of the turn, not the writer's.

On days before the horizon only day sums are kept: detail is neither read, nor added to, nor (after a while) there.
Days that are older than `panes.age_max` are forgotten in the same way, as a whole.
`series` numbers what panes have in common; a reference digest of 71 bytes would otherwise be in every key. A series of
which nothing is left is dropped: each activation begins new ones, and no old one ever goes on.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from typing import NamedTuple, TypeAlias

import apsw

from monitor.facts import ModelName, PaneKey

SumBodies: TypeAlias = Callable[[list[bytes]], bytes]
Series: TypeAlias = tuple[str, int, str, str, str]  # model, epoch, segment, reference, replica
Cell: TypeAlias = tuple[int, int, int]  # series id, span, start

HOUR = 3_600
DAY = 86_400
EMPTY_SERIES = (
    "DELETE FROM series WHERE id IN (SELECT s.id FROM series s WHERE NOT EXISTS (SELECT 1 FROM panes p "
    "WHERE p.series = s.id) AND s.id NOT IN (SELECT series FROM deltas) LIMIT ?) "
    "RETURNING model, epoch, segment, reference, replica"
)


class Piece(NamedTuple):
    """Sums of one span that begin in [start, end)."""

    span: int
    start: float
    end: float


class PaneWrites(NamedTuple):
    """What a fold will write."""

    series: list[tuple[int, Series]]  # all that are used: a known one may be dropped before the transaction begins
    deltas: list[tuple[int, int, int, bytes]]  # fold, series, start, body
    sums: list[tuple[int, int, int, bytes]]  # series, span, start, body


def detail_start(horizon: float) -> int:
    """Beginning of the first day whose single panes are known."""
    return math.floor(horizon / DAY) * DAY


def days_start(horizon: float, now: float, age_max_s: float) -> int:
    """Beginning of the first day that is not forgotten: all days of which single panes are known are there."""
    return min(math.floor((now - age_max_s) / DAY) * DAY, detail_start(horizon))


def cover(start: float, end: float, horizon: float, oldest: float = -math.inf) -> list[Piece]:
    """The fewest pieces that together count each pane in [start, end) once; days before the horizon only whole.

    `oldest` is where the first day begins that is not forgotten, at or before the horizon's.
    """
    detail, start = detail_start(horizon), max(start, oldest)
    first, last = math.ceil(start / DAY) * DAY, math.floor(min(end, detail) / DAY) * DAY
    whole = [Piece(DAY, first, last)] if first < last else []
    return whole + _tile(max(start, detail), end, (DAY, HOUR))


def _tile(start: float, end: float, spans: Sequence[int]) -> list[Piece]:
    """The largest span in the middle, smaller ones on both sides."""
    if start >= end:
        return []
    if not spans:
        return [Piece(0, start, end)]
    span, *smaller = spans
    first, last = math.ceil(start / span) * span, math.floor(end / span) * span
    if first >= last:
        return _tile(start, end, smaller)
    return [*_tile(start, first, smaller), Piece(span, first, last), *_tile(last, end, smaller)]


class SeriesIds:
    """Numbers of series. Given under the store's commit lock; changed by the writer, as it writes and drops their rows.

    A fold that is being prepared may hold a number that is dropped meanwhile. So no number is given to another series
    while the store is open, and a fold writes the row of every series it uses. After a restart the number of a dropped
    series may come again: nothing bears it any more.
    """

    def __init__(self, db: apsw.Connection) -> None:
        """Those of earlier runs."""
        rows = db.execute("SELECT model, epoch, segment, reference, replica, id FROM series")
        self._ids: dict[Series, int] = {(row[0], row[1], row[2], row[3], row[4]): row[5] for row in rows}
        self._last = max(self._ids.values(), default=0)

    def numbers(self, wanted: Iterable[Series]) -> dict[Series, int]:
        """The number of each; one that is new counts once its row is committed."""
        found = {series: self._ids.get(series) for series in wanted}
        new = count(self._last + 1)
        return {series: next(new) if number is None else number for series, number in found.items()}

    def adopt(self, committed: Iterable[tuple[int, Series]]) -> None:
        """Their rows are committed."""
        for number, series in committed:
            self._ids[series] = number
            self._last = max(self._last, number)

    def drop(self, db: apsw.Connection, chunk: int) -> bool:
        """Drop up to `chunk` series that have neither panes nor deltas; whether there may be more."""
        dropped = list(db.execute(EMPTY_SERIES, (chunk,)))
        for model, epoch, segment, reference, replica in dropped:
            del self._ids[model, epoch, segment, reference, replica]
        return len(dropped) == chunk


def prepare(
    db: apsw.Connection,
    *,
    ids: SeriesIds,
    add: SumBodies,
    fold: int,
    deltas: Iterable[tuple[PaneKey, bytes]],
    horizon: float,
    oldest: float,
) -> PaneWrites:
    """Add deltas to the sums as they are now. Nothing is written; nobody else may write panes meanwhile.

    A pane from before `oldest`, the first day that is not forgotten, is a delta and in no sum.
    """
    keyed = [((key.model, key.epoch, key.segment, key.reference, key.replica), key.start, body) for key, body in deltas]
    numbers = ids.numbers(series for series, _, _ in keyed)
    arrived: dict[Cell, list[bytes]] = {}
    for series, start, body in keyed:
        arrived.setdefault((numbers[series], 0, start), []).append(body)
    single = {cell: _total(add, bodies) for cell, bodies in arrived.items()}
    sums: dict[Cell, list[bytes]] = {}
    for (number, _, start), body in single.items():
        for span, begin in _spans(start, horizon, oldest):
            sums.setdefault((number, span, begin), []).append(body)
    return PaneWrites(
        [(number, series) for series, number in numbers.items()],
        [(fold, number, start, body) for (number, _, start), body in single.items()],
        [(*cell, _total(add, [*_stored(db, cell), *bodies])) for cell, bodies in sums.items()],
    )


def write(db: apsw.Connection, writes: PaneWrites) -> None:
    """Inside the fold's transaction."""
    db.executemany(
        "INSERT INTO series VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
        [(number, *key) for number, key in writes.series],
    )
    db.executemany("INSERT INTO deltas VALUES (?, ?, ?, ?)", writes.deltas)
    db.executemany(
        "INSERT INTO panes VALUES (?, ?, ?, ?) ON CONFLICT (series, span, start) DO UPDATE SET body = excluded.body",
        writes.sums,
    )


def read(
    db: apsw.Connection, of: tuple[ModelName, int, str, str], pieces: Sequence[Piece]
) -> list[tuple[PaneKey, bytes]]:
    """Sums of all replicas, in one statement so that all are of one moment."""
    if not pieces:
        return []
    select = (
        "SELECT s.replica, p.start, p.body FROM series s CROSS JOIN panes p ON p.series = s.id WHERE s.model = ?1 "
        "AND s.epoch = ?2 AND s.segment = ?3 AND s.reference = ?4 AND p.span = ? AND p.start >= ? AND p.start < ?"
    )
    values = [value for piece in pieces for value in piece]
    rows = db.execute(" UNION ALL ".join([select] * len(pieces)), (*of, *values))
    return [(PaneKey(*of, start, replica), body) for replica, start, body in rows]


def read_touched(db: apsw.Connection, since_fold: int) -> list[tuple[PaneKey, int]]:
    """See Store.touched; answered from the index alone."""
    rows = db.execute(
        "SELECT s.model, s.epoch, s.segment, s.reference, d.start, s.replica, max(d.fold) FROM deltas d "
        "JOIN series s ON s.id = d.series WHERE d.fold > ? GROUP BY d.series, d.start",
        (since_fold,),
    )
    return sorted((PaneKey(ModelName(model), *rest), fold) for model, *rest, fold in rows)


def read_delta(
    db: apsw.Connection, of: tuple[ModelName, int, str, str], after_fold: int, upto_fold: int
) -> list[tuple[int, bytes]]:
    """See Store.delta."""
    rows = db.execute(
        "SELECT d.start, d.body FROM deltas d WHERE d.fold > ? AND d.fold <= ? AND d.series IN (SELECT id FROM series "
        "WHERE model = ? AND epoch = ? AND segment = ? AND reference = ?) ORDER BY d.fold, d.series, d.start",
        (after_fold, upto_fold, *of),
    )
    return [(start, body) for start, body in rows]


def _spans(start: int, horizon: float, oldest: float) -> list[tuple[int, int]]:
    """The sums that a pane belongs to: (span, beginning)."""
    if start < oldest:
        return []
    day = (DAY, start // DAY * DAY)
    return [day] if start < detail_start(horizon) else [(0, start), (HOUR, start // HOUR * HOUR), day]


def _stored(db: apsw.Connection, cell: Cell) -> list[bytes]:
    """The body of a sum, if it exists."""
    return [body for (body,) in db.execute("SELECT body FROM panes WHERE series = ? AND span = ? AND start = ?", cell)]


def _total(add: SumBodies, bodies: list[bytes]) -> bytes:
    """Sum of at least one body."""
    return bodies[0] if len(bodies) == 1 else add(bodies)
