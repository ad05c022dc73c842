"""Every metric we export, in one table: what is not listed here cannot be exported.

Names follow Prometheus' conventions (https://prometheus.io/docs/practices/naming): prefix `tocsin_`, base units last,
counters end in `_total`, shares are `_ratio` in 0..1, times are `_timestamp_seconds`, versions are `_info`.

A label holds a name from the settings (model, rule, segment, receiver), a name from the schema (feature, class) or a
value of a closed list; never an id, a feature's value or anything else that a client could choose. The exceptions are
digests: of a bundle in `tocsin_bundle_info`, at most two per model, from the release index; and the beginning of the
judge's reference profile in `profile`, one per model, which keeps bins of two profiles apart.

Bins are counters per bin and not Prometheus histograms: they are sums of rows, not cumulative, so that a share is one
division, a heat map needs no `le` arithmetic, and a sum over replicas is a sum. `le` is a bin's upper edge
(promtool's lint would keep the word, and `quantile`, for its own two types: here they mean the same).
A number's bins are the reference's quantiles, so its heat map shows ranks; places say which bin, not which value.

Readings have their own table (`monitor.export.shown`), which is part of this one through `METRICS`.
"""

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """How Prometheus takes a metric."""

    GAUGE = "gauge"
    COUNTER = "counter"
    INFO = "info"
    SUMMARY = "summary"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric family. `name` is the exposed one, with its `_total` or `_info`."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()

    @property
    def family(self) -> str:
        """The name OpenMetrics gives the family."""
        return self.name.removesuffix("_total").removesuffix("_info")

    @property
    def unit(self) -> str:
        """The base unit at the end of the name, or none."""
        last = self.family.rsplit("_", 1)[-1]
        return last if last in ("seconds", "bytes", "ratio") and self.kind is not Kind.INFO else ""


def _gauge(name: str, text: str, *labels: str) -> Metric:
    return Metric(name, Kind.GAUGE, text, labels)


def _counter(name: str, text: str, *labels: str) -> Metric:
    return Metric(name, Kind.COUNTER, text, labels)


def _info(name: str, text: str, *labels: str) -> Metric:
    return Metric(name, Kind.INFO, text, labels)


LIVE = (  # computed at each scrape: they tell the truth even when the daemon has stopped rendering
    _gauge("tocsin_render_age_seconds", "Time since the rest of this page was rendered, or since the start."),
    _gauge("tocsin_render_stale", "1 when three renders were missed: the rest of the page is withheld."),
    _gauge("tocsin_heartbeat_age_seconds", "Time since this part of the daemon last showed life.", "part"),
)

