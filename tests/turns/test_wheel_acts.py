"""What was decided is done once: a rollback is driven to its end, whoever asks for it and wherever it was left."""

import asyncio

import pytest
from msgspec.structs import replace
from world import Killed, acting, alive, only

from monitor.decisions.outcomes import approved
from monitor.decisions.rollback import FORWARD
from monitor.errors import Permanent, Rejected, Transient
from monitor.facts import TRANSITION, Mode, Rollback, RollbackStep

ENDED = RollbackStep.COMMITTED


@pytest.fixture
def turns(tmp_path):
    yield from alive(acting(tmp_path))


def approval(turns, actor):
    """A person who agrees to whatever is proposed."""
    watched, ident = turns.watched, only(turns).id

    def decision(terms):
        return approved(watched.state, terms, watched.slots, rollback_id=ident, actor=actor, now=turns.clock.now())

    return turns.wheel.decide(watched, decision)


STEPS = [step.value for step in FORWARD]


async def driven(turns):
    """What the daemon does at its start, until nothing is left to be done."""
    turns.wheel.drive()
    await asyncio.gather(*turns.wheel._driven.values())


# ---------------------------------------------------------------- a rollback under way


def test_in_mode_auto_the_step_of_the_clock_returns_when_the_rollback_is_done(turns):
    turns.settle(0.0)
    turns.settle(60.0)
    assert (only(turns).step, turns.switches) == (ENDED, [only(turns).id])
    assert [epoch.bundle for epoch in turns.watched.epochs] == [TRANSITION, "v2", "v1"]
    assert turns.watched.reached.steps == dict.fromkeys(STEPS, 1)


def test_every_step_of_a_rollback_is_a_commit_of_its_own(turns):
    turns.settle(0.0)
    turns.settle(60.0)
    steps = [put.step.value for change in turns.commits for _, put in change.puts if isinstance(put, Rollback)]
    assert steps == STEPS


def test_a_live_turn_does_not_wait_for_the_rollback_it_starts(turns):
    turns.turn(0.0)
    turns.turn(60.0)
    assert only(turns).step is RollbackStep.PLANNED
    turns.settle(61.0)
    assert only(turns).step is ENDED


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_a_rollback_that_a_crash_left_is_driven_at_the_start_and_switches_once(tmp_path, step, moment):
    turns = acting(tmp_path)
    turns.settle(0.0)
    turns.dies(moment, lambda put: isinstance(put, Rollback) and put.step.value == step)
    with pytest.raises(Killed):
        turns.settle(60.0)
    turns.restart()
    turns.do(driven(turns))
    assert step == "planned" or only(turns).step is ENDED
    turns.settle(60.0)
    assert (only(turns).step, len(turns.switches), turns.server.name) == (ENDED, 1, "v1")
    assert sorted(turns.watched.reached.steps.values()) == [1] * len(STEPS)
    turns.close()


def test_the_notices_of_a_rollback_are_told_once_each_over_a_crash(turns):
    turns.settle(0.0)
    turns.dies("after", lambda put: isinstance(put, Rollback) and put.step is ENDED)
    with pytest.raises(Killed):
        turns.settle(60.0)
    turns.restart()
    turns.settle(60.0)
    numbers = sorted(one.number for one in turns.outbox.every())
    assert numbers == list(range(1, turns.watched.state.incident.notices + 1))


def test_one_task_drives_a_rollback_however_often_it_is_asked_for(tmp_path):
    begun = []

    async def execute(watched, rollback, record):
        begun.append(rollback.id)
        await record(replace(rollback, step=RollbackStep.REFUSED, reason="as the test wants it"))
        return rollback

    turns = acting(tmp_path, execute=execute)
    turns.settle(0.0)
    turns.turn(60.0)
    turns.turn(61.0)
    turns.settle(62.0)
    assert len(begun) == 1
    turns.close()


@pytest.mark.parametrize("error", [Transient("later"), ZeroDivisionError()])
def test_a_drive_that_fails_is_taken_up_by_the_next_turn(tmp_path, error):
    attempts = []

    async def execute(watched, rollback, record):
        attempts.append(rollback.step)
        if len(attempts) == 1:
            raise error
        return await turns.execute(watched, rollback, record)

    turns = acting(tmp_path, execute=execute)
    turns.settle(0.0)
    turns.settle(60.0)
    assert only(turns).step is RollbackStep.PLANNED
    turns.settle(61.0)
    assert (len(attempts), only(turns).step, turns.fatal) == (2, ENDED, [])
    turns.close()


