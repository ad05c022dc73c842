"""Distances agree with scipy on the same rows, and are as large by chance as their docstrings say."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.stats import ks_2samp

from monitor.detectors.jensen_shannon import JensenShannon
from monitor.detectors.kolmogorov_smirnov import KolmogorovSmirnov
from monitor.detectors.psi import Psi
from monitor.facts import Histogram, Verdict


def histogram(bins, *, ordered=True) -> Histogram:
    return Histogram("x", ordered, tuple(map(int, bins)))


two = st.integers(2, 24).flatmap(
    lambda k: st.tuples(*[st.lists(st.integers(0, 60), min_size=k, max_size=k).filter(any)] * 2)
)


@given(two)
@settings(max_examples=200)
def test_jensen_shannon_agrees_with_scipy(bins):
    reading = JensenShannon(rows_min=1).read(*map(histogram, bins))
    assert reading.value == pytest.approx(jensenshannon(*bins, base=2), abs=1e-7)


@given(two)
@settings(max_examples=150)
def test_kolmogorov_smirnov_agrees_with_scipy_on_the_binned_rows(bins):
    rows = [np.repeat(np.arange(len(counts)), counts) for counts in bins]
    assert KolmogorovSmirnov(rows_min=1).read(*map(histogram, bins)).value == pytest.approx(
        ks_2samp(*rows, method="asymp").statistic, abs=1e-12
    )


@given(two)
@settings(max_examples=150)
def test_psi_is_its_formula_with_half_a_row_in_every_bin(bins):
    p, q = ((np.array(counts) + 0.5) / (sum(counts) + len(counts) / 2) for counts in bins)
    expected = float(np.sum((p - q) * np.log(p / q)))
    assert Psi(rows_min=1).read(*map(histogram, bins)).value == pytest.approx(expected, abs=1e-12)


@given(two)
@settings(max_examples=100)
def test_distances_are_symmetric_and_zero_only_on_the_same_shares(bins):
    first, second = map(histogram, bins)
    for detector in (Psi(rows_min=1), JensenShannon(rows_min=1), KolmogorovSmirnov(rows_min=1)):
        assert detector.read(first, second).value == pytest.approx(detector.read(second, first).value, abs=1e-9)
        assert detector.read(first, first).value == pytest.approx(0, abs=1e-12)


def drawn(rows: int, seed: int, bins: int = 22) -> list[Histogram]:
    draws = np.random.default_rng(seed).multinomial(rows, np.full(bins, 1 / bins), size=300)
    return [histogram(draw) for draw in draws]


def test_by_chance_psi_is_about_the_bins_less_one_by_the_rows():
    reference = histogram([10_000] * 22)
    mean = np.mean([Psi().read(reference, live).value for live in drawn(500, 1)])
    assert mean == pytest.approx(21 * (1 / 500 + 1 / 220_000), rel=0.1)


def test_by_chance_jensen_shannon_is_about_what_its_note_says():
    reference = histogram([10_000] * 22)
    mean = np.mean([JensenShannon().read(reference, live).value for live in drawn(500, 2)])
    assert mean == pytest.approx(math.sqrt(21 / 500 / (8 * math.log(2))), rel=0.1)


def test_by_chance_kolmogorov_smirnov_rarely_exceeds_what_its_note_says():
    reference = histogram([10_000] * 22)
    values = [KolmogorovSmirnov().read(reference, live).value for live in drawn(500, 3)]
    assert np.mean(np.array(values) > 1.36 / math.sqrt(500)) <= 0.05


@pytest.mark.parametrize("detector", [Psi(), JensenShannon(), KolmogorovSmirnov()])
def test_no_distance_breaches_by_chance_at_its_floor_of_rows(detector):
    reference = histogram([10_000] * 22)
    readings = [detector.read(reference, live) for live in drawn(detector.rows_min, 4)]
    assert {reading.verdict for reading in readings} == {Verdict.OK}


@pytest.mark.parametrize("detector", [Psi(), JensenShannon(), KolmogorovSmirnov()])
def test_a_shift_of_one_standard_deviation_breaches(detector):
    rng = np.random.default_rng(5)
    edges = [-np.inf, *np.quantile(rng.normal(size=20_000), np.linspace(0, 1, 21)), np.inf]
    reference, live = (histogram(np.histogram(rng.normal(shift, 1, 2000), edges)[0]) for shift in (0, 1))
    reading = detector.read(reference, live)
    assert (reading.verdict, reading.n, reading.limit) == (Verdict.BREACH, 2000, detector.limit)


@pytest.mark.parametrize("detector", [Psi(), JensenShannon(), KolmogorovSmirnov()])
def test_too_few_rows_on_either_side_are_unknown(detector):
    many, few = histogram([500, 500]), histogram([250, 249])
    assert detector.read(many, few).verdict is detector.read(few, many).verdict is Verdict.UNKNOWN
    assert detector.read(many, few).n == 499


def test_everything_in_new_bins_is_far_and_finite():
    reference, live = histogram([1000, 0]), histogram([0, 1000])
    assert JensenShannon().read(reference, live).value == KolmogorovSmirnov().read(reference, live).value == 1.0
    assert 10 < Psi().read(reference, live).value < 20


def test_kolmogorov_smirnov_says_that_categories_have_no_order():
    categories = histogram([500, 500], ordered=False)
    assert "no order" in KolmogorovSmirnov().read(categories, categories).why


def test_the_limit_itself_is_no_breach():
    reading = KolmogorovSmirnov(limit=0.25, rows_min=1).read(histogram([2, 2]), histogram([3, 1]))
    assert (reading.value, reading.verdict) == (0.25, Verdict.OK)
