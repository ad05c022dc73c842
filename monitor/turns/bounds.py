"""What each part needs of the settings, in its own words."""

from monitor.decisions.clocks import Bounds as ClockBounds
from monitor.evidence.office import Limits as EvidenceLimits
from monitor.ingest.limits import Limits
from monitor.settings import MonitoredModel, Settings
from monitor.store.parts import Limits as StoreLimits
from monitor.store.parts import Quota
from monitor.store.writer import Pace
from monitor.turns import minutes
from monitor.turns.counting import FoldSettings
from monitor.turns.evidence import Keep
from monitor.turns.wheel import Bounds


def limits_of(settings: Settings) -> Limits:
    """What a request may cost, as the settings say, and which rows are too old to be known when they come again."""
    http = settings.http
    return Limits(
        body_bytes_max=http.body_bytes_max,
        in_flight_bytes_max=http.in_flight_bytes_max,
        requests_max=http.requests_max,
        body_timeout_s=http.body_timeout,
        rows_max=http.rows_max,
        rows_per_second=http.rows_per_second,
        rejections_max=http.rejections_max,
        ahead_max_s=settings.time.ahead_max,
        behind_max_s=min(settings.time.behind_max, settings.panes.horizon),
    )


def store_limits(settings: Settings) -> StoreLimits:
    """What the store may take."""
    most = max(model.labels.waiting_max for model in settings.models.values())
    quotas = {name: quota(model) for name, model in settings.models.items()}
    return StoreLimits(
        Pace(lag_rows_max=settings.fold.lag_rows_max),
        waiting_max=most,
        panes_age_max_s=settings.panes.age_max,
        quotas=quotas,
    )


def quota(settings: MonitoredModel) -> Quota:
    """What the files of one model may take."""
    return Quota(settings.labels.receipts_bytes_max, settings.samples.bytes_max, settings.samples.age_max)


def fold_settings(settings: Settings) -> FoldSettings:
    """How rows are counted."""
    return FoldSettings(
        rows_max=settings.fold.rows_max,
        pane_s=int(settings.panes.length),
        grace_s=settings.panes.grace,
        horizon_s=settings.panes.horizon,
        replica=settings.replica,
    )


def pace(settings: Settings) -> minutes.Pace:
    """How rows come and looks follow one another; a reload may change the latter."""
    return minutes.pace_of(
        settings.panes.grace,
        int(settings.panes.length),
        settings.look_every,
        stepped=settings.replay,
        horizon_s=settings.panes.horizon,
    )


def clock_bounds(settings: Settings) -> ClockBounds:
    """What a jump of the clock is."""
    return ClockBounds(float(settings.time.jump_max), float(settings.time.jump_pause))


def wheel_bounds(settings: Settings) -> Bounds:
    """What a turn needs, and a reload may change."""
    return Bounds(
        receivers=tuple(each.name for each in settings.receivers),
        external_url=settings.external_url or f"http://{settings.http.host}:{settings.http.port}",
        look_every_s=settings.look_every,
        horizon_s=settings.panes.horizon,
    )


def evidence_limits(settings: Settings) -> EvidenceLimits:
    """What the evidence worker may take; plain numbers, because some of them go to it as JSON."""
    evidence = settings.evidence
    return EvidenceLimits(
        queue_max=evidence.queue_max,
        memory_bytes_max=int(evidence.memory_bytes_max),
        timeout_s=float(evidence.timeout),
        idle_s=float(evidence.idle),
        jobs_max=evidence.jobs_max,
        age_max_s=float(evidence.age_max),
    )


def keep(settings: Settings) -> Keep:
    """How long reports are kept, and when a period is over."""
    evidence = settings.evidence
    return Keep(float(evidence.reports_age_max), int(evidence.bytes_max), float(settings.panes.grace))
