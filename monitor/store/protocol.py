"""The store as the rest of the daemon sees it: one Protocol, and the values that cross it.

Two ways in. `append` is for the event loop: it queues rows and hands back a future that resolves after the fsync of
the group they were committed with. `commit` is for turns: one `Change`, one transaction, all or nothing.

What is forgotten is said by the turn in event time (`Change.horizon`, `Change.now`, `Change.consumed`) and hidden from
readers from that commit on, whenever the space is really freed: so a restart or another replay speed changes no answer.
"""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from monitor.facts import JournalRecord, ModelName, PaneKey, Submission

Fact = TypeVar("Fact", bound=msgspec.Struct)


class Receipts(msgspec.Struct, frozen=True, eq=False):
    """What a late label will need of newly folded predictions of one model; in any order, each hash once.

    `records` is packed and structured, without object fields; the field `time` (f8, the prediction's) is required,
    because it decides when the receipt is forgotten.
    """

    model: ModelName
    hashes: NDArray[np.uint64]  # shape (n,)
    records: NDArray[np.void]  # shape (n,), see monitor.panes.receipts

    __hash__ = None  # type: ignore[assignment]  # mutable buffers lie underneath


class Samples(msgspec.Struct, frozen=True, eq=False):
    """Rows of newly folded predictions of one model that are kept as they came: a table with a column `time` (f8)."""

    model: ModelName
    table: pa.Table  # see monitor.panes.sample_rows

    __hash__ = None  # type: ignore[assignment]  # tables have no hash


class SampleFile(NamedTuple):
    """One Parquet file of kept rows; its rows lie in [start, end] and in no order."""

    path: Path
    start: float
    end: float
    rows: int
    size: int  # bytes


class StoredLabel(NamedTuple):
    """The label that holds now for one prediction, as said by one source. A correction replaces it."""

    model: ModelName
    hash: int  # of the prediction's id, unsigned 64-bit
    source: str
    label: float  # as of facts.Label
    weight: int  # what it moved, in numbers of monitor.turns.labels: what a correction must take back
    labelled: float  # the label's own time
    time: float  # the prediction's: the label is forgotten with its receipt


class WaitingLabel(NamedTuple):
    """A label whose prediction is not known yet. One per (model, hash, source); the later replaces the earlier.

    But it keeps the time and the place of the first: a correction changes neither how late a label was nor who was
    first to say something of the prediction.
    """

    model: ModelName
    hash: int  # of the prediction's id, unsigned 64-bit
    source: str
    label: float
    time: float  # the label's own
    arrival: float
    expires: float  # event time at which nobody waits any longer
    trusted: bool = True  # over the bound, others are dropped first
    place: int = 0  # ascending in the order in which labels came, over all folds


class Change(msgspec.Struct, frozen=True, eq=False):
    """Everything one turn wants to be true at once. An empty field changes nothing."""

    fold: int | None = None  # number of this fold, greater than every earlier one; needed for `deltas`
    cursor: int | None = None  # journal records <= this are folded, and are deleted in chunks afterwards
    deltas: Sequence[tuple[PaneKey, bytes]] = ()  # encoded panes to add
    receipts: Sequence[Receipts] = ()
    samples: Sequence[Samples] = ()
    labels: Sequence[StoredLabel] = ()  # upserts
    waiting: Sequence[WaitingLabel] = ()  # upserts; over the bound untrusted ones go, then the longest-waiting
    waiting_done: Sequence[tuple[ModelName, int, str]] = ()  # (model, hash, source): no longer waiting; before upserts
    puts: Sequence[tuple[str, msgspec.Struct]] = ()  # documents, by (type name, key)
    deletes: Sequence[tuple[type[msgspec.Struct], str]] = ()  # before the puts
    consumed: int | None = None  # `touched` and `delta` will not be asked again for folds <= this
    horizon: float | None = None  # event time: receipts, labels and pane detail before it are forgotten
    now: float | None = None  # event time: labels that wait until then or earlier are given up, counted


class Kept(NamedTuple):
    """What is left of one model's receipts."""

    rows: int
    dropped: int  # by thinning, of the time that is still remembered
    size: int  # bytes
    inclusion_min: float  # of what was thinned most; 1.0: nothing is missing


class Sampled(NamedTuple):
    """What is kept of one model's rows, and what was lost of it since start."""

    files: int
    rows: int
    size: int  # bytes
    over_quota: int  # rows dropped over the quota
    lost: int  # rows in files that were gone or damaged


class Position(msgspec.Struct, frozen=True):
    """How far the store has come. Nothing here ever goes back."""

    fold: int = 0  # the last one committed; 0 = none
    cursor: int = 0  # the last journal record folded
    consumed: int = 0  # folds whose single deltas are forgotten
    horizon: float = 0.0
    now: float = 0.0  # event time that was said last: it tells which samples are too old


