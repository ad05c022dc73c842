"""The judgement of a turn beside the stories: what it hands back, and whose word it takes."""

import msgspec
import pytest
from judged import (
    DAY,
    HOLD,
    HOUR,
    INDEX,
    MODEL,
    PACK,
    RULES,
    V1,
    V2,
    V3,
    make_bundle,
    make_decision,
    make_epoch,
    make_incident,
    make_pack,
    make_rollback,
    make_slot,
    make_slots,
    make_state,
    make_terms,
)
from msgspec.structs import replace

from monitor.decisions.case import known_bad
from monitor.decisions.judge import ModelState, build_case, judge
from monitor.decisions.outcomes import (
    Refusal,
    approved,
    declined,
    rollback_stepped,
    served_changed,
    start,
    unlatched,
)
from monitor.decisions.policy import decide, refusals
from monitor.decisions.rules import parse_pack
from monitor.decisions.state import HISTORY_MAX, end_rollback
from monitor.detectors import DETECTORS
from monitor.errors import Rejected
from monitor.facts import TRANSITION, AlertState, Mode, RollbackStep, Ruling, Verdict

BAD = {(rule, ""): make_slots(rule, 2, "bbo") for rule in ("paired_error", "error")}
NOW = 3 * DAY


def judged(mode: Mode = Mode.AUTO, **changes: object):
    return judge(make_state(**changes), make_terms(mode=mode), BAD, NOW)


def words(result) -> str:
    return " | ".join(line for _, line in result.incidents[-1].timeline)


def test_one_turn_opens_tells_and_plans():
    result = judged()
    assert len(result.notices) == len(result.incidents) == len(result.rollbacks) == 1
    assert result.state.incident.rollback == result.rollbacks[0].id == f"{result.incidents[0].id}.r1"
    assert "rolling back to v1" in result.notices[0].summary


def test_the_plan_names_both_ends_and_bears_its_decision():
    plan = judged().rollbacks[0]
    assert (plan.source, plan.target, plan.step, plan.approved_by) == (V2, V1, RollbackStep.PLANNED, "policy")
    assert plan.decision.ruling is Ruling.ACT
    assert all(gate.held for gate in plan.decision.gates)


def test_a_known_good_made_in_the_window_of_the_deployment_was_not_trained_on_what_followed():
    made, switched = 0.5 * DAY, 0.9 * DAY  # the first window of evidence is the day that both are in
    bundles = (replace(INDEX[0], cutoff=None, registered=made), *INDEX[1:])
    state = make_state(epoch=make_epoch(2, V2, switched))
    result = judge(state, make_terms(mode=Mode.AUTO, bundles=bundles), BAD, NOW)
    assert result.incidents[0].onset == switched
    assert [rollback.target for rollback in result.rollbacks] == [V1]


def test_a_second_turn_with_the_same_facts_changes_nothing():
    first = judged()
    again = judge(first.state, make_terms(), BAD, NOW + 60)
    assert (again.state, again.notices, again.incidents, again.rollbacks) == (first.state, (), (), ())


def test_the_order_of_slots_and_states_does_not_matter():
    backwards = dict(reversed(BAD.items()))
    assert judge(make_state(), make_terms(), backwards, NOW) == judged()


def test_state_survives_being_stored():
    state = judged().state
    assert msgspec.json.decode(msgspec.json.encode(state), type=ModelState) == state


@pytest.mark.parametrize("mode", [Mode.OBSERVE, Mode.PROPOSE])
def test_modes_that_do_not_act_start_nothing(mode):
    result = judged(mode)
    assert result.rollbacks == ()
    assert result.state.decision.ruling is Ruling.ACT
    assert result.state.rollback is None


def test_propose_tells_the_exact_command():
    result = judged(Mode.PROPOSE)
    incident = result.incidents[0].id
    assert f"tocsin rollback start delays --reason {incident}" in result.notices[0].summary


def test_approve_tells_what_to_approve():
    result = judged(Mode.APPROVE)
    assert f"tocsin rollback approve {result.rollbacks[0].id}" in result.notices[0].summary
    assert result.rollbacks[0].approved_by == ""


@pytest.mark.parametrize("bundle", ["transition", "unregistered"])
def test_windows_decide_nothing_while_nobody_knows_what_is_served(bundle):
    assert judged(epoch=make_epoch(2, bundle)).state.alerts == ()


def test_windows_of_an_earlier_epoch_decide_nothing():
    assert judged(epoch=make_epoch(3, V2)).state.alerts == ()


def test_before_the_first_proof_nothing_is_decided():
    assert judged(epoch=None).state.alerts == ()


def test_a_segment_pages_and_does_not_act():
    slots = {(rule, "origin=EWR"): each for (rule, _), each in BAD.items()}
    result = judge(make_state(), make_terms(), slots, NOW)
    assert len(result.notices) == 1
    assert result.rollbacks == ()


