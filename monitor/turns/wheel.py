"""The wheel: one turn is prove, fold, look, judge; what was decided is acted on beside it.

    turn      prove which bundle serves -> fold what arrived before the proof -> look, where it is time -> judge
    act       a rollback that was planned is driven to its end; each of its steps is judged and committed, too

Three locks. `_turning`: one turn at a time. `_proving`: one proof at a time. `_deciding`: a decision is computed and
committed as one step, whoever asks for it (a look, a rollback's step, a person), so no decision is made on a state that
is just being replaced. The state in memory changes only after the store has it.

On live traffic the schedule calls `turn`. In replay `advance` does: it steps the clock and returns when the folds, the
look, the queued notices and any rollback of that time are done, so the same stream gives the same decisions at any
speed.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf

import msgspec
import structlog

from monitor.alerts.outbox import address
from monitor.alerts.retry import Delivery
from monitor.alerts.webhook import ANCHOR
from monitor.audit.records import Kind
from monitor.clock import Clock
from monitor.decisions.case import Limits
from monitor.decisions.epochs import forget
from monitor.decisions.judge import judge
from monitor.decisions.outcomes import Released, released, rollback_stepped, served_changed
from monitor.decisions.rollback import RUNNING
from monitor.decisions.state import Judgement, Terms
from monitor.decisions.steadiness import between_registered
from monitor.facts import Epoch, Incident, ModelName, Notice, Rollback, RollbackStep
from monitor.store.protocol import Change, Store
from monitor.turns.auditing import Auditing, Deed, NoAudit
from monitor.turns.clocks import KEY as CLOCKS_KEY
from monitor.turns.clocks import Clocks, SteppedClocks
from monitor.turns.deeds import deeds_of, switches
from monitor.turns.fold import Fold
from monitor.turns.gathering import Sign, expected, link, unsigned
from monitor.turns.latched import forget_latch
from monitor.turns.look import Look, Looked
from monitor.turns.outbox import StoredOutbox
from monitor.turns.proving import Proving
from monitor.turns.refusals import KEY as REFUSED_KEY
from monitor.turns.refusals import Refusals
from monitor.turns.supervisor import Supervisor
from monitor.turns.timed import Timed
from monitor.turns.watched import Reached, ReplayTime, Timeline, Watched

INCIDENTS_MAX = 1_000  # remembered per model: at three a day, most of a year
BAKE_EVERY_S = 60.0  # event time, between two proofs of a rollback that bakes
PROOF_PAUSE_S = 0.1  # in replay, between two questions to a server that does not answer

log = structlog.get_logger()
Execute = Callable[[Watched, Rollback, Callable[[Rollback], Awaitable[None]]], Awaitable[Rollback]]


@dataclass(frozen=True, slots=True)
class Parts:
    """What the wheel turns with."""

    store: Store
    models: Mapping[ModelName, Watched]
    proving: Proving
    fold: Fold
    look: Look
    outbox: StoredOutbox
    execute: Execute
    clock: Clock
    supervisor: Supervisor
    refusals: Refusals  # rows that intake turned away
    report: Callable[[Watched, Incident], None] = lambda _watched, _incident: None  # an incident opened or closed
    sign: Sign = unsigned  # links to reports
    audit: Auditing = field(default_factory=NoAudit)
    clocks: Clocks = field(default_factory=SteppedClocks)


@dataclass(slots=True)
class Bounds:
    """What of the settings the wheel needs; a reload replaces it."""

    receivers: tuple[str, ...]
    external_url: str
    look_every_s: float
    horizon_s: float


@dataclass(slots=True)
class Wheel:
    """Turns. Holds no state but locks, timings and which rollbacks are being driven."""

    parts: Parts
    bounds: Bounds
    ring: Callable[[], None]  # wakes the couriers
    folding: Timed = field(default_factory=Timed)
    looking: Timed = field(default_factory=Timed)
    _looked: float = float("-inf")  # event time of the last look
    _turning: asyncio.Lock = field(default_factory=asyncio.Lock)
    _proving: asyncio.Lock = field(default_factory=asyncio.Lock)
    _deciding: asyncio.Lock = field(default_factory=asyncio.Lock)
    _driven: dict[ModelName, asyncio.Task[None]] = field(default_factory=dict)
    _baked: dict[ModelName, float] = field(default_factory=dict)  # when what bakes was last proved

    # ------------------------------------------------------------ turns

    async def turn(self) -> None:
        """A turn at the present event time, and another at once while a whole fold's rows wait.

        A turn takes only what came before its proof. At full rate it lasts about as long as the schedule's period, and
        if the next one waited for the schedule, the fold would stand still for most of a second in every two, while
        senders are braked (measured 2026-11: a third of the time).
        """
        while True:
            folds = self.folding.count
            await self._turn()
            if self.folding.count == folds or not self.parts.fold.behind():
                return

    async def _turn(self) -> None:
        """One turn; looks if the last look is `look_every_s` ago."""
        async with self._turning:
            now = self.parts.clock.now()
            supervise = self.parts.supervisor.run  # what cannot be counted must not silence what can be seen
            await supervise("clock", self.parts.clocks.look)
            await supervise("fold", lambda: self._prove_and_fold(now))
            due = abs(now - self._looked) >= self.bounds.look_every_s  # a clock set back must not stop the looks
            if due and await supervise("look", lambda: self._look(now)):
                self._looked = now
        self.drive()

    async def _prove_and_fold(self, now: float) -> None:
        upto = await asyncio.to_thread(self.parts.store.last_seq)  # before the proof: those rows it covers
        if await self._prove():
            await self._fold(upto, now)

    async def settle(self, now: float) -> None:
        """Replay's turn at `now`: waits for what a live turn leaves running, and looks whatever the schedule says."""
        async with self._turning:
            while not await self._prove():  # noqa: ASYNC110 - another process's state; ends after proof_wait
                await asyncio.sleep(PROOF_PAUSE_S)
            await self._fold(await asyncio.to_thread(self.parts.store.last_seq), now)
            await self._look(now)
        self.drive()
        while self._driven:  # a rollback that ends may let another begin
            await asyncio.gather(*self._driven.values())

    async def _fold(self, upto: int, now: float) -> None:
        began = time.monotonic()

        def folded() -> None:
            nonlocal began
            self.folding.add(began)
            began = time.monotonic()

        await self.parts.fold.run(upto, now, folded)

    # ------------------------------------------------------------ prove

    async def _prove(self) -> bool:
        """Prove every model; False while one of them leaves us waiting."""
        proved = [await self._prove_one(watched) for watched in self.parts.models.values()]
        return all(proved)

    async def _prove_one(self, watched: Watched) -> bool:
        async with self._proving:  # a turn and a rollback that ends may prove the same switch
            epochs = await self.parts.proving.run(watched)
            if epochs is None:
                return False
            noted = watched.state.epoch.number if watched.state.epoch else 0  # after a crash perhaps not the last one
            opened = [epoch for epoch in epochs if epoch.number > noted]
            if opened:
                await self._opened(watched, forget(epochs, self.parts.store.position().horizon), opened)
            else:
                watched.epochs = epochs
        return True

    async def _opened(self, watched: Watched, epochs: tuple[Epoch, ...], opened: Sequence[Epoch]) -> None:
        """Commit new epochs with what follows from them."""
        async with self._deciding:
            now = self.parts.clock.now()
            for epoch in opened:
                judged = served_changed(watched.state, terms(watched), epoch, now)
                await self._commit({watched.name: judged}, puts=[(watched.name, Timeline(epochs))])
                log.info("epoch.opened", model=watched.name, epoch=epoch.number, bundle=epoch.bundle)
            watched.epochs = epochs

    # ------------------------------------------------------------ look and judge

    async def _look(self, now: float) -> None:
        """Look at every model, judge, and commit all of it as one."""
        began = time.monotonic()
        self.parts.refusals.spread(now)
        models = {name: each for name, each in self.parts.models.items() if each.epochs}  # else nobody ever answered
        looked = {name: await asyncio.to_thread(self.parts.look.run, each, now) for name, each in models.items()}
        async with self._deciding:
            judged = {}
            for name, each in models.items():
                each.slots = looked[name].slots
                judged[name] = judge(each.state, terms(each), looked[name].slots, now)
            puts: list[tuple[str, msgspec.Struct]] = [
                *((name, Timeline(each.epochs)) for name, each in models.items()),
                *((key, state) for one in looked.values() for key, state in one.states),
                ("clock", ReplayTime(now)),
            ]
            refused = self.parts.refusals.unstored()
            puts += [] if refused is None else [(REFUSED_KEY, refused)]
            clocks = self.parts.clocks.stored()
            puts += [] if clocks is None else [(CLOCKS_KEY, clocks)]
            await self._commit(judged, puts=puts, consumed=consumed(looked.values()), now=now)
        self.parts.refusals.committed(refused)
        for name, one in looked.items():
            self.parts.look.committed(one)
            models[name].looked = now
        self.looking.add(began)

    async def decide(
        self, watched: Watched, decision: Callable[[Terms], Judgement], deed: Deed | None = None
    ) -> Judgement:
        """Let anybody decide something about a model: computed and committed as one step.

        `deed`: what a person does, which is written down first. Whatever is raised leaves everything as it was.
        """
        async with self._deciding:
            judged = decision(terms(watched))
            await self._commit({watched.name: judged}, deed=deed)
        self.drive()
        return judged

    async def release(self, watched: Watched, alert: str, actor: str, reason: str) -> None:
        """Let a person let go of what is latched, as "rule/group"; Rejected if nothing is.

        Between two turns: a look that runs would write the latch back.
        """
        rule, _, segment = alert.partition("/")
        async with self._turning, self._deciding:
            now, ticking = self.parts.clock.now(), self.parts.look.ticking
            armed = await asyncio.to_thread(ticking.released, watched, (rule, segment))
            known = Released(alert, latched=armed is not None, actor=actor, reason=reason)
            judged = released(watched.state, terms(watched), known, now)
            deed = Deed(Kind.PERSON_RELEASED, actor, {"model": watched.name, "alert": alert, "reason": reason})
            puts = [] if armed is None else [(watched.name, armed)]
            await self._commit({watched.name: judged}, puts=puts, deed=deed)
            if armed is not None:
                ticking.freed(armed)
            forget_latch(watched, (rule, segment))
            log.info("latch.released", model=watched.name, rule=rule, actor=actor)
        self.drive()

    async def _commit(
        self,
        judged: Mapping[ModelName, Judgement],
        *,
        puts: Iterable[tuple[str, msgspec.Struct]] = (),
        consumed: int | None = None,
        now: float | None = None,
        deed: Deed | None = None,
    ) -> None:
        """Commit judgements with their notices addressed, then let them be true in memory.

        They are written down before: a line may tell of what then was not committed and is told again, but nothing is
        done of which no line tells. What a switch or a person waits for, and what waits for nothing: `turns.auditing`.
        """
        deeds = [each for name, judgement in judged.items() for each in deeds_of(self.parts.models[name], judgement)]
        must = deed is not None or any(map(switches, judged.values()))
        await self.parts.audit.record([*([] if deed is None else [deed]), *deeds], must=must)
        wall, bounds = self.parts.clock.wall(), self.bounds
        deliveries: list[Delivery] = []
        documents: list[tuple[str, msgspec.Struct]] = list(puts)
        for name, judgement in judged.items():
            documents.append((name, judgement.state))
            documents += [(incident.id, incident) for incident in judgement.incidents]
            documents += [(rollback.id, rollback) for rollback in judgement.rollbacks]
            documents.append((name, reached(self.parts.models[name], judgement)))
            for notice in judgement.notices:
                told = linked(notice, self.parts.models[name], bounds.external_url, self.parts.sign)
                told = anchored(told, self.parts.audit.anchor())
                deliveries += address(told, bounds.receivers, bounds.external_url, wall)
        documents += [(delivery.id, delivery) for delivery in deliveries]
        over = None if now is None else self.parts.clocks.believed(now)
        horizon = None if over is None else self._horizon(over)
        forgotten = [key for name in judged for key in too_old(self.parts.models[name], judged[name])]
        change = Change(puts=documents, deletes=forgotten, consumed=consumed, horizon=horizon, now=over)
        await asyncio.to_thread(self.parts.store.commit, change)
        for name, judgement in judged.items():
            self._adopt(self.parts.models[name], judgement)
        if deliveries:
            self.parts.outbox.added(deliveries)
            self.ring()

    def _horizon(self, now: float) -> float:
        """What is forgotten by a look: never what was young enough when it was accepted and waits to be counted."""
        store = self.parts.store
        waiting = store.health().oldest_arrival
        return max((now if waiting is None else min(now, waiting)) - self.bounds.horizon_s, store.position().horizon)

    def _adopt(self, watched: Watched, judgement: Judgement) -> None:
        for kind, key in too_old(watched, judgement):
            (watched.incidents if kind is Incident else watched.rollbacks).pop(key)
        changed = turned(watched, judgement)
        watched.reached = reached(watched, judgement)
        watched.state = judgement.state
        watched.incidents |= {incident.id: incident for incident in judgement.incidents}
        watched.rollbacks |= {rollback.id: rollback for rollback in judgement.rollbacks}
        for notice in judgement.notices:
            log.info("notice.queued", id=notice.id, status=notice.status.value, severity=notice.severity.value)
        for incident in changed:
            self.parts.report(watched, incident)

    # ------------------------------------------------------------ act

    def drive(self) -> None:
        """Start driving every rollback that is to be executed and is not being driven yet."""
        for name, watched in self.parts.models.items():
            rollback = watched.state.rollback
            if rollback is not None and rollback.step in RUNNING and name not in self._driven:
                if rollback.step is RollbackStep.BAKING and not self._due(name):
                    continue
                task = asyncio.create_task(self._act(watched, rollback), name=f"rollback {rollback.id}")
                self._driven[name] = task

    def _due(self, name: ModelName) -> bool:
        """Whether what bakes is to be proved again; every turn would ask a server far too often."""
        now = self.parts.clock.now()
        due = abs(now - self._baked.get(name, -inf)) >= BAKE_EVERY_S
        if due:
            self._baked[name] = now
        return due

    async def stop(self) -> None:
        """Leave rollbacks where they are: each is journaled and goes on at the next start."""
        for task in list(self._driven.values()):
            task.cancel()
        await asyncio.gather(*self._driven.values(), return_exceptions=True)

    async def _act(self, watched: Watched, rollback: Rollback) -> None:
        async def record(stepped: Rollback) -> None:
            now = self.parts.clock.now()
            await self.decide(watched, lambda agreed: rollback_stepped(watched.state, agreed, stepped, now))
            log.info("rollback.stepped", id=stepped.id, step=stepped.step.value, attempts=stepped.attempts)

        async def drive() -> None:
            await self.parts.execute(watched, rollback, record)
            await self._prove_one(watched)

        try:
            await self.parts.supervisor.run(f"rollback {rollback.id}", drive)
        finally:
            del self._driven[watched.name]


