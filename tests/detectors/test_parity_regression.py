"""Figures of a regression are scikit-learn's on the same rows, and their limits mean what they say."""

import made
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from monitor.detectors import DETECTORS
from monitor.facts import PairedErrors, Verdict

NONE = PairedErrors(0, 0, 0.0, 0)
KINDS = ("mean_absolute_error", "root_mean_squared_error", "r_squared", "bias", "quantile_loss")
numbers = st.floats(-1e6, 1e6)
two = st.lists(st.tuples(numbers, numbers), min_size=2, max_size=60).map(lambda rows: np.array(rows).T)


def value(name: str, view, **parameters):
    return DETECTORS[name](limit=1.0, rows_min=1, **parameters).read(view, view).value


@given(two)
@settings(max_examples=200)
def test_absolute_and_squared_errors(rows):
    predicted, labels = rows
    view = made.errors(predicted, labels)
    assert value("mean_absolute_error", view) == pytest.approx(metrics.mean_absolute_error(labels, predicted))
    assert value("root_mean_squared_error", view) == pytest.approx(metrics.root_mean_squared_error(labels, predicted))
    assert value("bias", view) == pytest.approx(np.mean(predicted - labels), abs=1e-6)


@given(two, st.sampled_from([0.1, 0.5, 0.9]))
@settings(max_examples=200)
def test_quantile_loss(rows, quantile):
    predicted, labels = rows
    expected = metrics.mean_pinball_loss(labels, predicted, alpha=quantile)
    assert value("quantile_loss", made.errors(predicted, labels), quantile=quantile) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("centre", "noise"), [(0, 0.1), (0, 3), (1000, 1), (-1e6, 1)])
def test_r_squared(seed, centre, noise):
    rng = np.random.default_rng(seed)
    labels = rng.normal(centre, 1, 500)
    predicted = labels + rng.normal(0, noise, 500)
    expected = metrics.r2_score(labels, predicted)
    assert value("r_squared", made.errors(predicted, labels)) == pytest.approx(expected, abs=1e-3)


def noisy(scale: float, shift: float = 0.0, n: int = 2000, seed: int = 3):
    rng = np.random.default_rng(seed)
    labels = rng.normal(0, 2, n)
    return made.errors(labels + rng.normal(shift, scale, n), labels)


@pytest.mark.parametrize("name", KINDS)
def test_errors_that_doubled_breach_and_the_same_do_not(name):
    detector, worse = DETECTORS[name](), noisy(2.0, 1.0)
    assert detector.read(noisy(1.0), noisy(1.0, seed=4)).verdict is Verdict.OK
    reading = detector.read(noisy(1.0), worse)
    assert (reading.verdict, reading.n) == (Verdict.BREACH, 2000)


@pytest.mark.parametrize("name", set(KINDS) - {"r_squared"})
def test_the_bound_and_not_the_point_decides(name):
    mild = noisy(1.2, 0.3, n=200) if name != "root_mean_squared_error" else noisy(1.3, n=200)
    limit = abs(value(name, mild)) * 0.99
    assert DETECTORS[name](limit=limit).read(mild, mild).verdict is Verdict.OK


@pytest.mark.parametrize("name", KINDS)
def test_few_labels_say_nothing(name):
    few, late = noisy(9.0, n=199), made.errors(np.ones(899), np.zeros(899), unlabelled=101)
    detector = DETECTORS[name](limit=0.1)
    assert "fewer than 200" in detector.read(noisy(1.0), few).why
    assert "899 of 1000" in detector.read(noisy(1.0), late).why


@pytest.mark.parametrize("name", KINDS)
def test_without_labels_in_the_reference_only_an_absolute_limit_helps(name):
    nothing, live = made.errors([], [], unlabelled=1000), noisy(9.0, 9.0)
    assert "the reference has fewer than" in DETECTORS[name]().read(nothing, live).why
    assert DETECTORS[name](limit=0.5).read(nothing, live).verdict is Verdict.BREACH


def test_bias_has_two_sides():
    assert value("bias", noisy(1.0, -1.0)) < -0.9
    reading = DETECTORS["bias"]().read(noisy(1.0), noisy(1.0, -1.0))
    assert reading.verdict is Verdict.BREACH
    assert reading.low < reading.value < reading.high < 0 < reading.limit


def test_a_model_that_is_farther_off_than_the_known_good_breaches():
    rng = np.random.default_rng(1)
    labels = rng.normal(size=1000)
    good, bad = labels + rng.normal(0, 1, 1000), labels + rng.normal(0, 1.3, 1000)
    reading = DETECTORS["paired_absolute_error"](limit=0.05).read(NONE, made.paired_errors(bad, good, labels))
    expected = metrics.mean_absolute_error(labels, bad) - metrics.mean_absolute_error(labels, good)
    assert (reading.verdict, reading.value) == (Verdict.BREACH, pytest.approx(expected, abs=1e-9))
    better = DETECTORS["paired_absolute_error"]().read(NONE, made.paired_errors(good, bad, labels))
    assert better.verdict is Verdict.OK


def test_a_world_that_became_harder_for_both_cancels():
    rng = np.random.default_rng(2)
    labels = rng.normal(size=2000)
    far = rng.normal(0, 9, 2000)
    view = made.paired_errors(labels + far, labels + far + rng.normal(0, 0.1, 2000), labels)
    assert DETECTORS["paired_absolute_error"](limit=0.05).read(NONE, view).verdict is Verdict.OK
