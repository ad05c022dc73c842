"""The courier in virtual time: days of outage pass in milliseconds, a crash fits between any two steps."""

import asyncio
import itertools
import random

import pytest
from msgspec.structs import replace

from monitor.alerts.outbox import Bell, Courier, address, overflow, queues
from monitor.alerts.retry import Delivery, DeliveryState, Failure, Outcome
from monitor.clock import ManualClock
from monitor.errors import Transient
from monitor.facts import NoticeStatus
from monitor.wire.webhooks import parse_keys

HOUR = 3600.0
OK, BUSY = Outcome(200), Outcome(503)
WAITING, SENT, DEAD, WITHDRAWN = DeliveryState


class Shelf:
    """An outbox in memory; `trip` is called before and after everything that is durable."""

    def __init__(self, *deliveries, trip=lambda: None):
        self.kept = {d.id: d for d in deliveries}
        self.gone, self.trip = {}, trip

    async def waiting(self, receiver):
        return [d for d in self.kept.values() if d.receiver == receiver and d.state is WAITING]

    async def record(self, delivery):
        self.trip()
        self.kept[delivery.id] = delivery
        self.trip()

    async def disable(self, receiver, wall, why):
        self.trip()
        self.gone[receiver] = (wall, why)
        self.trip()

    async def disabled(self, receiver):
        return receiver in self.gone


class Killed(BaseException):
    pass


class World:
    """One receiver, a clock that waiting moves, and everything that was posted or escalated."""

    def __init__(self, *deliveries, answer=lambda _: OK, until=HOUR, trip=lambda: None, **options):
        self.clock, self.until, self.answer, self.trip = ManualClock(), until, answer, trip
        self.shelf = Shelf(*deliveries, trip=trip)
        self.posted, self.escalated = [], []
        self.options = {"jitter": random.Random(7).random} | options

    async def post(self, body, headers):
        self.trip()
        self.posted.append((self.clock.wall(), headers["webhook-id"]))
        outcome = self.answer(headers["webhook-id"])
        self.trip()
        return outcome

    async def wait(self, seconds):
        self.clock.step(self.clock.now() + max(seconds, 0.001))
        if self.clock.now() >= self.until:
            raise asyncio.CancelledError

    async def escalate(self, delivery):
        self.trip()
        self.escalated.append(delivery.id)
        self.trip()

    def courier(self):
        around = {"clock": self.clock, "wait": self.wait, "escalate": self.escalate} | self.options
        return Courier("ops", self.shelf, self.post, **around)

    def run(self):
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(self.courier().run())
        return self

    def ids(self):
        return [message for _, message in self.posted]

    def states(self):
        return {d.id.partition("@")[0]: d.state for d in self.shelf.kept.values()}


def _delivery(incident="i-1", number=1, receiver="ops", created=0.0, **fields):
    notice = f"{incident}.{number}"
    return Delivery(f"{notice}@{receiver}", notice, incident, number, receiver, b"{}", created, **fields)


def test_addresses_a_notice_to_each_receiver_under_one_message_id(notice):
    made = address(notice(3), ["ops", "chat"], "http://tocsin", 5.0)
    assert [(d.id, d.notice_id, d.incident, d.number) for d in made] == [
        ("i-1.3@ops", "i-1.3", "i-1", 3),
        ("i-1.3@chat", "i-1.3", "i-1", 3),
    ]
    assert {(d.created, d.state, d.next_at) for d in made} == {(5.0, WAITING, 0.0)}


def test_delivers_once_what_is_accepted():
    world = World(_delivery()).run()
    assert world.ids() == ["i-1.1"]
    assert world.states() == {"i-1.1": SENT}


def test_delivers_nothing_of_another_receiver():
    assert World(_delivery(receiver="chat")).run().ids() == []


