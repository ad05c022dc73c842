"""Labels count what they say, and a correction takes back exactly what it replaces."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, confusion_matrix

from monitor.facts import FIXED_POINT, Subject
from monitor.panes.count import NOT_ASKED
from monitor.panes.layout import LAG_EDGES_S
from monitor.panes.outcomes import count_agreement, count_outcomes, squared_errors
from monitor.panes.reference import NumericBins

X = NumericBins("x", (0.0, 1.0))


@pytest.fixture(scope="session")
def count(rows, receipts_of):
    """Count labels of rows given as lists."""

    def build(layout, outputs, labels, scores=None, *, lags_s=None, known_good=None, sign=1):
        n = len(outputs)
        some = rows({}, n=n, outputs=outputs, scores=scores)
        return count_outcomes(
            layout,
            receipts=receipts_of(layout, some, known_good),
            labels=np.array(labels, float),
            lags_s=np.array([math.nan] * n if lags_s is None else lags_s, float),
            sign=np.broadcast_to(np.array(sign, np.int8), n),
        )

    return build


label_lists = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.integers(0, 3),
        st.one_of(st.floats(0, 1, width=32), st.just(math.nan)),
        st.one_of(st.floats(-1e4, 1e8), st.just(math.nan)),
        st.sampled_from([0, 1, 2, NOT_ASKED]),
    ),
    max_size=30,
)


@given(label_lists, label_lists)
@settings(max_examples=200)
def test_minus_the_old_plus_the_new_is_as_if_the_old_had_never_been(count, small, old, new):
    def counted(labels, sign):
        outputs, given, scores, lags, known_good = zip(*labels, strict=True) if labels else ([], [], [], [], [])
        return count(small, outputs, given, scores, lags_s=lags, known_good=known_good, sign=sign)

    corrected = counted(old, 1) + counted(old, -1) + counted(new, 1)
    assert corrected == counted(new, 1)


@given(label_lists)
@settings(max_examples=100)
def test_signs_may_be_mixed_in_one_call(count, small, labels):
    both = [*labels, *labels]
    outputs, given, scores, lags, known_good = zip(*both, strict=True) if both else ([], [], [], [], [])
    signs = [1] * len(labels) + [-1] * len(labels)
    pane = count(small, outputs, given, scores, lags_s=lags, known_good=known_good, sign=signs)
    assert pane == small.empty()


def test_confusion_agrees_with_scikit_learn(count, layout_of):
    rng, layout = np.random.default_rng(3), layout_of(X, classes=4)
    outputs, labels = rng.integers(0, 5, 2000), rng.integers(0, 5, 2000)
    outcomes = layout.view(count(layout, outputs, labels), Subject.OUTCOMES)
    assert np.array_equal(np.array(outcomes.confusion).T, confusion_matrix(labels, outputs, labels=range(5)))
    assert outcomes.wrong == np.count_nonzero(outputs != labels)


def test_squared_error_agrees_with_scikit_learn(count, small):
    rng = np.random.default_rng(4)
    scores, labels = rng.random(5000), rng.integers(0, 2, 5000)
    outcomes = small.view(count(small, scores > 0.5, labels, scores), Subject.OUTCOMES)
    expected = brier_score_loss(labels, scores)
    assert outcomes.squared_error / FIXED_POINT / outcomes.scored == pytest.approx(expected, abs=1e-7)


def test_with_more_classes_a_score_speaks_of_the_predicted_one(count, layout_of):
    layout = layout_of(X, classes=3)
    outcomes = layout.view(count(layout, [2, 2], [2, 0], [0.75, 0.75]), Subject.OUTCOMES)
    assert outcomes.squared_error == FIXED_POINT // 16 + FIXED_POINT * 9 // 16


def test_with_two_classes_a_score_speaks_of_the_positive_one(count, small):
    outcomes = small.view(count(small, [0, 1, 0], [1, 1, 2], [0.25, 0.25, 0.25]), Subject.OUTCOMES)
    assert outcomes.squared_error == 2 * (FIXED_POINT * 9 // 16) + FIXED_POINT // 16


def test_scores_are_counted_by_outcome(count, small):
    by_outcome = count(small, [1, 1, 1], [1, 0, 1], [0.5, 0.5, 1.0]).counts[small.score_label].reshape(64, 2)
    assert np.argwhere(by_outcome).tolist() == [[32, 0], [32, 1], [63, 1]]


def test_a_label_without_a_score_moves_no_squared_error(count, small):
    outcomes = small.view(count(small, [1], [0], [math.nan]), Subject.OUTCOMES)
    assert (outcomes.labelled, outcomes.scored, outcomes.squared_error) == (1, 0, 0)


def test_a_squared_error_is_at_most_one_in_fixed_point():
    worst = squared_errors(np.array([1.0, 0.0, 0.5]), np.array([False, True, True]))
    assert worst.tolist() == [FIXED_POINT, FIXED_POINT, FIXED_POINT // 4]


@pytest.mark.parametrize(
    ("lag", "bin_"),
    [(-5.0, 0), (0.0, 0), (59.999, 0), (60.0, 1), (3600.0, 5), (30 * 86400.0, 15), (1e12, 15), (math.inf, 15)],
)
def test_a_lag_has_its_bin(count, small, lag, bin_):
    assert small.view(count(small, [1], [1], lags_s=[lag]), Subject.OUTCOMES).lag.index(1) == bin_


def test_lags_are_cut_at_increasing_edges_and_an_unknown_one_is_not_counted(count, small):
    assert list(LAG_EDGES_S) == sorted(set(LAG_EDGES_S))
    assert sum(small.view(count(small, [1], [1], lags_s=[math.nan]), Subject.OUTCOMES).lag) == 0


def test_pairs_say_who_was_wrong(count, small):
    served, known_good, labels = [0, 1, 0, 1, 0], [0, 0, 1, 1, NOT_ASKED], [0, 0, 1, 0, 0]
    pairs = small.view(count(small, served, labels, known_good=known_good), Subject.PAIRS)
    assert (pairs.both_right, pairs.only_serving_wrong, pairs.only_known_good_wrong, pairs.both_wrong) == (1, 2, 0, 1)


def test_only_the_known_good_may_be_wrong_too(count, small):
    pairs = small.view(count(small, [1], [1], known_good=[0]), Subject.PAIRS)
    assert (pairs.only_serving_wrong, pairs.only_known_good_wrong) == (0, 1)


def test_untrusted_labels_count_agreement_and_move_no_error(rows, receipts_of, small):
    receipts, labels = receipts_of(small, rows({}, n=4, outputs=[0, 1, 2, 3])), np.array([0.0, 0.0, 2.0, 2.0])
    pane = count_agreement(small, receipts, labels, np.ones(4, np.int8))
    assert pane.counts[small.agreement].tolist() == [3, 1]
    assert small.view(pane, Subject.OUTCOMES).labelled == 0
    assert pane + count_agreement(small, receipts, labels, -np.ones(4, np.int8)) == small.empty()
