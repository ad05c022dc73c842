"""The table of a rollback, and what holds for any world it meets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judged import make_rollback

from monitor.decisions.rollback import (
    ATTEMPTS_MAX,
    COMMAND,
    ENDED,
    EXHAUSTED,
    FORWARD,
    NEXT,
    PLAN_VALID_S,
    RUNNING,
    Command,
    Observation,
    Place,
    advance,
    agree,
    begin,
    end_unstarted,
    seen,
)
from monitor.facts import RollbackStep

BOUND = 36  # as the module's note says
S, O = RollbackStep, Observation  # noqa: E741  # as in the table
observations = st.lists(st.sampled_from(Observation), min_size=BOUND, max_size=BOUND)


def test_every_step_is_running_ended_or_proposed():
    assert RUNNING | ENDED | {S.PROPOSED} == set(RollbackStep)
    assert set(EXHAUSTED) == set(COMMAND) == set(RUNNING)


def test_nothing_leads_back_to_the_switch_once_it_may_have_happened():
    after = {S.SWITCHED, S.RELOADED, S.BAKING}
    before = {S.PLANNED, S.VERIFIED, S.PROBED}
    assert not any(step in after and following in before for (step, _), following in NEXT.items())


def test_no_row_of_the_table_starts_from_an_end():
    assert not any(step in ENDED for step, _ in NEXT)


def test_what_ends_before_anything_changed_is_refused_and_else_failed():
    for (step, seen_now), following in NEXT.items():
        if following is S.REFUSED:
            assert step in (S.PLANNED, S.VERIFIED, S.PROBED), seen_now
        if following is S.FAILED:
            assert step not in (S.PLANNED, S.VERIFIED), seen_now


@given(observations)
def test_any_run_ends_within_the_bound(world):
    rollback = make_rollback()
    for observation in world:
        rollback = advance(rollback, observation, 60.0).rollback
    assert rollback.step in ENDED


@given(st.lists(st.tuples(st.sampled_from(Observation), st.booleans()), max_size=60))
def test_at_most_one_switch_takes_effect_in_any_world(world):
    move, effective = begin(make_rollback()), 0
    for observation, crash in world:
        effective += move.command is Command.SWITCH and observation is O.SWITCHED
        move = advance(move.rollback, observation, 60.0)
        move = begin(move.rollback) if crash else move
    assert effective <= 1


@given(observations)
def test_the_switch_is_asked_for_only_after_the_target_was_verified_and_probed(world):
    move, last = begin(make_rollback()), None
    for observation in world:
        move, last = advance(move.rollback, observation, 60.0), observation
        assert move.command is not Command.SWITCH or move.rollback.step is S.PROBED, last


@given(observations, st.floats(0, 1e4))
def test_nothing_is_committed_before_it_baked(world, bake_s):
    rollback, proved = make_rollback(), None
    for minute, observation in enumerate(world):
        rollback = advance(rollback, observation, 60.0 * minute, bake_s).rollback
        proved = 60.0 * minute if rollback.step is S.BAKING and proved is None else proved
        if rollback.step is S.COMMITTED:
            assert bake_s == 0 or 60.0 * minute - proved >= bake_s
            break


@given(observations)
def test_committed_means_that_the_server_proved_the_target(world):
    rollback = make_rollback()
    for observation in world:
        before, rollback = rollback, advance(rollback, observation, 60.0).rollback
        if rollback.step is S.COMMITTED is not before.step:
            assert observation is O.SERVED_TARGET


@given(observations)
def test_every_end_but_success_has_a_reason(world):
    rollback = make_rollback()
    for observation in world:
        rollback = advance(rollback, observation, 60.0).rollback
    assert (rollback.step is S.COMMITTED) == (rollback.reason == "")


@pytest.mark.parametrize("step", sorted(RUNNING - {S.BAKING}, key=FORWARD.index))
def test_a_run_begins_with_a_look_until_it_bakes(step):
    assert begin(make_rollback(step)).command is Command.LOOK


@pytest.mark.parametrize("step", sorted(ENDED | {S.PROPOSED}, key=lambda each: each.value))
def test_what_ended_or_waits_begins_nothing(step):
    assert begin(make_rollback(step)).command is None


@pytest.mark.parametrize(("step", "end"), EXHAUSTED.items())
def test_attempts_are_bounded_and_the_end_says_whether_the_switch_may_have_happened(step, end):
    rollback = make_rollback(step)
    for _ in range(ATTEMPTS_MAX - 1):
        rollback = advance(rollback, O.CANNOT_TELL, 60.0).rollback
    assert rollback.step is step
    assert advance(rollback, O.CANNOT_TELL, 60.0).rollback.step is end


def test_an_old_plan_is_not_taken_up_again():
    late = advance(make_rollback(), O.AT_SOURCE, PLAN_VALID_S + 1)
    assert (late.rollback.step, late.command) == (S.EXPIRED, None)


def test_an_old_rollback_that_already_switched_is_finished():
    late = advance(make_rollback(S.SWITCHED), O.AT_TARGET_SERVED, 100 * PLAN_VALID_S)
    assert late.rollback.step is S.RELOADED


@pytest.mark.parametrize(
    ("link", "served", "expected"),
    [
        (Place.SOURCE, Place.SOURCE, O.AT_SOURCE),
        (Place.SOURCE, Place.UNKNOWN, O.AT_SOURCE),
        (Place.SOURCE, Place.TARGET, O.AT_SOURCE),
        (Place.SOURCE, Place.OTHER, O.AT_OTHER),
        (Place.TARGET, Place.TARGET, O.AT_TARGET_SERVED),
        (Place.TARGET, Place.SOURCE, O.AT_TARGET),
        (Place.TARGET, Place.OTHER, O.AT_TARGET),
        (Place.TARGET, Place.UNKNOWN, O.AT_TARGET),
        (Place.OTHER, Place.TARGET, O.AT_OTHER),
        (Place.OTHER, Place.UNKNOWN, O.AT_OTHER),
        (Place.UNKNOWN, Place.TARGET, O.CANNOT_TELL),
    ],
)
def test_what_a_look_sees(link, served, expected):
    assert seen(link, served) is expected


def test_agreeing_starts_the_clock_of_the_plan():
    planned = agree(make_rollback(S.PROPOSED), "ann", 500.0)
    assert (planned.step, planned.planned, planned.approved_by) == (S.PLANNED, 500.0, "ann")


def test_only_a_proposal_is_agreed_to_or_ended_by_hand():
    with pytest.raises(AssertionError):
        agree(make_rollback(S.SWITCHED), "ann", 0.0)
    with pytest.raises(AssertionError):
        end_unstarted(make_rollback(S.SWITCHED), S.REFUSED, "no", 0.0)


def test_stepped_is_the_time_of_the_last_step_and_not_of_the_last_attempt():
    stuck = advance(make_rollback(S.SWITCHED, at=10.0), O.RELOAD_FAILED, 60.0).rollback
    assert (stuck.stepped, stuck.attempts) == (10.0, 1)
    assert advance(stuck, O.TOLD, 70.0).rollback.stepped == 70.0
