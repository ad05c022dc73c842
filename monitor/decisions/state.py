"""What is remembered of one model between two turns, what the operator allows, and what a turn hands back.

Every function of `judge` and `outcomes` takes a `ModelState` and returns a `Judgement`: the state to keep and what
must be made durable and told with it, in one transaction. Nothing is done here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
from msgspec.structs import replace

from monitor.decisions.case import Limits, title
from monitor.decisions.incidents import CLOSING, LOUDNESS, NOTICES_MAX, Line, is_over, label, note, notice
from monitor.decisions.policy import refusals
from monitor.decisions.probes import Probed
from monitor.decisions.rules import RulePack
from monitor.decisions.telling import (
    GATHERED_MAX,
    Heard,
    Telling,
    catch_up,
    due_repeats,
    explained,
    fires,
    joined,
    still_firing,
)
from monitor.detectors.sequential.account import next_step
from monitor.facts import (
    Alert,
    Bundle,
    BundleId,
    Decision,
    Epoch,
    Incident,
    Mode,
    ModelName,
    Notice,
    Rollback,
    RollbackStep,
    Severity,
    Suspicion,
)

HISTORY_MAX = 100  # ended rollbacks remembered, switches longest: at three a week, most of a year
CHANGED_NOTHING = (RollbackStep.REFUSED, RollbackStep.EXPIRED)


class ModelState(msgspec.Struct, frozen=True):
    """Everything that decisions about one model remember. Stored as it is."""

    model: ModelName
    epoch: Epoch | None = None  # what is served now; set by `served_changed`
    alerts: tuple[Alert, ...] = ()  # those that are or were more than inactive, by rule and segment
    incident: Incident | None = None  # the open one
    rollback: Rollback | None = None  # proposed or under way
    history: tuple[Rollback, ...] = ()  # ended ones, oldest first, without their decisions
    decision: Decision | None = None  # the last one about the open incident
    latch: str = ""  # why automation is off until a person unlatches it
    held_back: int = 0  # notices of the open incident that were not sent
    heard: Heard = Heard()  # what was said of the open incident
    incidents: int = 0  # how many were ever opened
    suspicions: tuple[Suspicion, ...] = ()  # by people, until they take them back; at most `taint.SUSPICIONS_MAX`


@dataclass(frozen=True, slots=True)
class Terms:
    """What the operator and the release index say at this moment."""

    rules: RulePack
    mode: Mode = Mode.OBSERVE
    degraded: str = ""  # why that is less than the settings say
    limits: Limits = field(default_factory=Limits)
    bundles: tuple[Bundle, ...] = ()  # of this model
    floor: int = 0  # of the release index: the least security version of a target
    index_expired: bool = False  # whether the release index has: then nothing in it is a target
    asked: BundleId | None = None  # the bundle that answers as known-good, as proved; None while it is not
    kill_switch: bool = False
    telling: Telling = field(default_factory=Telling)
    unproved_s: float | None = None  # for how long the server has proved nothing; None: it answered the last question
    unproved_max_s: float = 300.0  # how long that is no page
    unsteady: bool = False  # whether the last proofs took turns between registered bundles
    probed: Probed | None = None  # the last round of golden probes that told something


class Judgement(msgspec.Struct, frozen=True):
    """The new state, and what to write and tell in the same transaction."""

    state: ModelState
    notices: tuple[Notice, ...] = ()
    incidents: tuple[Incident, ...] = ()  # changed ones, a closed one included
    rollbacks: tuple[Rollback, ...] = ()  # changed ones; one in step PLANNED is to be executed


def settle(
    state: ModelState, terms: Terms, lines: Sequence[Line], now: float, rollbacks: tuple[Rollback, ...] = ()
) -> Judgement:
    """Write the turn's lines into the open incident, close it if it is over, and tell what is loud."""
    incident = state.incident
    if incident is None:
        return Judgement(state, rollbacks=rollbacks)
    if state.rollback is None and is_over(incident, state.alerts):
        hours = (now - incident.opened) / 3600
        return close(state, terms, (*lines, _closing(incident, terms, f"over after {hours:.3g} h")), now, rollbacks)
    told, notices = _say(replace(state, incident=note(incident, lines, now)), terms, lines, now)
    changed = () if told.incident is None or told.incident == incident else (told.incident,)
    return Judgement(told, notices, changed, rollbacks)


def close(
    state: ModelState, terms: Terms, lines: Sequence[Line], now: float, rollbacks: tuple[Rollback, ...] = ()
) -> Judgement:
    """End the open incident, whatever still fires."""
    assert state.incident is not None, "there is an incident to close"
    incident = replace(note(state.incident, lines, now), closed=now)
    waiting = state.heard.gathered
    lines = (*waiting, *lines)
    unsaid = not incident.notices and waiting and all(line.about for line in lines if line.loud)
    told, notices = _tell(replace(state, incident=incident), terms, () if unsaid else lines, now)
    assert told.incident is not None, "telling does not lose the incident"
    free = replace(told, incident=None, decision=None, held_back=0, heard=Heard())
    return Judgement(free, notices, (told.incident,), rollbacks)


def supersede(state: ModelState, terms: Terms, now: float) -> Judgement:
    """End an incident whose rollback is done because another bundle is served and fails: that is another incident."""
    assert state.incident is not None, "there is an incident to close"
    words = "another bundle is served since its rollback; what still fires is a new incident"
    return close(state, terms, (_closing(state.incident, terms, words),), now)


