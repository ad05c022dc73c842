"""What the e-detector last said of a model, as plain values for status and the metrics page."""

from math import isfinite

from monitor.decisions.budget import WATCHED, Watch
from monitor.decisions.rules import Rule, RulePack
from monitor.detectors.sequential import Step
from monitor.detectors.sequential.ledger import TIERS
from monitor.export.sequential import EvidenceView, LatchView, SegmentsView, SequentialView, WindowsView
from monitor.facts import Family, Severity, Verdict
from monitor.turns.closing import Closing
from monitor.turns.latched import place
from monitor.turns.lookout import NO_BANDS, Lookout
from monitor.turns.refusals import REFUSED
from monitor.turns.ticking import Armed, Ticked


def view(ticked: Ticked, pack: RulePack, watch: Watch, before: SequentialView | None) -> SequentialView:
    """What a look found; evidence is of the last tick, so a look without one shows that of `before`."""
    armed, lookout = ticked.armed, ticked.lookout
    kept = () if before is None or before.since != armed.since else before.evidence
    return SequentialView(
        at=armed.at,
        since=armed.since,
        every_s=watch.every_s,
        rows=armed.came(),
        bet=armed.rows,
        budgets={tier.value: minutes for tier, minutes in zip(TIERS, watch.ledger.minutes, strict=True)},
        watched=lookout.size,
        unknown=lookout.unknown,
        why=NO_BANDS if lookout.rhythm is None else "",
        evidence=kept if ticked.step is None else evidence(lookout, ticked.step),
        latched=latches(armed),
        verdicts={
            rule.name: verdicts(rule, armed, lookout)
            for rule in pack.budgeted
            if rule.severity is not Severity.NONE and rule.family in lookout.families
        },
        untold=untold(lookout, watch)
        | ({Family.VOLUME.value: REFUSED} if armed.in_doubt and watch.weight(Family.VOLUME) else {}),
        labels=None if armed.closing is None else windows(armed.closing),
        segments=segments(lookout, watch),
    )


def segments(lookout: Lookout, watch: Watch) -> SegmentsView | None:
    """Of which segments errors are watched, and why not of others."""
    if not lookout.parts:
        return None
    unknown = {part.segment: part.band.why for part in lookout.parts if part.band.centre is None}
    watched = tuple(part.segment for part in lookout.parts if part.segment not in unknown)
    share = watch.segments_share if watched else 0.0
    return SegmentsView(share, watched, unknown, lookout.parted - len(lookout.parts))


def windows(closing: Closing) -> WindowsView:
    """What became of the windows of labels."""
    closed = {"coverage": closing.by_coverage, "deadline": closing.by_deadline}
    return WindowsView(len(closing.open), closed, closing.revised, closing.expected_share)


def evidence(lookout: Lookout, said: Step) -> tuple[EvidenceView, ...]:
    """Of each family and tier the group with the most."""
    log_odds, found = said.log_odds, []
    for family, kin in lookout.families.items():
        for tier, odds in zip(TIERS, log_odds[:, kin.places], strict=True):
            loudest = int(odds.argmax())
            if isfinite(odds[loudest]):
                group = place(kin.groups[loudest])
                found.append(EvidenceView(family.value, tier.value, group, float(odds[loudest])))
    return tuple(found)


def latches(armed: Armed) -> tuple[LatchView, ...]:
    """What is latched, as it paged."""
    return tuple(
        LatchView(slot.rule, slot.segment, slot.end, slot.reading.value or 1.0, slot.reading.why)
        for slot in armed.slots
    )


def verdicts(rule: Rule, armed: Armed, lookout: Lookout) -> dict[Verdict, int]:
    """How many groups of a rule are latched, are not, and are not to be told of: no band, or no rows yet."""
    kin = lookout.families[rule.family]
    breach = sum(slot.rule == rule.name for slot in armed.slots)
    known = len(kin.known) if armed.came(rule.family) else 0
    if rule.family is Family.VOLUME and armed.in_doubt:
        known = breach
    return {Verdict.BREACH: breach, Verdict.OK: known - breach, Verdict.UNKNOWN: len(kin.groups) - known}


def untold(lookout: Lookout, watch: Watch) -> dict[str, str]:
    """Families with weight of which nothing can be told, and why."""
    weighed: list[Family] = [family for family in WATCHED if watch.weight(family) > 0]
    return {family.value: why for family in weighed if (why := lookout.untold(family))}
