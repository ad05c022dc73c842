"""Figures of a classification are scikit-learn's on the same rows: exactly if made of counts, else within bins."""

import made
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from monitor.detectors import DETECTORS, curves
from monitor.detectors.curves import average_precision_range

AVERAGES = ("macro", "weighted", "micro")


def value(name: str, view, **parameters):
    """What it reads, with no floor and a limit that never matters."""
    return DETECTORS[name](limit=1.0, coverage_min=0.0, rows_min=1, **parameters).read(view, view).value


answers = st.integers(2, 4).flatmap(
    lambda k: st.tuples(st.just(k), st.lists(st.tuples(st.integers(0, k), st.integers(0, k)), min_size=1, max_size=60))
)


@given(answers)
@settings(max_examples=150)
def test_accuracy_and_balanced_accuracy(drawn):
    k, rows = drawn
    outputs, labels = np.array(rows).T
    view = made.outcomes(outputs, labels, k=k)
    recalls = metrics.recall_score(labels, outputs, labels=np.unique(labels), average=None)
    assert value("accuracy", view) == pytest.approx(metrics.accuracy_score(labels, outputs), abs=1e-12)
    assert value("balanced_accuracy", view) == pytest.approx(np.mean(recalls), abs=1e-12)


SCORES = {"precision": metrics.precision_score, "recall": metrics.recall_score, "f1": metrics.f1_score}


@pytest.mark.parametrize("name", SCORES)
@given(answers, st.sampled_from(AVERAGES))
@settings(max_examples=150)
def test_averages_leave_out_what_is_zero_over_zero(name, drawn, of):
    k, rows = drawn
    outputs, labels = np.array(rows).T
    found = value(name, made.outcomes(outputs, labels, k=k), of=of)
    expected = SCORES[name](labels, outputs, average=of, zero_division=np.nan)
    if found is None:  # weighted precision where no labelled class was predicted: scikit-learn then weighs all alike
        assert not set(outputs) & set(labels)
    else:
        assert found == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", SCORES)
@given(answers)
@settings(max_examples=150)
def test_the_figure_of_a_class(name, drawn):
    k, rows = drawn
    outputs, labels = np.array(rows).T
    view = made.outcomes(outputs, labels, k=k)
    each = SCORES[name](labels, outputs, labels=range(k), average=None, zero_division=np.nan)
    for of, expected in zip(made.CLASSES, each, strict=False):
        found = value(name, view, of=of)
        assert (found is None and np.isnan(expected)) or found == pytest.approx(expected, abs=1e-12)


@given(answers)
@settings(max_examples=150)
def test_mcc_is_the_same_unless_it_is_zero_over_zero(drawn):
    k, rows = drawn
    outputs, labels = np.array(rows).T
    found = value("mcc", made.outcomes(outputs, labels, k=k))
    if len(set(outputs)) > 1 < len(set(labels)):
        assert found == pytest.approx(metrics.matthews_corrcoef(labels, outputs), abs=1e-9)
    else:
        assert found is None


