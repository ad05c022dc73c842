"""What a judgement does, in the words of the audit log: decisions, steps of rollbacks, incidents, latches, epochs.

Compared with the state before it, so a judgement that changes nothing writes nothing. Names, ids, which
gates held, and reasons in words; no value of a row is ever in one of these.

    switching   the step that a rollback journals before its switch: must be written first
    the rest    told in the same order
"""

from collections.abc import Iterator
from typing import Final

from monitor.audit.records import Kind, Scalar
from monitor.decisions.policy import EFFECT, withheld
from monitor.decisions.rollback import COMMAND, Command
from monitor.decisions.state import Judgement, ModelState
from monitor.facts import Decision, Incident, Mode, ModelName, Rollback, Ruling
from monitor.turns.auditing import Deed
from monitor.turns.watched import Watched

DAEMON: Final = "tocsin"
RULED: Final = {
    Ruling.ACT: Kind.DECISION_ACTED,
    Ruling.DENY: Kind.DECISION_DENIED,
    Ruling.INCONCLUSIVE: Kind.DECISION_INCONCLUSIVE,
}


def deeds_of(watched: Watched, judged: Judgement) -> list[Deed]:
    """Everything a judgement does, in the order it follows from one another."""
    before, after, model = watched.state, judged.state, watched.name
    found = [*_incidents(watched, judged), *_decided(model, before, after, watched.mode[0])]
    found += [deed for rollback in judged.rollbacks for deed in _stepped(watched, rollback)]
    if after.latch != before.latch:
        kind = Kind.LATCH_SET if after.latch else Kind.LATCH_RELEASED
        found.append(Deed(kind, DAEMON, {"model": model, "why": after.latch or before.latch}))
    if after.epoch is not None and (before.epoch is None or before.epoch.number != after.epoch.number):
        epoch = after.epoch
        subject: dict[str, Scalar] = {
            "model": model,
            "epoch": epoch.number,
            "bundle": epoch.bundle,
            "digest": epoch.digest,
        }
        found.append(Deed(Kind.SERVED_CHANGED, DAEMON, subject))
    return found


def switches(judged: Judgement) -> bool:
    """Whether what follows from this judgement is the switch of a rollback: then its lines come first."""
    return any(COMMAND.get(rollback.step) is Command.SWITCH for rollback in judged.rollbacks)


def _incidents(watched: Watched, judged: Judgement) -> Iterator[Deed]:
    for incident in judged.incidents:
        before = watched.incidents.get(incident.id)
        if before is None:
            yield Deed(Kind.INCIDENT_OPENED, DAEMON, _of_incident(incident))
        if incident.closed is not None and (before is None or before.closed is None):
            yield Deed(Kind.INCIDENT_CLOSED, DAEMON, _of_incident(incident))


def _of_incident(incident: Incident) -> dict[str, Scalar]:
    return {
        "incident": incident.id,
        "model": incident.model,
        "epoch": incident.epoch,
        "bundle": incident.bundle,
        "cause": incident.cause,
        "alerts": len(incident.alerts),
        "notices": incident.notices,
        "rollback": incident.rollback or None,
        "at": incident.opened if incident.closed is None else incident.closed,
    }


def _decided(model: ModelName, before: ModelState, after: ModelState, mode: Mode) -> Iterator[Deed]:
    decision = after.decision
    if decision is None or decision == before.decision or after.incident is None:
        return
    kind = Kind.DECISION_WITHHELD if withheld(decision) else RULED[decision.ruling]
    effect = EFFECT[mode].value if decision.ruling is Ruling.ACT else None
    subject: dict[str, Scalar] = {"model": model, "incident": after.incident.id, "mode": mode.value, "effect": effect}
    yield Deed(kind, "policy", subject | _gates(decision))


def _gates(decision: Decision) -> dict[str, Scalar]:
    """Which gates held: by name, a closed list."""
    failed = [gate.name for gate in decision.gates if gate.held is False]
    untold = [gate.name for gate in decision.gates if gate.held is None]
    held = sum(gate.held is True for gate in decision.gates)
    return {"target": decision.target, "held": held, "failed": " ".join(failed), "not_told": " ".join(untold)}


def _stepped(watched: Watched, rollback: Rollback) -> Iterator[Deed]:
    before = watched.rollbacks.get(rollback.id)
    if before is not None and (before.step, before.attempts) == (rollback.step, rollback.attempts):
        return
    subject: dict[str, Scalar] = {
        "rollback": rollback.id,
        "incident": rollback.incident,
        "model": rollback.model,
        "source": rollback.source,
        "target": rollback.target,
        "mode": rollback.mode.value,
        "attempts": rollback.attempts,
        "reason": rollback.reason or None,
        "at": rollback.stepped,
    }
    yield Deed(Kind(f"rollback.{rollback.step.value}"), rollback.approved_by or "policy", subject)
