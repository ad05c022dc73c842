"""One courier per receiver, over real sockets: what waited goes out at the start, and nobody waits for a hung one."""

import asyncio

import pytest
from hook import PATIENCE_S, Hook
from structlog.testing import capture_logs
from world import open_store

from monitor.alerts.retry import Delivery
from monitor.clock import ManualClock
from monitor.demo.receiver import new_secret, verify
from monitor.settings import Receiver
from monitor.store.protocol import Change
from monitor.turns import couriers as module
from monitor.turns.couriers import Couriers
from monitor.turns.outbox import StoredOutbox
from monitor.turns.supervisor import Supervisor

NOW = 1000.0


class Post:
    """Receivers, an outbox in a store, and the couriers between them."""

    def __init__(self, directory, names, allow=("127.0.0.0/8",)):
        self.secret_file, self.secret = directory / "secret", new_secret()
        self.secret_file.write_text(self.secret)
        self.secret_file.chmod(0o600)
        self.store, self.names, self.allow = open_store(directory / "state"), names, allow
        self.hooks = {name: Hook(answers=name != "hung") for name in names}
        self.supervisor, self.dead = Supervisor(lambda error: None), []

    async def __aenter__(self):
        urls = {name: await hook.start() for name, hook in self.hooks.items()}
        about = {"secret_file": self.secret_file, "allow_networks": self.allow}
        self.receivers = [Receiver.model_construct(name=name, url=url, **about) for name, url in urls.items()]
        self.outbox = StoredOutbox(self.store, urls)
        self.couriers = Couriers(self.supervisor)
        return self

    async def __aexit__(self, *_):
        await self.couriers.stop()
        for hook in self.hooks.values():
            await hook.stop()
        self.store.close()

    def start(self):
        async def escalate(delivery):
            self.dead.append(delivery)

        self.couriers.start(self.receivers, self.outbox, ManualClock(NOW), escalate)

    def queue(self, *numbers):
        made = [Delivery(f"i.{n}@{r}", f"i.{n}", "i", n, r, b'{"n": 1}', NOW) for n in numbers for r in self.names]
        self.store.commit(Change(puts=[(one.id, one) for one in made]))
        self.outbox.added(made)
        self.couriers.ring()


def played(directory, names, story, **changes):
    """Run a story among couriers; what is wrong with them is in the logs."""

    async def run():
        async with Post(directory, names, **changes) as post:
            await story(post)

    asyncio.run(run())


def test_what_waited_goes_out_at_the_start_signed_and_in_order(tmp_path):
    async def story(post):
        post.queue(1, 2)
        post.start()
        await post.hooks["on-call"].until(2)
        assert post.hooks["on-call"].ids == ["i.1", "i.2"]
        assert all(verify(post.secret, fields, body, NOW) for fields, body in post.hooks["on-call"].got)

    played(tmp_path, ["on-call"], story)


def test_a_ring_wakes_a_courier_that_sleeps(tmp_path):
    async def story(post):
        post.start()
        await asyncio.sleep(0)
        post.queue(1)
        await post.hooks["on-call"].until(1)
        post.queue(2)
        await post.hooks["on-call"].until(2)

    played(tmp_path, ["on-call"], story)


def test_a_receiver_that_hangs_delays_no_other(tmp_path):
    async def story(post):
        post.start()
        post.queue(1, 2, 3)
        await post.hooks["hung"].until(1)
        await post.hooks["on-call"].until(3)
        assert post.hooks["hung"].ids == ["i.1"]

    played(tmp_path, ["hung", "on-call"], story)


def test_what_is_under_way_at_a_stop_comes_again_with_the_same_id(tmp_path):
    async def story(post):
        post.start()
        post.queue(1)
        await post.hooks["hung"].until(1)
        await post.couriers.stop()
        assert [one.id for one in await post.outbox.waiting("hung")] == ["i.1@hung"]
        post.hooks["hung"].answers = True
        post.start()
        await post.hooks["hung"].until(2)
        assert post.hooks["hung"].ids == ["i.1", "i.1"]

    played(tmp_path, ["hung"], story)


def test_a_stop_leaves_no_task_and_no_line_behind(tmp_path):
    async def story(post):
        before = asyncio.all_tasks()
        post.start()
        assert len(asyncio.all_tasks() - before) == 1
        await post.couriers.stop()
        await post.couriers.stop()
        assert asyncio.all_tasks() == before
        post.couriers.ring()

    played(tmp_path, ["on-call"], story)


def test_a_courier_that_fails_is_started_again(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "RESTART_S", 0.0)

    async def story(post):
        waiting, failures = post.outbox.waiting, iter([ZeroDivisionError("canary"), KeyError("canary")])

        async def faulty(receiver):
            for error in failures:
                raise error
            return await waiting(receiver)

        post.outbox.waiting = faulty
        post.queue(1)
        post.start()
        await post.hooks["on-call"].until(1)
        assert post.supervisor.failures == 2

    with capture_logs() as logs:
        played(tmp_path, ["on-call"], story)
    assert [event["what"] for event in logs if event["event"] == "work.failed"] == ["courier on-call"] * 2
    assert "canary" not in str(logs)


def test_an_address_that_is_not_listed_is_never_connected_to(tmp_path):
    async def story(post):
        recorded, record = asyncio.Event(), post.outbox.record

        async def recording(delivery):
            await record(delivery)
            recorded.set()

        post.outbox.record = recording
        post.start()
        post.queue(1)
        async with asyncio.timeout(PATIENCE_S):
            await recorded.wait()
        [waiting] = await post.outbox.waiting("on-call")
        assert (waiting.why, waiting.attempts, post.hooks["on-call"].got) == ("refused", 1, [])

    played(tmp_path, ["on-call"], story, allow=())


@pytest.mark.parametrize("names", [[], ["a", "b", "c"]])
def test_there_is_one_courier_per_receiver(tmp_path, names):
    async def story(post):
        post.start()
        assert {task.get_name() for task in post.couriers._tasks} == {f"courier {name}" for name in names}

    played(tmp_path, names, story)
