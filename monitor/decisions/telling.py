"""When people are told: together what fires together, not what follows from a root, and again what lasts.

    first notice     `wait_s` after the first alert of the incident; 0: with the look that saw it
    louder or root   at once (`incidents.join` makes such a line loud), as is all that is no alert: a rollback, a latch
    other alerts     gathered, and told together, `interval_s` after the last notice at the earliest
    explained ones   not at all while the root fires; when it is over and they still fire, like other alerts
    of an old epoch  not at all: the switch has answered what it was about
    repeat           to each receiver by itself, when it heard nothing for as long as it wishes

An alert is explained by a firing one of the same epoch that is a root (identity, volume, a broken schema: a rank below
`incidents.ROOT`) and closer to the cause than itself: a schema break explains forty drifts, a drift explains nothing.

An incident that is over before its first notice is due is not told at all, as in Alertmanager. A clock that was set
back makes things due rather than wait for the past to come again.
"""

from collections.abc import Collection, Iterable, Sequence

import msgspec

from monitor.decisions.incidents import LOUDNESS, ROOT, Line, by_cause, describe, label, stamp
from monitor.decisions.rules import RulePack
from monitor.facts import Alert, AlertState, Incident, Severity

NAMED_MAX = 5  # alerts named in one sentence
GATHERED_MAX = 50  # loud lines kept until the first notice


class Repeat(msgspec.Struct, frozen=True):
    """How often one receiver is told that an incident is still open, by what fires; None: never."""

    receiver: str
    critical_s: float | None = None
    warning_s: float | None = None

    def after_s(self, severity: Severity) -> float | None:
        """How long it may hear nothing."""
        return self.critical_s if severity is Severity.CRITICAL else self.warning_s


class Telling(msgspec.Struct, frozen=True):
    """What the settings say about notices."""

    wait_s: float = 0.0
    interval_s: float = 300.0
    repeats: tuple[Repeat, ...] = ()


class Heard(msgspec.Struct, frozen=True):
    """What was said of the open incident, and what was not yet."""

    at: float | None = None  # event time of the last notice to everybody
    repeated: tuple[tuple[str, float], ...] = ()  # by receiver, since then
    repeats: int = 0  # notices that were repeats, since the incident began
    untold: tuple[str, ...] = ()  # alerts that joined in silence, by label, in order of firing
    gathered: tuple[Line, ...] = ()  # loud lines before the first notice


def explained(alert: Alert, firing: Iterable[Alert], pack: RulePack) -> bool:
    """Whether a root that fires about the same epoch is the better word for it."""
    rank = pack.cause(alert.rule)
    roots = [pack.cause(each.rule) for each in firing if each.epoch == alert.epoch and each.rule != alert.rule]
    return any(root < min(ROOT, rank) for root in roots)


def joined(
    untold: Sequence[str], lines: Iterable[Line], incident: Incident, firing: Collection[str]
) -> tuple[str, ...]:
    """What is untold after a turn's lines: what fires of the incident, each once."""
    names = dict.fromkeys((*untold, *(line.about for line in lines)))
    return tuple(name for name in names if name in firing and name in incident.alerts)


def catch_up(heard: Heard, telling: Telling, alerts: Sequence[Alert], pack: RulePack, now: float) -> tuple[Line, ...]:
    """What joined in silence and is to be told now, as loud lines."""
    if heard.at is None or 0 <= now - heard.at < telling.interval_s:
        return ()
    due = [alert for alert in by_cause(alerts, pack) if label(alert) in heard.untold]
    due = [alert for alert in due if not explained(alert, alerts, pack)]
    lines = [Line(describe(alert, pack), True, pack.severity(alert.rule), label(alert)) for alert in due]
    if len(lines) <= NAMED_MAX:
        return tuple(lines)
    rest = f"{len(lines) - NAMED_MAX} more alerts"
    return (*lines[:NAMED_MAX], Line(rest, True, lines[-1].severity, lines[-1].about))


def due_repeats(heard: Heard, telling: Telling, alerts: Sequence[Alert], pack: RulePack, now: float) -> tuple[str, ...]:
    """The receivers that are to hear again what fires."""
    if heard.at is None or not alerts:
        return ()
    severity = max((pack.severity(alert.rule) for alert in alerts), key=LOUDNESS.__getitem__)
    last = dict(heard.repeated)
    return tuple(
        each.receiver
        for each in telling.repeats
        if (after_s := each.after_s(severity)) and not 0 <= now - last.get(each.receiver, heard.at) < after_s
    )


def still_firing(incident: Incident, alerts: Sequence[Alert], pack: RulePack) -> Line:
    """The words of a repeat; `alerts` are what fires of the incident, at least one."""
    named = by_cause(alerts, pack)
    severity = max((pack.severity(alert.rule) for alert in named), key=LOUDNESS.__getitem__)
    names = ", ".join(map(label, named[:NAMED_MAX]))
    more = f" and {len(named) - NAMED_MAX} more" if len(named) > NAMED_MAX else ""
    return Line(f"still firing since {stamp(incident.opened)}: {names}{more}", True, severity, label(named[0]))


def fires(alerts: Iterable[Alert], incident: Incident) -> list[Alert]:
    """What fires of an incident."""
    return [each for each in alerts if each.state is AlertState.FIRING and label(each) in incident.alerts]