@pytest.mark.parametrize("name", ["unheard_of", "psi"])
def test_readings_and_what_no_rule_reads_make_no_alerts(name):
    reading = {"name": "psi", "subject": "features", "detector": "psi", "window": "1d"}
    pack = parse_pack({"version": 1, "readings": [reading]}, DETECTORS)
    slots = {(name, ""): make_slots(name, 2, "bbb")}
    assert judge(make_state(), make_terms(rules=pack), slots, NOW).state.alerts == ()


def test_a_rule_that_may_not_support_a_rollback_is_no_second_signal():
    slots = {(rule, ""): make_slots(rule, 2, "bbo") for rule in ("paired_error", "missing")}
    assert judge(make_state(), make_terms(), slots, NOW).rollbacks == ()


def test_what_fires_about_an_earlier_epoch_asks_for_nothing():
    state = judged(Mode.OBSERVE).state
    later = replace(state, epoch=make_epoch(3, V3), decision=None)
    assert judge(later, make_terms(), {}, NOW + 60).state == later


def test_a_rollback_under_way_stands_in_the_way_of_another():
    decision = decide(build_case(judged().state, make_terms(), BAD, NOW))
    assert {gate.name for gate in refusals(decision)} == {"idle"}


def test_what_resolves_together_is_written_in_a_fixed_order():
    calm = {key: make_slots(key[0], 2, "oooo") for key in BAD}
    state, terms = judged(Mode.OBSERVE).state, make_terms(mode=Mode.OBSERVE)
    assert judge(state, terms, calm, NOW) == judge(state, terms, dict(reversed(calm.items())), NOW)


def test_an_alert_of_a_rule_that_is_gone_ends_with_it():
    state = judged(Mode.OBSERVE).state
    result = judge(state, make_terms(rules=make_pack(), mode=Mode.OBSERVE), {}, NOW + 60)
    assert [alert.rule for alert in result.state.alerts] == ["paired_error"]
    assert "error: the rule is gone" in words(result)


def test_an_alert_of_a_segment_that_its_rule_no_longer_reads_ends_and_one_that_was_not_read_stays():
    state = judged(Mode.OBSERVE).state
    elsewhere = {("error", "c=a"): make_slots("error", 2, "oo")}
    result = judge(state, make_terms(mode=Mode.OBSERVE), elsewhere, NOW + 60)
    assert [alert.rule for alert in result.state.alerts] == ["paired_error"]
    assert "error: the segment is gone" in words(result)
    assert judge(state, make_terms(mode=Mode.OBSERVE), {}, NOW + 60).state.alerts == state.alerts


def test_why_it_did_not_roll_back_stands_in_the_time_line():
    slots = {("error", ""): BAD["error", ""], ("paired_error", ""): make_slots("paired_error", 2, "ooo")}
    result = judge(make_state(), make_terms(), slots, NOW)
    assert "no rollback: the paired difference in error does not favour the target; families" in words(result)
    assert dict(result.notices[0].details)["decision"].startswith("deny")


def test_a_ruling_is_told_once_and_again_when_it_changes():
    one = {("error", ""): BAD["error", ""]}
    first = judge(make_state(), make_terms(), one, NOW)
    second = judge(first.state, make_terms(), one, NOW + 60)
    assert second.incidents == ()
    assert judge(second.state, make_terms(), BAD, NOW + 120).rollbacks


def test_a_spent_budget_latches_and_people_are_told():
    past = tuple(
        replace(make_rollback(RollbackStep.COMMITTED, NOW - hours * HOUR, V3), id=f"p{hours}") for hours in (20, 10)
    )
    result = judged(history=past)
    assert result.rollbacks == ()
    assert result.state.latch == "the budget of rollbacks is spent"
    assert "people decide" in result.notices[0].summary
    later = judge(result.state, make_terms(), BAD, NOW + 60)
    assert later.notices == ()


def test_a_latch_outlives_the_budget_until_a_person_opens_it():
    closed = judged(latch="the budget of rollbacks is spent")
    assert closed.rollbacks == ()
    opened = unlatched(closed.state, make_terms(), actor="ann", now=NOW)
    assert "ann unlatched" in words(opened)
    assert judge(opened.state, make_terms(), BAD, NOW + 60).rollbacks


def test_when_the_cooldown_is_over_complete_evidence_acts():
    past = (make_rollback(RollbackStep.COMMITTED, NOW - 5 * HOUR, V3),)
    first = judged(history=past)
    assert first.rollbacks == ()
    assert judge(first.state, make_terms(), BAD, NOW + 2 * HOUR).rollbacks


