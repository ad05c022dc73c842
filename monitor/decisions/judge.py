"""The judgement of one turn: alerts step, an incident opens or grows, and the policy rules on it.

    slots -> alerts -> incident -> decision -> what to tell, what to start

The order is fixed and every collection is walked in a fixed order, so the same facts at the same times give the same
judgement, to the byte. A turn that brings nothing new changes nothing: `judge` may be called as often as one likes.
"""

import shlex
from collections.abc import Iterator, Mapping, Sequence

from msgspec.structs import replace

from monitor.decisions.alerts import recent, step
from monitor.decisions.case import Case, Signal, holding, title
from monitor.decisions.incidents import Line, join, label, open_incident
from monitor.decisions.policy import EFFECT, Effect, decide, refusals, withheld
from monitor.decisions.rollback import end_unstarted
from monitor.decisions.rules import BUILT_IN, RulePack
from monitor.decisions.served import calm, watch
from monitor.decisions.state import Judgement, ModelState, Terms, end_rollback, settle, supersede, with_alerts
from monitor.detectors.error import Error
from monitor.detectors.label_selection import LabelSelection
from monitor.detectors.mean_absolute_error import MeanAbsoluteError
from monitor.facts import (
    TRANSITION,
    UNREGISTERED,
    Alert,
    AlertState,
    Decision,
    Epoch,
    Reading,
    Rollback,
    RollbackStep,
    Ruling,
    Severity,
    Slot,
    Suspicion,
    Verdict,
)

Slots = Mapping[tuple[str, str], Sequence[Slot]]  # by (rule, segment), oldest first
Lines = tuple[Line, ...]
MEAN_ERRORS = (Error, MeanAbsoluteError)  # less the paired difference: the known-good's error on the same rows
POLICY = "policy"  # who agreed to a rollback that no person did

__all__ = ["POLICY", "Judgement", "ModelState", "Slots", "Terms", "build_case", "judge"]


def judge(state: ModelState, terms: Terms, slots: Slots, now: float) -> Judgement:
    """Judge one turn. Slots of another epoch than the present one are not looked at, in a transition none are."""
    state, expired, lines = _expire(state, terms, now)
    state, fired, resolved = _step_alerts(state, terms.rules, slots, now)
    state, calmed = calm(state, terms, now)
    state, seen = watch(state, terms, now)
    before = None
    if fired and _superseded(state):
        before = supersede(state, terms, now)
        state = before.state
        fired = tuple(alert for alert in state.alerts if alert.state is AlertState.FIRING)
    state, joined = attach(state, terms.rules, (*seen, *(alert for alert in fired if alert not in seen)), now)
    state, started, ruled = _rule(state, terms, slots, now)
    after = settle(state, terms, (*lines, *resolved, *calmed, *joined, *ruled), now, (*expired, *started))
    if before is None:
        return after
    return replace(after, notices=before.notices + after.notices, incidents=before.incidents + after.incidents)


def build_case(state: ModelState, terms: Terms, slots: Slots, now: float) -> Case:
    """What the policy is asked about the present epoch and the open incident."""
    running = (state.rollback,) if state.rollback else ()
    return Case(
        model=state.model,
        now=now,
        mode=terms.mode,
        degraded=terms.degraded,
        epoch=state.epoch,
        bundles=terms.bundles,
        floor=terms.floor,
        expired=terms.index_expired,
        signals=tuple(_signals(state, terms.rules, slots)),
        history=state.history + running,
        once=state.incident.rollback if state.incident else "",
        considered=state.rollback.id if state.rollback else "",
        asked=terms.asked,
        latch=state.latch,
        kill_switch=terms.kill_switch,
        limits=terms.limits,
        suspicions=_suspicions(state),
        selection=tuple(_selection(state, terms.rules, slots)),
    )


def attach(state: ModelState, pack: RulePack, fired: Sequence[Alert], now: float) -> tuple[ModelState, Lines]:
    """Let alerts that fired just now join the open incident, or open one.

    What still fires about an earlier epoch makes nothing less of a piece of news: the target may be bad, too.
    """
    if not fired or state.epoch is None:
        return state, ()
    if state.incident is None:
        number = state.incidents + 1
        incident, lines = open_incident(state.epoch, number, fired, pack, now)
        incident = replace(incident, onset=_onset(None, fired, state.epoch))
        return replace(state, incident=incident, incidents=number, decision=None, held_back=0), lines
    new = {label(alert) for alert in fired}
    present = [a for a in state.alerts if a.state is AlertState.FIRING and a.epoch == state.epoch.number]
    firing = [a for a in present if label(a) not in new]
    incident, lines = join(state.incident, fired, firing, pack)
    return replace(state, incident=replace(incident, onset=_onset(incident.onset, fired, state.epoch))), lines