def scored(seed: int, n: int = 3000, *, sharp: float = 4.0, share: float = 0.3):
    """Labels and scores of a model of some skill."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(n) < share).astype(int)
    scores = 1 / (1 + np.exp(-rng.normal(sharp * (labels - 0.5), 2.0)))
    return labels, scores, made.outcomes((scores > 0.5).astype(int), labels, scores=scores)


WORLDS = [(seed, sharp, share) for seed in range(4) for sharp in (0.5, 3.0, 8.0) for share in (0.05, 0.4)]


@pytest.mark.parametrize(("seed", "sharp", "share"), WORLDS)
def test_roc_auc_is_within_half_the_pairs_of_one_bin_and_closer_than_a_hundredth(seed, sharp, share):
    labels, scores, view = scored(seed, sharp=sharp, share=share)
    (curve,) = view.curves
    tied = np.dot(curve.hits, curve.misses) / (2 * sum(curve.hits) * sum(curve.misses))
    expected = metrics.roc_auc_score(labels, scores)
    assert abs(value("roc_auc", view) - expected) <= min(0.01, tied)
    assert value("roc_auc", view) == pytest.approx(metrics.roc_auc_score(labels, np.floor(scores * 64)), abs=1e-12)


@pytest.mark.parametrize(("seed", "sharp", "share"), WORLDS)
def test_average_precision_is_inside_the_range_of_its_bins_and_close(seed, sharp, share):
    labels, scores, view = scored(seed, sharp=sharp, share=share)
    worst, even, best = average_precision_range(view.curves[0])
    expected = metrics.average_precision_score(labels, scores)
    assert worst <= expected <= best
    assert value("average_precision", view) == even == pytest.approx(expected, abs=0.04)


@pytest.mark.parametrize("seed", range(4))
def test_the_other_class_of_two_is_the_mirror(seed):
    labels, scores, view = scored(seed)
    assert value("roc_auc", view, of="no") == pytest.approx(value("roc_auc", view, of="yes"), abs=1e-12)
    other = metrics.average_precision_score(1 - labels, 1 - scores)
    assert value("average_precision", view, of="no") == pytest.approx(other, abs=0.02)


def test_average_precision_in_closed_form_is_its_sum():
    curve = made.curve("yes", [0.1, 0.1, 0.5, 0.5, 0.5, 0.9], [0, 1, 1, 0, 1, 1])
    terms = (1 / 1, (1 + 1) / (1 + 1 + 0.5), (1 + 2) / (1 + 2 + 1), 4 / (4 + 1 + 1))
    assert average_precision_range(curve)[1] == pytest.approx(np.mean(terms), abs=1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_log_loss_and_brier(seed):
    labels, scores, view = scored(seed)
    assert value("log_loss", view) == pytest.approx(metrics.log_loss(labels, scores), abs=1e-9)
    assert value("brier", view) == pytest.approx(metrics.brier_score_loss(labels, scores), abs=1e-9)


def calibration(labels, scores) -> float:
    """From raw scores: 16 equal bins."""
    bins = np.minimum((scores * 16).astype(int), 15)
    return sum(abs(np.sum(labels[bins == b]) - np.sum(scores[bins == b])) for b in range(16)) / len(labels)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
def test_calibration_error_is_within_half_a_score_bin(seed, power):
    rng = np.random.default_rng(seed)
    scores = rng.random(4000)
    labels = (rng.random(4000) < scores**power).astype(int)
    view = made.outcomes(labels, labels, scores=scores)
    assert value("calibration_error", view) == pytest.approx(calibration(labels, scores), abs=1 / 128)


def three_classes(seed: int, n: int = 3000):
    """Labels and all probabilities of a model of three classes."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(3, n, p=[0.6, 0.3, 0.1])
    logits = rng.normal(0, 1, (n, 3)) + 1.5 * np.eye(3)[labels]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    outputs = probabilities.argmax(axis=1)
    view = made.outcomes(outputs, labels, scores=probabilities.max(axis=1), probabilities=probabilities, k=3)
    return labels, probabilities, view


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("of", ["macro", "weighted"])
def test_averages_over_classes_one_against_the_rest(seed, of):
    labels, probabilities, view = three_classes(seed)
    area = metrics.roc_auc_score(labels, probabilities, multi_class="ovr", average=of)
    precision = metrics.average_precision_score(np.eye(3)[labels], probabilities, average=of)
    assert value("roc_auc", view, of=of) == pytest.approx(area, abs=0.005)
    assert value("average_precision", view, of=of) == pytest.approx(precision, abs=0.02)


@pytest.mark.parametrize("seed", range(4))
def test_the_loss_of_three_classes_and_the_top_label(seed):
    labels, probabilities, view = three_classes(seed)
    right = probabilities.argmax(axis=1) == labels
    assert value("log_loss", view) == pytest.approx(metrics.log_loss(labels, probabilities), abs=1e-9)
    top = metrics.roc_auc_score(right, probabilities.max(axis=1))
    assert value("roc_auc", view, of="top") == pytest.approx(top, abs=0.005)


def test_without_all_probabilities_there_is_no_average_over_classes():
    outputs = np.arange(900) % 3
    view = made.outcomes(outputs, outputs, scores=np.full(900, 0.9), k=3)
    assert "not sent" in DETECTORS["roc_auc"]().read(view, view).why
    assert curves.pick(view, "top") == view.curves
