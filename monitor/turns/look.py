"""The look: windows become readings, readings become slots.

A rule with a window is read over the scheduled, non-overlapping windows of the open epoch: [k W, (k + 1) W), once
`end + grace` has passed. Late rows and labels revise a window; it is then read again and its slot replaced. Windows
that nothing touched since the last look are not: a look costs what changed, not what there is.

A sequential detector is stepped once per tick with the sum of the deltas that were folded since its last tick, each
exactly once: its state and how far it consumed are committed with what the look decided. So is the e-detector that
watches everything under the budget of false alarms (`monitor.turns.ticking`).

A rule of how many rows came says nothing that rows which were refused might change (`monitor.turns.refusals`).

A rule that reads `by` a segment column has a window, a slot and an alert for each of its segments; one that compares
groups reads all of them at once. Where a reload changed the column, it is read from the first window that begins after.

Cost, `python -m bench look`: a sum of a few dozen panes and about a hundred readings, whatever the traffic.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeAlias

import msgspec

from monitor.decisions.rules import Rule, RulePack
from monitor.facts import Epoch, Histogram, ModelName, Outcomes, Reading, Slot, Subject, Task, Verdict
from monitor.panes.carriers import carriers
from monitor.panes.layout import Layout
from monitor.panes.views import Views
from monitor.panes.window import sum_panes
from monitor.store.protocol import Store
from monitor.turns import sequential
from monitor.turns.lookout import BANDS_BYTES_MAX
from monitor.turns.minutes import Pace
from monitor.turns.parting import Parted, Parting, Segmentation
from monitor.turns.reading import doubted, due, newer, read_all, read_groups, read_refused, slot_of, stepped
from monitor.turns.refusals import Refused, nothing_refused, rows_between
from monitor.turns.ticking import Armed, Believed, Ticked, Ticking, whatever
from monitor.turns.watched import Counted, Shown, Watched

Slots: TypeAlias = dict[tuple[str, str], tuple[Slot, ...]]  # by (rule, segment), oldest first
Place: TypeAlias = tuple[str, str, float, float]  # reference, segment, start, end
WHOLE = ""  # the segment that is everything
SUMS_BYTES_MAX = 64 << 20  # held of a model, and up to twice that as histograms
NOTHING_ARMED: Mapping[str, Armed] = MappingProxyType({})
TICKS_KEPT = 100  # slots of a sequential rule: the longest hold or calm a rule may have


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
    parting: Parting  # and the segments
    fold: int  # folds up to this one are in `slots`
    parted: Segmentation  # since when which column parts rows so
    panes: dict[Place, Views] = field(default_factory=dict)
    slots: dict[tuple[str, str, float], Slot] = field(default_factory=dict)  # by (rule, segment, start)


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look found: slots of every rule, and the sequential states to commit with what follows from them."""

    slots: Slots
    ticks: tuple[Ticks, ...]
    fold: int
    ticked: Ticked | None = None  # of the e-detector; None: the rules set no budget, or nobody knows what is served

    @property
    def states(self) -> list[tuple[str, msgspec.Struct]]:
        """The sequential states that must become true with what follows from this look, and their keys."""
        armed = [] if self.ticked is None or not self.ticked.new else [self.ticked.armed]
        return [*((tick.key, tick) for tick in self.ticks), *((each.model, each) for each in armed)]

    @property
    def consumed(self) -> int:
        """Deltas of folds up to this one are asked for by nobody again."""
        armed = [] if self.ticked is None else [self.ticked.armed.fold]
        return min([self.fold, *(tick.fold for tick in self.ticks), *armed])