def _onset(before: float | None, fired: Sequence[Alert], epoch: Epoch) -> float | None:
    """When the earliest evidence of an incident begins: what is known to be wrong is wrong since then at the latest.

    A window may begin before the epoch that it tells of, and holds none of the earlier rows. Were it counted from its
    own beginning, a bundle made shortly before the deployment would look as if it had been trained on what followed.
    """
    slots = [slot for alert in fired for slot in alert.evidence]
    starts = [max(slot.start, epoch.start) if slot.epoch == epoch.number else slot.start for slot in slots]
    return min([*starts, *([] if before is None else [before])], default=None)


def _suspicions(state: ModelState) -> tuple[Suspicion, ...]:
    """What people suspect, and whatever came in since the open incident began: a bad model may have fed itself."""
    if state.incident is None or state.incident.onset is None:
        return state.suspicions
    return (*state.suspicions, Suspicion(state.incident.onset, incident=state.incident.id))


def start_command(state: ModelState) -> str:
    """What a person types to roll back now; a test holds it to what the command line takes."""
    reason = state.incident.id if state.incident else "by hand"
    return f"tocsin rollback start {shlex.quote(state.model)} --reason {shlex.quote(reason)}"


def next_rollback(
    state: ModelState, decision: Decision, terms: Terms, now: float, *, step: RollbackStep, by: str
) -> Rollback:
    """The rollback of the open incident that this decision leads to, not yet begun."""
    assert state.incident is not None, "a rollback belongs to an incident"
    assert state.epoch is not None, "a rollback leaves what is served"
    assert decision.target is not None, "a rollback has a target"
    number = 1 + sum(each.incident == state.incident.id for each in state.history)
    return Rollback(
        id=f"{state.incident.id}.r{number}",
        incident=state.incident.id,
        model=state.model,
        source=state.epoch.bundle,
        target=decision.target,
        mode=terms.mode,
        step=step,
        planned=now,
        stepped=now,
        decision=decision,
        approved_by=by,
    )


def _expire(state: ModelState, terms: Terms, now: float) -> tuple[ModelState, tuple[Rollback, ...], Lines]:
    """End a proposal that nobody agreed to in time."""
    rollback = state.rollback
    valid_s = terms.limits.approval_valid_s
    if rollback is None or rollback.step is not RollbackStep.PROPOSED or now - rollback.stepped < valid_s:
        return state, (), ()
    reason = f"nobody agreed within {valid_s / 3600:.3g} h"
    ended = end_unstarted(rollback, RollbackStep.EXPIRED, reason, now)
    line = Line(f"rollback {ended.id} expired: {reason}; to start it: {start_command(state)}", loud=True)
    return end_rollback(state, ended), (ended,), (line,)


def _step_alerts(
    state: ModelState, pack: RulePack, slots: Slots, now: float
) -> tuple[ModelState, tuple[Alert, ...], Lines]:
    """Step every alert by the windows of the present epoch; those of rules and segments that are gone end.

    A rule that was read has slots of each of its segments, empty ones included; where it was not, nothing is gone.
    """
    alerts = {(alert.rule, alert.segment): alert for alert in state.alerts}
    read = {rule for rule, _ in slots}
    gone = {key: "rule" for key in alerts if key[0] not in BUILT_IN and not _alerts(pack, key[0])}
    gone |= {key: "segment" for key in alerts if key not in gone and key[0] in read and key not in slots}
    lines = [Line(f"{label(alerts[key])}: the {what} is gone") for key, what in gone.items()]
    for key in gone:
        del alerts[key]
    fired: list[Alert] = []
    for key in sorted(slots):
        rule = pack.get(key[0])
        if rule is None or not _alerts(pack, key[0]):
            continue
        before = alerts.get(key) or Alert(state.model, *key)
        after = step(before, _present(state, slots[key]), rule, now)
        if after is before:
            continue
        alerts[key] = after
        if after.state is AlertState.FIRING:
            fired.append(after)
        if after.state is AlertState.RESOLVED:
            lines.append(Line(f"{label(after)}: resolved"))
    kept = [alert for alert in alerts.values() if alert.state is not AlertState.INACTIVE]
    return with_alerts(state, kept), tuple(fired), tuple(lines)


def _alerts(pack: RulePack, name: str) -> bool:
    rule = pack.get(name)
    return rule is not None and rule.severity is not Severity.NONE


def _present(state: ModelState, slots: Sequence[Slot]) -> tuple[Slot, ...]:
    """The slots that count: of the present epoch, unless nobody knows what is served."""
    if state.epoch is None or state.epoch.bundle in (TRANSITION, UNREGISTERED):
        return ()
    return tuple(slot for slot in slots if slot.epoch == state.epoch.number)


