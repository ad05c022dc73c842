"""Counting one fold: rows and labels of each model into pane deltas, receipts, samples and the labels to keep.

Rows are counted in the bins of their epoch's judge, as a whole and by segment; of a bundle that is not known-good also
in its own bins, for display, where it answers the same task. Of each row a receipt is kept, of some all that came
(keeping.py). Labels: joining.py.

Rows whose schema has another task than the judge of their epoch, as a late row may, are of another class there, or no
number: nothing is made up for them, and nothing raises.
"""

from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from monitor.facts import Epoch, ModelName, Pane, PaneKey, Task
from monitor.panes.attribution import pane_start
from monitor.panes.count import EVERY_ROW, bin_rows, count_pairs, count_repeated, count_rows
from monitor.panes.rows import Predictions
from monitor.panes.sampling import Flag
from monitor.panes.stored import encode_pane
from monitor.store.protocol import Receipts, Samples, Store, StoredLabel, WaitingLabel
from monitor.turns.joining import Scope, count_effects, join_labels, stored
from monitor.turns.keeping import Part, mark, receipts, sample
from monitor.turns.labels import Arrived, Join, Weight
from monitor.turns.opinion import Opinion, fitting, heard
from monitor.turns.parting import Parting, Segmentation
from monitor.turns.watched import Totals, Watched

OTHER_OUTPUT = 255  # an answer that is none of the classes
PLACE_BITS = 32  # of a waiting label's place: which of its fold's it is; what is above them is the fold


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
    again: Predictions  # those whose id was known, or stands in `rows`
    again_at: NDArray[np.intp]  # which of `epochs` answered each of them
    parting: Parting  # as it was: a reload beside the fold may bring another


@dataclass(slots=True)
class ModelChange:
    """What a fold changes for one model, beside the pane deltas."""

    model: ModelName
    totals: Totals
    segmentation: Segmentation
    receipts: list[Receipts] = field(default_factory=list)
    samples: list[Samples] = field(default_factory=list)
    labels: list[StoredLabel] = field(default_factory=list)
    waiting: list[WaitingLabel] = field(default_factory=list)
    waiting_done: list[tuple[ModelName, int, str]] = field(default_factory=list)
    counted: dict[str, NDArray[np.int64]] = field(default_factory=dict)  # cells added, by reference profile


