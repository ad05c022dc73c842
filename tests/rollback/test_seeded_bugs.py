"""The checks of this suite find what they are there for: each bug is put in by hand, and a named check must fail.

That the checks hold without the bugs is what the rest of the suite says; only the last one stands here alone.
"""

import importlib
from pathlib import Path

import msgspec
import pytest
import test_execute
import test_execute_crash
from msgspec.structs import replace

from monitor.decisions import state as states
from monitor.decisions.rollback import Command, Move, begin
from monitor.facts import RollbackStep
from monitor.rollback import execute
from monitor.rollback.digest import digest_beneath
from monitor.rollback.targets import symlink
from monitor.rollback.targets.symlink import Link, SymlinkTarget

TESTS = Path(__file__).parents[1]


@pytest.fixture
def elsewhere(monkeypatch):
    """Import a module of another directory of tests."""

    def load(folder, name):
        monkeypatch.syspath_prepend(str(TESTS / folder))
        return importlib.import_module(name)

    return load


def blindly(link, target, source_digest, target_digest):
    """Switch without a look at what is set."""
    link._swap(link._wanted(target), symlink._entry(link.link))
    return True


def test_a_blind_retry_after_a_crash_is_found(releases, server, plan, monkeypatch):
    def again(rollback):
        return Move(rollback, Command.SWITCH) if rollback.step is RollbackStep.PROBED else begin(rollback)

    history = []

    def exchange(one, other, original=symlink.exchange):
        original(one, other)
        history.append(str(releases.link.readlink()))

    monkeypatch.setattr(symlink, "exchange", exchange)
    monkeypatch.setattr(execute, "begin", again)
    monkeypatch.setattr(Link, "switch", blindly)
    check = test_execute_crash.test_whenever_it_is_killed_there_is_one_switch_and_the_known_good_serves
    with pytest.raises(AssertionError, match=r"v1\.bin"):
        check(releases, server, plan, history, ("applied", "applied"))
    assert history == ["v1.bin", "v1.bin"]


def test_a_split_bundle_is_found(releases, server, plan, monkeypatch):
    """The checkpoint of one with the reference of another, where only the checkpoint is verified."""

    def verify(index, identity):
        bundle = index.find(identity)
        assert digest_beneath(index.folder, bundle.checkpoint) == bundle.checkpoint_digest

    def split(releases):
        (releases.folder / "v1.json").write_bytes((releases.folder / "v2.json").read_bytes())

    monkeypatch.setattr(execute, "verify", verify)
    world = test_execute.World(releases, server)
    with pytest.raises(AssertionError, match=r"committed"):
        test_execute.test_a_bad_target_is_refused_and_nothing_changes(world, plan, releases, split)


def test_an_installed_path_that_is_not_the_verified_one_is_found(tmp_path, monkeypatch, elsewhere):
    suite = elsewhere("rollback/targets", "test_staging")
    monkeypatch.setattr(SymlinkTarget, "_installed", lambda _, target: target.path)
    with pytest.raises(AssertionError, match="poison"):
        suite.test_what_happens_to_the_original_after_it_was_staged_changes_nothing(suite.Place(tmp_path))


def the_cooldown_outlives_a_restart(suite):
    """A rollback ended; the next life knows the durable state, and nothing else."""
    made, hour = importlib.import_module("judged"), 3600.0
    done = made.make_rollback(RollbackStep.COMMITTED, suite.NOW - hour, made.V3)
    ended = states.end_rollback(made.make_state(rollback=done), done)
    durable = msgspec.json.decode(msgspec.json.encode(ended), type=states.ModelState)
    assert suite.judge(durable, made.make_terms(), suite.BAD, suite.NOW).rollbacks == ()


def test_the_cooldown_outlives_a_restart(elsewhere):
    the_cooldown_outlives_a_restart(elsewhere("decisions", "test_judgement"))


def test_a_cooldown_that_is_kept_in_memory_is_found(monkeypatch, elsewhere):
    memory = []

    def end_rollback(state, rollback):
        memory.append(rollback)
        return replace(state, rollback=None)

    monkeypatch.setattr(states, "end_rollback", end_rollback)
    with pytest.raises(AssertionError):
        the_cooldown_outlives_a_restart(elsewhere("decisions", "test_judgement"))
    assert memory
