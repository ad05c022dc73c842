"""The rollback policy: a pure function from evidence, release index, history and time to a decision with its reasons.

A rollback is a weapon for whoever can provoke it. So every gate of `GATES` must hold, and all are always looked at: the
decision answers "why did it (not) roll back?".

    any gate failed             -> DENY
    else, any cannot be told    -> INCONCLUSIVE     (too little data never acts)
    else                        -> ACT: the evidence is complete

The ruling says what the evidence says, whatever the mode. What is done about ACT is `EFFECT[mode]`: observe records it,
propose tells a person the command, approve waits for one to agree, auto switches. When the evidence is complete and
only a guard stands in the way (cooldown, budget, a known-bad bundle delivered again), the decision is *withheld*:
people are told and decide. Safety promise S8; `tests/decisions/scripts/policy-*.txt` are the attacks.

Two families must agree, and one of them must be the paired difference in error to the very bundle that would be
switched to, on the same rows: a change of the world, or a hostile source that lies about every row, hits both models
and cancels. It is evidence of its own, so it may be one of the two.
"""

from collections.abc import Sequence
from enum import Enum

from monitor.decisions.case import Case
from monitor.decisions.choosing import find_target, skipped
from monitor.decisions.gates import GATES, GUARDS
from monitor.facts import Decision, Gate, Mode, Ruling


class Effect(Enum):
    """What is done about a ruling of ACT."""

    RECORD = "record"
    TELL = "tell"
    ASK = "ask"
    SWITCH = "switch"


EFFECT: dict[Mode, Effect] = {
    Mode.OBSERVE: Effect.RECORD,
    Mode.PROPOSE: Effect.TELL,
    Mode.APPROVE: Effect.ASK,
    Mode.AUTO: Effect.SWITCH,
}


def decide(case: Case) -> Decision:
    """Look at every gate; never raises for anything a release index or a history may hold."""
    gates = tuple(gate(case) for gate in GATES)
    target = find_target(case)
    return Decision(_ruling(gates), target.id if target else None, gates, skipped(case))


def withheld(decision: Decision) -> bool:
    """Whether the evidence is complete and only guards stand in the way."""
    return decision.ruling is Ruling.DENY and all(gate.held or gate.name in GUARDS for gate in decision.gates)


def refusals(decision: Decision) -> tuple[Gate, ...]:
    """The gates that did not hold, failed ones first."""
    return tuple(sorted((gate for gate in decision.gates if not gate.held), key=lambda gate: gate.held is None))


def _ruling(gates: Sequence[Gate]) -> Ruling:
    if any(gate.held is False for gate in gates):
        return Ruling.DENY
    return Ruling.ACT if all(gate.held for gate in gates) else Ruling.INCONCLUSIVE
