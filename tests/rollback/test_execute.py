"""One rollback against a real link and a real model server over HTTP, with everything that can go wrong on the way."""

import asyncio
import ssl

import pytest
import released
from msgspec.structs import replace

from monitor.clock import ManualClock
from monitor.decisions.rollback import ATTEMPTS_MAX, Place
from monitor.errors import Transient
from monitor.facts import BundleId, BundleStatus, RollbackStep, Verdict
from monitor.rollback.execute import Executor
from monitor.rollback.targets.symlink import SymlinkTarget
from monitor.serving.open_inference import OpenInference

Step = RollbackStep


class Kept:
    """A journal that remembers every step."""

    def __init__(self):
        self.steps = []

    async def record(self, rollback):
        self.steps.append(rollback)

    def names(self):
        return [rollback.step for rollback in self.steps]


class World:
    """An executor whose sleep moves the clock, so that minutes of waiting take none."""

    def __init__(self, releases, server):
        self.releases, self.server = releases, server
        self.clock, self.journal, self.slept = ManualClock(), Kept(), 0.0
        self.reload_timeout_s = 30.0  # real seconds: a busy machine takes its time

    async def sleep(self, seconds):
        self.slept += seconds
        self.clock.step(self.clock.now() + seconds)

    def run(self, rollback, source_digest=None, **options):
        return asyncio.run(self._run(rollback, source_digest or self.releases.v2.checkpoint_digest, options))

    async def _run(self, rollback, source_digest, options):
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # trusts nobody, and costs nothing
        server = OpenInference(self.server.url, "delays", 30.0, self.reload_timeout_s, tls)
        target = options.pop("target", None) or SymlinkTarget(self.releases.under, server.reload)
        around = {"clock": self.clock, "sleep": self.sleep} | options
        try:
            executor = Executor(self.releases.read, target, server, self.journal, **around)
            return await executor.run(rollback, source_digest)
        finally:
            await server.aclose()

    def link(self):
        return str(self.releases.link.readlink())


@pytest.fixture
def world(releases, server):
    return World(releases, server)


def test_goes_back_to_the_known_good_step_by_step(world, plan):
    ended = world.run(plan)
    assert ended.step is Step.COMMITTED
    names = world.journal.names()
    assert names == sorted(names, key=list(Step).index)
    assert names[-5:] == [Step.VERIFIED, Step.PROBED, Step.SWITCHED, Step.RELOADED, Step.COMMITTED]
    assert (world.link(), world.server.loaded, world.server.loads) == ("v1.bin", b"checkpoint v1", 1)


def test_what_is_returned_is_what_was_journaled_last(world, plan):
    assert world.run(plan) == world.journal.steps[-1]


def test_a_smooth_rollback_does_not_wait(world, plan):
    world.run(plan)
    assert world.slept == 0.0


def _bad_targets():
    def missing(r):
        (r.folder / "v1.bin").unlink()

    def tampered(r):
        (r.folder / "v1.bin").write_bytes(b"poison")

    def tampered_reference(r):
        (r.folder / "v1.json").write_bytes(b"poison")

    def linked(r):
        (r.folder / "v1.bin").rename(r.folder / "real")
        (r.folder / "v1.bin").symlink_to("real")

    def revoked(r):
        released.set_status(r.index, r.v1.id, BundleStatus.REVOKED)

    def candidate(r):
        released.set_status(r.index, r.v1.id, BundleStatus.CANDIDATE)

    return [missing, tampered, tampered_reference, linked, revoked, candidate]


@pytest.mark.parametrize("spoil", _bad_targets(), ids=lambda spoil: spoil.__name__)
def test_a_bad_target_is_refused_and_nothing_changes(world, plan, releases, spoil):
    spoil(releases)
    ended = world.run(plan)
    assert (ended.step, world.link(), world.server.loads) == (Step.REFUSED, "v2.bin", 0)
    assert ended.reason


def test_a_target_the_index_does_not_know_is_refused(world, plan):
    ended = world.run(replace(plan, target=BundleId("sha256:" + "0" * 64)))
    assert (ended.step, world.link(), world.server.loads) == (Step.REFUSED, "v2.bin", 0)


def test_an_index_that_cannot_be_read_ends_refused(world, plan, releases):
    releases.index.write_text("damaged")
    assert world.run(plan).step is Step.REFUSED
    assert world.link() == "v2.bin"


