"""The tick of the e-detector: what arrived since the last one becomes one bet, and what crossed becomes slots.

    deltas of folds since the last tick, by the hour their pane began -> counts of signals -> step -> slots by group

Exactly once: how far the deltas were consumed is committed with the state that bet on them, in the look's transaction.
A tick that is replayed would square its multipliers; one that is lost only lowers them. Rows that come late bet with
the band of their own hour.

A new epoch, another judge or another budget begins anew: nothing that another model did speaks against this one.

Each latched group has a slot that breaches, frozen when it paged; an alert of a group that is calm has one that is ok,
once the epoch is as old as calm is long. Before that, and where nothing can be told, it is unknown.
"""

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec
import numpy as np

from monitor.decisions.budget import MINUTE_S, Watch, rule_name
from monitor.decisions.rules import RulePack
from monitor.detectors.sequential import Crossing, Plan, State, Step, Tier, step
from monitor.detectors.sequential.ledger import TIERS
from monitor.facts import Epoch, ModelName, Reading, Slot, Verdict
from monitor.panes.layout import Layout
from monitor.panes.rhythm import Bounds, Rhythm
from monitor.panes.signals import Counted, Signals
from monitor.panes.window import sum_panes
from monitor.store.protocol import Store
from monitor.turns.watched import Watched

HOUR_S: Final = 3600
PLANS_MAX: Final = 4  # kept, of references and budgets: what is served, what was, for two models
HOURS_MAX: Final = 8  # whose bands are kept for a plan: this one, and late rows' own
UNIT: Final = "of its budget"


class Armed(msgspec.Struct, frozen=True):
    """The stored state of one model's e-detector in one epoch."""

    model: ModelName
    epoch: int
    judge: str  # digest of the reference profile whose bands are bet against
    fold: int  # deltas of folds up to this one are bet on
    at: float  # event time of the last tick
    rows: int = 0  # bet on in this epoch
    state: State | None = None
    slots: tuple[Slot, ...] = ()  # one for each latch, as it paged


@dataclass(frozen=True, slots=True)
class Ticked:
    """What a tick found: slots of the rules that follow from the budget, and the state to commit with them."""

    slots: Mapping[tuple[str, str], tuple[Slot, ...]]
    armed: Armed | None = None
    step: Step | None = None  # None: no tick was due


