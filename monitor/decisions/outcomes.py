"""What happened outside a look at windows: another bundle is served, a rollback went on, a person decided.

Two pages come from here and not from windows (`monitor.decisions.served`), because what is served says all. A known-bad
bundle that is delivered again is somebody's decision: it pages, and is not fought over.
"""

from dataclasses import dataclass
from enum import Enum

from msgspec.structs import replace

from monitor.decisions.case import title
from monitor.decisions.choosing import find_target
from monitor.decisions.gates import person_gates
from monitor.decisions.incidents import Line, label, open_incident
from monitor.decisions.judge import Slots, attach, build_case, next_rollback, start_command
from monitor.decisions.policy import decide, refusals
from monitor.decisions.rollback import ENDED, agree, end_unstarted
from monitor.decisions.served import fire, watch
from monitor.decisions.state import Judgement, ModelState, Terms, end_rollback, settle, with_alerts
from monitor.decisions.taint import SUSPICIONS_MAX, words_of
from monitor.errors import Rejected
from monitor.facts import (
    TRANSITION,
    AlertState,
    Decision,
    Epoch,
    Gate,
    Rollback,
    RollbackStep,
    Ruling,
    Suspicion,
)

NOT_SWITCHED = (RollbackStep.PROPOSED, RollbackStep.PLANNED, RollbackStep.VERIFIED, RollbackStep.PROBED)


class Refusal(Enum):
    """Why a person's wish was not granted."""

    NO_SUCH_PROPOSAL = "no_such_proposal"
    TOO_MANY = "too_many"
    UNDER_WAY = "under_way"
    NOT_POSSIBLE = "not_possible"
    NOT_LATCHED = "not_latched"


@dataclass(frozen=True, slots=True)
class Released:
    """What a person wants to let go of."""

    alert: str  # "rule/group", or the rule alone at the tier rollback
    latched: bool  # whether the e-detector has latched it
    actor: str
    reason: str


def served_changed(state: ModelState, terms: Terms, epoch: Epoch, now: float) -> Judgement:
    """Take note of what is served. The same epoch with a later proof only replaces it."""
    same = state.epoch is not None and state.epoch.number == epoch.number
    state = replace(state, epoch=epoch)
    if same or epoch.bundle == TRANSITION:
        return Judgement(state)
    words = f"epoch {epoch.number} serves {title(epoch.bundle, terms.bundles)}"
    state, dropped, lines = _drop_proposal(state, epoch, now)
    state, fired = fire(state, terms, epoch, now)
    state, joined = attach(state, terms.rules, fired, now)
    return settle(state, terms, (Line(words), *lines, *joined), now, dropped)


def probes_answered(state: ModelState, terms: Terms, now: float) -> Judgement:
    """Take note of a round of golden probes (`terms.probed`): wrong answers page at once; an end waits for a look."""
    state, fired = watch(state, terms, now)
    state, joined = attach(state, terms.rules, fired, now)
    return settle(state, terms, joined, now)


def rollback_stepped(state: ModelState, terms: Terms, rollback: Rollback, now: float) -> Judgement:
    """Take note of how far the rollback under way came, its end included; ValueError for another one."""
    before = state.rollback
    if before is None or before.id != rollback.id:
        msg = f"{rollback.id} is not under way"
        raise ValueError(msg)
    line = _progress(before, rollback, terms)
    if rollback.step in ENDED:
        return settle(end_rollback(state, rollback), terms, (line,), now, (rollback,))
    lines = (line,) if rollback.step is not before.step else ()
    return settle(replace(state, rollback=rollback), terms, lines, now, (rollback,))


