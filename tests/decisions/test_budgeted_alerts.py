"""Alerts of rules that follow from a budget: one for each group, loud by tier, as long as the group is latched."""

import pytest
from judged import BUDGETED, DAY, HOUR, INDEX, V1, V2, make_epoch, make_reading, make_state, make_terms
from msgspec.structs import replace

from monitor.decisions.judge import Judgement, ModelState, build_case, judge
from monitor.decisions.outcomes import served_changed
from monitor.facts import AlertState, NoticeStatus, Severity, Slot, Verdict

TERMS = make_terms(rules=BUDGETED, bundles=INDEX)
FORTY = tuple(f"column{number:02}" for number in range(40))


def said(verdict: Verdict, *keys: str, epoch: int = 2) -> dict[tuple[str, str], tuple[Slot, ...]]:
    """One slot for each `rule/group`."""
    pairs = [(rule, group) for rule, _, group in (key.partition("/") for key in keys)]
    return {key: (Slot(*key, epoch, 0.0, DAY, make_reading(verdict)),) for key in pairs}


def look(state: ModelState, now: float, *keys: str, verdict: Verdict = Verdict.BREACH, epoch: int = 2) -> Judgement:
    return judge(state, TERMS, said(verdict, *keys, epoch=epoch), now)


def states(judged: Judgement) -> dict[tuple[str, str], AlertState]:
    return {(alert.rule, alert.segment): alert.state for alert in judged.state.alerts}


@pytest.mark.parametrize(("tier", "severity"), [("warn", Severity.WARNING), ("page", Severity.CRITICAL)])
def test_a_crossing_is_as_loud_as_its_tier(tier, severity):
    [notice] = look(make_state(), DAY, f"features_{tier}/age").notices
    assert (notice.status, notice.severity) == (NoticeStatus.FIRING, severity)


def test_a_crossing_of_the_tier_rollback_makes_no_alert_and_is_a_signal():
    slots = said(Verdict.BREACH, "labels_rollback")
    judged = judge(make_state(), TERMS, slots, DAY)
    signals = {each.rule: each for each in build_case(judged.state, TERMS, slots, DAY).signals}
    assert (judged.state.alerts, judged.notices) == ((), ())
    assert (signals["labels_rollback"].budgeted, signals["labels_rollback"].slots) == (
        True,
        slots["labels_rollback", ""],
    )


def test_a_page_joins_the_warning_before_it_and_is_told():
    warned = look(make_state(), DAY, "features_warn/age")
    paged = look(warned.state, DAY + HOUR, "features_warn/age", "features_page/age")
    assert [notice.severity for notice in paged.notices] == [Severity.CRITICAL]
    assert paged.state.incidents == 1


def test_forty_groups_at_once_are_one_notice_of_one_incident():
    judged = look(make_state(), DAY, *(f"features_page/{column}" for column in FORTY))
    [notice] = judged.notices
    assert (len(states(judged)), len(notice.incident.alerts)) == (40, 40)


def test_forty_groups_one_after_the_other_are_not_forty_notices():
    state, notices = make_state(), 0
    for number in range(1, 41):  # a minute apart: told together, every five minutes at most
        judged = look(state, DAY + 60.0 * number, *(f"features_page/{column}" for column in FORTY[:number]))
        state, notices = judged.state, notices + len(judged.notices)
    assert notices <= 1 + 40 // 5


def test_a_latched_group_is_told_once():
    judged = look(make_state(), DAY, "output_page/score")
    again = look(judged.state, DAY + HOUR, "output_page/score")
    assert (again.notices, again.state) == ((), judged.state)


def test_what_is_calm_resolves_and_what_is_unknown_does_not():
    judged = look(make_state(), DAY, "features_page/age", "features_page/fare")
    slots = said(Verdict.OK, "features_page/age") | said(Verdict.UNKNOWN, "features_page/fare")
    after = judge(judged.state, TERMS, slots, 2 * DAY)
    assert states(after) == {
        ("features_page", "age"): AlertState.RESOLVED,
        ("features_page", "fare"): AlertState.FIRING,
    }


def test_the_incident_closes_when_every_group_is_calm():
    judged = look(make_state(), DAY, "features_page/age")
    [over] = look(judged.state, 2 * DAY, "features_page/age", verdict=Verdict.OK).notices
    assert (over.status, over.incident.closed) == (NoticeStatus.RESOLVED, 2 * DAY)


def test_a_group_that_crosses_again_after_its_calm_pages_again():
    judged = look(make_state(), DAY, "features_page/age")
    calm = look(judged.state, 2 * DAY, "features_page/age", verdict=Verdict.OK)
    [notice] = look(calm.state, 3 * DAY, "features_page/age").notices
    assert (notice.status, calm.state.incidents) == (NoticeStatus.FIRING, 1)


def test_an_alert_outlives_the_switch_until_the_new_epoch_is_calm():
    judged = look(make_state(), DAY, "output_page/score")
    switched = served_changed(judged.state, TERMS, make_epoch(3, V1, DAY), DAY)
    waits = look(switched.state, DAY + HOUR, "output_page/score", verdict=Verdict.UNKNOWN, epoch=3)
    calm = look(waits.state, 3 * DAY, "output_page/score", verdict=Verdict.OK, epoch=3)
    assert [*states(waits).values(), *states(calm).values()] == [AlertState.FIRING, AlertState.RESOLVED]


def test_the_next_epoch_fires_anew_with_evidence_of_its_own():
    judged = look(make_state(), DAY, "output_page/score")
    switched = served_changed(judged.state, TERMS, make_epoch(3, V1, DAY), DAY)
    [alert] = look(switched.state, 2 * DAY, "output_page/score", epoch=3).state.alerts
    assert (alert.epoch, alert.fired, alert.evidence[0].epoch) == (3, 2 * DAY, 3)


def test_a_group_that_is_watched_no_more_ends_with_the_others_of_its_rule_read():
    judged = look(make_state(), DAY, "features_page/age")
    after = look(judged.state, 2 * DAY, "features_page", verdict=Verdict.OK)
    assert states(after) == {}


def test_where_nothing_is_read_nothing_ends():
    judged = look(make_state(), DAY, "features_page/age")
    assert judge(judged.state, TERMS, {}, 2 * DAY).state == judged.state


def test_a_pack_without_the_budget_ends_its_alerts():
    judged = look(make_state(), DAY, "features_page/age")
    after = judge(judged.state, make_terms(), {}, 2 * DAY)
    assert (states(after), after.notices[0].status) == ({}, NoticeStatus.RESOLVED)


def test_nothing_is_told_of_what_an_earlier_epoch_crossed():
    state = replace(make_state(), epoch=make_epoch(3, V2, DAY))
    assert look(state, DAY, "features_page/age", epoch=2).notices == ()


def test_a_page_says_what_to_look_at_next():
    slot = said(Verdict.BREACH, "quality_page/age")["quality_page", "age"][0]
    [notice] = judge(make_state(), TERMS, {("quality_page", "age"): (replace(slot, worst=("age",)),)}, DAY).notices
    assert dict(notice.details)["next"] == "look at the feed of age: its schema, its joins, its last deployment"


def test_what_is_over_needs_no_next_step():
    paged = look(make_state(), DAY, "features_page/age").state
    [notice] = look(paged, DAY + HOUR, "features_page/age", verdict=Verdict.OK).notices
    assert "next" not in dict(notice.details)
