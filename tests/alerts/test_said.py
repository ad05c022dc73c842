"""An alert is its label set, which stands still; everything that changes is an annotation."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from said import make_alert, make_incident, make_standing

from monitor.alerts.said import encode, say
from monitor.facts import AlertState

NOW = 5000.0


def said(*alerts, incidents=(), more=None, replica="0"):
    return say([make_standing(*alerts, incidents=incidents)], replica, more or {}, "http://tocsin/")


def test_the_labels_are_few_and_name_the_rule_the_model_and_who_saw_it():
    [one] = said(make_alert("drift", segment="origin=EWR"), more={"team": "risk"}, replica="7")
    assert one.labels == {
        "alertname": "drift",
        "model": "delays",
        "family": "features",
        "severity": "warning",
        "segment": "origin=EWR",
        "monitor": "tocsin",
        "replica": "7",
        "team": "risk",
    }


def test_labels_of_the_settings_never_stand_in_for_ours():
    assert said(make_alert(), more={"model": "other", "monitor": "other"}) == said(make_alert())


@given(st.floats(0, 1), st.floats(1, 1e9), st.sampled_from([(), ("drift",), ("error",)]))
def test_the_same_alert_is_the_same_whatever_it_measures_and_since_when(value, since, alerts):
    incidents = [make_incident(*alerts)] if alerts else []
    [one] = said(make_alert(value=value, since=since), incidents=incidents)
    assert one.identity == said(make_alert())[0].identity


def test_built_in_pages_are_critical_alerts_of_identity():
    [one] = said(make_alert("unregistered"))
    assert (one.labels["severity"], one.labels["family"]) == ("critical", "identity")


def test_an_alert_leads_to_its_newest_incident():
    older, newer = make_incident("drift"), msgspec.structs.replace(make_incident("error", "drift"), id="delays-2")
    [one] = said(make_alert(), incidents=[older, newer])
    assert (one.page, one.annotations["incident"]) == ("http://tocsin/v1/incidents/delays-2", "delays-2")
    assert said(make_alert())[0].page == "http://tocsin/v1/status"


def test_an_alert_says_where_the_report_of_its_incident_is_and_nothing_where_none_is_made():
    standing = make_standing(make_alert(), incidents=[make_incident("drift")])
    linked = msgspec.structs.replace(standing, evidence=lambda incident: f"http://tocsin/{incident.id}?signature=s")
    [one], [without] = (say([each], "0", {}, "http://tocsin") for each in (linked, standing))
    assert one.annotations["evidence"] == "http://tocsin/delays-1?signature=s"
    assert one.identity == without.identity
    assert "evidence" not in without.annotations
    [lost] = say([msgspec.structs.replace(linked, incidents=[])], "0", {}, "http://tocsin")
    assert "evidence" not in lost.annotations


def test_the_numbers_are_annotations():
    [one] = said(make_alert(value=0.31))
    assert {"value": "0.31", "limit": "0.2", "n": "1812", "columns": "wind"}.items() <= one.annotations.items()


def test_critical_ones_come_first():
    found = said(make_alert("drift"), make_alert("unregistered"), make_alert("broken_schema"))
    assert [one.key.rule for one in found] == ["broken_schema", "unregistered", "drift"]


@pytest.mark.parametrize("state", [AlertState.INACTIVE, AlertState.PENDING])
def test_what_does_not_fire_is_not_said(state):
    assert said(make_alert(state=state)) == []


def test_what_fires_ends_ahead_and_what_is_over_when_it_was():
    over = msgspec.structs.replace(make_alert("broken_schema", AlertState.RESOLVED, since=4000.0), fired=1000.0)
    first, second = json.loads(encode(said(make_alert(), over), NOW, 240.0))
    assert (first["startsAt"], first["endsAt"]) == ("1970-01-01T00:16:40.000Z", "1970-01-01T01:06:40.000Z")
    assert (second["startsAt"], second["endsAt"]) == ("1970-01-01T00:16:40.000Z", "1970-01-01T01:27:20.000Z")


@given(st.floats(0, 1e10), st.floats(0, 1e10), st.sampled_from([AlertState.FIRING, AlertState.RESOLVED]))
def test_nothing_ends_before_it_starts_whatever_the_clocks_say(since, wall, state):
    [one] = json.loads(encode(said(make_alert(state=state, since=since)), wall, 240.0))
    assert one["startsAt"] <= one["endsAt"]
