"""What of our alerts an Alertmanager is told: each firing one as a label set that stands still, and what it found.

An alert is its label set there: what changes while it fires (value, rows, columns, incident) is an annotation, or the
same thing would be another alert. So the labels are `alertname` (the rule), `model`, `family`, `severity`, `segment`
where there is one, `monitor="tocsin"`, `replica`, and what the settings add for routing. `replica` belongs to it: two
sidecars that watch the same model see other rows, and one that is calm must not resolve what the other still sees.

Sources: alertmanager 0.25, api/v2/openapi.yaml (`postableAlert`); prometheus/rules, `sendAlerts`: endsAt lies four
resends ahead, so that an alert ends by itself when its sender has died.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import msgspec

from monitor.alerts.techniques import techniques
from monitor.alerts.webhook import ANCHOR, TEXT_MAX, evidence_words, rfc3339
from monitor.decisions.incidents import describe, label
from monitor.decisions.rules import RulePack
from monitor.facts import Alert, AlertState, Family, Incident, ModelName, Severity

OURS = {"monitor": "tocsin"}
ALERTS_MAX = 1_000  # told to one Alertmanager at once, a kilobyte each; critical ones first


Identity: TypeAlias = tuple[tuple[str, str], ...]  # a label set, sorted


class Key(NamedTuple):
    """Which alert of ours."""

    model: str
    rule: str
    segment: str


class Standing(msgspec.Struct, frozen=True):
    """The alerts of one model, as its state has them now."""

    model: ModelName
    alerts: tuple[Alert, ...]
    pack: RulePack
    incidents: Sequence[Incident]  # oldest first
    evidence: Callable[[Incident], str] = lambda _: ""  # where its report is or will be; "": there is none


class Said(msgspec.Struct, frozen=True):
    """One alert in the words of an Alertmanager."""

    key: Key
    labels: dict[str, str]
    annotations: dict[str, str]
    page: str  # generatorURL
    starts: float
    ended: float | None = None  # None while it fires

    @property
    def identity(self) -> Identity:
        """What makes it the same alert there."""
        return tuple(sorted(self.labels.items()))


def say(
    standings: Iterable[Standing], replica: str, more: Mapping[str, str], external_url: str, anchor: str = ""
) -> list[Said]:
    """Return every firing or resolved alert, critical ones first; built-in pages are alerts like others.

    `more`: labels by the settings; they never stand in for ours. `anchor`: the newest head of the audit log.
    """
    found = [
        _said(standing, alert, {**more, **OURS, "replica": replica}, external_url.rstrip("/"), anchor)
        for standing in standings
        for alert in standing.alerts
        if alert.state in {AlertState.FIRING, AlertState.RESOLVED}
    ]
    return sorted(found, key=lambda one: (one.labels["severity"] != Severity.CRITICAL.value, one.key))


def _said(standing: Standing, alert: Alert, fixed: Mapping[str, str], external_url: str, anchor: str) -> Said:
    pack, rule = standing.pack, standing.pack.get(alert.rule)
    labels = {
        **fixed,
        "alertname": alert.rule,
        "model": str(standing.model),
        "family": (rule.family if rule else Family.IDENTITY).value,
        "severity": pack.severity(alert.rule).value,
    }
    incident = next((each for each in reversed(standing.incidents) if label(alert) in each.alerts), None)
    return Said(
        key=Key(str(standing.model), alert.rule, alert.segment),
        labels=labels | ({"segment": alert.segment} if alert.segment else {}),
        annotations=_annotations(alert, incident, standing) | ({ANCHOR: anchor} if anchor else {}),
        page=f"{external_url}/v1/incidents/{incident.id}" if incident else f"{external_url}/v1/status",
        starts=alert.fired or alert.since,
        ended=alert.since if alert.state is AlertState.RESOLVED else None,
    )


def _annotations(alert: Alert, incident: Incident | None, standing: Standing) -> dict[str, str]:
    pack = standing.pack
    found = {"summary": pack.summary(alert.rule), "description": f"{alert.model}: {describe(alert, pack)}"}
    if incident is not None:
        found |= {"incident": incident.id, "cause": incident.cause, "bundle": str(incident.bundle)}
        found["evidence"] = standing.evidence(incident)
    if alert.evidence:
        found |= evidence_words(alert.evidence[-1], len(alert.evidence))
    if ids := techniques(alert.rule):
        found["atlas_techniques"] = ", ".join(ids)
    return {name: text[:TEXT_MAX] for name, text in found.items() if text}


def encode(alerts: Iterable[Said], wall: float, ahead_s: float) -> bytes:
    """Return the body of `POST /api/v2/alerts`; what fires ends `ahead_s` from `wall`, should nobody repeat it.

    A start after the end would be refused, and the whole request answered 400, hence the bounds: in replay, and after
    a wall clock was set back, event times may lie ahead.
    """
    return msgspec.json.encode(
        [
            {
                "labels": one.labels,
                "annotations": one.annotations,
                "generatorURL": one.page,
                "startsAt": rfc3339(min(one.starts, wall)),
                "endsAt": rfc3339(wall + ahead_s if one.ended is None else max(one.ended, min(one.starts, wall))),
            }
            for one in alerts
        ]
    )
