"""Incidents: one thing that went wrong, told once.

A model has at most one open incident. An alert that fires joins it; what names it is its *cause*, the alert closest to
the root. People are told when it opens, when a louder alert joins than any that fires already about the same epoch,
when a closer root is found (`ROOT`: what explains everything else, such as a broken schema), of every step of a
rollback that matters, and when it closes; everything else joins in silence, stands in the time line, and is told
together and later, if at all (`monitor.decisions.telling`). What one turn has to say is one notice.

At most `NOTICES_MAX` notices per incident, repeats apart, so that a flapping rule cannot page all night; the closing
one is always sent and says how many were held back.

An incident is over when nothing fires, nothing of its own is pending and no rollback is under way.

Ids are made of what is known, never drawn: the same stream names the same incidents, and a notice that is made twice
bears the same id.
"""

from collections.abc import Iterable, Sequence

import msgspec
from msgspec.structs import replace

from monitor.decisions.rules import BUILT_IN, RulePack
from monitor.facts import (
    Alert,
    AlertState,
    Epoch,
    Incident,
    Notice,
    NoticeStatus,
    Severity,
    Slot,
    Verdict,
)

NOTICES_MAX = 20  # a rollback says four things; the rest is for alerts
TIMELINE_MAX = 200
TIMELINE_HEAD = 50  # of these, how many of the first lines are kept when it is full
ALERTS_MAX = 50  # in a notice, firing ones first
SUMMARY_MAX = 1000  # characters
ROOT = 20  # causes of a lower rank explain the others: identity, volume, schema
LOUDNESS = {Severity.NONE: 0, Severity.WARNING: 1, Severity.CRITICAL: 2}


class Line(msgspec.Struct, frozen=True):
    """Something to be written into the time line and, if it is loud, told."""

    words: str
    loud: bool = False
    severity: Severity = Severity.CRITICAL
    about: str = ""  # the alert that fires, by label, or CLOSING; "": something else happened


CLOSING = "*"


def label(alert: Alert) -> str:
    """How an incident names an alert: "rule" or "rule/segment"."""
    return f"{alert.rule}/{alert.segment}" if alert.segment else alert.rule


def open_incident(
    model_epoch: Epoch, number: int, alerts: Sequence[Alert], pack: RulePack, now: float
) -> tuple[Incident, tuple[Line, ...]]:
    """Open the incident of these alerts, in order of cause; `number` counts the model's incidents from 1."""
    ordered = by_cause(alerts, pack)
    incident = Incident(
        id=f"{model_epoch.model}-{stamp(now)}-{number}",
        model=model_epoch.model,
        opened=now,
        epoch=model_epoch.number,
        bundle=model_epoch.bundle,
        cause=ordered[0].rule if ordered else "manual",
        alerts=tuple(map(label, ordered)),
    )
    loudest = _loudest(ordered, pack)
    return incident, tuple(
        Line(describe(alert, pack), place == 0 or alert.rule == loudest, pack.severity(alert.rule), label(alert))
        for place, alert in enumerate(ordered)
    )


def join(
    incident: Incident, fired: Sequence[Alert], firing: Sequence[Alert], pack: RulePack
) -> tuple[Incident, tuple[Line, ...]]:
    """Add alerts that fired just now; `firing` are those that fired before. Only news is loud."""
    lines: list[Line] = []
    heard = max((LOUDNESS[pack.severity(alert.rule)] for alert in firing), default=0)
    for alert in by_cause(fired, pack):
        severity, rank = pack.severity(alert.rule), pack.cause(alert.rule)
        root = alert.rule in BUILT_IN or rank < min(ROOT, pack.cause(incident.cause))
        lines.append(Line(describe(alert, pack), LOUDNESS[severity] > heard or root, severity, label(alert)))
        heard = max(heard, LOUDNESS[severity])
        cause = alert.rule if rank < pack.cause(incident.cause) else incident.cause
        names = dict.fromkeys((*incident.alerts, label(alert)))
        incident = replace(incident, cause=cause, alerts=tuple(names))
    return incident, tuple(lines)


