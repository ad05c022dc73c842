"""A sequential detector consumes every delta of its epoch exactly once, whatever comes between."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from world import MODEL, Consumed, Consumer, Killed, Turns, label, many, rule

from monitor.decisions.rules import RulePack
from monitor.detectors.silence import Silence
from monitor.facts import Subject, Verdict
from monitor.turns.look import TICKS_KEPT, Ticks


def ticking(name="ticks", every_s=60.0, **parameters):
    return rule(name, Subject.ARRIVALS, Consumer(**parameters), every_s)


@pytest.fixture
def turns(tmp_path):
    made = Turns(tmp_path / "state", ticking())
    made.serve((0.0, "v1"))
    yield made
    made.close()


def state(turns, name="ticks"):
    """What the detector remembers, as stored."""
    return Consumed(**turns.store.facts(Ticks)[f"{MODEL}/{name}"].state)


def test_a_tick_takes_in_what_was_folded_since_the_last_one(turns):
    turns.count(many(10))
    turns.looked(60.0)
    turns.count(many(5, prefix="q"), many(2, prefix="r"))
    turns.looked(120.0)
    assert state(turns) == Consumed(rows=17, ticks=2, elapsed_s=120.0)


def test_rows_of_yesterday_count_when_they_arrive(turns):
    turns.looked(6000.0)
    turns.count(many(10, start=5.0))
    assert turns.slots("ticks", 6060.0)[-1].reading.value == 10.0


def test_no_tick_before_its_time_and_then_one_for_all_of_it(turns):
    turns.count(many(10))
    assert turns.slots("ticks", 59.0) == ()
    [slot] = turns.slots("ticks", 150.0)
    assert (slot.start, slot.end, state(turns).elapsed_s) == (0.0, 150.0, 150.0)
    assert len(turns.slots("ticks", 209.0)) == 1


def test_a_label_is_no_arrival(turns):
    turns.count(many(10))
    turns.looked(60.0)
    turns.count([label("p1", 1)])
    turns.looked(120.0)
    assert state(turns).rows == 10


def test_two_rules_with_other_paces_each_see_everything_once(tmp_path):
    turns = Turns(tmp_path / "state", ticking("fast"), ticking("slow", 170.0))
    turns.serve((0.0, "v1"))
    for minute in range(1, 8):
        turns.count(many(minute, prefix=f"{minute}-"))
        turns.looked(60.0 * minute)
    assert (state(turns, "fast").rows, state(turns, "slow").rows) == (28, 1 + 2 + 3 + 4 + 5 + 6)
    turns.close()


def test_a_crash_before_the_commit_consumes_nothing(turns):
    turns.count(many(10))
    turns.looked(60.0, commit=False)
    turns.looked(61.0, commit=False)
    turns.restart()
    turns.serve((0.0, "v1"))
    turns.looked(62.0)
    assert state(turns) == Consumed(rows=10, ticks=1, elapsed_s=62.0)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_the_state_is_committed_with_the_look_or_not_at_all(tmp_path, moment):
    turns = Turns(tmp_path / "state", ticking())
    turns.settle(0.0)
    turns.send(many(10))
    turns.dies(moment, lambda put: isinstance(put, Ticks))
    with pytest.raises(Killed):
        turns.settle(60.0)
    turns.restart()
    turns.settle(60.0)
    turns.settle(120.0)
    assert state(turns) == Consumed(rows=10, ticks=2, elapsed_s=120.0)
    turns.close()


def test_a_new_epoch_starts_without_a_past(turns):
    turns.count(many(10))
    turns.looked(60.0)
    turns.serve((0.0, "v1"), (100.0, "v1"), (100.0, "v2"))
    turns.count(many(3, start=50.0, prefix="old"), many(4, start=100.0, prefix="new"))
    [slot] = turns.slots("ticks", 160.0)
    assert (slot.epoch, slot.start, slot.reading.value) == (3, 100.0, 4.0)
    assert state(turns) == Consumed(rows=4, ticks=1, elapsed_s=60.0)


def test_a_rule_that_comes_back_after_a_pause_begins_anew(turns):
    pack = turns.watched.pack
    turns.count(many(10))
    turns.looked(60.0)
    turns.watched.pack = RulePack(1, (rule("other"),))
    turns.count(many(4, prefix="unseen"))
    turns.looked(120.0)
    turns.watched.pack = pack
    turns.count(many(3, prefix="seen"))
    turns.looked(180.0)
    assert (state(turns).rows, state(turns).ticks) == (3, 1)


def test_a_step_that_raises_is_broken_and_keeps_its_state(tmp_path):
    turns = Turns(tmp_path / "state", ticking(faulty_at=7))
    turns.serve((0.0, "v1"))
    for minute, rows in enumerate((5, 7, 3), start=1):
        turns.count(many(rows, prefix=f"{minute}-"))
        turns.looked(60.0 * minute)
    slots = turns.slots("ticks", 180.0)
    assert [slot.reading.verdict for slot in slots] == [Verdict.OK, Verdict.BROKEN, Verdict.OK]
    assert state(turns).rows == 8
    turns.close()


def test_no_more_ticks_are_kept_than_a_hold_can_need(turns):
    for minute in range(1, TICKS_KEPT + 5):
        turns.looked(60.0 * minute)
    assert len(turns.slots("ticks", 60.0 * 105)) == TICKS_KEPT


def test_silence_alarms_after_its_limit_and_not_while_late_rows_come(tmp_path):
    turns = Turns(tmp_path / "state", rule("silence", Subject.ARRIVALS, Silence(limit_s=100.0), 60.0))
    turns.serve((0.0, "v1"))
    turns.count(many(1))
    said = [turns.slots("silence", float(now))[-1].reading.verdict for now in (60, 120, 180)]
    turns.count(many(1, prefix="late"))
    said.append(turns.slots("silence", 240.0)[-1].reading.verdict)
    assert said == [Verdict.OK, Verdict.OK, Verdict.BREACH, Verdict.OK]
    turns.close()


STEPS = st.lists(st.sampled_from(["rows", "fold", "look", "lost look", "restart", "late"]), max_size=16)


@settings(max_examples=40, deadline=None)
@given(STEPS)
def test_any_split_into_folds_looks_and_restarts_consumes_every_delta_once(tmp_path_factory, steps):
    turns = Turns(tmp_path_factory.mktemp("split") / "state", ticking("a"), ticking("b", 130.0))
    turns.serve((0.0, "v1"))
    now = 0.0
    for place, what in enumerate((*steps, "fold", "look", "look", "look")):
        now += 60.0 * (what in ("look", "lost look"))
        if what in ("rows", "late"):
            turns.send(many(place + 1, 5.0 if what == "late" else now, f"{place}-"))
        if what == "fold":
            turns.count()
        if what == "restart":
            turns.restart()
            turns.serve((0.0, "v1"))
        if what in ("look", "lost look"):
            turns.looked(now, commit=what == "look")
    sent = sum(place + 1 for place, what in enumerate(steps) if what in ("rows", "late"))
    assert (state(turns, "a").rows, state(turns, "b").rows) == (sent, sent)
    turns.close()
