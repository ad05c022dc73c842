"""The embedded store: state.db, beside it large records, receipt runs and samples; two threads.

    event loop    append -> queue                                          Writer  the one writing connection
    turns         commit: files and sums first, then one transaction       Keeper  verifies, merges, drops runs
    any thread    reads, on a connection of its own while it reads

`commit` writes the files and adds up the panes on the calling thread; only commits change these, and `_turn`
lets one in at a time. The writer is left with the transaction. The position and the set of runs in memory follow the
transaction, never lead it. What a commit made superfluous is deleted by chores of the writer, all of which are
scheduled again at start.
"""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import apsw
import numpy as np
import structlog
from numpy.typing import NDArray

from monitor.errors import Corrupt
from monitor.facts import JournalRecord, ModelName, PaneKey, Submission
from monitor.store import connections, documents, journal, labels, panes, prune, samples
from monitor.store.disk import lock
from monitor.store.faults import Failed, Fault, attempt, diagnose
from monitor.store.keeper import Duties, Keeper
from monitor.store.named import Move, NamedFiles
from monitor.store.parts import Limits, Parts, space
from monitor.store.position import advanced
from monitor.store.protocol import Change, Fact, Health, Position, SampleFile, StoredLabel, WaitingLabel
from monitor.store.receipts import Entry, ReceiptRuns, together
from monitor.store.records import SUFFIX as RECORDS_SUFFIX
from monitor.store.records import RecordFiles
from monitor.store.samples import SampleEntry, SampleUpkeep
from monitor.store.writer import Reply, Work, Writer

T = TypeVar("T")
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Prepared:
    """A change, and what was made ready for its transaction."""

    change: Change
    position: Position
    runs: Sequence[Entry]
    samples: Sequence[SampleEntry]
    panes: panes.PaneWrites
    labels: labels.LabelRows
    puts: list[documents.Put]


