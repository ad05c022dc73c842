"""What is served is what the server proves; what it does not prove is awaited for a while, then nobody's."""

import asyncio

import pytest
from world import DIGESTS, MODEL, SCHEMA, Server, bundle, reference, timeline, watched

from monitor.clock import ManualClock
from monitor.facts import TRANSITION, UNREGISTERED, BundleStatus
from monitor.panes.layout import Layout
from monitor.turns.proving import Proving

V1, V2 = Layout.of(reference()), Layout.of(reference(edges=(0.0, 0.5, 2.0), seed=8))
BUNDLES = (bundle("v1", V1), bundle("v2", V2, BundleStatus.CANDIDATE, 2.0))


class World:
    """One model, a server that can be told what to say, and a clock that asking may move."""

    def __init__(self, served="v1", known_good="v1", wait_s=30.0, *, epochs=()):
        self.clock, self.watched = ManualClock(), watched(BUNDLES, (V1, V2), epochs)
        self.server, self.beside = Server(served), Server(known_good)
        self.proving = Proving({MODEL: self.server}, {MODEL: self.beside}, self.clock, wait_s)

    def prove(self, now):
        """Prove at `now`; what is believed from then on, None while nothing is known."""
        self.clock.step(now)
        found = asyncio.run(self.proving.run(self.watched))
        self.watched.epochs = found or self.watched.epochs
        return found and [epoch.bundle for epoch in found]


def test_the_first_proof_begins_after_a_transition():
    world = World()
    assert world.prove(10.0) == [TRANSITION, "v1"]
    assert (world.watched.epoch.start, world.watched.epoch.digest) == (10.0, DIGESTS["v1"])


def test_the_same_answer_moves_only_the_time_of_the_proof():
    world = World()
    world.prove(10.0)
    world.prove(20.0)
    assert (world.watched.epoch.number, world.watched.epoch.start, world.watched.epoch.proved) == (2, 10.0, 20.0)


def test_between_the_last_proof_of_the_old_and_the_first_of_the_new_lies_a_transition():
    world = World()
    world.prove(10.0)
    world.prove(20.0)
    world.server.name = "v2"
    assert world.prove(30.0) == [TRANSITION, "v1", TRANSITION, "v2"]
    assert [epoch.start for epoch in world.watched.epochs] == [0.0, 10.0, 20.0, 30.0]


class Slow(Server):
    """Takes a second to answer."""

    def __init__(self, clock, name):
        super().__init__(name)
        self.clock = clock

    async def served(self):
        self.clock.step(self.clock.now() + 1.0)
        return await super().served()


def test_an_old_proof_holds_up_to_the_question_and_a_new_one_from_the_answer_on():
    world = World()
    world.prove(10.0)
    world.proving = Proving({MODEL: Slow(world.clock, "v1")}, {}, world.clock, 30.0)
    world.prove(20.0)
    assert world.watched.epoch.proved == 20.0
    world.proving = Proving({MODEL: Slow(world.clock, "v2")}, {}, world.clock, 30.0)
    world.prove(30.0)
    assert (world.watched.epochs[-2].start, world.watched.epoch.start) == (20.0, 31.0)


def test_an_unknown_digest_is_unregistered_and_judged_by_the_known_good():
    world = World("unheard of")
    assert world.prove(10.0) == [TRANSITION, UNREGISTERED]
    assert (world.watched.epoch.judge, world.watched.epoch.known_good) == (V1.digest, False)


def test_a_candidate_is_judged_by_the_known_good_and_shown_by_its_own_reference():
    world = World("v2")
    world.prove(10.0)
    assert (world.watched.epoch.judge, world.watched.epoch.own) == (V1.digest, V2.digest)


def test_a_promotion_begins_a_new_epoch_without_a_transition():
    world = World("v2")
    world.prove(10.0)
    world.watched.bundles = (BUNDLES[0], bundle("v2", V2, BundleStatus.KNOWN_GOOD, 2.0))
    assert world.prove(20.0) == [TRANSITION, "v2", "v2"]
    assert (world.watched.epoch.judge, world.watched.epoch.known_good) == (V2.digest, True)