DAEMON = (
    _counter("tocsin_series_dropped_total", "Series left out of renders because of the cap; grows while it bites."),
    _gauge("tocsin_render_timestamp_seconds", "Wall time of the render."),
    _info("tocsin_build_info", "Version of the daemon.", "version"),
    _gauge("tocsin_start_timestamp_seconds", "Wall time the daemon started."),
    _gauge("tocsin_clock_timestamp_seconds", "Event time: the wall clock, or where a replay stands."),
    _gauge("tocsin_kill_switch_set", "1 when the kill switch is set: nothing is rolled back by itself."),
    _gauge("tocsin_operator_contact_timestamp_seconds", "Wall time an operator last called the API."),
    _counter("tocsin_clock_jumps_total", "Jumps of the wall clock against the monotonic one.", "direction"),
    _gauge("tocsin_clock_paused", "1 while mode auto only proposes because the wall clock jumped."),
    _counter("tocsin_connections_cut_total", "Connections that made room for others: too many at once.", "listener"),
    _counter("tocsin_rows_accepted_total", "Rows acknowledged.", "kind"),
    _counter(
        "tocsin_rows_rejected_total",
        "Rows refused by validation, of all models: many name none that is known.",
        "reason",
    ),
    _counter("tocsin_requests_refused_total", "Whole requests refused, by HTTP status and why.", "code", "reason"),
    _counter("tocsin_rows_duplicate_total", "Rows not counted because their id was counted before."),
    _counter("tocsin_rows_late_total", "Rows counted after the grace time of their pane."),
    _gauge("tocsin_labels_waiting", "Labels whose prediction has not come yet."),
    _counter(
        "tocsin_labels_waiting_dropped_total", "Labels given up: too many waited, or their time was over.", "reason"
    ),
    _gauge("tocsin_journal_lag_rows", "Rows that are committed but not folded."),
    _gauge("tocsin_journal_lag_bytes", "Size of the journal records that are not folded."),
    _gauge("tocsin_journal_oldest_timestamp_seconds", "Arrival (event time) of the oldest row that is not folded."),
    _gauge("tocsin_queue_submissions", "Requests waiting for their commit."),
    _gauge("tocsin_queue_bytes", "Size of the requests waiting for their commit."),
    Metric("tocsin_commit_seconds", Kind.SUMMARY, "Time taken by the writer's transactions."),
    _counter("tocsin_commits_braked_total", "Commits that were held back a moment because folds were behind."),
    _counter("tocsin_submissions_refused_total", "Requests refused because the disk was nearly full."),
    _counter("tocsin_idempotency_keys_dropped_total", "Idempotency keys forgotten before their time: too many."),
    _counter("tocsin_upkeep_failures_total", "Merges and deletions that failed and will be tried again."),
    _gauge("tocsin_store_failed", "1 when the store has stopped for good: a restart is needed, see the log."),
    Metric("tocsin_fold_seconds", Kind.SUMMARY, "Time taken by folds."),
    _gauge("tocsin_fold_last_seconds", "Time taken by the last fold."),
    Metric("tocsin_look_seconds", Kind.SUMMARY, "Time taken by looks: windows, readings, decisions."),
    _gauge("tocsin_look_last_seconds", "Time taken by the last look."),
    Metric("tocsin_sequential_tick_seconds", Kind.SUMMARY, "Time taken by ticks of e-detectors, a part of looks."),
    _gauge("tocsin_sequential_tick_last_seconds", "Time taken by the last tick of an e-detector."),
    _counter("tocsin_look_sums_dropped_total", "Sums of windows given up for others: over `panes.sums_bytes_max`."),
    _counter("tocsin_look_bands_dropped_total", "References given up for others: over `panes.bands_bytes_max`."),
    _counter("tocsin_work_failures_total", "Turns and deliveries that failed for an unforeseen reason: see the log."),
    _gauge("tocsin_config_last_reload_successful", "1 when the last attempt to load the settings worked."),
    _gauge("tocsin_config_last_reload_success_timestamp_seconds", "Wall time of the last good load of the settings."),
    _gauge(
        "tocsin_config_settings_waiting_for_restart",
        "Settings that the file says otherwise and that need a restart, by its section.",
        "section",
    ),
    _gauge("tocsin_outbox_pending_notices", "Notices not delivered yet.", "receiver"),
    _gauge("tocsin_outbox_dead_notices", "Notices given up after all retries; a person must look.", "receiver"),
    _counter("tocsin_notices_delivered_total", "Notices the receiver took.", "receiver"),
    _counter("tocsin_notices_failed_total", "Attempts to deliver that failed.", "receiver"),
    _counter("tocsin_notices_dead_total", "Notices that were given up; the newest thousand are kept.", "receiver"),
    _gauge("tocsin_state_free_bytes", "Free space under the state directory."),
    _gauge("tocsin_state_free_min_bytes", "Free space below which rows are refused."),
    _gauge("tocsin_state_size_bytes", "Size of the state: database, its log, receipts.", "part"),
    _gauge("tocsin_run_files", "Receipt files in use."),
    _gauge("tocsin_resident_memory_bytes", "Resident memory of the daemon."),
)

