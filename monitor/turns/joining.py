"""Labels of a fold: found receipts, the join (labels.py), and what it moves in the panes of the predictions.

A label moves the pane of its prediction and those of its segments, in the bins of the judge of that epoch only: labels
move no feature, and a bundle's own profile is display.

Memory: `RECEIPTS_BYTES` of receipts are read at once, of which some copies are made. A request may bring 100,000
labels, and a receipt has a byte for each feature where rows are parted by segments: of 20 features that is read at
once, of 2,000 it would be 200 MB a copy. Labels of different predictions know nothing of each other, so they are
joined in any portions (`Scope.portions`), one after the other; all of it is still one fold, and one transaction.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from monitor.facts import Epoch, ModelName, Pane
from monitor.panes.attribution import pane_start
from monitor.panes.layout import Layout
from monitor.panes.outcomes import count_agreement, count_outcomes
from monitor.panes.receipts import receipt_dtype
from monitor.panes.segments import Segments
from monitor.store.protocol import Receipts, Store, StoredLabel
from monitor.store.receipts import convert
from monitor.turns.labels import Arrived, Effect, Held, Join, Weight, join
from monitor.turns.parting import Parting
from monitor.turns.watched import Watched

Keys: TypeAlias = NDArray[np.uint64]
Add: TypeAlias = Callable[[Epoch, str, int, Pane], None]  # epoch, segment, start of the pane
RECEIPTS_BYTES = 8 << 20  # read at once; a quarter of a million labels of 20 features are less


@dataclass(frozen=True, slots=True)
class Known:
    """Receipts of some predictions: `keys` ascending, `records` beside them."""

    keys: Keys
    records: NDArray[np.void]

    def at(self, keys: Keys) -> NDArray[np.void]:
        """The records of `keys`, all of which are known."""
        return self.records[np.searchsorted(self.keys, keys)]


@dataclass(frozen=True, slots=True)
class Scope:
    """What the labels of one model are joined in, all of it as it was when the fold began."""

    watched: Watched
    epochs: Sequence[Epoch]
    parting: Parting
    dtype: np.dtype[np.void]  # of what is read of receipts

    @classmethod
    def of(cls, watched: Watched, epochs: Sequence[Epoch], parting: Parting) -> "Scope":
        """With what labels of predictions of these epochs need."""
        return cls(watched, epochs, parting, dtype_of(watched, epochs, parting))

    @property
    def at_once(self) -> int:
        """How many receipts are read at once."""
        return max(RECEIPTS_BYTES // self.dtype.itemsize, 1)

    def portions(self, arrived: Sequence[Arrived]) -> list[Sequence[Arrived]]:
        """The labels in parts that may be joined one after the other, each of at most `at_once` predictions.

        Labels of one prediction stay together, in arrival order.
        """
        if len(arrived) <= self.at_once:
            return [arrived]
        keys = np.fromiter((label.key for label in arrived), np.uint64, len(arrived))
        order = np.argsort(keys, kind="stable")
        number = np.cumsum(np.diff(keys[order], prepend=keys[order[:1]]) != 0)  # of the prediction, ascending
        parts = np.split(order, np.flatnonzero(np.diff(number // self.at_once)) + 1)
        return [[arrived[i] for i in part.tolist()] for part in parts]


@dataclass(frozen=True, slots=True)
class Joined:
    """What joining found, before anything is counted."""

    scope: Scope
    join: Join
    known: Known


def join_labels(store: Store, scope: Scope, arrived: Sequence[Arrived], fresh: Sequence[Receipts]) -> Joined:
    """Join a portion of labels, in arrival order, to receipts of this fold (`fresh`) and of all before it."""
    watched = scope.watched
    keys = np.fromiter((label.key for label in arrived), np.uint64, len(arrived))
    wanted, place = np.unique(keys, return_inverse=True)
    near = hints(arrived, place, len(wanted))
    found, records = store.find_receipts(watched.name, wanted, scope.dtype, near)
    for receipts in fresh:
        mine = np.flatnonzero(np.isin(receipts.hashes, wanted))
        where = np.searchsorted(wanted, receipts.hashes[mine])
        found[where] = True
        convert(receipts.records, mine, records, where)
    gone = np.zeros(len(wanted), np.bool_)
    gone[~found] = store.sampled_out(watched.name, wanted[~found], near[~found])
    known = Known(wanted[found], records[found])
    held: dict[int, list[Held]] = {}
    for label in store.find_labels(watched.name, known.keys):
        stands = Held(label.hash, label.source, label.label, label.labelled, Weight(label.weight))
        held.setdefault(label.hash, []).append(stands)
    joined = join(
        arrived,
        known=set(known.keys.tolist()),
        held=held,
        trusted=watched.trusts,
        sampled_out=set(wanted[gone].tolist()),
    )
    return Joined(scope, joined, known)


def hints(arrived: Sequence[Arrived], place: NDArray[np.intp], n: int) -> NDArray[np.float64]:
    """When the n predictions were, by what the labels say, f8[n]; NaN where none says it. `place` is each label's."""
    said = np.fromiter((label.prediction_time for label in arrived), np.float64, len(arrived))
    given = np.flatnonzero(~np.isnan(said))
    found = np.full(n, np.nan)
    found[place[given]] = said[given]
    return found


