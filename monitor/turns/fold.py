"""The fold: journal records become pane deltas, receipts and joined labels, in one transaction.

    sort     records to models, in arrival order; repeated ids dropped, the first wins; each row to its epoch
    ask      the known-good for a sample of the rows (`turns.opinion`)
    count    rows and labels into pane deltas (`turns.counting`)
    commit   deltas, receipts, labels, totals, cursor: all or nothing

A fold that is interrupted anywhere before the commit leaves no trace but an unnamed file, swept at the next start,
and the next fold reads the same records again. After the commit the records are gone. So every row is counted once.

Memory: `fold.rows_max` rows as columns, of wide models fewer. Cost: part of every figure of `python -m bench intake`.
Failure mode: a record that cannot be decoded is our own damage, not a sender's: it raises `Corrupt`, and the daemon
stops rather than skip acknowledged rows.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
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


class Fold:
    """Reads, counts and commits; holds nothing between two folds that the store does not keep."""

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

    async def run(self, upto: int, now: float) -> int:
        """Fold records up to `upto`, about `rows_max` rows at most; how many rows, 0 when there was nothing."""
        read = await asyncio.to_thread(self._read, upto)
        if read is None:
            return 0
        found, cursor, rows = read
        opinions = [await self._opinion(each) for each in found]
        changes = await asyncio.to_thread(self._commit, cursor, found, opinions, now)
        for each, change in zip(found, changes, strict=True):
            each.watched.folded(change.totals, change.segmentation, change.counted)  # only now is it true
        return rows

    def _read(self, upto: int) -> tuple[list[Sorted], int, int] | None:
        """What was read and sorted, up to which record, and how many rows that were; None: there is nothing.

        No record is held longer than this, so the journal's files are free for others when the fold is committed.
        """
        records = self._store.read_journal(upto, self._rows_max())
        if not records:
            return None
        return self._sort(records), records[-1].seq, sum(record.rows for record in records)

    def _rows_max(self) -> int:
        """Fewer rows of wide models: what a fold holds are cells."""
        widest = max((len(watched.schema.features) for watched in self._models.values()), default=1)
        return max(min(self._settings.rows_max, CELLS_MAX // max(widest, 1)), 1)

    def _sort(self, records: Sequence[JournalRecord]) -> list[Sorted]:
        models = {name: [r for r in records if r.model == name] for name in dict.fromkeys(r.model for r in records)}
        for name in models.keys() - self._models.keys():  # the settings no longer name it: nobody can count its rows
            log.warning("fold.model_gone", model=name, rows=sum(record.rows for record in models.pop(name)))
        return [self._sort_model(self._models[name], mine) for name, mine in models.items()]

    def _sort_model(self, watched: Watched, records: Sequence[JournalRecord]) -> Sorted:
        rows = self._rows([record for record in records if record.kind is RowKind.PREDICTIONS])
        keys = hash_ids(rows.ids, self._secret)
        fresh = self._fresh(watched, keys)
        again = rows.take(np.delete(np.arange(rows.n), fresh))
        if again.n:
            rows, keys = rows.take(fresh), keys[fresh]
        epochs = watched.epochs
        starts = np.array([epoch.start for epoch in epochs])
        at, again_at = (np.maximum(attribute(starts, each.times), 0) for each in (rows, again))
        labels = [label for r in records if r.kind is RowKind.LABELS for label in self._arrived(r.body)]
        return Sorted(watched, rows, keys, epochs, at, labels, again, again_at, watched.parting)

    def _rows(self, records: Sequence[JournalRecord]) -> Predictions:
        """Their rows in columns of their own, a record at a time."""
        try:
            return concat((decode_predictions(record.body) for record in records), sum(each.rows for each in records))
        except ValueError as error:
            raise Corrupt("journal record", 0, "it holds other rows than its row says; restore state.db") from error

    def _fresh(self, watched: Watched, keys: Keys) -> NDArray[np.intp]:
        """Rows whose id was never seen, in arrival order: the first wins, in this fold and over all of them."""
        first = first_places(keys)
        known, _ = self._store.find_receipts(watched.name, keys[first], KNOWN)
        fresh: NDArray[np.intp] = np.sort(first[~known])
        return fresh

    def _arrived(self, body: bytes | memoryview) -> list[Arrived]:
        labels = decode_labels(body)
        keys = hash_ids(labels.ids, self._secret).tolist()
        columns = (labels.labels.tolist(), labels.times.tolist(), labels.prediction_times.tolist())
        return [Arrived(*row) for row in zip(keys, labels.sources, *columns, strict=True)]

    async def _opinion(self, found: Sorted) -> Opinion:
        if self._ask is None or not found.rows.n:
            return silent(found.rows.n, found.watched.schema.task)
        return await self._ask(found.watched, found.rows, found.keys)

    def _commit(
        self, cursor: int, found: Sequence[Sorted], opinions: Sequence[Opinion], now: float
    ) -> list[ModelChange]:
        counting = Counting(self._store, self._settings, now)
        changes = [counting.count(each, opinion) for each, opinion in zip(found, opinions, strict=True)]
        self._store.commit(
            Change(
                fold=self._store.position().fold + 1,
                cursor=cursor,
                deltas=counting.deltas(),
                receipts=[receipts for change in changes for receipts in change.receipts],
                samples=[samples for change in changes for samples in change.samples],
                labels=[label for change in changes for label in change.labels],
                waiting=[label for change in changes for label in change.waiting],
                waiting_done=[key for change in changes for key in change.waiting_done],
                puts=[put for each, change in zip(found, changes, strict=True) for put in _documents(each, change)],
            )
        )
        for change in changes:
            change.counted = counting.counted(change.model)
        return changes


def _documents(found: Sorted, change: ModelChange) -> list[tuple[str, msgspec.Struct]]:
    """What is to be kept of a model beside counts; how it is parted only where that has changed."""
    documents: list[msgspec.Struct] = [change.totals]
    if change.segmentation is not found.watched.segmentation:
        documents.append(change.segmentation)
    return [(change.model, document) for document in documents]
