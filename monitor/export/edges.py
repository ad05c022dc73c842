"""How the edges of the daemon are doing: what is kept, who was told, what the evidence worker made. Plain values."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from monitor.facts import ModelName


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
class ModelEvidence:
    """What evidence was made of one model. `values`: by the name that the settings give a metric."""

    values: Mapping[str, float] = field(default_factory=dict)  # of the newest period
    reports: int = 0  # total made since the start
