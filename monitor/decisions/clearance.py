"""Clearance: may a deployment of this bundle go on? What tools that shift traffic are told (GET /v1/gate/{model}).

    bad      the release index refuses the bundle; or a rule that speaks against a model fires about it
    unknown  it cannot be told: nobody proves that this bundle is served, nobody looked lately, too little came
    ok       everything that was asked for is known, and nothing fires

`unknown` is neither. A tool that takes silence for good promotes a bundle nobody has seen; one that takes it for bad
rolls back whenever the monitor is restarted. So what the monitor does not know outweighs what it once knew: alerts of a
daemon that has not looked for a while, or about what another bundle did, condemn nobody. The index alone needs no look.

Rows that moved, are broken or do not come (features, quality, volume) are the world's doing more often than the
bundle's, and another bundle does not mend them: they make a clearance unknown, so that a person looks, unless the rule
may support a rollback.

For how long something has been watched does not matter here, but how much: of each family `rows_min` rows must have
been bet on in this epoch (of the volume VOLUME_MINUTES), and each rule must have read a window. The deployer's own
pauses say how long it waits.

`value` is the highest evidence at the tier `page` over its budget, 1 and more where something is bad; None where it is
unknown, or where no budget is set.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from math import exp
from typing import Final

import msgspec

from monitor.decisions.alerts import recent
from monitor.decisions.budget import WATCHED
from monitor.decisions.case import title
from monitor.decisions.incidents import LOUDNESS, label, stamp
from monitor.decisions.rules import BUILT_IN, Rule, RulePack
from monitor.decisions.state import ModelState, Terms
from monitor.facts import (
    TRANSITION,
    Alert,
    AlertState,
    Bundle,
    BundleId,
    BundleStatus,
    Epoch,
    Family,
    Severity,
    Slot,
    Verdict,
)

BLAMES: Final = (Family.LABELS, Family.PAIRED, Family.OUTPUT, Family.FAIRNESS, Family.IDENTITY)
SERVED_WRONG: Final = ("unregistered", "redelivered")  # of the built-in pages; the others say that nobody knows
ALLOWED: Final = (BundleStatus.KNOWN_GOOD, BundleStatus.CANDIDATE)
VOLUME_MINUTES: Final = 5  # a silence pages after about as many
WORDS_MAX: Final = 20  # reasons told
KNOWN: Final = (Verdict.OK, Verdict.BREACH)


class ClearanceState(Enum):
    """The whole list: it is a metric label."""

    OK = "ok"
    BAD = "bad"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a deployer wants to know. Of no bundle: of the one that is served."""

    bundle: str = ""  # id or name
    digest: str = ""  # of its checkpoint
    severity: Severity = Severity.CRITICAL  # the least that counts
    needs: frozenset[Family] | None = None  # families that must be known; None: all that the rules watch


@dataclass(frozen=True, slots=True)
class Sight:
    """How well the monitor sees at this moment. Times are of events."""

    now: float
    looked: float | None  # the last look; None: there was none yet
    stale_s: float  # how long ago it may be
    waiting: float | None = None  # when the oldest row arrived that is not counted yet
    paired: bool = True  # whether a known-good is asked
    bet: Mapping[str, int] | None = None  # rows the e-detector bet on in this epoch, by family; None: it never looked
    untold: Mapping[str, str] = field(default_factory=dict)  # families of which it can tell nothing, and why
    log_odds: Mapping[str, float] = field(default_factory=dict)  # loudest group at the tier page, by family


class Clearance(msgspec.Struct, frozen=True):
    """The answer. `firing` and `unknown` are its reasons in words, the loudest first, WORDS_MAX of each."""

    state: ClearanceState
    why: str
    value: float | None = None
    bundle: BundleId | None = None  # that is served; None: nobody knows
    name: str = ""
    since: float | None = None  # bad: the first alert; else: when the bundle was switched on
    firing: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


