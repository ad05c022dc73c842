"""From what is latched to slots, which are all that judgement knows of the e-detector.

A latched group has one slot that breaches, frozen when it paged: at the tiers that make alerts one for each group, at
the tier `rollback` one for each family that may support one. Whatever else there may be an alert of has one that is ok,
once it was watched for as long as calm takes and something was bet on; before that, and where nothing can be told, it
is unknown.

A group is named without its family in an alert: its rule says that.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from math import inf, nextafter
from types import MappingProxyType
from typing import Final

from monitor.decisions.budget import rule_name
from monitor.decisions.rules import Rule
from monitor.detectors.sequential import Crossing, Lane, Plan, State, Step, Tier
from monitor.detectors.sequential.account import Account
from monitor.detectors.sequential.account import words as told
from monitor.detectors.sequential.latch import Latch
from monitor.detectors.sequential.ledger import SUPPORTS, TIERS
from monitor.facts import Alert, Epoch, Family, Reading, Slot, Verdict
from monitor.panes.signals import What
from monitor.turns.lookout import Lookout
from monitor.turns.watched import Watched

UNIT: Final = "times its budget"
LIMIT: Final = 1.0  # the budget itself
WHOLE: Final = ""
YOUNG: Final = "it has not been watched for as long as calm takes"
NOTHING_CAME: Final = "no rows were bet on yet"


def place(group: str) -> str:
    """How an alert names a group.

    >>> place("features/age"), place("score"), place("labels/error@route=a/b")
    ('age', 'score', 'error@route=a/b')
    """
    return group.partition("/")[2] or group


def alert_of(plan: Plan, latch: Latch) -> tuple[str, str]:
    """The rule and the segment of the alert that a latch makes; at the tier `rollback` a family's latches share one."""
    tier = TIERS[latch.tier]
    rule = rule_name(plan.families[latch.group], tier)
    return rule, WHOLE if tier is Tier.ROLLBACK else place(plan.groups[latch.group])


def forget_latch(watched: Watched, alert: tuple[str, str]) -> None:
    """Take what a person let go of from what the last look left, so that nothing is shown or decided by it."""
    watched.slots = {key: slots for key, slots in watched.slots.items() if key != alert}
    if watched.sequential is not None:
        held = tuple(latch for latch in watched.sequential.latched if (latch.rule, latch.group) != alert)
        watched.sequential = replace(watched.sequential, latched=held)


def freeze(  # noqa: PLR0917  # the two ends of one tick
    plan: Plan,
    said: Step,
    before: Iterable[Slot],
    state: State,
    rows: Mapping[str, int],
    span: tuple[int, float],
    accounts: Mapping[tuple[Tier, str], Account] = MappingProxyType({}),
    apart: Mapping[str, int] = MappingProxyType({}),
) -> tuple[Slot, ...]:
    """The slots of every latch after a tick: as they were or, of what paged just now, as it crossed.

    `rows` by family, and `apart` by group where a group has rows of its own; `span` is the epoch and the time of the
    tick; `accounts` of what paged, where there are any.
    """
    known = {(slot.rule, slot.segment): slot for slot in before}
    paged = {(each.tier, each.group): each for each in said.crossings if each.pages}
    found: dict[tuple[str, str], Slot] = {}
    for latch in state.latches:
        tier, group, family = TIERS[latch.tier], plan.groups[latch.group], plan.families[latch.group]
        if tier is Tier.ROLLBACK and family not in SUPPORTS:
            continue
        key = alert_of(plan, latch)
        crossing = paged.get((tier, group))
        whole_told = tier is Tier.ROLLBACK and (key in known or key in found)
        if crossing is None or whole_told:
            if key in known:
                found[key] = known[key]
            continue
        epoch, now = span
        account = accounts.get((tier, group))
        since, column = (now, crossing.lane.column) if account is None else (account.since, account.column)
        n = apart.get(group, rows[family.value])
        found[key] = Slot(*key, epoch, since, now, reading(crossing, n, account), (column,))
    return tuple(found[key] for key in sorted(found))


def reading(crossing: Crossing, rows: int, account: Account | None = None) -> Reading:
    """What a crossing says. The odds are a bound by themselves, so they are what stands for the lower end."""
    odds = max(crossing.odds, nextafter(LIMIT, inf))
    why = words(crossing.lane) if account is None else told(account)
    return Reading(Verdict.BREACH, rows, odds, LIMIT, low=odds, unit=UNIT, why=why)


def words(lane: Lane) -> str:
    """What a lane says when it carries a crossing.

    >>> words(Lane("features/age", "age", falls=True))
    'the mean of age falls'
    """
    way, signal = "falls" if lane.falls else "rises", lane.signal
    if signal is None:
        return f"the mean of {lane.column} {way}"
    if signal.what is What.SEGMENT_ERROR:
        return f"the error of {signal.item} {way}"
    if signal.what is What.ABOVE:
        return f"the share of {lane.column} above {signal.item} {way}"
    return f"the share of {lane.column} {signal.what.value.replace('_', ' ')} {signal.item}".rstrip() + f" {way}"


def quiet(  # noqa: PLR0917  # the coordinates of what is asked
    rules: Iterable[Rule],
    alerts: Iterable[Alert],
    lookout: Lookout,
    epoch: Epoch,
    now: float,
    why: Callable[[Family], str],
) -> Iterator[Slot]:
    """The slots of what is not latched: of each rule the whole, and each group there is an alert of.

    `why` nothing can be told of a family yet; "" where what can be told is ok.
    """
    asked: dict[str, list[str]] = {}
    for alert in alerts:
        asked.setdefault(alert.rule, []).append(alert.segment)
    for rule in rules:
        kin = lookout.families.get(rule.family)
        named = {place(group): group for group in kin.groups} if kin is not None and rule.name in asked else {}
        for segment in (WHOLE, *asked.get(rule.name, ())):
            if segment and segment not in named:
                continue  # gone: the alert ends
            untold = lookout.untold(rule.family, named.get(segment, "")) or why(rule.family)
            verdict = Verdict.UNKNOWN if untold else Verdict.OK
            told = Reading(verdict, 0, None if untold else 0.0, LIMIT, unit=UNIT, why=untold)
            yield Slot(rule.name, segment, epoch.number, epoch.start, now, told)
