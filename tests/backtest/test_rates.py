"""Intervals of counts and of delays: exact where a formula says what they must be."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from monitor.backtest.rates import median_interval, poisson_interval


@pytest.mark.parametrize("count", [0, 1, 2, 7, 40, 500])
def test_the_interval_of_a_count_is_garwoods(count: int) -> None:
    low, high = poisson_interval(count)
    exact = (stats.chi2.ppf(0.025, 2 * count) / 2 if count else 0.0, stats.chi2.ppf(0.975, 2 * count + 2) / 2)
    assert (low, high) == pytest.approx(exact, rel=1e-9)


@pytest.mark.parametrize("count", [501, 5_000, 57_603])
def test_of_many_it_is_right_to_four_digits(count: int) -> None:
    exact = (stats.chi2.ppf(0.025, 2 * count) / 2, stats.chi2.ppf(0.975, 2 * count + 2) / 2)
    assert poisson_interval(count) == pytest.approx(exact, rel=1e-4)


@given(st.integers(0, 2_000))
def test_a_count_lies_in_its_own_interval(count: int) -> None:
    low, high = poisson_interval(count)
    assert low <= count < high


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=60))
def test_the_median_lies_in_its_interval_and_both_are_delays_that_were_seen(delays: list[float]) -> None:
    median, low, high = median_interval(delays)
    assert low <= median <= high
    assert {low, high} <= set(delays)


@pytest.mark.parametrize("n", [6, 7, 20, 51])
def test_the_medians_interval_holds_it_with_95_percent_and_no_narrower_one_does(n: int) -> None:
    _, low, high = median_interval([float(i) for i in range(n)])
    rank = int(low) + 1
    assert high == n - rank
    assert 1 - 2 * stats.binom.cdf(rank - 1, n, 0.5) >= 0.95
    assert 1 - 2 * stats.binom.cdf(rank, n, 0.5) < 0.95


def test_what_was_missed_is_later_than_everything() -> None:
    assert median_interval([1.0, math.inf, math.inf]) == (math.inf, 1.0, math.inf)
    assert median_interval([5.0]) == (5.0, 5.0, 5.0)
