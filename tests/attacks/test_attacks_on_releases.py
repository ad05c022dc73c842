"""Attacks on what is rolled back to, and on who acts: an old index, a frozen one, a second daemon."""

import os

import pytest
import released
from battle import HOUR, Battle
from msgspec import structs
from world import MODEL

from monitor.errors import Permanent
from monitor.facts import BundleStatus, RollbackStep
from monitor.panes.reference import encode_reference
from monitor.rollback.manifest import Lineage
from monitor.rollback.release import document as documents
from monitor.rollback.release.write import Editor
from monitor.rollback.signing import Purpose
from monitor.store import opened
from monitor.turns import loading, show
from monitor.turns.loading import Releases

VALID_S = 10 * HOUR
BEFORE = Lineage(cutoff=-1e9)  # trained on nothing that may be suspected
ACTED = [RollbackStep.COMMITTED]


class Loaded:
    """A model server that has loaded the checkpoint of a bundle."""

    def __init__(self, bundle):
        self.name, self.digest = bundle.name, bundle.checkpoint_digest

    async def served(self):
        return self.digest


class Home:
    """A release directory: v1 is known-good, v2 serves and is a candidate. Wall time is what the test says."""

    def __init__(self, folder):
        folder.mkdir()
        self.index, self.wall = folder / "releases.json", 0.0
        self.editor().create()

    def editor(self):
        """Somebody who may sign, with a short breath."""
        people = released.signer(self.index.parent), released.belief(self.index)
        return Editor(self.index, *people, lambda: self.wall, VALID_S)

    def prepare(self, turns):
        """Let the turns read this directory."""
        for layout, name in ((turns.v1, "v1"), (turns.v2, "v2")):
            (self.index.parent / f"{name}.ref").write_bytes(encode_reference(layout.reference))
            (self.index.parent / f"{name}.bin").write_text(name)
            files = f"{name}.bin", f"{name}.ref"
            released.register(self.index, MODEL, *files, wall=float(name[1]), name=name, lineage=BEFORE)
        watched = turns.watched
        belief = released.belief(self.index)
        watched.releases = Releases(self.index, MODEL, watched.releases.shelf, belief, wall=lambda: self.wall)
        self.approve("v1")
        watched.bundles = watched.releases.load()
        self.v1, self.v2 = watched.bundles
        turns.server.served, turns.known_good.served = Loaded(self.v2).served, Loaded(self.v1).served

    def approve(self, name):
        [bundle] = [each for each in released.load(self.index) if each.name == name]
        self.editor().approve(bundle.id)


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / "releases")


@pytest.fixture
def battle(tmp_path, home):
    made = Battle(tmp_path / "state", home.prepare)
    yield made
    made.turns.close()


def bad_hours(battle, first, last):
    for at in range(first, last):
        battle.hour(at, wrong=0.65)


def test_from_a_real_release_directory_a_bad_bundle_is_rolled_back(battle):
    bad_hours(battle, 0, 2)
    assert [one.step for one in battle.rollbacks] == ACTED


# ---------------------------------------------------------------- an old index, a frozen one


def put_back_an_old_index(battle, home):
    """v1 was revoked; whoever can write the file puts back the index that still approves of it."""
    old = home.index.read_bytes()
    home.approve("v2")
    home.editor().set_aside(home.v1.id, BundleStatus.REVOKED)
    battle.hour(0)
    home.index.write_bytes(old)
    bad_hours(battle, 1, 4)


def test_an_old_index_that_is_put_back_is_not_believed(battle, home):
    put_back_an_old_index(battle, home)
    assert battle.rollbacks == []
    assert "an old index was put back" in battle.turns.watched.releases.problem


def test_without_a_memory_of_it_the_revoked_bundle_would_be_rolled_back_to(battle, home, monkeypatch):
    believed = loading.load
    monkeypatch.setattr(loading, "load", lambda path, belief, memory: believed(path, belief))
    put_back_an_old_index(battle, home)
    assert [one.target for one in battle.rollbacks] == [home.v1.id]


