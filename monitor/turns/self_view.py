"""The daemon seen by itself: counters, backlogs and timings for the metrics page."""

import contextlib
import os
import resource
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from monitor.alerts.alertmanager import Told
from monitor.alerts.retry import DeliveryState
from monitor.decisions.clearance import ClearanceState
from monitor.evidence.archive import Swept
from monitor.evidence.office import EvidenceState
from monitor.export.edges import AlertmanagerView, AuditView, EvidenceView, IntakeView, KeptView, StoreView
from monitor.export.snapshot import DaemonView, ReceiverView
from monitor.facts import ModelName, RowKind
from monitor.ingest.counters import AdmissionReason
from monitor.ingest.counters import Snapshot as Counted
from monitor.store.protocol import Health, Kept, Sampled
from monitor.turns import show
from monitor.turns.clocks import LiveClocks
from monitor.turns.outbox import StoredOutbox
from monitor.turns.wheel import Wheel

REFUSED_AS = {  # how a refusal of a whole request is answered
    AdmissionReason.BODY_TOO_LARGE: 413,
    AdmissionReason.TOO_MANY_ROWS: 413,
    AdmissionReason.BYTES_IN_FLIGHT: 429,
    AdmissionReason.REQUESTS_IN_FLIGHT: 429,
    AdmissionReason.BODY_TIMEOUT: 408,
    AdmissionReason.DISCONNECTED: 400,
    AdmissionReason.UNSUPPORTED_TYPE: 415,
    AdmissionReason.ROWS_PER_SECOND: 429,
    AdmissionReason.UNAUTHENTICATED: 401,
    AdmissionReason.TOKEN_EXPIRED: 401,
    AdmissionReason.FORBIDDEN: 403,
    AdmissionReason.LINK_EXPIRED: 403,
    AdmissionReason.LINK_INVALID: 403,
    AdmissionReason.LINKS_OFF: 403,
    AdmissionReason.JOURNAL_BUSY: 503,
}
LINK_REFUSALS = {
    AdmissionReason.LINK_EXPIRED: "expired",
    AdmissionReason.LINK_INVALID: "invalid",
    AdmissionReason.LINKS_OFF: "off",
}

