"""The look: windows become readings, readings become slots.

A rule with a window is read over the scheduled, non-overlapping windows of the open epoch: [k W, (k + 1) W), once
`end + grace` has passed. Late rows and labels revise a window; it is then read again and its slot replaced. Windows
that nothing touched since the last look are not: a look costs what changed, not what there is.

A sequential detector is stepped once per tick with the sum of the deltas that were folded since its last tick, each
exactly once: its state and how far it consumed are committed with what the look decided.

A detector that raises is BROKEN, counted, and its neighbours are read: this is the one place where any exception
becomes a verdict, because third parties write detectors too.

Cost, `python -m bench look`: a sum of a few dozen panes and about a hundred readings, whatever the traffic.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

import msgspec

from monitor.decisions.rules import Rule, RulePack
from monitor.detectors.protocol import Detector, Sequential, applies
from monitor.facts import Epoch, ModelName, Outcomes, Pane, Reading, Slot, Subject, Verdict, View
from monitor.panes.layout import Layout
from monitor.panes.views import Views
from monitor.panes.window import sum_panes
from monitor.store.protocol import Store
from monitor.turns.watched import Shown, Watched

Slots: TypeAlias = dict[tuple[str, str], tuple[Slot, ...]]
WORST_MAX = 10  # breaching columns named in a slot
TICKS_KEPT = 100  # slots of a sequential rule: the longest hold or calm a rule may have
RANK = {Verdict.BREACH: 3, Verdict.BROKEN: 2, Verdict.OK: 1, Verdict.UNKNOWN: 0}


class Ticks(msgspec.Struct, frozen=True):
    """The stored state of one sequential rule: what its detector remembers and how far it has consumed."""

    model: ModelName
    rule: str
    epoch: int
    fold: int  # deltas of folds up to this one are consumed
    at: float  # event time of the last tick
    state: dict[str, Any] | None = None
    slots: tuple[Slot, ...] = ()

    @property
    def key(self) -> str:
        """Key of the stored document."""
        return f"{self.model}/{self.rule}"


@dataclass(slots=True)
class Seen:
    """What was read of one model; all of it can be read again from the store."""

    epoch: Epoch
    pack: RulePack  # the rules that `slots` were read by
    fold: int  # folds up to this one are in `slots`
    panes: dict[tuple[str, float, float], Views] = field(default_factory=dict)  # by (reference, start, end)
    slots: dict[tuple[str, float], Slot] = field(default_factory=dict)  # by (rule, start)


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look found: slots of every rule, and the sequential states to commit with what follows from them."""

    slots: Slots
    ticks: tuple[Ticks, ...]
    fold: int