class SqliteStore:
    """Store on one machine's disk; see Store for the contract of each method."""

    def __init__(self, state_dir: Path, parts: Parts, limits: Limits | None = None) -> None:
        """Open or make the state; blocks while a crash's log is recovered.

        Raises Permanent when another process holds it, a later version wrote it or it cannot be written, Corrupt when
        it is damaged, Transient when the disk is full.
        """
        self._parts, self._limits = parts, limits or Limits()
        self._path = state_dir / "state.db"
        self._turn = threading.Lock()
        self._wal_pages = 0
        self._waiting_dropped = self._waiting_expired = 0
        self._closed = False
        opened = attempt(lambda: self._open(state_dir))
        if isinstance(opened, Failed):
            raise self._diagnose(opened.error).error from opened.error

    def _open(self, state_dir: Path) -> None:
        """Open all or nothing."""
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._space = space(state_dir, self._parts, self._limits)
        with ExitStack() as undo:
            self._lock = lock(state_dir / "lock")
            undo.callback(os.close, self._lock)
            _refuse_lost(self._path, state_dir)
            self._db = connections.open_writer(self._path, self._parts.vfs)
            undo.callback(self._db.close)
            self._load(state_dir)
            undo.pop_all()

    def _load(self, state_dir: Path) -> None:
        """Read what an earlier run left, then start the threads; nothing can fail after that."""
        db, parts = self._db, self._parts
        meta = dict(db.execute("SELECT name, value FROM meta"))
        self._secret: bytes = meta.pop("secret")
        self._position = Position(**meta)
        self._waiting_labels = labels.count_waiting(db)
        self._series = panes.SeriesIds(db)
        self._walk = labels.LabelWalk(db)
        self._runs = ReceiptRuns(state_dir / "receipts", parts.disk)
        self._samples = samples.SampleFiles(state_dir / "samples", parts.disk, parts.clock)
        swept = self._runs.load(db.execute("SELECT name, model, level, born FROM runs"))
        strays, lost = self._samples.load(db.execute("SELECT * FROM samples"))
        db.executemany(samples.TABLE.delete, [(entry.name,) for entry in lost])
        bounds = journal.KeyBounds(self._limits.keys_kept_s, self._limits.keys_max)
        self._records = RecordFiles(state_dir / "journal", parts.disk)
        swept += self._records.sweep(name for (name,) in db.execute(journal.FILES))
        files = journal.Files(self._records, self._limits.file_bytes_min)
        self._journal = journal.Journal(db, files, parts.encode, parts.clock, self._space, bounds)
        self._readers = connections.Readers(self._path, parts.vfs)
        db.set_wal_hook(self._on_commit)
        work = Work(self._journal.write, self._checkpoint, self._diagnose, self._fatal, lambda: self._journal.lag.rows)
        self._writer = Writer(work, parts.clock, self._limits.pace)
        self._keeper = Keeper(self._runs, self._duties())
        self._schedule(Position())
        log.info("store.opened", path=str(self._path), unfolded_rows=self._journal.lag.rows, swept_files=swept + strays)

    def _duties(self) -> Duties:
        """What the keeper is to do, and with what."""
        quota = self._limits.quota
        rename = partial(self._rename, self._samples.files)
        upkeep = SampleUpkeep(rename, lambda model: quota(model).samples, lambda: self._position.now, self._spare_bytes)
        return Duties(
            self._rename_runs,
            lambda: self._position.horizon,
            self._spare_bytes,
            self._failed,
            lambda model: quota(model).receipts_bytes_max,
            partial(samples.tidy, self._samples, upkeep),
        )

    # ------------------------------------------------------------ writing

    def append(self, submission: Submission) -> Reply:
        """See Store."""
        return self._writer.append(submission)

    def commit(self, change: Change) -> None:
        """See Store."""
        with self._turn:
            before = self._position
            prepared = self._prepare(change, advanced(before, change, self._journal.last_seq))
            self._writer.run(partial(self._apply, prepared))
            self._schedule(before)
        self._keeper.kick()

    def _prepare(self, change: Change, position: Position) -> Prepared:
        """Everything that needs no transaction. Files written here count once they are named."""
        puts, rows = documents.encode(change.puts), labels.prepared(change.labels, change.waiting)
        add = partial(panes.prepare, ids=self._series, add=self._parts.sum_bodies, fold=position.fold)
        sums = self._read(lambda db: add(db, deltas=change.deltas, horizon=position.horizon))
        runs: list[Entry] = []
        kept: list[SampleEntry] = []
        written = attempt(partial(self._write_files, change, runs, kept))
        if isinstance(written, Failed):
            self._runs.files.remove(runs)
            self._samples.files.remove(kept)
            raise self._explained(written)
        return Prepared(change, position, runs, kept, sums, rows, puts)

    def _write_files(self, change: Change, runs: list[Entry], kept: list[SampleEntry]) -> None:
        """Files of receipts and samples; the lists grow by each, so that they can be taken back."""
        runs.extend(map(self._runs.write, together(change.receipts)))
        kept.extend(map(self._samples.write, samples.together(change.samples)))

    def _apply(self, prepared: Prepared) -> None:
        """The one transaction of a change, on the writer's thread."""
        db, change = self._db, prepared.change
        runs, kept = Move(self._runs.files, (), prepared.runs), Move(self._samples.files, (), prepared.samples)
        with self._naming(runs, kept):
            panes.write(db, prepared.panes)
            expired = labels.end_waiting(db, change.waiting_done, change.now)
            dropped = labels.put_waiting(db, prepared.labels.waiting, self._limits.waiting_max)
            labels.put_labels(db, prepared.labels.labels)
            documents.write(db, change.deletes, prepared.puts)
            for name in Position.__struct_fields__:
                db.execute("REPLACE INTO meta VALUES (?, ?)", (name, getattr(prepared.position, name)))
        self._position = prepared.position
        self._series.adopt(prepared.panes.series)
        self._journal.lag.fold(prepared.position.cursor)
        self._waiting_expired += expired
        self._waiting_dropped += dropped
        if change.waiting or change.waiting_done or expired:
            self._waiting_labels = labels.count_waiting(db)

    @contextmanager
    def _naming(self, *moves: Move) -> Iterator[None]:
        """A transaction after which the `new` files of each move count and the `old` ones do not."""
        try:
            with connections.transaction(self._db):
                yield
                for move in moves:
                    move.write(self._db)
        except BaseException:
            for move in moves:
                move.files.abandon(move.new)
            raise
        for move in moves:
            move.files.replace(move.old, move.new)

    def _rename(self, files: NamedFiles[Any], old: Sequence[Any], new: Sequence[Any]) -> None:
        """For the keeper; the old files stay on disk."""

        def rename() -> None:
            with self._naming(Move(files, old, new)):
                pass

        self._writer.run(rename)

    def _rename_runs(self, old: Sequence[Entry], new: Sequence[Entry]) -> None:
        """For the keeper; the old runs go."""
        self._rename(self._runs.files, old, new)
        self._runs.files.remove(old)

    def _schedule(self, before: Position) -> None:
        """Have the writer delete what the move from `before` to the present position made superfluous."""
        for name, chore in prune.chores(self._db, self._records, before, self._position).items():
            self._writer.later(name, chore)
        if self._walk.due(self._position.horizon):
            self._writer.later("labels", self._walk.step)
        self._writer.later("keys", self._journal.prune_keys)

    def _on_commit(self, _db: apsw.Connection, _name: str, pages: int) -> int:
        """SQLite tells how long the log is after each commit."""
        self._wal_pages = pages
        return int(apsw.SQLITE_OK)

    def _checkpoint(self, idle: bool) -> None:  # noqa: FBT001  # called by position through Work
        """Copy the log into the database when it is long, or when there is nothing better to do."""
        if self._wal_pages > (0 if idle else self._limits.wal_pages_max):
            self._wal_pages = 0  # until the next commit says otherwise
            self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)

    # ------------------------------------------------------------ reading

    def last_seq(self) -> int:
        """See Store."""
        return self._journal.last_seq

    def position(self) -> Position:
        """See Store."""
        return self._position

    def secret(self) -> bytes:
        """See Store."""
        return self._secret

    def read_journal(self, upto: int, rows_max: int) -> list[JournalRecord]:
        """See Store."""
        return self._read(lambda db: journal.read_journal(db, self._records, upto, rows_max))

    def facts(self, kind: type[Fact]) -> dict[str, Fact]:
        """See Store."""
        return self._read(lambda db: documents.read(db, kind, str(self._path)))

    def panes(  # noqa: PLR0917  # as in Store
        self, model: ModelName, epoch: int, segment: str, reference: str, start: float, end: float
    ) -> list[tuple[PaneKey, bytes]]:
        """See Store."""
        pieces = panes.cover(start, end, self._position.horizon)
        return self._read(lambda db: panes.read(db, (model, epoch, segment, reference), pieces))

    def touched(self, since_fold: int) -> list[tuple[PaneKey, int]]:
        """See Store."""
        assert since_fold >= self._position.consumed, "the deltas of these folds are forgotten"
        return self._read(lambda db: panes.read_touched(db, since_fold))

    def delta(  # noqa: PLR0917  # as in Store
        self, model: ModelName, epoch: int, segment: str, reference: str, after_fold: int, upto_fold: int
    ) -> list[bytes]:
        """See Store."""
        assert after_fold >= self._position.consumed, "the deltas of these folds are forgotten"
        return self._read(lambda db: panes.read_delta(db, (model, epoch, segment, reference), after_fold, upto_fold))

    def find_receipts(
        self,
        model: ModelName,
        hashes: NDArray[np.uint64],
        dtype: np.dtype[Any],
        near: NDArray[np.float64] | None = None,
    ) -> tuple[NDArray[np.bool_], NDArray[np.void]]:
        """See Store."""
        self._writer.check()
        return self._runs.find(model, hashes, dtype, self._position.horizon, near)

    def sampled_out(
        self, model: ModelName, hashes: NDArray[np.uint64], times: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        """See Store."""
        self._writer.check()
        return self._runs.sampled_out(model, hashes, times)

    def receipts_kept_share(self, model: ModelName, start: float, end: float) -> float | None:
        """See Store."""
        self._writer.check()
        return self._runs.kept_share(model, start, end)

    def samples(self, model: ModelName, start: float, end: float) -> list[SampleFile]:
        """See Store."""
        self._writer.check()
        oldest = self._position.now - self._limits.quota(model).samples_age_max_s
        return self._samples.within(model, max(start, oldest), end)

    def find_labels(self, model: ModelName, hashes: NDArray[np.uint64]) -> list[StoredLabel]:
        """See Store."""
        return self._read(lambda db: labels.find_labels(db, model, hashes, self._position.horizon))

    def find_waiting(self, model: ModelName, hashes: NDArray[np.uint64]) -> list[WaitingLabel]:
        """See Store."""
        return self._read(lambda db: labels.find_waiting(db, model, hashes))

    def _read(self, query: Callable[[apsw.Connection], T]) -> T:
        """Run a query on a reading connection."""
        self._writer.check()

        def borrowed() -> T:
            with self._readers.borrow() as db:
                return query(db)

        result = attempt(borrowed)
        if isinstance(result, Failed):
            raise self._explained(result)
        return result

    # ------------------------------------------------------------ failing, ending

    def health(self) -> Health:
        """See Store."""
        writer, tally, lag, entries = self._writer, self._writer.tally, self._journal.lag, self._runs.files.every()
        return Health(
            failed=str(writer.failure or ""),
            heartbeat=tally.heartbeat,
            queue_submissions=writer.queue_submissions,
            queue_bytes=writer.queue_bytes,
            commits=tally.commits,
            commit_seconds_sum=tally.seconds_sum,
            commit_seconds_max=tally.seconds_max,
            journal_rows=lag.rows,
            journal_bytes=lag.size,
            oldest_arrival=lag.oldest_arrival,
            free_bytes=self._space.free_bytes(),
            free_bytes_min=self._space.free_bytes_min,
            db_bytes=_size(self._path),
            wal_bytes=_size(self._path.with_name(self._path.name + "-wal")),
            run_files=len(entries),
            run_rows=sum(entry.run.shape.rows for entry in entries),
            run_bytes=sum(entry.run.size for entry in entries),
            receipts=self._runs.kept(),
            receipts_thinned=self._runs.thinned,
            samples=self._samples.kept(),
            refused_full=self._journal.refused_full,
            waiting_dropped=self._waiting_dropped,
            waiting_expired=self._waiting_expired,
            waiting_labels=self._waiting_labels,
            keys_dropped=self._journal.keys_dropped,
            braked=tally.braked,
            upkeep_failures=tally.chore_failures + self._keeper.failures,
        )

    def close(self) -> None:
        """See Store."""
        if self._closed:
            return
        self._closed = True
        self._keeper.stop()
        self._writer.stop()
        if self._writer.failure is None:
            outcome = attempt(lambda: self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE))
            if isinstance(outcome, Failed):  # what is not copied now stays in the log for the next start
                self._explained(outcome)
        self._readers.close()
        self._db.close()
        os.close(self._lock)
        log.info("store.closed", path=str(self._path))

    def _diagnose(self, error: Exception) -> Fault:
        """See faults.diagnose."""
        return diagnose(error, str(self._path))

    def _explained(self, outcome: Failed) -> Exception:
        """The error of work on a calling thread, as its caller should see it; a fatal one fails the store."""
        fault = self._diagnose(outcome.error)
        if fault.fatal:
            self._writer.fail(fault.error)
        return fault.error

    def _failed(self, error: Exception) -> bool:
        """For the keeper: take note of its error; True if the store is finished."""
        log.warning("store.upkeep_failed", error=str(error))
        self._explained(Failed(error))
        return self._writer.failure is not None

    def _fatal(self, error: Exception) -> None:
        """The store has failed."""
        log.error("store.failed", error=str(error))
        self._parts.on_fatal(error)

    def _spare_bytes(self) -> int:
        """Free space above the reserve."""
        return self._space.free_bytes() - self._space.free_bytes_min


def _refuse_lost(path: Path, state_dir: Path) -> None:
    """Corrupt if the database is gone and its files are left: a new one would forget rollbacks, latch, labels, rows."""
    if _size(path):
        return
    for what, pattern in (("receipts are", "receipts/*.run"), ("records are", f"journal/*{RECORDS_SUFFIX}")):
        if any(state_dir.glob(pattern)):
            hint = f"it is gone or empty, but its {what} there; restore it, or start a new state"
            raise Corrupt(str(path), 0, hint)


def _size(path: Path) -> int:
    """Bytes of a file; 0 if there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
