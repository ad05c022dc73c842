"""Whose copy is kept at hand, and when nothing is begun."""

from pathlib import Path

import pytest
from msgspec.structs import replace
from world import DIGESTS, MODEL, Turns

from monitor.clock import ManualClock
from monitor.facts import BundleId, BundleStatus, Mode, Rollback, RollbackStep
from monitor.rollback.targets.ahead import Kept, Trouble
from monitor.settings.target_sections import Symlink
from monitor.turns.deploying import made_ahead
from monitor.turns.staging import StagingAhead, staged_view, target_of


class Noted:
    """Notes for what it was asked to keep a copy."""

    def __init__(self):
        self.asked, self.closed, self.kept = [], False, None

    def keep(self, target):
        self.asked.append(target and target.name)

    def close(self):
        self.closed = True


class Scene:
    """v2 serves, v1 is known-good."""

    def __init__(self, folder):
        self.turns, self.ahead = Turns(folder, served="v2"), Noted()
        self.watched = self.turns.watched
        self.staging = StagingAhead({MODEL: self.watched}, {MODEL: self.ahead}, ManualClock(100.0))

    def due(self):
        self.turns.runner.run(self.staging.due())
        return self.ahead.asked

    def rollback(self, step):
        plan = Rollback("r", "i", MODEL, BundleId("v2"), BundleId("v1"), Mode.AUTO, step, 0.0, 0.0)
        self.watched.state = replace(self.watched.state, rollback=plan)

    def set_status(self, **statuses):
        self.watched.bundles = tuple(
            replace(bundle, status=statuses.get(bundle.name, bundle.status)) for bundle in self.watched.bundles
        )


@pytest.fixture
def scene(tmp_path):
    made = Scene(tmp_path / "state")
    made.turns.settle(0.0)
    made.watched = made.turns.watched
    yield made
    made.turns.runner.run(made.staging.aclose())
    made.turns.close()
    assert made.ahead.closed


def test_what_a_rollback_would_go_to_is_kept(scene):
    assert scene.due() == ["v1"]
    release = target_of(scene.watched, 100.0)
    assert (release.digest, release.path) == (DIGESTS["v1"], Path("v1.json"))


def test_what_is_no_target_any_more_is_not(scene):
    scene.set_status(v1=BundleStatus.REVOKED)
    assert scene.due() == [None]


def test_what_serves_is_no_target_of_its_own(tmp_path):
    turns = Turns(tmp_path, served="v1")
    turns.settle(0.0)
    assert target_of(turns.watched, 100.0) is None
    turns.close()


@pytest.mark.parametrize("step", [RollbackStep.PLANNED, RollbackStep.VERIFIED, RollbackStep.BAKING])
def test_nothing_is_begun_while_a_rollback_is_under_way(scene, step):
    scene.rollback(step)
    assert scene.due() == []


def test_what_a_proposal_waits_for_is_kept(scene):
    scene.rollback(RollbackStep.PROPOSED)
    assert scene.due() == ["v1"]


def test_before_anything_is_served_nothing_is_made(tmp_path):
    scene = Scene(tmp_path / "state")
    assert scene.due() == []
    scene.turns.close()


def test_the_settings_say_where_copies_are_kept_and_how_many():
    made = made_ahead(Symlink(link=Path("volume/current")), ManualClock())
    assert made.staging.folder == Path("volume/.tocsin-staged-current")
    assert made_ahead(Symlink(link=Path("current"), stage=False), ManualClock()) is None
    assert made_ahead(None, ManualClock()) is None


def test_every_reason_is_shown_and_nothing_before_the_first_pass(scene):
    assert (staged_view(None), staged_view(scene.ahead)) == (None, None)
    scene.ahead.kept = Kept(2, 10, ready=True, verified=5.0)
    view = staged_view(scene.ahead)
    assert (view.copies, view.size_bytes, view.ready, view.verified) == (2, 10, True, 5.0)
    assert view.failures == {trouble.value: 0 for trouble in Trouble}
