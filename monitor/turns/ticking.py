"""The tick of the e-detector: what arrived since the last one becomes one bet, and what crossed becomes slots.

    deltas of folds since the last tick, by the hour their pane began -> counts of signals -> step -> slots by group
    windows of labels that close, by hour ---------------------------------^
    minutes that are over, by hour ----------------------------------------^

Exactly once: how far the deltas were consumed is committed with the state that bet on them, in the look's transaction.
A tick that is replayed would square its multipliers; one that is lost only lowers them. Rows that come late bet with
the band of their own hour. Labels are bet on when the window of their predictions closes (`monitor.turns.closing`), and
a minute's number of rows when it is over (`monitor.turns.minutes`); which ones were is part of the same state.

Panes of segments are the same rows again. What is bet on of them are errors alone, of each as its own label windows
close, with a share of the budget of their own (`monitor.panes.segment_errors`): the promise holds whatever hangs
together. A tick reads as many small deltas as segments are watched, and none where no row or label came.

A new epoch begins anew: nothing that another model did speaks against this one. So does another budget, because
processes of other weights are other processes, and a detector whose deltas were forgotten while it was away; its
minutes count from then on. Losing a state is safe: processes that start at 0 are lower than they were.

A clock that is set back elapses nothing: the bet is made, no minutes are given. What is closed for good, the windows of
labels, goes by the time that is believed after a jump (`monitor.decisions.clocks`).

Cost, `python -m bench look`: a look with a tick over 500 features.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from monitor.decisions.budget import MINUTE_S, Watch
from monitor.decisions.rules import RulePack
from monitor.detectors.sequential import Crossing, Plan, State, Step, Tier, list_drifted, step
from monitor.detectors.sequential.account import Account
from monitor.detectors.sequential.ledger import TIERS
from monitor.detectors.sequential.state import release
from monitor.facts import Epoch, Family, ModelName, Slot
from monitor.panes.rhythm import Bounds
from monitor.panes.signals import Counted
from monitor.store.protocol import Store
from monitor.turns.closing import Closing, Terms
from monitor.turns.label_windows import LabelWindows, terms_of
from monitor.turns.latched import NOTHING_CAME, YOUNG, alert_of, freeze, quiet
from monitor.turns.lookout import BANDS_BYTES_MAX, Lookout, Lookouts
from monitor.turns.minutes import Heard, Minutes, Pace, minute_of
from monitor.turns.parting import Parted, Segmentation
from monitor.turns.refusals import REFUSED, Refused, nothing_refused
from monitor.turns.timed import Timed
from monitor.turns.watched import Watched

Slots = dict[tuple[str, str], tuple[Slot, ...]]
Believed: TypeAlias = Callable[[float], float]  # by which event time something may be done for good
PAGE: Final = TIERS.index(Tier.PAGE)
ACCOUNTS_MAX: Final = 20  # made in a look: a broken schema lets every group page at once, and each takes a sum of panes
QUIET_MINUTES: Final = 120.0  # of evidence at weight 1: its mean after two hours of nothing


def whatever(now: float) -> float:
    """Of replays and tests whose clock does not jump."""
    return now


class Apart(msgspec.Struct, frozen=True):
    """One segment: its label windows, and how many of its labels were bet on in this epoch."""

    closing: Closing
    rows: int = 0


class Armed(msgspec.Struct, frozen=True):
    """The stored state of one model's e-detector in one epoch."""

    model: ModelName
    epoch: int
    judge: str  # digest of the reference profile whose bands are bet against
    fold: int  # deltas of folds up to this one are bet on
    at: float  # event time of the last tick
    since: float  # event time it began: the epoch's start, or when it began anew
    rows: dict[str, int] = {}  # bet on in this epoch, by family
    state: State | None = None
    slots: tuple[Slot, ...] = ()  # of each latch, as it paged
    began: bytes = b""  # f8[groups]: when each group's evidence was last as low as two quiet hours leave it
    closing: Closing | None = None  # its label windows; None: none was looked at
    heard: Heard | None = None  # minutes that were judged; None: none since it began
    segments: dict[str, Apart] = {}  # those of which something was looked at, by name
    in_doubt: bool = False  # whether rows that were refused make the newest of them unknown

    @property
    def judged(self) -> Heard:
        """Minutes that were judged; the one in which it began is none."""
        began = minute_of(self.since)
        return self.heard or Heard(began, began)

    def came(self, family: Family = Family.FEATURES) -> int:
        """How much was bet on that tells of a family: minutes of the volume, rows of all others."""
        if family is Family.VOLUME:
            return self.rows.get(family.value, 0)
        return max((rows for name, rows in self.rows.items() if name != Family.VOLUME.value), default=0)


