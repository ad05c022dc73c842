"""Limits of figures: the stricter holds, both directions are each other's mirror, and a reference may say nothing."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import outcomes

from monitor.detectors.estimates import Estimate, Limit, Relation, at_least
from monitor.facts import Outcomes, Verdict

SHARES = st.integers(0, 64).map(lambda n: n / 64)  # exact: 1 - x loses nothing
LIMITS = st.tuples(SHARES, SHARES).filter(lambda pair: pair[0] > 0)
VIEW = outcomes([0, 1] * 50, [0, 1] * 50)


def read(relation, now, before, absolute, by, *, rows_min=1):
    found = iter([before, now])
    return Limit(relation, absolute, by, rows_min, 0.0).read(Outcomes, VIEW, VIEW, lambda _: next(found))


def estimate(value, half=0.0, n=100):
    return Estimate(value, n, n, value - half, value + half)


@given(SHARES, SHARES, st.integers(0, 16).map(lambda n: n / 64), LIMITS)
def test_a_figure_that_should_be_large_is_judged_as_its_mirror_that_should_be_small(now, before, half, limits):
    absolute, by = limits
    large = read(Relation.UNDER, estimate(now, half), estimate(before), absolute, by)
    small = read(Relation.OVER, estimate(1 - now, half), estimate(1 - before), 1 - absolute, by)
    assert large.verdict is small.verdict
    assert large.limit == 1 - small.limit


@given(SHARES, SHARES, LIMITS, st.sampled_from(Relation))
def test_two_limits_breach_where_either_does(now, before, limits, relation):
    absolute, by = limits
    by = 1 + by if relation is Relation.TIMES else by
    both, first, second = (
        read(relation, estimate(now), estimate(before), *each)
        for each in ((absolute, by), (absolute, None), (None, by))
    )
    either = Verdict.BREACH in {first.verdict, second.verdict}
    assert both.verdict is (Verdict.BREACH if either else Verdict.OK)
    assert both.limit in {first.limit, second.limit}


@pytest.mark.parametrize("relation", Relation)
@pytest.mark.parametrize("before", ["no row is labelled", estimate(0.5, n=9)])
def test_a_reference_that_says_too_little_makes_no_limit(relation, before):
    alone = read(relation, estimate(0.5), before, None, 1.0, rows_min=10)
    assert (alone.verdict, alone.limit) == (Verdict.UNKNOWN, None)
    assert "the reference has fewer than 10 labels" in alone.why
    assert read(relation, estimate(0.5), before, 0.25, 1.0, rows_min=10).limit == 0.25


def test_what_must_be_said_beside_a_figure_hides_no_breach_and_makes_no_ok():
    cut = estimate(0.5)._replace(why="cut")
    assert read(Relation.OVER, cut, estimate(0.1), 0.25, None).verdict is Verdict.BREACH
    assert read(Relation.OVER, cut, estimate(0.1), 0.75, None).verdict is Verdict.UNKNOWN


def test_without_an_interval_the_point_decides():
    point, wide = estimate(0.5)._replace(low=None, high=None), estimate(0.5, 0.5)
    assert read(Relation.UNDER, point, "none", 0.6, None).verdict is Verdict.BREACH
    assert read(Relation.UNDER, wide, "none", 0.6, None).verdict is Verdict.OK


@dataclass(frozen=True)
class Given:
    limit: float | None = 0.5
    limit_under_reference: float | None = 0.1
    rows_min: int = 100
    coverage_min: float = 0.9


def test_parameters_keep_their_places():
    assert at_least(Given()) == Limit(Relation.UNDER, 0.5, 0.1, 100, 0.9)


@pytest.mark.parametrize(
    ("relation", "absolute", "by", "says"),
    [
        (Relation.UNDER, None, None, "limit, limit_under_reference"),
        (Relation.UNDER, 1.5, None, "limit must be a share"),
        (Relation.OVER, 0.0, None, "limit must be a number above 0"),
        (Relation.OVER, None, 1.5, "limit_over_reference must be a share"),
        (Relation.TIMES, None, 0.5, "limit_times_reference must be a number from 1"),
    ],
)
def test_says_which_limit_is_wrong(relation, absolute, by, says):
    with pytest.raises(ValueError, match=says):
        Limit(relation, absolute, by, 1, 0.9).demand()
