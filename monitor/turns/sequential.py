"""What the e-detector last said of a model, as plain values for status and the metrics page."""

from math import isfinite

from monitor.decisions.budget import WATCHED, Watch
from monitor.detectors.sequential import Plan, Step
from monitor.detectors.sequential.ledger import TIERS
from monitor.export.sequential import EvidenceView, LatchView, SequentialView
from monitor.facts import Family
from monitor.turns.latched import place
from monitor.turns.lookout import NO_BANDS, Lookout
from monitor.turns.ticking import Armed, Ticked


def view(ticked: Ticked, watch: Watch, before: SequentialView | None) -> SequentialView:
    """What a look found; evidence is of the last tick, so a look without one shows that of `before`."""
    armed, lookout = ticked.armed, ticked.lookout
    kept = () if before is None or before.since != armed.since else before.evidence
    return SequentialView(
        at=armed.at,
        since=armed.since,
        every_s=watch.every_s,
        rows=max(armed.rows.values(), default=0),
        budgets={tier.value: minutes for tier, minutes in zip(TIERS, watch.ledger.minutes, strict=True)},
        watched=lookout.size,
        unknown=lookout.unknown,
        why=NO_BANDS if lookout.rhythm is None else "",
        evidence=kept if ticked.step is None else evidence(lookout.plan, ticked.step),
        latched=latches(armed),
        untold=untold(lookout, watch),
    )


def evidence(plan: Plan, said: Step) -> tuple[EvidenceView, ...]:
    """Of each family and tier the group with the most."""
    log_odds, found = said.log_odds, []
    for family in dict.fromkeys(plan.families):
        mine = [index for index, of in enumerate(plan.families) if of is family]
        for tier, odds in zip(TIERS, log_odds, strict=True):
            loudest = max(mine, key=lambda index: float(odds[index]))
            if isfinite(odds[loudest]):
                group = place(plan.groups[loudest])
                found.append(EvidenceView(family.value, tier.value, group, float(odds[loudest])))
    return tuple(found)


def latches(armed: Armed) -> tuple[LatchView, ...]:
    """What is latched, as it paged."""
    return tuple(
        LatchView(slot.rule, slot.segment, slot.end, slot.reading.value or 1.0, slot.reading.why)
        for slot in armed.slots
    )


def untold(lookout: Lookout, watch: Watch) -> dict[str, str]:
    """Families with weight of which nothing can be told, and why."""
    weighed: list[Family] = [family for family in WATCHED if watch.weight(family) > 0]
    return {family.value: why for family in weighed if (why := lookout.untold(family))}
