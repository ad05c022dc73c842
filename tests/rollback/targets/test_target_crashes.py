"""Every kind of target, through the real executor: killed anywhere, whatever the calls did, it is switched once.

A case is (kind, what the switch did, what the load did, where the first life ends): before or after each write of the
journal and each call of the target. What the effect of a switch did is decided where the world takes effect: a call is
cut before or after it, by the relay, the command or the file system. Where a switch takes several calls, each is cut.
"""

import asyncio
import itertools

import pytest
import released
from targetworlds import ClusterWorld, CommandWorld, OpenInferenceWorld, VariableWorld

from monitor.clock import ManualClock
from monitor.errors import Transient
from monitor.facts import BundleStatus, Mode, ModelName, Rollback, RollbackStep
from monitor.rollback.execute import Executor
from monitor.rollback.release import read

MANNERS = ["applied", "not applied", "applied but timed out"]
ONE_WRONG = [(switch, load) for switch, load in itertools.product(MANNERS, MANNERS) if "applied" in (switch, load)]
SWITCH_LOADS = (OpenInferenceWorld, ClusterWorld)  # what is set is served; there is nothing to load
DELAYS = ModelName("delays")
STRIDES = {CommandWorld: 3, VariableWorld: 3, OpenInferenceWorld: 2}  # slow, or much like another: the soak skips none
POINTS = 18  # five steps, a look, a stage, a switch and a load, before and after each


class Killed(BaseException):
    """The process is gone."""


class Trip:
    """Kills the `at`-th time it is passed."""

    def __init__(self, at=None):
        self.at, self.passed = at, 0

    def __call__(self):
        self.passed += 1
        if self.passed == self.at:
            raise Killed


class Mortal:
    """A target whose process dies before or after a call, and whose first load does as it is told."""

    def __init__(self, world, server, trip, load):
        self.target, self.world, self.server, self.trip, self.manner = world.make(), world, server, trip, load

    async def _call(self, call, *about):
        self.trip()
        try:
            return await call(*about)
        finally:
            self.trip()

    async def place(self, source, target):
        return await self._call(self.target.place, source, target)

    async def stage(self, target):
        await self._call(self.target.stage, target)

    async def switch(self, source, target):
        return await self._call(self.target.switch, source, target)

    async def load(self):
        await self._call(self._load)

    async def _load(self):
        manner, self.manner = self.manner, "applied"
        if manner != "not applied":
            await self.target.load()
            self.server.loaded = self.world.now()
        if manner != "applied":
            raise Transient("timed out")


class Server:
    """Says the digest of what it loaded; where the switch loads, of what is set."""

    def __init__(self, world):
        self.world, self.loaded = world, "v2"
        self.digests = {each.name: each.digest for each in (world.source, world.goal)}

    async def served(self):
        return self.digests.get(self.name(), "sha256:of-somebody-else")

    def name(self):
        return self.world.now() if isinstance(self.world, SWITCH_LOADS) else self.loaded


class Journal:
    def __init__(self, rollback):
        self.kept, self.trip = rollback, Trip()

    async def record(self, rollback):
        self.trip()
        self.kept = rollback
        self.trip()


class Story:
    """The bundles of a world, and the rollback from v2 to v1 in as many lives as it takes."""

    def __init__(self, world):
        self.world, self.told = world, []
        index = world.folder / "releases.json"
        released.create(index)
        for wall, each in zip((0.0, 1.0), (world.goal, world.source), strict=True):
            (world.folder / f"{each.name}.json").write_bytes(each.name.encode())
            status = BundleStatus.CANDIDATE if wall else BundleStatus.KNOWN_GOOD
            about = {"wall": wall, "status": status, "name": each.name, "locators": {"here": each.locator}}
            self.told.append(released.register(index, DELAYS, each.path.name, f"{each.name}.json", **about))
        self.index = read.load(index, released.belief(index))

    def begin(self):
        goal, source = (bundle.id for bundle in self.told)
        self.world.reset()
        self.server = Server(self.world)
        self.journal = Journal(Rollback("r-1", "i-1", DELAYS, source, goal, Mode.AUTO, RollbackStep.PLANNED, 0.0, 0.0))

    def live(self, at=None, load="applied"):
        """One life of the daemon: whether it saw the end, and was not killed at the `at`-th point."""
        clock, self.journal.trip = ManualClock(), Trip(at)

        async def sleep(seconds):
            clock.step(clock.now() + seconds)

        target = Mortal(self.world, self.server, self.journal.trip, load)
        around = {"clock": clock, "sleep": sleep, "kind": "here", "prove_within_s": 3.0}
        driver = Executor(lambda: self.index, target, self.server, self.journal, **around)
        try:
            asyncio.run(driver.run(self.journal.kept, self.world.source.digest))
        except Killed:
            return False
        return True

    def ended(self):
        """Where it ended: the step, every transition that took effect, what is set, and what serves."""
        now = self.world.now()
        return self.journal.kept.step, self.world.history, now, self.server.name()


WELL = (RollbackStep.COMMITTED, ["v1"], "v1", "v1")


@pytest.fixture
def story(world):
    return Story(world)


def killed_everywhere(story, switch, load, stride=1, first=1):
    """Return how many cases there were: every `stride`-th point of every effect of the switch, until no kill comes."""
    cases = 0
    for effect in range(1, story.world.effects + 1):
        for at in itertools.count(first, stride):
            story.begin()
            if switch != "applied":
                story.world.fault(effect, switch)
            whole = story.live(at, load)
            assert whole or story.live(), (effect, at)
            assert story.ended() == WELL, (effect, at)
            cases += 1
            if whole:  # there is no `at`-th point
                break
        assert at > POINTS
    return cases


@pytest.mark.parametrize(("switch", "load"), ONE_WRONG)
def test_whenever_it_is_killed_it_is_switched_once_and_serves(story, switch, load):
    stride = STRIDES.get(type(story.world), 1)
    first = 1 + ONE_WRONG.index((switch, load)) % stride
    assert killed_everywhere(story, switch, load, stride, first) >= POINTS // stride


@pytest.mark.parametrize("at", range(1, POINTS, 3))
def test_whoever_deploys_while_it_is_down_is_not_fought(story, at):
    story.begin()
    assert not story.live(at)
    story.world.set("v3")
    story.server.loaded = "v3"
    _, ours, *_ = story.ended()
    before = list(ours)
    assert story.live()
    step, history, now, _ = story.ended()
    assert (step in {RollbackStep.REFUSED, RollbackStep.FAILED}, history, now) == (True, before, "v3")


@pytest.mark.soak
@pytest.mark.parametrize("load", MANNERS)
@pytest.mark.parametrize("switch", MANNERS)
def test_killed_everywhere_with_both_effects_wrong(story, switch, load):
    assert killed_everywhere(story, switch, load) > POINTS


@pytest.mark.soak
@pytest.mark.parametrize("switch", MANNERS)
def test_killed_at_any_two_points(story, switch):
    for first, second in itertools.product(range(1, POINTS + 1), range(1, POINTS + 1, 2)):
        story.begin()
        if switch != "applied":
            story.world.fault(story.world.effects, switch)
        lives = [story.live(at) for at in (first, second, None)]
        assert lives[-1], (first, second)
        assert story.ended() == WELL, (first, second)
