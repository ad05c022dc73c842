"""A notice as Alertmanager's webhook body, version 4: every receiver written for Alertmanager takes it.

What identifies an alert is its label set, so labels are few and stand still; numbers go into annotations. Values of
features never leave: an annotation holds the name of a column, a share or a distance, and counts of rows.

Sources: alertmanager 0.25, `template.Data` and `notify/webhook`; prometheus/common, `model.LabelSet.Fingerprint`.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from monitor.alerts.techniques import techniques
from monitor.facts import Alert, AlertState, Notice, NoticeStatus, Slot

ALERTS_MAX = 100  # in one body; the rest is counted in truncatedAlerts
TEXT_MAX = 2000  # characters of one annotation: chat receivers cut there
ANCHOR = "audit"  # the detail, and the annotation, that holds the newest head of the audit log
NOT_ENDED = "0001-01-01T00:00:00Z"  # Go's zero time, as Alertmanager writes it


class _Alert(msgspec.Struct, rename="camel"):
    status: str
    labels: dict[str, str]
    annotations: dict[str, str]
    starts_at: str
    ends_at: str
    generator_url: str = msgspec.field(name="generatorURL")
    fingerprint: str


class _Body(msgspec.Struct, rename="camel"):
    receiver: str
    status: str
    alerts: list[_Alert]
    group_labels: dict[str, str]
    common_labels: dict[str, str]
    common_annotations: dict[str, str]
    external_url: str = msgspec.field(name="externalURL")
    version: str
    group_key: str
    truncated_alerts: int


def body(notice: Notice, receiver: str, external_url: str) -> bytes:
    """Return the JSON to post; the same bytes for the same notice, so that a retry is the same message."""
    shown = [alert for alert in notice.alerts if alert.state in {AlertState.FIRING, AlertState.RESOLVED}]
    alerts = [_alert(notice, alert, external_url) for alert in shown[:ALERTS_MAX]] or [_bare(notice, external_url)]
    group = {"model": str(notice.incident.model), "tocsin_incident": notice.incident.id}
    return msgspec.json.encode(
        _Body(
            receiver=receiver,
            status=notice.status.value,
            alerts=alerts,
            group_labels=group,
            common_labels=_common([alert.labels for alert in alerts]),
            common_annotations=_common([alert.annotations for alert in alerts]),
            external_url=external_url,
            version="4",
            group_key=_group_key(group),
            truncated_alerts=max(len(shown) - ALERTS_MAX, 0),
        )
    )


def marked(body: bytes, words: str) -> bytes:
    """Return a body of ours with the annotation `silenced` on each of its alerts."""
    document = msgspec.json.decode(body)
    for annotations in (document["commonAnnotations"], *(alert["annotations"] for alert in document["alerts"])):
        annotations["silenced"] = words[:TEXT_MAX]
    return msgspec.json.encode(document)


def _alert(notice: Notice, alert: Alert, external_url: str) -> _Alert:
    resolved = notice.status is NoticeStatus.RESOLVED or alert.state is AlertState.RESOLVED
    labels = _labels(notice, alert.rule, alert.segment)
    ended = alert.since if alert.state is AlertState.RESOLVED else notice.incident.closed
    return _Alert(
        status=(NoticeStatus.RESOLVED if resolved else NoticeStatus.FIRING).value,
        labels=labels,
        annotations=_annotations(notice, alert.rule, alert.evidence),
        starts_at=rfc3339(alert.fired or alert.since),
        ends_at=rfc3339(ended or alert.since) if resolved else NOT_ENDED,
        generator_url=_page(notice, external_url),
        fingerprint=fingerprint(labels),
    )


def _bare(notice: Notice, external_url: str) -> _Alert:
    """Return the alert of a notice that is about the incident itself, such as a rollback that failed."""
    incident = notice.incident
    labels = _labels(notice, incident.cause, "")
    resolved = notice.status is NoticeStatus.RESOLVED
    return _Alert(
        status=notice.status.value,
        labels=labels,
        annotations=_annotations(notice, incident.cause, ()),
        starts_at=rfc3339(incident.opened),
        ends_at=rfc3339(incident.closed or incident.opened) if resolved else NOT_ENDED,
        generator_url=_page(notice, external_url),
        fingerprint=fingerprint(labels),
    )


def _labels(notice: Notice, rule: str, segment: str) -> dict[str, str]:
    labels = {
        "alertname": rule,
        "model": str(notice.incident.model),
        "severity": notice.severity.value,
        "tocsin_incident": notice.incident.id,
    }
    return labels | ({"segment": segment} if segment else {})


def _annotations(notice: Notice, rule: str, evidence: Sequence[Slot]) -> dict[str, str]:
    """Return details under their own names first, so that none can stand in for ours."""
    found = {_name(name): words for name, words in notice.details}
    found["summary"] = notice.summary
    spoken = [f"{name}: {words}" for name, words in notice.details if name != ANCHOR]  # which is for machines
    found["description"] = "; ".join([notice.summary, *spoken])
    found["bundle"] = str(notice.incident.bundle)
    if evidence:
        found |= evidence_words(evidence[-1], len(evidence))
    if ids := techniques(rule):
        found["atlas_techniques"] = ", ".join(ids)
    return {name: text[:TEXT_MAX] for name, text in found.items() if text}


def evidence_words(slot: Slot, windows: int) -> dict[str, str]:
    """Return as annotations the numbers of the newest window; `windows` is how many the alert rests on."""
    reading = slot.reading
    interval = () if reading.low is None or reading.high is None else (reading.low, reading.high)
    return {
        "value": _number(reading.value),
        "limit": _number(reading.limit),
        "interval": " to ".join(map(_number, interval)),
        "unit": reading.unit,
        "n": str(reading.n),
        "window": f"{rfc3339(slot.start)}/{rfc3339(slot.end)}",
        "windows": str(windows),
        "columns": ", ".join(slot.worst),
    }


def fingerprint(labels: Mapping[str, str]) -> str:
    """Return Alertmanager's fingerprint of a label set: FNV-1a, 64 bits, 16 hexadecimal digits."""
    number = 0xCBF29CE484222325
    for name in sorted(labels):
        for byte in (*name.encode(), 0xFF, *labels[name].encode(), 0xFF):
            number = ((number ^ byte) * 0x100000001B3) & 0xFFFF_FFFF_FFFF_FFFF
    return f"{number:016x}"


def _group_key(labels: Mapping[str, str]) -> str:
    return "{}:{" + ", ".join(f"{name}={_quote(labels[name])}" for name in sorted(labels)) + "}"


def _quote(text: str) -> str:
    return msgspec.json.encode(text).decode()


def _common(sets: Sequence[Mapping[str, str]]) -> dict[str, str]:
    return {k: v for k, v in sets[0].items() if all(other.get(k) == v for other in sets)}


def _page(notice: Notice, external_url: str) -> str:
    return f"{external_url.rstrip('/')}/v1/incidents/{notice.incident.id}"


def _name(text: str) -> str:
    return re.sub(r"^(?=[0-9])|[^a-zA-Z0-9_]", "_", text)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def rfc3339(seconds: float) -> str:
    """Return a time in UTC as Alertmanager writes it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
