"""Sums of errors: exact, taken back to the last bit, and those of numpy and scikit-learn in the target's unit."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import mean_absolute_error, mean_pinball_loss, mean_squared_error, r2_score

from monitor.facts import FIXED_POINT, Subject
from monitor.panes.count import bin_rows, count_pairs
from monitor.panes.errors import CLIP, error_terms, joined, split_sums
from monitor.panes.outcomes import count_agreement, count_outcomes

N = 5_000
doubles = st.one_of(st.floats(), st.floats(80, 120))
triples = st.lists(st.tuples(doubles, doubles, st.one_of(doubles, st.just(math.nan))), max_size=25)


@pytest.fixture(scope="session")
def count(rows, receipts_of):
    """Count labels of predicted numbers."""

    def build(layout, values, labels, known_good=None, sign=1, *, lags_s=None):
        n = len(values)
        said = [math.nan] * n if known_good is None else known_good
        return count_outcomes(
            layout,
            receipts=receipts_of(layout, rows({}, n=n, values=values), said),
            labels=np.array(labels, float),
            lags_s=np.full(n, math.nan) if lags_s is None else np.array(lags_s, float),
            sign=np.full(n, sign, np.int8),
        )

    return build


@pytest.fixture(scope="session")
def world():
    rng = np.random.default_rng(5)
    labels = rng.normal(100, 8, N)
    return labels + rng.normal(1, 4, N), labels, labels + rng.normal(0, 3, N)


def test_errors_agree_with_scikit_learn(regression, count, world):
    values, labels, _ = world
    errors = regression.view(count(regression, values, labels), Subject.OUTCOMES)
    assert errors.labelled == N
    assert errors.absolute / N == pytest.approx(mean_absolute_error(labels, values), abs=4 * 2**-33)
    assert errors.squared / N == pytest.approx(mean_squared_error(labels, values), abs=16 * 2**-33)
    assert 1 - errors.squared / errors.variation == pytest.approx(r2_score(labels, values), abs=1e-8)


def test_bias_and_fourth_powers_agree_with_numpy(regression, count, world):
    values, labels, _ = world
    errors = regression.view(count(regression, values, labels), Subject.OUTCOMES)
    assert errors.error / N == pytest.approx((values - labels).mean(), abs=4 * 2**-33)
    assert errors.fourth / N == pytest.approx(((values - labels) ** 4).mean(), abs=256 * 2**-33)
    assert errors.label / N == pytest.approx(labels.mean(), abs=8 * 2**-33)


def test_pinball_losses_agree_with_scikit_learn(regression, count, world):
    values, labels, _ = world
    errors = regression.view(count(regression, values, labels), Subject.OUTCOMES)
    assert [share for share, _, _ in errors.pinball] == [0.1, 0.5, 0.9]
    for share, loss, squared in errors.pinball:
        assert loss / N == pytest.approx(mean_pinball_loss(labels, values, alpha=share), abs=1e-8)
        each = np.maximum(share * (labels - values), (share - 1) * (labels - values))
        assert squared / N == pytest.approx((each**2).mean(), abs=1e-8)


@given(st.lists(st.tuples(st.floats(-CLIP, CLIP), st.floats(-CLIP, CLIP)), min_size=1, max_size=20))
@settings(max_examples=150)
def test_sums_are_those_of_fractions_within_half_a_unit_a_row(pairs):
    errors, labels = (np.array(column) for column in zip(*pairs, strict=True))
    terms = error_terms(errors, labels)
    sums = joined(split_sums(terms, np.ones(len(pairs), np.int64)).tolist())
    for found, term in zip(sums, terms, strict=True):
        exact = sum(map(Fraction, term.tolist()), Fraction(0))
        assert abs(found - exact) <= Fraction(len(pairs), 2 * FIXED_POINT)


@given(triples, triples)
@settings(max_examples=150)
def test_minus_the_old_plus_the_new_is_as_if_the_old_had_never_been(regression, count, old, new):
    def counted(labels, sign):
        values, given_, said = map(list, zip(*labels, strict=True)) if labels else ([], [], [])
        return count(regression, values, given_, said, sign)

    assert counted(old, -1) + counted(new, 1) + counted(old, 1) == counted(new, 1)


@given(triples)
def test_labels_add_in_any_order_and_any_split(regression, count, labels):
    values, given_, said = map(list, zip(*labels, strict=True)) if labels else ([], [], [])
    whole = count(regression, values, given_, said)
    parts = [count(regression, values[i::2], given_[i::2], said[i::2]) for i in (1, 0)]
    assert parts[0] + parts[1] == whole


def test_an_error_that_is_too_large_counts_as_the_bound_and_is_told(regression, count):
    errors = regression.view(count(regression, [1e308, 100.0], [100.0, 100.0]), Subject.OUTCOMES)
    assert (errors.labelled, errors.clipped) == (2, 1)
    assert (errors.absolute, errors.fourth) == (CLIP * 4.0, (CLIP * 4.0) ** 4)


def test_the_worst_row_is_within_the_promised_bound():
    worst = split_sums(error_terms(np.array([CLIP]), np.array([-CLIP])), np.ones(1, np.int64))
    assert np.abs(worst).max() <= 2**32  # so 2**31 rows of it fit


def test_a_prediction_that_is_no_number_is_not_labelled(regression, count):
    pane = count(regression, [math.nan, math.inf, 100.0], [100.0, 100.0, math.nan], lags_s=[1.0, 1.0, 1.0])
    assert pane == regression.empty()


def test_lags_are_counted(regression, count):
    errors = regression.view(count(regression, [100.0], [101.0], lags_s=[61.0]), Subject.OUTCOMES)
    assert errors.lag.index(1) == 1


def test_pairs_agree_with_numpy(regression, count, rows, world):
    values, labels, known_good = world
    known_good = np.where(np.arange(N) % 3, known_good, np.nan)
    binned = bin_rows(regression, rows({}, n=N, values=values))
    pane = count_pairs(regression, binned, known_good) + count(regression, values, labels, known_good)
    pairs = regression.view(pane, Subject.PAIRS)
    asked = ~np.isnan(known_good)
    worse = (np.abs(values - labels) - np.abs(known_good - labels))[asked]
    assert pairs.asked == pairs.labelled == asked.sum()
    assert pairs.apart == pytest.approx(np.abs(values - known_good)[asked].sum(), abs=1e-5)
    assert pairs.worse == pytest.approx(worse.sum(), abs=1e-5)
    assert pairs.worse_squared == pytest.approx((worse**2).sum(), abs=1e-4)


def test_an_untrusted_label_agrees_within_a_scale(regression, rows, receipts_of):
    receipts = receipts_of(regression, rows({}, n=4, values=[100.0, 100.0, 100.0, math.nan]))
    labels, signs = np.array([104.0, 104.1, -1e308, 100.0]), np.ones(4, np.int8)
    pane = count_agreement(regression, receipts, labels, signs)
    assert pane.counts[regression.agreement].tolist() == [1, 3]
    assert pane + count_agreement(regression, receipts, labels, -signs) == regression.empty()


def test_fairness_has_no_groups_of_numbers(regression):
    with pytest.raises(ValueError, match="shares of classes"):
        regression.group(regression.empty(), "origin=EWR")
