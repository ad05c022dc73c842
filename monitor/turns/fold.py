"""The fold: journal records become pane deltas, receipts and joined labels, in one transaction.

    sort     records to models, in arrival order; repeated ids dropped, the first wins; each row to its epoch
    ask      the known-good for a sample of the rows (`turns.opinion`)
    count    rows and labels into pane deltas (`turns.counting`)
    commit   deltas, receipts, labels, totals, cursor: all or nothing

A fold that is interrupted anywhere before the commit leaves no trace but an unnamed file, swept at the next start,
and the next fold reads the same records again. After the commit the records are gone. So every row is counted once.

*Ahead.* While one fold is committed, the records after it are read on a second thread: put into columns, their ids
hashed and looked for among the receipts of all folds before, a third of the work, which fills the waits for the disk.
The ids of the fold that is just being committed may or may not be found there, so they are compared with afterwards.
All of it is forgotten without a trace when that commit fails.

Memory: `fold.rows_max` rows as columns, of wide models fewer: those of a fold go when they are counted, before the next
ones are read. Cost: part of every figure of `python -m bench intake`.
Failure mode: a record that cannot be decoded is our own damage, not a sender's: it raises `Corrupt`, and the daemon
stops rather than skip acknowledged rows.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import msgspec
import numpy as np
import structlog
from numpy.typing import NDArray

from monitor.errors import Corrupt
from monitor.facts import JournalRecord, ModelName, RowKind
from monitor.panes.attribution import attribute
from monitor.panes.concat import concat
from monitor.panes.decode import decode_labels, decode_predictions
from monitor.panes.ids import first_places, hash_ids
from monitor.panes.rows import Predictions
from monitor.store.protocol import Change, Store
from monitor.turns.counting import Counting, FoldSettings, ModelChange, Sorted
from monitor.turns.labels import Arrived
from monitor.turns.opinion import Opinion, silent
from monitor.turns.parting import Segmentation
from monitor.turns.watched import Watched

CELLS_MAX = 16 << 20  # in one fold, a double each; at 20 features `fold.rows_max` is far below it
log = structlog.get_logger()
Keys: TypeAlias = NDArray[np.uint64]
KNOWN = np.dtype([("time", "<f8")])  # what of a receipt says that its id was seen
Ask: TypeAlias = Callable[[Watched, Predictions, Keys], Awaitable[Opinion]]


@dataclass(frozen=True, slots=True)
class Gathered:
    """What records hold for one model."""

    watched: Watched
    rows: Predictions
    keys: Keys  # of the rows
    first: NDArray[np.intp]  # rows whose id comes first here, in the order of their keys
    known: NDArray[np.bool_]  # of these: whether it was seen before
    labels: list[Arrived]


@dataclass(frozen=True, slots=True)
class Next:
    """What one fold takes."""

    models: list[Gathered]
    cursor: int  # of the last record


@dataclass(frozen=True, slots=True)
class Counted:
    """A fold that is ready for its transaction; of its rows, receipts and samples are left."""

    change: Change
    models: list[tuple[Watched, ModelChange]]
    keys: dict[ModelName, Keys]  # of all ids that came, ascending

    def adopt(self) -> None:
        """After the commit: only now is it true."""
        for watched, change in self.models:
            watched.folded(change.totals, change.segmentation, change.counted)


class Fold:
    """Reads, counts and commits; holds nothing between two calls that the store does not keep."""

    def __init__(
        self, store: Store, models: Mapping[ModelName, Watched], ask: Ask | None, settings: FoldSettings
    ) -> None:
        """`ask` is how the known-good is asked; None: nobody is."""
        self._store = store
        self._models = models
        self._ask = ask
        self._settings = settings
        self._secret = store.secret()
        for name, segmentation in store.facts(Segmentation).items():
            if (watched := models.get(ModelName(name))) is not None:
                watched.segmentation = segmentation

    async def run(self, upto: int, now: float, folded: Callable[[], None]) -> None:
        """Fold all records up to `upto`, about `rows_max` rows at a time, and call `folded` after each fold."""
        taken, before = await asyncio.to_thread(self._read, upto), dict[ModelName, Keys]()
        while taken is not None:
            counted, cursor = await self._count(taken, before, now), taken.cursor
            taken = None  # its columns make room for the next ones
            ahead = asyncio.create_task(self._ahead(upto, cursor))
            try:
                await asyncio.to_thread(self._store.commit, counted.change)
            finally:
                await asyncio.gather(ahead, return_exceptions=True)  # if the commit failed, it is forgotten
            counted.adopt()
            folded()
            taken, before = ahead.result(), counted.keys

    def behind(self) -> bool:
        """Whether a whole fold's rows wait."""
        return self._store.health().journal_rows >= self._rows_max()

    async def _ahead(self, upto: int, cursor: int) -> Next | None:
        return await asyncio.to_thread(self._read, upto, cursor) if cursor < upto else None

    async def _count(self, taken: Next, before: Mapping[ModelName, Keys], now: float) -> Counted:
        """`before`: keys of the fold before, by model, where `taken` was read while it was committed."""
        found = await asyncio.to_thread(self._sort, taken, before)
        opinions = [await self._opinion(each) for each in found]
        keys = {each.watched.name: each.keys[each.first] for each in taken.models}
        return await asyncio.to_thread(self._counted, taken.cursor, found, opinions, keys, now)

    def _read(self, upto: int, after: int = 0) -> Next | None:
        """What the next records after the cursor and `after` hold; None: there are none.

        No record is held longer than this, so the journal's files are free for others when the fold is committed.
        """
        records = self._store.read_journal(upto, self._rows_max(), after)
        if not records:
            return None
        return Next(self._gather(records), records[-1].seq)

    def _rows_max(self) -> int:
        """Fewer rows of wide models: what a fold holds are cells."""
        widest = max((len(watched.schema.features) for watched in self._models.values()), default=1)
        return max(min(self._settings.rows_max, CELLS_MAX // max(widest, 1)), 1)

    def _gather(self, records: Sequence[JournalRecord]) -> list[Gathered]:
        models = {name: [r for r in records if r.model == name] for name in dict.fromkeys(r.model for r in records)}
        for name in models.keys() - self._models.keys():  # the settings no longer name it: nobody can count its rows
            log.warning("fold.model_gone", model=name, rows=sum(record.rows for record in models.pop(name)))
        return [self._gather_model(self._models[name], mine) for name, mine in models.items()]

    def _gather_model(self, watched: Watched, records: Sequence[JournalRecord]) -> Gathered:
        rows = self._rows([record for record in records if record.kind is RowKind.PREDICTIONS])
        labels = [label for r in records if r.kind is RowKind.LABELS for label in self._arrived(r.body)]
        keys = hash_ids(rows.ids, self._secret)
        first = first_places(keys)
        known, _ = self._store.find_receipts(watched.name, keys[first], KNOWN)
        return Gathered(watched, rows, keys, first, known, labels)

    def _sort(self, taken: Next, before: Mapping[ModelName, Keys]) -> list[Sorted]:
        return [self._sort_model(each, before.get(each.watched.name)) for each in taken.models]

    def _sort_model(self, found: Gathered, before: Keys | None) -> Sorted:
        watched, rows, keys = found.watched, found.rows, found.keys
        fresh = _fresh(found, before)
        again = rows.take(np.delete(np.arange(rows.n), fresh))
        if again.n:
            rows, keys = rows.take(fresh), keys[fresh]
        epochs = watched.epochs
        starts = np.array([epoch.start for epoch in epochs])
        at, again_at = (np.maximum(attribute(starts, each.times), 0) for each in (rows, again))
        return Sorted(watched, rows, keys, epochs, at, found.labels, again, again_at, watched.parting)

    def _rows(self, records: Sequence[JournalRecord]) -> Predictions:
        """Their rows in columns of their own, a record at a time."""
        try:
            return concat((decode_predictions(record.body) for record in records), sum(each.rows for each in records))
        except ValueError as error:
            raise Corrupt("journal record", 0, "it holds other rows than its row says; restore state.db") from error

    def _arrived(self, body: bytes | memoryview) -> list[Arrived]:
        labels = decode_labels(body)
        keys = hash_ids(labels.ids, self._secret).tolist()
        columns = (labels.labels.tolist(), labels.times.tolist(), labels.prediction_times.tolist())
        return [Arrived(*row) for row in zip(keys, labels.sources, *columns, strict=True)]

    async def _opinion(self, found: Sorted) -> Opinion:
        if self._ask is None or not found.rows.n:
            return silent(found.rows.n, found.watched.schema.task)
        return await self._ask(found.watched, found.rows, found.keys)

    def _counted(
        self,
        cursor: int,
        found: Sequence[Sorted],
        opinions: Sequence[Opinion],
        keys: dict[ModelName, Keys],
        now: float,
    ) -> Counted:
        counting = Counting(self._store, self._settings, now)
        changes = [counting.count(each, opinion) for each, opinion in zip(found, opinions, strict=True)]
        for change in changes:
            change.counted = counting.counted(change.model)
        models = [(each.watched, change) for each, change in zip(found, changes, strict=True)]
        whole = Change(
            fold=self._store.position().fold + 1,
            cursor=cursor,
            deltas=counting.deltas(),
            receipts=[receipts for change in changes for receipts in change.receipts],
            samples=[samples for change in changes for samples in change.samples],
            labels=[label for change in changes for label in change.labels],
            waiting=[label for change in changes for label in change.waiting],
            waiting_done=[key for change in changes for key in change.waiting_done],
            puts=[put for watched, change in models for put in _documents(watched, change)],
        )
        return Counted(whole, models, keys)


def _fresh(found: Gathered, before: Keys | None) -> NDArray[np.intp]:
    """Rows whose id was never seen, in arrival order: the first wins, in this fold and over all of them.

    `before` are the keys of the fold before, ascending, if it was committed after the store was asked.
    """
    known = found.known
    if before is not None and len(before):
        keys = found.keys[found.first]
        known = known | (before[np.minimum(np.searchsorted(before, keys), len(before) - 1)] == keys)
    fresh: NDArray[np.intp] = np.sort(found.first[~known])
    return fresh


def _documents(watched: Watched, change: ModelChange) -> list[tuple[str, msgspec.Struct]]:
    """What is to be kept of a model beside counts; how it is parted only where that has changed."""
    documents: list[msgspec.Struct] = [change.totals]
    if change.segmentation is not watched.segmentation:
        documents.append(change.segmentation)
    return [(change.model, document) for document in documents]
