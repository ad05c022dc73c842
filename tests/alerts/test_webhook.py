import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.alerts.techniques import TECHNIQUES, techniques
from monitor.alerts.webhook import ALERTS_MAX, TEXT_MAX, body, fingerprint
from monitor.facts import AlertState, NoticeStatus, Severity

URL = "https://tocsin.example.test/"


def _body(notice):
    return json.loads(body(notice, "ops", URL))


def test_says_what_how_much_and_where_to_look(notice):
    document = _body(notice())
    alert = document["alerts"][0]
    assert (document["version"], document["status"], document["receiver"]) == ("4", "firing", "ops")
    assert alert["labels"] == {
        "alertname": "paired_error",
        "model": "delays",
        "severity": "critical",
        "tocsin_incident": "i-1",
    }
    assert alert["generatorURL"] == "https://tocsin.example.test/v1/incidents/i-1"


def test_numbers_of_the_evidence_are_annotations(notice):
    said = _body(notice())["alerts"][0]["annotations"]
    numbers = {name: said[name] for name in ("value", "limit", "interval", "n", "unit", "windows")}
    assert numbers == {
        "value": "0.123457",
        "limit": "0.05",
        "interval": "0.09 to 0.15",
        "n": "1812",
        "unit": "share",
        "windows": "1",
    }
    assert said["window"] == "1970-01-01T00:16:40.000Z/1970-01-01T00:26:40.000Z"
    assert said["columns"] == "dep_hour, wind"


def test_summary_and_details_say_what_was_done(notice):
    said = _body(notice(details=(("action", "rolled back to v1"), ("9 to 5", "x"))))["alerts"][0]["annotations"]
    assert said["summary"] == notice().summary
    assert said["action"] == "rolled back to v1"
    assert said["_9_to_5"] == "x"
    assert said["description"].endswith("; action: rolled back to v1; 9 to 5: x")


def test_a_detail_cannot_stand_in_for_evidence(notice):
    said = _body(notice(details=(("value", "0"), ("summary", "all is well"))))["alerts"][0]["annotations"]
    assert (said["value"], said["summary"]) == ("0.123457", notice().summary)


def test_names_the_techniques_to_look_for(notice):
    assert _body(notice())["alerts"][0]["annotations"]["atlas_techniques"].startswith("AML.T0020, ")


def test_a_firing_alert_has_not_ended(notice):
    alert = _body(notice())["alerts"][0]
    assert (alert["startsAt"], alert["endsAt"]) == ("1970-01-01T00:27:30.000Z", "0001-01-01T00:00:00Z")


def test_a_resolved_notice_resolves_every_alert(notice, alert):
    alerts = (alert(), alert("output_shift", state=AlertState.RESOLVED))
    document = _body(notice(status=NoticeStatus.RESOLVED, alerts=alerts))
    assert document["status"] == "resolved"
    assert [(a["status"], a["endsAt"]) for a in document["alerts"]] == [
        ("resolved", "1970-01-01T00:41:40.000Z"),
        ("resolved", "1970-01-01T00:28:20.000Z"),
    ]


def test_a_firing_notice_may_hold_a_resolved_alert(notice, alert):
    alerts = (alert(), alert("output_shift", state=AlertState.RESOLVED), alert("psi", state=AlertState.PENDING))
    document = _body(notice(alerts=alerts))
    assert [(a["labels"]["alertname"], a["status"]) for a in document["alerts"]] == [
        ("paired_error", "firing"),
        ("output_shift", "resolved"),
    ]


@pytest.mark.parametrize("status", NoticeStatus)
def test_a_notice_without_alerts_still_is_one_alert(status, notice):
    alert = _body(notice(status=status, alerts=()))["alerts"][0]
    assert (alert["labels"]["alertname"], alert["status"]) == ("paired_error", status.value)
    assert alert["startsAt"] == "1970-01-01T00:27:30.000Z"


def test_a_segment_is_a_label_only_where_there_is_one(notice, alert):
    document = _body(notice(alerts=(alert(), alert(segment="origin=EWR"))))
    assert [a["labels"].get("segment") for a in document["alerts"]] == [None, "origin=EWR"]


def test_common_labels_are_those_all_alerts_share(notice, alert):
    document = _body(notice(alerts=(alert("a"), alert("b", segment="s"))))
    assert document["commonLabels"] == {"model": "delays", "severity": "critical", "tocsin_incident": "i-1"}
    assert "alertname" not in document["commonLabels"]


def test_too_many_alerts_are_cut_and_counted(notice, alert):
    document = _body(notice(alerts=tuple(alert(f"r{i}") for i in range(ALERTS_MAX + 7))))
    assert (len(document["alerts"]), document["truncatedAlerts"]) == (ALERTS_MAX, 7)


def test_annotations_are_cut(notice):
    assert len(_body(notice(summary="x" * 9999))["alerts"][0]["annotations"]["summary"]) == TEXT_MAX


def test_unknown_numbers_are_left_out_and_never_nan(notice, alert):
    bare = alert(value=None, limit=None, low=None, high=None, n=0)
    said = _body(notice(alerts=(bare,)))["alerts"][0]["annotations"]
    assert not {"value", "limit", "interval"} & said.keys()
    assert said["n"] == "0"


def test_what_a_detector_says_in_words_stays_inside(notice, alert):
    assert b"canary" not in body(notice(alerts=(alert(why="saw canary"),)), "ops", URL)


def test_the_same_notice_is_the_same_bytes(notice):
    assert body(notice(), "ops", URL) == body(notice(), "ops", URL)


@settings(derandomize=True)
@given(st.dictionaries(st.text(min_size=1), st.text()))
def test_a_fingerprint_is_sixteen_digits_and_no_matter_of_order(labels):
    try:
        made = fingerprint(labels)
    except UnicodeEncodeError:  # a lone surrogate is no label
        return
    assert len(made) == 16
    assert made == fingerprint(dict(reversed(labels.items())))


def test_the_fingerprint_of_no_labels_is_the_offset_basis():
    assert fingerprint({}) == "cbf29ce484222325"  # FNV-1a, 64 bits


@pytest.mark.parametrize("severity", Severity)
def test_every_severity_is_a_label(severity, notice):
    assert _body(notice(severity=severity))["commonLabels"]["severity"] == severity.value


@pytest.mark.parametrize("ids", [ids for _, ids in TECHNIQUES])
def test_technique_ids_are_spelt_as_atlas_spells_them(ids):
    assert all(part.startswith("AML.T0") and len(part) in {9, 13} for part in ids)


def test_a_rule_without_a_threat_names_none():
    assert techniques("feature_drift") == ()