def test_a_rollback_that_ended_is_remembered_without_its_decision():
    done = replace(make_rollback(RollbackStep.COMMITTED), decision=make_decision())
    state = end_rollback(make_state(rollback=done), done)
    assert state.history == (replace(done, decision=None),)
    assert (state.rollback, state.latch) == (None, "")


def test_the_history_is_bounded():
    state = make_state()
    for _ in range(HISTORY_MAX + 5):
        state = end_rollback(state, make_rollback(RollbackStep.REFUSED))
    assert len(state.history) == HISTORY_MAX


def test_what_was_rolled_back_from_is_remembered_longer_than_what_changed_nothing():
    state = make_state(history=(make_rollback(RollbackStep.COMMITTED),))
    for number in range(2 * HISTORY_MAX):
        state = end_rollback(state, replace(make_rollback(RollbackStep.REFUSED), incident=f"i{number}"))
    assert len(state.history) == HISTORY_MAX
    assert V2 in known_bad(INDEX, state.history)


def test_a_failed_rollback_latches():
    state = judged().state
    failed = replace(state.rollback, step=RollbackStep.FAILED, reason="somebody else changed the link")
    result = rollback_stepped(state, make_terms(), failed, NOW)
    assert result.state.latch == f"{failed.id} failed"
    assert "somebody else changed the link" in result.notices[0].summary


def test_the_switch_is_told_once_however_often_the_server_is_reloaded():
    state, told = judged().state, 0
    for step in ("verified", "switched", "reloaded", "switched", "reloaded"):
        result = rollback_stepped(state, make_terms(), replace(state.rollback, step=RollbackStep(step)), NOW)
        state, told = result.state, told + len(result.notices)
    assert told == 1


def test_another_attempt_at_the_same_step_is_kept_and_not_told():
    state = judged().state
    tried = replace(state.rollback, attempts=3)
    result = rollback_stepped(state, make_terms(), tried, NOW)
    assert (result.state.rollback, result.rollbacks, result.incidents) == (tried, (tried,), ())


def test_a_rollback_that_is_not_under_way_is_refused():
    with pytest.raises(ValueError, match="r1 is not under way"):
        rollback_stepped(make_state(), make_terms(), make_rollback(), NOW)


def test_a_later_proof_of_the_same_epoch_only_replaces_it():
    proved, state = replace(make_epoch(2, V2), proved=9.0), judged().state
    result = served_changed(state, make_terms(), proved, 9.0)
    assert result == replace(result, state=replace(state, epoch=proved), notices=(), incidents=())


def test_a_transition_leaves_pages_as_they_are():
    paged = served_changed(make_state(), make_terms(), make_epoch(3, "unregistered"), 1.0).state
    between = served_changed(paged, make_terms(), make_epoch(4, TRANSITION), 2.0)
    assert between.state.alerts[0].state is AlertState.FIRING
    again = served_changed(between.state, make_terms(), make_epoch(5, "unregistered"), 3.0)
    assert between.notices == again.notices == ()


def test_a_second_delivery_is_told_even_while_its_incident_is_open():
    done = make_rollback(RollbackStep.COMMITTED, source=V2)
    state = make_state(epoch=make_epoch(3, V1), incident=make_incident(), history=(done,))
    result = served_changed(state, make_terms(), make_epoch(4, V2), NOW)
    assert "redelivered" in result.notices[0].summary
    assert result.incidents[0].id == "i1"


def test_the_incident_is_not_over_while_its_rollback_is_under_way():
    state = judged().state
    calm = {key: make_slots(key[0], 2, "oooo") for key in BAD}
    result = judge(state, make_terms(), calm, NOW + DAY)
    assert {alert.state for alert in result.state.alerts} == {AlertState.RESOLVED}
    assert result.state.incident is not None


@pytest.mark.parametrize("reply", [approved, declined], ids=["approve", "decline"])
def test_only_a_waiting_proposal_is_answered(reply):
    more = {"slots": BAD} if reply is approved else {}
    for state, known in (
        (make_state(), "r1"),
        (judged().state, judged().rollbacks[0].id),
        (judged(Mode.APPROVE).state, "r"),
    ):
        with pytest.raises(Rejected) as caught:
            reply(state, make_terms(), **more, rollback_id=known, actor="ann", now=NOW)
        assert caught.value.reason == Refusal.NO_SUCH_PROPOSAL.value


def test_a_proposal_that_expired_cannot_be_approved():
    state, terms = judged(Mode.APPROVE).state, make_terms(mode=Mode.APPROVE)
    with pytest.raises(Rejected, match="expired"):
        approved(state, terms, BAD, rollback_id=state.rollback.id, actor="ann", now=NOW + HOUR)


def test_an_approval_says_who():
    state, terms = judged(Mode.APPROVE).state, make_terms(mode=Mode.APPROVE)
    result = approved(state, terms, BAD, rollback_id=state.rollback.id, actor="ann", now=NOW + 60)
    assert (result.rollbacks[0].step, result.rollbacks[0].approved_by) == (RollbackStep.PLANNED, "ann")


