"""What rules/demo.yaml promises, repeated on the real flights: March to December, day by day."""

from datetime import UTC, datetime

import numpy as np
import pytest

from monitor.facts import Family, Severity, Verdict

SUPPORTING = ("paired_error", "error")


def utc(month, day):
    return datetime(2013, month, day, tzinfo=UTC).timestamp()


@pytest.fixture(scope="module")
def v1(days):
    return days.slots("v1", utc(3, 1), utc(12, 31))


@pytest.fixture(scope="module")
def v2(days):
    return days.slots("v2", utc(4, 1), utc(5, 1))


@pytest.fixture(scope="module")
def honest(days):
    return days.slots("honest", utc(4, 1), utc(5, 1))


def values(slots):
    return np.array([slot.reading.value for slot in slots if slot.reading.value is not None])


def families(days, slots):
    """Families that hold at any time, of rules that may support a rollback."""
    return {days.pack.get(name).family for name in SUPPORTING if days.firings(name, slots[name])}


def test_the_rules_that_may_support_a_rollback_are_the_two_we_measured(days):
    assert {rule.name for rule in days.pack.rules if rule.rollback} == set(SUPPORTING)
    assert {rule.name for rule in days.pack.rules if rule.better} == {"paired_error"}


def test_v1_alone_never_breaches_paired_error_or_the_limits_of_its_answers_in_ten_months(days, v1):
    for name in ("paired_error", "score_moved", "output_moved"):
        assert not any(slot.reading.verdict is Verdict.BREACH for slot in v1[name]), name


def test_v1_alone_never_gathers_two_families(days, v1):
    assert families(days, v1) <= {Family.LABELS}


def test_v1_errs_more_in_its_real_spring_than_on_its_reference_and_is_not_blamed(days, v1):
    april = [slot.reading for slot in v1["error"] if utc(4, 1) <= slot.start < utc(5, 1)]
    wrong = sum(reading.value * reading.n for reading in april if reading.value is not None)
    assert 0.25 < wrong / sum(reading.n for reading in april) < 0.29
    assert all(slot.reading.value in (0.0, None) for slot in v1["paired_error"])


def test_no_window_of_v1_speaks_before_the_delivery_of_v2(days, v1):
    paging = [rule.name for rule in days.pack.rules if rule.severity is not Severity.NONE and not rule.sequential]
    spring = {name: [slot for slot in v1[name] if slot.end <= utc(4, 7)] for name in paging}
    assert {name: days.firings(name, slots) for name, slots in spring.items()} == {name: [] for name in paging}


def test_days_of_storm_with_too_few_truths_are_unknown_and_not_ok(v1):
    unknown = [slot.start for slot in v1["error"] if slot.reading.verdict is Verdict.UNKNOWN]
    assert {utc(3, 6), utc(3, 7), utc(3, 8)} <= set(unknown)
    assert len(unknown) < 20


def test_v2_holds_the_paired_error_within_two_days_and_the_error_within_three(days, v2):
    assert days.firings("paired_error", v2["paired_error"])[0] == utc(4, 2)
    assert days.firings("error", v2["error"])[0] == utc(4, 3)
    assert families(days, v2) == {Family.PAIRED, Family.LABELS}


def test_the_limits_stand_clear_of_both_sides(days, v1, v2, honest):
    # Not on an edge: a fit on another machine, or another seed of the attack, moves these by about .01.
    names = ("paired_error", "score_moved", "output_moved")
    limits = {name: days.pack.get(name).detector.limit for name in names}
    first_days = [slot.reading.low for slot in v2["paired_error"][:9]]
    innocent = [slot.reading.low for slot in honest["paired_error"] if slot.reading.low is not None]
    assert max(innocent) + 0.03 < limits["paired_error"] < min(first_days) - 0.03
    assert values(v1["score_moved"]).max() + 0.08 < limits["score_moved"] < values(v2["score_moved"]).min() - 0.08
    assert (
        values(v1["output_moved"]).max() + 0.01 < limits["output_moved"] < values(v2["output_moved"][:7]).min() - 0.05
    )


def test_an_honest_retrain_in_the_same_april_is_left_in_peace(days, honest):
    assert families(days, honest) <= {Family.LABELS}
    assert max(values(honest["paired_disagreement"])) < 0.2


def test_an_attack_with_another_seed_is_caught_as_well(days, flights, scores, server_module):
    from monitor.demo import train
    from monitor.demo.setting import SEED, known
    from monitor.demo.story import DEPLOY

    rows = known(flights, DEPLOY)
    fitted = train.fit(flights, rows, train.flip_labels(flights.late[rows], SEED + 1))
    days.scores["other"] = server_module.decode(train.encode(fitted)).score(
        flights.features(np.arange(len(flights))), len(flights)
    )
    slots = days.slots("other", utc(4, 1), utc(4, 8))
    assert days.firings("paired_error", slots["paired_error"])[0] == utc(4, 2)
    assert days.firings("error", slots["error"])[0] <= utc(4, 3)