def test_an_index_that_cannot_be_remembered_ends_refused(world, plan, releases):
    def full():
        raise Transient("the disk is full")

    releases.read = full
    assert world.run(plan).step is Step.REFUSED
    assert (world.link(), world.server.loads) == ("v2.bin", 0)


def test_somebody_elses_deployment_is_not_touched(world, plan, releases):
    (releases.folder / "v3.bin").write_bytes(b"checkpoint v3")
    releases.link.unlink()
    releases.link.symlink_to("v3.bin")
    assert (world.run(plan).step, world.link(), world.server.loads) == (Step.REFUSED, "v3.bin", 0)


def test_a_link_that_is_none_is_refused(world, plan, releases):
    releases.link.unlink()
    releases.link.write_bytes(b"checkpoint v2")
    assert world.run(plan).step is Step.REFUSED
    assert releases.link.read_bytes() == b"checkpoint v2"


def test_a_server_that_lies_about_loading_fails_and_is_not_committed(world, plan, server):
    server.manner = "lie"
    ended = world.run(plan, prove_within_s=3.0)
    assert (ended.step, server.loaded) == (Step.FAILED, b"checkpoint v2")
    assert Step.COMMITTED not in world.journal.names()


def test_a_server_that_loads_other_bytes_fails(world, plan, server):
    server.manner = "corrupt"
    assert world.run(plan).step is Step.FAILED


def test_a_server_that_refuses_to_load_fails_after_bounded_attempts(world, plan, server):
    server.manner = "refuse"
    ended = world.run(plan)
    assert ended.step is Step.FAILED
    assert 2 <= server.loads <= ATTEMPTS_MAX
    assert world.slept < 600.0


def test_a_server_that_stays_down_fails_with_the_link_at_the_target(world, plan, server):
    server.up = False
    assert (world.run(plan, prove_within_s=3.0).step, world.link()) == (Step.FAILED, "v1.bin")


@pytest.mark.parametrize("manner", ["hang", "ignore and hang"])
def test_a_reload_that_times_out_is_asked_again(world, plan, server, manner):
    server.manner, world.reload_timeout_s = manner, 0.5
    assert (world.run(plan).step, server.loaded) == (Step.COMMITTED, b"checkpoint v1")


def test_a_server_that_loads_slowly_is_waited_for(world, plan, server):
    server.manner = "lie"

    async def sleep(seconds):
        world.clock.step(world.clock.now() + seconds)
        if world.clock.now() > 20.0:
            server.loaded = b"checkpoint v1"

    assert world.run(plan, sleep=sleep).step is Step.COMMITTED
    assert server.loads == 1


@pytest.mark.parametrize(("answers", "asked"), [("ttt", 3), ("sttt", 4), ("ttsttt", 6), ("tsttsttt", 8)])
def test_served_needs_three_answers_in_a_row(world, plan, server, answers, asked):
    """Of several workers some still have the source: `t` answers with the target, `s` with the source."""
    server.answers = iter("s" + answers)  # the first is asked by the look before the switch
    assert world.run(plan).step is Step.COMMITTED
    assert (next(server.answers, None), len(answers)) == (None, asked)


def test_one_proof_is_enough_where_one_is_asked_for(world, plan, server):
    server.answers = iter("st")
    assert world.run(plan, proofs=1).step is Step.COMMITTED
    assert next(server.answers, None) is None


def test_a_target_that_is_served_already_is_only_proved(world, plan, releases, server):
    releases.link.unlink()
    releases.link.symlink_to("v1.bin")
    server.loaded = b"checkpoint v1"
    assert (world.run(plan).step, server.loads) == (Step.COMMITTED, 0)


def test_a_link_that_is_right_while_the_wrong_model_serves_is_reloaded_only(world, plan, releases, server):
    releases.link.unlink()
    releases.link.symlink_to("v1.bin")
    before = releases.link.lstat()
    assert world.run(replace(plan, step=Step.SWITCHED)).step is Step.COMMITTED
    assert (releases.link.lstat(), server.loads) == (before, 1)


def test_a_redeployment_after_the_switch_fails_and_is_not_fought(world, plan):
    assert world.run(replace(plan, step=Step.SWITCHED)).step is Step.FAILED
    assert (world.link(), world.server.loads) == ("v2.bin", 0)


@pytest.mark.parametrize("step", [Step.PROPOSED, Step.COMMITTED, Step.REFUSED, Step.FAILED, Step.EXPIRED])
def test_what_waits_or_ended_is_returned_as_it_is(world, plan, step):
    rollback = replace(plan, step=step)
    assert world.run(rollback) == rollback
    assert (world.journal.steps, world.link(), world.server.loads) == ([], "v2.bin", 0)


