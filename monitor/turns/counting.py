"""Counting one fold: rows and labels of each model into pane deltas, receipts, samples and the labels to keep.

Rows are counted in the bins of their epoch's judge, as a whole and by segment; of a bundle that is not known-good also
in its own bins, for display. A sample of them is kept as it came (`monitor.panes.sampling`). Labels: joining.py.
"""

from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from monitor.facts import Epoch, ModelName, Pane, PaneKey, Task
from monitor.panes.attribution import pane_start
from monitor.panes.batch import Coded, Predictions
from monitor.panes.count import Binned, bin_rows, count_pairs, count_rows
from monitor.panes.layout import Layout
from monitor.panes.odd import Flags
from monitor.panes.receipts import hash_source, write_receipts
from monitor.panes.sample_rows import Answers, Marks, sample_table
from monitor.panes.sampling import Flag, choose
from monitor.panes.stored import encode_pane
from monitor.store.protocol import Receipts, Samples, Store, StoredLabel, WaitingLabel
from monitor.turns.joining import count_effects, join_labels, stored
from monitor.turns.labels import Arrived, Join, Weight
from monitor.turns.opinion import Opinion, Said, heard
from monitor.turns.watched import Totals, Watched

Codes: TypeAlias = NDArray[np.intp]


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
    samples: list[Samples] = field(default_factory=list)
    labels: list[StoredLabel] = field(default_factory=list)
    waiting: list[WaitingLabel] = field(default_factory=list)
    waiting_done: list[tuple[ModelName, int, str]] = field(default_factory=list)
    counted: dict[str, NDArray[np.int64]] = field(default_factory=dict)  # cells added, by reference profile


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """The rows of a fold that one epoch answered."""

    epoch: Epoch
    rows: Predictions
    keys: NDArray[np.uint64]
    said: Said  # by the known-good
    starts: NDArray[np.int64]  # of each row's pane


class Counting:
    """One fold's counting; pane deltas of all models add up in it."""

    def __init__(self, store: Store, settings: FoldSettings, now: float) -> None:
        self._store = store
        self._settings = settings
        self._now = now
        self._panes: dict[PaneKey, Pane] = {}

    def counted(self, model: ModelName) -> dict[str, NDArray[np.int64]]:
        """What this fold added to the whole of a model, by reference profile: for counters that only grow."""
        sums: dict[str, NDArray[np.int64]] = {}
        for key, pane in self._panes.items():
            if key.model == model and not key.segment:
                before = sums.get(key.reference)
                sums[key.reference] = pane.counts if before is None else before + pane.counts
        return sums

    def deltas(self) -> list[tuple[PaneKey, bytes]]:
        """All pane deltas of this fold, encoded, in the order of their keys."""
        return [(key, encode_pane(pane)) for key, pane in sorted(self._panes.items())]

    def count(self, found: Sorted, opinion: Opinion) -> ModelChange:
        """Count the rows and labels of one model."""
        change = ModelChange(found.watched.name, found.watched.totals)
        for at in np.unique(found.at).tolist():
            self._count_epoch(found.watched, self._part(found, opinion, at), change)
        joined = self._join(found, change)
        change.totals = self._totals(found, opinion, joined)
        return change

    # ------------------------------------------------------------ rows

    def _part(self, found: Sorted, opinion: Opinion, at: int) -> Part:
        which = np.flatnonzero(found.at == at)
        every = len(which) == found.rows.n
        rows = found.rows if every else found.rows.take(which)
        keys, said = (found.keys, opinion.said) if every else (found.keys[which], opinion.said[which])
        return Part(found.epochs[at], rows, keys, said, pane_start(rows.times, self._settings.pane_s))

    def _count_epoch(self, watched: Watched, part: Part, change: ModelChange) -> None:
        """Count the rows that one epoch answered, write their receipts, and choose which are kept."""
        epoch, layout = part.epoch, watched.layouts[part.epoch.judge]
        binned = bin_rows(layout, part.rows)
        whole = layout.empty()
        for start, rows in groups(part.starts):
            pane = count_rows(layout, binned, rows) + count_pairs(layout, binned, part.said, rows)
            self._add(watched, epoch, "", start, pane)
            whole += pane
        packed = self._count_segments(watched, part, layout, binned)
        if epoch.own not in {"", epoch.judge}:
            own = watched.layouts[epoch.own]
            again = bin_rows(own, part.rows)
            for start, rows in groups(part.starts):
                self._add(watched, epoch, "", start, count_rows(own, again, rows))
        change.receipts.append(Receipts(watched.name, part.keys, _records(layout, part, binned, packed)))
        flags = watched.odd(epoch.judge).flags(binned, whole) | self._flags(watched, part)
        change.samples += _sample(watched, part, flags, watched.odd(epoch.judge).strata(binned))

    def _count_segments(self, watched: Watched, part: Part, layout: Layout, binned: Binned) -> NDArray[np.uint16]:
        """Count the rows of every segment; what receipts keep of the rows' segment maps."""
        segments = watched.segments(part.epoch.judge)
        packed = segments.pack(part.rows)
        for segment, mine in segments.rows(binned.cells, packed) if segments.columns else ():
            for start, at in groups(part.starts[mine]):
                rows = mine[at]
                pane = count_rows(layout, binned, rows) + count_pairs(layout, binned, part.said, rows)
                self._add(watched, part.epoch, segment, start, pane)
        return packed

    def _add(self, watched: Watched, epoch: Epoch, segment: str, start: int, pane: Pane) -> None:
        key = PaneKey(watched.name, epoch.number, segment, pane.reference, start, self._settings.replica)
        self._panes[key] = self._panes[key] + pane if key in self._panes else pane

    def _flags(self, watched: Watched, part: Part) -> Flags:
        """What makes a row odd beside its values."""
        flags = np.zeros(part.rows.n, np.uint32)
        over = part.starts + (self._settings.pane_s + self._settings.grace_s)
        flags[over < self._now] |= np.uint32(Flag.LATE)
        flags[claims_wrong(part.rows.claimed, part.epoch.bundle)] |= np.uint32(Flag.CLAIM)
        if watched.schema.task is Task.CLASSIFICATION:
            flags[heard(part.said) & (part.said != part.rows.outputs)] |= np.uint32(Flag.DISAGREES)
        return flags

    # ------------------------------------------------------------ labels

    def _join(self, found: Sorted, change: ModelChange) -> Join:
        """Join the labels that came, and those that waited for a prediction of this fold."""
        watched, name = found.watched, found.watched.name
        waited = self._store.find_waiting(name, found.keys)
        change.waiting_done = [(name, label.hash, label.source) for label in waited]
        arrived = [Arrived(w.hash, w.source, w.label, w.time) for w in waited] + found.labels
        joined = join_labels(self._store, watched, arrived, change.receipts)
        count_effects(
            watched,
            found.epochs,
            joined,
            self._settings.pane_s,
            lambda epoch, segment, start, pane: self._add(watched, epoch, segment, start, pane),
        )
        change.labels = stored(name, joined)
        expires = self._now + self._settings.horizon_s
        change.waiting = [
            WaitingLabel(name, w.key, w.source, w.label, w.time, self._now, expires, watched.trusts(w.source))
            for w in joined.join.waiting.values()
        ]
        return joined.join

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
            claims_wrong=sum(
                int(np.count_nonzero(claims_wrong(found.rows.claimed, epoch.bundle) & (found.at == at)))
                for at, epoch in enumerate(epochs)
            ),
            labels=sum(effect.sign for effect in joined.effects if effect.weight is Weight.OUTCOME),
            labels_untrusted=sum(effect.sign for effect in joined.effects if effect.weight is Weight.AGREEMENT),
            labels_repeated=joined.repeated,
            labels_corrected=joined.corrected,
            labels_sampled_out=joined.sampled_out,
            pairs=opinion.asked,
            pairs_failed=opinion.failed,
        )
        newest = max(totals.last_prediction, float(times.max(initial=0.0)))
        label = max([totals.last_label, *(label.time for label in found.labels)])
        return totals.at(newest, label)


