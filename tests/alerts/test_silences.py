"""A silence holds what may wait, marks what may not, and silences nothing when nobody can be asked."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from said import KEY

from monitor.alerts.retry import Delivery
from monitor.alerts.said import Key
from monitor.alerts.silences import ASK_S, SAY, Answer, Book, Respect, Suppressed, Way, passage
from monitor.alerts.webhook import body, marked
from monitor.facts import NoticeStatus, Severity

POLICY = {Severity.WARNING: Respect.HOLD, Severity.CRITICAL: Respect.MARK}
SILENCED = Suppressed(("s-1",), until=5000.0)
OTHER = Key("delays", "error", "")
NOW = 1000.0


def delivery(number=1, keys=(KEY,), severity=Severity.WARNING, **changes):
    made = Delivery(f"i.{number}@ops", f"i.{number}", "i", number, "ops", b"{}", NOW - 60.0)
    return replace(made, keys=tuple(map(tuple, keys)), severity=severity, holdable=True, **changes)


def book(alerts, at=NOW, names=("main",)):
    made = Book(names)
    for name in names:
        made.answered(name, Answer(at, 180.0, alerts))
    return made


def way(*queue, said, wall=NOW, now=NOW, policy=POLICY):
    return passage(queue, said, policy, wall, now)


def over(number=2):
    return delivery(number, status=NoticeStatus.RESOLVED)


def test_a_silenced_warning_is_held_until_the_silence_ends():
    found = way(delivery(), said=book({KEY: SILENCED}))
    assert (found.way, found.again_s) == (Way.HOLD, 4000.0)
    assert found.words == "silenced by s-1 until 1970-01-01T01:23:20.000Z"


def test_a_silenced_critical_one_is_marked():
    assert way(delivery(severity=Severity.CRITICAL), said=book({KEY: SILENCED})).way is Way.MARK


@pytest.mark.parametrize("respect", Respect)
def test_the_settings_decide(respect):
    expected = {Respect.HOLD: Way.HOLD, Respect.MARK: Way.MARK, Respect.IGNORE: Way.SAY}[respect]
    assert way(delivery(), said=book({KEY: SILENCED}), policy={Severity.WARNING: respect}).way is expected


def test_one_alert_that_is_not_silenced_speaks_for_all():
    assert way(delivery(keys=(KEY, OTHER)), said=book({KEY: SILENCED, OTHER: Suppressed()})) == SAY


def test_all_that_know_the_alert_must_silence_it():
    said = book({KEY: SILENCED}, names=("a", "b"))
    assert way(delivery(), said=said).way is Way.HOLD
    said.answered("b", Answer(NOW, 180.0, {KEY: Suppressed()}))
    assert way(delivery(), said=said) == SAY
    said.answered("b", Answer(NOW, 180.0, {}))
    assert way(delivery(), said=said).way is Way.HOLD


def test_an_inhibited_alert_is_held_for_as_long_as_it_is():
    found = way(delivery(), said=book({KEY: Suppressed(inhibited=("f-1",))}))
    assert (found.way, found.words, found.again_s) == (Way.HOLD, "inhibited by f-1", float("inf"))


def test_what_a_rollback_says_is_never_held_nor_is_what_stands_before_it():
    said = book({KEY: SILENCED})
    loud = replace(delivery(2), holdable=False)
    assert way(loud, said=said) == SAY
    assert way(delivery(), loud, said=said).way is Way.MARK


def test_an_answer_that_is_old_silences_nothing():
    assert way(delivery(), said=book({KEY: SILENCED}, at=NOW - 181.0)) == SAY


def test_a_failure_leaves_an_answer_until_it_is_old():
    said = book({KEY: SILENCED})
    said.failed("main")
    assert way(delivery(), said=said).way is Way.HOLD
    assert way(delivery(), said=said, now=NOW + 181.0) == SAY


def test_a_new_notice_waits_for_the_first_answer_and_not_for_long():
    said = book({})
    new = delivery(created=NOW)
    assert (way(new, said=said).way, way(new, said=said).again_s) == (Way.HOLD, ASK_S)
    assert way(new, said=said, wall=NOW + ASK_S, now=NOW + ASK_S) == SAY
    assert way(new, said=said, wall=NOW - 3600.0) == SAY


def test_an_answer_from_before_the_notice_is_not_the_answer():
    said = book({KEY: Suppressed()}, at=NOW - 1.0)
    new = delivery(created=NOW)
    assert way(new, said=said).way is Way.HOLD
    said.answered("main", Answer(NOW, 180.0, {KEY: Suppressed()}))
    assert way(new, said=said) == SAY


def test_nobody_waits_for_an_alertmanager_that_cannot_be_reached():
    said = Book(["main"])
    assert way(delivery(created=NOW), said=said).way is Way.HOLD
    said.failed("main")
    assert way(delivery(created=NOW), said=said) == SAY
    assert way(delivery(created=NOW), said=Book()) == SAY


def test_what_was_silenced_until_it_was_over_is_withdrawn():
    assert way(delivery(), over(), said=book({KEY: SILENCED})).way is Way.WITHDRAW


def test_the_end_of_what_was_told_is_told():
    assert way(over(), said=book({KEY: SILENCED})) == SAY


def test_what_was_tried_once_is_tried_on():
    assert way(delivery(attempts=1), said=book({KEY: SILENCED})) == SAY


def test_a_silence_without_an_end_is_said_without_one():
    assert replace(SILENCED, until=None).words == "silenced by s-1"
    assert Suppressed().words == ""


def test_a_mark_stands_on_every_alert_and_changes_nothing_else(notice, alert):
    plain = json.loads(body(notice(alerts=(alert(), alert("drift"))), "ops", "http://tocsin"))
    seen = json.loads(marked(json.dumps(plain).encode(), SILENCED.words))
    for annotations in (seen["commonAnnotations"], *(each["annotations"] for each in seen["alerts"])):
        assert annotations.pop("silenced") == SILENCED.words
    assert seen == plain


answers = st.dictionaries(st.sampled_from([KEY, OTHER]), st.sampled_from([SILENCED, Suppressed()]))


@given(answers, st.lists(st.booleans(), min_size=1, max_size=4), st.sampled_from(list(Severity)), st.floats(0, 1e4))
def test_nothing_is_held_that_an_alertmanager_does_not_silence(alerts, holdable, severity, later):
    queue = [replace(delivery(n, severity=severity), holdable=h) for n, h in enumerate(holdable, start=1)]
    found = way(*queue, said=book(alerts), now=NOW + later)
    if found.way is Way.HOLD:
        assert all(holdable)
        assert alerts.get(KEY) == SILENCED
        assert later <= 180.0
