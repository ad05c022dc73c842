"""Counting one fold: rows and labels of each model into pane deltas, receipts and the labels to keep.

Rows are counted in the bins of their epoch's judge; of a bundle that is not known-good also in its own, for display.
Labels are counted in the pane of their prediction, from its receipt, in the judge's panes only: they move no feature.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from monitor.facts import Epoch, ModelName, Pane, PaneKey
from monitor.panes.attribution import pane_start
from monitor.panes.batch import Predictions
from monitor.panes.count import Binned, bin_rows, count_pairs, count_rows
from monitor.panes.layout import Layout
from monitor.panes.outcomes import count_agreement, count_outcomes
from monitor.panes.receipts import hash_source, receipt_dtype, write_receipts
from monitor.panes.stored import encode_pane
from monitor.store.protocol import Receipts, Store, StoredLabel, WaitingLabel
from monitor.turns.labels import Arrived, Effect, Held, Join, Weight, join
from monitor.turns.opinion import Opinion
from monitor.turns.watched import Totals, Watched


@dataclass(frozen=True, slots=True)
class FoldSettings:
    """What of the settings a fold needs; seconds and rows."""

    rows_max: int
    pane_s: int
    grace_s: float
    horizon_s: float
    replica: str


@dataclass(frozen=True, slots=True)
class Sorted:
    """What the records hold for one model, before anybody is asked."""

    watched: Watched
    rows: Predictions  # each id once
    keys: NDArray[np.uint64]  # of the rows: keyed hashes of their ids
    epochs: tuple[Epoch, ...]  # as they were: a rollback that ends beside the fold may open and forget some
    at: NDArray[np.intp]  # which of `epochs` answered each row
    labels: list[Arrived]
    duplicates: int


@dataclass(slots=True)
class ModelChange:
    """What a fold changes for one model, beside the pane deltas."""

    model: ModelName
    totals: Totals
    receipts: list[Receipts] = field(default_factory=list)
    labels: list[StoredLabel] = field(default_factory=list)
    waiting: list[WaitingLabel] = field(default_factory=list)
    waiting_done: list[tuple[ModelName, int, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Known:
    """Receipts of some predictions: `keys` ascending, `records` beside them."""

    keys: NDArray[np.uint64]
    records: NDArray[np.void]

    def at(self, keys: NDArray[np.uint64]) -> NDArray[np.void]:
        """The records of `keys`, all of which are known."""
        return self.records[np.searchsorted(self.keys, keys)]


class Counting:
    """One fold's counting; pane deltas of all models add up in it."""

    def __init__(self, store: Store, settings: FoldSettings, now: float) -> None:
        self._store = store
        self._settings = settings
        self._now = now
        self._panes: dict[PaneKey, Pane] = {}

    def deltas(self) -> list[tuple[PaneKey, bytes]]:
        """All pane deltas of this fold, encoded, in the order of their keys."""
        return [(key, encode_pane(pane)) for key, pane in sorted(self._panes.items())]

    def count(self, found: Sorted, opinion: Opinion) -> ModelChange:
        """Count the rows and labels of one model."""
        change = ModelChange(found.watched.name, found.watched.totals)
        for at in np.unique(found.at).tolist():
            self._count_epoch(found, opinion, at, change)
        joined = self._join(found, change)
        change.totals = self._totals(found, opinion, joined)
        return change

    # ------------------------------------------------------------ rows

    def _count_epoch(self, found: Sorted, opinion: Opinion, at: int, change: ModelChange) -> None:
        """Count the rows that one epoch answered, and write their receipts."""
        watched, epoch = found.watched, found.epochs[at]
        which = np.flatnonzero(found.at == at)
        rows = found.rows if len(which) == found.rows.n else found.rows.take(which)
        said = opinion.outputs[which]
        starts = pane_start(rows.times, self._settings.pane_s)
        judged = self._count_rows(watched, epoch, epoch.judge, rows, starts)
        for start, part in _groups(starts):
            pairs = count_pairs(watched.layouts[epoch.judge], judged, said, part)
            self._add(watched, epoch, start, pairs)
        if epoch.own not in ("", epoch.judge):
            self._count_rows(watched, epoch, epoch.own, rows, starts)
        layout = watched.layouts[epoch.judge]
        records = _records(layout, epoch.number, rows, judged, said)
        change.receipts.append(Receipts(watched.name, found.keys[which], records))

    def _count_rows(
        self, watched: Watched, epoch: Epoch, reference: str, rows: Predictions, starts: NDArray[np.int64]
    ) -> Binned:
        layout = watched.layouts[reference]
        binned = bin_rows(layout, rows)
        for start, part in _groups(starts):
            self._add(watched, epoch, start, count_rows(layout, binned, part))
        return binned

    def _add(self, watched: Watched, epoch: Epoch, start: int, pane: Pane) -> None:
        key = PaneKey(watched.name, epoch.number, "", pane.reference, start, self._settings.replica)
        self._panes[key] = self._panes[key] + pane if key in self._panes else pane

    # ------------------------------------------------------------ labels

    def _join(self, found: Sorted, change: ModelChange) -> Join:
        """Join the labels that came, and those that waited for a prediction of this fold."""
        name = found.watched.name
        waited = self._store.find_waiting(name, found.keys)
        change.waiting_done = [(name, label.hash, label.source) for label in waited]
        arrived = [Arrived(w.hash, w.source, w.label, w.time) for w in waited] + found.labels
        keys = np.unique(np.fromiter((label.key for label in arrived), np.uint64, len(arrived)))
        known = self._known(found.watched, keys, change.receipts)
        held: dict[int, list[Held]] = {}
        for label in self._store.find_labels(name, known.keys):
            held.setdefault(label.hash, []).append(_held(label))
        joined = join(arrived, known=set(known.keys.tolist()), held=held, trusted=found.watched.trusts)
        self._count_effects(found, joined.effects, known)
        change.labels = _stored(name, list(joined.held.values()), known)
        expires = self._now + self._settings.horizon_s
        change.waiting = [
            WaitingLabel(name, w.key, w.source, w.label, w.time, self._now, expires) for w in joined.waiting.values()
        ]
        return joined

    def _known(self, watched: Watched, keys: NDArray[np.uint64], fresh: Sequence[Receipts]) -> Known:
        """Receipts of these ids, from this fold and from all before it; without bins, which joining does not need."""
        bare = receipt_dtype(0, watched.schema.task, len(watched.schema.classes))
        stored, records = self._store.find_receipts(watched.name, keys, bare)
        for receipts in fresh:
            mine = np.flatnonzero(np.isin(receipts.hashes, keys))
            where = np.searchsorted(keys, receipts.hashes[mine])
            stored[where] = True
            for column in bare.names or ():
                if column != "bins":
                    records[column][where] = receipts.records[column][mine]
        return Known(keys[stored], records[stored])

    def _count_effects(self, found: Sorted, effects: Sequence[Effect], known: Known) -> None:
        """Add what labels move to the panes of their predictions."""
        if not effects:
            return
        records = known.at(np.fromiter((effect.key for effect in effects), np.uint64, len(effects)))
        starts = pane_start(records["time"], self._settings.pane_s).tolist()
        places = list(zip(records["epoch"].tolist(), starts, [e.weight.value for e in effects], strict=True))
        epochs = {epoch.number: epoch for epoch in found.epochs}
        order = sorted(range(len(effects)), key=places.__getitem__)
        for (number, start, _), group in groupby(order, key=places.__getitem__):
            part = list(group)
            if number in epochs:  # else it was forgotten with its panes
                pane = _effects_pane(found.watched, epochs[number], [effects[i] for i in part], records[part])
                self._add(found.watched, epochs[number], start, pane)

    # ------------------------------------------------------------ totals

    def _totals(self, found: Sorted, opinion: Opinion, joined: Join) -> Totals:
        times, epochs = found.rows.times, found.epochs
        transition = [i for i, epoch in enumerate(epochs) if not epoch.acts]
        over = times + self._settings.pane_s + self._settings.grace_s
        totals = found.watched.totals.plus(
            predictions=found.rows.n,
            duplicates=found.duplicates,
            late=int(np.count_nonzero(over < self._now)),
            unattributed=int(np.count_nonzero(np.isin(found.at, transition))),
            claims_wrong=_claims_wrong(found),
            labels=sum(effect.sign for effect in joined.effects if effect.weight is Weight.OUTCOME),
            labels_untrusted=sum(effect.sign for effect in joined.effects if effect.weight is Weight.AGREEMENT),
            labels_repeated=joined.repeated,
            labels_corrected=joined.corrected,
            pairs=opinion.asked,
            pairs_failed=opinion.failed,
        )
        newest = max(totals.last_prediction, float(times.max(initial=0.0)))
        label = max([totals.last_label, *(label.time for label in found.labels)])
        return totals.at(newest, label)


