"""Rules by segment: a slot and an alert for each, groups all at once, and every window summed once for all rules."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from world import LISTS, Spy, Turns, alive, label, many, prediction, profile, rule, shown

from monitor.detectors import DETECTORS
from monitor.facts import Groups, Severity, Subject, Verdict
from monitor.settings import SegmentColumn
from monitor.turns.look import Look

BY = {"c": SegmentColumn(values=("a", "b"))}
NAMES = ("c=a", "c=b", "c=__other__")
ERROR = rule("error", Subject.OUTCOMES, by="c")


class Grouped(Spy):
    """Remembers the rows of each group it was shown."""

    def read(self, reference, current):
        reading = super().read(reference, current)
        assert isinstance(current, Groups)
        self.shown[-1] = {group.segment: group.rows for group in current.groups}
        return reading


def world(directory, *rules, **rest):
    made = Turns(directory / "state", *rules, settings={"segments": BY}, **rest)
    made.serve((0.0, "v1"))
    return made


@pytest.fixture
def turns(tmp_path):
    yield from alive(world(tmp_path, rule("output", by="c")))


def test_a_rule_by_a_column_has_a_slot_for_each_of_its_segments(turns):
    turns.count(many(20, c="a"), many(5, prefix="q", c="b"))
    found = turns.looked(60.0).slots
    assert {segment: slots[0].reading.value for (_, segment), slots in found.items()} == {
        "c=a": 20.0,
        "c=b": 5.0,
        "c=__other__": 0.0,
    }


def test_every_slot_and_every_reading_shown_names_its_segment(turns):
    turns.count(many(20))
    found = turns.looked(60.0).slots
    assert all(slot.segment == segment for (_, segment), slots in found.items() for slot in slots)
    assert {key[2] for key in turns.watched.shown} == set(NAMES)


def test_an_alert_is_raised_for_the_segment_that_breaches_and_no_other(tmp_path):
    class Crowded(Spy):
        def read(self, reference, current):
            verdict = Verdict.BREACH if current.rows > 10 else Verdict.OK
            return super().read(reference, current).__class__(verdict, 500, float(current.rows), 10.0)

    turns = world(tmp_path, rule("output", detector=Crowded(), by="c", severity=Severity.WARNING))
    turns.settle(0.0)
    turns.count(many(20, 1.0, c="a"), many(5, 1.0, prefix="q", c="b"))
    turns.settle(60.0)
    assert [(alert.rule, alert.segment) for alert in turns.watched.state.alerts] == [("output", "c=a")]
    turns.close()


def test_the_whole_is_not_read_by_a_rule_that_reads_segments(turns):
    turns.count(many(20))
    turns.looked(60.0)
    assert sorted(shown(turns)) == [0, 0, 20]


def test_a_rule_whose_column_is_not_chosen_reads_nothing(tmp_path):
    turns = world(tmp_path, rule("output", by="gone"), rule("groups", Subject.GROUPS, by="gone"))
    turns.count(many(20))
    assert {segment for _, segment in turns.looked(60.0).slots} == {""}
    assert turns.slots("groups", 61.0)[0].reading.value == 0.0
    turns.close()


# ---------------------------------------------------------------- groups


@pytest.fixture
def grouped(tmp_path):
    yield from alive(world(tmp_path, rule("groups", Subject.GROUPS, Grouped(), by="c")))


def test_groups_are_read_all_at_once_those_without_rows_too(grouped):
    grouped.count(many(20, c="a"), many(5, prefix="q", c="b"))
    [slot] = grouped.slots("groups", 60.0)
    assert shown(grouped) == [{"c=a": 20, "c=b": 5, "c=__other__": 0}]
    assert (slot.segment, slot.reading.value) == ("", 25.0)


def test_a_label_for_one_group_reads_all_of_them_again_in_its_window_alone(grouped):
    grouped.count(many(120, c="a"), many(5, prefix="q", c="b"))
    grouped.looked(120.0)
    shown(grouped)
    grouped.count([label("q1", 1)])
    grouped.looked(121.0)
    assert shown(grouped) == [{"c=a": 60, "c=b": 5, "c=__other__": 0}]


def test_groups_differ_by_what_numpy_says(tmp_path):
    detector = DETECTORS["demographic_parity"](rows_min=50)
    turns = world(tmp_path, rule("groups", Subject.GROUPS, detector, 600.0, by="c"))
    rng = np.random.default_rng(4)
    outputs, columns = rng.random(500) < 0.4, rng.choice(["a", "b"], 500)
    turns.count(
        [prediction(f"p{i}", i, int(o), c=str(c)) for i, (o, c) in enumerate(zip(outputs, columns, strict=True))]
    )
    [slot] = turns.slots("groups", 600.0)
    shares = [outputs[columns == name].mean() for name in "ab"]
    assert slot.reading.value == pytest.approx(abs(shares[0] - shares[1]))
    turns.close()


def test_groups_of_a_model_without_classes_are_not_compared(tmp_path):
    layouts = profile(LISTS), profile(LISTS, seed=8)
    turns = world(tmp_path, rule("groups", Subject.GROUPS, Grouped(), by="c"), layouts=layouts)
    turns.count([prediction("p", 1.0, 0, value=5.0, c="a")])
    [slot] = turns.slots("groups", 60.0)
    assert (slot.reading.verdict, shown(turns)) == (Verdict.UNKNOWN, [])
    turns.close()


# ---------------------------------------------------------------- what is read again, and what it costs


def test_a_label_of_one_segment_leaves_the_slots_of_the_others(tmp_path):
    turns = world(tmp_path, ERROR)
    turns.count(many(60, c="a"), many(5, prefix="q", c="b"))
    turns.looked(60.0)
    shown(turns)
    turns.count([label("q1", 1)])
    found = turns.looked(61.0).slots
    assert shown(turns) == [1]
    assert [found["error", name][0].reading.value for name in NAMES] == [0.0, 1.0, 0.0]
    turns.close()


@pytest.fixture
def sums(turns, monkeypatch):
    """How often each window was summed from the store."""
    made = Counter()
    ask = turns.store.panes
    monkeypatch.setattr(turns.store, "panes", lambda *place: (made.update([place[2:]]), ask(*place))[1])
    return made


RULES = (
    rule("output", by="c"),
    rule("columns", Subject.FEATURES, by="c"),
    ERROR,
    rule("groups", Subject.GROUPS, by="c"),
    rule("whole"),
)


def test_each_window_of_each_segment_is_summed_once_for_all_rules(turns, sums):
    turns.watched.pack = type(turns.watched.pack)(1, RULES)
    turns.count(many(60, c="a"), many(5, prefix="q", c="b"))
    turns.looked(60.0)
    assert len(sums) == 1 + len(NAMES)
    assert set(sums.values()) == {1}


def test_a_look_that_may_hold_few_sums_finds_the_same_and_counts_what_it_gave_up(tmp_path):
    turns = world(tmp_path, *RULES)
    turns.count(many(180, c="a"), many(5, 70.0, prefix="q", c="b"), [label("q1", 1)])
    wide = turns.look.run(turns.watched, 180.0).slots
    narrow = Look(turns.store, grace_s=0.0, ticks={}, sums_bytes_max=8 * 2 * turns.v1.size)
    assert narrow.run(turns.watched, 180.0).slots == wide
    assert len(narrow._seen["m"].panes) <= 2
    assert (turns.look.sums_dropped, narrow.sums_dropped > 0) == (0, True)
    turns.close()


STEPS = st.lists(
    st.tuples(st.sampled_from(["rows", "label", "look"]), st.integers(0, 120), st.sampled_from(["a", "b", "new"])),
    min_size=5,
    max_size=15,
)


@settings(max_examples=15)
@given(STEPS)
def test_a_look_after_a_restart_finds_the_same_slots_of_every_segment(tmp_path_factory, steps):
    turns = world(tmp_path_factory.mktemp("again"), *RULES)
    now = 0.0
    for place, (what, number, c) in enumerate(steps):
        if what == "look":
            now += number
            turns.looked(now)
        else:
            target = f"{number % max(place, 1)}-{number % 3}"
            turns.count(many(3, float(number), f"{place}-", c=c) if what == "rows" else [label(target, number % 2)])
    found, before = turns.looked(now).slots, dict(turns.watched.shown)
    turns.watched.shown.clear()
    assert Look(turns.store, grace_s=0.0, ticks={}).run(turns.watched, now).slots == found
    assert turns.watched.shown == before
    turns.close()
