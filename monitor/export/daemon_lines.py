"""The lines of the daemon itself: its life, its intake, its store, its deliveries, its evidence worker."""

from monitor.export.edges import AlertmanagerView, AuditView, EvidenceView, IntakeView, KeptView, StoreView
from monitor.export.series import Series
from monitor.export.snapshot import ReceiverView, Snapshot, Timing
from monitor.facts import RejectReason, RowKind


def add_daemon(series: Series, snapshot: Snapshot) -> None:
    """Add everything that is not of one model."""
    daemon = snapshot.daemon
    series.add("tocsin_render_timestamp_seconds", snapshot.rendered_wall)
    series.add("tocsin_build_info", 1, version=daemon.version)
    series.add("tocsin_start_timestamp_seconds", daemon.started)
    series.add("tocsin_clock_timestamp_seconds", daemon.clock)
    series.add("tocsin_kill_switch_set", daemon.kill_switch)
    series.add("tocsin_operator_contact_timestamp_seconds", daemon.operator_contact)
    for direction, times in sorted(daemon.clock_jumps.items()):
        series.add("tocsin_clock_jumps_total", times, direction=direction)
    series.add("tocsin_clock_paused", daemon.clock_paused)
    for listener, times in sorted(daemon.connections_cut.items()):
        series.add("tocsin_connections_cut_total", times, listener=listener)
    _rows(series, daemon.intake)
    series.add("tocsin_rows_duplicate_total", daemon.duplicates)
    series.add("tocsin_rows_late_total", daemon.late_rows)
    _requests(series, daemon.intake)
    _store(series, daemon.store)
    _timing(series, "fold", daemon.fold)
    _timing(series, "look", daemon.look)
    _timing(series, "sequential_tick", daemon.tick)
    series.add("tocsin_look_sums_dropped_total", daemon.look_sums_dropped)
    series.add("tocsin_look_bands_dropped_total", daemon.look_bands_dropped)
    series.add("tocsin_work_failures_total", daemon.work_failures)
    series.add("tocsin_config_last_reload_successful", daemon.reload_ok)
    series.add("tocsin_config_last_reload_success_timestamp_seconds", daemon.reloaded)
    for section, settings in sorted(daemon.waiting.items()):
        series.add("tocsin_config_settings_waiting_for_restart", settings, section=section)
    series.add("tocsin_resident_memory_bytes", daemon.rss_bytes)
    for receiver in daemon.receivers:
        _receiver(series, receiver)
    for alertmanager in daemon.alertmanagers:
        _alertmanager(series, alertmanager)
    for kept in daemon.store.kept:
        _kept(series, kept)
    for outcome, times in sorted(daemon.links.items()):
        series.add("tocsin_evidence_link_requests_total", times, outcome=outcome)
    if daemon.evidence is not None:
        _evidence(series, daemon.evidence)
    if daemon.audit is not None:
        _audit(series, daemon.audit)


def _rows(series: Series, intake: IntakeView) -> None:
    for kind in RowKind:
        series.add("tocsin_rows_accepted_total", intake.accepted.get(kind, 0), kind=kind.value)
    for reason in RejectReason:
        series.add("tocsin_rows_rejected_total", intake.rejected.get(reason, 0), reason=reason.value)


def _requests(series: Series, intake: IntakeView) -> None:
    for (status, why), times in sorted(intake.refused.items()):
        series.add("tocsin_requests_refused_total", times, code=str(status), reason=why)
    for (route, code), times in sorted(intake.requests.items()):
        series.add("tocsin_requests_total", times, route=route, code=code)
    for (model, state), times in sorted(intake.gates.items(), key=lambda each: (each[0][0], each[0][1].value)):
        series.add("tocsin_gate_answers_total", times, model=model, state=state.value)
    series.add("tocsin_requests_repeated_total", intake.requests_repeated)
    series.add("tocsin_body_bytes_total", intake.body_bytes)
    for part, rows in sorted(intake.parts_dropped.items()):
        series.add("tocsin_row_parts_dropped_total", rows, part=part)
    for model, names in sorted(intake.unknown_features.items()):
        series.add("tocsin_unknown_features", names, model=model)
    series.add("tocsin_requests_in_flight", intake.in_flight_requests)
    series.add("tocsin_in_flight_bytes", intake.in_flight_bytes)


def _store(series: Series, store: StoreView) -> None:
    series.add("tocsin_labels_waiting", store.waiting_labels)
    series.add("tocsin_labels_waiting_dropped_total", store.waiting_dropped, reason="bound")
    series.add("tocsin_labels_waiting_dropped_total", store.waiting_expired, reason="expired")
    series.add("tocsin_journal_lag_rows", store.journal_rows)
    series.add("tocsin_journal_lag_bytes", store.journal_bytes)
    series.add("tocsin_journal_oldest_timestamp_seconds", store.journal_oldest)
    series.add("tocsin_queue_submissions", store.queue_submissions)
    series.add("tocsin_queue_bytes", store.queue_bytes)
    series.add("tocsin_commit_seconds_count", store.commits)
    series.add("tocsin_commit_seconds_sum", store.commit_seconds)
    series.add("tocsin_commits_braked_total", store.braked)
    series.add("tocsin_submissions_refused_total", store.refused_full)
    series.add("tocsin_idempotency_keys_dropped_total", store.keys_dropped)
    series.add("tocsin_upkeep_failures_total", store.upkeep_failures)
    series.add("tocsin_store_failed", store.failed)
    series.add("tocsin_receipts_thinned_total", store.receipts_thinned)
    series.add("tocsin_state_free_bytes", store.free_bytes)
    series.add("tocsin_state_free_min_bytes", store.free_bytes_min)
    series.add("tocsin_state_size_bytes", store.db_bytes, part="database")
    series.add("tocsin_state_size_bytes", store.wal_bytes, part="log")
    series.add("tocsin_state_size_bytes", store.run_bytes, part="receipts")
    series.add("tocsin_run_files", store.run_files)


