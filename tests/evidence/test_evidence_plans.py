"""What a job looks at, without and with an incident; and what settings make of it."""

from pathlib import Path

import pytest
from evidenceworld import MODEL, SCHEMA, ask
from pydantic import ValidationError

from monitor.evidence.archive import Archive
from monitor.evidence.plans import Plan, incident_job, incident_window, scheduled_job, worst_columns
from monitor.facts import Alert, AlertState, BundleId, Incident, Reading, Slot, Verdict
from monitor.settings import ModelEvidence

PLAN = Plan(Archive(Path("/evidence")), SCHEMA, None, Path("/r.parquet"), (ask("rows", "RowCount"),))


def fired(*slots: Slot) -> Alert:
    return Alert(MODEL, "drift", "", AlertState.FIRING, evidence=slots)


def slot(start: float, end: float, *worst: str) -> Slot:
    return Slot("drift", "", 3, start, end, Reading(Verdict.BREACH, 100, 0.3), worst)


def test_an_incident_is_looked_at_from_an_hour_before_its_first_window() -> None:
    assert incident_window([fired(slot(7_200, 7_500), slot(7_500, 7_800))], 9_000) == (3_600, 7_800)


def test_a_long_incident_is_looked_at_for_a_day() -> None:
    assert incident_window([fired(slot(0, 60), slot(0, 200_000))], 200_000) == (200_000 - 86_400, 200_000)


def test_an_incident_without_windows_ends_now() -> None:
    assert incident_window([fired()], 9_000) == (5_400, 9_000)


def test_the_features_named_most_often_come_first() -> None:
    assert worst_columns([slot(0, 1, "a", "b"), slot(1, 2, "b", "c")]) == ("b", "a", "c")


def test_the_job_of_an_incident_bears_its_name() -> None:
    incident = Incident("delays-1", MODEL, 0, 3, BundleId("sha256:1"), "drift", ("drift", "error"))
    job = incident_job(PLAN, incident, [fired(slot(7_200, 7_500, "distance"))], 9_000, [Path("/s")])
    assert (job.id, job.epoch, job.columns, job.report) == (
        "delays-1",
        3,
        ("distance",),
        "/evidence/delays/delays-1.html",
    )
    assert job.title == "Incident delays-1: drift (drift, error)"


@pytest.mark.parametrize(("report", "name"), [(True, "report-1970-01-02T000000"), (False, "metrics-1970-01-02T000000")])
def test_a_scheduled_job_is_named_by_the_end_of_its_period(report: bool, name: str) -> None:
    job = scheduled_job(PLAN, (0, 86_400), [], report=report)
    assert (job.id, job.start, job.end, job.asks) == (name, 0, 86_400, PLAN.asks)
    assert job.report == (f"/evidence/delays/{name}.html" if report else "")


def evidence(text: str) -> ModelEvidence:
    return ModelEvidence.model_validate_json(text)


def test_settings_are_asked_for_under_the_operators_name() -> None:
    read = evidence('{"metrics": {"moved": {"metric": "ValueDrift", "column": "x", "method": "psi"}}}')
    assert read.asks == (ask("moved", "ValueDrift", column="x", method="psi"),)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"metrics": {"a": {"metric": "ValueDrfit", "column": "x"}}}', "did you mean `ValueDrift`"),
        ('{"metrics": {"a": {"metric": "ValueDrift"}}}', "column: is required"),
        ('{"metrics": {"a": {"metric": "MeanValue", "column": {"x": 1}}}}', "no parameter can be"),
        ('{"metrics": {"A b": {"metric": "RowCount"}}}', "lower-case letters"),
        ('{"every": "1m"}', "at least 5m"),
    ],
)
def test_settings_say_what_is_wrong_before_anything_is_started(text, why) -> None:
    with pytest.raises(ValidationError, match=why):
        evidence(text)


def test_never_is_a_period() -> None:
    assert evidence('{"every": "0s", "metrics_every": "0s"}').every == 0