def dtype_of(watched: Watched, epochs: Sequence[Epoch], parting: Parting) -> np.dtype[np.void]:
    """What of a receipt a label needs, whichever of `epochs` it is of: every field, each as wide as the widest.

    Cells only of the features from which segments follow, and slices of error. The judges of the epochs wrote the
    receipts; other profiles, of other models too, lie on the same shelf and say nothing of them.
    """
    fields: dict[str, np.dtype[Any]] = {}
    judges = [watched.layouts[digest] for digest in dict.fromkeys(epoch.judge for epoch in epochs)]
    for dtype in [_dtype(parting, layout) for layout in judges] or [receipt_dtype(0)]:
        for name in dtype.names or ():
            fields[name] = max(fields.get(name, dtype[name]), dtype[name], key=lambda one: one.itemsize)
    return np.dtype(list(fields.items()))


def _dtype(parting: Parting, layout: Layout) -> np.dtype[np.void]:
    features = len(layout.feature_cells) if parting.columns else layout.slicing.reach
    return receipt_dtype(features, layout.task, layout.classes)


def _as_written(parting: Parting, layout: Layout, records: NDArray[np.void]) -> NDArray[np.void]:
    """Receipts as their own judge has them: other profiles may have more features, more classes, another task."""
    if records.dtype == (dtype := _dtype(parting, layout)):
        return records
    own = np.zeros(len(records), dtype)
    convert(records, slice(None), own, slice(None))
    return own


def count_effects(joined: Joined, pane_s: int, since: float | None, add: Add) -> None:
    """Count what the labels move, and hand each pane to `add`; effects on forgotten epochs are forgotten, too.

    Labels of predictions up to `since` move no segment (`turns.parting`). Labels of another task than that of
    the epoch's judge move nothing: they say nothing of what it counts.
    """
    effects, many = joined.join.effects, joined.scope.at_once  # a label corrected over and over has many effects
    for first in range(0, len(effects), many):
        for epoch, segment, start, pane in _moved(joined, effects[first : first + many], pane_s, since):
            add(epoch, segment, start, pane)


def _moved(
    joined: Joined, effects: Sequence[Effect], pane_s: int, since: float | None
) -> Iterator[tuple[Epoch, str, int, Pane]]:
    """The panes that some effects move: epoch, segment and start of each."""
    watched, parting = joined.scope.watched, joined.scope.parting
    records = joined.known.at(np.fromiter((effect.key for effect in effects), np.uint64, len(effects)))
    starts = pane_start(records["time"], pane_s).tolist()
    places = list(zip(records["epoch"].tolist(), starts, [e.weight.value for e in effects], strict=True))
    known: Mapping[int, Epoch] = {epoch.number: epoch for epoch in joined.scope.epochs}
    order = sorted(range(len(effects)), key=places.__getitem__)
    for (number, start, _), group in groupby(order, key=places.__getitem__):
        if (epoch := known.get(number)) is None:
            continue
        part, layout = list(group), watched.layouts[epoch.judge]
        if layout.task is not watched.schema.task:
            continue
        segments, mine = parting.of(layout), _as_written(parting, layout, records[part])
        for segment, pane in effects_panes(layout, segments, [effects[i] for i in part], mine, since):
            yield epoch, segment, start, pane


def effects_panes(
    layout: Layout, segments: Segments, effects: Sequence[Effect], records: NDArray[np.void], since: float | None
) -> list[tuple[str, Pane]]:
    """Count effects of one weight in one pane, as a whole ("") and by segment."""
    labels = np.fromiter((effect.label for effect in effects), np.float64, len(effects))
    sign = np.fromiter((effect.sign for effect in effects), np.int8, len(effects))
    lags = np.maximum(np.fromiter((effect.time for effect in effects), np.float64, len(effects)) - records["time"], 0.0)

    def count(rows: NDArray[np.intp] | slice) -> Pane:
        if effects[0].weight is Weight.AGREEMENT:
            return count_agreement(layout, records[rows], labels[rows], sign[rows])
        return count_outcomes(layout, receipts=records[rows], labels=labels[rows], lags_s=lags[rows], sign=sign[rows])

    parted = np.arange(len(records)) if since is None else np.flatnonzero(records["time"] > since)
    parts = segments.rows(records["bins"][parted], records["segment"][parted]) if segments.columns else ()
    return [("", count(slice(None))), *((segment, count(parted[rows])) for segment, rows in parts)]


def stored(name: ModelName, joined: Joined) -> list[StoredLabel]:
    """The labels that hold from now on, to keep."""
    held = list(joined.join.held.values())
    times = joined.known.at(np.fromiter((one.key for one in held), np.uint64, len(held)))["time"].tolist()
    return [
        StoredLabel(name, one.key, one.source, one.label, one.weight.value, one.time, time)
        for one, time in zip(held, times, strict=True)
    ]
