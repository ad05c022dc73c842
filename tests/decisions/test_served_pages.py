"""Pages about what is served: they fire with the epoch, and one thing that goes wrong is told once."""

import pytest
from judged import INDEX, V1, V2, make_epoch, make_incident, make_rollback, make_state, make_terms

from monitor.decisions.judge import judge
from monitor.decisions.outcomes import served_changed
from monitor.decisions.served import CALM_S
from monitor.facts import TRANSITION, AlertState, NoticeStatus, RollbackStep

BACK = make_rollback(RollbackStep.COMMITTED, source=V2)  # v2 was rolled back from
CASES = [("unregistered", "unregistered"), (V2, "redelivered")]


def served(state, *bundles, start=0.0, gap=1.0):
    """The state after these were proved one after the other and looked at, and all that was told."""
    told = []
    for place, bundle in enumerate(bundles):
        now = start + place * gap
        changed = served_changed(state, make_terms(), make_epoch(state.epoch.number + 1, bundle, now), now)
        looked = judge(changed.state, make_terms(), {}, now)
        state, told = looked.state, [*told, *changed.notices, *looked.notices]
    return state, told


@pytest.mark.parametrize(("bundle", "rule"), CASES)
def test_a_page_fires_with_the_epoch(bundle, rule):
    state, told = served(make_state(history=(BACK,)), bundle)
    assert [(alert.rule, alert.state) for alert in state.alerts] == [(rule, AlertState.FIRING)]
    assert len(told) == 1
    assert rule in told[0].summary


@pytest.mark.parametrize(("bundle", "rule"), CASES)
def test_two_workers_that_take_turns_are_one_page(bundle, rule):
    state, told = served(make_state(history=(BACK,)), *(V1, bundle) * 500)
    assert [notice.status for notice in told] == [NoticeStatus.FIRING]
    assert (state.incidents, state.incident.cause) == (1, rule)


@pytest.mark.parametrize("bundle", ["unregistered", V2])
def test_it_is_over_when_something_else_stays(bundle):
    state, _ = served(make_state(history=(BACK,)), bundle, V1, start=1000.0)
    assert judge(state, make_terms(), {}, 1000.0 + CALM_S).state.incident is not None
    over = judge(state, make_terms(), {}, 1001.0 + CALM_S)
    assert over.state.incident is None
    assert [notice.status for notice in over.notices] == [NoticeStatus.RESOLVED]


@pytest.mark.parametrize("bundle", ["unregistered", V2])
def test_it_is_not_over_while_it_stays(bundle):
    state, _ = served(make_state(history=(BACK,)), bundle)
    assert judge(state, make_terms(), {}, 9 * CALM_S).state == state


def test_a_transition_ends_nothing_however_long():
    state, _ = served(make_state(), "unregistered", TRANSITION)
    assert judge(state, make_terms(), {}, 1e6).state.incident is not None


def test_what_became_known_ends_its_page():
    state, _ = served(make_state(), "unregistered")
    known = served_changed(state, make_terms(bundles=INDEX), make_epoch(9, V1, 5.0), 5.0).state
    assert judge(known, make_terms(), {}, 5.0 + CALM_S).state.incident is None


def test_a_clock_set_back_ends_nothing():
    state, _ = served(make_state(), "unregistered", V1, start=1e6)
    assert judge(state, make_terms(), {}, 0.0).state == state


def test_it_fires_again_after_it_was_over():
    state, _ = served(make_state(), "unregistered", V1)
    calm = judge(state, make_terms(), {}, 2 * CALM_S).state
    _, told = served(calm, "unregistered", start=3 * CALM_S)
    assert len(told) == 1


def looked(state, now, **terms):
    return judge(state, make_terms(**terms), {}, now)


def test_a_server_that_proves_nothing_for_too_long_is_a_page_and_its_proof_ends_it():
    state, _ = served(make_state(), TRANSITION)
    assert looked(state, 10.0, unproved_s=299.9).notices == ()
    dead = looked(state, 20.0, unproved_s=300.0)
    assert [notice.summary.partition(":")[2].split(":")[0].strip() for notice in dead.notices] == ["unproved"]
    back = looked(dead.state, 30.0, unproved_s=None)
    assert ([n.status for n in back.notices], back.state.incident) == ([NoticeStatus.RESOLVED], None)


def test_a_restart_of_ours_is_no_proof():
    dead = looked(make_state(), 20.0, unproved_s=300.0).state
    assert looked(dead, 30.0, unproved_s=0.0).state == dead


def test_a_page_about_the_server_is_told_once():
    dead = looked(make_state(), 20.0, unproved_s=300.0).state
    assert all(looked(dead, 20.0 + n, unproved_s=300.0 + n).notices == () for n in range(100))


def test_a_server_that_takes_turns_pages_once_until_it_keeps_to_one():
    state, _ = served(make_state(), V1, TRANSITION, start=1000.0)
    first = looked(state, 1002.0, unsteady=True)
    assert len(first.notices) == 1
    state, told = served(first.state, V1, TRANSITION, V1, start=1010.0)
    assert told == []
    assert looked(state, 1012.0 + CALM_S).state.incident is None


def test_a_dead_server_does_not_end_the_incident_of_a_rollback():
    done = make_rollback(RollbackStep.COMMITTED, source=V2)
    incident = make_incident(id=done.incident, rollback=done.id, alerts=("error",))
    state = make_state(incident=incident, history=(done,), epoch=make_epoch(3, TRANSITION))
    judged = looked(state, 20.0, unproved_s=300.0)
    assert judged.state.incident.id == done.incident
