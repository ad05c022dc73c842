"""Whether labelled rows are like all rows: chance is no difference, a choice is one."""

import made
import numpy as np
import pytest
from msgspec.structs import replace

from monitor.detectors.label_selection import LabelSelection
from monitor.facts import Verdict


def window(seed, chosen, n=2000):
    """A window of fair rows of which those are labelled that `chosen` says of (rng, scores)."""
    rng = np.random.default_rng(seed)
    scores = rng.beta(1, 1.5, n)
    outputs, labels = (scores > 0.5).astype(int), (rng.random(n) < scores).astype(int)
    which = chosen(rng, scores)
    every = made.outcomes(outputs, labels, scores=scores)
    found = made.outcomes(outputs[which], labels[which], scores=scores[which], unlabelled=int(n - which.sum()))
    return replace(found, all_outputs=every.all_outputs, all_scores=every.all_scores)


def read(view, **rest):
    return LabelSelection(**rest).read(view, view)


def some(share):
    return lambda rng, scores: rng.random(len(scores)) < share


def test_all_rows_labelled_are_all_rows():
    reading = read(window(1, lambda rng, scores: np.ones(len(scores), bool)))
    assert (reading.verdict, reading.value, reading.high) == (Verdict.OK, 0.0, pytest.approx(0.0, abs=0.01))


@pytest.mark.parametrize("share", [0.5, 0.8])
def test_labels_drawn_without_looking_breach_at_most_as_often_as_said(share):
    """The interval misses in at most one of twenty, and chance is no difference: its true value is 0."""
    found = [read(window(seed, some(share)), limit=1e-9, coverage_min=0.0) for seed in range(200)]
    assert sum(each.low > 0 for each in found) <= 0.05 * 200 + 3 * (200 * 0.05 * 0.95) ** 0.5


def test_labels_of_unsure_rows_first_are_a_choice():
    unsure = lambda rng, scores: np.abs(scores - 0.5) < np.quantile(np.abs(scores - 0.5), 0.6)  # noqa: E731
    reading = read(window(3, unsure))
    assert reading.verdict is Verdict.BREACH
    assert reading.low > 0.1


def test_labels_of_one_answer_are_a_choice_without_scores():
    outputs = np.repeat([0, 1], 1000)
    every = made.outcomes(outputs, outputs)
    found = made.outcomes(outputs[:1200], outputs[:1200], unlabelled=800)
    reading = read(replace(found, all_outputs=every.all_outputs))
    assert reading.value == pytest.approx(1000 / 1200 - 0.5)
    assert reading.verdict is Verdict.BREACH


def test_it_is_unknown_while_little_is_labelled():
    reading = read(window(4, some(0.3)))
    assert reading.verdict is Verdict.UNKNOWN
    assert "below the floor" in reading.why


def test_it_is_unknown_where_nothing_says_what_all_rows_are():
    view = replace(window(5, some(0.9)), all_outputs=())
    assert read(view).why == "nothing is known of the rows without labels"


def test_a_part_can_differ_from_the_whole_by_no_more_than_what_is_missing():
    lowest = lambda rng, scores: scores < np.quantile(scores, 0.9)  # noqa: E731
    assert read(window(6, lowest)).value == pytest.approx(0.1, abs=0.02)