class Counting:
    """One fold's counting; pane deltas of all models add up in it."""

    def __init__(self, store: Store, settings: FoldSettings, now: float) -> None:
        self._store = store
        self._settings = settings
        self._now = now
        self._panes: dict[PaneKey, Pane] = {}

    def counted(self, model: ModelName) -> dict[str, NDArray[np.int64]]:
        """What this fold added to the whole of a model, by reference profile."""
        sums: dict[str, NDArray[np.int64]] = {}
        for key, pane in self._panes.items():
            if key.model != model or key.segment:
                continue
            if key.reference in sums:
                sums[key.reference] += pane.counts
            else:
                sums[key.reference] = pane.counts.copy()
        return sums

    def deltas(self) -> list[tuple[PaneKey, bytes]]:
        """All pane deltas of this fold, encoded, in the order of their keys."""
        return [(key, encode_pane(pane)) for key, pane in sorted(self._panes.items())]

    def count(self, found: Sorted, opinion: Opinion) -> ModelChange:
        """Count the rows and labels of one model."""
        watched = found.watched
        segmentation = watched.segmentation.now(found.parting.columns, watched.newest)
        change = ModelChange(watched.name, watched.totals, segmentation)
        for at in np.unique(found.at).tolist():
            self._count_epoch(self._part(found, opinion, at), change)
        for at in np.unique(found.again_at).tolist():
            self._count_again(found, at)
        joined = self._join(found, change)
        change.totals = self._totals(found, opinion, joined, change.totals)
        return change

    # ------------------------------------------------------------ rows

    def _part(self, found: Sorted, opinion: Opinion, at: int) -> Part:
        which = np.flatnonzero(found.at == at)
        every = len(which) == found.rows.n
        rows = found.rows if every else found.rows.take(which)
        keys, said = (found.keys, opinion.said) if every else (found.keys[which], opinion.said[which])
        watched, epoch = found.watched, found.epochs[at]
        layout = watched.layouts[epoch.judge]
        if layout.task is Task.CLASSIFICATION is not watched.schema.task:
            rows = replace(rows, outputs=np.full(rows.n, OTHER_OUTPUT, np.uint8))
        starts = pane_start(rows.times, self._settings.pane_s)
        said, segments = fitting(said, layout.task), found.parting.of(layout)
        return Part(watched, epoch, layout, segments, rows, keys, said, starts, bin_rows(layout, rows))

    def _count_epoch(self, part: Part, change: ModelChange) -> None:
        """Count the rows that one epoch answered, write their receipts, and choose which are kept."""
        watched, epoch = part.watched, part.epoch
        paired = bool(heard(part.said).any())
        whole = np.zeros(part.layout.size, np.int64)
        for start, rows in groups(part.starts):
            pane = self._pane(part, rows, paired=paired)
            self._add(watched, epoch, "", start, pane)
            whole += pane.counts
        packed = self._count_segments(part, paired=paired)
        self._count_own(part)
        change.receipts.append(receipts(part, packed))
        odd = watched.odd(epoch.judge)
        flags = mark(part, odd, whole, self._settings.pane_s + self._settings.grace_s)
        change.samples += sample(part, flags, odd.strata(part.binned))
        change.totals = change.totals.plus(
            late=int(np.count_nonzero(flags & Flag.LATE)),
            claims_wrong=int(np.count_nonzero(flags & Flag.CLAIM)),
            unattributed=0 if epoch.acts else part.rows.n,
        )

    def _pane(self, part: Part, rows: NDArray[np.intp] | slice, *, paired: bool) -> Pane:
        """Count some of the rows, and what the known-good said of them if it said anything."""
        pane = count_rows(part.layout, part.binned, rows)
        return pane + count_pairs(part.layout, part.binned, part.said, rows) if paired else pane

    def _count_segments(self, part: Part, *, paired: bool) -> NDArray[np.uint16]:
        """Count the rows of every segment; what receipts keep of the rows' segment maps."""
        packed = part.segments.pack(part.rows)
        for segment, mine in part.segments.rows(part.binned.cells, packed):
            for start, at in groups(part.starts[mine]):
                self._add(part.watched, part.epoch, segment, start, self._pane(part, mine[at], paired=paired))
        return packed

    def _count_own(self, part: Part) -> None:
        """Count the rows in the bins of the bundle that answered, where these are not its judge's."""
        watched, epoch = part.watched, part.epoch
        if epoch.own in {"", epoch.judge} or watched.layouts[epoch.own].task is not part.layout.task:
            return
        own = watched.layouts[epoch.own]
        binned = bin_rows(own, part.rows)
        for start, rows in groups(part.starts):
            self._add(watched, epoch, "", start, count_rows(own, binned, rows))

    def _count_again(self, found: Sorted, at: int) -> None:
        """Count rows whose id was known, as that and nothing else, in the panes of their own time."""
        watched, epoch = found.watched, found.epochs[at]
        layout = watched.layouts[epoch.judge]
        rows = found.again.take(found.again_at == at)
        starts, segments = pane_start(rows.times, self._settings.pane_s), found.parting.of(layout)
        for start, mine in groups(starts):
            self._add(watched, epoch, "", start, count_repeated(layout, len(starts[mine])))
        if not segments.columns:
            return
        for segment, part in segments.rows(bin_rows(layout, rows).cells, segments.pack(rows)):
            for start, mine in groups(starts[part]):
                self._add(watched, epoch, segment, start, count_repeated(layout, len(part[mine])))

    def _add(self, watched: Watched, epoch: Epoch, segment: str, start: int, pane: Pane) -> None:
        key = PaneKey(watched.name, epoch.number, segment, pane.reference, start, self._settings.replica)
        self._panes[key] = self._panes[key] + pane if key in self._panes else pane

    # ------------------------------------------------------------ labels

    def _join(self, found: Sorted, change: ModelChange) -> Join:
        """Join the labels that came, and those that waited for a prediction of this fold."""
        watched, name = found.watched, found.watched.name
        waited = self._store.find_waiting(name, found.keys)
        change.waiting_done = [(name, label.hash, label.source) for label in waited]
        arrived = [Arrived(w.hash, w.source, w.label, w.time) for w in waited] + found.labels
        scope, whole = Scope.of(watched, found.epochs, found.parting), Join()
        for some in scope.portions(arrived):
            joined = join_labels(self._store, scope, some, change.receipts)
            count_effects(joined, self._settings.pane_s, change.segmentation.since, partial(self._add, watched))
            change.labels += stored(name, joined)
            whole.add(joined.join)
        expires = self._now + self._settings.horizon_s
        first = (self._store.position().fold + 1) << PLACE_BITS
        change.waiting = [
            WaitingLabel(name, w.key, w.source, w.label, w.time, self._now, expires, watched.trusts(w.source), place)
            for place, w in enumerate(whole.waiting.values(), first)
        ]
        return whole

    # ------------------------------------------------------------ totals

    def _totals(self, found: Sorted, opinion: Opinion, joined: Join, before: Totals) -> Totals:
        totals = before.plus(
            predictions=found.rows.n,
            duplicates=found.again.n,
            labels=sum(effect.sign for effect in joined.effects if effect.weight is Weight.OUTCOME),
            labels_untrusted=sum(effect.sign for effect in joined.effects if effect.weight is Weight.AGREEMENT),
            labels_repeated=joined.repeated,
            labels_corrected=joined.corrected,
            labels_sampled_out=joined.sampled_out,
            pairs=opinion.asked,
            pairs_failed=opinion.failed,
        )
        newest = max(totals.last_prediction, float(found.rows.times.max(initial=0.0)))
        label = max([totals.last_label, *(label.time for label in found.labels)])
        return totals.at(newest, label)


def groups(starts: NDArray[np.int64]) -> list[tuple[int, NDArray[np.intp] | slice]]:
    """Rows by pane: (start, which rows), ascending."""
    if not len(starts) or starts[0] == starts.min() == starts.max():  # a fold is a second or two: mostly one pane
        return [(int(start), EVERY_ROW) for start in starts[:1]]
    found, inverse = np.unique(starts, return_inverse=True)
    order = np.argsort(inverse, kind="stable")
    cuts = np.searchsorted(inverse[order], np.arange(1, len(found)))
    return list(zip(found.tolist(), np.split(order, cuts), strict=True))
