"""Estimates agree with NannyML 0.13.1's own, chunk by chunk of its own data, measured in its own sampling error.

nannyml.json holds what it estimated and what labels said, and the counts that ours rests on: `python -m
bench.estimates` makes it. Where the data lies in `.bench-venvs` (`python -m bench detection` fetches it, Apache-2.0)
the counts are made again, and so are the errors of the regression, which need more than a page of counts.
"""

import json
from pathlib import Path

import made
import numpy as np
import pytest

from bench.detection.wheels import Absent
from bench.estimates import worlds
from monitor.detectors import DETECTORS
from monitor.facts import Subject
from monitor.panes.sections import SCORE_BINS

TABLE = json.loads(Path(__file__).with_name("nannyml.json").read_text())
CLASSES = {"car_loan": 2, "credit_card": 3}
BINARY = ["accuracy", "precision", "recall", "f1", "roc_auc", "average_precision"]
SHIFTED = slice(5, 10)  # of the ten chunks: NannyML changed the data in the middle
ERRORS = [("mae", "mean_absolute_error"), ("rmse", "root_mean_squared_error")]


def views(world):
    k, counted = CLASSES[world], TABLE["counts"][world]
    counts = np.zeros(((k + 1) * 64, 2), int)
    for place, hits, misses in counted["calibration"]:
        counts[place] = hits, misses
    for chunk in counted["chunks"]:
        rows = np.zeros(len(counts), int)
        rows[[place for place, _ in chunk]] = [n for _, n in chunk]
        yield made.chances_of(counts, rows, k=k)


def estimates(world, name, **parameters):
    detector = DETECTORS[f"estimated_{name}"](**parameters)
    return [detector.read(view, view) for view in views(world)]


def apart(readings, world, name):
    """How far each chunk's estimate is from NannyML's, in its sampling errors."""
    theirs = TABLE["theirs"][world][name]
    away = np.array([reading.value for reading in readings]) - theirs["estimated"]
    return np.abs(away) / theirs["sampling_error"]


@pytest.mark.parametrize("name", BINARY)
def test_of_two_classes_they_differ_by_less_than_a_tenth_of_its_sampling_error(name):
    of = {"of": "yes"} if name in ("precision", "recall", "f1") else {}
    assert apart(estimates("car_loan", name, **of), "car_loan", name).max() < 0.1


@pytest.mark.parametrize("name", ["accuracy", "precision"])
def test_of_three_classes_they_differ_by_less_than_a_third_of_its_sampling_error(name):
    """NannyML calibrates each class's probability over all rows, this the answered class's over rows so answered."""
    assert apart(estimates("credit_card", name), "credit_card", name).max() < 1 / 3


def test_labels_say_what_was_expected_where_only_the_rows_changed():
    """The accuracy fell by three points with the drift of the cars, before any label could say so."""
    truth = TABLE["theirs"]["car_loan"]["accuracy"]["realized"]
    readings = estimates("car_loan", "accuracy")
    inside = [reading.low <= said <= reading.high for reading, said in zip(readings, truth, strict=True)]
    assert sum(inside) >= 9  # ten intervals of 95 %: two or more miss once in twelve
    assert readings[0].low > readings[5].high


def test_a_change_of_concept_is_not_seen_by_either():
    """Of the cards the truth fell by 19 points, and both expect 12."""
    theirs = TABLE["theirs"]["credit_card"]["accuracy"]
    ours = [reading.high for reading in estimates("credit_card", "accuracy")]
    assert max(theirs["realized"][SHIFTED]) < min(theirs["estimated"][SHIFTED]) - 0.05
    assert max(theirs["realized"][SHIFTED]) < min(ours[SHIFTED]) - 0.05


# ---------------------------------------------------------------- on the data itself


def world(name):
    try:
        return getattr(worlds, name)(fetch=False)
    except Absent as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("name", CLASSES)
def test_the_counts_are_those_of_the_data(name):
    layout, panes = world(name)
    assert [list(cell) for cell in layout.reference.expected.cells] == TABLE["counts"][name]["calibration"]
    for pane, chunk in zip(panes, TABLE["counts"][name]["chunks"], strict=True):
        rows = pane.counts[layout.score].reshape(-1, SCORE_BINS + 1)[:, :SCORE_BINS].ravel()
        assert [[place, rows[place]] for place in np.flatnonzero(rows)] == chunk


@pytest.fixture(scope="module")
def car_price():
    layout, panes = world("car_price")
    return layout, [layout.view(pane, Subject.EXPECTED) for pane in panes]


@pytest.mark.parametrize(("short", "name"), ERRORS)
def test_errors_agree_within_its_sampling_error_until_features_move_together(car_price, short, name):
    """Afterwards trees, which see interactions, are 2.5 to 3.3 sampling errors nearer to the truth."""
    readings = [DETECTORS[f"estimated_{name}"]().read(view, view) for view in car_price[1]]
    away = apart(readings, "car_price", short)
    assert away[:5].max() < 0.7
    assert 2 < away[SHIFTED].min() < away[SHIFTED].max() < 3.5


def test_errors_that_are_expected_move_as_the_truth_does(car_price):
    """Seven tenths of the fall from 850 to 698 without a label."""
    readings = [DETECTORS["estimated_mean_absolute_error"]().read(view, view).value for view in car_price[1]]
    truth = np.array(TABLE["theirs"]["car_price"]["mae"]["realized"])
    fall, expected = truth[:5].mean() - truth[SHIFTED].mean(), np.mean(readings[:5]) - np.mean(readings[SHIFTED])
    assert 0.65 < expected / fall < 0.85