def test_an_outage_of_71_hours_loses_nothing_and_keeps_ids_and_order():
    waiting = [_delivery(f"i-{i}", n) for i in range(5) for n in (1, 2, 3)]
    world = World(*waiting, until=80 * HOUR)
    world.answer = lambda _: OK if world.clock.now() > 71 * HOUR else BUSY
    world.run()
    delivered = [message for wall, message in world.posted if wall > 71 * HOUR]
    assert sorted(delivered) == sorted(d.notice_id for d in waiting)
    assert all([m for m in delivered if m.startswith(f"i-{i}.")] == [f"i-{i}.{n}" for n in (1, 2, 3)] for i in range(5))
    assert not world.escalated


def test_an_outage_costs_few_attempts():
    world = World(_delivery(), answer=lambda _: BUSY, until=70 * HOUR).run()
    assert 100 < len(world.posted) < 250  # hourly back-off with full jitter: one in half an hour


def test_an_attempt_is_made_at_least_every_hour():
    world = World(_delivery(), answer=lambda _: BUSY, until=70 * HOUR).run()
    walls = [wall for wall, _ in world.posted]
    assert max(b - a for a, b in itertools.pairwise(walls)) <= HOUR + 1.0


def test_after_72_hours_it_is_a_dead_letter_and_escalated_once():
    world = World(_delivery(), answer=lambda _: Outcome(failure=Failure.CONNECT), until=100 * HOUR).run()
    assert world.states() == {"i-1.1": DEAD}
    assert world.escalated == ["i-1.1@ops"]
    assert 72 * HOUR <= world.shelf.kept["i-1.1@ops"].ended <= 73 * HOUR + 1.0


def test_resolved_never_overtakes_an_undelivered_firing():
    world = World(_delivery(number=2), _delivery(number=1), until=HOUR)
    world.answer = lambda message: BUSY if message == "i-1.1" and world.clock.now() < 60.0 else OK
    order = world.run().ids()
    assert order[-2:] == ["i-1.1", "i-1.2"]
    assert "i-1.2" not in order[:-1]


def test_another_incident_passes_by():
    world = World(_delivery("i-1"), _delivery("i-2"), answer=lambda m: BUSY if m == "i-1.1" else OK, until=10.0).run()
    assert world.states() == {"i-1.1": WAITING, "i-2.1": SENT}


def test_gone_disables_the_receiver_and_escalates_everything_for_it():
    world = World(_delivery(), _delivery(number=2), _delivery("i-2"), answer=lambda _: Outcome(410)).run()
    assert len(world.posted) == 1
    assert set(world.states().values()) == {DEAD}
    assert sorted(world.escalated) == ["i-1.1@ops", "i-1.2@ops", "i-2.1@ops"]
    assert world.shelf.gone == {"ops": (0.0, "answered 410")}


def test_a_disabled_receiver_is_sent_nothing_later_on():
    world = World(_delivery())
    world.shelf.gone["ops"] = (0.0, "answered 410")
    assert world.run().posted == []
    assert world.escalated == ["i-1.1@ops"]


def test_retry_after_is_honoured():
    world = World(_delivery(), answer=lambda _: Outcome(429, retry_after_s=300.0), until=HOUR).run()
    walls = [wall for wall, _ in world.posted]
    assert all(b - a >= 300.0 for a, b in itertools.pairwise(walls))


def test_over_the_bound_the_oldest_are_given_up_and_escalated():
    world = World(*(_delivery(f"i-{i}", created=float(i)) for i in range(5)), waiting_max=3).run()
    assert world.escalated == ["i-0.1@ops", "i-1.1@ops"]
    assert world.ids() == ["i-2.1", "i-3.1", "i-4.1"]


def test_nothing_is_over_a_bound_that_holds():
    assert overflow([_delivery()], 1) == []


def test_the_incident_due_soonest_comes_first():
    late, soon = _delivery("i-1", next_at=9.0), _delivery("i-2", next_at=1.0)
    assert [queue[0].incident for queue in queues([late, soon])] == ["i-2", "i-1"]


