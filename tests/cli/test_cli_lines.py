import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from statuses import BOTH, CALM, IN_TROUBLE, NOW, model, reading, status

from monitor.cli.lines import OVER, SORTS, closeness, model_lines, reading_lines, sort_lines
from monitor.decisions.rollback import ENDED

SIZES = st.floats(0, 1e9)


@given(SIZES, SIZES)
def test_what_is_ok_is_closer_the_nearer_it_comes_and_never_beyond(value: float, limit: float) -> None:
    found = closeness("ok", value, limit)
    assert found is not None
    assert 0.0 <= found <= 1.0


@given(SIZES, SIZES)
def test_a_breach_is_never_closer_than_its_limit(value: float, limit: float) -> None:
    found = closeness("breach", value, limit)
    assert found is not None
    assert found >= 1.0


@pytest.mark.parametrize(
    ("verdict", "value", "limit", "expected"),
    [
        ("ok", 0.1, 0.2, 0.5),  # an upper limit
        ("ok", 0.95, 0.9, 0.9 / 0.95),  # a lower one: coverage
        ("breach", 0.4, 0.2, 2.0),
        ("breach", 0.45, 0.9, 2.0),
        ("breach", 0.0, 0.9, math.inf),
        ("ok", 0.0, 0.0, 0.0),
    ],
)
def test_closeness_is_from_the_side_that_is_allowed(verdict: str, value: float, limit: float, expected: float) -> None:
    assert closeness(verdict, value, limit) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("verdict", "value", "limit"),
    [("unknown", 0.1, 0.2), ("broken", 0.1, 0.2), ("ok", None, 0.2), ("ok", 0.1, None), ("of late", 1.0, 1.0)],
)
def test_what_is_not_known_is_close_to_nothing(verdict: str, value: float | None, limit: float | None) -> None:
    assert closeness(verdict, value, limit) is None


def test_the_worst_reading_stands_first_and_too_little_data_last() -> None:
    mixed = [
        reading("few", "unknown"),
        reading("near", "ok", 0.19, 0.2),
        reading("far", "ok", 0.01, 0.2),
        reading("failed", "broken"),
        reading("bad", "breach", 0.3, 0.2),
        reading("worse", "breach", 0.9, 0.2),
    ]
    found = [line.rule for line in reading_lines(status(m=model(*mixed)))]
    assert found == ["worse", "bad", "failed", "near", "far", "few"]


def test_a_rule_in_breach_stands_before_what_is_only_shown() -> None:
    shown = reading("psi", "breach", 14.0, 0.2, column="temp", severity="none")
    ruled = reading("mean_absolute_error", "breach", 31.0, 29.0, severity="critical")
    found = reading_lines(status(m=model(shown, ruled, reading("near", "ok", 0.9, 1.0, severity="warning"))))
    assert [line.rule for line in found] == ["mean_absolute_error", "psi", "near"]


def test_a_bundles_own_profile_is_display_and_left_out() -> None:
    assert reading_lines(status(m=model(reading("psi", "breach", 1.0, 0.2, reference="own")))) == []


def test_readings_may_be_those_of_one_model() -> None:
    assert {line.model for line in reading_lines(BOTH, "fares")} == {"fares"}


def test_a_line_says_what_waits_for_a_person() -> None:
    (line,) = model_lines(status(fares=IN_TROUBLE))
    assert (line.firing, line.pending, line.incident) == (("paired_error",), ("error",), "fares-1")
    assert (line.rollback, line.rollback_step) == ("fares-1.r1", "proposed")


@pytest.mark.parametrize("step", sorted(OVER))
def test_a_rollback_that_has_ended_waits_for_nobody(step: str) -> None:
    ended = model(rollbacks=[{"id": "r1", "step": step}])
    assert model_lines(status(m=ended))[0].rollback == ""


def test_the_steps_that_end_a_rollback_are_those_of_the_decisions() -> None:
    assert {step.value for step in ENDED} == OVER


def test_a_rate_is_of_the_rows_between_two_answers() -> None:
    before, after = status(NOW, m=model(rows=100)), status(NOW + 4, m=model(rows=200))
    assert model_lines(after, before)[0].rate == 25.0


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, status(m=model(rows=5))),
        (status(NOW), status(NOW + 1, m=model(rows=5))),
        (status(NOW, m=model(rows=9)), status(NOW + 1, m=model(rows=5))),
        (status(NOW, m=model(rows=1)), status(NOW, m=model(rows=5))),
    ],
    ids=["first", "new model", "counts fell", "no time"],
)
def test_a_rate_that_is_not_known_is_none(before: dict | None, after: dict) -> None:
    assert model_lines(after, before)[0].rate is None


def test_a_model_nothing_is_known_of_has_a_line() -> None:
    (line,) = model_lines(status(m={"served": None, "readings": [], "totals": {"rows": 0}}))
    assert (line.served, line.role, line.worst, line.last_row_age_s) == ("", "unknown", None, None)


def test_trouble_comes_first() -> None:
    calm_first = model_lines(BOTH)
    assert [line.model for line in sort_lines(calm_first, "trouble")] == ["fares", "delays"]
    assert [line.model for line in sort_lines(calm_first, "name")] == ["delays", "fares"]


@pytest.mark.parametrize("by", SORTS)
def test_every_order_has_every_model_once(by: str) -> None:
    lines = model_lines(status(a=CALM, b=IN_TROUBLE, c=model(), d=CALM))
    assert sorted(line.model for line in sort_lines(lines, by)) == ["a", "b", "c", "d"]


def latched(rule: str, group: str, odds: float = 3.0) -> dict[str, Any]:
    return {"rule": rule, "group": group, "since": NOW - 7200.0, "odds": odds, "why": "the share above 3 rises"}


def test_what_is_latched_stands_among_the_breaches_with_its_odds_and_how_long() -> None:
    sequential = {"rows": 900, "latched": [latched("features_page", "age"), latched("output_rollback", "")]}
    (line,) = reading_lines(status(m=model(sequential=sequential)))
    assert (line.what, line.verdict, line.value, line.limit, line.n) == ("features_page age", "breach", 3.0, 1.0, 900)
    assert line.why == "latched for 2h: the share above 3 rises"


def test_of_a_group_the_louder_tier_says_it() -> None:
    both = [latched("features_warn", "age", 90.0), latched("features_page", "age"), latched("quality_warn", "age")]
    lines = reading_lines(status(m=model(sequential={"latched": both})))
    assert [line.rule for line in lines] == ["features_page", "quality_warn"]


def test_evidence_does_not_hide_a_reading_that_is_far_beyond_its_limit() -> None:
    error = reading("paired_error", "breach", 0.46, 0.03)
    lines = reading_lines(status(m=model(error, sequential={"latched": [latched("features_page", "age", 1e18)]})))
    assert [line.rule for line in lines] == ["paired_error", "features_page"]


def test_a_family_of_which_nothing_can_be_told_says_why() -> None:
    (line,) = reading_lines(status(m=model(sequential={"untold": {"labels": "nothing of this family is watched"}})))
    assert (line.rule, line.verdict, line.why) == ("labels_page", "unknown", "nothing of this family is watched")


def test_a_model_without_a_budget_has_no_such_lines() -> None:
    assert reading_lines(status(m=model(sequential=None))) == []
