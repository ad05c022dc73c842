"""The embedded store: state.db, beside it large records, receipt runs and samples; two threads.

    event loop    append -> queue                                          Writer  the one writing connection
    turns         commit: files and sums first, then one transaction       Keeper  verifies, merges, drops runs
    any thread    reads, on a connection of its own while it reads

What lies open is `Opened`, how a change becomes true `Commits`; here it is put together behind the Store. An error that
means the store is finished is told to the writer, whoever met it, and from then on every call says so. Chores that
delete what commits made superfluous are all scheduled again at start.
"""

import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import apsw
import numpy as np
import structlog
from numpy.typing import NDArray

from monitor.facts import JournalRecord, ModelName, PaneKey, Submission
from monitor.store import documents, journal, labels, panes, samples
from monitor.store.commits import Commits
from monitor.store.faults import Failed, Fault, attempt, diagnose
from monitor.store.keeper import Duties, Keeper
from monitor.store.named import Move, NamedFiles
from monitor.store.opened import open_state, size_of
from monitor.store.parts import Limits, Parts
from monitor.store.protocol import Change, Fact, Health, Position, SampleFile, StoredLabel, WaitingLabel
from monitor.store.receipts import Entry
from monitor.store.samples import SampleUpkeep
from monitor.store.writer import Reply, Work, Writer

T = TypeVar("T")
log = structlog.get_logger()