def test_a_store_that_cannot_write_now_is_asked_again():
    failures = iter([True, True])

    def trip():
        if next(failures, False):
            raise Transient("disk nearly full", retry_after_s=2.0)

    world = World(_delivery(), trip=trip).run()
    assert world.states() == {"i-1.1": SENT}


def test_signs_every_attempt_with_its_own_time_and_the_same_id():
    seen = []
    keys = parse_keys("whsec_" + "A" * 44)

    async def post(body, headers):
        seen.append(headers)
        return Outcome(503, retry_after_s=2.0) if len(seen) < 3 else OK

    world = World(_delivery(), keys=keys)
    world.post = post
    world.run()
    assert [h["webhook-id"] for h in seen] == ["i-1.1"] * 3
    assert len({h["webhook-signature"] for h in seen}) == len({h["webhook-timestamp"] for h in seen}) == 3


def _tripping(at):
    """Kill at the `at`-th durable step of a life; None: count them."""
    count = itertools.count(1)

    def trip():
        if next(count) == at:
            raise Killed

    return trip


def _in_order(messages):
    """Repetitions may stand beside each other, never behind a later number."""
    return messages == sorted(messages)


@pytest.mark.parametrize("answer", [OK, BUSY, Outcome(410)], ids=["ok", "busy", "gone"])
@pytest.mark.parametrize("at", range(1, 25))
def test_a_kill_at_any_step_loses_nothing(at, answer):
    firing, resolved = _delivery(number=1), _delivery(number=2)
    world = World(firing, resolved, _delivery("i-2"), trip=_tripping(at), until=100 * HOUR)
    world.answer = lambda _: answer if world.clock.now() < 10.0 else OK
    try:
        asyncio.run(world.courier().run())
    except (Killed, asyncio.CancelledError):
        world.trip = world.shelf.trip = lambda: None
    world.run()
    if answer.status == 410:
        assert sorted(set(world.escalated)) == ["i-1.1@ops", "i-1.2@ops", "i-2.1@ops"]
    else:
        assert set(world.states().values()) == {SENT}
        assert {"i-1.1", "i-1.2", "i-2.1"} == set(world.ids())
    assert _in_order([message for message in world.ids() if message.startswith("i-1.")])


def test_the_kill_matrix_reaches_every_step():
    steps = itertools.count()
    World(_delivery(), _delivery(number=2), _delivery("i-2"), trip=lambda: next(steps)).run()
    assert 12 <= next(steps) <= 24


def test_a_receiver_that_hangs_delays_no_other():
    async def hangs(body, headers):
        await asyncio.Event().wait()

    async def both():
        chat = World(_delivery())
        other = World(_delivery("i-2", receiver="ops"))
        other.post = hangs
        stuck = asyncio.create_task(other.courier().run())
        await asyncio.sleep(0)
        await chat.courier().round()
        stuck.cancel()
        await asyncio.gather(stuck, return_exceptions=True)
        return chat.states(), other.states()

    assert asyncio.run(both()) == ({"i-1.1": SENT}, {"i-2.1": WAITING})


def test_a_wall_clock_set_back_puts_nothing_off():
    world = World(replace(_delivery(), attempts=1, next_at=1e9), until=HOUR).run()
    assert world.ids() == ["i-1.1"]


def test_a_bell_cuts_a_wait_short():
    async def ring():
        bell = Bell()
        waiter = asyncio.create_task(bell.wait(1000.0))
        await asyncio.sleep(0)
        bell.ring()
        await asyncio.wait_for(waiter, 5)
        await bell.wait(0.0)

    asyncio.run(ring())


def test_a_bell_rung_before_is_not_lost():
    async def ring():
        bell = Bell()
        bell.ring()
        await asyncio.wait_for(bell.wait(1000.0), 5)

    asyncio.run(ring())


def test_the_number_of_a_notice_is_the_last_part_of_its_id(notice):
    made = address(notice(12, incident="delays.2.4", status=NoticeStatus.RESOLVED), ["ops"], "", 0.0)
    assert [(d.incident, d.number) for d in made] == [("delays.2.4", 12)]
