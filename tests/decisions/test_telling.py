"""When people are told: together, at most every interval, not what a root explains, and again while it lasts."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from judged import MODEL, PACK, make_epoch, make_incident, make_rollback, make_slots, make_state, make_terms
from msgspec.structs import replace

from monitor.decisions.incidents import NOTICES_MAX, Line, label
from monitor.decisions.judge import attach
from monitor.decisions.state import settle
from monitor.decisions.telling import (
    NAMED_MAX,
    Heard,
    Repeat,
    Telling,
    catch_up,
    due_repeats,
    explained,
    still_firing,
)
from monitor.facts import Alert, AlertState, NoticeStatus, RollbackStep, Severity

TELLING = Telling(interval_s=300.0)
PAGER, CHAT = Repeat("pager", critical_s=3600.0), Repeat("chat", critical_s=7200.0, warning_s=7200.0)


def firing(rule, segment="", epoch=2):
    return Alert(MODEL, rule, segment, AlertState.FIRING, fired=1.0, epoch=epoch, evidence=make_slots(rule, 2, "bob"))


class Tale:
    """One model whose alerts begin and end, and what is said of it."""

    def __init__(self, **telling):
        self.state, self.terms = make_state(), make_terms(telling=Telling(**telling))

    def at(self, now, *fired, over=(), lines=()):
        """Let these fire and those be over; what is said then."""
        ended = [replace(a, state=AlertState.RESOLVED) if a.rule in over else a for a in self.state.alerts]
        new = [each if isinstance(each, Alert) else firing(each) for each in fired]
        self.state = replace(self.state, alerts=(*ended, *new))
        self.state, joined = attach(self.state, PACK, new, float(now))
        judged = settle(self.state, self.terms, (*joined, *lines), float(now))
        self.state = judged.state
        return [told.summary.removeprefix("delays: ") for told in judged.notices]


def heads(told):
    """What each notice speaks of, without its numbers."""
    return [[words.partition(":")[0] for words in summary.split("; ")] for summary in told]


def test_what_fires_within_the_wait_comes_in_one_notice():
    tale = Tale(wait_s=30.0)
    assert tale.at(0, "drift") == []
    assert tale.at(20, "error") == []
    assert heads(tale.at(30)) == [["drift", "error"]]
    assert tale.at(31) == []


def test_what_is_over_before_it_was_told_is_not_told():
    tale = Tale(wait_s=30.0)
    tale.at(0, "drift")
    assert tale.at(20, over=("drift",)) == []
    assert tale.state.incident is None


def test_what_is_no_alert_does_not_wait_and_takes_along_what_does():
    tale = Tale(wait_s=30.0)
    tale.at(0, "drift")
    told = tale.at(1, lines=(Line("rolling back to v1", loud=True),))
    assert heads(told) == [["drift", "rolling back to v1"]]


def test_what_joins_in_silence_is_told_after_the_interval():
    tale = Tale(interval_s=300.0)
    assert heads(tale.at(0, "error")) == [["error"]]
    assert [tale.at(60, "output_shift"), tale.at(120, "missing"), tale.at(299)] == [[], [], []]
    assert heads(tale.at(300)) == [["missing", "output_shift"]]
    assert tale.at(900) == []


def test_what_joined_and_was_over_before_the_interval_is_not_told():
    tale = Tale(interval_s=300.0)
    tale.at(0, "error")
    tale.at(60, "output_shift")
    assert tale.at(400, over=("output_shift",)) == []


def test_a_louder_one_and_a_root_wait_for_nothing():
    tale = Tale(interval_s=300.0)
    tale.at(0, "drift")
    assert heads(tale.at(1, "error")) == [["error"]]
    assert heads(tale.at(2, "broken_schema")) == [["broken_schema"]]


def test_forty_drifts_are_explained_by_a_broken_schema_for_as_long_as_it_is_broken():
    tale = Tale(interval_s=300.0)
    tale.at(0, "broken_schema")
    assert tale.at(60, *(firing("drift", f"origin={number}") for number in range(40))) == []
    assert tale.at(9999) == []
    [words] = tale.at(10_060, over=("broken_schema",))
    assert words.count("drift/origin") == NAMED_MAX
    assert words.endswith("35 more alerts")


def test_what_came_with_its_root_is_told_too_when_it_outlives_it():
    tale = Tale(interval_s=300.0)
    assert heads(tale.at(0, "broken_schema", "drift")) == [["broken_schema"]]
    assert heads(tale.at(600, over=("broken_schema",))) == [["drift"]]


def test_what_fires_about_an_earlier_epoch_was_answered_by_the_switch():
    tale = Tale(interval_s=300.0)
    tale.at(0, "error")
    tale.at(60, "output_shift")
    tale.state = replace(tale.state, epoch=make_epoch(3, "v1"))
    assert tale.at(600) == []


@pytest.mark.parametrize(
    ("rule", "others", "expected"),
    [
        ("drift", ["broken_schema"], True),
        ("drift", ["unregistered"], True),
        ("broken_schema", ["unregistered"], True),
        ("unregistered", ["broken_schema"], False),
        ("drift", ["error", "missing", "paired_error"], False),  # no roots
        ("broken_schema", ["broken_schema"], False),
    ],
)
def test_only_a_root_explains_and_only_what_is_further_from_it(rule, others, expected):
    assert explained(firing(rule), [firing(other) for other in others], PACK) is expected


def test_a_root_of_another_epoch_explains_nothing():
    assert not explained(firing("drift"), [firing("broken_schema", epoch=1)], PACK)


def test_an_open_incident_is_said_again_to_each_receiver_when_it_wishes():
    tale = Tale(repeats=(PAGER, CHAT))
    tale.at(0, "error")
    said = {now: tale.at(now) for now in range(0, 7300, 100)}
    assert {now: told for now, told in said.items() if told} == {
        3600: ["still firing since 19700101T000000Z: error"],
        7200: ["still firing since 19700101T000000Z: error"],
    }


def test_a_repeat_has_a_number_of_its_own_and_goes_to_those_who_are_due():
    state = make_state(incident=make_incident(notices=1), alerts=(firing("error"),), heard=Heard(at=0.0))
    [told] = settle(state, make_terms(telling=Telling(repeats=(PAGER, CHAT))), (), 3600.0).notices
    assert (told.id, told.receivers, told.repeat, told.status) == ("i1.2", ("pager",), True, NoticeStatus.FIRING)
    assert told.holdable


def test_a_warning_is_repeated_only_where_that_is_wished():
    heard = Heard(at=0.0)
    repeats = Telling(repeats=(PAGER, CHAT))
    assert due_repeats(heard, repeats, [firing("drift")], PACK, 1e6) == ("chat",)
    assert due_repeats(heard, repeats, [], PACK, 1e6) == ()


def test_news_puts_a_repeat_off():
    tale = Tale(repeats=(PAGER,))
    tale.at(0, "drift")
    tale.at(3000, "error")
    assert tale.at(3600) == []
    assert len(tale.at(6600)) == 1


def test_repeats_do_not_use_up_the_notices_of_an_incident():
    tale = Tale(repeats=(PAGER,))
    tale.at(0, "drift")
    tale.at(1, "error")
    assert all(tale.at(3600 * hour + 1) for hour in range(1, 2 * NOTICES_MAX))
    assert heads(tale.at(1e6, "broken_schema")) == [["broken_schema"]]


def test_a_clock_that_is_set_back_silences_nothing():
    tale = Tale(interval_s=300.0, repeats=(PAGER,))
    tale.at(1e6, "error")
    assert len(tale.at(10)) == 1
    assert tale.at(11) == []


def test_a_repeat_names_a_few_and_counts_the_rest():
    many = [firing("drift", f"origin={number}") for number in range(9)]
    line = still_firing(make_incident(), many, PACK)
    assert line.words.endswith("drift/origin=4 and 4 more")
    assert line.severity is Severity.WARNING


def test_what_a_rollback_says_is_never_held_and_what_alerts_say_may_be():
    held = settle(make_state(incident=make_incident(), alerts=(firing("error"),)), make_terms(), (), 5.0)
    assert held.notices == ()
    for line, holdable in [(Line("switched", loud=True), False), (Line("error", loud=True, about="error"), True)]:
        state = make_state(incident=make_incident(), alerts=(firing("error"),))
        assert [told.holdable for told in settle(state, make_terms(), (line,), 5.0).notices] == [holdable]


def test_an_incident_with_a_rollback_under_way_is_not_over():
    state = make_state(incident=make_incident(notices=1), rollback=make_rollback(RollbackStep.SWITCHED))
    assert settle(state, make_terms(), (), 5.0).state.incident is not None


RULES = st.sampled_from(["drift", "error", "missing", "output_shift", "broken_schema"])
MOVES = st.lists(st.tuples(st.floats(0, 1000), st.lists(RULES, max_size=3, unique=True), st.sets(RULES)), max_size=30)


@given(MOVES, st.sampled_from([0.0, 60.0]))
def test_what_is_said_is_bounded_and_once_per_interval(moves, wait_s):
    tale, now = Tale(wait_s=wait_s, interval_s=300.0), 0.0
    for ahead, fired, over in moves:
        now += ahead
        before = tale.state
        told = tale.at(now, *(each for each in fired if each not in {a.rule for a in before.alerts}), over=over)
        assert len(told) <= 1
        assert tale.at(now) == [], "the same turn again says nothing new"
        assert set(tale.state.heard.untold) <= {label(alert) for alert in tale.state.alerts}


@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_nothing_is_caught_up_with_before_the_interval(at, now):
    heard = Heard(at=at, untold=("drift",))
    lines = catch_up(heard, TELLING, [firing("drift")], PACK, now)
    assert bool(lines) is not (0 <= now - at < 300.0)


def test_what_was_heard_survives_being_stored():
    heard = Heard(1.0, (("pager", 2.0),), 1, ("drift",), (Line("drift", loud=True, about="drift"),))
    assert msgspec.json.decode(msgspec.json.encode(heard), type=Heard) == heard