@dataclass(frozen=True, slots=True, eq=False)
class Lookout:
    """Everything that is watched by one reference's bands under one budget. Holds caches only."""

    signals: Signals
    rhythm: Rhythm
    plan: Plan
    _hours: "OrderedDict[int, Bounds]" = field(default_factory=OrderedDict)

    @classmethod
    def of(cls, layout: Layout, watch: Watch) -> "Lookout | None":
        """None where the reference has no bands."""
        rhythm = layout.reference.rhythm
        if rhythm is None:
            return None
        signals = Signals.table(layout)
        return cls(signals, rhythm, Plan.of(signals, watch.ledger))

    def bounds(self, hour: int) -> Bounds:
        """The bands of one hour since 1970; the same object while it is kept."""
        place = hour % self.rhythm.period
        if place not in self._hours:
            self._hours[place] = self.rhythm.bounds(hour)
            if len(self._hours) > HOURS_MAX:
                self._hours.popitem(last=False)
        self._hours.move_to_end(place)
        return self._hours[place]

    def count(self, deltas: Sequence[tuple[int, bytes]], layout: Layout) -> list[tuple[Bounds, Counted]]:
        """Counts of the panes that began in each hour, earliest first."""
        hours: dict[int, list[bytes]] = {}
        for start, body in deltas:
            hours.setdefault(start // HOUR_S, []).append(body)
        return [
            (self.bounds(hour), self.signals.count(sum_panes(bodies, layout.digest, layout.size).counts))
            for hour, bodies in sorted(hours.items())
        ]


class Ticking:
    """Steps the e-detectors. Its memory is a cache but for the states, which the store keeps."""

    def __init__(self, store: Store, armed: Mapping[str, Armed]) -> None:
        """With the states that were committed last, by model."""
        self._store = store
        self._armed = dict(armed)
        self._lookouts: OrderedDict[tuple[str, Watch], Lookout | None] = OrderedDict()

    def run(self, watched: Watched, epoch: Epoch, pack: RulePack, now: float, fold: int) -> Ticked:
        """Tick if it is time; nothing is true before `committed`."""
        watch = pack.watch
        lookout = None if watch is None else self.lookout(watched.layouts[epoch.judge], watch)
        if watch is None or lookout is None:
            return Ticked({})
        before = self._before(watched, epoch, lookout.plan)
        if now - before.at < watch.every_s:
            return Ticked(self._slots(watched, pack, lookout.plan, epoch, before, now), before)
        layout = watched.layouts[epoch.judge]
        deltas = self._store.delta(watched.name, epoch.number, "", epoch.judge, before.fold, fold)
        counted = lookout.count(deltas, layout)
        said, state = step(lookout.plan, counted, (now - before.at) / MINUTE_S, before.state, now)
        rows = before.rows + sum(int(part.n.max(initial=0)) for _, part in counted)
        slots = tuple(_frozen(lookout.plan, said, before, state, rows, now))
        armed = Armed(watched.name, epoch.number, epoch.judge, fold, now, rows, state, slots)
        return Ticked(self._slots(watched, pack, lookout.plan, epoch, armed, now), armed, said)

    def committed(self, armed: Armed | None) -> None:
        """The state is stored: from now on it is true."""
        if armed is not None:
            self._armed[armed.model] = armed

    def lookout(self, layout: Layout, watch: Watch) -> Lookout | None:
        """What is watched by these bands under this budget; None where there are no bands."""
        key = (layout.digest, watch)
        if key not in self._lookouts:
            self._lookouts[key] = Lookout.of(layout, watch)
            if len(self._lookouts) > PLANS_MAX:
                self._lookouts.popitem(last=False)
        self._lookouts.move_to_end(key)
        return self._lookouts[key]

    def _before(self, watched: Watched, epoch: Epoch, plan: Plan) -> Armed:
        """The state to go on from; a new one where the stored one is about something else, or deltas are gone."""
        found, consumed = self._armed.get(watched.name), self._store.position().consumed
        if found is None or (found.epoch, found.judge) != (epoch.number, epoch.judge) or found.fold < consumed:
            return Armed(watched.name, epoch.number, epoch.judge, consumed, epoch.start)
        if found.state is not None and found.state.plan != plan.name:
            return msgspec.structs.replace(found, state=None, slots=(), rows=0)
        return found

    def _slots(  # noqa: PLR0917  # the coordinates of what is judged
        self, watched: Watched, pack: RulePack, plan: Plan, epoch: Epoch, armed: Armed, now: float
    ) -> Mapping[tuple[str, str], tuple[Slot, ...]]:
        """One slot for each latched group, each alert there is of one, and each family that may support a rollback."""
        breaching = {(slot.rule, slot.segment): (msgspec.structs.replace(slot, end=now),) for slot in armed.slots}
        assert pack.watch is not None, "asked for where there is a budget"
        calm = armed.rows > 0 and now - epoch.start >= pack.watch.calm_s
        verdict = Verdict.OK if calm else Verdict.UNKNOWN
        why = "" if calm else "nothing was bet on for as long as calm takes"
        still = Reading(verdict, armed.rows, 0.0 if calm else None, 1.0, unit=UNIT, why=why)
        names = {rule.name for rule in pack.budgeted}
        alerts = [(each.rule, each.segment) for each in watched.state.alerts if each.rule in names]
        families = {family.value for family in plan.families}
        supports = [(rule.name, "") for rule in pack.budgeted if rule.rollback and rule.family.value in families]
        quiet: dict[tuple[str, str], tuple[Slot, ...]] = {
            key: (Slot(*key, epoch.number, epoch.start, now, still),) for key in (*alerts, *supports)
        }
        return quiet | breaching


def place(group: str) -> str:
    """How an alert names a group: without its family.

    >>> place("features/age"), place("score")
    ('age', 'score')
    """
    return group.partition("/")[2] or group


def _frozen(  # noqa: PLR0917  # the two ends of one tick
    plan: Plan, said: Step, before: Armed, state: State, rows: int, now: float
) -> Iterator[Slot]:
    """The slots of every latch: as they were, or, of one that paged just now, what crossed."""
    known = {(slot.rule, slot.segment): slot for slot in before.slots}
    crossed = {(each.tier, each.group): each for each in said.crossings if each.pages}
    loudest: dict[str, Slot] = {}
    for latch in state.latches:
        tier, group = TIERS[latch.tier], plan.groups[latch.group]
        family = plan.families[latch.group]
        key = rule_name(family, tier), place(group)
        if (tier, group) in crossed or key not in known:
            slot = _slot(key, before.epoch, latch.since, now, crossed.get((tier, group)), rows)
        else:
            slot = known[key]
        if tier is Tier.ROLLBACK:
            whole = msgspec.structs.replace(slot, segment="", worst=(slot.segment,))
            loudest.setdefault(slot.rule, known.get((slot.rule, ""), whole))
        else:
            yield slot
    yield from loudest.values()


def _slot(  # noqa: PLR0917  # the coordinates of a slot
    key: tuple[str, str], epoch: int, since: float, now: float, crossing: Crossing | None, rows: int
) -> Slot:
    odds = 1.0 if crossing is None else crossing.odds
    worst = (key[1],) if crossing is None else (crossing.lane.column or key[1],)
    reading = Reading(Verdict.BREACH, rows, odds, 1.0, low=float(np.nextafter(max(odds, 1.0), np.inf)), unit=UNIT)
    return Slot(*key, epoch, since, now, reading, worst)