@pytest.mark.parametrize("change", [{"kill_switch": True}, {"asked": None}, {"bundles": ()}], ids=str)
def test_evidence_is_checked_again_at_the_approval(change):
    state, terms = judged(Mode.APPROVE).state, make_terms(mode=Mode.APPROVE, **change)
    result = approved(state, terms, BAD, rollback_id=state.rollback.id, actor="ann", now=NOW + 60)
    assert result.rollbacks[0].step is RollbackStep.REFUSED
    assert result.state.rollback is None


def test_an_approval_is_for_the_target_that_was_proposed():
    state = judged(Mode.APPROVE).state
    newer = (INDEX[0], INDEX[1], make_bundle(V3))
    terms = make_terms(mode=Mode.APPROVE, bundles=newer, asked=V3)
    result = approved(state, terms, BAD, rollback_id=state.rollback.id, actor="ann", now=NOW + 60)
    assert (result.rollbacks[0].step, "another target is due" in words(result)) == (RollbackStep.REFUSED, True)


def test_a_person_is_bound_by_the_target_and_not_by_latch_budget_or_evidence():
    state = make_state(latch="x failed", history=(make_rollback(RollbackStep.COMMITTED, NOW, V3),))
    result = start(state, make_terms(), reason="looks wrong", actor="ann", now=NOW)
    plan = result.rollbacks[0]
    assert (plan.step, plan.target, plan.approved_by) == (RollbackStep.PLANNED, V1, "ann")
    assert "ann rolls back to v1: looks wrong" in result.notices[0].summary


@pytest.mark.parametrize(
    ("state", "bundles"),
    [
        (make_state(), ()),
        (make_state(epoch=make_epoch(3, V1)), INDEX),
        (make_state(epoch=make_epoch(3, TRANSITION)), INDEX),
        (make_state(epoch=make_epoch(3, "unregistered")), INDEX),
        (make_state(epoch=None), INDEX),
    ],
    ids=["no index", "known-good", "transition", "unregistered", "unproved"],
)
def test_a_person_cannot_roll_back_from_or_to_nowhere(state, bundles):
    with pytest.raises(Rejected) as caught:
        start(state, make_terms(bundles=bundles), reason="", actor="ann", now=NOW)
    assert caught.value.reason == Refusal.NOT_POSSIBLE.value
    assert caught.value.detail


@pytest.mark.parametrize("mode", [Mode.AUTO, Mode.APPROVE])
def test_a_person_waits_for_what_is_under_way(mode):
    with pytest.raises(Rejected) as caught:
        start(judged(mode).state, make_terms(), reason="", actor="ann", now=NOW)
    assert caught.value.reason == Refusal.UNDER_WAY.value


def test_a_second_rollback_of_an_incident_has_an_id_of_its_own():
    state = judged().state
    ended = replace(state.rollback, step=RollbackStep.REFUSED, reason="bad target")
    state = rollback_stepped(state, make_terms(), ended, NOW).state
    plan = start(state, make_terms(), reason="target repaired", actor="ann", now=NOW).rollbacks[0]
    assert plan.id.endswith(".r2")


def test_unlatching_what_is_open_says_nothing():
    assert (
        unlatched(
            make_state(incident=make_incident(), alerts=judged().state.alerts), make_terms(), actor="ann", now=NOW
        ).incidents
        == ()
    )


def test_unknown_windows_open_nothing():
    slots = {("error", ""): (make_slot("error", 2, 1, Verdict.UNKNOWN),)}
    result = judge(make_state(), make_terms(), slots, NOW)
    assert (result.state, result.notices) == (make_state(), ())
    assert PACK.get("error").name == "error"
    assert result.state.model == MODEL


def with_selection():
    """The pack with a reading of which rows are labelled."""
    reading = {"name": "selection", "subject": "outcomes", "detector": "label_selection", "window": "1d"}
    return parse_pack({"version": 1, "readings": [reading], "rules": [{**HOLD, **rule} for rule in RULES]}, DETECTORS)


def test_what_was_told_last_of_the_labelled_rows_decides_and_unknown_tells_nothing():
    slots = BAD | {("selection", ""): make_slots("selection", 2, "obu")}
    case = build_case(judged().state, make_terms(rules=with_selection()), slots, NOW)
    assert [each.verdict for each in case.selection] == [Verdict.BREACH]
    assert "selection" in {gate.name for gate in refusals(decide(case))}


def test_labelled_rows_of_another_epoch_say_nothing_of_this_one():
    slots = BAD | {("selection", ""): make_slots("selection", 1, "bbb")}
    assert build_case(judged().state, make_terms(rules=with_selection()), slots, NOW).selection == ()