def terms(watched: Watched) -> Terms:
    """What the operator and the release index say of a model at this moment."""
    allowed, (mode, degraded) = watched.settings.rollback, watched.mode
    return Terms(
        rules=watched.pack,
        mode=mode,
        degraded=degraded,
        limits=Limits(
            cooldown_s=allowed.cooldown,
            per_day=allowed.per_day,
            per_week=allowed.per_week,
            rows_min=allowed.rows_min,
            approval_valid_s=allowed.approval_valid,
        ),
        bundles=watched.bundles,
        floor=watched.releases.floor,
        index_expired=watched.releases.expired,
        asked=watched.asked,
        kill_switch=watched.killed(),
        telling=watched.telling,
        unproved_s=watched.unproved_s,
        unproved_max_s=watched.settings.serving.unproved_after if watched.settings.serving else inf,
        unsteady=between_registered(watched.proofs, watched.bundles),
        probed=watched.probed,
    )


def too_old(watched: Watched, judgement: Judgement) -> list[tuple[type[msgspec.Struct], str]]:
    """Closed incidents over the bound that new ones push out, oldest first, with their rollbacks."""
    new = sum(incident.id not in watched.incidents for incident in judgement.incidents)
    over = len(watched.incidents) + new - INCIDENTS_MAX
    closed = sorted((each.opened, each.id) for each in watched.incidents.values() if each.closed is not None)
    gone = {ident for _, ident in closed[: max(over, 0)]}
    rollbacks = [key for key, each in watched.rollbacks.items() if each.incident in gone]
    return [*((Incident, ident) for ident in sorted(gone)), *((Rollback, key) for key in rollbacks)]


