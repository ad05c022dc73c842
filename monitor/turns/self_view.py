"""The daemon seen by itself: counters, backlogs and timings for the metrics page."""

import contextlib
import os
import resource
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from monitor.alerts.retry import DeliveryState
from monitor.export.snapshot import DaemonView, ReceiverView
from monitor.facts import RowKind
from monitor.ingest.counters import AdmissionReason
from monitor.ingest.counters import Snapshot as Counted
from monitor.store.protocol import Health
from monitor.turns import show
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
    AdmissionReason.JOURNAL_BUSY: 503,
}


@dataclass(frozen=True, slots=True)
class About:
    """Which daemon this is, since when, and what became of the last reload; wall times."""

    version: str
    started: float
    reload_ok: bool
    reloaded: float


def self_view(
    *,
    counted: Counted,
    health: Health,
    wheel: Wheel,
    outbox: StoredOutbox,
    receivers: Sequence[str],
    about: About,
) -> DaemonView:
    """Gather what the daemon knows of itself."""
    accepted: Counter[RowKind] = Counter(dict.fromkeys(RowKind, 0))
    for (kind, _), rows in counted.accepted.items():
        accepted[kind] += rows
    refused: Counter[int] = Counter()
    for reason, times in counted.refused.items():
        refused[REFUSED_AS[reason]] += times
    totals = [watched.totals for watched in wheel.parts.models.values()]
    return DaemonView(
        version=about.version,
        started=about.started,
        clock=wheel.parts.clock.now(),
        accepted=accepted,
        rejected=counted.rejected,
        refused=refused,
        duplicates=sum(each.duplicates for each in totals),
        late_rows=sum(each.late for each in totals),
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
        store_failed=bool(health.failed),
        work_failures=wheel.parts.supervisor.failures,
        fold=show.timing(wheel.folding),
        look=show.timing(wheel.looking),
        reload_ok=about.reload_ok,
        reloaded=about.reloaded,
        receivers=tuple(_receiver(outbox, name) for name in _named(outbox, receivers)),
        free_bytes=health.free_bytes,
        free_bytes_min=health.free_bytes_min,
        db_bytes=health.db_bytes,
        wal_bytes=health.wal_bytes,
        run_bytes=health.run_bytes,
        run_files=health.run_files,
        rss_bytes=rss_bytes(),
    )


def rss_bytes() -> int:
    """Resident memory of this process."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _named(outbox: StoredOutbox, receivers: Sequence[str]) -> list[str]:
    """The receivers of the settings, and those no longer there for whom something still waits."""
    return list(dict.fromkeys([*receivers, *sorted(one.receiver for one in outbox.every())]))


def _receiver(outbox: StoredOutbox, name: str) -> ReceiverView:
    mine = [one for one in outbox.every() if one.receiver == name]
    counts = outbox.counts(name)
    return ReceiverView(
        name,
        pending=sum(one.state is DeliveryState.WAITING for one in mine),
        dead=sum(one.state is DeliveryState.DEAD for one in mine),
        delivered=counts.sent,
        failed=counts.failed,
    )