def end_rollback(state: ModelState, rollback: Rollback) -> ModelState:
    """Move a rollback that ended into the history; one that failed latches automation.

    What makes room first is the oldest of an earlier incident that changed nothing: what was rolled back from must stay
    known as bad, and the rollbacks of this incident are numbered.
    """
    latch = f"{rollback.id} failed" if rollback.step is RollbackStep.FAILED else state.latch
    history = [*state.history, replace(rollback, decision=None)]
    if len(history) > HISTORY_MAX:
        idle = (i for i, r in enumerate(history) if r.step in CHANGED_NOTHING and r.incident != rollback.incident)
        del history[next(idle, 0)]
    return replace(state, rollback=None, history=tuple(history), latch=latch)


def with_alerts(state: ModelState, alerts: Sequence[Alert]) -> ModelState:
    """The state with these alerts, in a fixed order."""
    return replace(state, alerts=tuple(sorted(alerts, key=lambda alert: (alert.rule, alert.segment))))


def _closing(incident: Incident, terms: Terms, words: str) -> Line:
    severities = [terms.rules.severity(name.partition("/")[0]) for name in incident.alerts]
    severity = max(severities, key=LOUDNESS.__getitem__, default=Severity.CRITICAL)
    return Line(words, loud=True, severity=severity, about=CLOSING)


def _say(state: ModelState, terms: Terms, lines: Sequence[Line], now: float) -> tuple[ModelState, tuple[Notice, ...]]:
    """Say of the open incident what is due: what happened, what joined in silence, or that it is still open."""
    incident, heard, pack = state.incident, state.heard, terms.rules
    assert incident is not None, "there is an incident to speak of"
    firing = fires(state.alerts, incident)
    heard = replace(heard, untold=joined(heard.untold, lines, incident, {label(alert) for alert in firing}))
    state = _hearing(state, heard)
    loud = [line for line in (*heard.gathered, *lines) if line.loud]
    may_wait = not incident.notices and all(line.about for line in loud)
    if loud and may_wait and 0 <= now - incident.opened < terms.telling.wait_s:
        return _hearing(state, replace(heard, gathered=tuple(loud[:GATHERED_MAX]))), ()
    if loud:
        return _tell(state, terms, loud, now)
    number = state.epoch.number if state.epoch else 0  # what fires about an earlier one was answered by the switch
    late = catch_up(heard, terms.telling, [alert for alert in firing if alert.epoch == number], pack, now)
    if late:
        return _tell(state, terms, late, now)
    due = due_repeats(heard, terms.telling, firing, pack, now)
    return _repeat(state, terms, due, still_firing(incident, firing, pack), now) if due else (state, ())


def _tell(state: ModelState, terms: Terms, lines: Sequence[Line], now: float) -> tuple[ModelState, tuple[Notice, ...]]:
    incident, heard = state.incident, state.heard
    if incident is None or not any(line.loud for line in lines):
        return state, ()
    firing = fires(state.alerts, incident)
    left = [label(alert) for alert in firing if explained(alert, firing, terms.rules)]
    untold = tuple(name for name in heard.untold if name in left)
    state = _hearing(state, Heard(at=now, repeats=heard.repeats, untold=untold))
    if incident.notices - heard.repeats >= NOTICES_MAX and incident.closed is None:
        return replace(state, held_back=state.held_back + 1), ()
    incident, told = notice(incident, state.alerts, lines, _details(state, incident, terms))
    return replace(state, incident=incident), (told,)


def _repeat(
    state: ModelState, terms: Terms, receivers: tuple[str, ...], line: Line, now: float
) -> tuple[ModelState, tuple[Notice, ...]]:
    assert state.incident is not None, "there is an incident to speak of"
    incident, told = notice(state.incident, state.alerts, (line,), _details(state, state.incident, terms))
    repeated = tuple(sorted((dict(state.heard.repeated) | dict.fromkeys(receivers, now)).items()))
    heard = replace(state.heard, repeated=repeated, repeats=state.heard.repeats + 1)
    return _hearing(replace(state, incident=incident), heard), (replace(told, repeat=True, receivers=receivers),)


def _next(state: ModelState, incident: Incident, terms: Terms) -> str:
    """What to look at next, by the family of the cause and the column that it names first."""
    rule = terms.rules.get(incident.cause)
    slots = [slot for alert in state.alerts if alert.rule == incident.cause for slot in alert.evidence]
    column = next((slot.worst[0] for slot in reversed(slots) if slot.worst), "")
    return next_step(rule.family, column) if rule else ""


def _hearing(state: ModelState, heard: Heard) -> ModelState:
    return state if heard == state.heard else replace(state, heard=heard)


def _details(state: ModelState, incident: Incident, terms: Terms) -> tuple[tuple[str, str], ...]:
    details = [("cause", incident.cause), ("bundle", title(incident.bundle, terms.bundles))]
    if state.epoch is not None:
        details.append(("serving", title(state.epoch.bundle, terms.bundles)))
    if state.decision is not None:
        reasons = "; ".join(f"{gate.name}: {gate.why}" for gate in refusals(state.decision))
        details.append(("decision", f"{state.decision.ruling.value}{f' ({reasons})' if reasons else ''}"))
    if incident.closed is None and (advice := _next(state, incident, terms)):
        details.append(("next", advice))
    if incident.rollback:
        details.append(("rollback", incident.rollback))
    if state.held_back:
        details.append(("held_back", f"{state.held_back} notices of this incident were not sent"))
    return tuple(details)
