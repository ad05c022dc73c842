"""Killed before and after every journal write and every effect, whatever the effect did: one switch, never forward."""

import asyncio
import itertools
import ssl

import pytest

from monitor.clock import ManualClock
from monitor.errors import Transient
from monitor.facts import RollbackStep
from monitor.rollback.execute import Executor
from monitor.rollback.targets import symlink
from monitor.rollback.targets.symlink import Link, SymlinkTarget
from monitor.serving.open_inference import OpenInference

EFFECTS = ["applied", "not applied", "applied but timed out"]


class Killed(BaseException):
    pass


class Trip:
    """Kills the `at`-th time it is passed."""

    def __init__(self, at):
        self.at, self.passed = at, 0

    def __call__(self):
        self.passed += 1
        if self.passed == self.at:
            raise Killed


class Actuator:
    """Goes wrong once in the manner given, and can be killed before and after."""

    def __init__(self, manner, trip):
        self.manner, self.trip, self.now = manner, trip, ""

    def before(self):
        """Whether the effect takes place."""
        self.trip()
        self.now, self.manner = self.manner, "applied"
        return self.now != "not applied"

    def after(self):
        self.trip()
        if self.now != "applied":
            raise Transient("timed out")


class Faulty(Link):
    def __init__(self, link, actuator):
        super().__init__(link)
        self.actuator = actuator

    def switch(self, target, source_digest, target_digest):
        changed = self.actuator.before() and super().switch(target, source_digest, target_digest)
        self.actuator.after()
        return changed


class Server(OpenInference):
    def __init__(self, url, actuator):
        super().__init__(url, "delays", timeout_s=5.0, tls=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        self.actuator = actuator

    async def reload(self):
        if self.actuator.before():
            await super().reload()
        self.actuator.after()


class Journal:
    def __init__(self, rollback):
        self.kept, self.trip = rollback, lambda: None

    async def record(self, rollback):
        self.trip()
        self.kept = rollback
        self.trip()


@pytest.fixture
def history(monkeypatch, releases):
    """What the link said after every exchange."""
    said = []

    def exchange(one, other, original=symlink.exchange):
        original(one, other)
        said.append(str(releases.link.readlink()))

    monkeypatch.setattr(symlink, "exchange", exchange)
    return said


def _life(releases, server, journal, manners=("applied", "applied"), at=None):
    """One life of the daemon: run the journaled rollback until it ends; False if it was killed at the `at`-th point."""
    clock, journal.trip = ManualClock(), Trip(at)

    async def sleep(seconds):
        clock.step(clock.now() + seconds)

    async def live():
        http = Server(server.url, Actuator(manners[1], journal.trip))
        link = SymlinkTarget(Faulty(releases.link, Actuator(manners[0], journal.trip)), http.reload)
        around = {"clock": clock, "sleep": sleep, "prove_within_s": 3.0}
        try:
            await Executor(releases.read, link, http, journal, **around).run(
                journal.kept, releases.v2.checkpoint_digest
            )
        finally:
            await http.aclose()

    try:
        asyncio.run(live())
    except Killed:
        return False
    return True


def _reset(releases, server, history):
    if str(releases.link.readlink()) != "v2.bin":
        releases.link.unlink()
        releases.link.symlink_to("v2.bin")
    server.loaded, server.loads = b"checkpoint v2", 0
    history.clear()


@pytest.mark.parametrize("manners", list(itertools.product(EFFECTS, EFFECTS)), ids=" & ".join)
def test_whenever_it_is_killed_there_is_one_switch_and_the_known_good_serves(releases, server, plan, history, manners):
    for at in itertools.count(1):
        _reset(releases, server, history)
        journal = Journal(plan)
        whole = _life(releases, server, journal, manners, at)
        assert whole or _life(releases, server, journal), at
        assert (journal.kept.step, history) == (RollbackStep.COMMITTED, ["v1.bin"]), at
        assert server.loaded == b"checkpoint v1", at
        if whole:  # there is no `at`-th point
            break
    assert at > 14  # five steps and two effects, before and after each


@pytest.mark.parametrize("second", range(1, 15, 2))
@pytest.mark.parametrize("first", [5, 8, 11])
def test_killed_twice_it_still_ends_the_same(releases, server, plan, history, *, first, second):
    journal = Journal(plan)
    lives = [_life(releases, server, journal, at=at) for at in (first, second, None)]
    assert lives[-1]
    assert (journal.kept.step, history, server.loaded) == (RollbackStep.COMMITTED, ["v1.bin"], b"checkpoint v1")


@pytest.mark.parametrize("at", range(1, 20, 3))
def test_a_lying_server_fails_whenever_it_is_killed(releases, server, plan, history, at):
    server.manner = "lie"
    journal = Journal(plan)
    assert _life(releases, server, journal, at=at) or _life(releases, server, journal)
    assert (journal.kept.step, history) == (RollbackStep.FAILED, ["v1.bin"])


@pytest.mark.parametrize("at", range(1, 12))
def test_somebody_who_deploys_while_we_are_down_is_not_fought(releases, server, plan, history, at):
    journal = Journal(plan)
    assert not _life(releases, server, journal, at=at)
    _deploy_v3(releases)
    _life(releases, server, journal)
    assert str(releases.link.readlink()) == "v3.bin"
    assert journal.kept.step in {RollbackStep.REFUSED, RollbackStep.FAILED}


def _deploy_v3(releases):
    (releases.folder / "v3.bin").write_bytes(b"checkpoint v3")
    (releases.folder / "new").symlink_to("v3.bin")
    (releases.folder / "new").rename(releases.link)


def _killed_within_the_switch(releases, server, plan, monkeypatch, just_before=lambda: None):
    """Die right after the exchange: the temporary link is still there, and what came back was not looked at."""
    journal, original = Journal(plan), symlink.exchange

    def exchange(one, other):
        just_before()
        original(one, other)
        raise Killed

    monkeypatch.setattr(symlink, "exchange", exchange)
    assert not _life(releases, server, journal)
    monkeypatch.undo()
    return journal


def test_killed_within_the_switch_it_goes_on_and_sweeps(releases, server, plan, monkeypatch):
    journal = _killed_within_the_switch(releases, server, plan, monkeypatch)
    assert _life(releases, server, journal)
    assert (journal.kept.step, server.loaded) == (RollbackStep.COMMITTED, b"checkpoint v1")
    assert not (releases.folder / ".current.tocsin-next").is_symlink()


def test_a_deployment_that_a_killed_switch_replaced_is_given_back(releases, server, plan, monkeypatch):
    journal = _killed_within_the_switch(releases, server, plan, monkeypatch, lambda: _deploy_v3(releases))
    assert str(releases.link.readlink()) == "v1.bin"
    assert _life(releases, server, journal)
    assert (journal.kept.step, str(releases.link.readlink())) == (RollbackStep.FAILED, "v3.bin")
