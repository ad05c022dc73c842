"""The account of a crossing, on plans small enough to count by hand."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ticks import bands, plan_of, rows

from monitor.detectors.sequential import Crossing, Lane, Tier
from monitor.detectors.sequential.account import ALSO_MAX, NEXT, SHARES, explain, next_step, quantity, words
from monitor.facts import Family
from monitor.panes.signals import Signal, What

AGE = Signal(Family.FEATURES, "features/age", "age", What.ABOVE, "40", rises=True, falls=True)
OLD = Signal(Family.FEATURES, "features/age", "age", What.ABOVE, "60", rises=True, falls=True)
FARE = Signal(Family.FEATURES, "features/fare", "fare", What.ABOVE, "9", rises=True, falls=True)
GONE = Signal(Family.QUALITY, "quality/age", "age", What.MISSING, "", rises=True, falls=False)
MINUTE = 60.0
DAY = 1440.0


def crossing(group="features/age", tier=Tier.PAGE, odds=2.0):
    return Crossing(tier, group, odds, True, Lane(group, "age", falls=False), 1.0)


def account(signals, x, n=1000, *, low=0.2, high=0.4, then=300, scores=(), bins=(), **said):
    plan = plan_of(*signals, scored=("features/age",) if scores else (), quality=0.0)
    found = rows(np.array(x), n, bins)
    return explain(
        plan,
        signals,
        crossing(**said),
        now=found,
        then=rows(np.full(len(signals), then), 1000, bins),
        bounds=bands([low] * len(signals), high, scores=scores),
        since=5 * MINUTE,
    )


def test_says_from_what_to_what_and_how_often_chance_does_that():
    told = account((AGE,), [520])
    assert (told.usual, told.low, told.high, told.now, told.n) == (0.3, 0.2, 0.4, 0.52, 1000)
    assert (told.what, told.falls, told.since, told.chance_days) == ("share of age above 40", False, 300.0, 60.0)


def test_names_the_quantity_farthest_outside_its_band_and_the_others_after_it():
    told = account((AGE, OLD), [480, 900])
    assert told.what == "share of age above 60"
    assert told.also == ("share of age above 40 up to 0.48",)


def test_a_quantity_of_another_group_is_no_part_of_it():
    assert account((AGE, FARE), [480, 999]).column == "age"


def test_a_rise_inside_a_wide_band_is_no_fall():
    told = account((AGE,), [150], low=0.0, high=0.4, then=50)
    assert not told.falls
    assert "rose to 0.15 in 1,000 rows, usual 0.05" in words(told)


def test_where_all_lie_inside_by_now_it_is_told_what_the_bet_was_about():
    paid = msgspec.structs.replace(crossing(), lane=Lane("features/age", "age", falls=False, signal=OLD))
    plan = plan_of(AGE, OLD)
    told = explain(plan, (AGE, OLD), paid, now=rows([320, 310], 1000), then=rows([300, 300], 1000),
                   bounds=bands([0.2, 0.2], 0.4), since=0.0)  # fmt: skip
    assert told.what == "share of age above 60"


def test_a_fall_is_told_as_one():
    told = account((AGE,), [50])
    assert told.falls
    assert "fell to 0.05 in 1,000 rows, usual 0.3, band 0.2 to 0.4" in words(told)


def test_a_fall_of_what_may_only_rise_says_nothing():
    assert account((GONE,), [0], group="quality/age") is None
    assert account((GONE,), [500], group="quality/age").what == "share of rows without age"


def test_sigma_is_how_far_the_mean_score_moved_from_the_middle_of_its_band():
    told = account((AGE,), [520], scores=((-0.1, 0.3),), bins=[[0, 0, 0, 0, 10, 0, 0]])
    assert told.sigma == pytest.approx(0.8 - 0.1)
    assert "mean moved +0.7 sigma" in words(told)


def test_without_a_score_nothing_is_said_of_sigma():
    assert "sigma" not in words(account((AGE,), [520]))


def test_without_rows_there_is_no_account():
    assert account((AGE,), [0], n=0) is None


def test_an_unknown_band_gives_no_account():
    assert account((AGE,), [520], low=np.nan, high=np.nan) is None


def test_a_reference_without_rows_has_no_usual_share():
    plan = plan_of(AGE)
    told = explain(plan, (AGE,), crossing(), now=rows([9], 10), then=rows([0], 0), bounds=bands([0.2], 0.4), since=0.0)
    assert told.usual is None
    assert "usual" not in words(told)


@pytest.mark.parametrize(("tier", "days"), [(Tier.WARN, 2.0), (Tier.PAGE, 60.0), (Tier.ROLLBACK, 2000.0)])
def test_chance_is_counted_in_the_budget_of_its_tier(tier, days):
    assert account((AGE,), [520], tier=tier).chance_days == days


def test_few_others_are_named():
    signals = tuple(Signal(Family.FEATURES, "features/age", "age", What.ABOVE, str(i), rises=True, falls=True)
                    for i in range(9))  # fmt: skip
    assert len(account(signals, [600] * 9).also) == ALSO_MAX


@pytest.mark.parametrize("family", list(NEXT))
def test_every_family_has_a_next_step(family):
    assert "{" not in next_step(family, "")
    assert next_step(family, "age") == NEXT[family].format(column="age")


@pytest.mark.parametrize("what", list(What))
def test_every_quantity_reads_as_words(what):
    told = quantity(Signal(Family.FEATURES, "g", "age", what, "40", rises=True, falls=True))
    assert told
    assert "{" not in told
    assert (what not in SHARES) or told.startswith(("share of", "error of", "rows a minute"))


@given(x=st.integers(0, 1000), high=st.floats(0.41, 0.9))
def test_what_is_told_is_outside_its_band_or_the_nearest_to_it_and_never_nan(x, high):
    told = account((AGE, OLD), [x, 1000 - x], low=0.1, high=high)
    assert 0 <= told.now <= 1
    assert "nan" not in words(told)