class Health(msgspec.Struct, frozen=True):
    """What the self-metrics show. Reading it touches no table: it also answers when the store has failed."""

    failed: str  # why nothing works any more; "" = it works
    heartbeat: float  # Clock.monotonic() when the writer last came round; it does at least every second
    queue_submissions: int  # waiting for their commit
    queue_bytes: int
    commits: int  # since start: groups of submissions, and changes
    commit_seconds_sum: float
    commit_seconds_max: float  # since start
    journal_rows: int  # committed and not folded
    journal_bytes: int
    oldest_arrival: float | None  # of these rows
    free_bytes: int  # of the file system
    free_bytes_min: int  # below it, appends are refused
    db_bytes: int  # state.db
    wal_bytes: int
    run_files: int  # of receipts
    run_rows: int
    run_bytes: int
    receipts: Mapping[ModelName, Kept]
    receipts_thinned: int  # dropped since start, over the quota
    samples: Mapping[ModelName, Sampled]
    refused_full: int  # submissions refused since start, for want of space
    waiting_dropped: int  # waiting labels dropped since start, over the bound
    waiting_expired: int  # and given up, their time being over
    waiting_labels: int  # that wait now, of all models
    keys_dropped: int  # idempotency keys dropped before their 24 h, over the bound
    braked: int  # groups of submissions that waited since start, because folds are behind
    upkeep_failures: int  # merges and deletions that failed since start; they are tried again


class Store(Protocol):
    """Thread-safe. Everything but `append` blocks; what it returns is committed, what it wrote is on disk.

    Any call raises `Permanent` once the store has failed (an fsync failed, the database is damaged), `Transient`
    when the disk is full, `Corrupt` where a file is damaged.
    """

    def append(self, submission: Submission) -> asyncio.Future[bytes | None]:
        """Queue rows on the running loop; the future resolves after their fsync.

        To None: written now. To bytes: the answer that an earlier request with the same idempotency key was given,
        and nothing was written. It raises `Rejected("idempotency_conflict")` when that request had another body, and
        `Transient` when the disk is nearly full, the queue is, or the store is stopping.
        """
        ...

    def last_seq(self) -> int:
        """Newest committed journal record; 0 = none ever."""
        ...

    def read_journal(self, upto: int, rows_max: int, after: int = 0) -> list[JournalRecord]:
        """Records after the cursor and `after`, oldest first, none after `upto`.

        At most `rows_max` rows, but one record if any; fewer where they lie in very many files.
        """
        ...

    def commit(self, change: Change) -> None:
        """Apply all of a change in one transaction. Asserts that fold, cursor, consumed and horizon only grow."""
        ...

    def position(self) -> Position:
        """How far the last commit got."""
        ...

    def facts(self, kind: type[Fact]) -> dict[str, Fact]:
        """All documents of one type, by key, in the order of their keys."""
        ...

    def panes(  # noqa: PLR0917  # the coordinates of a window
        self, model: ModelName, epoch: int, segment: str, reference: str, start: float, end: float
    ) -> list[tuple[PaneKey, bytes]]:
        """Encoded panes whose sum counts every pane with `start <= PaneKey.start < end`, of all replicas.

        Whole hours and days (UTC) come as one pane each, with the key of their beginning. On days before the horizon
        only whole days are known: a part of such a day counts as nothing, and so does a day
        that is older than the store keeps them.
        """
        ...

    def touched(self, since_fold: int) -> list[tuple[PaneKey, int]]:
        """Panes that got a delta in a fold > `since_fold` (>= consumed), with the last such fold; sorted."""
        ...

    def delta(  # noqa: PLR0917  # the coordinates of a delta
        self, model: ModelName, epoch: int, segment: str, reference: str, after_fold: int, upto_fold: int
    ) -> list[tuple[int, bytes]]:
        """Deltas by arrival, with the start of their pane: of folds in (`after_fold`, `upto_fold`], oldest first."""
        ...

    def find_receipts(
        self,
        model: ModelName,
        hashes: NDArray[np.uint64],
        dtype: np.dtype[Any],
        near: NDArray[np.float64] | None = None,
    ) -> tuple[NDArray[np.bool_], NDArray[np.void]]:
        """For k hashes: which are known (bool[k]) and their newest receipts as `dtype[k]`, zero where unknown.

        `near` f8[k] says where to look first, by the time of the prediction; NaN: anywhere. A wrong hint costs time and
        changes no answer. Records written with another dtype are converted by field name: a longer array field is cut,
        and what a record lacks is NaN of floats, the greatest value of integers.
        """
        ...

    def sampled_out(
        self, model: ModelName, hashes: NDArray[np.uint64], times: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        """Of hashes that `find_receipts` does not know: which were dropped over the quota, if `times` are right.

        False where nothing was dropped of that time, or the time (NaN) or its receipts are not known.
        """
        ...

    def receipts_kept_share(self, model: ModelName, start: float, end: float) -> float | None:
        """About which share of the receipts of predictions in [start, end) is still there; None: there were none."""
        ...

    def samples(self, model: ModelName, start: float, end: float) -> list[SampleFile]:
        """Files that may hold kept rows of predictions in [start, end), oldest first.

        A file may hold rows of other times as well. It stays readable for minutes, unless the quota drops it just then:
        who finds it gone asks again.
        """
        ...

    def find_labels(self, model: ModelName, hashes: NDArray[np.uint64]) -> list[StoredLabel]:
        """Current labels of these predictions, one per source, sorted by (hash as signed 64-bit, source)."""
        ...

    def find_waiting(self, model: ModelName, hashes: NDArray[np.uint64]) -> list[WaitingLabel]:
        """Labels that wait for one of these predictions, sorted by (hash as signed 64-bit, place)."""
        ...

    def secret(self) -> bytes:
        """32 random bytes, made once for this state: the key of all id hashes."""
        ...

    def health(self) -> Health:
        """Self-metrics."""
        ...

    def close(self) -> None:
        """Commit what is queued, stop. Safe to call twice."""
        ...
