"""What every target owes, whatever it moves: it compares before it swaps, and says so when it does not know."""

import asyncio
import traceback

import pytest
import structlog
from msgspec.structs import replace
from relays import RUBBISH
from targetworlds import OpenInferenceWorld

from monitor.decisions.rollback import Place
from monitor.errors import Permanent, Transient
from monitor.rollback.targets.contract import Conflict

FAULTS = ["not applied", "applied but timed out"]


def place(world):
    return asyncio.run(world.make().place(world.source, world.goal))


def switch(world):
    return asyncio.run(world.make().switch(world.source, world.goal))


def told(world):
    """History, with what is set now: the command keeps its own."""
    return world.now(), world.history


@pytest.mark.parametrize(("name", "expected"), [("v2", Place.SOURCE), ("v1", Place.TARGET), ("v3", Place.OTHER)])
def test_tells_whose_is_set(world, name, expected):
    world.set(name)
    assert place(world) is expected
    assert told(world) == (name, [])


def test_switches_from_the_source_to_the_target(world):
    assert switch(world) is True
    assert told(world) == ("v1", ["v1"])
    assert place(world) is Place.TARGET


def test_a_second_switch_changes_nothing(world):
    assert switch(world) is True
    assert switch(world) is False
    assert told(world) == ("v1", ["v1"])


def test_a_target_that_is_set_already_is_no_change(world):
    world.set("v1")
    assert switch(world) is False
    assert told(world) == ("v1", [])


def test_what_somebody_else_set_is_a_conflict_and_stays(world):
    world.set("v3")
    with pytest.raises(Conflict):
        switch(world)
    assert told(world) == ("v3", [])


def test_a_deployment_between_the_look_and_the_switch_wins(world):
    assert place(world) is Place.SOURCE
    world.set("v3")
    with pytest.raises(Conflict):
        switch(world)
    assert (world.now(), place(world)) == ("v3", Place.OTHER)


def test_a_deployment_right_before_the_swap_wins(world):
    world.meanwhile("v3")
    if not world.atomic:  # MLflow cannot tell, as the note of its target says
        assert (switch(world), world.now()) == (True, "v1")
        return
    with pytest.raises(Conflict):
        switch(world)
    assert world.now() == "v3"


def test_the_same_source_set_again_right_before_the_swap_is_not_lost(world):
    """It may be taken for the source, or for somebody's deployment; it ends at one of the two, and says which."""
    world.meanwhile("v2")
    try:
        assert switch(world) is True
    except Conflict:
        assert world.now() == "v2"
    else:
        assert world.now() == "v1"


@pytest.mark.parametrize("manner", FAULTS)
@pytest.mark.parametrize("which", ["first", "last"])
def test_whatever_the_effect_did_there_is_one_switch(world, which, manner):
    world.fault(1 if which == "first" else world.effects, manner)
    with pytest.raises(Transient):
        switch(world)
    after = place(world)
    assert after is {"v2": Place.SOURCE, "v1": Place.TARGET}[world.now()]
    assert switch(world) is (after is Place.SOURCE)
    assert told(world) == ("v1", ["v1"])


def test_two_at_the_same_time_switch_once(world):
    async def both():
        pair = [world.make().switch(world.source, world.goal) for _ in range(2)]
        return await asyncio.gather(*pair, return_exceptions=True)

    outcomes = asyncio.run(both())
    assert told(world) == ("v1", ["v1"])
    assert any(outcome is True for outcome in outcomes)
    assert all(isinstance(outcome, bool | Conflict | Transient) for outcome in outcomes)
    assert not world.atomic or sum(outcome is True for outcome in outcomes) == 1


def test_what_cannot_be_asked_is_unknown_and_stays(world):
    world.down()
    assert place(world) is Place.UNKNOWN
    with pytest.raises((Transient, Permanent)) as raised:
        switch(world)
    assert not isinstance(raised.value, Conflict), "nobody knows that"
    assert world.history == []


@pytest.mark.parametrize("rubbish", RUBBISH, ids=range(len(RUBBISH)))
def test_an_answer_that_makes_no_sense_is_unknown_and_changes_nothing(world, rubbish):
    world.garble(rubbish)
    found = place(world)
    if found is Place.SOURCE:  # of the readiness of a model the status alone says it
        assert isinstance(world, OpenInferenceWorld)
        return
    assert found is Place.UNKNOWN
    with pytest.raises((Transient, Permanent)) as raised:
        switch(world)
    assert not isinstance(raised.value, Conflict)
    assert world.history == []


def test_a_source_that_is_not_known_is_nobodys(world):
    unknown = replace(world.source, bundle="unregistered", name="", digest="", locator="")
    assert asyncio.run(world.make().place(unknown, world.goal)) is not Place.SOURCE
    with pytest.raises(Permanent):
        asyncio.run(world.make().switch(unknown, world.goal))
    assert told(world) == ("v2", [])


def test_load_can_be_repeated(world):
    async def twice():
        target = world.make()
        await target.load()
        await target.load()

    asyncio.run(twice())
    assert world.loaded()
    assert told(world) == ("v2", [])


def _errors(world):
    """Everything that the operations say, with the causes they drag along."""

    async def each():
        target = world.make()
        goal, source = world.goal, world.source
        calls = [target.switch(source, goal), target.load(), target.place(source, goal)]
        return await asyncio.gather(*calls, return_exceptions=True)

    with structlog.testing.capture_logs() as logs:
        found = asyncio.run(each())
    texts = ["".join(traceback.format_exception(one)) for one in found if isinstance(one, BaseException)]
    return "\n".join([*texts, *map(repr, found), repr(logs)])


@pytest.mark.parametrize("trouble", ["down", "conflict", "refused", *range(len(RUBBISH))])
def test_no_error_holds_a_secret_or_what_the_other_side_wrote(world, trouble):
    if trouble == "down":
        world.down()
    elif trouble == "conflict":
        world.set("v3")
    elif trouble == "refused":
        world.refuse()
    else:
        world.garble(RUBBISH[trouble])
    said = _errors(world)
    assert [canary for canary in world.canaries if canary in said] == []
