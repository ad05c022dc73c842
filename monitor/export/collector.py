"""Turns a snapshot into metric families for prometheus_client's encoders.

The collector only renders: it holds no counter but the one of what it left out, and asks nobody. `describe` is the
table of everything that can be exported; `docs/metrics.md` is made from it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import prometheus_client

from monitor.export.readings import METRICS, Sample, summaries
from monitor.export.series import SERIES_MAX, Group, Series, fit, groups
from monitor.export.snapshot import DaemonView, ModelView, ReadingView, ServingStatus, Snapshot, Timing
from monitor.facts import Alert, RejectReason, RollbackStep, RowKind

CELLS_MAX = 100  # of one model's confusion matrix: ten classes; over that it is for the incident's evidence
REFUSALS = (400, 401, 403, 408, 413, 415, 422, 429, 503)  # start at 0, so that the first one is an increase


@dataclass(frozen=True, slots=True)
class Families:
    """Finished families, as a registry that prometheus_client's encoders accept."""

    families: tuple[prometheus_client.Metric, ...]

    def collect(self) -> Iterator[prometheus_client.Metric]:
        """Yield them in the order of the page."""
        yield from self.families


class Collector:
    """Renders snapshots, at most `series_max` series each."""

    def __init__(self, series_max: int = SERIES_MAX) -> None:
        """`series_max` >= 1."""
        self._series_max = series_max
        self._dropped = 0

    def collect(self, snapshot: Snapshot) -> Families:
        """Every family of one snapshot. Counts what it left out."""
        series = Series(self._series_max - 1)  # one is for the count of what was left out
        _daemon(series, snapshot)
        candidates: list[Group] = []
        for model in snapshot.models:
            _model(series, model)
            candidates += _readings(series, model)
        lines, left_out = fit(candidates, series.room)
        series.extend(lines)
        self._dropped += left_out + series.dropped
        return families([Sample("tocsin_series_dropped_total", {}, self._dropped), *series.samples])


def families(lines: Iterable[Sample]) -> Families:
    """Group samples into the families of the table, in order of first appearance."""
    found: dict[str, prometheus_client.Metric] = {}
    for sample in lines:
        metric = METRICS[sample.metric.removesuffix("_count").removesuffix("_sum")]
        family = found.get(metric.name)
        if family is None:
            family = prometheus_client.Metric(metric.family, metric.help, metric.kind.value, metric.unit)
            found[metric.name] = family
        labels = {name: _clean(value) for name, value in sample.labels.items() if value}
        family.add_sample(sample.metric, labels, sample.value)
    return Families(tuple(found.values()))


def describe() -> list[tuple[str, str, tuple[str, ...], str]]:
    """(name, type, labels, help) of everything that can be exported, in the order of the tables."""
    return [(metric.name, metric.kind.value, metric.labels, metric.help) for metric in METRICS.values()]


def _clean(value: str) -> str:
    """A label value that can be encoded: a lone surrogate becomes a question mark."""
    return value.encode("utf-8", "replace").decode()


def _daemon(series: Series, snapshot: Snapshot) -> None:
    daemon = snapshot.daemon
    series.add("tocsin_render_timestamp_seconds", snapshot.rendered_wall)
    series.add("tocsin_build_info", 1, version=daemon.version)
    series.add("tocsin_start_timestamp_seconds", daemon.started)
    series.add("tocsin_clock_timestamp_seconds", daemon.clock)
    _intake(series, daemon)
    _store(series, daemon)
    _timing(series, "fold", daemon.fold)
    _timing(series, "look", daemon.look)
    series.add("tocsin_work_failures_total", daemon.work_failures)
    series.add("tocsin_config_last_reload_successful", daemon.reload_ok)
    series.add("tocsin_config_last_reload_success_timestamp_seconds", daemon.reloaded)
    for view in daemon.receivers:
        series.add("tocsin_outbox_pending_notices", view.pending, receiver=view.receiver)
        series.add("tocsin_outbox_dead_notices", view.dead, receiver=view.receiver)
        series.add("tocsin_notices_delivered_total", view.delivered, receiver=view.receiver)
        series.add("tocsin_notices_failed_total", view.failed, receiver=view.receiver)
    series.add("tocsin_resident_memory_bytes", daemon.rss_bytes)


def _store(series: Series, daemon: DaemonView) -> None:
    series.add("tocsin_journal_lag_rows", daemon.journal_rows)
    series.add("tocsin_journal_lag_bytes", daemon.journal_bytes)
    series.add("tocsin_journal_oldest_timestamp_seconds", daemon.journal_oldest)
    series.add("tocsin_queue_submissions", daemon.queue_submissions)
    series.add("tocsin_queue_bytes", daemon.queue_bytes)
    series.add("tocsin_commit_seconds_count", daemon.commits)
    series.add("tocsin_commit_seconds_sum", daemon.commit_seconds)
    series.add("tocsin_submissions_refused_total", daemon.refused_full)
    series.add("tocsin_idempotency_keys_dropped_total", daemon.keys_dropped)
    series.add("tocsin_upkeep_failures_total", daemon.upkeep_failures)
    series.add("tocsin_store_failed", daemon.store_failed)
    series.add("tocsin_state_free_bytes", daemon.free_bytes)
    series.add("tocsin_state_free_min_bytes", daemon.free_bytes_min)
    series.add("tocsin_state_size_bytes", daemon.db_bytes, part="database")
    series.add("tocsin_state_size_bytes", daemon.wal_bytes, part="log")
    series.add("tocsin_state_size_bytes", daemon.run_bytes, part="receipts")
    series.add("tocsin_run_files", daemon.run_files)


