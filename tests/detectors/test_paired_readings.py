"""What the known-good says beside the served model, on the same rows."""

import numpy as np
import pytest
from sklearn.metrics import zero_one_loss

from monitor.detectors.paired_disagreement import PairedDisagreement
from monitor.detectors.paired_error import PairedError
from monitor.facts import Pairs, Subject, Verdict

NONE = Pairs(0, 0, 0, 0, 0, 0, 0)


def pairs(serving=0, known_good=0, both_right=0, both_wrong=0, unlabelled=0) -> Pairs:
    asked = serving + known_good + both_right + both_wrong + unlabelled
    return Pairs(10 * asked, asked, serving + known_good, both_right, serving, known_good, both_wrong)


def test_the_difference_is_that_of_both_errors_on_the_same_rows(world):
    found = next(world.views(world.pane(), Subject.PAIRS))
    expected = zero_one_loss(world.labels, world.outputs) - zero_one_loss(world.labels, world.known_good)
    assert PairedError().read(NONE, found).value == pytest.approx(expected, abs=1e-12)


def test_disagreement_is_the_share_of_rows_answered_differently(world):
    found = next(world.views(world.pane(), Subject.PAIRS))
    assert PairedDisagreement().read(NONE, found).value == np.mean(world.outputs != world.known_good)


def test_a_model_that_is_surely_worse_breaches():
    reading = PairedError(limit=0.02).read(NONE, pairs(serving=120, known_good=30, both_right=800, both_wrong=50))
    assert (reading.verdict, reading.n, reading.value) == (Verdict.BREACH, 1000, 0.09)
    assert 0.02 < reading.low < 0.09 < reading.high


def test_a_better_model_never_breaches():
    assert PairedError(limit=0.0).read(NONE, pairs(serving=30, known_good=120, both_right=850)).verdict is Verdict.OK


def test_a_world_that_became_harder_for_both_cancels():
    reading = PairedError().read(NONE, pairs(serving=40, known_good=40, both_right=420, both_wrong=500))
    assert (reading.value, reading.verdict) == (0.0, Verdict.OK)


def test_the_same_difference_on_few_pairs_is_not_sure():
    assert PairedError().read(NONE, pairs(serving=24, known_good=14, both_right=162)).verdict is Verdict.OK


def test_few_pairs_or_few_labels_are_unknown():
    few, late = pairs(serving=199), pairs(serving=899, unlabelled=101)
    assert PairedError().read(NONE, few).why == "of the pairs, fewer than 200 labelled rows"
    assert "899 of 1000" in PairedError().read(NONE, late).why
    assert PairedDisagreement().read(NONE, few).verdict is Verdict.UNKNOWN
    assert PairedDisagreement().read(NONE, late).verdict is Verdict.BREACH


def test_equal_models_breach_at_most_once_in_thirty():
    rng = np.random.default_rng(9)
    draws = rng.multinomial(400, [0.06, 0.06, 0.88], size=3000).tolist()
    detector = PairedError(limit=0.0)
    alarms = [detector.read(NONE, pairs(*draw)).verdict is Verdict.BREACH for draw in draws]
    assert np.mean(alarms) < 1 / 30


def test_a_loss_of_ten_points_is_seen_in_a_window_of_four_hundred_pairs():
    rng = np.random.default_rng(10)
    draws = rng.multinomial(400, [0.16, 0.06, 0.78], size=1000).tolist()
    alarms = [PairedError(limit=0.02).read(NONE, pairs(*draw)).verdict is Verdict.BREACH for draw in draws]
    assert np.mean(alarms) > 0.9  # (.10 - .02) / .0229 - 1.96 standard errors: .94