# ---------------------------------------------------------------- no answer


def test_a_server_that_does_not_answer_is_waited_for_and_then_lost():
    world = World()
    world.prove(10.0)
    world.server.name = None
    assert [world.prove(20.0), world.prove(49.0)] == [None, None]
    assert world.prove(50.0) == [TRANSITION, "v1", TRANSITION]
    assert world.watched.epoch.start == 10.0
    assert world.prove(60.0) == [TRANSITION, "v1", TRANSITION]


def test_an_answer_in_between_starts_the_wait_again():
    world = World()
    world.prove(10.0)
    for now, name in ((20.0, None), (40.0, "v1"), (60.0, None), (80.0, None)):
        world.server.name = name
        found = world.prove(now)
    assert found is None
    assert world.watched.epoch.number == 2


def test_a_server_that_never_answered_leaves_everything_to_the_transition():
    world = World(None, wait_s=0.0)
    assert world.prove(10.0) == [TRANSITION]
    assert world.watched.epoch.judge == V1.digest


def test_after_the_loss_the_first_proof_begins_a_new_epoch_even_of_the_same_bundle():
    world = World(wait_s=0.0)
    for now, name in ((10.0, "v1"), (20.0, None), (30.0, "v1")):
        world.server.name = name
        found = world.prove(now)
    assert found == [TRANSITION, "v1", TRANSITION, "v1"]
    assert world.watched.epoch.start == 30.0


# ---------------------------------------------------------------- the known-good beside it


@pytest.mark.parametrize(("name", "asked"), [("v1", "v1"), ("v2", None), ("unheard of", None), (None, None)])
def test_the_known_good_answers_only_while_it_proves_its_bytes(name, asked):
    world = World(known_good=name)
    world.prove(10.0)
    assert world.watched.asked == asked


def test_a_known_good_that_stops_answering_is_no_longer_asked():
    world = World()
    world.prove(10.0)
    world.beside.name = None
    world.prove(20.0)
    assert world.watched.asked is None


def test_without_a_server_the_release_index_is_taken_at_its_word():
    world = World(epochs=timeline(BUNDLES))
    world.proving = Proving({}, {}, world.clock, 30.0)
    assert world.prove(10.0) == [TRANSITION, "v1"]
    assert world.watched.asked is None
    assert world.watched.schema == SCHEMA


def test_a_server_that_takes_turns_is_a_transition_until_three_proofs_agree():
    world = World()
    for now, name in enumerate(["v1", "v1", "v2", "v1", "v2", "v1", "v1"], start=1):
        world.server.name = name
        world.prove(float(now))
    assert [epoch.bundle for epoch in world.watched.epochs] == [TRANSITION, "v1", TRANSITION, "v2", TRANSITION]
    assert (world.watched.epoch.start, world.watched.epoch.proved) == (3.0, 7.0)
    assert world.prove(8.0)[-1] == "v1"
    assert not world.watched.proofs.unsteady


def test_an_unknown_model_is_seen_among_others_that_take_turns():
    world = World()
    for now, name in enumerate(["v1", "v2", "v1", "v2", "unheard of"], start=1):
        world.server.name = name
        found = world.prove(float(now))
    assert found[-1] == UNREGISTERED


def test_how_long_nothing_was_proved_is_counted_from_the_first_question_without_an_answer():
    world = World(wait_s=30.0)
    world.prove(10.0)
    world.server.name = None
    assert [world.prove(now) is None and world.watched.unproved_s for now in (20.0, 40.0)] == [0.0, 20.0]
    world.prove(400.0)
    assert world.watched.unproved_s == 380.0
    world.server.name = "v1"
    world.prove(410.0)
    assert world.watched.unproved_s is None