def _intake(series: Series, daemon: DaemonView) -> None:
    for kind in RowKind:
        series.add("tocsin_rows_accepted_total", daemon.accepted.get(kind, 0), kind=kind.value)
    for reason in RejectReason:
        series.add("tocsin_rows_rejected_total", daemon.rejected.get(reason, 0), reason=reason.value)
    for code in sorted({*REFUSALS, *daemon.refused}):
        series.add("tocsin_requests_refused_total", daemon.refused.get(code, 0), code=str(code))
    series.add("tocsin_rows_duplicate_total", daemon.duplicates)
    series.add("tocsin_rows_late_total", daemon.late_rows)
    series.add("tocsin_labels_waiting", daemon.waiting_labels)
    series.add("tocsin_labels_waiting_dropped_total", daemon.waiting_dropped, reason="bound")
    series.add("tocsin_labels_waiting_dropped_total", daemon.waiting_expired, reason="expired")


def _timing(series: Series, work: str, timing: Timing) -> None:
    series.add(f"tocsin_{work}_seconds_count", timing.count)
    series.add(f"tocsin_{work}_seconds_sum", timing.sum_s)
    series.add(f"tocsin_{work}_last_seconds", timing.last_s)


def _model(series: Series, view: ModelView) -> None:
    _serving(series, view)
    _counts(series, view)
    series.add("tocsin_incidents_open", view.incidents_open, model=view.model)
    series.add("tocsin_incidents_total", view.incidents_opened, model=view.model)
    series.add("tocsin_rollback_mode_info", 1, model=view.model, mode=view.mode.value)
    series.add("tocsin_release_index_usable", view.release_index_ok, model=view.model)
    series.add("tocsin_rollback_latched", view.latched, model=view.model)
    for step in RollbackStep:
        series.add("tocsin_rollbacks_total", view.rollbacks.get(step, 0), model=view.model, step=step.value)
    series.add("tocsin_rollbacks_waiting", view.rollbacks_waiting, model=view.model)
    series.add("tocsin_last_rollback_timestamp_seconds", view.last_rollback, model=view.model)
    for rule in view.rules:
        names = {"model": view.model, "rule": rule.name}
        family, severity = rule.family.value, rule.severity.value
        series.add("tocsin_rule_info", 1, **names, detector=rule.detector, family=family, severity=severity)
        series.add("tocsin_rule_window_seconds", rule.window_s, **names)
    for alert in view.alerts:
        _alert(series, view, alert)


def _serving(series: Series, view: ModelView) -> None:
    model = view.model
    series.add("tocsin_bundle_info", 1, model=model, bundle=view.bundle, name=view.bundle_name, role="serving")
    if view.known_good is not None:
        name = view.known_good_name
        series.add("tocsin_bundle_info", 1, model=model, bundle=view.known_good, name=name, role="known_good")
    for status in ServingStatus:
        series.add("tocsin_serving_status", status is view.status, model=model, status=status.value)
    series.add("tocsin_serving_epoch", view.epoch, model=model)
    series.add("tocsin_serving_since_timestamp_seconds", view.since, model=model)
    series.add("tocsin_serving_proved_timestamp_seconds", view.proved, model=model)


def _counts(series: Series, view: ModelView) -> None:
    model, totals = view.model, view.totals
    series.add("tocsin_predictions_total", totals.predictions, model=model)
    series.add("tocsin_labels_total", totals.labels, model=model, trusted="true")
    series.add("tocsin_labels_total", totals.labels_untrusted, model=model, trusted="false")
    series.add("tocsin_pairs_total", totals.pairs, model=model)
    series.add("tocsin_predictions_unattributed_total", totals.unattributed, model=model)
    series.add("tocsin_claim_mismatches_total", totals.claim_mismatches, model=model)
    series.add("tocsin_last_prediction_timestamp_seconds", view.last_prediction, model=model)
    series.add("tocsin_last_label_timestamp_seconds", view.last_label, model=model)
    if len(view.outputs) <= CELLS_MAX:
        for output in view.outputs:
            series.add("tocsin_output_rows", output.rows, **{"model": model, "class": output.name})
    if len(view.confusion) <= CELLS_MAX:
        for cell in view.confusion:
            names = {"model": model, "predicted": cell.predicted, "label": cell.label}
            series.add("tocsin_confusion_rows", cell.rows, **names)


def _alert(series: Series, view: ModelView, alert: Alert) -> None:
    if not _shown(view, alert.segment):
        series.dropped += 2
        return
    names = {"model": view.model, "rule": alert.rule, "segment": alert.segment}
    series.add("tocsin_alert_state", 1, **names, state=alert.state.value)
    series.add("tocsin_alert_since_timestamp_seconds", alert.since, **names)


def _readings(series: Series, view: ModelView) -> list[Group]:
    """Add what a whole model's rules say; return the features and segments, which share what room is left."""
    shown = [reading for reading in view.readings if _shown(view, reading.segment)]
    series.dropped += len(view.readings) - len(shown)
    series.extend(summaries(view.model, shown))
    whole: list[ReadingView] = []
    parts: list[ReadingView] = []
    for reading in shown:
        (parts if reading.column or reading.segment else whole).append(reading)
    for group in groups(view.model, whole):
        series.extend(group.lines)
    return groups(view.model, parts)


def _shown(view: ModelView, segment: str) -> bool:
    """Whether a segment may be a label: clients name segments, only the settings say which are shown."""
    return not segment or segment in view.segments
