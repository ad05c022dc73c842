"""The page `probe_mismatch`: it fires at once, is told once, and ends with right answers alone."""

import pytest
from judged import V1, V2, make_epoch, make_state, make_terms

from monitor.decisions.judge import judge
from monitor.decisions.outcomes import probes_answered, served_changed
from monitor.decisions.probes import Probed
from monitor.decisions.served import CALM_S
from monitor.facts import AlertState, NoticeStatus, Reading, Severity, Verdict

NOW = 10_000.0


def probed(verdict, epoch=1, breached=None, at=NOW):
    return make_terms(probed=Probed(Reading(verdict, 64, why="x"), at, epoch, breached=breached))


BAD = probed(Verdict.BREACH, breached=NOW)


@pytest.fixture
def bad():
    """The judgement of a first wrong answer."""
    return probes_answered(make_state(epoch=make_epoch(1, V1)), BAD, NOW)


def pages(judged):
    return [(alert.rule, alert.state) for alert in judged.state.alerts]


def test_wrong_answers_page_at_once(bad):
    assert pages(bad) == [("probe_mismatch", AlertState.FIRING)]
    assert [(notice.status, notice.severity) for notice in bad.notices] == [(NoticeStatus.FIRING, Severity.CRITICAL)]
    assert "golden probes" in bad.notices[0].summary or "probe_mismatch" in bad.notices[0].summary


def test_they_page_with_the_next_look_too_if_the_first_commit_failed():
    assert judge(make_state(epoch=make_epoch(1, V1)), BAD, {}, NOW).notices


def test_one_thing_that_is_wrong_is_told_once(bad):
    state = bad.state
    for at in range(1, 200):
        again = probes_answered(state, probed(Verdict.BREACH, breached=NOW + at), NOW + at)
        looked = judge(again.state, probed(Verdict.BREACH, breached=NOW + at), {}, NOW + at)
        assert again.notices == looked.notices == ()
        state = looked.state


@pytest.mark.parametrize("verdict", [Verdict.OK, Verdict.UNKNOWN])
def test_nothing_else_pages(verdict):
    assert pages(probes_answered(make_state(epoch=make_epoch(1, V1)), probed(verdict), NOW)) == []


def test_wrong_answers_of_an_earlier_activation_page_nobody():
    assert pages(probes_answered(make_state(epoch=make_epoch(2, V2)), BAD, NOW)) == []


def test_it_ends_some_time_after_the_last_wrong_answer(bad):
    good = probed(Verdict.OK, breached=NOW)
    assert judge(bad.state, good, {}, NOW + CALM_S - 1).state.incident is not None
    over = judge(bad.state, good, {}, NOW + CALM_S)
    assert (over.state.incident, [notice.status for notice in over.notices]) == (None, [NoticeStatus.RESOLVED])


def test_two_workers_of_which_one_is_bad_are_one_page(bad):
    state, told = bad.state, []
    for minute in range(1, 60):
        terms = probed([Verdict.OK, Verdict.BREACH][minute % 2], breached=NOW + 60 * (minute - 1 + minute % 2))
        looked = judge(state, terms, {}, NOW + 60 * minute)
        state, told = looked.state, [*told, *looked.notices]
    assert told == []


def test_a_restart_of_ours_ends_nothing(bad):
    assert judge(bad.state, make_terms(), {}, NOW + 9 * CALM_S).state == bad.state


def test_another_activation_that_answers_right_or_cannot_be_asked_ends_it(bad):
    for terms in (probed(Verdict.OK, epoch=2), make_terms()):
        epoch = make_epoch(2, V2, NOW + 1)
        served = served_changed(bad.state, terms, epoch, NOW + 1).state
        assert judge(served, terms, {}, NOW + CALM_S).state.incident is not None
        assert judge(served, terms, {}, NOW + 1 + CALM_S).state.incident is None