def _signals(state: ModelState, pack: RulePack, slots: Slots) -> list[Signal]:
    """One for each rule that may support a rollback; segments page, only the whole of the traffic acts."""
    return [
        Signal(
            rule=rule.name,
            family=rule.family,
            better=rule.better,
            breaches=rule.breaches,
            of=rule.of,
            slots=recent(_present(state, slots.get((rule.name, ""), ())), rule),
            budgeted=rule.tier is not None,
            mean_error=isinstance(rule.detector, MEAN_ERRORS),
        )
        for rule in (*pack.rules, *pack.budgeted)
        if rule.rollback
    ]


def _selection(state: ModelState, pack: RulePack, slots: Slots) -> Iterator[Reading]:
    """What was told last of how labelled rows differ from all, by each rule or reading of it."""
    for rule in pack.rules:
        if isinstance(rule.detector, LabelSelection):
            told = [slot.reading for slot in _present(state, slots.get((rule.name, ""), ()))]
            yield from [each for each in told if each.verdict in (Verdict.OK, Verdict.BREACH)][-1:]


def _superseded(state: ModelState) -> bool:
    """Whether the incident's rollback is done and something else is served by now than what it knew."""
    if state.incident is None or state.epoch is None or state.rollback is not None or not state.epoch.acts:
        return False
    done = [r for r in state.history if r.id == state.incident.rollback and r.step is RollbackStep.COMMITTED]
    return any(state.epoch.bundle not in (r.source, r.target) for r in done)


def _rule(state: ModelState, terms: Terms, slots: Slots, now: float) -> tuple[ModelState, tuple[Rollback, ...], Lines]:
    """Ask the policy, if there is something to ask; tell a ruling once, and start what the mode permits."""
    if state.incident is None or state.rollback is not None or not _asks(state, terms, slots, now):
        return state, (), ()
    decision = decide(build_case(state, terms, slots, now))
    if state.decision is not None and _gist(decision) == _gist(state.decision):
        return state, (), ()
    if decision.ruling is not Ruling.ACT:
        return _refuse(state, decision)
    state = replace(state, decision=decision)
    assert decision.target is not None, "nothing acts without a target"
    way = f"to {title(decision.target, terms.bundles)}"
    effect = EFFECT[terms.mode]
    if effect is Effect.RECORD:
        return state, (), (Line(f"would roll back {way}; mode observe"),)
    if effect is Effect.TELL:
        return state, (), (Line(f"roll back {way} with: {start_command(state)}", loud=True),)
    if effect is Effect.ASK:
        asked = next_rollback(state, decision, terms, now, step=RollbackStep.PROPOSED, by="")
        words = f"rollback {way} waits for approval: tocsin rollback approve {shlex.quote(asked.id)}"
        return _started(state, asked), (asked,), (Line(words, loud=True),)
    planned = next_rollback(state, decision, terms, now, step=RollbackStep.PLANNED, by=POLICY)
    return _started(state, planned), (planned,), (Line(f"rolling back {way}", loud=True),)


def _asks(state: ModelState, terms: Terms, slots: Slots, now: float) -> bool:
    """Whether a rule that may support a rollback fires about the present epoch, or its pairs hold without an alert."""
    number = state.epoch.number if state.epoch else None
    rules = [terms.rules.get(a.rule) for a in state.alerts if a.state is AlertState.FIRING and a.epoch == number]
    if any(rule is not None and rule.rollback for rule in rules):
        return True
    return any(signal.better for signal in holding(build_case(state, terms, slots, now)))


def _refuse(state: ModelState, decision: Decision) -> tuple[ModelState, tuple[Rollback, ...], Lines]:
    """Say why not: loud, and once, when nothing but a guard stands in the way. A spent budget latches."""
    news = state.decision is None or not withheld(state.decision)
    state = replace(state, decision=decision)
    why = "; ".join(gate.why for gate in refusals(decision))
    if not withheld(decision):
        return state, (), (Line(f"no rollback: {why}"),)
    failed = {gate.name for gate in decision.gates if not gate.held}
    latch = state.latch or ("the budget of rollbacks is spent" if "budget" in failed else "")
    words = f"no rollback although the evidence is complete, people decide: {why}; to start it: {start_command(state)}"
    loud = news and "once" not in failed  # what became of the first one was told
    return replace(state, latch=latch), (), (Line(words, loud=loud),)


def _started(state: ModelState, rollback: Rollback) -> ModelState:
    assert state.incident is not None, "a rollback belongs to an incident"
    return replace(state, rollback=rollback, incident=replace(state.incident, rollback=rollback.id))


def _gist(decision: Decision) -> object:
    """What makes a decision another one: not its numbers, but which gates hold, and the mode."""
    gates = [(gate.name, gate.held, gate.why if gate.name == "mode" else "") for gate in decision.gates]
    return decision.ruling, decision.target, gates
