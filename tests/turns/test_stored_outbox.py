"""What waits for a courier survives everything: at least once, in order, with the same id; counts never fall."""

import asyncio
import random

import pytest
from hook import Hook
from msgspec.structs import replace
from world import Killed, open_store

from monitor.alerts.outbox import Courier
from monitor.alerts.retry import GIVE_UP_S, Delivery, DeliveryState, Outcome
from monitor.alerts.transport import Line
from monitor.clock import ManualClock
from monitor.errors import Transient
from monitor.store.protocol import Change
from monitor.turns import outbox as stored
from monitor.turns.outbox import Delivered, StoredOutbox
from monitor.wire.addresses import networks

WAITING, SENT, DEAD, WITHDRAWN = DeliveryState
OK, BUSY, GONE = Outcome(200), Outcome(503), Outcome(410)


class Office:
    """A store with an outbox over it, and a courier to one receiver that answers from a list."""

    def __init__(self, directory, answer=lambda: OK):
        self.directory, self.answer = directory, answer
        self.clock, self.posted, self.escalated = ManualClock(1000.0), [], []
        self.trip = lambda moment: None
        self.open()

    def open(self, url="https://hooks.example.test/a"):
        self.store = open_store(self.directory)
        self.outbox = StoredOutbox(self.store, {"ops": url, "other": url})
        self.commit, self.store.commit = self.store.commit, self.tripping

    def restart(self, **changes):
        self.store.close()
        self.trip = lambda moment: None
        self.open(**changes)

    def tripping(self, change):
        self.trip("before the record")
        self.commit(change)
        self.trip("after the record")

    def queue(self, *numbers, receiver="ops", **changes):
        """Commit deliveries as a turn does, with the incident they speak of."""
        made = [
            Delivery(f"i.{n}@{receiver}", f"i.{n}", "i", n, receiver, b"{}", self.clock.wall(), **changes)
            for n in numbers
        ]
        self.commit(Change(puts=[(one.id, one) for one in made]))
        self.outbox.added(made)

    async def post(self, body, headers):
        self.trip("before the post")
        self.posted.append(headers["webhook-id"])
        answer = self.answer()
        self.trip("after the post")
        return answer

    async def escalate(self, delivery):
        self.trip("before the escalation")
        self.escalated.append(delivery.id)
        self.trip("after the escalation")

    def courier(self, post=None, wait=None):
        return Courier(
            "ops",
            self.outbox,
            post or self.post,
            clock=self.clock,
            wait=wait,
            jitter=random.Random(7).random,
            escalate=self.escalate,
        )

    def round(self):
        return asyncio.run(self.courier().round())


@pytest.fixture
def office(tmp_path):
    made = Office(tmp_path / "state")
    yield made
    made.store.close()


def states(office):
    return {one.id: one.state for one in office.outbox.every()}


# ---------------------------------------------------------------- what is kept


def test_what_waits_is_found_again_after_a_restart(office):
    office.queue(1, 2)
    office.restart()
    assert [one.number for one in asyncio.run(office.outbox.waiting("ops"))] == [1, 2]
    assert asyncio.run(office.outbox.waiting("other")) == []


def test_what_was_sent_is_forgotten_but_for_its_count(office):
    office.queue(1, 2)
    office.round()
    for _ in range(2):
        assert (office.outbox.every(), office.outbox.counts("ops")) == ([], Delivered("ops", sent=2))
        office.restart()


def test_a_failed_attempt_is_kept_with_its_next_time_and_counted(office):
    office.answer = lambda: BUSY
    office.queue(1)
    office.round()
    office.restart()
    [waiting] = asyncio.run(office.outbox.waiting("ops"))
    assert (waiting.attempts, waiting.next_at > 1000.0, waiting.why) == (1, True, "answered 503")
    assert office.outbox.counts("ops") == Delivered("ops", failed=1)


def test_counts_go_on_over_restarts_and_are_kept_by_receiver(office):
    for number in (1, 2, 3):
        office.queue(number)
        office.round()
        office.restart()
    assert (office.outbox.counts("ops").sent, office.outbox.counts("other").sent) == (3, 0)


def test_a_store_that_cannot_write_leaves_the_delivery_waiting(office):
    office.queue(1)

    def refuse(moment):
        if moment == "before the record":
            raise Transient("the disk is full")

    office.trip = refuse
    with pytest.raises(Transient):
        office.round()
    assert (states(office), office.outbox.counts("ops")) == ({"i.1@ops": WAITING}, Delivered("ops"))