def test_a_drive_that_meets_a_dead_disk_ends_the_daemon(tmp_path):
    async def execute(watched, rollback, record):
        raise Permanent("an fsync failed")

    turns = acting(tmp_path, execute=execute)
    turns.settle(0.0)
    turns.settle(60.0)
    assert [str(error) for error in turns.fatal] == ["an fsync failed"]
    turns.close()


def test_a_stop_leaves_the_rollback_where_it_is_and_the_next_start_goes_on(tmp_path):
    stuck = asyncio.Event()

    async def execute(watched, rollback, record):
        await record(replace(rollback, step=RollbackStep.VERIFIED))
        stuck.set()
        await asyncio.Event().wait()

    turns = acting(tmp_path, execute=execute)
    turns.settle(0.0)
    turns.turn(60.0)
    turns.do(stuck.wait())
    turns.do(turns.wheel.stop())
    turns.wheel_of = {}
    turns.restart()
    turns.settle(60.0)
    assert (only(turns).step, len(turns.switches)) == (ENDED, 1)
    turns.close()


def test_a_turn_and_a_rollback_that_prove_the_same_switch_open_its_epochs_once(turns):
    turns.settle(0.0)
    turns.server.name = "v1"
    turns.clock.step(30.0)
    prove = turns.wheel._prove_one
    before = len(turns.commits)

    async def both():
        await asyncio.gather(prove(turns.watched), prove(turns.watched), prove(turns.watched))

    turns.do(both())
    assert [epoch.number for epoch in turns.watched.epochs] == [1, 2, 3, 4]
    assert len(turns.commits) - before == 2


# ---------------------------------------------------------------- people decide, one at a time


def test_of_two_people_who_approve_at_once_one_wins_and_one_rollback_runs(tmp_path):
    turns = acting(tmp_path, Mode.APPROVE)
    turns.settle(0.0)
    turns.settle(60.0)

    async def both():
        return await asyncio.gather(approval(turns, "ann"), approval(turns, "bob"), return_exceptions=True)

    first, second = turns.do(both())
    assert first.rollbacks[0].approved_by == "ann"
    assert isinstance(second, Rejected)
    turns.settle(61.0)
    assert (only(turns).step, only(turns).approved_by, len(turns.switches)) == (ENDED, "ann", 1)
    turns.close()


def test_a_decision_that_cannot_be_written_leaves_everything_as_it_was(tmp_path):
    turns = acting(tmp_path, Mode.APPROVE)
    turns.settle(0.0)
    turns.settle(60.0)
    before = turns.watched.state
    turns.dies("before", lambda put: True, Transient("the disk is full"))
    with pytest.raises(Transient):
        turns.do(approval(turns, "ann"))
    assert turns.watched.state == before
    turns.die = None
    turns.do(approval(turns, "ann"))
    assert only(turns).approved_by == "ann"
    turns.close()


def test_an_approval_while_a_look_is_being_written_waits_for_it(tmp_path):
    turns = acting(tmp_path, Mode.APPROVE)
    turns.settle(0.0)
    turns.settle(60.0)
    turns.clock.step(120.0)

    async def both():
        return await asyncio.gather(turns.wheel._look(120.0), approval(turns, "ann"))

    turns.do(both())
    assert turns.watched.state.rollback.approved_by == "ann"
    assert [p.step.value for c in turns.commits for _, p in c.puts if isinstance(p, Rollback)] == [
        "proposed",
        "planned",
    ]
    turns.close()


def test_what_bakes_is_proved_again_once_a_minute_and_not_at_every_turn(tmp_path):
    driven_at = []

    async def bake(watched, rollback, record):
        driven_at.append(turns.clock.now())
        if rollback.step is not RollbackStep.BAKING:
            await record(replace(rollback, step=RollbackStep.BAKING))
        return rollback

    turns = acting(tmp_path, execute=bake)
    turns.settle(0.0)
    turns.settle(60.0)
    for now in (61.0, 90.0, 120.0, 121.0, 180.0):
        turns.settle(now)
    assert driven_at == [60.0, 61.0, 121.0]
    turns.close()