EDGES = (
    _counter("tocsin_requests_total", "Answers by route and class of the status.", "route", "code"),
    _counter("tocsin_gate_answers_total", "What deployers were told who asked a gate.", "model", "state"),
    _counter("tocsin_requests_repeated_total", "Requests answered as before, by their idempotency key."),
    _counter("tocsin_body_bytes_total", "Size of the bodies received."),
    _counter("tocsin_row_parts_dropped_total", "Optional parts of rows that could not be used.", "part"),
    _gauge("tocsin_unknown_features", "Distinct names of features that the schema lacks; saturates.", "model"),
    _gauge("tocsin_requests_in_flight", "Requests being read or answered."),
    _gauge("tocsin_in_flight_bytes", "Size of the bodies being read or answered."),
    _gauge("tocsin_receipts_rows", "Predictions that a label can still reach.", "model"),
    _gauge("tocsin_receipts_bytes", "Size of the receipts.", "model"),
    _gauge("tocsin_receipts_dropped_rows", "Predictions whose receipt was dropped to hold the quota.", "model"),
    _gauge("tocsin_receipts_inclusion_min_ratio", "Receipts kept of the time that was thinned most.", "model"),
    _counter("tocsin_receipts_thinned_total", "Receipts dropped to hold the quotas."),
    _gauge("tocsin_samples_files", "Files of sampled rows.", "model"),
    _gauge("tocsin_samples_rows", "Sampled rows.", "model"),
    _gauge("tocsin_samples_bytes", "Size of the sampled rows.", "model"),
    _counter("tocsin_samples_over_quota_total", "Sampled rows dropped to hold the quota.", "model"),
    _counter("tocsin_samples_lost_total", "Sampled rows in files that were gone or damaged.", "model"),
    _counter("tocsin_alertmanager_alerts_total", "Alerts an Alertmanager took, each time.", "alertmanager"),
    _counter("tocsin_alertmanager_posts_total", "Requests an Alertmanager took.", "alertmanager"),
    _counter("tocsin_alertmanager_failures_total", "Rounds that failed.", "alertmanager", "reason"),
    _gauge("tocsin_alertmanager_left_out_alerts", "Alerts beyond what one message may hold.", "alertmanager"),
    _gauge("tocsin_alertmanager_firing_alerts", "Alerts that fire, as last told.", "alertmanager"),
    _gauge("tocsin_alertmanager_suppressed_alerts", "Of these, the silenced or inhibited ones.", "alertmanager"),
    _gauge("tocsin_alertmanager_told_timestamp_seconds", "Wall time it last took them.", "alertmanager"),
    _gauge("tocsin_outbox_held_incidents", "Incidents whose notices wait for a silence to end.", "receiver"),
    _counter("tocsin_notices_withdrawn_total", "Notices never sent: silenced until it was over.", "receiver"),
    _gauge("tocsin_evidence_queued_jobs", "Jobs that wait for the evidence worker."),
    _gauge("tocsin_evidence_running", "1 while the evidence worker is at a job."),
    _counter("tocsin_evidence_jobs_total", "Jobs that came to a result, faulty ones included."),
    _gauge("tocsin_evidence_last_seconds", "Time taken by the last job."),
    _counter("tocsin_evidence_failures_total", "Reports, parts and metrics that came to nothing.", "model", "reason"),
    _counter("tocsin_evidence_workers_total", "Workers started."),
    _counter("tocsin_evidence_worker_ends_total", "Workers ended, by why.", "why"),
    _gauge("tocsin_evidence_resident_memory_bytes", "Resident memory of the worker; 0 when there is none."),
    _gauge("tocsin_evidence_resident_memory_peak_bytes", "The most it ever had."),
    _gauge("tocsin_evidence_report_files", "Reports on disk."),
    _gauge("tocsin_evidence_report_bytes", "Size of the reports on disk."),
    _counter("tocsin_evidence_reports_removed_total", "Reports removed, being too old or too many."),
    _counter(
        "tocsin_evidence_link_requests_total",
        "Requests by a link to a report: opened, or refused as expired, invalid (altered, or of an older key) or off.",
        "outcome",
    ),
    _info("tocsin_audit_key_info", "Id of the key that signs the audit log's heads.", "key"),
    _gauge("tocsin_audit_verified", "0 when the end of the audit log did not verify at the start; none: it was new."),
    _counter("tocsin_audit_records_total", "Audit records written by the daemon."),
    _gauge("tocsin_audit_head_sequence", "Number of the newest audit record: the anchor, with its digest."),
    _gauge(
        "tocsin_audit_head_digest",
        "Its SHA-256 in five whole numbers: 13 hex digits each from the left, the last 12.",
        "part",
    ),
    _gauge("tocsin_audit_head_timestamp_seconds", "Wall time of the newest audit record."),
    _gauge("tocsin_audit_signed_sequence", "Number of the audit record up to which a head is signed."),
    _counter("tocsin_audit_failures_total", "Writes of the audit log that failed."),
    _gauge("tocsin_audit_waiting_records", "Audit records that wait to be written."),
    _counter("tocsin_audit_lost_records_total", "Audit records lost: more had to wait than are held."),
    _counter("tocsin_audit_torn_total", "Torn lines that a crash left in the audit log and that were set aside."),
    _counter("tocsin_audit_dropped_files_total", "Files of the audit log dropped over `audit.bytes_max`."),
    _gauge("tocsin_audit_files", "Files of audit records."),
    _gauge("tocsin_audit_size_bytes", "Size of the audit records."),
)

