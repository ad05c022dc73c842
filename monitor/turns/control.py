"""What people may ask and do: the daemon's side of the API. It answers from memory and decides through the wheel."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import msgspec

from monitor.alerts.said import Key
from monitor.audit.records import Kind, Scalar
from monitor.clock import Clock, ReplayClock
from monitor.decisions import outcomes
from monitor.decisions.clearance import Asked
from monitor.decisions.exclusions import exclusions
from monitor.decisions.promotion import Candidacy, Needed, promotion
from monitor.decisions.state import Judgement, Terms
from monitor.decisions.taint import words_of
from monitor.errors import Problem, Rejected, Transient
from monitor.facts import BundleStatus, Gate, Incident, ModelName, Suspicion
from monitor.ingest.times import parse_time
from monitor.ingest.wire import Suspect
from monitor.turns import account, clearing, show
from monitor.turns.auditing import Deed
from monitor.turns.evidence import Reports
from monitor.turns.gathering import link, path_of, reported
from monitor.turns.kill_switch import KillSwitch, Said, words
from monitor.turns.watched import Watched
from monitor.turns.wheel import Wheel

STEP_MAX_S = 31 * 86_400.0  # of the replay clock; a month of silence in one step is a slip of the finger
LATEST_S = 253_402_300_800.0  # the year 10000: nothing later can be written down, and the clock never goes back
ANSWER_WITHIN_S = 30.0  # a decision waits for its commit, not for the rollback it starts

T = TypeVar("T")
Check = Callable[[], tuple[bool, str]]


@dataclass(slots=True)
class Control:
    """Implements `monitor.ingest.control.Control`. Methods that are not async run on threads of their own.

    The event loop may add to what they read, hence the copies.
    """

    wheel: Wheel
    models: Mapping[ModelName, Watched]
    clock: Clock
    loop: asyncio.AbstractEventLoop
    checks: Mapping[str, Check]  # "healthy", "ready"
    reload_settings: Callable[[str], Awaitable[Sequence[Problem]]]  # who asks
    stepped: Callable[[float], Awaitable[None]]  # after a step of the replay clock
    reports: Reports
    kill_switch: KillSwitch
    silenced: Callable[[Key], str] = lambda _: ""  # by which silence an alert is held
    trust_clock: Callable[[], Coroutine[Any, Any, bool]] | None = None  # ends the pause after a jump of the clock
    _why: dict[ModelName, str] = field(default_factory=dict)  # what was told of degraded modes
    _known: Said | None = None  # what was told of the kill switch
    _stepping: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        self._known = self.kill_switch.said()  # what an earlier run left was told then

    def status(self) -> dict[str, Any]:
        """All models."""
        health, reports = self.wheel.parts.store.health(), self.reports.reports()
        models = {name: account.status(each, health, reports, self.silenced) for name, each in self.models.items()}
        said = self.kill_switch.said()
        return {
            "now": self.clock.now(),
            "models": models,
            "evidence": account.worker(self.reports.state()),
            "kill_switch": None if said is None else msgspec.to_builtins(said),
        }

    def evidence(self) -> list[Any]:
        """All reports that are there, newest first."""
        return [
            msgspec.to_builtins(report) | {"path": path_of(report.model, report.id)}
            for report in self.reports.reports()
            if report.model in self.models
        ]

    def report(self, model: str, ident: str, /) -> bytes | None:
        """One report as HTML; None if there is none of that name."""
        return self.reports.sources.archive.read(model, ident) if model in self.models else None

    def incidents(self) -> list[Any]:
        """All that are remembered, newest first."""
        found = [incident for each in self.models.values() for incident in list(each.incidents.values())]
        there = self._there()
        return [
            msgspec.to_builtins(one) | {"report": reported(there, one)}
            for one in sorted(found, key=lambda one: (one.opened, one.id), reverse=True)
        ]

    def incident(self, ident: str, /) -> dict[str, Any] | None:
        """One incident with its rollbacks and, while it is open, its alerts with their evidence."""
        for watched in self.models.values():
            incident = watched.incidents.get(ident)
            if incident is not None:
                open_now = watched.state.incident is not None and watched.state.incident.id == ident
                report = reported(self._there(), incident)
                mine = [one for one in list(watched.rollbacks.values()) if one.incident == ident]
                return {
                    **msgspec.to_builtins(incident),
                    "report": report,
                    "said": list(self.reports.sources.archive.said(str(incident.model), ident)) if report else [],
                    "link": report and link(self.wheel.bounds.external_url, incident, self.wheel.parts.sign),
                    "evidence": msgspec.to_builtins(watched.state.alerts) if open_now else [],
                    "decision": msgspec.to_builtins(watched.state.decision) if open_now else None,
                    "rollbacks": msgspec.to_builtins(mine),
                }
        return None

    def gate(self, model: str, asked: Asked, /) -> dict[str, Any]:
        """Whether a deployment may go on."""
        watched = self.models[ModelName(model)]
        return clearing.answer(model, clearing.cleared(self.wheel, watched, asked))

    def rollbacks(self) -> list[Any]:
        """All that are remembered, newest first."""
        found = [one for watched in self.models.values() for one in show.rollbacks(watched)]
        return [msgspec.to_builtins(one) for one in sorted(found, key=lambda one: (one.planned, one.id), reverse=True)]

    def start_rollback(self, model: str, reason: str, actor: str, /) -> Any:
        """Begin a rollback by hand; Rejected if the gates that bind people do not hold."""
        watched = self.models[ModelName(model)]
        if watched.settings.target is None or watched.settings.serving is None:
            raise Rejected("not_possible", "the settings name no target and server to roll back")

        def decision(terms: Terms) -> Judgement:
            return outcomes.start(watched.state, terms, reason=reason, actor=actor, now=self.clock.now())

        deed = Deed(Kind.PERSON_STARTED, actor, {"model": model, "reason": reason})
        return self._decided(watched, decision, deed)

    def approve(self, ident: str, actor: str, /) -> Any:
        """Agree to a proposed rollback; Rejected if there is none, or its evidence is gone."""
        watched = self._of_rollback(ident)

        def decision(terms: Terms) -> Judgement:
            now = self.clock.now()
            return outcomes.approved(watched.state, terms, watched.slots, rollback_id=ident, actor=actor, now=now)

        return self._decided(watched, decision, Deed(Kind.PERSON_APPROVED, actor, {"rollback": ident}))

    def decline(self, ident: str, actor: str, /) -> Any:
        """Refuse a proposed rollback; Rejected if there is none."""
        watched = self._of_rollback(ident)

        def decision(terms: Terms) -> Judgement:
            now = self.clock.now()
            return outcomes.declined(watched.state, terms, rollback_id=ident, actor=actor, now=now)

        return self._decided(watched, decision, Deed(Kind.PERSON_DECLINED, actor, {"rollback": ident}))

    def release(self, model: str, alert: str, reason: str, actor: str, /) -> Any:
        """Let go of what is latched; Rejected if nothing of that name is."""
        watched = self.models[ModelName(model)]
        self._wait(self.wheel.release(watched, alert, actor, reason))
        incident = watched.state.incident
        return {"model": model, "released": alert, "incident": incident.id if incident else None}

    def suspect(self, ident: str, wanted: Suspect, actor: str, /) -> Any:
        """Suspect data because of an incident; LookupError if nobody knows it, ValueError for a time that is none."""
        watched, incident = self._of_incident(ident)
        onset = incident.opened if incident.onset is None else incident.onset
        since, until = _moment(wanted.since, onset), _moment(wanted.until, None)
        if since is None or (until is not None and until <= since):
            msg = "it begins at a time, and ends after it"
            raise ValueError(msg)
        suspicion = Suspicion(since, until, wanted.sources, wanted.batches, incident.id, actor)

        def decision(terms: Terms) -> Judgement:
            return outcomes.suspected(watched.state, terms, suspicion, self.clock.now())

        subject: dict[str, Scalar] = {"incident": ident, "words": words_of(suspicion)}
        self._decided(watched, decision, Deed(Kind.PERSON_SUSPECTED, actor, subject))
        return self.exclusions(ident)

    def trust_again(self, ident: str, actor: str, /) -> Any:
        """Take back what people suspect because of an incident; Rejected if that is nothing."""
        watched, incident = self._of_incident(ident)

        def decision(terms: Terms) -> Judgement:
            now = self.clock.now()
            return outcomes.trusted_again(watched.state, terms, incident=incident.id, actor=actor, now=now)

        self._decided(watched, decision, Deed(Kind.PERSON_TRUSTED, actor, {"incident": ident}))
        return self.exclusions(ident)

    def exclusions(self, ident: str, /) -> Any:
        """The data to keep out of the next training; LookupError if nobody knows the incident."""
        watched, incident = self._of_incident(ident)
        return msgspec.to_builtins(exclusions(incident, watched.state.suspicions))

    def unlatch(self, model: str, actor: str, /) -> Any:
        """Let automation act again."""
        watched = self.models[ModelName(model)]

        def decision(terms: Terms) -> Judgement:
            return outcomes.unlatched(watched.state, terms, actor=actor, now=self.clock.now())

        deed = Deed(Kind.PERSON_UNLATCHED, actor, {"model": model, "latch": watched.state.latch or None})
        self._decided(watched, decision, deed)
        return {"model": model, "latch": watched.state.latch}

    def promotion(self, model: str, /) -> Any:
        """Whether what is served has earned to be known-good: every condition, with what was seen."""
        found = promotion(candidacy(self.models[ModelName(model)], self.clock.now()))
        return {"model": model, **msgspec.to_builtins(found)}

    def stop_automation(self, reason: str, actor: str, /) -> Any:
        """Set the kill switch; in force when this returns, durable if it says so."""
        durable = self.kill_switch.set(Said(actor, reason, self.clock.wall()))
        self._wait(self._say(Deed(Kind.KILL_SWITCH_SET, actor, {"reason": reason, "durable": durable})))
        return {"kill_switch": msgspec.to_builtins(self.kill_switch.said()), "durable": durable}

    def let_automation_go(self, reason: str, actor: str, /) -> Any:
        """Unset the kill switch, and end the pause after a jump of the clock.

        Transient if its line or the disk does not take that, and then it stays set.
        """
        self._wait(self._let_go(reason, actor))
        return {"kill_switch": None, "durable": True}

    async def _let_go(self, reason: str, actor: str) -> None:
        """Setting waits for nothing; unsetting lets automation act again, so its line is on disk before it is done."""
        audit = self.wheel.parts.audit
        await audit.record([Deed(Kind.KILL_SWITCH_UNSET, actor, {"reason": reason})], must=True)
        try:
            await asyncio.to_thread(self.kill_switch.unset, actor, reason)
        except OSError as error:
            why = f"the kill switch stays set: {error.strerror}"
            await audit.record([Deed(Kind.KILL_SWITCH_SET, actor, {"reason": why, "durable": None})])
            raise Transient(why) from error
        if self.trust_clock is not None:
            await self.trust_clock()
        await self.noticed(f"{words(None)}: {actor} says {reason}")

    async def _say(self, deed: Deed) -> None:
        """Write down who did it, and tell open incidents."""
        await self.wheel.parts.audit.record([deed])
        await self.noticed()

    async def noticed(self, told: str = "") -> None:
        """Tell open incidents where the kill switch was set or unset since the last time, by whatever way.

        `told` is in whose words, where a person just said it.
        """
        await self._degraded()
        said = await asyncio.to_thread(self.kill_switch.said)
        if said == self._known:
            return
        self._known, what = said, told or words(said)
        for watched in self.models.values():
            await self.wheel.decide(watched, partial(self._stopped, watched, what))

    async def _degraded(self) -> None:
        """Tell an open incident when its model's mode becomes less than the settings say, and when it is that again."""
        for name, watched in self.models.items():
            mode, why = watched.mode
            if why != self._why.get(name, ""):
                self._why[name] = why
                what = why or f"mode {mode.value} again: an operator is in touch, and the clock is believed"
                await self.wheel.decide(watched, partial(self._stopped, watched, what))

    def _stopped(self, watched: Watched, what: str, terms: Terms) -> Judgement:
        return outcomes.automation_stopped(watched.state, terms, what, self.clock.now())

    async def advance(self, to: float, actor: str, /) -> dict[str, Any]:
        """Replay: step event time to `to` and finish what is due; ValueError if that is back, too far, or live."""
        if not isinstance(self.clock, ReplayClock):
            msg = "the clock of live traffic is not ours to move"
            raise ValueError(msg)  # noqa: TRY004 - the caller asked for a value that cannot be had
        if not to < LATEST_S:
            msg = "the clock shows seconds since 1970, not milliseconds"
            raise ValueError(msg)
        async with self._stepping:
            if self.clock.now() and to - self.clock.now() > STEP_MAX_S:
                msg = f"a step of the clock is {STEP_MAX_S:g} s at most"
                raise ValueError(msg)
            before = self.clock.now()
            self.clock.step(to)
            if to != before:
                await self.wheel.parts.audit.record([Deed(Kind.CLOCK_STEPPED, actor, {"from": before, "to": to})])
            await self.wheel.settle(to)
            await self.stepped(to)
        return {"now": to}

    async def reload(self, actor: str, /) -> Sequence[Problem]:
        """Read settings and tokens again; what is wrong with them, in which case the last good ones stay."""
        return await self.reload_settings(actor)

    def healthy(self) -> tuple[bool, str]:
        """Whether the daemon lives."""
        return self.checks["healthy"]()

    def ready(self) -> tuple[bool, str]:
        """Whether the daemon takes rows."""
        return self.checks["ready"]()

    def _there(self) -> set[tuple[str, str]]:
        """Of which model and incident, or period, there is a report."""
        return {(report.model, report.id) for report in self.reports.reports()}

    def _of_incident(self, ident: str) -> tuple[Watched, Incident]:
        """An incident and its model; LookupError if nobody knows it. The open one is newer in the model's state."""
        for watched in self.models.values():
            present = watched.state.incident
            found = present if present is not None and present.id == ident else watched.incidents.get(ident)
            if found is not None:
                return watched, found
        raise LookupError(ident)

    def _of_rollback(self, ident: str) -> Watched:
        """The model of a rollback; LookupError if nobody knows it."""
        found = next((each for each in self.models.values() if ident in each.rollbacks), None)
        if found is None:
            raise LookupError(ident)
        return found

    def _decided(self, watched: Watched, decision: Callable[[Terms], Judgement], deed: Deed) -> Any:
        """Decide on the event loop, from a thread; the changed rollback as it now stands."""
        judged = self._wait(self.wheel.decide(watched, decision, deed))
        return msgspec.to_builtins(judged.rollbacks[-1]) if judged.rollbacks else {}

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Work on the event loop, from a thread."""
        try:
            return asyncio.run_coroutine_threadsafe(work, self.loop).result(ANSWER_WITHIN_S)
        except TimeoutError:
            raise Transient("the decision is still being written") from None


def earned(watched: Watched, now: float) -> tuple[Gate, ...]:
    """The conditions of a promotion for the metrics page: while a candidate is served, else none."""
    case = candidacy(watched, now)
    return promotion(case).gates if case.bundle and case.bundle.status is BundleStatus.CANDIDATE else ()


def candidacy(watched: Watched, now: float) -> Candidacy:
    """What is known of the bundle that is served."""
    state, probed, needed = watched.state, watched.probed, watched.settings.promotion
    present = probed is not None and state.epoch is not None and probed.epoch == state.epoch.number
    return Candidacy(
        state=state,
        rules=watched.pack,
        now=now,
        bundles=watched.bundles,
        slots=watched.slots,
        incidents=tuple(watched.incidents.values()),
        suspicions=state.suspicions,
        probes=probed.reading.verdict if probed is not None and present else None,
        floor=watched.releases.floor,
        needed=Needed(needed.soak, needed.labels_min, needed.worse_max),
    )


def _moment(wanted: object, absent: float | None) -> float | None:
    """A time as a sender wrote it; ValueError for what is none."""
    if wanted is msgspec.UNSET:
        return absent
    found = parse_time(wanted)
    if found is None:
        msg = "that is no time"
        raise ValueError(msg)
    return found
