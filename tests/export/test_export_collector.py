import math
import re
from dataclasses import replace

import pytest
from msgspec.structs import replace as replace_reading
from prometheus_client.exposition import generate_latest
from snapshots import BAD, BROKEN, GOOD, MODEL, NOW, UNKNOWN, breach, full, model, ok, rule, sequential, snapshot, view

from monitor.export.collector import Collector, describe
from monitor.export.metrics import LIVE, PICTURES
from monitor.export.model_lines import CELLS_MAX
from monitor.export.readings import METRICS
from monitor.export.sequential import LatchView
from monitor.export.sequential_lines import LATCHED_MAX
from monitor.export.shown import SHOWN, suffixed
from monitor.export.snapshot import ConfusionCell, ReadingView, ReferenceRole, ServingStatus, Snapshot
from monitor.facts import Alert, AlertState, Reading, RejectReason, Subject, Verdict

DRAWN = {metric.name for metric in PICTURES}


def shown(found):
    """{name: [(labels, value), ...]} of what a snapshot is rendered to."""
    lines = {}
    for family in Collector().collect(found).collect():
        for sample in family.samples:
            lines.setdefault(sample.name, []).append((sample.labels, sample.value))
    return lines


def one(found, name, /, **labels):
    """The only value under this name and these labels."""
    [value] = [value for have, value in shown(found)[name] if labels.items() <= have.items()]
    return value


def test_a_full_snapshot_shows_every_metric_that_is_described():
    rendered = {re.sub("_(count|sum)$", "", name) for name in shown(full())}
    live = {metric.name for metric in LIVE}
    assert rendered | live == {name for name, *_ in describe()}
    assert not rendered & live


def test_every_sample_has_only_the_labels_that_are_described():
    labels_of = {name: set(labels) for name, _, labels, _ in describe()}
    for name, samples in shown(full()).items():
        for labels, _ in samples:
            assert set(labels) <= labels_of[re.sub("_(count|sum)$", "", name)]


def test_every_metric_follows_the_naming_rules():
    for name, kind, labels, text in describe():
        assert re.fullmatch(r"tocsin_[a-z0-9]+(_[a-z0-9]+)*", name)
        assert (kind == "counter") == name.endswith("_total")
        assert (kind == "info") == name.endswith("_info")
        assert text.endswith(".")
        assert not {"id", "value", "source"} & set(labels)
        assert ({"le", "quantile", "bin", "profile"} & set(labels) == set()) or name in DRAWN


def test_a_time_is_a_timestamp_and_a_share_is_a_ratio():
    assert METRICS["tocsin_clock_timestamp_seconds"].unit == "seconds"
    assert METRICS["tocsin_error_ratio"].unit == "ratio"
    assert METRICS["tocsin_feature_psi"].unit == ""


def test_a_reading_shows_value_limit_rows_and_verdict():
    found = snapshot(view(breach(0.31, n=777)))
    labels = {"model": "delays", "rule": "features-psi", "reference": "own", "feature": "hour"}
    assert shown(found)["tocsin_feature_psi"] == [(labels, 0.31)]
    assert shown(found)["tocsin_feature_psi_limit"] == [(labels, 0.2)]
    assert shown(found)["tocsin_reading_rows"] == [(labels, 777)]
    assert shown(found)["tocsin_reading_verdict"] == [(labels | {"verdict": "breach"}, 1)]


@pytest.mark.parametrize("reading", [UNKNOWN, BROKEN, Reading(Verdict.UNKNOWN, 3, 0.4, limit=0.2, why="few rows")])
def test_a_reading_without_a_verdict_shows_no_value(reading):
    lines = shown(snapshot(view(reading)))
    assert not [name for name in lines if name.startswith("tocsin_feature_")]
    assert lines["tocsin_reading_verdict"][0][0]["verdict"] == reading.verdict.value


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_no_number_is_shown_as_broken(value):
    lines = shown(snapshot(view(ok(value))))
    assert "tocsin_feature_psi" not in lines
    assert lines["tocsin_reading_verdict"][0][0]["verdict"] == "broken"


def test_a_rule_counts_its_readings_by_verdict():
    found = snapshot(view(ok(), "a"), view(breach(), "b"), view(breach(), "c"), view(UNKNOWN, "d"))
    counts = {
        verdict: one(found, "tocsin_readings", verdict=verdict) for verdict in ("ok", "breach", "unknown", "broken")
    }
    assert counts == {"ok": 1, "breach": 2, "unknown": 1, "broken": 0}