def approved(state: ModelState, terms: Terms, slots: Slots, *, rollback_id: str, actor: str, now: float) -> Judgement:
    """A person agreed to a proposal: it is planned if the evidence is still complete, else refused with the reason.

    Rejected if there is no such proposal or it is too old; the next `judge` ends what is too old.
    """
    proposal = _proposal(state, rollback_id)
    if now - proposal.stepped >= terms.limits.approval_valid_s:
        raise Rejected(Refusal.NO_SUCH_PROPOSAL.value, "it expired")
    decision = decide(build_case(state, terms, slots, now))
    if decision.ruling is Ruling.ACT and decision.target == proposal.target:
        planned = replace(agree(proposal, actor, now), decision=decision)
        line = Line(f"{actor} approved rollback {proposal.id}", loud=True)
        return settle(replace(state, rollback=planned), terms, (line,), now, (planned,))
    why = "; ".join(gate.why for gate in refusals(decision)) or "another target is due"
    return _end_proposal(state, terms, proposal, f"approved by {actor}, but the evidence changed: {why}", now)


def declined(state: ModelState, terms: Terms, *, rollback_id: str, actor: str, now: float) -> Judgement:
    """A person said no to a proposal; Rejected if there is none of that id."""
    return _end_proposal(state, terms, _proposal(state, rollback_id), f"declined by {actor}", now)


def start(state: ModelState, terms: Terms, *, reason: str, actor: str, now: float) -> Judgement:
    """A person rolls back by hand: no evidence is asked for, but a known-good target and an idle machine are.

    Latch, cooldown and budget bind automation only. Rejected with the failing gates otherwise.
    """
    case = build_case(state, terms, {}, now)
    gates = (*person_gates(case), Gate("person", True, f"{actor}: {reason}"))
    failed = [gate for gate in gates if not gate.held]
    if state.rollback is not None:
        raise Rejected(Refusal.UNDER_WAY.value, f"{state.rollback.id} is {state.rollback.step.value}")
    target = find_target(case)
    if failed or target is None or state.epoch is None:
        raise Rejected(Refusal.NOT_POSSIBLE.value, "; ".join(gate.why for gate in failed))
    if state.incident is None:
        incident, _ = open_incident(state.epoch, state.incidents + 1, (), terms.rules, now)
        state = replace(state, incident=incident, incidents=state.incidents + 1, decision=None, held_back=0)
    decision = Decision(Ruling.ACT, target.id, gates)
    planned = next_rollback(state, decision, terms, now, step=RollbackStep.PLANNED, by=actor)
    assert state.incident is not None, "one was opened above"
    state = replace(state, rollback=planned, incident=replace(state.incident, rollback=planned.id))
    line = Line(f"{actor} rolls back to {title(target.id, terms.bundles)}: {reason}", loud=True)
    return settle(state, terms, (line,), now, (planned,))


def released(state: ModelState, terms: Terms, wish: Released, now: float) -> Judgement:
    """A person lets go of what the e-detector has latched: its alert is over, and fires anew if it crosses anew.

    Rejected if nothing of that name is latched, nor fires about what was served before.
    """
    rules = {rule.name for rule in terms.rules.budgeted}
    firing = [a for a in state.alerts if label(a) == wish.alert and a.state is AlertState.FIRING and a.rule in rules]
    if not wish.latched and not firing:
        raise Rejected(Refusal.NOT_LATCHED.value, "nothing of that name is latched; tocsin status tells what is")
    kept = [replace(a, state=AlertState.RESOLVED, since=now) if a in firing else a for a in state.alerts]
    line = Line(f"{wish.actor} let go of {wish.alert}: {wish.reason}")
    return settle(with_alerts(state, kept), terms, (line,), now)


def suspected(state: ModelState, terms: Terms, suspicion: Suspicion, now: float) -> Judgement:
    """A person suspects data: what was trained on them is no target any more, and the proposal to go there is void.

    It holds until it is taken back, beyond its incident. Rejected if there are `SUSPICIONS_MAX` already.
    """
    if suspicion in state.suspicions:
        return Judgement(state)
    if len(state.suspicions) >= SUSPICIONS_MAX:
        raise Rejected(Refusal.TOO_MANY.value, f"{SUSPICIONS_MAX} suspicions are kept: take one back first")
    state = replace(state, suspicions=(*state.suspicions, suspicion))
    state, dropped, lines = _drop_tainted(state, terms, now)
    return settle(state, terms, (Line(f"{suspicion.by} suspects {words_of(suspicion)}"), *lines), now, dropped)


