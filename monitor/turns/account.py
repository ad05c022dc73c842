"""What the status tells of a model beside its readings: silences, proofs of what serves, kept rows, evidence."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from monitor.alerts.said import Key
from monitor.decisions.steadiness import between_registered
from monitor.evidence.archive import Report
from monitor.evidence.office import EvidenceState
from monitor.store.protocol import Health
from monitor.turns import show
from monitor.turns.gathering import path_of
from monitor.turns.watched import Watched


def status(
    watched: Watched, health: Health, reports: Iterable[Report], silenced: Callable[[Key], str]
) -> dict[str, Any]:
    """One model as JSON; `reports` are those there are, newest first, `silenced` says by what an alert is."""
    found = show.status(watched)
    kept = health.samples.get(watched.name)
    mine = [path_of(report.model, report.id) for report in reports if report.model == str(watched.name)]
    return found | {
        "alerts": [_alert(alert, silenced) for alert in found["alerts"]],
        "unproved_s": watched.unproved_s,
        "unsteady": between_registered(watched.proofs, watched.bundles),
        "probes": show.probed(watched),
        "samples": None if kept is None else kept._asdict(),
        "evidence": {
            "values": dict(watched.evidence_values),
            "reports": len(mine),
            "newest": mine[0] if mine else None,
        },
    }


def worker(state: EvidenceState) -> dict[str, Any]:
    """How the evidence worker stands, as JSON."""
    failures: dict[str, int] = {}
    for reason, _, count in state.failures:
        failures[reason.value] = failures.get(reason.value, 0) + count
    return {
        "queued": state.queued,
        "running": state.running,
        "done": state.done,
        "last_s": state.last_s,
        "failures": failures,
        "rss_bytes": state.worker_rss_bytes,
    }


def _alert(alert: Mapping[str, Any], silenced: Callable[[Key], str]) -> dict[str, Any]:
    return {**alert, "silenced": silenced(Key(alert["model"], alert["rule"], alert["segment"]))}
