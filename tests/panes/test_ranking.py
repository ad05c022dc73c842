"""A label of a ranked list in one double: exact, as scikit-learn counts it, and summed without loss."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from monitor.facts import FIXED_POINT, Pairs, Subject
from monitor.panes.count import bin_rows, count_pairs
from monitor.panes.outcomes import count_agreement, count_outcomes
from monitor.panes.ranking import GAIN_MAX, pack, score_gains, score_place, unpack

gain_lists = st.lists(st.one_of(st.integers(0, 5), st.floats(0, GAIN_MAX)), max_size=40)


def parts(value):
    first, ndcg = unpack(np.array([value]))
    return int(first[0]), int(ndcg[0]) / FIXED_POINT


@pytest.fixture(scope="session")
def count(rows, receipts_of):
    """Count labels of lists of ten."""

    def build(layout, labels, sign=1):
        n = len(labels)
        receipts = receipts_of(layout, rows({}, n=n, values=[10.0] * n))
        lags, signs = np.full(n, math.nan), np.full(n, sign, np.int8)
        return count_outcomes(layout, receipts=receipts, labels=np.array(labels, float), lags_s=lags, sign=signs)

    return build


@given(st.integers(0, 255), st.floats(0, 1))
def test_what_is_packed_is_unpacked(first, ndcg):
    assert parts(pack(first, ndcg)) == (first, round(ndcg * FIXED_POINT) / FIXED_POINT)


@pytest.mark.parametrize(("first", "ndcg"), [(-1, 0.0), (256, 0.0), (1, 1.1), (1, -0.1), (1, math.nan)])
def test_what_is_out_of_range_is_refused(first, ndcg):
    with pytest.raises(ValueError, match="no place"):
        pack(first, ndcg)


@given(st.lists(st.integers(0, 5), min_size=2, max_size=30).filter(any))
def test_gains_score_as_scikit_learn_says(gains):
    relevance = [2**gain - 1 for gain in gains]
    expected = ndcg_score([relevance], [list(range(len(gains), 0, -1))], k=10)
    assert parts(score_gains(gains))[1] == pytest.approx(expected, abs=1e-9)


@given(gain_lists)
def test_the_first_relevant_place_is_kept(gains):
    place = next((i for i, gain in enumerate(gains, 1) if gain > 0), 0)
    first, ndcg = parts(score_gains(gains))
    assert first == place
    assert 0 <= ndcg <= 1


def test_a_place_is_a_list_with_one_gain():
    for place in (1, 3, 10, 11, 200):
        assert score_place(place) == score_gains([0] * (place - 1) + [1])
    assert score_place(0) == score_gains([0, 0]) == score_gains([]) == 0.0


def test_a_place_far_down_is_the_last_one():
    assert parts(score_place(10**9)) == parts(score_gains([0] * 300 + [1])) == (255, 0.0)


@pytest.mark.parametrize("gains", [[-1], [math.nan], [math.inf], [GAIN_MAX + 1], ["1"], [None]])
def test_bad_gains_are_refused(gains):
    with pytest.raises(ValueError, match="gains are numbers"):
        score_gains(gains)


def test_a_negative_place_is_refused():
    with pytest.raises(ValueError, match="no place"):
        score_place(-1)


def test_hits_and_reciprocal_places_are_counted(ranking, count):
    ranks = ranking.view(count(ranking, [score_place(place) for place in (1, 2, 4, 8, 0, 11)]), Subject.OUTCOMES)
    assert (ranks.labelled, ranks.hits) == (6, ((1, 1), (3, 2), (5, 3), (10, 4)))
    places = np.array([1, 2, 4, 8, 11])
    assert ranks.reciprocal == pytest.approx((1 / places).sum(), abs=1e-9)
    assert ranks.reciprocal_squared == pytest.approx((1 / places**2).sum(), abs=1e-9)


def test_gains_are_summed(ranking, count):
    labels = [pack(1, 1.0), pack(2, 0.5), pack(0, 0.0)]
    ranks = ranking.view(count(ranking, labels), Subject.OUTCOMES)
    assert (ranks.ndcg, ranks.ndcg_squared) == (1.5, 1.25)


@given(st.lists(gain_lists, max_size=9), st.lists(gain_lists, max_size=9))
def test_a_correction_takes_back_what_it_replaces(ranking, count, old, new):
    old, new = [score_gains(gains) for gains in old], [score_gains(gains) for gains in new]
    assert count(ranking, old) + count(ranking, new) + count(ranking, old, -1) == count(ranking, new)


def test_lists_are_not_compared_with_the_known_goods(ranking, rows):
    binned = bin_rows(ranking, rows({}, n=2, values=[5.0, 5.0]))
    pane = count_pairs(ranking, binned, np.array([1.0, 2.0]))
    assert ranking.view(pane, Subject.PAIRS) == Pairs(0, 0, 0, 0, 0, 0, 0)


def test_an_untrusted_label_agrees_when_the_first_ten_hold_a_relevant_item(ranking, rows, receipts_of):
    receipts = receipts_of(ranking, rows({}, n=4, values=[9.0] * 4))
    labels = np.array([score_place(place) for place in (1, 10, 11, 0)])
    pane = count_agreement(ranking, receipts, labels, np.ones(4, np.int8))
    assert pane.counts[ranking.agreement].tolist() == [2, 2]
