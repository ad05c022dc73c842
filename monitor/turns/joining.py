"""Labels of a fold: found receipts, the join (labels.py), and what it moves in the panes of the predictions.

A label moves the pane of its prediction and those of its segments, in the bins of the judge of that epoch only: labels
move no feature, and a bundle's own profile is display.
"""

from collections.abc import Callable, Mapping, Sequence
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


@dataclass(frozen=True, slots=True)
class Known:
    """Receipts of some predictions: `keys` ascending, `records` beside them."""

    keys: Keys
    records: NDArray[np.void]

    def at(self, keys: Keys) -> NDArray[np.void]:
        """The records of `keys`, all of which are known."""
        return self.records[np.searchsorted(self.keys, keys)]


@dataclass(frozen=True, slots=True)
class Joined:
    """What joining found, before anything is counted."""

    join: Join
    known: Known
    parting: Parting  # of this fold


def join_labels(
    store: Store, watched: Watched, parting: Parting, arrived: Sequence[Arrived], fresh: Sequence[Receipts]
) -> Joined:
    """Join labels, in arrival order, to receipts of this fold (`fresh`) and of all before it."""
    keys = np.fromiter((label.key for label in arrived), np.uint64, len(arrived))
    wanted, place = np.unique(keys, return_inverse=True)
    near = hints(arrived, place, len(wanted))
    found, records = store.find_receipts(watched.name, wanted, dtype_of(watched, parting), near)
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
    return Joined(joined, known, parting)


def hints(arrived: Sequence[Arrived], place: NDArray[np.intp], n: int) -> NDArray[np.float64]:
    """When the n predictions were, by what the labels say, f8[n]; NaN where none says it. `place` is each label's."""
    said = np.fromiter((label.prediction_time for label in arrived), np.float64, len(arrived))
    given = np.flatnonzero(~np.isnan(said))
    found = np.full(n, np.nan)
    found[place[given]] = said[given]
    return found


def dtype_of(watched: Watched, parting: Parting) -> np.dtype[np.void]:
    """What of a receipt a label needs, whichever epoch it is of: every field, each as wide as the widest.

    Cells only of the features from which segments follow, and slices of error.
    """
    fields: dict[str, np.dtype[Any]] = {}
    for layout in watched.layouts.values():
        dtype = _dtype(parting, layout)
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


def count_effects(  # noqa: PLR0917  # where to count, what, and since when segments are known
    watched: Watched, epochs: Sequence[Epoch], joined: Joined, pane_s: int, since: float | None, add: Add
) -> None:
    """Count what the labels move, and hand each pane to `add`; effects on forgotten epochs are forgotten, too.

    Labels of predictions up to `since` move no segment (`turns.parting`). Labels of another task than that of
    the epoch's judge move nothing: they say nothing of what it counts.
    """
    effects = joined.join.effects
    if not effects:
        return
    records = joined.known.at(np.fromiter((effect.key for effect in effects), np.uint64, len(effects)))
    starts = pane_start(records["time"], pane_s).tolist()
    places = list(zip(records["epoch"].tolist(), starts, [e.weight.value for e in effects], strict=True))
    known: Mapping[int, Epoch] = {epoch.number: epoch for epoch in epochs}
    order = sorted(range(len(effects)), key=places.__getitem__)
    for (number, start, _), group in groupby(order, key=places.__getitem__):
        if (epoch := known.get(number)) is None:
            continue
        part, layout = list(group), watched.layouts[epoch.judge]
        if layout.task is not watched.schema.task:
            continue
        segments, mine = joined.parting.of(layout), _as_written(joined.parting, layout, records[part])
        for segment, pane in effects_panes(layout, segments, [effects[i] for i in part], mine, since):
            add(epoch, segment, start, pane)


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