# ---------------------------------------------------------------- an approval that is spent


def revive(battle, home):
    """v1 was quarantined, and seen; one who may sign the index attaches to it again what was approved before that."""
    before = home.editor().read().document
    approved = before.find(home.v1.id)
    home.approve("v2")  # the index needs a known-good
    home.editor().set_aside(home.v1.id, BundleStatus.QUARANTINED)
    battle.hour(0)
    now = home.editor().read().document
    bundles = tuple(approved if entry.id == home.v1.id else before.find(entry.id) for entry in now.bundles)
    body = documents.encode(structs.replace(now, serial=now.serial + 1, bundles=bundles))
    home.index.write_bytes(released.signer(home.index.parent).sign(Purpose.INDEX, body))
    bad_hours(battle, 1, 4)


def test_a_bundle_that_was_set_aside_does_not_come_back_by_its_old_approval(battle, home):
    revive(battle, home)
    watched = battle.turns.watched
    assert battle.rollbacks == []
    assert "that approval is spent" in watched.releases.problem
    assert {each.name: each.status.value for each in watched.bundles} == {"v1": "quarantined", "v2": "known_good"}
    assert show.model_view(watched).release_index_ok is False  # which TocsinReleaseIndexUnusable pages about


def test_without_a_memory_of_it_the_bundle_would_be_rolled_back_to(battle, home, monkeypatch):
    believed = loading.load
    forget = structs.replace
    monkeypatch.setattr(
        loading, "load", lambda path, belief, memory: believed(path, belief, forget(memory, aside={}, revoked=()))
    )
    revive(battle, home)
    assert [one.target for one in battle.rollbacks] == [home.v1.id]


def hold_back_the_index(battle, home):
    """The index that revokes v1 never arrives: the old one is served until after its end."""
    home.wall = VALID_S + 1
    bad_hours(battle, 0, 4)


def test_a_frozen_index_names_no_target(battle, home):
    hold_back_the_index(battle, home)
    assert (battle.rollbacks, battle.why()["target"]) == ([], False)


def test_if_an_index_never_ended_a_frozen_one_would_be_acted_on(battle, home, monkeypatch):
    monkeypatch.setattr(Releases, "expired", False)
    hold_back_the_index(battle, home)
    assert [one.target for one in battle.rollbacks] == [home.v1.id]


# ---------------------------------------------------------------- two daemons


@pytest.fixture
def first(tmp_path):
    made = Battle(tmp_path / "state")
    yield made
    made.turns.close()


def test_a_second_daemon_on_the_same_state_does_not_start(tmp_path, first):
    with pytest.raises(Permanent, match="in use by another"):
        Battle(tmp_path / "state")


def test_without_the_lock_a_second_one_would_start(tmp_path, first, monkeypatch):
    monkeypatch.setattr(opened, "lock", lambda path: os.open(path, os.O_RDWR))
    Battle(tmp_path / "state").turns.close()


def side_by_side(first, second):
    """Both saw the same hours; the second looks when the first has acted."""
    second.second = first.second
    for at in range(3):
        rows, truth = first.rows(at, wrong=0.65)
        for each in (first, second):
            each.send(rows, each.labels(rows, truth))
            each.look(at + 1)


@pytest.fixture
def second(tmp_path):
    """A daemon with a state of its own."""
    made = Battle(tmp_path / "other")
    yield made
    made.turns.close()


def test_a_second_daemon_does_not_touch_what_the_first_rolled_back_to(first, second):
    second.turns.server.served = first.turns.server.served  # they watch the same server
    side_by_side(first, second)
    assert [one.step for one in first.rollbacks] == ACTED
    assert (second.rollbacks, second.turns.switches) == ([], [])


def test_a_second_daemon_that_took_what_was_served_for_granted_would(first, second):
    side_by_side(first, second)
    assert [one.step for one in second.rollbacks] == ACTED