def note(incident: Incident, lines: Iterable[Line], now: float) -> Incident:
    """Write lines into the time line; when it is full the middle is dropped, never the beginning."""
    timeline = incident.timeline + tuple((now, line.words) for line in lines)
    if len(timeline) > TIMELINE_MAX:
        timeline = timeline[:TIMELINE_HEAD] + timeline[-(TIMELINE_MAX - TIMELINE_HEAD) :]
    return replace(incident, timeline=timeline)


def is_over(incident: Incident, alerts: Iterable[Alert]) -> bool:
    """Whether no alert of the model fires and none of the incident's own is pending."""
    return not any(
        alert.state is AlertState.FIRING or (alert.state is AlertState.PENDING and label(alert) in incident.alerts)
        for alert in alerts
    )


def notice(
    incident: Incident, alerts: Sequence[Alert], lines: Sequence[Line], details: tuple[tuple[str, str], ...]
) -> tuple[Incident, Notice]:
    """Make the next notice of an incident from the loud lines of a turn; there is at least one."""
    loud = [line for line in lines if line.loud]
    number = incident.notices + 1
    incident = replace(incident, notices=number)
    shown = [alert for alert in alerts if label(alert) in incident.alerts]
    shown.sort(key=lambda alert: alert.state is not AlertState.FIRING)
    return incident, Notice(
        id=f"{incident.id}.{number}",
        status=NoticeStatus.FIRING if incident.closed is None else NoticeStatus.RESOLVED,
        incident=incident,
        alerts=tuple(shown[:ALERTS_MAX]),
        severity=max((line.severity for line in loud), key=LOUDNESS.__getitem__),
        summary=_short(f"{incident.model}: {'; '.join(line.words for line in loud)}"),
        details=details,
        holdable=all(line.about for line in loud) and len(shown) <= ALERTS_MAX,
    )


def by_cause(alerts: Iterable[Alert], pack: RulePack) -> list[Alert]:
    """Closest to the root first, then the louder, then by name."""
    return sorted(
        alerts,
        key=lambda alert: (
            pack.cause(alert.rule),
            -LOUDNESS[pack.severity(alert.rule)],
            alert.rule,
            alert.segment,
        ),
    )


def describe(alert: Alert, pack: RulePack) -> str:
    """An alert and its evidence in a sentence."""
    breaching = [slot for slot in alert.evidence if slot.reading.verdict is Verdict.BREACH]
    words = f"{label(alert)}: {pack.summary(alert.rule)}"
    if not breaching:
        return words
    if breaching[-1].reading.why:  # it has accounted for itself
        return f"{words}: {breaching[-1].reading.why}"
    return f"{words} ({measured(breaching[-1])}, {len(breaching)} of {len(alert.evidence)} windows)"


def measured(slot: Slot) -> str:
    """A reading in words: value, interval, limit, rows and the worst columns."""
    reading = slot.reading
    parts = [] if reading.value is None else [f"{reading.value:.4g}{f' {reading.unit}' if reading.unit else ''}"]
    if reading.low is not None and reading.high is not None:
        parts.append(f"[{reading.low:.4g}, {reading.high:.4g}]")
    if reading.limit is not None:
        parts.append(f"limit {reading.limit:.4g}")
    parts.append(f"n {reading.n}")
    return " ".join(parts) + (f" in {', '.join(slot.worst[:3])}" if slot.worst else "")


def stamp(now: float) -> str:
    """Event time in UTC to the second, for ids that people read.

    The civil calendar from a day count: Howard Hinnant, "chrono-compatible low-level date algorithms".

    >>> stamp(1365768000.0)
    '20130412T120000Z'
    """
    days, second = divmod(int(now // 1), 86400)
    era, day_of_era = divmod(days + 719468, 146097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * shifted + 2) // 5 + 1
    month = shifted + 3 if shifted < 10 else shifted - 9
    year = year_of_era + era * 400 + (month <= 2)
    return f"{year:04d}{month:02d}{day:02d}T{second // 3600:02d}{second // 60 % 60:02d}{second % 60:02d}Z"


def _loudest(ordered: Sequence[Alert], pack: RulePack) -> str:
    return max((alert.rule for alert in ordered), key=lambda rule: LOUDNESS[pack.severity(rule)], default="")


def _short(text: str) -> str:
    return text if len(text) <= SUMMARY_MAX else f"{text[: SUMMARY_MAX - 1]}…"