# ---------------------------------------------------------------- crashes

MOMENTS = ["before the post", "after the post", "before the record", "after the record"]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_crash_around_an_attempt_delivers_at_least_once_with_one_id(office, moment):
    office.queue(1)
    dies_at(office, moment)
    with pytest.raises(Killed):
        office.round()
    office.restart()
    office.round()
    assert set(office.posted) == {"i.1"}
    assert len(office.posted) == (2 if moment in ("after the post", "before the record") else 1)
    assert (office.outbox.every(), office.outbox.counts("ops").sent) == ([], 1)


@pytest.mark.parametrize("moment", ["before the escalation", "after the escalation", *MOMENTS])
def test_a_crash_around_a_dead_letter_loses_neither_the_letter_nor_its_escalation(office, moment):
    office.answer = lambda: BUSY
    office.queue(1, attempts=30)
    office.clock.step(1000.0 + GIVE_UP_S)
    dies_at(office, moment)
    with pytest.raises(Killed):
        office.round()
    office.restart()
    office.round()
    assert set(office.escalated) == {"i.1@ops"}
    assert (states(office), office.outbox.counts("ops").dead) == ({"i.1@ops": DEAD}, 1)


@pytest.mark.parametrize("moment", ["after the post", "before the record", "after the record", "before the escalation"])
def test_a_crash_while_a_receiver_is_disabled_still_disables_it(office, moment):
    office.answer = lambda: GONE
    office.queue(1, 2)
    dies_at(office, moment)
    with pytest.raises(Killed):
        office.round()
    office.restart()
    office.round()
    assert asyncio.run(office.outbox.disabled("ops"))
    assert set(states(office).values()) == {DEAD}
    assert len(office.posted) <= 2


def dies_at(office, moment):
    def die(now):
        if now == moment:
            raise Killed

    office.trip = die


# ---------------------------------------------------------------- dead letters, disabled receivers


def test_dead_letters_are_bounded_and_the_oldest_go(office, monkeypatch):
    monkeypatch.setattr(stored, "DEAD_MAX", 3)
    for number in range(1, 6):
        office.clock.step(1000.0 + number)
        office.queue(number)
        [waiting] = asyncio.run(office.outbox.waiting("ops"))
        asyncio.run(office.outbox.record(replace(waiting, state=DEAD, ended=1.0)))
    assert set(states(office)) == {"i.3@ops", "i.4@ops", "i.5@ops"}
    office.restart()
    assert set(states(office)) == {"i.3@ops", "i.4@ops", "i.5@ops"}
    assert office.outbox.counts("ops").dead == 5


def test_a_receiver_is_disabled_for_its_present_url_only(office):
    asyncio.run(office.outbox.disable("ops", 1.0, "answered 410"))
    office.restart()
    assert asyncio.run(office.outbox.disabled("ops"))
    assert not asyncio.run(office.outbox.disabled("other"))
    office.outbox.renamed({"ops": "https://hooks.example.test/b"})
    assert not asyncio.run(office.outbox.disabled("ops"))


def test_the_url_itself_is_not_stored(office):
    asyncio.run(office.outbox.disable("ops", 1.0, "answered 410"))
    office.restart()
    assert b"hooks.example.test" not in b"".join(path.read_bytes() for path in office.directory.glob("state.db*"))


# ---------------------------------------------------------------- a real receiver that is down for a while


def test_a_receiver_that_was_down_gets_everything_in_order(office):
    office.queue(1, 2, 3)
    waits = []

    async def story():
        hook = Hook()
        url = await hook.start()
        await hook.stop()
        line = Line(url, office.clock, allowed=networks(["127.0.0.0/8"]))

        async def wait(seconds):
            waits.append(seconds)
            office.clock.step(office.clock.now() + max(seconds, 0.001))
            if len(waits) == 3:
                await hook.start(hook.port)
                office.queue(4)
            if not await office.outbox.waiting("ops"):
                raise asyncio.CancelledError

        with pytest.raises(asyncio.CancelledError):
            await office.courier(line.post, wait).run()
        await hook.stop()
        await line.aclose()
        return hook.ids

    assert asyncio.run(story()) == ["i.1", "i.2", "i.3", "i.4"]
    assert office.outbox.counts("ops") == Delivered("ops", sent=4, failed=3)
