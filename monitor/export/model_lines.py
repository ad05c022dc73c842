"""The lines of one model that have a place before anything of its features: what is served, counted, decided."""

from monitor.decisions.clearance import ClearanceState
from monitor.export.edges import ModelEvidence, ProbesView, StagedView
from monitor.export.sequential_lines import add_sequential
from monitor.export.series import Series
from monitor.export.snapshot import ModelView, ServingStatus
from monitor.facts import Alert, RollbackStep, Verdict

ASKED = (Verdict.OK, Verdict.BREACH, Verdict.UNKNOWN)  # what a round of probes can say
CELLS_MAX = 100  # of one model's confusion matrix: ten classes; over that it is for the incident's evidence


def add_model(series: Series, view: ModelView) -> None:
    """Add everything but readings and pictures."""
    series.add("tocsin_model_info", 1, model=view.model, task=view.task.value)
    _serving(series, view)
    if view.probes is not None:
        _probes(series, view.model, view.probes)
    _counts(series, view)
    series.add("tocsin_incidents_open", view.incidents_open, model=view.model)
    series.add("tocsin_incidents_total", view.incidents_opened, model=view.model)
    series.add("tocsin_rollback_mode_info", 1, model=view.model, mode=view.mode.value)
    series.add("tocsin_rollback_contact_within_seconds", view.contact_within_s, model=view.model)
    series.add("tocsin_rollback_degrades_in_seconds", view.degrades_in_s, model=view.model)
    series.add("tocsin_release_index_usable", view.release_index_ok, model=view.model)
    series.add("tocsin_release_index_serial", view.release_index_serial, model=view.model)
    series.add("tocsin_release_index_expires_timestamp_seconds", view.release_index_expires, model=view.model)
    for state in ClearanceState if view.gate is not None else ():
        series.add("tocsin_gate_state", state is view.gate, model=view.model, state=state.value)
    for gate in view.promotion:  # what cannot be told has no line
        series.add("tocsin_promotion_held", gate.held, model=view.model, condition=gate.name)
    series.add("tocsin_rollback_latched", view.latched, model=view.model)
    for step in RollbackStep:
        series.add("tocsin_rollbacks_total", view.rollbacks.get(step, 0), model=view.model, step=step.value)
    if view.staged is not None:
        _staged(series, view.model, view.staged)
    series.add("tocsin_rollbacks_waiting", view.rollbacks_waiting, model=view.model)
    series.add("tocsin_last_rollback_timestamp_seconds", view.last_rollback, model=view.model)
    for rule in view.rules:
        names = {"model": view.model, "rule": rule.name}
        family, severity = rule.family.value, rule.severity.value
        series.add("tocsin_rule_info", 1, **names, detector=rule.detector, family=family, severity=severity)
        series.add("tocsin_rule_window_seconds", rule.window_s, **names)
    for alert in view.alerts:
        _alert(series, view, alert)
    if view.sequential is not None:
        add_sequential(series, view.model, view.sequential)
    if view.evidence is not None:
        _evidence(series, view.model, view.evidence)


def shown_segment(view: ModelView, segment: str) -> bool:
    """Whether a segment may be a label: clients name segments, only the settings say which are shown."""
    return not segment or segment in view.segments


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
    series.add("tocsin_serving_unproved_seconds", view.unproved_s, model=model)
    series.add("tocsin_serving_unsteady", view.unsteady, model=model)


def _staged(series: Series, model: str, staged: StagedView) -> None:
    series.add("tocsin_staged_copies", staged.copies, model=model)
    series.add("tocsin_staged_bytes", staged.size_bytes, model=model)
    series.add("tocsin_staged_ready", staged.ready, model=model)
    series.add("tocsin_staged_verified_timestamp_seconds", staged.verified, model=model)
    for reason, times in sorted(staged.failures.items()):
        series.add("tocsin_staging_failures_total", times, model=model, reason=reason)


def _probes(series: Series, model: str, probes: ProbesView) -> None:
    for verdict in ASKED:
        series.add("tocsin_probe_rounds_total", probes.rounds.get(verdict, 0), model=model, verdict=verdict.value)
        series.add("tocsin_probe_verdict", verdict is probes.verdict, model=model, verdict=verdict.value)
    series.add("tocsin_probe_rows", probes.rows, model=model)
    series.add("tocsin_probe_recorded", probes.recorded, model=model)
    series.add("tocsin_probe_asked_timestamp_seconds", probes.asked, model=model)
    series.add("tocsin_probe_mismatches", probes.mismatches, model=model)
    series.add("tocsin_probe_flips", probes.flips, model=model)
    series.add("tocsin_probe_exact_ratio", probes.exact, model=model)
    series.add("tocsin_probe_difference_max", probes.difference, model=model)
    series.add("tocsin_probe_divergence_nats", probes.divergence, model=model)


def _counts(series: Series, view: ModelView) -> None:
    model, totals = view.model, view.totals
    series.add("tocsin_predictions_total", totals.predictions, model=model)
    series.add("tocsin_labels_total", totals.labels, model=model, trusted="true")
    series.add("tocsin_labels_total", totals.labels_untrusted, model=model, trusted="false")
    series.add("tocsin_labels_repeated_total", totals.labels_repeated, model=model)
    series.add("tocsin_labels_corrected_total", totals.labels_corrected, model=model)
    series.add("tocsin_labels_sampled_out_total", totals.labels_sampled_out, model=model)
    series.add("tocsin_pairs_total", totals.pairs, model=model)
    series.add("tocsin_pairs_failed_total", totals.pairs_failed, model=model)
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
    if not shown_segment(view, alert.segment) and alert.segment not in view.groups:
        series.dropped += 2
        return
    names = {"model": view.model, "rule": alert.rule, "segment": alert.segment}
    series.add("tocsin_alert_state", 1, **names, state=alert.state.value)
    series.add("tocsin_alert_since_timestamp_seconds", alert.since, **names)


def _evidence(series: Series, model: str, evidence: ModelEvidence) -> None:
    series.add("tocsin_evidence_reports_total", evidence.reports, model=model)
    series.add("tocsin_evidence_end_timestamp_seconds", evidence.end, model=model)
    for metric, value in sorted(evidence.values.items()):
        series.add("tocsin_evidence_value", value, model=model, metric=metric)