def clear(
    state: ModelState, terms: Terms, slots: Mapping[tuple[str, str], Sequence[Slot]], sight: Sight, asked: Asked
) -> Clearance:
    """Answer a deployer. Slots are those of the last look; what was asked for is never repeated in words."""
    epoch = state.epoch
    told = _served(epoch, terms.bundles)
    if refused := _refused(epoch, terms.bundles, asked):
        why = f"the release index says that {refused.name or refused.id} is {refused.status.value}"
        return Clearance(ClearanceState.BAD, why, 1.0, *told, epoch.start if epoch else None, (why,))
    if epoch is None or (blind := tuple(_blind(epoch, terms, sight, asked))):
        blind = ("nobody knows what is served",) if epoch is None else blind
        return _unknown(blind, told, epoch)
    pack = terms.rules
    firing = sorted(_firing(state, pack, epoch, asked), key=lambda alert: -LOUDNESS[pack.severity(alert.rule)])
    against = [alert for alert in firing if _blames(pack, alert)]
    words = (*_leaving(state, epoch), *(_says(pack, alert) for alert in against))[:WORDS_MAX]
    if words:
        since = min((alert.fired for alert in against), default=epoch.start)
        value = max(1.0, _value(sight) or 1.0)
        return Clearance(ClearanceState.BAD, f"{told[1]}: {'; '.join(words[:3])}", value, *told, since, words)
    beside = [_says(pack, alert) for alert in firing if _matters(pack, alert, asked)]
    if unknown := [*beside, *_missing(epoch, terms, slots, sight, asked)]:
        return _unknown(tuple(unknown), told, epoch)
    why = f"{told[1]}: nothing fires since {stamp(epoch.start)}, and all that was asked for is known"
    return Clearance(ClearanceState.OK, why, _value(sight), *told, epoch.start)


def _unknown(reasons: tuple[str, ...], told: tuple[BundleId | None, str], epoch: Epoch | None) -> Clearance:
    reasons = reasons[:WORDS_MAX]
    since = None if epoch is None else epoch.start
    return Clearance(ClearanceState.UNKNOWN, "; ".join(reasons[:3]), None, *told, since, (), reasons)


# ---------------------------------------------------------------- which bundle


def _served(epoch: Epoch | None, bundles: Sequence[Bundle]) -> tuple[BundleId | None, str]:
    if epoch is None or epoch.bundle == TRANSITION:
        return None, ""
    return epoch.bundle, title(epoch.bundle, bundles)


def _wanted(epoch: Epoch | None, bundles: Sequence[Bundle], asked: Asked) -> list[Bundle]:
    """The bundles that the question may be about."""
    named = asked.bundle or ("" if asked.digest or epoch is None else epoch.bundle)
    return [
        bundle
        for bundle in bundles
        if (not named or named in (bundle.id, bundle.name)) and asked.digest in ("", bundle.checkpoint_digest)
    ]


def _refused(epoch: Epoch | None, bundles: Sequence[Bundle], asked: Asked) -> Bundle | None:
    """What the release index refuses, if that is all that was asked about."""
    if not (asked.bundle or asked.digest or epoch):
        return None
    wanted = _wanted(epoch, bundles, asked)
    return wanted[-1] if wanted and all(bundle.status not in ALLOWED for bundle in wanted) else None


def _is_served(epoch: Epoch, bundles: Sequence[Bundle], asked: Asked) -> bool:
    wanted = {bundle.id for bundle in _wanted(epoch, bundles, asked)}
    return asked.digest in ("", epoch.digest) and (not asked.bundle or epoch.bundle in wanted)


def _blind(epoch: Epoch, terms: Terms, sight: Sight, asked: Asked) -> Iterator[str]:
    """Why nothing can be said, whatever fires."""
    if epoch.bundle == TRANSITION:
        yield "a switch is under way: nobody knows what is served"
    elif not _is_served(epoch, terms.bundles, asked):
        yield f"{title(epoch.bundle, terms.bundles)} is served, not the bundle that was asked about"
    if sight.looked is None:
        yield "nobody has looked since the monitor started"
    elif abs(sight.now - sight.looked) > sight.stale_s:
        yield f"nobody has looked for {abs(sight.now - sight.looked):.0f} s"
    if sight.waiting is not None and sight.now - sight.waiting > sight.stale_s:
        yield f"rows have waited to be counted for {sight.now - sight.waiting:.0f} s"
    if terms.unproved_s is not None and terms.unproved_s > sight.stale_s:
        yield f"the model server has proved nothing for {terms.unproved_s:.0f} s"
    if terms.unsteady:
        yield "the model server takes turns between bundles"


# ---------------------------------------------------------------- what fires


