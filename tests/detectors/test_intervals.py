"""Intervals agree with scipy and with the papers, and cover the truth as often as they say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from monitor.detectors.intervals import Z95, agresti_min, newcombe, wilson


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_agrees_with_scipy(hits_n):
    hits, n = hits_n
    expected = binomtest(hits, n).proportion_ci(method="wilson")
    assert wilson(hits, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_wilson_stays_in_range_and_holds_the_share():
    for n in (1, 7, 2**50):
        for hits in (0, 1, n // 2, n - 1, n):
            low, high = wilson(hits, n)
            assert 0.0 <= low <= hits / n <= high <= 1.0


def test_a_larger_confidence_gives_a_wider_interval():
    assert wilson(3, 10, 3.0)[0] < wilson(3, 10, Z95)[0] < wilson(3, 10, Z95)[1] < wilson(3, 10, 3.0)[1]


@pytest.mark.parametrize(
    ("table", "ends"),
    [
        ((56, 70, 48, 80), (0.0524, 0.3339)),  # Newcombe 1998, table II, method 10
        ((9, 10, 3, 10), (0.1705, 0.8090)),
        ((6, 7, 2, 7), (0.0582, 0.8062)),
        ((5, 56, 0, 29), (-0.0381, 0.1926)),
        ((0, 10, 0, 20), (-0.1611, 0.2775)),
        ((0, 10, 0, 10), (-0.2775, 0.2775)),
        ((10, 10, 0, 20), (0.6791, 1.0000)),
        ((10, 10, 0, 10), (0.6075, 1.0000)),
    ],
)
def test_newcombe_gives_the_numbers_of_its_paper(table, ends):
    assert newcombe(*table) == pytest.approx(ends, abs=6e-5)


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50))
def test_the_difference_of_pairs_is_that_of_the_wald_interval_with_half_a_pair_in_each_cell(first, second, neither):
    n = first + second + neither + 1
    table = np.array([first, second, neither + 1 - 0.5, 0.0]) + 0.5
    signs = np.array([1.0, -1.0, 0.0, 0.0])
    shares = table / (n + 2)
    mean = shares @ signs
    half = Z95 * np.sqrt((shares @ signs**2 - mean**2) / (n + 2))
    low, high = max(-1.0, mean - half), min(1.0, mean + half)
    assert agresti_min(first, second, n) == pytest.approx((low, high), abs=1e-12)


def test_swapping_the_sides_of_a_pair_mirrors_the_interval():
    low, high = agresti_min(12, 5, 100)
    assert agresti_min(5, 12, 100) == pytest.approx((-high, -low))


SETTINGS = [(200, 0.10, 0.04), (200, 0.02, 0.02), (400, 0.30, 0.25), (1000, 0.08, 0.02), (300, 0.01, 0.0)]


@pytest.mark.parametrize(("n", "first", "second"), SETTINGS)
def test_the_paired_interval_covers_the_truth_at_least_93_times_in_100(n, first, second):
    rng = np.random.default_rng(20)
    draws = rng.multinomial(n, [first, second, 1 - first - second], size=4000).tolist()
    ends = [agresti_min(one, two, n) for one, two, _ in draws]
    covered = sum(low <= first - second <= high for low, high in ends) / len(ends)
    assert covered >= 0.93


@pytest.mark.parametrize("n", [50, 200, 1000])
def test_wilson_covers_the_truth_95_times_in_100_on_average_over_shares(n):
    ends = np.array([wilson(hits, n) for hits in range(n + 1)])
    shares = np.linspace(0.005, 0.995, 199)
    covered = [binom.pmf(np.flatnonzero((ends[:, 0] <= p) & (p <= ends[:, 1])), n, p).sum() for p in shares]
    assert 0.945 <= np.mean(covered) <= 0.965


def test_wilson_of_a_sum_of_squared_errors_covers_at_least_95_times_in_100():
    rng = np.random.default_rng(22)
    errors = rng.beta(0.5, 3, (3000, 300))
    ends = [wilson(total, 300) for total in errors.sum(axis=1).tolist()]
    assert sum(low <= 0.5 / 3.5 <= high for low, high in ends) / len(ends) >= 0.95