def trusted_again(state: ModelState, terms: Terms, *, incident: str, actor: str, now: float) -> Judgement:
    """A person takes back what people suspect because of one incident; Rejected if that is nothing."""
    kept = tuple(each for each in state.suspicions if each.incident != incident)
    if len(kept) == len(state.suspicions):
        raise Rejected(Refusal.NOT_POSSIBLE.value, "nobody suspects data because of this incident")
    line = Line(f"{actor} takes back what is suspected because of {incident}")
    return settle(replace(state, suspicions=kept), terms, (line,), now)


def automation_stopped(state: ModelState, terms: Terms, words: str, now: float) -> Judgement:
    """The kill switch was set or unset: the open incident is told, and people with it."""
    return settle(state, terms, (Line(words, loud=True),), now)


def unlatched(state: ModelState, terms: Terms, *, actor: str, now: float) -> Judgement:
    """A person lets automation act again."""
    line = Line(f"{actor} unlatched automation, which was off: {state.latch}")
    return settle(replace(state, latch=""), terms, (line,) if state.latch else (), now)


def _drop_proposal(
    state: ModelState, epoch: Epoch, now: float
) -> tuple[ModelState, tuple[Rollback, ...], tuple[Line, ...]]:
    """A proposal is about the bundle it would leave."""
    rollback = state.rollback
    if rollback is None or rollback.step is not RollbackStep.PROPOSED or rollback.source == epoch.bundle:
        return state, (), ()
    ended = end_unstarted(rollback, RollbackStep.REFUSED, "another bundle is served", now)
    return end_rollback(state, ended), (ended,), (Line(f"rollback {ended.id} is void: {ended.reason}"),)


def _drop_tainted(
    state: ModelState, terms: Terms, now: float
) -> tuple[ModelState, tuple[Rollback, ...], tuple[Line, ...]]:
    """A proposal to a bundle that is no target any more; the next judgement proposes another where there is one."""
    rollback = state.rollback
    if rollback is None or rollback.step is not RollbackStep.PROPOSED:
        return state, (), ()
    target = find_target(build_case(state, terms, {}, now))
    if target is not None and target.id == rollback.target:
        return state, (), ()
    ended = end_unstarted(rollback, RollbackStep.REFUSED, "its target was trained on suspected data", now)
    return end_rollback(state, ended), (ended,), (Line(f"rollback {ended.id} is void: {ended.reason}", loud=True),)


def _progress(before: Rollback, rollback: Rollback, terms: Terms) -> Line:
    source, target = title(rollback.source, terms.bundles), title(rollback.target, terms.bundles)
    step = rollback.step
    if step is RollbackStep.COMMITTED and before.step is RollbackStep.BAKING:
        return Line(f"rollback {rollback.id}: {target} went on being served as proved: committed")
    if step in (RollbackStep.BAKING, RollbackStep.COMMITTED):
        return Line(f"rolled back: {target} is served, proved by the server", loud=True)
    if step is RollbackStep.FAILED:
        return Line(f"rollback to {target} failed, automation is latched: {rollback.reason}", loud=True)
    if step in ENDED:
        return Line(f"rollback to {target} {step.value}, nothing was changed: {rollback.reason}", loud=True)
    if step is RollbackStep.SWITCHED and before.step in NOT_SWITCHED:
        return Line(f"switched from {source} to {target}, not proved yet", loud=True)
    return Line(f"rollback {rollback.id}: {step.value}")


def _proposal(state: ModelState, rollback_id: str) -> Rollback:
    rollback = state.rollback
    if rollback is None or rollback.id != rollback_id or rollback.step is not RollbackStep.PROPOSED:
        raise Rejected(Refusal.NO_SUCH_PROPOSAL.value, "no proposal of that id is waiting")
    return rollback


def _end_proposal(state: ModelState, terms: Terms, proposal: Rollback, reason: str, now: float) -> Judgement:
    ended = end_unstarted(proposal, RollbackStep.REFUSED, reason, now)
    words = f"rollback {ended.id} refused: {reason}; to start it: {start_command(state)}"
    return settle(end_rollback(state, ended), terms, (Line(words, loud=True),), now, (ended,))