@dataclass(frozen=True, slots=True)
class Labelling:
    """When windows of labels close, and since when rows are parted as they are."""

    terms: Terms
    parted: Segmentation


@dataclass(frozen=True, slots=True)
class Ticked:
    """What a tick found: slots of the rules that follow from the budget, and the state to commit with them."""

    slots: Slots
    armed: Armed
    lookout: Lookout
    step: Step | None = None  # None: no tick was due
    new: bool = False  # whether `armed` is another one than the stored


class Ticking:
    """Steps the e-detectors. Its memory is a cache but for the states, which the store keeps."""

    def __init__(  # noqa: PLR0917 - what a tick is made of
        self,
        store: Store,
        armed: Mapping[str, Armed],
        pace: Pace,
        refused: Refused = nothing_refused,
        bands_bytes_max: int = BANDS_BYTES_MAX,
        believed: Believed = whatever,
    ) -> None:
        """With the states that were committed last, by model; label windows and minutes wait for late rows."""
        self._believed = believed
        self._pace = pace
        self._refused = refused
        self.took = Timed()
        self._store = store
        self._armed = dict(armed)
        self._lookouts = Lookouts(minutes=pace.minutes, bytes_max=bands_bytes_max)
        self._looked: dict[ModelName, tuple[float, float]] = {}  # event time of the last look, how long it may be ago
        self._unheard: dict[ModelName, int] = {}  # the last minute in which perhaps nobody listened

    def run(
        self, watched: Watched, judging: tuple[Epoch, RulePack], now: float, fold: int, parted: Parted
    ) -> Ticked | None:
        """Tick if it is time; None without a budget. Nothing is true before `committed`."""
        epoch, pack = judging
        watch, layout = pack.watch, watched.layouts[epoch.judge]
        if watch is None:
            return None
        lookout = self._lookouts.get(layout, watch, parted.parting.of(layout))
        before = self._before(watched.name, epoch, lookout, now)
        self._listen(before, now)
        armed, said = before, None
        if lookout.rhythm is not None and abs(now - before.at) >= watch.every_s:
            began = time.monotonic()
            terms = terms_of(watched.settings.labels, self._pace.grace_s, self._pace.horizon_s)
            armed, said = self._step(before, lookout, Labelling(terms, parted.segmentation), now, fold)
            self.took.add(began)
        elif lookout.rhythm is None:
            armed = msgspec.structs.replace(before, fold=fold, at=now)
        slots = self._slots(watched, pack, lookout, epoch, armed, now, watch)
        return Ticked(slots, armed, lookout, said, new=armed is not self._armed.get(watched.name))

    def committed(self, ticked: Ticked | None) -> None:
        """The state is stored: from now on it is true."""
        if ticked is not None and ticked.new:
            self._armed[ticked.armed.model] = ticked.armed

    @property
    def lookouts_dropped(self) -> int:
        """How often what is watched by a reference made room for another since the start."""
        return self._lookouts.dropped

    def renew(self, pace: Pace) -> None:
        """Looks come at another pace from now on; the one that is awaited may still come at the old one."""
        self._pace = pace

    def released(self, watched: Watched, alert: tuple[str, str]) -> Armed | None:
        """The state of a model without the latches behind an alert (rule, segment); None if it has none.

        Not true before it is stored and handed to `freed`; no look may run meanwhile.
        """
        found, watch = self._armed.get(watched.name), watched.pack.watch
        if found is None or found.state is None or watch is None or not watched.epochs:
            return None
        epoch = watched.epoch
        layout = watched.layouts.get(epoch.judge)
        if layout is None:
            return None
        plan = self._lookouts.get(layout, watch, watched.parting.of(layout)).plan
        if (found.epoch, found.judge, found.state.plan) != (epoch.number, epoch.judge, plan.name):
            return None
        state = found.state
        for latch in found.state.latches:
            if alert_of(plan, latch) == alert:
                state = release(state, latch.tier, latch.group)
        if state is found.state:
            return None
        kept = tuple(slot for slot in found.slots if (slot.rule, slot.segment) != alert)
        return msgspec.structs.replace(found, state=state, slots=kept)

    def freed(self, armed: Armed) -> None:
        """What `released` gave is stored."""
        self._armed[armed.model] = armed

    def _step(self, before: Armed, lookout: Lookout, labelling: Labelling, now: float, fold: int) -> tuple[Armed, Step]:
        """Bet on what was folded since the last tick, and on the label windows that close."""
        sums = self._sums(before, lookout, "", fold)
        windows = LabelWindows(self._store, before.model, before.epoch, lookout, labelling.terms)
        closed, closing = windows.close(before.closing, before.since, sums, self._believed(now))
        labelled = [(lookout.bounds(hour), counted) for hour, counted in closed]
        apart, segments = self._segments(before, lookout, labelling, now, fold if sums else before.fold)
        minutes_of = self._minutes_of(before, lookout)
        judged = before.judged.before(minute_of(now)).after(self._unheard.get(before.model, -1))
        minutely, heard = minutes_of.judge(judged, now)
        counted = [*lookout.arrivals(sums), *labelled, *minutely]
        minutes = max(now - before.at, 0.0) / MINUTE_S
        said, state = step(lookout.plan, [*counted, *apart], minutes, before.state, now)
        come = lookout.rows([part for _, part in counted])
        rows = {family: before.rows.get(family, 0) + more for family, more in come.items()}
        since = began(before, lookout.plan, said, now)
        accounts = self._accounts(
            msgspec.structs.replace(before, heard=heard), lookout, labelling.terms, (said, since), now
        )
        mine = {part.group: segments[part.segment].rows for part in lookout.parts}
        slots = freeze(lookout.plan, said, before.slots, state, rows, (before.epoch, now), accounts, mine)
        stepped = {"fold": fold, "at": now, "rows": rows, "state": state, "slots": slots}
        stepped |= {"began": since.tobytes(), "closing": closing, "heard": heard, "segments": segments}
        stepped |= {"in_doubt": minutes_of.in_doubt(heard) if minutely else before.in_doubt}
        return msgspec.structs.replace(before, **stepped), said

    def _sums(self, before: Armed, lookout: Lookout, segment: str, fold: int) -> dict[int, NDArray[np.int64]]:
        """Cells of the deltas since the last tick up to `fold`, by the hour of their pane."""
        if fold == before.fold:
            return {}
        return lookout.sums(self._store.delta(before.model, before.epoch, segment, before.judge, before.fold, fold))

    def _segments(
        self, before: Armed, lookout: Lookout, labelling: Labelling, now: float, fold: int
    ) -> tuple[list[tuple[Bounds, Counted]], dict[str, Apart]]:
        """What closing windows of segments say, hour by hour, and what is kept of them."""
        hours: dict[int, Counted] = {}
        kept: dict[str, Apart] = {}
        for part in lookout.parts:
            known = before.segments.get(part.segment)
            windows = LabelWindows(
                *(self._store, before.model, before.epoch, lookout, labelling.terms),
                part=part,
                since=labelling.parted.of(part.signal.column),
            )
            sums = self._sums(before, lookout, part.segment, fold)
            known_closing = None if known is None else known.closing
            found, closing = windows.close(known_closing, before.since, sums, self._believed(now))
            for hour, counted in found:
                hours[hour] = hours[hour] + counted if hour in hours else counted
            rows = sum(int(counted.n.sum()) for _, counted in found)
            kept[part.segment] = Apart(closing, rows + (0 if known is None else known.rows))
        return [(lookout.bounds(hour), hours[hour]) for hour in sorted(hours)], kept

    def _listen(self, before: Armed, now: float) -> None:
        """Remember whether somebody has listened since the look before this, or since another life's last tick."""
        last, away_s = self._looked.get(before.model, (before.at, 0.0))
        if now < last or now - last > max(away_s, self._pace.away_s):
            self._unheard[before.model] = minute_of(now)
        self._looked[before.model] = now, self._pace.away_s

    def _minutes_of(self, armed: Armed, lookout: Lookout) -> Minutes:
        return Minutes(self._store, armed.model, armed.epoch, lookout, self._pace, self._refused)

    def _accounts(
        self, before: Armed, lookout: Lookout, terms: Terms, stepped: tuple[Step, NDArray[np.float64]], now: float
    ) -> dict[tuple[Tier, str], Account]:
        """Account for what pages at this tick, by the panes since its evidence began; the loudest where all break.

        Labels that were bet on since then are those of windows that had begun before.
        """
        said, since = stepped
        found: dict[tuple[Tier, str], Account] = {}
        others = list_drifted(lookout.plan, said)
        paging = sorted((each for each in said.crossings if each.pages), key=lambda each: (-each.odds, each.group))
        bodies: dict[tuple[str, float], list[bytes]] = {}
        for crossing in paging[:ACCOUNTS_MAX]:
            start, part = float(since[lookout.plan.groups.index(crossing.group)]), lookout.part(crossing.group)
            if lookout.waits(crossing.group):
                start = max(float(terms.start(start - terms.window_s - terms.grace_s)), before.since)
            place = ("" if part is None else part.segment, start)
            if place not in bodies:
                stored = self._store.panes(before.model, before.epoch, place[0], before.judge, start, now)
                bodies[place] = [body for _, body in stored]
            account = lookout.account(
                crossing, bodies[place], start, now, others, self._minutes(before, lookout, crossing, start)
            )
            if account is not None:
                found[crossing.tier, crossing.group] = account
        return found

    def _minutes(self, armed: Armed, lookout: Lookout, crossing: Crossing, start: float) -> list[Counted]:
        """What the minutes since `start` say, if it is they that cross."""
        if crossing.lane.signal is None or crossing.lane.signal.family is not Family.VOLUME:
            return []
        return [part for _, part in self._minutes_of(armed, lookout).since(armed.judged, start)]

    def _before(self, model: ModelName, epoch: Epoch, lookout: Lookout, now: float) -> Armed:
        """The state to go on from; a new one where the stored one is about something else, or deltas are gone."""
        found, consumed = self._armed.get(model), self._store.position().consumed
        if found is None or (found.epoch, found.judge) != (epoch.number, epoch.judge):
            return Armed(model, epoch.number, epoch.judge, consumed, epoch.start, epoch.start)
        if found.fold < consumed:
            return Armed(model, epoch.number, epoch.judge, consumed, now, now)
        if found.state is not None and found.state.plan != lookout.plan.name:
            kept = {name: Apart(apart.closing) for name, apart in found.segments.items()}
            found = msgspec.structs.replace(found, since=now, state=None, slots=(), rows={}, segments=kept)
            return msgspec.structs.replace(found, began=b"", heard=None, in_doubt=False)
        return found

    def _slots(  # noqa: PLR0917  # the coordinates of what is judged
        self, watched: Watched, pack: RulePack, lookout: Lookout, epoch: Epoch, armed: Armed, now: float, watch: Watch
    ) -> Slots:
        def why(family: Family) -> str:
            if family is Family.VOLUME and armed.in_doubt:
                return REFUSED
            return YOUNG if now - armed.since < watch.calm_s else "" if armed.came(family) else NOTHING_CAME

        still = quiet(pack.budgeted, watched.state.alerts, lookout, epoch, now, why)
        return {(slot.rule, slot.segment): (slot,) for slot in (*still, *armed.slots)}


def began(before: Armed, plan: Plan, said: Step, now: float) -> NDArray[np.float64]:
    """When the evidence of each group f8[groups] began: it grows from a level that every quiet hour comes back to."""
    known = np.frombuffer(before.began, np.float64) if before.began else np.full(len(plan.groups), before.since)
    level = said.odds[PAGE] * plan.ledger.page
    return np.where((level <= QUIET_MINUTES * plan.group_weight) & (level < plan.ledger.page), now, known)
