"""Alert states: what the last windows of the present epoch do to one alert.

The windows of a rule are reduced to one of four words (`standing`), and the table `NEXT` does the rest:

    HELD     at least N of the last M scheduled windows breached
    CALM     not held, and `calm` windows were ok since the last breach
    BEGUN    not held, not calm, but a window among the last M breached
    NOTHING  none of it: no windows, or nothing but UNKNOWN and BROKEN among them

UNKNOWN and BROKEN occupy a slot of the M and are no breach; among the ok windows that calm an alert they neither count
nor break the count. So neither silence nor a failing detector makes an alert fire or resolve. A window that was never
scheduled for lack of a daemon leaves a gap, and a gap is a slot that nobody filled.

Only slots of one epoch are looked at. An alert that fired about an earlier one stays until the new epoch is calm, or
fires anew, with new evidence, when the new epoch breaches as well. What was merely pending starts over.

Evidence is frozen when an alert fires: a later revision of a window changes what comes next, not what was seen.

`step` is idempotent: looked at twice, the same slots change an alert once. That is what makes the number of looks, and
hence the speed of a replay, irrelevant.
"""

from collections.abc import Sequence
from enum import Enum, auto

from msgspec.structs import replace

from monitor.decisions.rules import Rule
from monitor.facts import Alert, AlertState, Slot, Verdict


class Standing(Enum):
    """What the windows of one rule in one epoch amount to."""

    HELD = auto()
    CALM = auto()
    BEGUN = auto()
    NOTHING = auto()


NEXT: dict[tuple[AlertState, Standing], AlertState] = {  # anything not listed stays where it is
    (AlertState.INACTIVE, Standing.BEGUN): AlertState.PENDING,
    (AlertState.INACTIVE, Standing.HELD): AlertState.FIRING,
    (AlertState.PENDING, Standing.HELD): AlertState.FIRING,
    (AlertState.PENDING, Standing.CALM): AlertState.INACTIVE,
    (AlertState.FIRING, Standing.CALM): AlertState.RESOLVED,
    (AlertState.RESOLVED, Standing.BEGUN): AlertState.PENDING,
    (AlertState.RESOLVED, Standing.HELD): AlertState.FIRING,
}


def step(alert: Alert, slots: Sequence[Slot], rule: Rule, now: float) -> Alert:
    """Advance one alert; the same object if nothing changes.

    `slots` are the scheduled windows of this rule and segment in one epoch, oldest first, at least the newest
    `rule.reach` of them.
    """
    if not slots:
        return alert
    epoch = slots[-1].epoch
    assert all(slot.epoch == epoch for slot in slots), "windows of different epochs never meet in one hold"
    if alert.state is AlertState.PENDING and alert.epoch != epoch:
        alert = replace(alert, state=AlertState.INACTIVE, since=now)
    now_standing = standing(slots, rule)
    state = NEXT.get((alert.state, now_standing), alert.state)
    if state is AlertState.FIRING and now_standing is Standing.HELD and _news(alert, epoch):
        evidence = recent(slots, rule)
        return replace(alert, state=state, since=now, fired=now, epoch=epoch, evidence=evidence)
    if state is alert.state:
        return alert
    if state is AlertState.PENDING:
        return replace(alert, state=state, since=now, epoch=epoch, evidence=())
    return replace(alert, state=state, since=now)


def standing(slots: Sequence[Slot], rule: Rule) -> Standing:
    """Reduce the windows of one epoch to one word."""
    breaches = _count(recent(slots, rule), Verdict.BREACH)
    if breaches >= rule.breaches:
        return Standing.HELD
    if _ok_since_breach(slots[-rule.reach :]) >= rule.calm:
        return Standing.CALM
    return Standing.BEGUN if breaches else Standing.NOTHING


def recent(slots: Sequence[Slot], rule: Rule) -> tuple[Slot, ...]:
    """The windows among the last M scheduled ones that there is a slot of; ticks are counted, not timed."""
    newest = tuple(slots[-rule.of :])
    if rule.sequential or not newest:
        return newest
    start = newest[-1].end - (rule.of - 0.5) * rule.window_s  # half a window of slack, ends lie on a grid
    return tuple(slot for slot in newest if slot.end > start)


def put(slots: Sequence[Slot], slot: Slot, rule: Rule) -> tuple[Slot, ...]:
    """Add a window, or replace it when it was revised; oldest first, at most `rule.reach` of the newest epoch.

    A revision of an earlier epoch's window changes nothing: its slots are gone, its evidence is frozen.
    """
    if slots and slot.epoch < slots[-1].epoch:
        return tuple(slots)
    kept = (s for s in slots if s.epoch == slot.epoch and (s.start, s.end) != (slot.start, slot.end))
    return tuple(sorted((*kept, slot), key=lambda s: (s.end, s.start)))[-rule.reach :]


def _news(alert: Alert, epoch: int) -> bool:
    return alert.state is not AlertState.FIRING or alert.epoch != epoch


def _count(slots: Sequence[Slot], verdict: Verdict) -> int:
    return sum(slot.reading.verdict is verdict for slot in slots)


def _ok_since_breach(slots: Sequence[Slot]) -> int:
    count = 0
    for slot in reversed(slots):
        if slot.reading.verdict is Verdict.BREACH:
            break
        count += slot.reading.verdict is Verdict.OK
    return count