class Look:
    """Reads what is due. Its memory is a cache: a new one answers the same."""

    def __init__(self, store: Store, *, grace_s: float, ticks: Mapping[str, Ticks]) -> None:
        self._store = store
        self._grace_s = grace_s
        self._ticks = dict(ticks)
        self._seen: dict[ModelName, Seen] = {}
        self._references: dict[str, Views] = {}

    def run(self, watched: Watched, now: float) -> Looked:
        """Read every rule of a model at event time `now`; nothing is committed yet, call `committed` after."""
        fold = self._store.position().fold
        seen = self._refreshed(watched, fold)
        if not seen.epoch.acts:
            return Looked({}, (), fold)
        slots: Slots = {}
        ticks = []
        for rule in seen.pack.rules:
            if rule.sequential:
                tick = self._tick(watched, rule, seen.epoch, now, fold)
                ticks.append(tick)
                slots[rule.name, ""] = tick.slots
                self._show(watched, rule, tick.slots[-1:], {})
            else:
                slots[rule.name, ""] = self._read(watched, rule, seen, now)
        forget(seen, [slot for rule in seen.pack.rules if not rule.sequential for slot in slots[rule.name, ""]])
        return Looked(slots, tuple(ticks), fold)

    def committed(self, looked: Looked) -> None:
        """The sequential states are stored: from now on they are true."""
        self._ticks |= {tick.key: tick for tick in looked.ticks}

    # ------------------------------------------------------------ windows

    def _refreshed(self, watched: Watched, fold: int) -> Seen:
        """Forget what another epoch or other rules left, and the windows that were touched since the last look.

        Epoch and rules are taken once: a proof or a reload may replace them while this look reads.
        """
        epoch, pack = watched.epoch, watched.pack
        seen = self._seen.get(watched.name)
        if seen is None or seen.epoch.number != epoch.number or seen.pack is not pack:
            watched.shown.clear()
            watched.outputs, watched.confusion = (), ()
            self._seen[watched.name] = Seen(epoch, pack, fold)
            return self._seen[watched.name]
        mine = (watched.name, epoch.number)
        touched = [key for key, _ in self._store.touched(seen.fold) if (key.model, key.epoch) == mine]
        for reference, start, end in list(seen.panes):
            if any(key.reference == reference and start <= key.start < end for key in touched):
                del seen.panes[reference, start, end]
        starts = sorted({key.start for key in touched})
        for (rule, start), slot in list(seen.slots.items()):
            if any(start <= at < slot.end for at in starts):
                del seen.slots[rule, start]
        seen.fold = fold
        return seen

    def _read(self, watched: Watched, rule: Rule, seen: Seen, now: float) -> tuple[Slot, ...]:
        """Slots of the newest closed windows of the open epoch, oldest first."""
        slots, revised = [], False
        for start, end in due(seen.epoch, rule, now - self._grace_s):
            if (rule.name, start) not in seen.slots:
                judge = seen.epoch.judge
                readings = read_all(rule, self._reference(watched, judge), self._pane(watched, judge, seen, start, end))
                seen.slots[rule.name, start] = slot_of(rule, seen.epoch, start, end, readings)
                self._show_window(watched, rule, seen, seen.slots[rule.name, start], readings)
                revised = True
            slots.append(seen.slots[rule.name, start])
        if revised and rule.labels_late:
            self._show_late(watched, rule, seen, slots)
        return tuple(slots)

    def _pane(self, watched: Watched, reference: str, seen: Seen, start: float, end: float) -> Views:
        if (reference, start, end) not in seen.panes:
            found = self._store.panes(watched.name, seen.epoch.number, "", reference, start, end)
            layout = watched.layouts[reference]
            pane = sum_panes([body for _, body in found], reference, layout.size)
            seen.panes[reference, start, end] = Views(layout, pane)
        return seen.panes[reference, start, end]

    def _reference(self, watched: Watched, reference: str) -> Views:
        if reference not in self._references:
            layout = watched.layouts[reference]
            self._references[reference] = Views(layout, layout.reference_pane())
        return self._references[reference]

    # ------------------------------------------------------------ ticks

    def _tick(self, watched: Watched, rule: Rule, epoch: Epoch, now: float, fold: int) -> Ticks:
        """Step a sequential rule once, if a tick is due; the state after it."""
        judge = watched.layouts[epoch.judge]
        before = self._ticks.get(f"{watched.name}/{rule.name}")
        consumed = self._store.position().consumed
        if before is None or before.epoch != epoch.number or before.fold < consumed:  # the rule was away for a while
            before = Ticks(watched.name, rule.name, epoch.number, consumed, epoch.start)
        if now - before.at < rule.window_s:
            return before
        bodies = self._store.delta(watched.name, epoch.number, "", judge.digest, before.fold, fold)
        delta = sum_panes(bodies, judge.digest, judge.size)
        reading, state = stepped(rule, judge, delta, now - before.at, before.state)
        slot = Slot(rule.name, "", epoch.number, before.at, now, reading)
        return Ticks(watched.name, rule.name, epoch.number, fold, now, state, (*before.slots, slot)[-TICKS_KEPT:])

    # ------------------------------------------------------------ display

    def _show_window(
        self, watched: Watched, rule: Rule, seen: Seen, slot: Slot, readings: Mapping[str, Reading]
    ) -> None:
        """Keep the newest reading of each column, by the judge and by the bundle's own reference."""
        epoch = seen.epoch
        if rule.labels_late:
            return
        self._show(watched, rule, (slot,), readings)
        self._count(watched, rule, slot, seen.panes[epoch.judge, slot.start, slot.end])
        if epoch.own in ("", epoch.judge):
            return
        window = self._pane(watched, epoch.own, seen, slot.start, slot.end)
        self._show(watched, rule, (slot,), read_all(rule, self._reference(watched, epoch.own), window), own=True)

    def _show_late(self, watched: Watched, rule: Rule, seen: Seen, slots: Sequence[Slot]) -> None:
        """Keep the newest reading that could be told; a revision may take away what was known, so from all of them."""
        watched.shown.pop((rule.name, "", False), None)
        for slot in slots:
            self._show(watched, rule, (slot,), {})
            self._count(watched, rule, slot, self._pane(watched, seen.epoch.judge, seen, slot.start, slot.end))

    def _count(self, watched: Watched, rule: Rule, slot: Slot, window: Views) -> None:
        """Keep the class counts and the confusion of the newest window in which they could be read."""
        newest = watched.shown[rule.name, "", False].end == slot.end if rule.subject is not Subject.FEATURES else False
        if rule.subject is Subject.OUTPUT and newest:
            watched.outputs = tuple(window.pane.counts[window.layout.output].tolist())
        if rule.subject is Subject.OUTCOMES and newest and slot.reading.verdict is not Verdict.UNKNOWN:
            outcomes = window.of(Subject.OUTCOMES)
            assert isinstance(outcomes, Outcomes), "OUTCOMES are Outcomes"
            watched.confusion = outcomes.confusion

    def _show(
        self,
        watched: Watched,
        rule: Rule,
        slots: Sequence[Slot],
        readings: Mapping[str, Reading],
        *,
        own: bool = False,
    ) -> None:
        for slot in slots:
            for column, reading in (readings or ({} if own else {"": slot.reading})).items():
                key = (rule.name, column, own)
                shown = Shown(rule.name, column, "", slot.start, slot.end, reading, own)
                if newer(watched.shown.get(key), shown, late=rule.labels_late):
                    watched.shown[key] = shown