class Look:
    """Reads what is due. Its memory is a cache: a new one answers the same."""

    def __init__(
        self,
        store: Store,
        *,
        grace_s: float,
        pace: Pace | None = None,
        ticks: Mapping[str, Ticks],
        armed: Mapping[str, Armed] = NOTHING_ARMED,
        sums_bytes_max: int = SUMS_BYTES_MAX,
        bands_bytes_max: int = BANDS_BYTES_MAX,
        refused: Refused = nothing_refused,
        believed: Believed = whatever,
    ) -> None:
        """With the sequential states that were committed last; `pace` None: looks and panes as by default."""
        self.ticking = Ticking(store, armed, pace or Pace(grace_s), refused, bands_bytes_max, believed)
        self._refused = refused
        self.sums_dropped = 0  # sums that made room since the start: each is made again when it is asked for
        self._cells_max = sums_bytes_max // 8
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
            watched.sequential = None
            return Looked({}, (), fold)
        slots: Slots = {}
        ticks = []
        for rule in seen.pack.rules:
            if rule.sequential:
                tick = self._tick(watched, rule, seen.epoch, now, fold)
                ticks.append(tick)
                slots[rule.name, WHOLE] = tick.slots
                self._show(watched, rule, tick.slots[-1:], {})
                continue
            for segment in self._segments(watched, rule, seen):
                slots[rule.name, segment] = self._read(watched, rule, segment, seen, now)
        ticked = self._ticked(watched, seen, now, fold)
        forget(seen, [slot for rule in seen.pack.rules if not rule.sequential for slot in read_by(rule, slots)])
        return Looked(slots | ({} if ticked is None else ticked.slots), tuple(ticks), fold, ticked)

    def committed(self, looked: Looked) -> None:
        """The sequential states are stored: from now on they are true."""
        self._ticks |= {tick.key: tick for tick in looked.ticks}
        self.ticking.committed(looked.ticked)

    # ------------------------------------------------------------ windows

    def _refreshed(self, watched: Watched, fold: int) -> Seen:
        """Forget what another epoch or other rules left, and the windows that were touched since the last look.

        Epoch, rules and segments are taken once: a proof or a reload may replace them while this look reads.
        """
        epoch, pack, parting = watched.epoch, watched.pack, watched.parting
        parted = watched.segmentation.now(parting.columns, watched.newest)
        seen = self._seen.get(watched.name)
        judging = (epoch.number, epoch.start, id(pack), id(parting))  # a clock that is set back moves the start
        if seen is None or judging != (seen.epoch.number, seen.epoch.start, id(seen.pack), id(seen.parting)):
            watched.shown.clear()
            watched.outputs, watched.confusion, watched.features = Counted(), Counted(), Counted()
            watched.carried = Counted()
            self._seen[watched.name] = Seen(epoch, pack, parting, fold, parted)
            return self._seen[watched.name]
        self._forget_touched(watched, seen)
        seen.fold, seen.parted = fold, parted
        return seen

    def _forget_touched(self, watched: Watched, seen: Seen) -> None:
        """Forget sums and slots of windows in which a pane was touched; what moves a segment moves the whole, too."""
        mine = (watched.name, seen.epoch.number)
        touched: dict[tuple[str, str], list[int]] = {}  # starts of panes, ascending, by reference and segment
        for key, _ in self._store.touched(seen.fold):
            if (key.model, key.epoch) == mine:
                touched.setdefault((key.reference, key.segment), []).append(key.start)
        for each in touched.values():
            each.sort()
        for place in [p for p in seen.panes if within(touched.get(p[:2], ()), *p[2:])]:
            del seen.panes[place]
        judge = seen.epoch.judge
        for which, slot in list(seen.slots.items()):
            if within(touched.get((judge, slot.segment), ()), slot.start, slot.end):
                del seen.slots[which]

    def _segments(self, watched: Watched, rule: Rule, seen: Seen) -> Sequence[str]:
        """The segments of which a rule has a slot each; what compares them has one for all."""
        if not rule.by or rule.subject is Subject.GROUPS:
            return (WHOLE,)
        return named(seen.parting, watched.layouts[seen.epoch.judge], rule.by)

    def _read(self, watched: Watched, rule: Rule, segment: str, seen: Seen, now: float) -> tuple[Slot, ...]:
        """Slots of the newest closed windows of the open epoch, oldest first."""
        slots, revised = [], False
        for start, end in due(seen.epoch, rule, now - self._grace_s):
            if rule.by and not seen.parted.whole(rule.by, start):
                continue
            key = (rule.name, segment, start)
            if key not in seen.slots:
                readings = self._readings(watched, rule, seen, (seen.epoch.judge, segment, start, end))
                seen.slots[key] = slot_of(rule, segment, seen.epoch, start, end, readings)
                self._show_window(watched, rule, seen, seen.slots[key], readings)
                revised = True
            slots.append(seen.slots[key])
        if revised and rule.labels_late:
            self._show_late(watched, rule, segment, seen, slots)
        return tuple(slots)

    def _readings(self, watched: Watched, rule: Rule, seen: Seen, place: Place) -> dict[str, Reading]:
        """Read one window of one segment, or all segments of it."""
        reference, segment, start, end = place
        if rule.subject is not Subject.GROUPS:
            both = self._reference(watched, reference), self._pane(watched, seen, place)
            if rule.subject is Subject.ARRIVALS and (most := rows_between(self._refused, start, end)):
                return read_refused(rule, *both, most)
            return read_all(rule, *both)
        names = named(seen.parting, watched.layouts[reference], rule.by)
        assert segment == WHOLE, "groups are compared over the whole of the traffic"
        return read_groups(rule, {name: self._pane(watched, seen, (reference, name, start, end)) for name in names})

    def _pane(self, watched: Watched, seen: Seen, place: Place) -> Views:
        """Sum a window once for all rules; the ones summed first make room when too many cells are held."""
        if place not in seen.panes:
            reference, segment, start, end = place
            found = self._store.panes(watched.name, seen.epoch.number, segment, reference, start, end)
            layout = watched.layouts[reference]
            pane = sum_panes([body for _, body in found], reference, layout.size)
            seen.panes[place] = Views(layout, pane)
            held = sum(views.layout.size for views in seen.panes.values())
            while held > self._cells_max and len(seen.panes) > 1:
                held -= seen.panes.pop(next(iter(seen.panes))).layout.size
                self.sums_dropped += 1
        return seen.panes[place]

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
        if abs(now - before.at) < rule.window_s:  # a clock set back must not stop the ticks
            return before
        bodies = self._store.delta(watched.name, epoch.number, "", judge.digest, before.fold, fold)
        delta = sum_panes([body for _, body in bodies], judge.digest, judge.size)
        refused = rule.subject is Subject.ARRIVALS and rows_between(self._refused, before.at, now) > 0
        elapsed_s = 0.0 if refused else max(now - before.at, 0.0)  # rows came, so it was no silence
        reading, state = stepped(rule, judge, delta, elapsed_s, before.state)
        if refused and reading.verdict is Verdict.BREACH:
            reading = doubted(reading)
        slot = Slot(rule.name, "", epoch.number, before.at, now, reading)
        return Ticks(watched.name, rule.name, epoch.number, fold, now, state, (*before.slots, slot)[-TICKS_KEPT:])

    def _ticked(self, watched: Watched, seen: Seen, now: float, fold: int) -> Ticked | None:
        """Tick the e-detector, if the rules set a budget, and keep what it said."""
        parted = Parted(seen.parting, seen.parted)
        ticked = self.ticking.run(watched, (seen.epoch, seen.pack), now, fold, parted)
        watch = seen.pack.watch
        told = (
            None if ticked is None or watch is None else sequential.view(ticked, seen.pack, watch, watched.sequential)
        )
        watched.sequential = told
        return ticked

    # ------------------------------------------------------------ display

    def _show_window(
        self, watched: Watched, rule: Rule, seen: Seen, slot: Slot, readings: Mapping[str, Reading]
    ) -> None:
        """Keep the newest reading of each column, by the judge and by the bundle's own reference."""
        epoch = seen.epoch
        if rule.labels_late:
            return
        self._show(watched, rule, (slot,), readings)
        self._count(watched, rule, seen, slot)
        if epoch.own in ("", epoch.judge) or slot.segment:
            return
        own = self._readings(watched, rule, seen, (epoch.own, WHOLE, slot.start, slot.end))
        self._show(watched, rule, (slot,), own, own=True)

    def _show_late(self, watched: Watched, rule: Rule, segment: str, seen: Seen, slots: Sequence[Slot]) -> None:
        """Keep the newest reading that could be told; a revision may take away what was known, so from all of them."""
        watched.shown.pop((rule.name, "", segment, False), None)
        if not segment and watched.confusion.rule == rule.name:
            watched.confusion = Counted()
        for slot in slots:
            self._show(watched, rule, (slot,), {})
            self._count(watched, rule, seen, slot)

    def _count(self, watched: Watched, rule: Rule, seen: Seen, slot: Slot) -> None:
        """Keep the counts by class, label and feature of the newest window of the whole in which they could be read.

        Of rules with different windows the longer one's are kept, so that what is drawn does not jump between them.
        """
        if slot.segment or rule.subject not in (Subject.OUTPUT, Subject.OUTCOMES, Subject.FEATURES):
            return
        counted = Counted(slot.end, rule.window_s, rule=rule.name)
        window = self._pane(watched, seen, (seen.epoch.judge, WHOLE, slot.start, slot.end))
        classes = window.layout.task is Task.CLASSIFICATION
        if rule.subject is Subject.FEATURES and counted.over(watched.features):
            watched.features = msgspec.structs.replace(counted, features=window.features)
        if rule.subject is Subject.OUTPUT and counted.over(watched.carried):
            reference = self._reference(watched, seen.epoch.judge)
            found = carriers(window.layout, reference.pane, window.pane)
            watched.carried = msgspec.structs.replace(counted, carriers=found)
        if rule.subject is Subject.OUTPUT and not classes and counted.over(watched.outputs):
            output = window.layout.view(window.pane, Subject.OUTPUT)
            assert isinstance(output, Histogram)
            watched.outputs = msgspec.structs.replace(counted, features=(output,))
        if rule.subject is Subject.OUTPUT and classes and counted.over(watched.outputs):
            cells = tuple(window.pane.counts[window.layout.output].tolist())
            watched.outputs = msgspec.structs.replace(counted, outputs=cells)
        if rule.subject is Subject.OUTCOMES and slot.reading.verdict is not Verdict.UNKNOWN:
            truth = window.of(Subject.OUTCOMES)
            if isinstance(truth, Outcomes) and counted.over(watched.confusion):
                watched.confusion = msgspec.structs.replace(counted, confusion=truth.confusion)

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
                key = (rule.name, column, slot.segment, own)
                shown = Shown(rule.name, column, slot.segment, slot.start, slot.end, reading, own)
                if newer(watched.shown.get(key), shown, late=rule.labels_late):
                    watched.shown[key] = shown


def named(parting: Parting, layout: Layout, by: str) -> tuple[str, ...]:
    """The segments of one column; none where a reload took the column away."""
    return next((each.names for each in parting.of(layout).columns if each.column == by), ())


def within(starts: Sequence[int], start: float, end: float) -> bool:
    """Whether one of the ascending `starts` lies in [start, end)."""
    at = bisect_left(starts, start)
    return at < len(starts) and starts[at] < end


def read_by(rule: Rule, slots: Slots) -> list[Slot]:
    """All slots of one rule, whatever the segment."""
    return [slot for (name, _), found in slots.items() if name == rule.name for slot in found]


def forget(seen: Seen, slots: Sequence[Slot]) -> None:
    """Keep only the windows that are still looked at."""
    if len(slots) < len(seen.slots):
        seen.slots = {(slot.rule, slot.segment, slot.start): slot for slot in slots}
        windows = {(slot.start, slot.end) for slot in slots}
        seen.panes = {place: pane for place, pane in seen.panes.items() if place[2:] in windows}