def groups(starts: NDArray[np.int64]) -> list[tuple[int, NDArray[np.intp] | slice]]:
    """Rows by pane: (start, which rows), ascending."""
    if not len(starts) or starts[0] == starts.min() == starts.max():  # a fold is a second or two: mostly one pane
        return [(int(start), slice(None)) for start in starts[:1]]
    found, inverse = np.unique(starts, return_inverse=True)
    order = np.argsort(inverse, kind="stable")
    cuts = np.searchsorted(inverse[order], np.arange(1, len(found)))
    return list(zip(found.tolist(), np.split(order, cuts), strict=True))


def claims_wrong(claimed: Coded[str], bundle: str) -> NDArray[np.bool_]:
    """Which rows name another bundle than the one that answered; most senders name none."""
    wrong = np.array([claim not in {"", bundle} for claim in claimed.values], np.bool_)
    found: NDArray[np.bool_] = wrong[claimed.codes]
    return found


def _records(layout: Layout, part: Part, binned: Binned, packed: NDArray[np.uint16]) -> NDArray[np.void]:
    rows = part.rows
    sources = np.array([hash_source(source) for source in rows.sources.values], np.uint32)
    return write_receipts(
        layout,
        rows,
        binned,
        epochs=np.full(rows.n, part.epoch.number, np.uint32),
        known_good=None if layout.task is Task.RANKING else part.said,
        segments=packed,
        sources=sources[rows.sources.codes],
    )


def _sample(watched: Watched, part: Part, flags: Flags, strata: NDArray[np.uint8]) -> list[Samples]:
    """Choose the rows that are kept as they came; nothing where none is."""
    settings = watched.settings.samples
    chosen = choose(
        part.keys,
        strata,
        flags,
        share=settings.share,
        per_stratum_min=settings.per_stratum_min,
        flagged_max=settings.flagged_max,
    )
    if not len(chosen.rows):
        return []
    epoch, rows, said = part.epoch, part.rows, part.said
    numbers = watched.schema.task is not Task.CLASSIFICATION
    answers = Answers(
        rows.outputs,
        rows.scores,
        known_good_outputs=np.zeros(rows.n, np.uint8) if numbers else said.astype(np.uint8),
        values=rows.values if numbers else None,
        known_good_values=said.astype(np.float64) if numbers else None,
        probabilities=rows.probabilities,
    )
    marks = Marks(part.keys, np.full(rows.n, epoch.number, np.uint32), flags, strata)
    table = sample_table(watched.schema, rows, answers, marks, chosen, {epoch.number: epoch.bundle})
    return [Samples(watched.name, table)]
