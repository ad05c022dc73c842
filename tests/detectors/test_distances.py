"""Distances agree with scipy on the same rows, and are as large by chance as their docstrings say."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import SCORE_EDGES, numeric, quantile_edges, score
from scipy.spatial.distance import jensenshannon
from scipy.stats import chi2, chi2_contingency, ks_2samp, wasserstein_distance

from monitor.detectors.chi_square import ChiSquare
from monitor.detectors.hellinger import Hellinger
from monitor.detectors.jensen_shannon import JensenShannon
from monitor.detectors.kolmogorov_smirnov import KolmogorovSmirnov
from monitor.detectors.psi import Psi
from monitor.detectors.tails import chi_square_point, chi_square_tail
from monitor.detectors.total_variation import TotalVariation
from monitor.detectors.wasserstein import Wasserstein, distance, error_bound, spread
from monitor.facts import Histogram, Verdict


def histogram(bins, *, ordered=True) -> Histogram:
    return Histogram("x", ordered, tuple(map(int, bins)))


DISTANCES = [Psi(), JensenShannon(), KolmogorovSmirnov(), TotalVariation(), Hellinger()]
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
    for kind in (Psi, JensenShannon, KolmogorovSmirnov, TotalVariation, Hellinger):
        detector = kind(rows_min=1)
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


@pytest.mark.parametrize("detector", DISTANCES)
def test_no_distance_breaches_by_chance_at_its_floor_of_rows(detector):
    reference = histogram([10_000] * 22)
    readings = [detector.read(reference, live) for live in drawn(detector.rows_min, 4)]
    assert {reading.verdict for reading in readings} == {Verdict.OK}


@pytest.mark.parametrize("detector", DISTANCES)
def test_a_shift_of_one_standard_deviation_breaches(detector):
    rng = np.random.default_rng(5)
    edges = [-np.inf, *np.quantile(rng.normal(size=20_000), np.linspace(0, 1, 21)), np.inf]
    reference, live = (histogram(np.histogram(rng.normal(shift, 1, 2000), edges)[0]) for shift in (0, 1))
    reading = detector.read(reference, live)
    assert (reading.verdict, reading.n, reading.limit) == (Verdict.BREACH, 2000, detector.limit)


@pytest.mark.parametrize("detector", DISTANCES)
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


@given(two)
@settings(max_examples=150)
def test_total_variation_and_hellinger_are_their_formulas(bins):
    p, q = (np.array(counts) / sum(counts) for counts in bins)
    reading = TotalVariation(rows_min=1).read(*map(histogram, bins))
    assert reading.value == pytest.approx(abs(p - q).sum() / 2, abs=1e-12)
    expected = np.sqrt(max(0.0, 1 - np.sqrt(p * q).sum()))
    assert Hellinger(rows_min=1).read(*map(histogram, bins)).value == pytest.approx(expected, abs=2e-8)


@given(two)
@settings(max_examples=150)
def test_chi_square_agrees_with_scipy_on_the_bins_with_a_row(bins):
    seen = np.array(bins)[:, np.sum(bins, axis=0) > 0]
    reading = ChiSquare(rows_min=1).read(*map(histogram, bins))
    if seen.shape[1] == 1:
        assert reading.verdict is Verdict.UNKNOWN
        return
    expected = chi2_contingency(seen, correction=False)
    assert reading.value == pytest.approx(expected.statistic, rel=1e-9, abs=1e-9)
    assert reading.limit == pytest.approx(chi2.isf(0.001, expected.dof), rel=1e-9)


@given(st.integers(1, 100), st.floats(0, 500))
@settings(max_examples=300)
def test_the_tail_of_chi_square_is_scipys(df, x):
    assert chi_square_tail(x, df) == pytest.approx(chi2.sf(x, df), abs=1e-12)


@given(st.integers(1, 100), st.floats(1e-12, 0.5))
@settings(max_examples=100)
def test_the_point_of_chi_square_leaves_its_tail(df, tail):
    assert chi_square_tail(chi_square_point(tail, df), df) == pytest.approx(tail, rel=1e-6)


def test_chi_square_at_one_in_a_thousand_rarely_breaches_by_chance():
    rng = np.random.default_rng(12)
    draws = rng.multinomial(2000, np.full(22, 1 / 22), size=(3000, 2))
    alarms = [ChiSquare().read(*map(histogram, pair)).verdict is Verdict.BREACH for pair in draws]
    assert sum(alarms) <= 11  # binomial(3000, .001): beyond 11 less than once in ten thousand


def test_by_chance_total_variation_and_hellinger_are_about_what_their_notes_say():
    reference, lives = histogram([10_000] * 22), drawn(500, 13)
    varied = np.mean([TotalVariation().read(reference, live).value for live in lives])
    assert varied == pytest.approx(math.sqrt(22 / 500 / (2 * math.pi)), rel=0.1)
    apart = np.mean([Hellinger().read(reference, live).value for live in lives])
    assert apart == pytest.approx(math.sqrt(21 / 500 / 8), rel=0.1)


STREAMS = {
    "normal": lambda rng, n: rng.normal(size=n),
    "uniform": lambda rng, n: rng.random(n),
    "exponential": lambda rng, n: rng.exponential(size=n),
    "lognormal": lambda rng, n: rng.lognormal(size=n),
    "integers": lambda rng, n: rng.integers(0, 9, n).astype(float),
}


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("shift", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("seed", range(4))
def test_wasserstein_is_scipys_within_the_error_of_its_bins(stream, shift, seed):
    rng = np.random.default_rng(seed)
    before, after = STREAMS[stream](rng, 3000), STREAMS[stream](rng, 2000) + shift
    edges = quantile_edges(before)
    expected, found = numeric(before, edges), numeric(after, edges)
    cut = wasserstein_distance(before, np.clip(after, edges[0], edges[-1]))
    assert abs(distance(expected, found) - cut) <= error_bound(expected, found) + 1e-12
    near = wasserstein_distance(before, after) / np.std(before)
    assert Wasserstein().read(expected, found).value == pytest.approx(near, abs=error_bound(expected, found) + 0.02)


@pytest.mark.parametrize("stream", ["normal", "uniform", "exponential"])
def test_for_half_a_deviation_the_bins_cost_less_than_a_tenth(stream):
    rng = np.random.default_rng(7)
    before, after = STREAMS[stream](rng, 20_000), STREAMS[stream](rng, 20_000) + 0.5
    edges = quantile_edges(before)
    near = wasserstein_distance(before, after) / np.std(before)
    assert Wasserstein().read(numeric(before, edges), numeric(after, edges)).value == pytest.approx(near, abs=0.08)


def test_one_row_far_outside_shows_by_the_mean():
    before = np.random.default_rng(8).normal(size=1000)
    edges = quantile_edges(before)
    after = np.append(before, 1e6)
    near = wasserstein_distance(before, after) / np.std(before)
    assert Wasserstein().read(numeric(before, edges), numeric(after, edges)).value == pytest.approx(near, rel=1e-3)


def test_wasserstein_of_scores_has_no_outer_bins():
    rng = np.random.default_rng(9)
    before, after = rng.beta(2, 5, 3000), rng.beta(5, 2, 3000)
    near = wasserstein_distance(before, after) / np.std(before)
    assert score(before).edges == SCORE_EDGES
    assert Wasserstein().read(score(before), score(after)).value == pytest.approx(near, rel=0.01)


def test_the_spread_of_bins_is_near_that_of_the_rows():
    rows = np.random.default_rng(10).beta(2, 5, 3000)
    assert spread(score(rows)) == pytest.approx(np.std(rows), rel=0.01)


def test_wasserstein_has_nothing_to_measure_with_where_the_reference_is_constant_or_without_edges():
    constant = numeric(np.full(900, 3.0), [3.0])
    assert "does not vary" in Wasserstein().read(constant, constant).why
    bare = histogram([500, 500])
    assert "edges" in Wasserstein().read(bare, bare).why


def test_other_edges_are_refused():
    one, other = numeric(np.arange(900), [0, 400, 900]), numeric(np.arange(900), [0, 500, 900])
    with pytest.raises(ValueError, match="edges of x"):
        Wasserstein().read(one, other)