MODEL = (
    _info("tocsin_model_info", "Task of a model: classification, regression, ranking.", "model", "task"),
    _info("tocsin_bundle_info", "The bundle being served, and the known-good.", "model", "bundle", "name", "role"),
    _gauge("tocsin_serving_status", "1 for what is served: known_good, candidate ...", "model", "status"),
    _gauge("tocsin_serving_epoch", "Number of the activation being served.", "model"),
    _gauge("tocsin_serving_since_timestamp_seconds", "Event time this activation began.", "model"),
    _gauge("tocsin_serving_proved_timestamp_seconds", "Event time the server last proved what it serves.", "model"),
    _gauge("tocsin_serving_unproved_seconds", "Time since the server stopped proving what it serves.", "model"),
    _gauge("tocsin_serving_unsteady", "1 while the server takes turns between bundles.", "model"),
    _counter("tocsin_probe_rounds_total", "Rounds of golden probes since the start.", "model", "verdict"),
    _gauge("tocsin_probe_verdict", "1 for what the last round of golden probes said.", "model", "verdict"),
    _gauge("tocsin_probe_rows", "Rows in the set of golden probes.", "model"),
    _gauge("tocsin_probe_recorded", "1 if the set holds answers of the checkpoint being served.", "model"),
    _gauge("tocsin_probe_asked_timestamp_seconds", "Event time golden probes were last asked.", "model"),
    _gauge("tocsin_probe_mismatches", "Rows of the worst answer that differ by more than is tolerated.", "model"),
    _gauge("tocsin_probe_flips", "Rows of the worst answer that got another class.", "model"),
    _gauge("tocsin_probe_exact_ratio", "Share of rows of the worst answer that are the same to the last bit.", "model"),
    _gauge("tocsin_probe_difference_max", "Largest difference of a score, or of a number to the largest.", "model"),
    _gauge("tocsin_probe_divergence_nats", "Mean divergence of the scores given from those recorded.", "model"),
    _counter("tocsin_predictions_total", "Predictions counted.", "model"),
    _counter("tocsin_labels_total", "Labels counted, by trust in their source.", "model", "trusted"),
    _counter("tocsin_labels_repeated_total", "Labels that said again what their source had said.", "model"),
    _counter("tocsin_labels_corrected_total", "Labels that took back what their source had said.", "model"),
    _counter("tocsin_labels_sampled_out_total", "Labels whose prediction's receipt had been dropped.", "model"),
    _counter("tocsin_pairs_total", "Predictions the known-good answered as well.", "model"),
    _counter("tocsin_pairs_failed_total", "Predictions the known-good was asked and did not answer.", "model"),
    _counter("tocsin_predictions_unattributed_total", "Predictions made while a switch was under way.", "model"),
    _counter("tocsin_claim_mismatches_total", "Predictions whose client named another bundle.", "model"),
    _gauge("tocsin_last_prediction_timestamp_seconds", "Event time of the newest prediction counted.", "model"),
    _gauge("tocsin_last_label_timestamp_seconds", "Event time of the newest label counted.", "model"),
    _gauge("tocsin_output_rows", "Predictions of the newest window by output.", "model", "class"),
    _gauge("tocsin_confusion_rows", "Labelled rows of the newest window.", "model", "predicted", "label"),
    _gauge("tocsin_incidents_open", "Incidents not closed yet.", "model"),
    _counter("tocsin_incidents_total", "Incidents opened.", "model"),
    _info("tocsin_rollback_mode_info", "How far a rollback may go without a person.", "model", "mode"),
    _gauge(
        "tocsin_release_index_usable",
        "0 while the release index cannot be used and the last good one is.",
        "model",
    ),
    _gauge("tocsin_release_index_serial", "Serial of the newest release index that was believed.", "model"),
    _gauge(
        "tocsin_release_index_expires_timestamp_seconds",
        "Wall time from which the release index gives no targets, unless somebody signs a newer one.",
        "model",
    ),
    _gauge(
        "tocsin_rollback_contact_within_seconds", "How long mode auto acts without contact of an operator.", "model"
    ),
    _gauge(
        "tocsin_rollback_degrades_in_seconds",
        "Until mode auto only proposes because no operator was in touch; below 0 since it does.",
        "model",
    ),
    _gauge(
        "tocsin_promotion_held",
        "1 for what a served candidate has earned of being known-good, 0 for what speaks against it.",
        "model",
        "condition",
    ),
    _gauge("tocsin_gate_state", "1 for what a deployer is told: ok, bad or unknown.", "model", "state"),
    _gauge("tocsin_rollback_latched", "1 when automation is off until a person unlatches it.", "model"),
    _counter("tocsin_rollbacks_total", "Rollbacks that reached this step.", "model", "step"),
    _gauge("tocsin_staged_copies", "Copies of checkpoints beside the link.", "model"),
    _gauge("tocsin_staged_bytes", "What they take.", "model"),
    _gauge("tocsin_staged_ready", "1 while what a rollback would go to is at hand, verified and untouched.", "model"),
    _gauge("tocsin_staged_verified_timestamp_seconds", "Wall time all of that copy was last read.", "model"),
    _counter("tocsin_staging_failures_total", "Copies that could not be made or kept, by reason.", "model", "reason"),
    _gauge("tocsin_rollbacks_waiting", "Rollbacks that wait for a person's approval.", "model"),
    _gauge("tocsin_last_rollback_timestamp_seconds", "Event time of the last committed rollback.", "model"),
    _info("tocsin_rule_info", "The rules of a model.", "model", "rule", "detector", "family", "severity"),
    _gauge("tocsin_rule_window_seconds", "Length of the window a rule reads.", "model", "rule"),
    _gauge("tocsin_alert_state", "1 for the state an alert is in, as in ALERTS.", "model", "rule", "segment", "state"),
    _gauge("tocsin_alert_since_timestamp_seconds", "Event time of that state.", "model", "rule", "segment"),
    _gauge(
        "tocsin_sequential_log_odds",
        "Logarithm of the evidence against a family's loudest group over the tier's budget; 0 crosses.",
        "model",
        "family",
        "tier",
    ),
    _gauge("tocsin_sequential_latched", "1 while a group that crossed a budget is not calm.", "model", "rule", "group"),
    _gauge(
        "tocsin_sequential_budget_seconds", "Event time for each false alarm of a tier, on average.", "model", "tier"
    ),
    _gauge("tocsin_sequential_bands", "Quantities that the e-detector watches.", "model"),
    _gauge("tocsin_sequential_bands_unknown", "Of these, quantities without a band: nothing is bet on them.", "model"),
    _gauge(
        "tocsin_sequential_segments",
        "Segments whose errors may page: `watched`, `unknown` without a band, `left` out as the rules bound them.",
        "model",
        "state",
    ),
    _counter("tocsin_sequential_rows_total", "Rows bet on since the activation or the budget began.", "model"),
    _gauge("tocsin_sequential_every_seconds", "Event time between ticks, as the rules say.", "model"),
    _gauge("tocsin_sequential_tick_timestamp_seconds", "Event time of the e-detector's last tick.", "model"),
    _gauge("tocsin_label_windows_open", "Windows of predictions that wait for labels before they are bet on.", "model"),
    _counter(
        "tocsin_label_windows_closed_total", "Windows bet on since the activation, by what closed them.", "model", "how"
    ),
    _counter("tocsin_labels_revised_total", "Labels that came after their window was bet on: shown only.", "model"),
    _gauge("tocsin_labels_expected_ratio", "Share of rows that are labelled in the end, of the last windows.", "model"),
    _gauge("tocsin_evidence_value", "A metric of sampled rows, by its name in the settings.", "model", "metric"),
    _gauge("tocsin_evidence_end_timestamp_seconds", "Event time the rows of these values ended.", "model"),
    _counter("tocsin_evidence_reports_total", "Reports written.", "model"),
)