def _timing(series: Series, work: str, timing: Timing) -> None:
    series.add(f"tocsin_{work}_seconds_count", timing.count)
    series.add(f"tocsin_{work}_seconds_sum", timing.sum_s)
    series.add(f"tocsin_{work}_last_seconds", timing.last_s)


def _receiver(series: Series, view: ReceiverView) -> None:
    series.add("tocsin_outbox_pending_notices", view.pending, receiver=view.receiver)
    series.add("tocsin_outbox_dead_notices", view.dead, receiver=view.receiver)
    series.add("tocsin_outbox_held_incidents", view.held, receiver=view.receiver)
    series.add("tocsin_notices_delivered_total", view.delivered, receiver=view.receiver)
    series.add("tocsin_notices_failed_total", view.failed, receiver=view.receiver)
    series.add("tocsin_notices_dead_total", view.buried, receiver=view.receiver)
    series.add("tocsin_notices_withdrawn_total", view.withdrawn, receiver=view.receiver)


def _alertmanager(series: Series, view: AlertmanagerView) -> None:
    name = view.name
    series.add("tocsin_alertmanager_alerts_total", view.sent, alertmanager=name)
    series.add("tocsin_alertmanager_posts_total", view.posts, alertmanager=name)
    for reason, times in sorted(view.failures.items()):
        series.add("tocsin_alertmanager_failures_total", times, alertmanager=name, reason=reason)
    series.add("tocsin_alertmanager_left_out_alerts", view.left_out, alertmanager=name)
    series.add("tocsin_alertmanager_firing_alerts", view.firing, alertmanager=name)
    series.add("tocsin_alertmanager_suppressed_alerts", view.suppressed, alertmanager=name)
    series.add("tocsin_alertmanager_told_timestamp_seconds", view.last, alertmanager=name)


def _kept(series: Series, view: KeptView) -> None:
    model = view.model
    series.add("tocsin_receipts_rows", view.receipt_rows, model=model)
    series.add("tocsin_receipts_bytes", view.receipt_bytes, model=model)
    series.add("tocsin_receipts_dropped_rows", view.receipts_dropped, model=model)
    series.add("tocsin_receipts_inclusion_min_ratio", view.inclusion_min, model=model)
    series.add("tocsin_samples_files", view.sample_files, model=model)
    series.add("tocsin_samples_rows", view.sample_rows, model=model)
    series.add("tocsin_samples_bytes", view.sample_bytes, model=model)
    series.add("tocsin_samples_over_quota_total", view.samples_over_quota, model=model)
    series.add("tocsin_samples_lost_total", view.samples_lost, model=model)


def _audit(series: Series, view: AuditView) -> None:
    series.add("tocsin_audit_key_info", 1, key=view.key)
    series.add("tocsin_audit_verified", view.verified)
    series.add("tocsin_audit_records_total", view.records)
    series.add("tocsin_audit_head_sequence", view.sequence)
    for part, number in enumerate(view.digest_parts):
        series.add("tocsin_audit_head_digest", number, part=str(part))
    series.add("tocsin_audit_head_timestamp_seconds", view.written)
    series.add("tocsin_audit_signed_sequence", view.signed_sequence)
    series.add("tocsin_audit_failures_total", view.failures)
    series.add("tocsin_audit_waiting_records", view.waiting)
    series.add("tocsin_audit_lost_records_total", view.lost)
    series.add("tocsin_audit_torn_total", view.torn)
    series.add("tocsin_audit_dropped_files_total", view.dropped_files)
    series.add("tocsin_audit_files", view.files)
    series.add("tocsin_audit_size_bytes", view.size_bytes)


def _evidence(series: Series, view: EvidenceView) -> None:
    series.add("tocsin_evidence_queued_jobs", view.queued)
    series.add("tocsin_evidence_running", view.running)
    series.add("tocsin_evidence_jobs_total", view.jobs)
    series.add("tocsin_evidence_last_seconds", view.last_s)
    for (model, reason), times in sorted(view.failures.items()):
        series.add("tocsin_evidence_failures_total", times, model=model, reason=reason)
    series.add("tocsin_evidence_workers_total", view.starts)
    for why, times in sorted(view.ends.items()):
        series.add("tocsin_evidence_worker_ends_total", times, why=why)
    series.add("tocsin_evidence_resident_memory_bytes", view.rss_bytes)
    series.add("tocsin_evidence_resident_memory_peak_bytes", view.rss_bytes_peak)
    series.add("tocsin_evidence_report_files", view.report_files)
    series.add("tocsin_evidence_report_bytes", view.report_bytes)
    series.add("tocsin_evidence_reports_removed_total", view.reports_removed)