def turned(watched: Watched, judgement: Judgement) -> list[Incident]:
    """Incidents that a judgement opened or closed."""
    found = {incident.id: incident for incident in judgement.incidents}  # the last word on each
    before = [(watched.incidents.get(key), incident) for key, incident in found.items()]
    return [now for was, now in before if was is None or (was.closed is None) != (now.closed is None)]


def linked(notice: Notice, watched: Watched, external_url: str, sign: Sign) -> Notice:
    """The notice with the place of its incident's report, where one is expected."""
    if not expected(watched):
        return notice
    place = ("evidence", link(external_url, notice.incident, sign))
    return msgspec.structs.replace(notice, details=(*notice.details, place))


def anchored(notice: Notice, anchor: str) -> Notice:
    """The notice with the newest head of the audit log: whoever keeps it can prove later what was written before."""
    return msgspec.structs.replace(notice, details=(*notice.details, (ANCHOR, anchor))) if anchor else notice


def reached(watched: Watched, judgement: Judgement) -> Reached:
    """The counts of steps after a judgement."""
    counts = watched.reached
    for rollback in judgement.rollbacks:
        before = watched.rollbacks.get(rollback.id)
        if before is None or before.step is not rollback.step:
            counts = counts.plus(rollback.step)
    return counts


def consumed(looked: Iterable[Looked]) -> int | None:
    """Folds that no look and no sequential detector will ask for again."""
    return min((one.consumed for one in looked), default=None)
