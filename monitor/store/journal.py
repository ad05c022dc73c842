"""The durable intake: submissions become journal records, one per (kind, model) and commit.

    journal   seq | kind | model | rows | bytes | arrival of the first row | body (monitor.panes.batch), or its file
    keys      (token, key) -> digest of the body, answer, wall time

A group is encoded before its transaction begins. Where rows of several submissions do not encode together, each is
encoded alone, and only the culprit fails. Where the records of a group are large, they go into a file (records.py), and
the table says where. Records and idempotency keys are one transaction, so a retry after a crash
finds either both or none. Two requests with one key inside one group count once: the second gets the first's answer.
`seq` is never reused: it goes on from the largest of the records and the cursor.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import takewhile
from typing import Any, NamedTuple, TypeAlias

import apsw

from monitor.clock import Clock
from monitor.errors import Rejected, Transient
from monitor.facts import Idempotency, JournalRecord, Label, ModelName, Prediction, RowKind, Submission
from monitor.store.connections import transaction
from monitor.store.faults import RETRY_S, Failed, attempt
from monitor.store.records import Place, RecordFiles
from monitor.store.writer import Answer

Rows: TypeAlias = list[Prediction] | list[Label]
Encode: TypeAlias = Callable[[RowKind, ModelName, Rows], bytes]

IDEMPOTENCY_CONFLICT = "idempotency_conflict"
FILES_MAX = 256  # mapped by one reading: 32 MiB at least, and far from the 65,530 mappings that a process may have
PRUNED_KEYS = 1_000  # in one step: about a millisecond
CURSOR = "SELECT coalesce((SELECT value FROM meta WHERE name = 'cursor'), 0)"
FILES = "SELECT DISTINCT file FROM journal WHERE file IS NOT NULL"
UNFOLDED = (
    "SELECT seq, kind, model, rows, bytes, file, at, body FROM journal WHERE seq <= ? AND seq > "
    "max(?, coalesce((SELECT value FROM meta WHERE name = 'cursor'), 0)) ORDER BY seq"
)


class Files(NamedTuple):
    """Where large records lie, and what is large."""

    records: RecordFiles
    bytes_min: int  # of the records of a group together


class Space(NamedTuple):
    """How much is left, and how much of it intake must leave alone."""

    free_bytes: Callable[[], int]
    free_bytes_min: int


class KeyBounds(NamedTuple):
    """How long idempotency keys are kept, and how many at most (the oldest go first)."""

    kept_s: float
    keys_max: int


class Draft(NamedTuple):
    """A record that has no number yet."""

    kind: RowKind
    model: ModelName
    rows: int
    arrival: float
    body: bytes


class Settled(NamedTuple):
    """A group after its idempotency keys were looked up."""

    answers: list[Answer]  # None: still to be written, or written
    fresh: list[int]  # what is to be written
    repeats: dict[int, tuple[Idempotency, int]]  # repetitions of something fresh: what, and its index


class Unfolded(NamedTuple):
    """A committed record that no fold has taken yet."""

    seq: int
    rows: int
    size: int
    arrival: float


class Lag:
    """What waits for the fold. Changed by the writer only; reading it needs no table."""

    def __init__(self, records: Sequence[Unfolded]) -> None:
        """Begin with what an earlier run left."""
        self._records: deque[Unfolded] = deque()
        self.rows = 0
        self.size = 0
        for record in records:
            self.add(record)

    def add(self, record: Unfolded) -> None:
        """A record was committed."""
        self._records.append(record)
        self.rows += record.rows
        self.size += record.size

    def fold(self, cursor: int) -> None:
        """Records <= cursor were folded."""
        while self._records and self._records[0].seq <= cursor:
            record = self._records.popleft()
            self.rows -= record.rows
            self.size -= record.size

    @property
    def oldest_arrival(self) -> float | None:
        """Of the first record; None when nothing waits."""
        try:
            return self._records[0].arrival
        except IndexError:
            return None


class Journal:
    """Writes records, on the writer's thread. `last_seq`, `lag` and the counters may be read from any."""

    def __init__(  # noqa: PLR0917  # one object that hands in all of these would say no more
        self, db: apsw.Connection, files: Files, encode: Encode, clock: Clock, space: Space, bounds: KeyBounds
    ) -> None:
        """Go on where an earlier run stopped."""
        cursor = db.execute(CURSOR).get
        unfolded = db.execute("SELECT seq, rows, bytes, arrival FROM journal WHERE seq > ? ORDER BY seq", (cursor,))
        self.lag = Lag([Unfolded(*row) for row in unfolded])
        self.last_seq: int = db.execute("SELECT max(coalesce(max(seq), 0), ?) FROM journal", (cursor,)).get
        self.refused_full = 0
        self.keys_dropped = 0
        self._db = db
        self._files = files
        self._encode = encode
        self._clock = clock
        self._space = space
        self._bounds = bounds

    def write(self, group: Sequence[Submission]) -> list[Answer]:
        """Commit a group; an answer for each submission. An apsw.Error means that nothing of the group is written."""
        if self._space.free_bytes() < self._space.free_bytes_min:
            self.refused_full += len(group)
            return [Transient("the disk is nearly full", RETRY_S) for _ in group]
        settled = self._settle(group)
        drafts = self._draft(group, settled)
        written = [group[index].idempotency for index in settled.fresh if settled.answers[index] is None]
        self._commit(drafts, [claim for claim in written if claim])
        for index, (claim, holder) in settled.repeats.items():
            answer = settled.answers[holder]
            settled.answers[index] = claim.answer if answer is None else answer
        return settled.answers

    def prune_keys(self) -> bool:
        """Delete a chunk of idempotency keys that are too old or too many; True if there may be more."""
        newest = self._db.execute("SELECT coalesce(max(id), 0) FROM keys").get
        old = self._clock.wall() - self._bounds.kept_s
        over = newest - self._bounds.keys_max
        cursor: Iterable[Any] = self._db.execute("SELECT id, at FROM keys ORDER BY id LIMIT ?", (PRUNED_KEYS,))
        gone = list(takewhile(lambda row: row[1] < old or row[0] <= over, cursor))  # ids count up as time goes on
        del cursor  # it stopped half-way, and its statement must not outlive the deletion
        if gone:
            self._db.execute("DELETE FROM keys WHERE id <= ?", (gone[-1][0],))
            self.keys_dropped += sum(at >= old for _, at in gone)
        return len(gone) == PRUNED_KEYS

    def _settle(self, group: Sequence[Submission]) -> Settled:
        """Look up idempotency keys, in the table and among the submissions before."""
        settled = Settled([None] * len(group), [], {})
        holders: dict[tuple[str, str], tuple[Idempotency, int | None]] = {}
        for index, submission in enumerate(group):
            claim = submission.idempotency
            if claim is None:
                settled.fresh.append(index)
                continue
            scoped = (claim.token, claim.key)
            if scoped not in holders:
                known = self._known(claim)
                holders[scoped] = (claim, index) if known is None else (known, None)
            holder, at = holders[scoped]
            if at == index:
                settled.fresh.append(index)
            elif holder.body_digest != claim.body_digest:
                settled.answers[index] = _conflict()
            elif at is None:
                settled.answers[index] = holder.answer
            else:
                settled.repeats[index] = (holder, at)
        return settled

    def _known(self, claim: Idempotency) -> Idempotency | None:
        """The earlier request with this key, if it is remembered."""
        row = self._db.execute(
            "SELECT digest, answer FROM keys WHERE token = ? AND key = ? AND at >= ?",
            (claim.token, claim.key, self._clock.wall() - self._bounds.kept_s),
        ).fetchone()
        return Idempotency(claim.token, claim.key, *row) if row else None

    def _draft(self, group: Sequence[Submission], settled: Settled) -> list[Draft]:
        """Encode what is written, together where possible; failures become answers."""
        parts: dict[tuple[RowKind, ModelName], list[int]] = {}
        for index in settled.fresh:
            if group[index].rows:
                parts.setdefault((group[index].kind, group[index].model), []).append(index)
        ready = (group[index] for index in settled.fresh)
        drafts = [
            Draft(each.kind, each.model, each.encoded.rows, each.encoded.arrival, each.encoded.body)
            for each in ready
            if each.encoded
        ]
        for indexes in parts.values():
            draft = self._encoded([group[index] for index in indexes])
            if isinstance(draft, Draft):
                drafts.append(draft)
                continue
            for index in indexes:
                alone = self._encoded([group[index]])
                if isinstance(alone, Failed):
                    settled.answers[index] = alone.error
                else:
                    drafts.append(alone)
        return drafts

    def _encoded(self, submissions: Sequence[Submission]) -> Draft | Failed:
        """One record of submissions of one kind and model."""
        head = submissions[0]
        rows: Rows = [row for submission in submissions for row in submission.rows]  # type: ignore[assignment]  # one kind
        body = attempt(lambda: self._encode(head.kind, head.model, rows))
        if isinstance(body, Failed):
            return body
        return Draft(head.kind, head.model, len(rows), head.rows[0].arrival, body)

    def _commit(self, drafts: Sequence[Draft], keys: Sequence[Idempotency]) -> None:
        """One transaction, one fsync; none when there is nothing to write."""
        if not drafts and not keys:
            return
        numbered = list(enumerate(drafts, self.last_seq + 1))
        with self._filed(drafts) as places:
            for (seq, draft), place in zip(numbered, places, strict=True):
                head = (seq, draft.kind.value, draft.model, draft.rows, len(draft.body), draft.arrival)
                where = (None, None, draft.body) if place is None else (*place, b"")
                self._db.execute("INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", head + where)
            at = self._clock.wall()
            for key in keys:
                self._db.execute(
                    "REPLACE INTO keys (token, key, digest, answer, at) VALUES (?, ?, ?, ?, ?)",
                    (key.token, key.key, key.body_digest, key.answer, at),
                )
        for seq, draft in numbered:
            self.lag.add(Unfolded(seq, draft.rows, len(draft.body), draft.arrival))
        self.last_seq += len(drafts)

    @contextmanager
    def _filed(self, drafts: Sequence[Draft]) -> Iterator[Sequence[Place | None]]:
        """A transaction, and where the records lie that it is to name; None: in the table. Files come first."""
        places: list[Place] = []
        if sum(len(draft.body) for draft in drafts) >= self._files.bytes_min and drafts:
            places = self._files.records.write([draft.body for draft in drafts])
        try:
            with transaction(self._db):
                yield places or [None] * len(drafts)
        except BaseException:
            self._files.records.abandon(places)
            raise
        self._files.records.settle()


