"""How a change becomes true: what needs no transaction first, then one transaction, then what is known in memory.

Files are written and panes added up on the calling thread (`prepare`); only commits change these, and the store lets
one in at a time. The writer's thread is left with the transaction (`apply`). The position, the numbers of series and
the files that count follow the transaction, never lead it; what it made superfluous is deleted by chores.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from monitor.store import connections, documents, labels, panes, prune, samples
from monitor.store.faults import Failed, attempt
from monitor.store.named import Move
from monitor.store.opened import Opened
from monitor.store.panes import SumBodies
from monitor.store.position import advanced
from monitor.store.protocol import Change, Position
from monitor.store.receipts import Entry, together
from monitor.store.samples import SampleEntry


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


class Commits:
    """The changes of one opened state; the counters may be read from any thread."""

    def __init__(self, opened: Opened, sum_bodies: SumBodies, waiting_max: int, panes_age_max_s: float) -> None:
        """`waiting_max` labels without a prediction are kept per model, day sums for `panes_age_max_s`."""
        self.waiting_dropped = 0
        self.waiting_expired = 0
        self._opened = opened
        self._sum_bodies = sum_bodies
        self._waiting_max = waiting_max
        self._panes_age_max_s = panes_age_max_s

    def days_start(self, position: Position) -> int:
        """Beginning of the first day whose sums are not forgotten."""
        return panes.days_start(position.horizon, position.now, self._panes_age_max_s)

    def prepare(self, change: Change) -> Prepared:
        """Everything that needs no transaction, on the calling thread. Files written here count once they are named."""
        position = advanced(self._opened.position, change, self._opened.journal.last_seq)
        puts, rows = documents.encode(change.puts), labels.prepared(change.labels, change.waiting)
        with self._opened.readers.borrow() as db:
            sums = panes.prepare(
                db,
                deltas=change.deltas,
                horizon=position.horizon,
                oldest=self.days_start(position),
                ids=self._opened.series,
                add=self._sum_bodies,
                fold=position.fold,
            )
        runs: list[Entry] = []
        kept: list[SampleEntry] = []
        written = attempt(partial(self._write_files, change, runs, kept))
        if isinstance(written, Failed):
            self._opened.runs.files.remove(runs)
            self._opened.samples.files.remove(kept)
            raise written.error
        return Prepared(change, position, runs, kept, sums, rows, puts)

    def _write_files(self, change: Change, runs: list[Entry], kept: list[SampleEntry]) -> None:
        """Files of receipts and samples; the lists grow by each, so that they can be taken back."""
        runs.extend(map(self._opened.runs.write, together(change.receipts)))
        kept.extend(map(self._opened.samples.write, samples.together(change.samples)))

    def apply(self, prepared: Prepared) -> None:
        """The one transaction of a change, on the writer's thread."""
        opened, change = self._opened, prepared.change
        runs, kept = Move(opened.runs.files, (), prepared.runs), Move(opened.samples.files, (), prepared.samples)
        with self._naming(runs, kept):
            panes.write(opened.db, prepared.panes)
            expired = labels.end_waiting(opened.db, change.waiting_done, change.now)
            dropped = labels.put_waiting(opened.db, prepared.labels.waiting, self._waiting_max)
            labels.put_labels(opened.db, prepared.labels.labels)
            documents.write(opened.db, change.deletes, prepared.puts)
            for name in Position.__struct_fields__:
                opened.db.execute("REPLACE INTO meta VALUES (?, ?)", (name, getattr(prepared.position, name)))
        opened.position = prepared.position
        opened.series.adopt(prepared.panes.series)
        opened.journal.lag.fold(prepared.position.cursor)
        self.waiting_expired += expired
        self.waiting_dropped += dropped
        if change.waiting or change.waiting_done or expired:
            opened.waiting = labels.count_waiting(opened.db)

    def rename(self, move: Move) -> None:
        """A transaction of one move, on the writer's thread; the old files stay on disk."""
        with self._naming(move):
            pass

    @contextmanager
    def _naming(self, *moves: Move) -> Iterator[None]:
        """A transaction after which the `new` files of each move count and the `old` ones do not."""
        try:
            with connections.transaction(self._opened.db):
                yield
                for move in moves:
                    move.write(self._opened.db)
        except BaseException:
            for move in moves:
                move.files.abandon(move.new)
            raise
        for move in moves:
            move.files.replace(move.old, move.new)

    def chores(self, before: Position) -> dict[str, Callable[[], bool]]:
        """What deletes all that the move from `before` to the present position made superfluous."""
        opened = self._opened
        found = prune.chores(opened.db, opened.records, before, opened.position)
        oldest = self.days_start(opened.position)
        if oldest != self.days_start(before):
            found["days"] = partial(prune.forget_days, opened.db, opened.series, oldest)
        if opened.walk.due(opened.position.horizon):
            found["labels"] = opened.walk.step
        found["keys"] = opened.journal.prune_keys
        return found
