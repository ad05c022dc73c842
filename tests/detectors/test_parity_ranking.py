"""Figures of a ranking are scikit-learn's, or those of one label per list, on the same lists."""

import made
import numpy as np
import pytest
from sklearn.metrics import label_ranking_average_precision_score, ndcg_score, top_k_accuracy_score

from monitor.detectors import DETECTORS
from monitor.facts import Verdict


def value(name: str, view, **parameters):
    return DETECTORS[name](limit=0.5, rows_min=1, **parameters).read(view, view).value


def served(seed: int, n: int = 400, items: int = 12, skill: float = 1.0):
    """The relevant item and the scores of each list, and gains by place as served."""
    rng = np.random.default_rng(seed)
    relevant = rng.integers(0, items, n)
    scores = rng.normal(size=(n, items)) + skill * np.eye(items)[relevant]
    order = np.argsort(-scores, axis=1)
    gains = np.take_along_axis(np.eye(items)[relevant], order, axis=1)
    return relevant, scores, gains


def each_ndcg(gains) -> list[float]:
    """scikit-learn's, whose gains are linear: 2^g - 1 is the same for 0 and 1."""
    places = -np.arange(gains.shape[1])[None, :]
    return [ndcg_score(row[None, :], places, k=10) for row in gains]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("k", [1, 3, 5, 10])
def test_hit_rate_is_the_accuracy_among_the_first_k(seed, k):
    relevant, scores, gains = served(seed)
    expected = top_k_accuracy_score(relevant, scores, k=k, labels=range(12))
    assert value("hit_rate", made.ranks(gains), k=k) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_reciprocal_rank_of_one_relevant_item_is_ranking_average_precision(seed):
    relevant, scores, gains = served(seed)
    expected = label_ranking_average_precision_score(np.eye(12)[relevant], scores)
    assert value("reciprocal_rank", made.ranks(gains)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_ndcg(seed):
    relevant, scores, gains = served(seed)
    expected = ndcg_score(np.eye(12)[relevant], scores, k=10)
    assert value("ndcg", made.ranks(gains, each_ndcg(gains))) == pytest.approx(expected, abs=1e-12)


def view(seed: int, skill: float, **given):
    gains = served(seed, skill=skill)[2]
    return made.ranks(gains, each_ndcg(gains), **given)


@pytest.mark.parametrize("name", ["hit_rate", "ndcg", "reciprocal_rank"])
def test_a_ranking_that_lost_its_skill_breaches_and_the_same_does_not(name):
    good = view(1, 2.0)
    assert DETECTORS[name]().read(good, view(2, 2.0)).verdict is Verdict.OK
    reading = DETECTORS[name]().read(good, view(2, 0.0))
    assert (reading.verdict, reading.n, reading.unit) == (Verdict.BREACH, 400, "share")
    assert reading.high < reading.limit


@pytest.mark.parametrize("name", ["hit_rate", "ndcg", "reciprocal_rank"])
def test_few_labels_say_nothing(name):
    detector = DETECTORS[name](limit=0.9)
    assert "fewer than 401" in DETECTORS[name](limit=0.9, rows_min=401).read(view(1, 0.0), view(1, 0.0)).why
    assert "400 of 500" in detector.read(view(1, 0.0), view(1, 0.0, unlabelled=100)).why