def _firing(state: ModelState, pack: RulePack, epoch: Epoch, asked: Asked) -> list[Alert]:
    """What fires about this epoch, as loud as was asked."""
    least = LOUDNESS[asked.severity]
    return [
        alert
        for alert in state.alerts
        if alert.state is AlertState.FIRING
        and alert.epoch == epoch.number
        and LOUDNESS[pack.severity(alert.rule)] >= least
    ]


def _blames(pack: RulePack, alert: Alert) -> bool:
    """Whether an alert speaks against the bundle, rather than of the rows or of what nobody knows."""
    rule = pack.get(alert.rule)
    if rule is None:
        return alert.rule in SERVED_WRONG or alert.rule not in BUILT_IN
    return rule.rollback or rule.family in BLAMES


def _matters(pack: RulePack, alert: Alert, asked: Asked) -> bool:
    """Whether what fires beside the bundle keeps a deployer from knowing what it asked for."""
    rule = pack.get(alert.rule)
    return rule is None or asked.needs is None or rule.family in asked.needs


def _leaving(state: ModelState, epoch: Epoch) -> Iterator[str]:
    """Whether the bundle is being rolled back from, by whomever."""
    if state.rollback is not None and state.rollback.source == epoch.bundle:
        yield f"rollback {state.rollback.id} of it is {state.rollback.step.value}"


def _says(pack: RulePack, alert: Alert) -> str:
    return f"{label(alert)} fires since {stamp(alert.fired)}: {pack.summary(alert.rule)}"


# ---------------------------------------------------------------- what is not known


def _missing(
    epoch: Epoch, terms: Terms, slots: Mapping[tuple[str, str], Sequence[Slot]], sight: Sight, asked: Asked
) -> Iterator[str]:
    """What must be known for an ok and is not."""
    pack = terms.rules
    read = [rule for rule in pack.rules if LOUDNESS[rule.severity] >= LOUDNESS[asked.severity]]
    weighed = [f for f in WATCHED if pack.watch is not None and pack.watch.weight(f) > 0]
    watched = frozenset((*(rule.family for rule in read), *weighed))
    needs = watched - _beyond(read, sight) if asked.needs is None else asked.needs
    if not needs & watched:
        yield "nothing that was asked for is watched"
    for family in (each for each in Family if each in needs):
        if family not in watched:
            yield f"{family.value}: nothing of this family is watched"
        if family in weighed:
            yield from _too_little(family, terms, sight)
        for rule in (each for each in read if each.family is family):
            yield from _unread(rule, epoch, slots)


def _beyond(read: Sequence[Rule], sight: Sight) -> frozenset[Family]:
    """What is not asked for unless it is named: pairs where no known-good answers, families that a task has not."""
    absent = {family for family in WATCHED if sight.bet and family.value not in sight.bet}
    return frozenset(absent - {rule.family for rule in read} | (set() if sight.paired else {Family.PAIRED}))


def _too_little(family: Family, terms: Terms, sight: Sight) -> Iterator[str]:
    """What the e-detector cannot tell of a family."""
    if sight.bet is None:
        yield f"{family.value}: nothing was bet on yet"
    elif why := sight.untold.get(family.value, ""):
        yield f"{family.value}: {why}"
    else:
        bet, volume = sight.bet.get(family.value, 0), family is Family.VOLUME
        least, unit = (VOLUME_MINUTES, "minutes") if volume else (terms.limits.rows_min, "rows")
        if bet < least:
            yield f"{family.value}: {bet} {unit} were bet on in this activation, {least} are needed"


def _unread(rule: Rule, epoch: Epoch, slots: Mapping[tuple[str, str], Sequence[Slot]]) -> Iterator[str]:
    """Why a rule says nothing, or not yet all: a breach that is not held long enough is neither good nor bad."""
    found = [slot for slot in slots.get((rule.name, ""), ()) if slot.epoch == epoch.number]
    told = [slot for slot in recent(found, rule) if slot.reading.verdict in KNOWN]
    if not found:
        yield f"{rule.name}: no window of this activation was read yet"
    elif not told:
        yield f"{rule.name}: {found[-1].reading.why}"
    elif told[-1].reading.verdict is Verdict.BREACH:
        yield f"{rule.name}: it breaches, not for long enough to fire"


def _value(sight: Sight) -> float | None:
    return exp(max(sight.log_odds.values())) if sight.log_odds else None
