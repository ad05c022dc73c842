"""How the edges of the daemon are doing: what came in, what is kept, who was told, what evidence was made.

Plain values.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from monitor.decisions.clearance import ClearanceState
from monitor.facts import ModelName, RejectReason, RowKind, Verdict


@dataclass(frozen=True, slots=True)
class IntakeView:
    """What was sent to the daemon, and what became of it before it was counted."""

    accepted: Mapping[RowKind, int] = field(default_factory=dict)
    rejected: Mapping[RejectReason, int] = field(default_factory=dict)
    refused: Mapping[tuple[int, str], int] = field(default_factory=dict)  # whole requests by (HTTP status, reason)
    requests: Mapping[tuple[str, str], int] = field(default_factory=dict)  # by (route, class of the status: "2xx")
    gates: Mapping[tuple[ModelName, ClearanceState], int] = field(default_factory=dict)  # what deployers were told
    requests_repeated: int = 0  # answered as before, by their idempotency key
    body_bytes: int = 0  # total, as received
    parts_dropped: Mapping[str, int] = field(default_factory=dict)  # optional parts of rows that could not be used
    unknown_features: Mapping[ModelName, int] = field(default_factory=dict)  # distinct names, saturates
    in_flight_requests: int = 0  # now
    in_flight_bytes: int = 0


@dataclass(frozen=True, slots=True)
class KeptView:
    """What the store keeps of one model's rows."""

    model: ModelName
    receipt_rows: int = 0  # now
    receipt_bytes: int = 0
    receipts_dropped: int = 0  # now: of the time that is remembered, thinned to hold the quota
    inclusion_min: float = 1.0  # share that was kept of what was thinned most; 1: nothing is missing
    sample_files: int = 0
    sample_rows: int = 0
    sample_bytes: int = 0
    samples_over_quota: int = 0  # total of rows dropped to hold the quota
    samples_lost: int = 0  # total of rows in files that were gone or damaged


@dataclass(frozen=True, slots=True)
class StoreView:
    """The journal, its writer, and the disk. Totals are since the start."""

    waiting_labels: int = 0  # labels whose prediction has not come
    waiting_dropped: int = 0  # given up because too many waited
    waiting_expired: int = 0  # given up because their time was over
    journal_rows: int = 0  # committed, not folded
    journal_bytes: int = 0
    journal_oldest: float | None = None  # event time the oldest of them arrived
    queue_submissions: int = 0  # accepted, not committed
    queue_bytes: int = 0
    commits: int = 0  # transactions of the writer
    commit_seconds: float = 0.0  # total time they took
    refused_full: int = 0  # submissions
    keys_dropped: int = 0  # idempotency keys
    upkeep_failures: int = 0
    failed: bool = False
    braked: int = 0  # commits held back because folds were behind
    free_bytes: int | None = None  # of the disk under the state directory
    free_bytes_min: int | None = None  # below it rows are refused
    db_bytes: int | None = None
    wal_bytes: int | None = None
    run_bytes: int | None = None
    run_files: int | None = None
    receipts_thinned: int = 0  # total, over the quotas
    kept: tuple[KeptView, ...] = ()


@dataclass(frozen=True, slots=True)
class AlertmanagerView:
    """What one Alertmanager was told."""

    name: str
    sent: int = 0  # total of alerts, each time they were taken
    posts: int = 0  # total of requests that were answered 2xx
    failures: Mapping[str, int] = field(default_factory=dict)  # total by reason, of a short list
    left_out: int = 0  # now: alerts beyond what one message may hold
    firing: int = 0  # now
    suppressed: int = 0  # now: of these, the ones that it tells nobody of
    last: float | None = None  # wall time it last took them


@dataclass(frozen=True, slots=True)
class EvidenceView:
    """The worker that makes reports."""

    queued: int = 0  # now
    running: bool = False
    jobs: int = 0  # total that came to a result, faulty ones included
    last_s: float | None = None  # how long the last one took
    failures: Mapping[tuple[ModelName, str], int] = field(default_factory=dict)  # total by (model, reason)
    starts: int = 0  # total of workers
    ends: Mapping[str, int] = field(default_factory=dict)  # total of workers by why they were ended
    rss_bytes: int = 0  # now; 0: there is no worker
    rss_bytes_peak: int = 0
    report_files: int = 0  # now
    report_bytes: int = 0
    reports_removed: int = 0  # total: too old, or too many


@dataclass(frozen=True, slots=True)
class AuditView:
    """The audit log. Totals are since the start."""

    key: str = ""  # id of the key that signs heads
    verified: bool | None = None  # whether its end verified at the start; None: it was new, or could not be read
    records: int = 0  # written by this process
    sequence: int = 0  # of the newest record
    digest_parts: tuple[int, ...] = ()  # its digest in numbers of at most 52 bits, the most significant first
    written: float | None = None  # wall time of it
    signed_sequence: int = 0  # up to which a head is signed
    failures: int = 0  # writes that failed
    waiting: int = 0  # now: records that wait to be written
    lost: int = 0
    torn: int = 0  # lines that a crash left and that were set aside
    dropped_files: int = 0
    files: int = 0  # now
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class ProbesView:
    """Golden probes of one model: how the last round went, and no row or answer of it."""

    verdict: Verdict | None = None  # None: nothing was asked yet
    rounds: Mapping[Verdict, int] = field(default_factory=dict)  # total
    rows: int = 0  # of the set
    recorded: bool = False  # whether it holds answers of the checkpoint that is served
    asked: float | None = None  # event time
    mismatches: int | None = None  # rows of the worst answer
    flips: int | None = None
    exact: float | None = None  # share of rows
    difference: float | None = None
    divergence: float | None = None  # nats


@dataclass(frozen=True, slots=True)
class StagedView:
    """Copies of checkpoints beside the link of one model."""

    copies: int = 0  # now
    size_bytes: int = 0
    ready: bool | None = None  # whether that of the present target is proven; None: there is no target
    verified: float | None = None  # wall time all of it was last read
    failures: Mapping[str, int] = field(default_factory=dict)  # total by reason, of a short list


@dataclass(frozen=True, slots=True)
class ModelEvidence:
    """What evidence was made of one model. `values`: by the name that the settings give a metric."""

    values: Mapping[str, float] = field(default_factory=dict)  # of the newest period
    end: float | None = None  # event time that period ended
    reports: int = 0  # total made since the start