def forget(seen: Seen, slots: Sequence[Slot]) -> None:
    """Keep only the windows that are still looked at."""
    if len(slots) < len(seen.slots):
        seen.slots = {(slot.rule, slot.start): slot for slot in slots}
        windows = {(slot.start, slot.end) for slot in slots}
        seen.panes = {key: pane for key, pane in seen.panes.items() if key[1:] in windows}


def due(epoch: Epoch, rule: Rule, closed: float) -> Iterator[tuple[float, float]]:
    """The newest `rule.reach` windows of an epoch that ended by `closed`, oldest first.

    The first window of an epoch is cut at the epoch's start, so that it holds no row of another; it keeps its place.
    """
    width = rule.window_s
    last = math.floor(closed / width)  # windows before this one are over
    first = math.floor(epoch.start / width)
    for k in range(max(first, last - rule.reach), last):
        if (k + 1) * width > epoch.start:
            yield k * width, (k + 1) * width


def newer(old: Shown | None, new: Shown, *, late: bool) -> bool:
    """Whether `new` is shown instead of `old`: the later window, but of late labels the last one known."""
    if old is None or old.end == new.end:
        return True
    if late and new.reading.verdict is Verdict.UNKNOWN and old.reading.verdict is not Verdict.UNKNOWN:
        return False
    return new.end > old.end or (late and old.reading.verdict is Verdict.UNKNOWN is not new.reading.verdict)


def read_all(rule: Rule, reference: Views, current: Views) -> dict[str, Reading]:
    """Read a window with a rule: one reading, or of features one per column to which the question applies."""
    detector = cast("Detector", rule.detector)
    if rule.subject is not Subject.FEATURES:
        return {"": read(detector, reference.of(rule.subject), current.of(rule.subject))}
    pairs = zip(reference.features, current.features, strict=True)
    return {now.column: read(detector, then, now) for then, now in pairs if applies(detector, then)}


def read(detector: Detector, reference: View, current: View) -> Reading:
    """One reading; BROKEN if the detector raises."""
    try:
        return detector.read(reference, current)
    except Exception as error:  # noqa: BLE001 - whatever a third party's detector does, the others are read
        return broken(error)


def stepped(
    rule: Rule, layout: Layout, delta: Pane, dt_s: float, state: dict[str, Any] | None
) -> tuple[Reading, dict[str, Any] | None]:
    """One step of a sequential detector, and its state as plain values; BROKEN if it raises, the state unchanged."""
    detector = cast("Sequential", rule.detector)
    reference, current = layout.view(layout.reference_pane(), rule.subject), layout.view(delta, rule.subject)
    try:
        before = None if state is None else msgspec.convert(state, detector.State)
        reading, after = detector.step(reference, current, dt_s, before)
        return reading, msgspec.to_builtins(after)
    except Exception as error:  # noqa: BLE001 - as in `read`
        return broken(error), state


def broken(error: Exception) -> Reading:
    """What a detector that raised has said; the text of the error may hold data, so only its type is told."""
    return Reading(Verdict.BROKEN, 0, why=f"the detector failed: {type(error).__name__}")


def slot_of(rule: Rule, epoch: Epoch, start: float, end: float, readings: Mapping[str, Reading]) -> Slot:
    """The worst reading stands for the window; the breaching columns are named, worst first."""
    if not readings:
        nothing = Reading(Verdict.UNKNOWN, 0, why="no column to which this applies")
        return Slot(rule.name, "", epoch.number, start, end, nothing)
    order = sorted(readings, key=lambda column: (-RANK[readings[column].verdict], -excess(readings[column]), column))
    worst = tuple(column for column in order if column and readings[column].verdict is Verdict.BREACH)[:WORST_MAX]
    return Slot(rule.name, "", epoch.number, start, end, readings[order[0]], worst)


def excess(reading: Reading) -> float:
    """How far a value is beyond its limit; for ordering only."""
    return abs((reading.value or 0.0) - (reading.limit or 0.0))
