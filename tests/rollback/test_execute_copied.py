"""A target that installs a copy: what must be as it was signed at the moment of the rollback, and what need not be."""

import pytest
import released
from test_execute import Step, World

from monitor.facts import BundleStatus
from monitor.rollback.targets.contract import Release
from monitor.rollback.targets.staging import Staging
from monitor.rollback.targets.symlink import SymlinkTarget


class CopiedWorld(World):
    """The same world, with a copy of v1 beside the link."""

    def __init__(self, releases, server):
        super().__init__(releases, server)
        self.staging, good = Staging(releases.folder), releases.v1
        goal = Release(good.id, "v1", good.checkpoint_digest, releases.folder / "v1.bin")
        self.staging.stage(goal, releases.link.resolve())
        self.copy = self.staging.path(good.checkpoint_digest)

    def run(self, rollback, **options):
        target = SymlinkTarget(self.releases.under, self.reload, self.staging)
        return super().run(rollback, target=target, copied=True, **options)

    async def reload(self):
        self.server.loaded = self.releases.link.read_bytes()


@pytest.fixture
def world(releases, server):
    return CopiedWorld(releases, server)


@pytest.mark.parametrize("left", [None, b"poison"])
def test_a_copy_at_hand_is_installed_whatever_became_of_the_original(world, plan, releases, left):
    original = releases.folder / "v1.bin"
    original.unlink() if left is None else original.write_bytes(left)
    assert world.run(plan).step is Step.COMMITTED
    assert (releases.link.resolve(), world.server.loaded) == (world.copy, b"checkpoint v1")


def _poisoned_both(world):
    world.copy.chmod(0o644)
    world.copy.write_bytes(b"poison")
    world.copy.chmod(0o444)
    (world.releases.folder / "v1.bin").write_bytes(b"poison")


def _poisoned_reference(world):
    (world.releases.folder / "v1.json").write_bytes(b"poison")


def _revoked(world):
    released.set_status(world.releases.index, world.releases.v1.id, BundleStatus.REVOKED)


@pytest.mark.parametrize("spoil", [_poisoned_both, _poisoned_reference, _revoked], ids=lambda spoil: spoil.__name__)
def test_a_copy_at_hand_excuses_nothing_else(world, plan, spoil):
    spoil(world)
    ended = world.run(plan)
    assert (ended.step, world.link(), world.server.loaded) == (Step.REFUSED, "v2.bin", b"checkpoint v2")
    assert ended.reason


def test_a_poisoned_copy_is_made_anew_of_the_bundle(world, plan, releases):
    world.copy.chmod(0o644)
    world.copy.write_bytes(b"poison")
    assert world.run(plan).step is Step.COMMITTED
    assert world.server.loaded == b"checkpoint v1"