def test_the_newest_window_end_of_a_rule_is_shown():
    found = snapshot(view(ok(), "a", window_end=NOW - 60), view(ok(), "b", window_end=NOW))
    assert one(found, "tocsin_window_end_timestamp_seconds", rule="features-psi") == NOW


def test_error_and_paired_difference_carry_their_interval():
    error = ReadingView(rule("error", Subject.OUTCOMES), breach(0.3), NOW)
    paired = ReadingView(rule("paired_error", Subject.PAIRS), breach(0.1), NOW)
    lines = shown(snapshot(error, paired))
    assert lines["tocsin_error_low_ratio"][0][1] == pytest.approx(0.29)
    assert lines["tocsin_error_high_ratio"][0][1] == pytest.approx(0.31)
    assert lines["tocsin_paired_error_difference_low_ratio"][0][1] == pytest.approx(0.09)


def test_an_interval_that_is_not_known_has_no_samples_and_the_value_stays():
    bare = ReadingView(rule("bias", Subject.OUTCOMES), replace_reading(breach(-0.3), low=None, high=None), NOW)
    lines = shown(snapshot(bare))
    assert lines["tocsin_bias"][0][1] == -0.3
    assert "tocsin_bias_low" not in lines


def test_the_shares_of_a_feature_carry_their_interval():
    lines = shown(snapshot(view(breach(0.3), rule=rule("missing_share"))))
    assert lines["tocsin_feature_missing_low_ratio"] == [
        (lines["tocsin_feature_missing_ratio"][0][0], pytest.approx(0.29))
    ]


def test_the_two_references_are_two_series():
    judged = view(breach(), reference=ReferenceRole.JUDGE)
    found = snapshot(view(ok()), judged)
    assert one(found, "tocsin_feature_psi", reference="own") == 0.1
    assert one(found, "tocsin_feature_psi", reference="judge") == 0.3


def test_a_detector_from_elsewhere_gets_the_generic_family():
    foreign = ReadingView(rule("foreign", Subject.SCORE), ok(), NOW)
    assert one(snapshot(foreign), "tocsin_reading_value", detector="foreign") == 0.1


def test_what_is_served_is_one_of_the_states():
    found = snapshot(status=ServingStatus.UNREGISTERED)
    states = {labels["status"]: value for labels, value in shown(found)["tocsin_serving_status"]}
    assert [name for name, value in states.items() if value] == ["unregistered"]
    assert set(states) == {status.value for status in ServingStatus}


def test_serving_and_known_good_bundles_are_told_apart():
    assert one(full(), "tocsin_bundle_info", role="serving", bundle=BAD, name="v2") == 1
    assert one(full(), "tocsin_bundle_info", role="known_good", bundle=GOOD, name="v1") == 1


def test_a_condition_of_a_promotion_that_cannot_be_told_has_no_line():
    held = {labels["condition"]: value for labels, value in shown(full())["tocsin_promotion_held"]}
    assert held == {"soak": 1, "calm": 0}


def test_every_counter_starts_at_zero_with_all_its_reasons():
    lines = shown(snapshot())
    reasons = {labels["reason"] for labels, value in lines["tocsin_rows_rejected_total"] if value == 0}
    assert reasons == {reason.value for reason in RejectReason}
    assert {value for _, value in lines["tocsin_rollbacks_total"]} == {0}


def test_what_is_not_known_has_no_sample():
    lines = shown(snapshot())
    for name in ("tocsin_last_rollback_timestamp_seconds", "tocsin_state_free_bytes", "tocsin_fold_last_seconds"):
        assert name not in lines


def test_an_alert_shows_the_state_it_is_in():
    found = snapshot(alerts=(Alert(MODEL, "r", "", AlertState.PENDING, since=NOW),))
    assert shown(found)["tocsin_alert_state"] == [({"model": "delays", "rule": "r", "state": "pending"}, 1)]


def test_a_segment_that_the_settings_do_not_name_is_not_shown_but_counted():
    alert = Alert(MODEL, "r", "chosen-by-a-client")
    found = snapshot(view(ok(), "", segment="chosen-by-a-client"), alerts=(alert,), segments=("EWR",))
    assert b"chosen-by-a-client" not in generate_latest(Collector().collect(found))
    assert one(found, "tocsin_series_dropped_total") > 0


