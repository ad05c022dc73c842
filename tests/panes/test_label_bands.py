"""Labels beside errors: what one model of a pair alone gets wrong, what others say, and bands that no history tells."""

import numpy as np
import pytest
from watchedworld import MONDAY_S, built, label_counts, learned, receipts, stream

from monitor.facts import Family, Task
from monitor.panes.build import HistoryBatch
from monitor.panes.layout import Layout
from monitor.panes.outcomes import count_agreement, count_outcomes
from monitor.panes.rhythm_labels import NO_ERROR, SOURCES_SPREAD
from monitor.panes.signals import Signals, What


def told(table, counts, what, item=""):
    """(x, n) of one signal of labels."""
    counted = table.count_labels(counts)
    [place] = [i for i, s in enumerate(table.signals) if (s.what, s.item) == (what, item)]
    return int(counted.x[place]), int(counted.n[place])


def band(layout, table, what, item=""):
    found = zip(table.signals, layout.reference.rhythm.signals, strict=True)
    [mine] = [band for signal, band in found if (signal.what, signal.item) == (what, item)]
    return mine


def test_answers_of_a_class_that_were_wrong(receipts_of):
    (layout, table), batch = learned(), stream(3, days=1)
    said = batch.predictions.outputs == 1
    expected = int((batch.labels[said] != 1).sum()), int(said.sum())
    assert told(table, label_counts(layout, batch, receipts_of), What.CLASS_ERROR, "predicted yes") == expected


def test_pairs_of_which_one_alone_is_wrong_are_a_sign_test(receipts_of):
    (layout, table), batch = learned(), stream(3, days=1)
    found, labels = receipts(layout, batch, receipts_of)
    found["known_good_output"] = 0
    rest = {"lags_s": np.full(len(labels), np.nan), "sign": np.ones(len(labels), np.int8)}
    counts = count_outcomes(layout, receipts=found, labels=labels, **rest).counts
    one = batch.predictions.outputs != 0  # where the two differ, one of them is wrong
    served = one & (batch.predictions.outputs != batch.labels)
    assert told(table, counts, What.PAIRED_ERROR) == (int(served.sum()), int(one.sum()))


@pytest.mark.parametrize("task", Task)
def test_untrusted_labels_reach_agreement_and_nothing_else(task, receipts_of):
    (layout, table), batch = learned(task), stream(3, days=1, task=task)
    found, labels = receipts(layout, batch, receipts_of)
    counts = count_agreement(layout, found, labels, np.ones(len(labels), np.int8)).counts
    counted = table.count_labels(counts)
    moved = [s for s, n in zip(table.signals, counted.n, strict=True) if n]
    assert [(s.what, s.family, s.group) for s in moved] == [(What.AGREEMENT, Family.QUALITY, "quality/labels")]
    agree, disagree = counts[layout.agreement].tolist()
    assert told(table, counts, What.AGREEMENT) == (agree, agree + disagree)


def test_nothing_of_labels_by_others_may_support_a_rollback():
    assert {s.group for s in learned()[1].signals if s.family in (Family.LABELS, Family.PAIRED)} == {
        "labels/error",
        "labels/classes",
        "labels/calibration",
        "labels/slices",
        "paired",
    }


def test_the_null_of_pairs_is_one_half_and_the_tolerance():
    layout, table = learned()
    place = next(i for i, s in enumerate(table.signals) if s.what is What.PAIRED_ERROR)
    assert layout.reference.rhythm.bounds(0).high[place] == pytest.approx(0.52, abs=1e-5)
    assert band(layout, table, What.PAIRED_ERROR).design == band(layout, table, What.ERROR).design


def test_honest_sources_agree_as_often_as_answers_are_right():
    wrong, agreement = (band(*learned(), what) for what in (What.ERROR, What.AGREEMENT))
    assert agreement.centre == pytest.approx(1 - wrong.centre)
    assert agreement.wander == pytest.approx(np.hypot(wrong.wander, SOURCES_SPREAD), rel=1e-4)


def test_of_lists_they_agree_as_often_as_something_relevant_is_among_the_first_ten():
    hit, agreement = (
        band(*learned(Task.RANKING), What.HIT, "in the first 10"),
        band(*learned(Task.RANKING), What.AGREEMENT),
    )
    assert (agreement.centre, agreement.why) == (hit.centre, "" if hit.centre else NO_ERROR)


def test_of_numbers_nobody_knows_how_often_others_agree():
    agreement = band(*learned(Task.REGRESSION), What.AGREEMENT)
    assert (agreement.centre, agreement.why) == (None, NO_ERROR)


def test_errors_that_follow_the_clock_have_a_band_that_does():
    batch = stream(4, days=14)
    times = batch.predictions.times
    more = 0.4 * (1 + np.cos(2 * np.pi * times / 86400)) / 2  # most at midnight
    turned = np.random.default_rng(6).random(len(times)) < more
    labels = np.where(turned, 1 - batch.predictions.outputs, batch.labels)
    layout = Layout.of(built(HistoryBatch(batch.predictions, labels)))
    place = next(i for i, s in enumerate(Signals.table(layout).signals) if s.what is What.ERROR)
    midnight, noon = (layout.reference.rhythm.bounds(int(MONDAY_S // 3600) + hour) for hour in (0, 12))
    assert midnight.low[place] > noon.high[place]