class SqliteStore:
    """Store on one machine's disk; see Store for the contract of each method."""

    def __init__(self, state_dir: Path, parts: Parts, limits: Limits | None = None) -> None:
        """Open or make the state and start the threads; blocks while a crash's log is recovered.

        Raises Permanent when another process holds it, a later version wrote it or it cannot be written, Corrupt when
        it is damaged, Transient when the disk is full.
        """
        self._parts, self._limits = parts, limits or Limits()
        self._turn = threading.Lock()
        self._closed = False
        opened = attempt(lambda: open_state(state_dir, parts, self._limits))
        if isinstance(opened, Failed):
            raise diagnose(opened.error, str(state_dir / "state.db")).error from opened.error
        self._opened = opened
        self._commits = Commits(opened, parts.sum_bodies, self._limits.waiting_max, self._limits.panes_age_max_s)
        lag = opened.journal.lag
        work = Work(opened.journal.write, opened.log.checkpoint, self._diagnose, self._fatal, lambda: lag.rows)
        self._writer = Writer(work, parts.clock, self._limits.pace)
        self._keeper = Keeper(opened.runs, self._duties())
        self._schedule(Position())
        log.info("store.opened", path=str(opened.path), unfolded_rows=lag.rows, swept_files=opened.swept)

    def _duties(self) -> Duties:
        """What the keeper is to do, and with what."""
        opened, quota = self._opened, self._limits.quota
        rename = partial(self._rename, opened.samples.files)
        upkeep = SampleUpkeep(
            rename, lambda model: quota(model).samples, lambda: opened.position.now, opened.spare_bytes
        )
        return Duties(
            self._rename_runs,
            lambda: opened.position.horizon,
            opened.spare_bytes,
            self._failed,
            lambda model: quota(model).receipts_bytes_max,
            partial(samples.tidy, opened.samples, upkeep),
        )

    # ------------------------------------------------------------ writing

    def append(self, submission: Submission) -> Reply:
        """See Store."""
        return self._writer.append(submission)

    def commit(self, change: Change) -> None:
        """See Store."""
        with self._turn:
            before = self._opened.position
            prepared = self._told(lambda: self._commits.prepare(change))
            self._writer.run(lambda: self._commits.apply(prepared))
            self._schedule(before)
        self._keeper.kick()

    def _rename(self, files: NamedFiles[Any], old: Sequence[Any], new: Sequence[Any]) -> None:
        """For the keeper; the old files stay on disk."""
        self._writer.run(partial(self._commits.rename, Move(files, old, new)))

    def _rename_runs(self, old: Sequence[Entry], new: Sequence[Entry]) -> None:
        """For the keeper; the old runs go."""
        self._rename(self._opened.runs.files, old, new)
        self._opened.runs.files.remove(old)

    def _schedule(self, before: Position) -> None:
        """Have the writer delete what the move from `before` to the present position made superfluous."""
        for name, chore in self._commits.chores(before).items():
            self._writer.later(name, chore)

    # ------------------------------------------------------------ reading

    def last_seq(self) -> int:
        """See Store."""
        return self._opened.journal.last_seq

    def position(self) -> Position:
        """See Store."""
        return self._opened.position

    def secret(self) -> bytes:
        """See Store."""
        return self._opened.secret

    def read_journal(self, upto: int, rows_max: int, after: int = 0) -> list[JournalRecord]:
        """See Store."""
        return self._read(lambda db: journal.read_journal(db, self._opened.records, upto, rows_max, after))

    def facts(self, kind: type[Fact]) -> dict[str, Fact]:
        """See Store."""
        return self._read(lambda db: documents.read(db, kind, str(self._opened.path)))

    def panes(  # noqa: PLR0917  # as in Store
        self, model: ModelName, epoch: int, segment: str, reference: str, start: float, end: float
    ) -> list[tuple[PaneKey, bytes]]:
        """See Store."""
        position = self._opened.position
        pieces = panes.cover(start, end, position.horizon, self._commits.days_start(position))
        return self._read(lambda db: panes.read(db, (model, epoch, segment, reference), pieces))

    def touched(self, since_fold: int) -> list[tuple[PaneKey, int]]:
        """See Store."""
        assert since_fold >= self._opened.position.consumed, "the deltas of these folds are forgotten"
        return self._read(lambda db: panes.read_touched(db, since_fold))

    def delta(  # noqa: PLR0917  # as in Store
        self, model: ModelName, epoch: int, segment: str, reference: str, after_fold: int, upto_fold: int
    ) -> list[tuple[int, bytes]]:
        """See Store."""
        assert after_fold >= self._opened.position.consumed, "the deltas of these folds are forgotten"
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
        return self._opened.runs.find(model, hashes, dtype, self._opened.position.horizon, near)

    def sampled_out(
        self, model: ModelName, hashes: NDArray[np.uint64], times: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        """See Store."""
        self._writer.check()
        return self._opened.runs.sampled_out(model, hashes, times)

    def receipts_kept_share(self, model: ModelName, start: float, end: float) -> float | None:
        """See Store."""
        self._writer.check()
        return self._opened.runs.kept_share(model, start, end)

    def samples(self, model: ModelName, start: float, end: float) -> list[SampleFile]:
        """See Store."""
        self._writer.check()
        oldest = self._opened.position.now - self._limits.quota(model).samples_age_max_s
        return self._opened.samples.within(model, max(start, oldest), end)

    def find_labels(self, model: ModelName, hashes: NDArray[np.uint64]) -> list[StoredLabel]:
        """See Store."""
        return self._read(lambda db: labels.find_labels(db, model, hashes, self._opened.position.horizon))

    def find_waiting(self, model: ModelName, hashes: NDArray[np.uint64]) -> list[WaitingLabel]:
        """See Store."""
        return self._read(lambda db: labels.find_waiting(db, model, hashes))

    def _read(self, query: Callable[[apsw.Connection], T]) -> T:
        """Run a query on a reading connection."""

        def borrowed() -> T:
            with self._opened.readers.borrow() as db:
                return query(db)

        return self._told(borrowed)

    def _told(self, work: Callable[[], T]) -> T:
        """Do work of a caller's on its own thread; its error comes as the caller should see it."""
        self._writer.check()
        result = attempt(work)
        if isinstance(result, Failed):
            raise self._explained(result)
        return result

    # ------------------------------------------------------------ failing, ending

    def health(self) -> Health:
        """See Store."""
        opened, commits, writer, tally = self._opened, self._commits, self._writer, self._writer.tally
        lag, entries = opened.journal.lag, opened.runs.files.every()
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
            free_bytes=opened.space.free_bytes(),
            free_bytes_min=opened.space.free_bytes_min,
            db_bytes=size_of(opened.path),
            wal_bytes=size_of(opened.path.with_name(opened.path.name + "-wal")),
            run_files=len(entries),
            run_rows=sum(entry.run.shape.rows for entry in entries),
            run_bytes=sum(entry.run.size for entry in entries),
            receipts=opened.runs.kept(),
            receipts_thinned=opened.runs.thinned,
            samples=opened.samples.kept(),
            refused_full=opened.journal.refused_full,
            waiting_dropped=commits.waiting_dropped,
            waiting_expired=commits.waiting_expired,
            waiting_labels=opened.waiting,
            keys_dropped=opened.journal.keys_dropped,
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
            outcome = attempt(self._opened.log.copy_all)
            if isinstance(outcome, Failed):  # what is not copied now stays in the log for the next start
                self._explained(outcome)
        self._opened.close()
        log.info("store.closed", path=str(self._opened.path))

    def _diagnose(self, error: Exception) -> Fault:
        """See faults.diagnose."""
        return diagnose(error, str(self._opened.path))

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
