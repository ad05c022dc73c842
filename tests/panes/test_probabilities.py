"""Probabilities and labels: log loss as scikit-learn has it, and a curve for every class."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import log_loss

from monitor.facts import FIXED_POINT, Subject
from monitor.panes.outcomes import EPS, count_outcomes, log_losses
from monitor.panes.reference import NumericBins

X = NumericBins("x", (0.0, 1.0))
N = 4_000


@pytest.fixture(scope="session")
def count(rows, receipts_of):
    """Count labels of rows with probabilities."""

    def build(layout, labels, scores=None, probabilities=None, *, sign=1, outputs=None):
        n = len(labels)
        some = rows({}, n=n, scores=scores, probabilities=probabilities, outputs=outputs)
        lags, signs = np.full(n, math.nan), np.full(n, sign, np.int8)
        given_ = np.array(labels, float)
        return count_outcomes(layout, receipts=receipts_of(layout, some), labels=given_, lags_s=lags, sign=signs)

    return build


@pytest.fixture(scope="session")
def three(layout_of):
    return layout_of(X, classes=3)


def drawn(classes, seed=3):
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.full(classes, 0.6), N).astype(np.float32)
    labels = [rng.choice(classes, p=row / row.sum()) for row in probabilities.astype(float)]
    return probabilities, np.array(labels)


def test_log_loss_of_two_classes_agrees_with_scikit_learn(small, count):
    probabilities, labels = drawn(2)
    probabilities[:5, 1] = [0, 1, 0, 1, 1e-9]
    outcomes = small.view(count(small, labels, probabilities[:, 1]), Subject.OUTCOMES)
    expected = log_loss(labels, probabilities[:, 1].astype(np.float32))
    assert outcomes.likely == N
    assert outcomes.log_loss / FIXED_POINT / N == pytest.approx(expected, rel=1e-5)


def test_log_loss_of_more_classes_agrees_within_the_rounding_of_a_receipt(three, count):
    probabilities, labels = drawn(3)
    outcomes = three.view(count(three, labels, probabilities=probabilities), Subject.OUTCOMES)
    kept = np.clip(probabilities.astype(np.float16)[np.arange(N), labels].astype(float), EPS, 1 - EPS)
    assert outcomes.log_loss / FIXED_POINT / N == pytest.approx(-np.log(kept).mean(), abs=1e-9)
    picked = np.clip(probabilities[np.arange(N), labels].astype(float), EPS, 1 - EPS)
    assert outcomes.log_loss / FIXED_POINT / N == pytest.approx(-np.log(picked).mean(), abs=5e-3)


def test_losses_are_bounded_as_promised():
    worst = log_losses(np.array([0.0, EPS, 1.0, 0.5]))
    assert worst.tolist()[0] == worst.tolist()[1] <= 2**36
    assert worst[2] == round(-math.log(1 - EPS) * FIXED_POINT)
    assert worst[3] == round(math.log(2) * FIXED_POINT)


def test_every_class_has_its_curve(three, count):
    probabilities, labels = drawn(3)
    outcomes = three.view(count(three, labels, probabilities=probabilities), Subject.OUTCOMES)
    assert [curve.outcome for curve in outcomes.curves] == ["", "a", "b", "c"]
    for index, curve in enumerate(outcomes.curves[1:]):
        given_ = probabilities[:, index].astype(np.float16).astype(float)
        hits, _ = np.histogram(given_[labels == index], np.arange(65) / 64)
        misses, _ = np.histogram(given_[labels != index], np.arange(65) / 64)
        assert (list(curve.hits), list(curve.misses)) == (hits.tolist(), misses.tolist())


def test_two_classes_have_one_curve_of_the_positive_one(small, count):
    outcomes = small.view(count(small, [1, 0, 1], [0.75, 0.75, 0.5]), Subject.OUTCOMES)
    (curve,) = outcomes.curves
    assert (curve.outcome, curve.hits[48], curve.misses[48], curve.hits[32], curve.n) == ("b", 1, 1, 1, 3)


def test_a_row_without_all_probabilities_counts_in_no_class(three, count):
    probabilities = [[0.2, 0.3, math.nan], [math.nan] * 3]
    outcomes = three.view(count(three, [0, 1], scores=[0.5, 0.5], probabilities=probabilities), Subject.OUTCOMES)
    assert (outcomes.likely, outcomes.scored, len(outcomes.curves)) == (0, 2, 1)


def test_without_probabilities_more_classes_have_no_log_loss(three, count):
    outcomes = three.view(count(three, [0, 1], scores=[0.9, 0.9]), Subject.OUTCOMES)
    assert (outcomes.likely, outcomes.log_loss, len(outcomes.curves)) == (0, 0, 1)


def test_a_label_that_is_no_class_has_no_probability(small, three, count):
    assert small.view(count(small, [2], [0.5]), Subject.OUTCOMES).likely == 0
    outcomes = three.view(count(three, [3], probabilities=[[0.2, 0.3, 0.5]]), Subject.OUTCOMES)
    assert (outcomes.likely, [curve.n for curve in outcomes.curves]) == (0, [0, 1, 1, 1])


shares = st.one_of(st.floats(0, 1, width=16), st.just(math.nan))
labelled = st.lists(st.tuples(st.integers(0, 4), st.tuples(shares, shares, shares)), max_size=20)


@given(labelled, labelled)
@settings(max_examples=100)
def test_a_correction_takes_back_what_it_replaces(three, count, old, new):
    def counted(rows, sign):
        labels, probabilities = map(list, zip(*rows, strict=True)) if rows else ([], np.empty((0, 3)))
        return count(three, labels, probabilities=probabilities, sign=sign)

    assert counted(old, 1) + counted(new, 1) + counted(old, -1) == counted(new, 1)


def test_seven_classes_keep_only_the_top_one(layout_of, count):
    layout = layout_of(X, classes=7)
    pane = count(layout, [0], scores=[0.5], probabilities=[[1 / 7] * 7])
    assert len(layout.view(pane, Subject.OUTCOMES).curves) == 1
