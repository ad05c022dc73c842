"""A person lets go of what the e-detector has latched: at once, for good, and not of what crosses anew."""

import asyncio
from concurrent.futures import wait

import pytest
from tickworld import PAGED, armed, rows, ticking
from world import Killed, control_of

from monitor.errors import Rejected
from monitor.facts import AlertState, Mode
from monitor.turns.ticking import Armed

ALERT = "features_page/x"


@pytest.fixture
def turns(tmp_path):
    made = ticking(tmp_path / "state", mode=Mode.OBSERVE)
    made.settle(0.0)
    minutes(made, 0, 5)
    minutes(made, 5, 7, *PAGED)
    yield made
    made.close()


def minutes(turns, first, last, low=0.0, high=1.0):
    for minute in range(first, last):
        turns.send(rows(60, 60.0 * minute, low, high))
        turns.settle(60.0 * (minute + 1))


def let_go(turns, alert=ALERT, actor="ann", reason="the sensor was mended"):
    turns.do(turns.wheel.release(turns.watched, alert, actor, reason))


def states(turns):
    return {f"{alert.rule}/{alert.segment}".rstrip("/"): alert.state for alert in turns.watched.state.alerts}


def held(turns):
    return {f"{slot.rule}/{slot.segment}".rstrip("/") for slot in armed(turns).slots}


def test_the_alert_is_over_at_once_and_the_others_stay(turns):
    before = held(turns)
    let_go(turns)
    assert states(turns)[ALERT] is AlertState.RESOLVED
    assert states(turns)["features_warn/x"] is AlertState.FIRING
    assert held(turns) == before - {ALERT}


def test_the_incident_says_who_and_why(turns):
    let_go(turns)
    assert turns.watched.state.incident.timeline[-1] == (
        turns.clock.now(),
        "ann let go of features_page/x: the sensor was mended",
    )


def test_nobody_is_shown_or_told_of_what_was_let_go(turns):
    let_go(turns)
    assert ("features_page", "x") not in turns.watched.slots
    assert ("features_page", "x") not in {(each.rule, each.group) for each in turns.watched.sequential.latched}
    minutes(turns, 7, 9)
    assert states(turns)[ALERT] is AlertState.RESOLVED


def test_it_is_let_go_after_a_restart_as_well(turns):
    let_go(turns)
    turns.restart()
    minutes(turns, 7, 9)
    assert (states(turns)[ALERT], ALERT in held(turns)) == (AlertState.RESOLVED, False)


def test_what_goes_on_crosses_anew_and_pages_anew(turns):
    let_go(turns)
    minutes(turns, 7, 12, *PAGED)
    assert (states(turns)[ALERT], ALERT in held(turns)) == (AlertState.FIRING, True)


def test_letting_go_of_all_closes_the_incident(turns):
    for alert in sorted(held(turns)):
        let_go(turns, alert)
    assert (held(turns), turns.watched.state.incident) == (set(), None)
    [incident] = turns.watched.incidents.values()
    assert incident.closed == turns.clock.now()


def test_a_latch_of_the_tier_rollback_is_let_go_of_as_well(turns):
    assert "output_rollback" in held(turns)
    let_go(turns, "output_rollback")
    assert "output_rollback" not in held(turns)
    assert "ann let go of output_rollback" in turns.watched.state.incident.timeline[-1][1]


@pytest.mark.parametrize("alert", ["features_page/c", "features_page", "nothing", "/x", "features_page/x/y", ""])
def test_what_is_not_latched_cannot_be_let_go(turns, alert):
    before = armed(turns), turns.watched.state
    with pytest.raises(Rejected, match="not_latched"):
        let_go(turns, alert)
    assert (armed(turns), turns.watched.state) == before


def test_an_alert_about_what_was_served_before_is_let_go_of_without_a_latch(turns):
    turns.server.name = "v2"
    turns.settle(430.0)
    assert (armed(turns).slots, states(turns)[ALERT]) == ((), AlertState.FIRING)
    let_go(turns)
    assert states(turns)[ALERT] is AlertState.RESOLVED


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_kill_at_the_commit_leaves_all_of_it_or_nothing(turns, moment):
    turns.dies(moment, lambda document: isinstance(document, Armed))
    with pytest.raises(Killed):
        let_go(turns)
    turns.restart()
    gone = ALERT not in held(turns)
    assert (gone, states(turns)[ALERT] is AlertState.RESOLVED) == (moment == "after",) * 2


def test_a_look_that_runs_does_not_write_the_latch_back(turns):
    turns.send(rows(60, 420.0))
    turns.clock.step(480.0)

    run, wishes, loop = turns.look.run, [], turns.runner.get_loop()

    def run_and_be_asked(watched, now):
        found = run(watched, now)
        wish = turns.wheel.release(turns.watched, ALERT, "ann", "mended")
        wishes.append(asyncio.run_coroutine_threadsafe(wish, loop))
        wait(wishes, timeout=1.0)  # as long as a release takes that does not wait for the look
        return found

    turns.look.run = run_and_be_asked
    turns.do(turns.wheel.settle(480.0))
    turns.look.run = run
    turns.do(asyncio.wait_for(asyncio.wrap_future(wishes[0], loop=loop), 60.0))
    minutes(turns, 8, 10)
    assert ALERT not in held(turns)


def test_the_api_answers_with_the_incident(turns):
    made = control_of(turns)
    answer = turns.do(asyncio.to_thread(made.release, "m", ALERT, "mended", "ann"))
    assert answer == {"model": "m", "released": ALERT, "incident": turns.watched.state.incident.id}
    with pytest.raises(LookupError):
        turns.do(asyncio.to_thread(made.release, "other", ALERT, "mended", "ann"))