def test_a_plan_that_was_left_standing_expires(world, plan):
    world.clock.step(1e6)
    assert (world.run(plan).step, world.link()) == (Step.EXPIRED, "v2.bin")


class Answers:
    """Golden probes with these verdicts: of the candidate, and of what serves."""

    def __init__(self, candidate=None, served=None):
        self.verdicts, self.asked = {"candidate": candidate, "served": served}, []

    async def candidate(self, digest):
        self.asked.append(("candidate", digest))
        return self.verdicts["candidate"]

    async def served(self, digest):
        self.asked.append(("served", digest))
        return self.verdicts["served"]


def test_both_the_candidate_and_what_serves_are_probed_for_the_targets_digest(world, plan, releases):
    probes = Answers(Verdict.OK, Verdict.OK)
    assert world.run(plan, probes=probes).step is Step.COMMITTED
    digest = releases.v1.checkpoint_digest
    assert probes.asked == [("candidate", digest), ("served", digest)]


def test_a_candidate_that_answers_otherwise_is_never_switched_to(world, plan):
    ended = world.run(plan, probes=Answers(candidate=Verdict.BREACH))
    assert (ended.step, world.link(), world.server.loads) == (Step.REFUSED, "v2.bin", 0)
    assert "golden probes" in ended.reason


def test_a_server_that_names_the_right_bytes_and_answers_otherwise_has_failed(world, plan):
    ended = world.run(plan, probes=Answers(served=Verdict.BREACH))
    assert (ended.step, world.link()) == (Step.FAILED, "v1.bin")


def test_probes_that_are_not_answered_are_asked_again_and_not_for_ever(world, plan):
    probes = Answers(served=Verdict.UNKNOWN)
    assert world.run(plan, probes=probes).step is Step.FAILED
    assert 2 < len(probes.asked) <= ATTEMPTS_MAX + 1


def test_what_was_proved_bakes_and_is_committed_by_a_later_run(world, plan):
    baking = world.run(plan, bake_s=600.0)
    assert (baking.step, world.link()) == (Step.BAKING, "v1.bin")
    world.clock.step(world.clock.now() + 599)
    assert world.run(baking, bake_s=600.0) == baking
    world.clock.step(world.clock.now() + 1)
    assert world.run(baking, bake_s=600.0).step is Step.COMMITTED
    assert world.server.loads == 1


def test_a_bad_bundle_that_comes_back_while_the_good_one_bakes_is_not_fought(world, plan):
    baking = world.run(plan, bake_s=600.0)
    world.server.loaded = b"checkpoint v2"
    ended = world.run(baking, bake_s=600.0)
    assert (ended.step, world.link(), world.server.loads) == (Step.FAILED, "v1.bin", 1)


# ---------------------------------------------------------------- another kind of target


class Deployed:
    """A target that is told of releases, and has the server load what it was switched to."""

    def __init__(self, server):
        self.server, self.told, self.now = server, [], "7"

    async def place(self, source, target):
        self.told.append((source, target))
        return {source.locator: Place.SOURCE, target.locator: Place.TARGET}.get(self.now, Place.OTHER)

    async def stage(self, target):
        self.staged = target

    async def switch(self, source, target):
        changed, self.now = self.now != target.locator, target.locator
        return changed

    async def load(self):
        self.server.loaded = {"7": b"checkpoint v2", "6": b"checkpoint v1"}[self.now]


def test_a_target_of_another_kind_is_told_where_its_kind_finds_the_bundles(world, plan, releases, server):
    target = Deployed(server)
    assert world.run(plan, target=target, kind="mlflow").step is Step.COMMITTED
    source, goal = target.told[0]
    assert (source.bundle, source.name, source.digest, source.locator) == (
        releases.v2.id,
        "v2",
        releases.v2.checkpoint_digest,
        "7",
    )
    assert (goal.bundle, goal.path, goal.locator) == (releases.v1.id, releases.folder / "v1.bin", "6")
    assert (target.now, world.link(), server.loads) == ("6", "v2.bin", 0)


def test_a_source_that_nobody_registered_has_its_digest_and_nothing_else(world, plan, releases, server):
    target = Deployed(server)
    unknown = replace(plan, source=BundleId("unregistered"))
    assert world.run(unknown, target=target, kind="mlflow").step is Step.REFUSED
    source, _ = target.told[0]
    assert (source.name, source.digest, source.locator) == ("", releases.v2.checkpoint_digest, "")
