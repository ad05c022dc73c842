"""A look reads each window of the open epoch once, again when it was touched, and answers the same after a restart."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from world import MODEL, Consumer, Covered, Spy, Turns, alive, label, looking, many, prediction, rule, shown

from monitor.decisions.rules import RulePack
from monitor.facts import BundleId, Epoch, ModelName, Reading, Subject, Verdict
from monitor.turns.look import Look
from monitor.turns.reading import due, slot_of
from monitor.turns.watched import Counted


@pytest.fixture
def turns(tmp_path):
    yield from alive(looking(tmp_path))


def bounds(slots):
    return [(slot.start, slot.end) for slot in slots]


# ---------------------------------------------------------------- which windows


def test_a_window_is_read_when_it_is_over_not_before(turns):
    assert bounds(turns.slots("output", 59.9)) == []
    assert bounds(turns.slots("output", 60.0)) == [(0.0, 60.0)]
    assert bounds(turns.slots("output", 179.0)) == [(0.0, 60.0), (60.0, 120.0)]


def test_the_grace_puts_a_window_off(tmp_path):
    turns = Turns(tmp_path / "state", rule("output"), grace_s=30.0)
    turns.serve((0.0, "v1"))
    assert bounds(turns.slots("output", 89.9)) == []
    assert bounds(turns.slots("output", 90.0)) == [(0.0, 60.0)]
    turns.close()


def test_the_first_window_of_an_epoch_holds_only_its_own_rows(turns):
    turns.serve((0.0, "v1"), (90.0, "v1"), (90.0, "v2"))
    turns.count(many(180))
    [cut, whole] = turns.slots("output", 180.0)
    assert [(cut.start, cut.end), (whole.start, whole.end)] == [(60.0, 120.0), (120.0, 180.0)]
    assert [cut.reading.value, whole.reading.value] == [30.0, 60.0]


def test_no_row_is_in_two_windows_and_none_is_left_out(turns):
    turns.count(many(180, start=0.5))
    assert [slot.reading.value for slot in turns.slots("output", 180.0)] == [60.0, 60.0, 60.0]


def test_no_more_windows_are_read_than_decide(turns):
    found = turns.slots("output", 60.0 * 500)
    assert len(found) == turns.watched.pack.rules[0].reach
    assert found[-1].end == 60.0 * 500


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.sampled_from([1.0, 60.0, 600.0, 86_400.0]), st.integers(1, 5))
def test_due_windows_follow_each_other_end_in_time_and_touch_the_epoch(start, closed, width, of):
    a_rule = rule("r", window_s=width, of=of)
    found = list(due(Epoch(2, ModelName("m"), BundleId("v1"), "d", start, start), a_rule, closed))
    assert all(end - begin == width and begin % width == 0 for begin, end in found)
    assert all(end == begin for (_, end), (begin, _) in itertools.pairwise(found))
    assert all(end <= closed and end > start for _, end in found)
    assert len(found) <= a_rule.reach
    assert not found or found[-1][1] + width > closed


NEAR, FAR = Reading(Verdict.OK, 9, 0.19, 0.2), Reading(Verdict.OK, 9, 0.01, 0.2)
OVER, BEYOND = Reading(Verdict.BREACH, 9, 0.21, 0.2), Reading(Verdict.BREACH, 9, 0.9, 0.2)
UNTOLD = Reading(Verdict.UNKNOWN, 0, why="too few")


@pytest.mark.parametrize(
    ("readings", "worst", "named"),
    [
        ({"a": FAR, "b": NEAR, "c": UNTOLD}, NEAR, ()),  # of what is ok, what is next to its limit
        ({"a": NEAR, "b": OVER, "c": BEYOND}, BEYOND, ("c", "b")),
        ({"a": UNTOLD, "b": FAR}, FAR, ()),
    ],
)
def test_the_worst_reading_stands_for_the_window(readings, worst, named):
    slot = slot_of(
        rule("psi", Subject.FEATURES), "", Epoch(1, MODEL, BundleId("b"), "d", 0.0, 0.0), 0.0, 60.0, readings
    )
    assert (slot.reading, slot.worst) == (worst, named)


def test_between_two_proofs_nothing_is_read(turns):
    turns.serve((0.0, "v1"))
    turns.count(many(60))
    turns.watched.epochs = turns.watched.epochs[:1]  # only the transition is known
    assert turns.looked(120.0).slots == {}
    assert shown(turns) == []


# ---------------------------------------------------------------- what is read again


def test_a_window_that_nothing_touched_is_read_once(turns):
    turns.count(many(120))
    turns.looked(120.0)
    assert shown(turns) == [60, 60]
    turns.looked(125.0)
    turns.looked(170.0)
    assert shown(turns) == []


def test_a_late_row_revises_its_window_and_no_other(turns):
    turns.count(many(180))
    turns.looked(180.0)
    shown(turns)
    turns.count([prediction("late", 70.0)])
    assert [slot.reading.value for slot in turns.slots("output", 181.0)] == [60.0, 61.0, 60.0]
    assert shown(turns) == [61]


def test_a_late_label_revises_the_window_of_its_prediction_and_no_other(tmp_path):
    turns = Turns(tmp_path / "state", rule("error", Subject.OUTCOMES))
    turns.serve((0.0, "v1"))
    turns.count(many(180))
    turns.looked(180.0)
    shown(turns)
    turns.count([label("p70", 1, time=175.0)])
    assert [slot.reading.value for slot in turns.slots("error", 181.0)] == [0.0, 1.0, 0.0]
    assert shown(turns) == [1]
    turns.close()


def test_rows_of_an_earlier_epoch_touch_nothing_of_this_one(turns):
    turns.serve((0.0, "v1"), (60.0, "v1"), (60.0, "v2"))
    turns.count(many(180))
    turns.looked(180.0)
    shown(turns)
    turns.count([prediction("late", 10.0)])
    turns.looked(181.0)
    assert shown(turns) == []


def test_changed_rules_read_every_window_again(turns):
    turns.count(many(60))
    turns.looked(60.0)
    turns.watched.pack = RulePack(1, (rule("output", detector=Spy(Verdict.BREACH)),))
    assert [slot.reading.verdict for slot in turns.slots("output", 61.0)] == [Verdict.BREACH]


def test_a_rule_that_is_gone_shows_nothing_any_more(turns):
    turns.count(many(60))
    turns.looked(60.0)
    turns.watched.pack = RulePack(1, (rule("other"),))
    turns.looked(61.0)
    assert {name for name, *_ in turns.watched.shown} == {"other"}


def test_a_new_epoch_starts_empty(turns):
    turns.count(many(60))
    turns.looked(60.0)
    assert turns.watched.outputs.outputs
    turns.serve((0.0, "v1"), (60.0, "v1"), (60.0, "v2"))
    assert turns.slots("output", 61.0) == ()
    assert (turns.watched.shown, turns.watched.outputs, turns.watched.confusion) == ({}, Counted(), Counted())


def test_what_is_remembered_of_windows_is_bounded(turns):
    for now in range(60, 60 * 200, 60):
        turns.look.run(turns.watched, float(now))
    seen = turns.look._seen[turns.watched.name]
    reach = turns.watched.pack.rules[0].reach
    assert (len(seen.slots), len(seen.panes)) == (reach, reach)


# ---------------------------------------------------------------- after a restart

TICKS = (Subject.ARRIVALS, Consumer(), 60.0)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("rows"), st.integers(30, 180)),
        st.tuples(st.just("label"), st.integers(0, 20)),
        st.tuples(st.just("look"), st.integers(0, 120)),
    ),
    min_size=6,
    max_size=20,
)
RULES = (
    rule("output", window_s=60.0),
    rule("error", Subject.OUTCOMES, Covered(), window_s=60.0),
    rule("columns", Subject.FEATURES, window_s=60.0),
)


@settings(max_examples=15, deadline=None)
@given(STEPS)
def test_a_look_after_a_restart_finds_the_slots_of_the_one_before_it(tmp_path_factory, steps):
    turns = Turns(tmp_path_factory.mktemp("again") / "state", *RULES)
    turns.serve((0.0, "v1"), (30.0, "v1"), (45.0, "v2"))
    now = 0.0
    for place, (what, number) in enumerate(steps):
        if what == "look":
            now += number
            turns.looked(now)
        else:
            target = f"{number % max(place, 1)}-{number % 3}"
            turns.count(many(5, float(number), f"{place}-") if what == "rows" else [label(target, number % 2)])
    found, before = turns.looked(now).slots, dict(turns.watched.shown)
    turns.watched.shown.clear()
    assert Look(turns.store, grace_s=0.0, ticks={}).run(turns.watched, now).slots == found
    assert turns.watched.shown == before
    turns.close()


# ---------------------------------------------------------------- what changes while a look reads


class Meanwhile(Spy):
    """Lets something happen while a window is read."""

    happens = staticmethod(lambda: None)

    def read(self, reference, current):
        type(self).happens()
        return super().read(reference, current)


def test_a_switch_that_is_proved_during_a_look_gives_no_window_to_the_wrong_epoch(tmp_path):
    turns = Turns(tmp_path / "state", rule("first", detector=Meanwhile()), rule("second"), rule("ticks", *TICKS))
    turns.serve((0.0, "v2"))
    turns.count(many(120))
    Meanwhile.happens = staticmethod(lambda: turns.serve((0.0, "v2"), (30.0, "v2"), (30.0, "v1")))
    found = turns.looked(120.0).slots
    Meanwhile.happens = staticmethod(lambda: None)
    assert {slot.epoch for slots in found.values() for slot in slots} == {2}
    assert [slot.reading.value for slot in found["second", ""]] == [60.0, 60.0]
    assert {slot.epoch for slots in turns.looked(180.0).slots.values() for slot in slots} == {3}
    turns.close()


def test_rules_that_are_reloaded_during_a_look_are_read_by_the_next_one(turns):
    turns.count(many(60))
    turns.watched.pack = RulePack(1, (rule("output", detector=Meanwhile()),))
    Meanwhile.happens = staticmethod(lambda: setattr(turns.watched, "pack", RulePack(1, (rule("other"),))))
    assert set(turns.looked(60.0).slots) == {("output", "")}
    assert set(turns.looked(60.0).slots) == {("other", "")}