def _groups(starts: NDArray[np.int64]) -> list[tuple[int, NDArray[np.intp] | slice]]:
    """Rows by pane: (start, which rows), ascending."""
    found, inverse = np.unique(starts, return_inverse=True)
    if len(found) == 1:
        return [(int(found[0]), slice(None))]
    order = np.argsort(inverse, kind="stable")
    cuts = np.searchsorted(inverse[order], np.arange(1, len(found)))
    return list(zip(found.tolist(), np.split(order, cuts), strict=True))


def _records(
    layout: Layout, epoch: int, rows: Predictions, binned: Binned, said: NDArray[np.uint8]
) -> NDArray[np.void]:
    sources = {source: hash_source(source) for source in dict.fromkeys(rows.sources)}
    return write_receipts(
        layout,
        rows,
        binned,
        epochs=np.full(rows.n, epoch, np.uint32),
        known_good=said,
        segments=np.zeros(rows.n, np.uint16),
        sources=np.fromiter((sources[source] for source in rows.sources), np.uint32, rows.n),
    )


def _effects_pane(watched: Watched, epoch: Epoch, effects: Sequence[Effect], records: NDArray[np.void]) -> Pane:
    """Count effects of one weight in one pane."""
    layout = watched.layouts[epoch.judge]
    labels = np.fromiter((effect.label for effect in effects), np.float64, len(effects))
    sign = np.fromiter((effect.sign for effect in effects), np.int8, len(effects))
    if effects[0].weight is Weight.AGREEMENT:
        return count_agreement(layout, records, labels, sign)
    times = np.fromiter((effect.time for effect in effects), np.float64, len(effects))
    return count_outcomes(
        layout,
        receipts=records,
        labels=labels,
        lags_s=np.maximum(times - records["time"], 0.0),
        sign=sign,
    )


def _held(label: StoredLabel) -> Held:
    return Held(label.hash, label.source, label.label, label.labelled, Weight(label.weight))


def _stored(name: ModelName, held: Sequence[Held], known: Known) -> list[StoredLabel]:
    times = known.at(np.fromiter((one.key for one in held), np.uint64, len(held)))["time"].tolist()
    return [
        StoredLabel(name, one.key, one.source, one.label, one.weight.value, one.time, time)
        for one, time in zip(held, times, strict=True)
    ]


def _claims_wrong(found: Sorted) -> int:
    if not any(found.rows.claimed):
        return 0
    bundles = [epoch.bundle for epoch in found.epochs]
    served = (bundles[at] for at in found.at.tolist())
    return sum(claim not in ("", bundle) for claim, bundle in zip(found.rows.claimed, served, strict=True))
