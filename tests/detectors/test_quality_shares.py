"""Shares of bad cells breach when they are surely above the reference's, and only then."""

import numpy as np
import pytest

from monitor.detectors.class_share_shift import ClassShareShift
from monitor.detectors.invalid_share import InvalidShare
from monitor.detectors.missing_share import MissingShare
from monitor.detectors.non_finite_share import NonFiniteShare
from monitor.detectors.out_of_range_share import OutOfRangeShare
from monitor.detectors.unseen_share import UnseenShare
from monitor.facts import Histogram, Verdict


def numeric(good=1000, under=0, over=0, **cells) -> Histogram:
    return Histogram("x", True, (under, good, over), under + over, **cells)


def categorical(good=1000, unseen=0, **cells) -> Histogram:
    return Histogram("c", False, (good, 0, unseen), unseen, **cells)


BAD = [
    (MissingShare(), numeric(), numeric(missing=500)),
    (MissingShare(), categorical(), categorical(missing=500)),
    (InvalidShare(), numeric(), numeric(invalid=500)),
    (InvalidShare(), categorical(), categorical(invalid=500)),
    (NonFiniteShare(), numeric(), numeric(non_finite=500)),
    (OutOfRangeShare(), numeric(), numeric(under=200, over=300)),
    (UnseenShare(), categorical(), categorical(unseen=500)),
]


@pytest.mark.parametrize(("detector", "reference", "live"), BAD)
def test_a_third_of_bad_cells_breaches_and_is_told_as_a_third(detector, reference, live):
    reading = detector.read(reference, live)
    assert (reading.verdict, reading.n, reading.unit) == (Verdict.BREACH, 1500, "share")
    assert reading.value == pytest.approx(1 / 3)
    assert reading.low < 1 / 3 < reading.high


@pytest.mark.parametrize(("detector", "reference", "live"), BAD)
def test_each_reads_its_own_cells_alone(detector, reference, live):
    others = [found for other, _, found in BAD if type(other) is not type(detector) and found.ordered == live.ordered]
    assert {detector.read(reference, found).verdict for found in others} == {Verdict.OK}


@pytest.mark.parametrize(("detector", "reference", "live"), BAD)
def test_what_was_as_bad_in_the_reference_is_no_breach(detector, reference, live):
    reading = detector.read(live, live)
    assert reading.verdict is Verdict.OK
    assert reading.limit == pytest.approx(1 / 3 + detector.limit)


def test_the_bound_and_not_the_point_decides():
    few, many = numeric(good=92, missing=8), numeric(good=9200, missing=800)
    assert MissingShare(limit=0.05).read(numeric(), few).verdict is Verdict.OK
    assert MissingShare(limit=0.05).read(numeric(), many).verdict is Verdict.BREACH


def test_a_column_that_is_gone_reads_one():
    reading = MissingShare().read(numeric(), numeric(good=0, missing=800))
    assert (reading.verdict, reading.value) == (Verdict.BREACH, 1.0)


def test_a_column_without_a_value_has_no_range_to_leave():
    assert OutOfRangeShare().read(numeric(), numeric(good=0, missing=800)).verdict is Verdict.UNKNOWN
    assert "reference" in OutOfRangeShare().read(numeric(good=0, missing=800), numeric()).why


def test_below_the_floor_of_rows_it_is_unknown():
    reading = InvalidShare(rows_min=101).read(numeric(), numeric(good=0, invalid=100))
    assert (reading.verdict, reading.n, reading.why) == (Verdict.UNKNOWN, 100, "fewer than 101 rows")


def test_at_the_limit_about_one_window_in_forty_breaches():
    missing = np.random.default_rng(6).binomial(2000, 0.06, 4000).tolist()
    reference = numeric(good=990, missing=10)
    readings = [MissingShare(limit=0.05).read(reference, numeric(good=2000 - n, missing=n)) for n in missing]
    share = np.mean([reading.verdict is Verdict.BREACH for reading in readings])
    assert 0.01 < share < 0.035


def output(*bins) -> Histogram:
    return Histogram("output", False, bins)


def test_a_class_that_moved_by_ten_points_breaches_a_limit_of_five():
    reading = ClassShareShift(limit=0.05).read(output(8000, 2000, 0), output(1400, 600, 0))
    assert reading.verdict is Verdict.BREACH
    assert reading.value == pytest.approx(0.1)
    assert 0.05 < reading.low < 0.1 < reading.high


def test_a_move_of_a_class_that_few_rows_show_is_no_breach():
    assert ClassShareShift(limit=0.05).read(output(8000, 2000, 0), output(140, 60, 0)).verdict is Verdict.OK


def test_an_answer_that_is_no_class_counts_as_a_move():
    assert ClassShareShift().read(output(500, 500, 0), output(400, 400, 200)).verdict is Verdict.BREACH


def test_classes_rarely_move_by_chance():
    rng = np.random.default_rng(7)
    shares = [0.5, 0.3, 0.15, 0.05, 0.0]
    detector = ClassShareShift(limit=0.0)
    pairs = zip(rng.multinomial(3000, shares, 1500).tolist(), rng.multinomial(1000, shares, 1500).tolist(), strict=True)
    moved = [detector.read(output(*one), output(*two)).verdict is Verdict.BREACH for one, two in pairs]
    assert np.mean(moved) <= 0.05
