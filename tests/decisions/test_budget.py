import pytest

from monitor.decisions.budget import Watch, rule_name
from monitor.decisions.rules import parse_pack
from monitor.detectors import DETECTORS
from monitor.detectors.sequential import Ledger, Tier
from monitor.errors import SettingsError
from monitor.facts import Family, Severity

DAY = 1440.0


def parse(**section):
    return parse_pack({"version": 1, "sequential": section}, DETECTORS)


def problems(**section):
    with pytest.raises(SettingsError) as caught:
        parse(**section)
    return {problem.path: problem.message for problem in caught.value.problems}


def test_a_pack_without_the_section_pages_by_no_budget():
    pack = parse_pack({"version": 1}, DETECTORS)
    assert (pack.watch, pack.budgeted) == (None, ())


def test_an_empty_section_is_one_warning_a_day_one_page_a_month_and_one_rollback_in_a_thousand_days():
    assert parse().watch == Watch(Ledger(warn=DAY, page=30 * DAY, rollback=1000 * DAY), every_s=60.0)


def test_budgets_are_alarms_in_a_time():
    ledger = parse(budget={"warn": "3/1d", "page": "2/7d"}).watch.ledger
    assert (ledger.warn, ledger.page, ledger.rollback) == (DAY / 3, 3.5 * DAY, 1000 * DAY)


def test_calm_and_every_are_durations():
    watch = parse(calm="90m", every="30s").watch
    assert (watch.calm_s, watch.every_s) == (5400.0, 30.0)


def test_every_family_speaks_at_every_tier_but_only_errors_and_answers_may_support_a_rollback():
    pack = parse()
    assert [rule.name for rule in pack.budgeted if rule.rollback] == [
        "labels_rollback",
        "paired_rollback",
        "output_rollback",
    ]
    assert {pack.severity(rule_name(Family.FEATURES, tier)) for tier in (Tier.WARN, Tier.PAGE)} == {
        Severity.WARNING,
        Severity.CRITICAL,
    }
    assert pack.get("features_rollback") is None


def test_a_crossing_at_the_tier_rollback_makes_no_alert_of_its_own():
    assert parse().severity("labels_rollback") is Severity.NONE


def test_no_crossing_says_that_the_target_would_do_better():
    assert [rule.name for rule in parse().budgeted if rule.better] == []


def test_a_family_without_weight_has_no_rules():
    names = [rule.name for rule in parse(weights={"labels": 0, "quality": 0}).budgeted]
    assert names == ["output_warn", "output_page", "output_rollback", "features_warn", "features_page"]


def test_no_rule_may_take_the_name_of_one_that_follows_from_the_budget():
    rule = {"name": "features_page", "subject": "arrivals", "detector": "silence", "every": "1m", "severity": "warning"}
    with pytest.raises(SettingsError, match="features_page is used 2 times"):
        parse_pack({"version": 1, "sequential": {}, "rules": [rule]}, DETECTORS)


@pytest.mark.parametrize("text", ["1/", "0/1d", "30d", "1/0d", "-1/1d", 5, None, True, "1/1d/2"])
def test_what_is_no_number_of_alarms_in_a_time_is_a_problem(text):
    if text is None:
        assert parse(budget={"page": None}).watch == Watch(Ledger())
        return
    assert problems(budget={"page": text}) == {"sequential.budget.page": "is not a number of alarms in a time"}


def test_all_problems_are_told_at_once():
    found = problems(every="soon", calm="60d", budget={"pge": "1/1d"}, weights={"labels": 2, "features": "all"}, x=1)
    assert set(found) == {
        "sequential.every",
        "sequential.calm",
        "sequential.budget.pge",
        "sequential.weights.labels",
        "sequential.weights.features",
        "sequential.x",
    }


def test_weights_that_promise_more_than_the_budget_are_refused():
    assert "at most 1 in all" in problems(weights={"labels": 0.9, "features": 0.9})["sequential"]


def test_a_warning_that_is_rarer_than_a_page_is_refused():
    assert "louder tier is rarer" in problems(budget={"warn": "1/60d"})["sequential"]


def test_segments_have_a_tenth_of_the_budget_for_twenty_of_them_unless_the_section_says_otherwise():
    assert (parse().watch.segments_share, parse().watch.segments_max) == (0.1, 20)
    watch = parse(segments={"share": 0.3, "max": 5}).watch
    assert (watch.segments_share, watch.segments_max) == (0.3, 5)


@pytest.mark.parametrize(
    ("section", "path"),
    [
        ({"share": 1}, "share"),
        ({"share": "much"}, "share"),
        ({"share": -0.1}, "share"),
        ({"max": 0}, "max"),
        ({"max": 201}, "max"),
        ({"max": True}, "max"),
        ({"most": 3}, "most"),
    ],
)
def test_what_segments_cannot_have_is_a_problem(section, path):
    assert list(problems(segments=section)) == [f"sequential.segments.{path}"]
