"""Which jobs there are: one for an incident, one for the schedule. What they look at is decided here, when is not.

An incident's window is not enough to compare: its alert looked at the last windows only. So a report takes everything
from `LEAD_S` before the first window of its evidence, and never more than a day: a report of a month shows no onset.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from monitor.evidence.archive import Archive
from monitor.evidence.jobs import Ask, Job, Purpose, Scope
from monitor.facts import Alert, Incident, Schema, Slot
from monitor.panes.reference import Reference

LEAD_S: Final = 3_600.0
WINDOW_S_MAX: Final = 86_400.0
COLUMNS_MAX: Final = 500  # named as mattering most; the schema's order follows anyway


@dataclass(frozen=True, slots=True)
class Plan:
    """What the settings and the bundle say of one model; `schema` is that of the reference that judges."""

    archive: Archive
    schema: Schema
    reference: Reference | None
    reference_sample: Path | None = None
    asks: tuple[Ask, ...] = ()
    scope: Scope = field(default_factory=Scope)


def incident_window(alerts: Sequence[Alert], now: float) -> tuple[float, float]:
    """From which event time to which the sample of an incident is to be asked for."""
    slots = [slot for alert in alerts for slot in alert.evidence]
    end = max((slot.end for slot in slots), default=now)
    start = min((slot.start for slot in slots), default=now) - LEAD_S
    return max(start, end - WINDOW_S_MAX), end


def incident_job(plan: Plan, incident: Incident, alerts: Sequence[Alert], now: float, files: Sequence[Path]) -> Job:
    """Report on an incident; `files` hold the samples of `incident_window`. Asked again, it is written again."""
    start, end = incident_window(alerts, now)
    job = _job(plan, incident.id, Purpose.INCIDENT, (start, end), files)
    named = f" ({', '.join(incident.alerts)})" if incident.alerts else ""
    return msgspec.structs.replace(
        job,
        epoch=incident.epoch or None,
        bundle=str(incident.bundle),
        title=f"Incident {incident.id}: {incident.cause}{named}",
        columns=worst_columns([slot for alert in alerts for slot in alert.evidence]),
        report=str(plan.archive.path(incident.model, incident.id)),
    )


def scheduled_job(
    plan: Plan, period: tuple[float, float], files: Sequence[Path], *, report: bool, bundle: str = ""
) -> Job:
    """Compute the metrics of a period and, if wanted, make its report; named by the period's end."""
    stamp = datetime.fromtimestamp(period[1], UTC).strftime("%Y-%m-%dT%H%M%S")
    name = f"report-{stamp}" if report else f"metrics-{stamp}"
    job = _job(plan, name, Purpose.SCHEDULE, period, files)
    page = str(plan.archive.path(job.model, name)) if report else ""
    return msgspec.structs.replace(job, bundle=bundle, report=page)


def worst_columns(slots: Sequence[Slot]) -> tuple[str, ...]:
    """Name the features that breached, the most often named first."""
    counts: dict[str, int] = {}
    for slot in slots:
        for column in slot.worst:
            counts[column] = counts.get(column, 0) + 1
    return tuple(sorted(counts, key=lambda column: (-counts[column], column)))[:COLUMNS_MAX]


def _job(plan: Plan, name: str, purpose: Purpose, period: tuple[float, float], files: Sequence[Path]) -> Job:
    sample = plan.reference_sample
    return Job(
        id=name,
        model=plan.schema.model,
        purpose=purpose,
        schema=plan.schema,
        start=period[0],
        end=period[1],
        samples=tuple(map(str, files)),
        reference=plan.reference,
        reference_sample=str(sample) if sample else "",
        asks=plan.asks,
        scope=plan.scope,
    )