NOBODY: Mapping[str, int] = MappingProxyType({})
NO_RECEIPTS = Kept(0, 0, 0, 1.0)
NOTHING_SWEPT = Swept()
NO_SAMPLES = Sampled(0, 0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class About:
    """Which daemon this is, since when, and what became of the last reload; wall times."""

    version: str
    started: float
    reload_ok: bool
    reloaded: float
    waiting: Mapping[str, int] = field(default_factory=dict)  # settings that wait for a restart, by section


def self_view(
    *,
    counted: Counted,
    health: Health,
    wheel: Wheel,
    outbox: StoredOutbox,
    receivers: Sequence[str],
    about: About,
    told: Sequence[Told] = (),
    held: Mapping[str, int] = NOBODY,
    evidence: EvidenceState | None = None,
    swept: Swept = NOTHING_SWEPT,
    removed: int = 0,
    kill_switch: bool = False,
    operator_contact: float | None = None,
    clocks: LiveClocks | None = None,
    scrapes_cut: int = 0,
    audit: AuditView | None = None,
) -> DaemonView:
    """Gather what the daemon knows of itself.

    `held`: incidents by receiver whose notices wait; `swept`: what the last upkeep of reports left, after `removed`
    reports in all.
    """
    totals = [watched.totals for watched in wheel.parts.models.values()]
    return DaemonView(
        version=about.version,
        started=about.started,
        clock=wheel.parts.clock.now(),
        intake=intake(counted, wheel.parts.models),
        store=store(health),
        duplicates=sum(each.duplicates for each in totals),
        late_rows=sum(each.late for each in totals),
        work_failures=wheel.parts.supervisor.failures,
        fold=show.timing(wheel.folding),
        look=show.timing(wheel.looking),
        tick=show.timing(wheel.parts.look.ticking.took),
        look_sums_dropped=wheel.parts.look.sums_dropped,
        look_bands_dropped=wheel.parts.look.ticking.lookouts_dropped,
        reload_ok=about.reload_ok,
        reloaded=about.reloaded,
        waiting=about.waiting,
        receivers=tuple(_receiver(outbox, name, held.get(name, 0)) for name in _named(outbox, receivers)),
        rss_bytes=rss_bytes(),
        alertmanagers=tuple(alertmanager(each) for each in told),
        evidence=None if evidence is None else evidence_view(evidence, swept, removed),
        links=links(counted),
        kill_switch=kill_switch,
        operator_contact=operator_contact,
        connections_cut={"intake": counted.connections_cut, "metrics": scrapes_cut},
        clock_jumps={} if clocks is None else dict(clocks.jumps),
        clock_paused=clocks is not None and clocks.paused()[1] > 0,
        audit=audit,
    )


def intake(counted: Counted, models: Iterable[ModelName]) -> IntakeView:
    """What was sent, over all models. What can be counted is there from 0, so that the first one is an increase."""
    accepted: Counter[RowKind] = Counter(dict.fromkeys(RowKind, 0))
    for (kind, _), rows in counted.accepted.items():
        accepted[kind] += rows
    return IntakeView(
        accepted=accepted,
        rejected=counted.rejected,
        refused={(REFUSED_AS[reason], reason.value): times for reason, times in counted.refused.items()},
        requests=counted.requests,
        gates={
            (model, state): counted.gates.get((model, state.value), 0) for model in models for state in ClearanceState
        },
        requests_repeated=counted.repeated_requests,
        body_bytes=counted.body_bytes,
        parts_dropped={part.value: rows for part, rows in counted.dropped.items()},
        unknown_features=counted.unknown_features,
        in_flight_requests=counted.in_flight_requests,
        in_flight_bytes=counted.in_flight_bytes,
    )


def store(health: Health) -> StoreView:
    """What waits to be counted, what the writer does, and what lies on the disk."""
    return StoreView(
        waiting_labels=health.waiting_labels,
        waiting_dropped=health.waiting_dropped,
        waiting_expired=health.waiting_expired,
        journal_rows=health.journal_rows,
        journal_bytes=health.journal_bytes,
        journal_oldest=health.oldest_arrival,
        queue_submissions=health.queue_submissions,
        queue_bytes=health.queue_bytes,
        commits=health.commits,
        commit_seconds=health.commit_seconds_sum,
        refused_full=health.refused_full,
        keys_dropped=health.keys_dropped,
        upkeep_failures=health.upkeep_failures,
        failed=bool(health.failed),
        braked=health.braked,
        free_bytes=health.free_bytes,
        free_bytes_min=health.free_bytes_min,
        db_bytes=health.db_bytes,
        wal_bytes=health.wal_bytes,
        run_bytes=health.run_bytes,
        run_files=health.run_files,
        receipts_thinned=health.receipts_thinned,
        kept=kept(health),
    )


def kept(health: Health) -> tuple[KeptView, ...]:
    """What the store keeps of each model's rows."""
    found = []
    for model in sorted({*health.receipts, *health.samples}):
        receipts, samples = health.receipts.get(model, NO_RECEIPTS), health.samples.get(model, NO_SAMPLES)
        found.append(
            KeptView(
                model,
                receipt_rows=receipts.rows,
                receipt_bytes=receipts.size,
                receipts_dropped=receipts.dropped,
                inclusion_min=receipts.inclusion_min,
                sample_files=samples.files,
                sample_rows=samples.rows,
                sample_bytes=samples.size,
                samples_over_quota=samples.over_quota,
                samples_lost=samples.lost,
            )
        )
    return tuple(found)


def alertmanager(told: Told) -> AlertmanagerView:
    """What came of telling one Alertmanager."""
    return AlertmanagerView(
        told.name,
        sent=told.sent,
        posts=told.posts,
        failures=told.failures,
        left_out=told.left_out,
        firing=told.firing,
        suppressed=told.suppressed,
        last=told.last,
    )


def evidence_view(state: EvidenceState, swept: Swept, removed: int) -> EvidenceView:
    """How the evidence worker is doing, and what is left of what it made."""
    return EvidenceView(
        queued=state.queued,
        running=state.running,
        jobs=state.done,
        last_s=state.last_s,
        failures={(ModelName(model), reason.value): times for reason, model, times in state.failures},
        starts=state.worker_starts,
        ends=dict(state.worker_ends),
        rss_bytes=state.worker_rss_bytes,
        rss_bytes_peak=state.worker_rss_bytes_peak,
        report_files=swept.reports,
        report_bytes=swept.bytes,
        reports_removed=removed,
    )


def links(counted: Counted) -> dict[str, int]:
    """What became of requests that came by a link to a report."""
    refused = {word: counted.refused.get(reason, 0) for reason, word in LINK_REFUSALS.items()}
    return {"opened": counted.links_opened} | refused


def rss_bytes() -> int:
    """Resident memory of this process."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _named(outbox: StoredOutbox, receivers: Sequence[str]) -> list[str]:
    """The receivers of the settings, and those no longer there for whom something still waits."""
    return list(dict.fromkeys([*receivers, *sorted(one.receiver for one in outbox.every())]))


def _receiver(outbox: StoredOutbox, name: str, held: int) -> ReceiverView:
    mine = [one for one in outbox.every() if one.receiver == name]
    counts = outbox.counts(name)
    return ReceiverView(
        name,
        pending=sum(one.state is DeliveryState.WAITING for one in mine),
        dead=sum(one.state is DeliveryState.DEAD for one in mine),
        delivered=counts.sent,
        failed=counts.failed,
        buried=counts.dead,
        held=held,
        withdrawn=counts.withdrawn,
    )