def read_journal(
    db: apsw.Connection, files: RecordFiles, upto: int, rows_max: int, after: int = 0
) -> list[JournalRecord]:
    """See Store.read_journal. A file is mapped once, however many of the records lie in it."""
    found, spans = _waiting(db, upto, rows_max, after)
    mapped: dict[str, memoryview] = {}
    records = []
    for seq, kind, model, count, size, name, at, body in found:
        if name is not None:
            start, end = spans[name]
            try:
                if name not in mapped:
                    mapped[name] = files.read(Place(name, start), end - start)
            except FileNotFoundError:
                if seq <= db.execute(CURSOR).get:  # folded and deleted since we asked
                    continue
                raise files.lost(Place(name, at)) from None
            body = mapped[name][at - start : at - start + size]  # noqa: PLW2901  # the same bytes, from where they lie
        records.append(JournalRecord(seq, RowKind(kind), ModelName(model), count, body))
    folded = db.execute(CURSOR).get  # a file that was written over before we had opened it is of a record up to here
    return [record for record in records if record.seq > folded]


def _waiting(
    db: apsw.Connection, upto: int, rows_max: int, after: int
) -> tuple[list[tuple[Any, ...]], dict[str, tuple[int, int]]]:
    """The rows of the next records; of each file where the first of its records begins and the last one ends."""
    found: list[tuple[Any, ...]] = []
    spans: dict[str, tuple[int, int]] = {}
    rows = 0
    for row in db.execute(UNFOLDED, (upto, after)):
        _, _, _, count, size, name, at, _ = row
        rows += count
        if found and (rows > rows_max or (name is not None and name not in spans and len(spans) == FILES_MAX)):
            break
        found.append(row)
        if name is not None:  # in a file records lie in the order of their numbers
            spans[name] = (spans.get(name, (at, 0))[0], at + size)
    return found, spans


def _conflict() -> Rejected:
    """The same key came with another body."""
    return Rejected(IDEMPOTENCY_CONFLICT, "this key was used for another body", "Idempotency-Key")
