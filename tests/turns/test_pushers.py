"""The whole way, with a real Alertmanager: what fires is pushed, a silence there holds our notice, its end frees it."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from hook import PATIENCE_S, Hook
from msgspec.structs import replace
from world import MODEL, bundle, open_store, reference, timeline, watched

sys.path.insert(0, str(Path(__file__).parent.parent))
import servers

from monitor.alerts.outbox import address
from monitor.alerts.said import Key
from monitor.clock import WallClock
from monitor.decisions.state import ModelState
from monitor.evidence.links import KEY_FILE, Links
from monitor.facts import Alert, AlertState, BundleId, Incident, Notice, NoticeStatus, Severity
from monitor.panes.layout import Layout
from monitor.settings import Alertmanager, Receiver, Silences
from monitor.store.protocol import Change
from monitor.turns.couriers import Couriers
from monitor.turns.outbox import StoredOutbox
from monitor.turns.pushers import Pushers, Voice
from monitor.turns.supervisor import Supervisor

QUIET = {"route": {"receiver": "none"}, "receivers": [{"name": "none"}]}
KEY = Key(MODEL, "drift", "")


class Post:
    """A model that drifts, its Alertmanagers and its receiver."""

    def __init__(self, directory, *urls):
        secret = directory / "secret"
        secret.write_text("whsec_" + "A" * 32)
        secret.chmod(0o600)
        self.clock, self.store, self.hook, self.secret = WallClock(), open_store(directory / "state"), Hook(), secret
        self.fired = self.clock.now() - 60.0
        alert = Alert(MODEL, "drift", "", AlertState.FIRING, since=self.fired, fired=self.fired, epoch=1)
        layout = Layout.of(reference())
        bundles = (bundle("v1", layout),)
        state = ModelState(MODEL, alerts=(alert,))
        self.model = watched(bundles, (layout,), timeline(bundles, (1.0, "v1")), state)
        about = {"allow_networks": ("127.0.0.0/8",), "timeout": 5.0, "resend": 0.5, "labels": {}}
        about |= {"bearer_file": None, "basic_file": None}
        self.alertmanagers = [Alertmanager.model_construct(name=f"am{n}", url=u, **about) for n, u in enumerate(urls)]

    async def __aenter__(self):
        url = await self.hook.start()
        receiver = Receiver.model_construct(
            name="ops", url=url, secret_file=self.secret, allow_networks=("127.0.0.0/8",), silences=Silences()
        )
        supervisor = Supervisor(lambda error: None)
        self.outbox, self.couriers = StoredOutbox(self.store, {"ops": url}), Couriers(supervisor)
        self.links = Links(self.secret.with_name(KEY_FILE), self.clock, 7 * 86_400.0)
        voice = Voice({MODEL: self.model}, "0", lambda: "http://tocsin", self.links.query)
        self.pushers = Pushers(supervisor, self.clock, voice, answered=self.couriers.ring)
        self.pushers.start(self.alertmanagers)
        self.couriers.start([receiver], self.outbox, self.clock, None, self.pushers.gate)
        return self

    async def __aexit__(self, *_):
        await self.couriers.stop()
        await self.pushers.stop()
        await self.hook.stop()
        self.store.close()

    def tell(self, severity=Severity.WARNING, number=1):
        """A notice about the drift, committed as a turn does."""
        about = Incident("i", MODEL, self.fired, 1, BundleId("v1"), "drift", ("drift",))
        alerts = tuple(replace(alert, evidence=()) for alert in self.model.state.alerts)
        said = Notice(f"i.{number}", NoticeStatus.FIRING, about, alerts, severity, "it drifts", holdable=True)
        made = address(said, ["ops"], "http://tocsin", self.clock.wall())
        self.store.commit(Change(puts=[(one.id, one) for one in made]))
        self.outbox.added(made)
        self.couriers.ring()
        self.pushers.ring()

    async def until(self, condition):
        async with asyncio.timeout(PATIENCE_S):
            while not condition():  # noqa: ASYNC110 - a process of another make is waited for
                await asyncio.sleep(0)


def amtool(url, *words):
    done = subprocess.run(["amtool", f"--alertmanager.url={url}", *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def known_at(url):
    return httpx.get(f"{url}/api/v2/alerts", trust_env=False, timeout=60).raise_for_status().json()


def silence(url):
    return amtool(url, "silence", "add", "--author=a", "--comment=c", "--duration=1h", "alertname=drift")


def played(directory, story, *extra):
    async def run(url):
        async with Post(directory, url, *extra) as post:
            await story(post, url)

    with servers.alertmanager(QUIET) as url:
        asyncio.run(run(url))


@pytest.mark.real
def test_a_silenced_warning_is_told_when_the_silence_is_taken_away(tmp_path):
    async def story(post, url):
        ident = await asyncio.to_thread(silence, url)
        post.tell()
        await post.until(lambda: post.couriers.held() == {"ops": 1} and post.pushers.words(KEY))
        assert post.pushers.words(KEY).startswith(f"silenced by {ident} until ")
        assert post.hook.got == []
        await asyncio.to_thread(amtool, url, "silence", "expire", ident)
        await post.hook.until(1)
        assert post.hook.ids == ["i.1"]

    played(tmp_path, story)


@pytest.mark.real
def test_a_silenced_critical_notice_bears_the_mark(tmp_path):
    async def story(post, url):
        ident = await asyncio.to_thread(silence, url)
        post.tell(Severity.CRITICAL)
        await post.hook.until(1)
        said = json.loads(post.hook.got[0][1])
        assert said["alerts"][0]["annotations"]["silenced"].startswith(f"silenced by {ident} until ")

    played(tmp_path, story)


@pytest.mark.real
def test_what_is_not_silenced_is_told_as_soon_as_that_is_known(tmp_path):
    async def story(post, url):
        post.tell()
        await post.hook.until(1)
        known = known_at(url)
        assert [alert["labels"]["alertname"] for alert in known] == ["drift"]
        assert "silenced" not in json.loads(post.hook.got[0][1])["commonAnnotations"]

    played(tmp_path, story)


def test_an_alertmanager_that_cannot_be_reached_delays_nothing(tmp_path):
    async def run():
        async with Post(tmp_path, f"http://127.0.0.1:{servers.free_port()}") as post:
            post.tell()
            await post.hook.until(1)
            assert sum(post.pushers.told()[0].failures.values()) >= 1

    asyncio.run(run())


@pytest.mark.real
def test_an_alertmanager_that_hangs_delays_no_other(tmp_path):
    async def run(url):
        hung = Hook(answers=False)
        address_of_hung = (await hung.start()).removesuffix("/hook")
        async with Post(tmp_path, address_of_hung, url) as post:
            await hung.until(1)
            await post.until(lambda: post.pushers.told()[1].posts >= 3)
            assert post.pushers.told()[0].posts == 0
        await hung.stop()

    with servers.alertmanager(QUIET) as url:
        asyncio.run(run(url))


def test_a_stop_leaves_no_task_behind(tmp_path):
    async def run():
        before = asyncio.all_tasks()
        async with Post(tmp_path, "http://127.0.0.1:1") as post:
            await post.pushers.stop()
            assert post.pushers.told() == []
            post.pushers.ring()
        assert asyncio.all_tasks() == before

    asyncio.run(run())


@pytest.mark.real
def test_an_alert_leads_to_its_report_without_a_token(tmp_path):
    async def story(post, url):
        about = Incident("m-1", MODEL, post.fired, 1, BundleId("v1"), "drift", ("drift",))
        post.model.incidents = {about.id: about}
        post.pushers.ring()
        await post.until(lambda: post.pushers.told()[0].posts >= 1)
        place, _, query = known_at(url)[0]["annotations"]["evidence"].partition("?")
        assert place == "http://tocsin/v1/evidence/m/m-1"
        post.links.check("m", "m-1", query.encode())

    played(tmp_path, story)


@pytest.mark.real
def test_the_same_alert_keeps_its_link_and_is_no_other_alert_for_it(tmp_path):
    async def story(post, url):
        about = Incident("m-1", MODEL, post.fired, 1, BundleId("v1"), "drift", ("drift",))
        post.model.incidents = {about.id: about}
        post.pushers.ring()
        await post.until(lambda: post.pushers.told()[0].posts >= 1)
        [first] = known_at(url)
        post.links.valid_s = 86_400.0
        seen = post.pushers.told()[0].posts
        await post.until(lambda: post.pushers.told()[0].posts >= seen + 2)
        [second] = known_at(url)
        assert first["fingerprint"] == second["fingerprint"]
        assert first["annotations"]["evidence"] != second["annotations"]["evidence"]

    played(tmp_path, story)
