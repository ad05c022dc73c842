"""Against a real Alertmanager 0.25: what it knows of our alerts, what it says is silenced, and what ends by itself."""

import asyncio
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
import servers
from said import MODEL, Mouth

from monitor.alerts.alertmanager import Pusher
from monitor.alerts.said import Key
from monitor.alerts.silences import Book
from monitor.alerts.transport import Line
from monitor.clock import WallClock
from monitor.wire.addresses import networks

pytestmark = pytest.mark.real
PATIENCE_S = 60.0
QUIET = {"route": {"receiver": "none"}, "receivers": [{"name": "none"}]}
INHIBITING = QUIET | {
    "inhibit_rules": [
        {"source_matchers": ["alertname=broken_schema"], "target_matchers": ["alertname=drift"], "equal": ["model"]}
    ]
}


class World:
    """An Alertmanager, our side of it, and what people do there."""

    def __init__(self, url, mouth, resend_s=60.0):
        self.url, self.mouth, self.resend_s = url, mouth, resend_s
        self.port = int(url.rpartition(":")[2])
        self.restart()

    def restart(self):
        """Our side starts anew, with nothing but the models' states."""
        self.clock, self.book = WallClock(), Book(["main"])
        self.line = Line(self.url, self.clock, allowed=networks(["127.0.0.0/8"]))
        about = {"clock": self.clock, "wait": asyncio.sleep, "resend_s": self.resend_s}
        self.pusher = Pusher("main", self.line, self.mouth.say, self.book, **about)

    def amtool(self, *words):
        """Run Alertmanager's own command line tool."""
        done = subprocess.run(
            ["amtool", f"--alertmanager.url={self.url}", *words], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def known(self, **asked):
        """Its alerts, by name."""
        found = (
            httpx.get(f"{self.url}/api/v2/alerts", params=asked, trust_env=False, timeout=60).raise_for_status().json()
        )
        return {alert["labels"]["alertname"]: alert for alert in found}

    def ends(self, ident):
        """When a silence ends, in its words."""
        return (
            httpx.get(f"{self.url}/api/v2/silence/{ident}", trust_env=False, timeout=60)
            .raise_for_status()
            .json()["endsAt"]
        )

    def words(self, rule="drift"):
        return self.book.words(Key(MODEL, rule, ""), self.clock.monotonic())

    async def until(self, condition):
        """Go round until something holds."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                await self.pusher.round()
                if found := condition():
                    return found
                await asyncio.to_thread(os.sched_yield)


async def told_to(url, story, mouth, **about):
    world = World(url, mouth, **about)
    try:
        await story(world)
    finally:
        await world.line.aclose()


def played(story, *firing, config=QUIET, **about):
    mouth = Mouth(*firing, start=WallClock().now() - 60.0)
    with servers.alertmanager(config) as url:
        asyncio.run(told_to(url, story, mouth, **about))


def test_it_knows_what_fires_and_what_is_over():
    async def story(world):
        assert await world.pusher.round() == 60.0
        assert world.known().keys() == {"drift", "unregistered"}
        assert world.known()["drift"]["status"] == {"inhibitedBy": [], "silencedBy": [], "state": "active"}
        world.mouth.over("drift")
        await world.pusher.round()
        assert world.known().keys() == {"unregistered"}

    played(story, "drift", "unregistered")


def test_an_alert_is_the_same_however_its_numbers_change_and_after_our_restart():
    async def story(world):
        await world.pusher.round()
        before = world.known()["drift"]
        world.mouth.value = 0.99
        await world.line.aclose()
        world.restart()
        await world.pusher.round()
        [after] = world.known().values()
        assert (after["fingerprint"], after["startsAt"]) == (before["fingerprint"], before["startsAt"])
        assert after["annotations"]["value"] == "0.99" != before["annotations"]["value"]

    played(story, "drift")


def test_what_nobody_repeats_ends_by_itself():
    async def story(world):
        began = datetime.now(UTC)
        await world.pusher.round()
        ends = datetime.fromisoformat(world.known()["drift"]["endsAt"])
        told = datetime.now(UTC)  # however long that took on a busy machine
        assert began + timedelta(seconds=7.9) <= ends <= told + timedelta(seconds=8)
        await asyncio.to_thread(servers.wait_for, lambda: not world.known(), "ended by itself")

    played(story, "drift", resend_s=2.0)


def test_it_hears_all_again_after_its_own_restart():
    async def story(world):
        for _ in range(2):  # it keeps silences on disk, and forgets alerts
            with servers.alertmanager(QUIET, world.port):
                assert world.known() == {}
                await world.until(lambda: world.known().keys() == {"drift"})

    port = servers.free_port()
    mouth = Mouth("drift", start=WallClock().now() - 60.0)
    asyncio.run(told_to(f"http://127.0.0.1:{port}", story, mouth))


def test_a_silence_is_heard_of_with_its_end_and_so_is_its_own():
    async def story(world):
        await world.pusher.round()
        assert world.words() == ""
        ident = world.amtool("silence", "add", "--author=a", "--comment=c", "--duration=1h", 'alertname=~"dri.*"')
        words = await world.until(world.words)
        until = world.ends(ident)
        assert words == f"silenced by {ident} until {until}"
        assert world.pusher.told.suppressed == 1
        world.amtool("silence", "expire", ident)
        await world.until(lambda: not world.words())

    played(story, "drift")


def test_an_inhibition_is_heard_of():
    async def story(world):
        words = await world.until(world.words)
        assert words == f"inhibited by {world.known()['broken_schema']['fingerprint']}"
        assert world.words("broken_schema") == ""

    played(story, "drift", "broken_schema", config=INHIBITING)


def test_nothing_to_tell_is_taken_too():
    async def story(world):
        assert await world.pusher.round() == 60.0
        assert (world.pusher.told.posts, world.pusher.told.failures) == (1, {})

    played(story)
