"""Groups are compared as wholes: the pair farthest apart, with intervals that hold for all pairs at once."""

import made
import numpy as np
import pytest

from monitor.detectors import DETECTORS
from monitor.detectors.groups import pairs
from monitor.facts import Group, Groups, Outcomes, Verdict

NAMES = ("demographic_parity", "disparate_impact", "equal_opportunity")


def two_classes(recognised: int, positives: int, unlabelled: int = 0) -> Outcomes:
    confusion = ((0, positives - recognised, 0), (0, recognised, 0), (0, 0, 0))
    return Outcomes(positives + unlabelled, confusion, 0, 0, made.lag(positives), ("no", "yes"))


def groups(*counts: tuple[int, int], positive: int | None = 1) -> Groups:
    """Of (rows with a positive answer, rows), all labelled positive."""
    found = [Group(f"g={i}", n, (n - hits, hits, 0), two_classes(hits, n)) for i, (hits, n) in enumerate(counts)]
    return Groups("g", positive, tuple(found))


def read(name: str, found: Groups, **parameters):
    return DETECTORS[name](**parameters).read(Groups("g", 1, ()), found)


def test_the_groups_farthest_apart_make_the_value():
    found = groups((500, 1000), (400, 1000), (300, 1000))
    assert read("demographic_parity", found).value == pytest.approx(0.2)
    assert read("equal_opportunity", found).value == pytest.approx(0.2)
    assert read("disparate_impact", found).value == pytest.approx(0.6)


@pytest.mark.parametrize("name", NAMES)
def test_a_difference_that_is_sure_breaches_and_a_chance_one_does_not(name):
    reading = read(name, groups((1000, 2000), (600, 2000)))
    assert (reading.verdict, reading.n, reading.unit) == (Verdict.BREACH, 4000, "share")
    assert read(name, groups((104, 200), (78, 200))).verdict is Verdict.OK


@pytest.mark.parametrize("name", NAMES)
def test_equal_groups_are_ok_whatever_their_sizes(name):
    assert read(name, groups((2000, 4000), (150, 300), (500, 1000))).verdict is Verdict.OK


def test_the_four_fifths_rule_breaches_below_its_limit_and_not_at_it():
    assert read("disparate_impact", groups((8000, 20_000), (10_000, 20_000))).verdict is Verdict.OK
    assert read("disparate_impact", groups((7500, 20_000), (10_000, 20_000))).verdict is Verdict.BREACH


@pytest.mark.parametrize("name", NAMES)
def test_a_small_group_is_left_out_and_named(name):
    reading = read(name, groups((500, 1000), (510, 1000), (0, 20)))
    assert (reading.verdict, reading.n, reading.why) == (Verdict.OK, 2000, "too few rows in g=2")


@pytest.mark.parametrize("name", NAMES)
def test_fewer_than_two_groups_are_unknown_and_the_small_ones_named(name):
    reading = read(name, groups((500, 1000), *[(5, 10)] * 7))
    assert reading.verdict is Verdict.UNKNOWN
    assert "fewer than two groups" in reading.why
    assert "g=1, g=2, g=3, g=4, g=5 and 2 more" in reading.why


@pytest.mark.parametrize("name", NAMES)
def test_without_a_class_that_is_wished_for_it_is_unknown(name):
    assert "two classes" in read(name, groups((500, 1000), (500, 1000), positive=None)).why


def test_a_group_without_a_positive_answer_is_as_unequal_as_can_be():
    reading = read("disparate_impact", groups((0, 1000), (500, 1000)))
    assert (reading.value, reading.low, reading.verdict) == (0.0, 0.0, Verdict.BREACH)


def test_a_group_of_which_too_little_is_labelled_is_left_out():
    late = Group("g=late", 2000, (1000, 1000, 0), two_classes(1000, 1000, unlabelled=1000))
    found = groups((500, 1000), (510, 1000))
    found = Groups("g", 1, (*found.groups, late))
    assert read("equal_opportunity", found).why == "too few rows in g=late"


def test_the_figures_are_those_of_the_rows():
    rng = np.random.default_rng(3)
    outputs, labels, by = rng.integers(0, 2, 3000), rng.integers(0, 2, 3000), rng.choice(["a", "b"], 3000)
    found = made.groups(outputs, labels, by)
    chosen = [np.mean(outputs[by == name]) for name in "ab"]
    recalls = [np.mean(outputs[(by == name) & (labels == 1)]) for name in "ab"]
    assert read("demographic_parity", found).value == pytest.approx(abs(chosen[0] - chosen[1]), abs=1e-12)
    assert read("disparate_impact", found).value == pytest.approx(min(chosen) / max(chosen), abs=1e-12)
    assert read("equal_opportunity", found).value == pytest.approx(abs(recalls[0] - recalls[1]), abs=1e-12)


def test_more_groups_need_a_wider_interval():
    few, many = groups((500, 1000), (600, 1000)), groups((500, 1000), *[(550, 1000)] * 6, (600, 1000))
    assert read("demographic_parity", many).low < read("demographic_parity", few).low
    assert len(list(pairs([rate.outputs[:2] for rate in many.groups]))) == 28


@pytest.mark.parametrize("name", NAMES)
def test_equal_groups_breach_at_most_once_in_twenty_at_the_strictest_limit(name):
    rng = np.random.default_rng(4)
    strictest = 1.0 if name == "disparate_impact" else 0.0
    counts = rng.binomial(500, 0.3, (600, 4)).tolist()
    alarms = [read(name, groups(*[(n, 500) for n in row]), limit=strictest).verdict for row in counts]
    assert sum(verdict is Verdict.BREACH for verdict in alarms) <= 45  # binomial(600, .05): beyond, once in 400