_BINS = ("model", "profile")
PICTURES = (
    _counter("tocsin_output_bin_rows_total", "Predictions by output since the start.", *_BINS, "bin"),
    _gauge("tocsin_reference_output_bin_ratio", "Share of the reference's rows with this output.", *_BINS, "bin"),
    _gauge("tocsin_reference_output_rows", "Rows of the reference in these bins.", *_BINS),
    _counter("tocsin_score_bin_rows_total", "Predictions by score since the start; not cumulative.", *_BINS, "le"),
    _gauge("tocsin_reference_score_bin_ratio", "Share of the reference's scored rows.", *_BINS, "le"),
    _gauge("tocsin_reference_score_rows", "Rows of the reference in these bins.", *_BINS),
    _counter(
        "tocsin_feature_bin_rows_total", "Predictions by a feature's value since the start.", *_BINS, "feature", "bin"
    ),
    _gauge(
        "tocsin_reference_feature_bin_ratio", "Share of the reference's rows with a value.", *_BINS, "feature", "bin"
    ),
    _gauge("tocsin_reference_feature_rows", "Rows of the reference in these bins.", *_BINS, "feature"),
    _gauge(
        "tocsin_feature_quantile",
        "Value below which this share of the newest window lies.",
        "model",
        "feature",
        "quantile",
    ),
    _gauge("tocsin_reference_feature_quantile", "The same of the reference profile.", "model", "feature", "quantile"),
    _gauge("tocsin_feature_mean", "Mean of the newest window, in the feature's unit.", "model", "feature"),
    _gauge("tocsin_reference_feature_mean", "Mean of the reference profile.", "model", "feature"),
    _gauge(
        "tocsin_output_quantile",
        "The same of predicted numbers, in the target's unit, and of lengths of lists.",
        "model",
        "quantile",
    ),
    _gauge("tocsin_reference_output_quantile", "The same of the reference profile.", "model", "quantile"),
    _gauge("tocsin_output_mean", "Mean of the newest window's predicted numbers, or lengths of lists.", "model"),
    _gauge("tocsin_reference_output_mean", "Mean of the reference profile.", "model"),
)