def test_a_segment_that_the_settings_name_is_a_label():
    found = snapshot(view(ok(), "", segment="EWR"), segments=("EWR",))
    assert one(found, "tocsin_reading_rows", segment="EWR") == 1_000


def test_a_class_called_like_another_series_cannot_spoil_the_scrape():
    cells = (ConfusionCell("a", "__other__", 1), ConfusionCell("a", "__other__", 2))
    found = snapshot(confusion=cells)
    assert one(found, "tocsin_confusion_rows", predicted="a") == 1
    assert one(found, "tocsin_series_dropped_total") == 1


def test_a_confusion_matrix_of_many_classes_is_left_to_the_evidence():
    cells = tuple(ConfusionCell(str(i), str(i), 1) for i in range(CELLS_MAX + 1))
    assert "tocsin_confusion_rows" not in shown(snapshot(confusion=cells))


def test_a_reading_of_a_segment_and_of_the_whole_are_two_series():
    by = ReadingView(rule("error", Subject.OUTCOMES), breach(0.3), NOW, segment="origin=EWR")
    found = snapshot(by, replace(by, segment="", reading=ok(0.1)), segments=("origin=EWR",))
    assert one(found, "tocsin_error_ratio", segment="origin=EWR") == 0.3
    assert sorted(value for _, value in shown(found)["tocsin_error_ratio"]) == [0.1, 0.3]


def test_an_alert_of_a_segment_names_it():
    alert = Alert(MODEL, "r", "origin=EWR", AlertState.FIRING, since=NOW)
    assert one(snapshot(alerts=(alert,), segments=("origin=EWR",)), "tocsin_alert_state", segment="origin=EWR") == 1


def test_a_daemon_without_evidence_or_alertmanagers_says_nothing_of_them():
    names = set(shown(snapshot()))
    assert not [name for name in names if "evidence" in name or "alertmanager" in name]


def test_a_server_that_proves_is_unproved_for_zero_seconds_and_one_that_is_not_asked_has_no_sample():
    assert one(snapshot(unproved_s=0.0), "tocsin_serving_unproved_seconds") == 0
    assert "tocsin_serving_unproved_seconds" not in shown(snapshot())


def test_two_models_do_not_mix():
    base = snapshot(view(ok()))
    other = model(view(breach()), model="credit")
    found = Snapshot(NOW, (*base.models, other), base.daemon)
    assert one(found, "tocsin_feature_psi", model="delays") == 0.1
    assert one(found, "tocsin_feature_psi", model="credit") == 0.3


def test_a_name_that_cannot_be_encoded_is_rendered_all_the_same():
    found = snapshot(view(ok(), 'sur\ud800rogate "quoted"\nline'))
    assert b'feature="sur?rogate \\"quoted\\"\\nline"' in generate_latest(Collector().collect(found))


def test_the_same_snapshot_renders_to_the_same_bytes():
    assert generate_latest(Collector().collect(full())) == generate_latest(Collector().collect(full()))


def test_two_families_never_share_a_name():
    names = [suffixed(found.name, "limit") for found in SHOWN.values()] + [found.name for found in SHOWN.values()]
    assert len(names) == len(set(names))


def test_what_waits_for_a_restart_is_told_by_section_and_ends_with_it():
    base = snapshot()
    waits = replace(base, daemon=replace(base.daemon, waiting={"http": 2}))
    assert one(waits, "tocsin_config_settings_waiting_for_restart", section="http") == 2
    assert "tocsin_config_settings_waiting_for_restart" not in shown(base)


def test_the_last_reload_is_told():
    base = snapshot()
    failed = replace(base, daemon=replace(base.daemon, reload_ok=False))
    assert one(base, "tocsin_config_last_reload_successful") == 1
    assert one(failed, "tocsin_config_last_reload_successful") == 0


def test_no_more_latched_groups_are_shown_than_there_is_room_for_and_the_loudest_are():
    latched = tuple(LatchView("features_page", f"f{odds}", NOW, float(odds), "") for odds in range(1, LATCHED_MAX + 11))
    view = replace(sequential(), latched=latched)
    found = Collector().collect(snapshot(sequential=view)).collect()
    lines = {family.name: family.samples for family in found}
    groups = {sample.labels["group"] for sample in lines["tocsin_sequential_latched"]}
    assert groups == {f"f{odds}" for odds in range(11, LATCHED_MAX + 11)}
    assert lines["tocsin_series_dropped"][0].value == 10
