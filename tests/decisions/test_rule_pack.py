"""A rule pack is read as a whole, and what could weaken the policy is refused."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
import yaml
from judged import HOLD, PACK, RULES

from monitor.decisions.entry import seconds
from monitor.decisions.rules import (
    BUILT_IN,
    CAUSES,
    FAMILIES,
    OF_LABELS_THEMSELVES,
    PROVES_BETTER,
    SUPPORTING,
    misfits,
    parse_pack,
)
from monitor.detectors import DETECTORS
from monitor.errors import SettingsError
from monitor.facts import Family, Severity, Subject, Task

FOLDER = Path(__file__).parents[2] / "rules"
DEFAULT = yaml.safe_load((FOLDER / "default.yaml").read_text())


def problems(document: object) -> dict[str, str]:
    with pytest.raises(SettingsError) as caught:
        parse_pack(document, DETECTORS)
    return {problem.path: str(problem) for problem in caught.value.problems}


def with_rule(**changes: object) -> dict[str, object]:
    rule = {**HOLD, **RULES[0], **changes}
    return {"version": 1, "rules": [{key: value for key, value in rule.items() if value is not None}]}


def test_the_default_pack_is_read():
    pack = parse_pack(DEFAULT, DETECTORS)
    assert pack.get("paired_error").better
    assert pack.get("silence").sequential
    assert pack.get("label_lag").detector.limit_s == 86_400
    assert pack.get("paired_error").detector.limit == 0.03


def test_the_default_pack_wakes_nobody_for_input_drift():
    pack = parse_pack(DEFAULT, DETECTORS)
    drift = [rule for rule in pack.rules if rule.family is Family.FEATURES]
    assert drift
    assert all(rule.severity is Severity.NONE for rule in drift)


def test_the_default_pack_can_lead_to_a_rollback_only_by_two_families():
    pack = parse_pack(DEFAULT, DETECTORS)
    supporting = [rule for rule in (*pack.rules, *pack.budgeted) if rule.rollback]
    assert {rule.family for rule in supporting} == {Family.PAIRED, Family.LABELS, Family.OUTPUT}


def test_the_default_pack_says_what_every_alert_means():
    assert all(rule.summary for rule in parse_pack(DEFAULT, DETECTORS).rules if rule.severity is not Severity.NONE)


def test_defaults_of_a_rule():
    rule = parse_pack(with_rule(hold=None, calm=None, rollback=None), DETECTORS).rules[0]
    assert (rule.breaches, rule.of, rule.calm, rule.rollback, rule.cause) == (1, 1, 1, False, CAUSES[Family.PAIRED])
    assert (rule.window_s, rule.family) == (86_400, Family.PAIRED)


def test_hold_without_breaches_means_all_of_them():
    rule = parse_pack(with_rule(hold={"of": 3}), DETECTORS).rules[0]
    assert (rule.breaches, rule.of) == (3, 3)


def test_every_problem_is_told_at_once_with_its_path():
    bad = {**RULES[0], "window": "1 day", "limt": 1, "severity": "bad"}
    found = problems({"version": 2, "rulse": [], "readings": {}, "rules": [bad, 3]})
    expected = {"version", "rulse", "readings", "rules.0.window", "rules.0.limt", "rules.0.severity", "rules.1"}
    assert set(found) == expected


@pytest.mark.parametrize(
    ("change", "path", "words"),
    [
        ({"detector": "paired_eror"}, "rules.0.detector", "did you mean paired_error?"),
        ({"limt": 0.1}, "rules.0.limt", "did you mean limit?"),
        ({"subject": "pears"}, "rules.0.subject", "did you mean pairs?"),
        ({"subject": "output"}, "rules.0.subject", "it reads pairs"),
        ({"limit": -1}, "rules.0.detector", "limit must be"),
        ({"limit": "much"}, "rules.0.limit", "not a finite number"),
        ({"limit": float("nan")}, "rules.0.limit", "not a finite number"),
        ({"limit": True}, "rules.0.limit", "not a finite number"),
        ({"rows_min": 1.5}, "rules.0.rows_min", "not an integer"),
        ({"name": "Paired Error"}, "rules.0.name", "metric label"),
        ({"name": "redelivered"}, "rules.0.name", "free name"),
        ({"window": None}, "rules.0.window", "1d"),
        ({"every": "1m"}, "rules.0.every", "write `window:`"),
        ({"window": 60}, "rules.0.window", "90s"),
        ({"hold": {"breaches": 4, "of": 3}}, "rules.0.hold.breaches", "N <= M"),
        ({"hold": {"of": 101}}, "rules.0.hold.of", "1 to 100"),
        ({"hold": "2 of 3"}, "rules.0.hold", "not a mapping"),
        ({"calm": 0}, "rules.0.calm", "1 to 100"),
        ({"calm": True}, "rules.0.calm", "1 to 100"),
        ({"cause": 1000}, "rules.0.cause", "0 to 999"),
        ({"rollback": "yes"}, "rules.0.rollback", "true or false"),
        ({"severity": None}, "rules.0.severity", "missing"),
        ({"severity": "none"}, "rules.0.severity", "warning, critical"),
        ({"summary": 3}, "rules.0.summary", "text"),
        ({"family": "labels"}, "rules.0.family", "paired, output"),
    ],
    ids=str,
)
def test_a_problem_has_a_path_and_a_hint(change, path, words):
    found = problems(with_rule(**change))
    assert words in found[path]


@pytest.mark.parametrize("document", [None, 3, "rules", []], ids=repr)
def test_something_else_than_a_mapping_is_one_problem(document):
    assert len(problems(document)) == 1


@pytest.mark.parametrize(
    ("subject", "detector", "family"),
    [("features", "psi", "features"), ("arrivals", "volume", "volume"), ("outcomes", "error", "volume")],
)
def test_families_that_say_nothing_of_the_model_support_no_rollback(subject, detector, family):
    found = problems(with_rule(subject=subject, detector=detector, family=family, rollback=True))
    assert "only paired, labels, output, quality" in found["rules.0.rollback"]


def test_input_drift_cannot_be_declared_as_another_kind_of_evidence():
    found = problems(with_rule(subject="features", detector="psi", family="labels"))
    assert "features, quality" in found["rules.0.family"]


def test_disagreement_does_not_prove_that_the_target_is_better():
    found = problems(with_rule(detector="paired_disagreement"))
    assert "disagreement" in found["rules.0.rollback"]


@pytest.mark.parametrize("detector", OF_LABELS_THEMSELVES)
def test_labels_that_do_not_come_or_come_late_support_no_rollback(detector):
    changes = {"subject": "outcomes", "detector": detector, "family": "labels"}
    assert "say nothing of the model" in problems(with_rule(**changes, rollback=True))["rules.0.rollback"]
    assert parse_pack(with_rule(**changes, rollback=None), DETECTORS).rules


ESTIMATES = [name for name in DETECTORS if name.startswith("estimated_")]
ESTIMATE = {"subject": "expected", "family": None, "limit": None, "rows_min": None, "coverage_min": None}


@pytest.mark.parametrize("detector", ESTIMATES)
def test_an_estimate_may_be_read(detector):
    reading = {"name": "guess", "subject": "expected", "detector": detector, "window": "1d"}
    [rule] = parse_pack({"version": 1, "readings": [reading]}, DETECTORS).rules
    assert (rule.severity, rule.rollback, rule.family) == (Severity.NONE, False, Family.OUTPUT)


@pytest.mark.parametrize("detector", ESTIMATES)
def test_an_estimate_alerts_nobody(detector):
    found = problems(with_rule(**ESTIMATE, detector=detector, rollback=None))
    assert set(found) == {"rules.0.subject"}
    assert "readings:" in found["rules.0.subject"]
    assert "confident backdoored model" in found["rules.0.subject"]


@pytest.mark.parametrize("detector", ESTIMATES)
def test_an_estimate_supports_no_rollback(detector):
    found = problems(with_rule(**ESTIMATE, detector=detector, rollback=True))
    assert "cannot rest on " + detector in found["rules.0.rollback"]


def test_a_reading_of_an_estimate_cannot_be_given_a_rollback():
    reading = {"name": "g", "subject": "expected", "detector": "estimated_accuracy", "window": "1d", "rollback": True}
    assert set(problems({"version": 1, "readings": [reading]})) == {"readings.0.rollback"}


def test_an_estimate_made_elsewhere_alerts_nobody_either():
    @dataclass(frozen=True)
    class Guess:
        subjects: ClassVar = frozenset({Subject.EXPECTED})
        kinds: ClassVar = frozenset()

        def read(self, reference, current): ...

    with pytest.raises(SettingsError, match="readings alone"):
        parse_pack(with_rule(**ESTIMATE, detector="guess", rollback=None), {"guess": Guess})


def test_disagreement_may_be_the_second_signal():
    rule = parse_pack(with_rule(detector="paired_disagreement", family="output"), DETECTORS).rules[0]
    assert rule.rollback
    assert not rule.better


def test_names_are_unique_readings_included():
    rule = {**HOLD, **RULES[0]}
    reading = {"name": "paired_error", "subject": "pairs", "detector": "paired_error", "window": "1d"}
    assert "2 times" in problems({"version": 1, "readings": [reading], "rules": [rule]})["rules"]


def test_readings_have_no_severity_and_no_hold():
    reading = {"name": "psi", "subject": "features", "detector": "psi", "window": "1d"}
    assert parse_pack({"version": 1, "readings": [reading]}, DETECTORS).rules[0].severity is Severity.NONE
    found = problems({"version": 1, "readings": [{**reading, "severity": "warning", "hold": {"of": 2}}]})
    assert set(found) == {"readings.0.severity", "readings.0.hold"}


def test_a_sequential_detector_takes_ticks():
    tick = {"name": "quiet", "subject": "arrivals", "detector": "silence", "limit_s": "6h", "severity": "warning"}
    rule = parse_pack({"version": 1, "rules": [{**tick, "every": "1m"}]}, DETECTORS).rules[0]
    assert (rule.window_s, rule.breaches, rule.of, rule.detector.limit_s) == (60, 1, 1, 21_600)
    assert "every" in problems({"version": 1, "rules": [{**tick, "window": "1m"}]})["rules.0.window"]


def test_a_detector_from_elsewhere_is_checked_by_constructing_it():
    @dataclass(frozen=True)
    class Odd:
        subjects: ClassVar[frozenset[Subject]] = frozenset({Subject.PAIRS})
        step_s: float

    entry = {"name": "odd", "subject": "pairs", "detector": "odd", "window": "1d"}
    with pytest.raises(SettingsError, match=r"readings\.0\.detector"):
        parse_pack({"version": 1, "readings": [entry]}, {"odd": Odd})
    pack = parse_pack({"version": 1, "readings": [{**entry, "step_s": "2m"}]}, {"odd": Odd})
    assert pack.rules[0].detector == Odd(120.0)


@pytest.mark.parametrize(
    "value", [float("inf"), float("nan"), 10**400, -(10**400)], ids=["inf", "nan", "huge", "-huge"]
)
@pytest.mark.parametrize(("name", "kind"), [("rows_min", "an integer"), ("limit", "a finite number")])
def test_a_number_that_no_double_holds_is_a_problem(name, kind, value):
    assert f"is not {kind}" in problems(with_rule(**{name: value}))[f"rules.0.{name}"]


def test_an_optional_parameter_may_be_switched_off():
    entry = {"name": "e", "subject": "outcomes", "detector": "error", "window": "1d", "limit": 0.3}
    document = {"version": 1, "readings": [{**entry, "limit_over_reference": None}]}
    assert parse_pack(document, DETECTORS).rules[0].detector.limit_over_reference is None


def test_the_tables_agree():
    assert set(FAMILIES) == set(Subject)
    assert set(CAUSES) == set(Family)
    assert {family for families in FAMILIES.values() for family in families} >= set(SUPPORTING)
    assert {*PROVES_BETTER, *OF_LABELS_THEMSELVES} <= set(DETECTORS)


def test_rules_that_are_gone_and_built_in_pages_still_have_words():
    assert PACK.severity("redelivered") is Severity.CRITICAL
    assert PACK.cause("redelivered") == 0
    assert PACK.summary("redelivered") == BUILT_IN["redelivered"]
    assert (PACK.severity("gone_rule"), PACK.summary("gone_rule")) == (Severity.WARNING, "gone rule")


@pytest.mark.parametrize(("text", "value"), [("90s", 90), ("5m", 300), ("1.5h", 5400), ("1d", 86_400)])
def test_durations(text, value):
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "1", "0s", "-1s", "1 d", "d", "1w", 60, None, "1e9s", "٣s"], ids=repr)
def test_what_is_no_duration(text):
    with pytest.raises(ValueError, match="duration"):
        seconds(text)


def shipped(name: str):
    return parse_pack(yaml.safe_load((FOLDER / f"{name}.yaml").read_text()), DETECTORS)


PACKS = {"default": Task.CLASSIFICATION, "fairness": Task.CLASSIFICATION} | {
    "regression": Task.REGRESSION,
    "ranking": Task.RANKING,
}


@pytest.mark.parametrize(("name", "task"), PACKS.items())
def test_a_shipped_pack_fits_the_task_it_is_for_and_no_other(name, task):
    assert misfits(shipped(name), task) == []
    assert all(misfits(shipped(name), other) for other in Task if other is not task)


@pytest.mark.parametrize("name", PACKS)
def test_a_shipped_pack_says_what_every_alert_means(name):
    assert all(rule.summary for rule in shipped(name).rules if rule.severity is not Severity.NONE)


@pytest.mark.parametrize("name", ["default", "regression", "ranking", "demo"])
def test_a_shipped_pack_demands_that_errors_cross_the_budget_before_a_rollback(name):
    pack = shipped(name)
    assert pack.watch.weight(Family.LABELS) == 0.3
    assert {rule.family for rule in pack.budgeted if rule.rollback} >= {Family.LABELS, Family.PAIRED}


@pytest.mark.parametrize("name", ["regression", "ranking"])
def test_a_shipped_pack_wakes_nobody_for_input_drift(name):
    drift = [rule for rule in shipped(name).rules if rule.family is Family.FEATURES]
    assert drift
    assert all(rule.severity is Severity.NONE for rule in drift)


def test_a_regression_can_be_rolled_back_for_what_the_known_good_does_better():
    rule = shipped("regression").get("paired_absolute_error")
    assert rule.rollback
    assert rule.better


def test_no_pack_rolls_back_for_fairness_or_without_paired_evidence():
    assert not any(rule.rollback for name in ("fairness", "ranking") for rule in shipped(name).rules)
    unfair = with_rule(subject="groups", by="g", detector="disparate_impact", family="fairness", limit=0.8)
    assert "only paired, labels, output, quality" in problems(unfair)["rules.0.rollback"]


MISFITS = [
    ("outcomes", "error", Task.REGRESSION, "it is for classification"),
    ("outcomes", "mean_absolute_error", Task.CLASSIFICATION, "it is for regression"),
    ("outcomes", "ndcg", Task.REGRESSION, "it is for ranking"),
    ("score", "psi", Task.REGRESSION, "it is for classification"),
    ("output", "kolmogorov_smirnov", Task.CLASSIFICATION, "numeric columns"),
    ("output", "wasserstein", Task.CLASSIFICATION, "numeric columns"),
    ("output", "class_share_shift", Task.RANKING, "it is for classification"),
]


@pytest.mark.parametrize(("subject", "detector", "task", "words"), MISFITS)
def test_a_rule_that_does_not_fit_the_task_is_told_by_its_name(subject, detector, task, words):
    entry = {"name": "odd", "subject": subject, "detector": detector, "window": "1d"}
    (problem,) = misfits(parse_pack({"version": 1, "readings": [entry]}, DETECTORS), task)
    assert problem.path == "odd"
    assert words in str(problem)


def test_what_reads_every_task_fits_every_task():
    entries = [{"name": f"d{i}", "subject": "output", "detector": "psi", "window": "1d"} for i in range(2)]
    pack = parse_pack({"version": 1, "readings": entries}, DETECTORS)
    assert all(misfits(pack, task) == [] for task in Task)


def test_a_rule_may_read_the_segments_of_a_column():
    entry = {"name": "e", "subject": "outcomes", "detector": "error", "window": "1d", "by": "origin"}
    assert parse_pack({"version": 1, "readings": [entry]}, DETECTORS).rules[0].by == "origin"
    del entry["by"]
    assert parse_pack({"version": 1, "readings": [entry]}, DETECTORS).rules[0].by == ""
    assert "not a text" in problems({"version": 1, "readings": [{**entry, "by": 3}]})["readings.0.by"]


def test_groups_need_a_column_and_ticks_have_none():
    groups = {"name": "g", "subject": "groups", "detector": "demographic_parity", "window": "1d"}
    assert "name the segment column" in problems({"version": 1, "readings": [groups]})["readings.0.by"]
    tick = {"name": "q", "subject": "arrivals", "detector": "silence", "every": "1m", "by": "origin"}
    assert "takes ticks" in problems({"version": 1, "readings": [tick]})["readings.0.by"]


def test_a_detector_from_elsewhere_that_names_no_tasks_fits_all():
    @dataclass(frozen=True)
    class Odd:
        subjects: ClassVar[frozenset[Subject]] = frozenset({Subject.OUTCOMES})

    entry = {"name": "odd", "subject": "outcomes", "detector": "odd", "window": "1d"}
    pack = parse_pack({"version": 1, "readings": [entry]}, {"odd": Odd})
    assert all(misfits(pack, task) == [] for task in Task)
