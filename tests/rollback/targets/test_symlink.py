import ctypes
import errno
import fcntl
import os
import signal
import threading
from pathlib import Path

import pytest

from monitor.errors import Permanent, Transient
from monitor.rollback.targets import symlink
from monitor.rollback.targets.contract import Conflict
from monitor.rollback.targets.symlink import Link, exchange

LEFTOVERS = {".current.tocsin-next"}


def _switch(releases):
    v1, v2 = releases.v1.checkpoint_digest, releases.v2.checkpoint_digest
    return releases.under.switch(releases.folder / "v1.bin", v2, v1)


def _finish(releases):
    releases.under.finish(releases.folder / "v1.bin", releases.v2.checkpoint_digest)


def _clean(releases):
    return not LEFTOVERS & {path.name for path in releases.folder.iterdir()}


def _deploy(releases, name):
    """What a deployment script does: a new link, renamed over the old one."""
    body = f"checkpoint {name}".encode()
    (releases.folder / f"{name}.bin").write_bytes(body)
    (releases.folder / "new").symlink_to(f"{name}.bin")
    (releases.folder / "new").rename(releases.link)


def _while_exchanging(monkeypatch, *actions):
    """Do one action just before each exchange."""
    todo = list(actions)

    def busy(one, other):
        if todo:
            todo.pop(0)()
        exchange(one, other)

    monkeypatch.setattr(symlink, "exchange", busy)


def test_points_the_link_from_the_source_to_the_target(releases):
    assert _switch(releases) is True
    assert str(releases.link.readlink()) == "v1.bin"
    assert releases.under.observe() == releases.v1.checkpoint_digest
    assert _clean(releases)


def test_a_second_switch_changes_nothing(releases):
    _switch(releases)
    before = releases.link.lstat()
    assert _switch(releases) is False
    assert releases.link.lstat() == before


def test_a_link_at_neither_is_a_conflict_and_left_alone(releases):
    _deploy(releases, "v3")
    with pytest.raises(Conflict):
        _switch(releases)
    assert str(releases.link.readlink()) == "v3.bin"


def test_other_bytes_under_the_sources_name_are_a_conflict(releases):
    (releases.folder / "v2.bin").write_bytes(b"overwritten")
    with pytest.raises(Conflict):
        _switch(releases)


@pytest.mark.parametrize("spelling", ["./v2.bin", "../releases/v2.bin", "/absolute", "second"])
def test_another_spelling_of_the_source_is_no_conflict(releases, spelling):
    (releases.folder / "second").symlink_to("v2.bin")
    releases.link.unlink()
    releases.link.symlink_to(releases.folder / "v2.bin" if spelling == "/absolute" else spelling)
    assert _switch(releases) is True


def test_a_target_elsewhere_is_named_relative_to_the_link(releases, tmp_path):
    (tmp_path / "live").mkdir()
    (tmp_path / "live" / "current").symlink_to("../releases/v2.bin")
    target = Link(tmp_path / "live" / "current")
    target.switch(releases.folder / "v1.bin", releases.v2.checkpoint_digest, releases.v1.checkpoint_digest)
    assert str((tmp_path / "live" / "current").readlink()) == "../releases/v1.bin"


@pytest.mark.parametrize("make", [lambda path: path.write_bytes(b"x"), Path.mkdir, lambda path: None])
def test_what_is_no_symbolic_link_is_refused_and_left_alone(releases, make):
    releases.link.unlink()
    make(releases.link)
    before = releases.link.lstat() if releases.link.exists() else None
    for use in (releases.under.current, releases.under.observe, lambda: _switch(releases)):
        with pytest.raises((Permanent, Transient)):
            use()
    assert (releases.link.lstat() if releases.link.exists() else None) == before


def test_a_link_to_nothing_cannot_be_observed(releases):
    (releases.folder / "v2.bin").unlink()
    with pytest.raises(Permanent):
        _switch(releases)
    assert str(releases.link.readlink()) == "v2.bin"


def test_current_is_the_file_and_not_the_link(releases):
    assert releases.under.current() == (releases.folder / "v2.bin").resolve()


def test_a_deployment_at_the_same_time_wins(releases, monkeypatch):
    _while_exchanging(monkeypatch, lambda: _deploy(releases, "v3"))
    with pytest.raises(Conflict):
        _switch(releases)
    assert str(releases.link.readlink()) == "v3.bin"
    assert _clean(releases)


def test_the_same_text_deployed_again_at_the_same_time_wins(releases, monkeypatch):
    _while_exchanging(monkeypatch, lambda: _deploy(releases, "v2"))
    with pytest.raises(Conflict):
        _switch(releases)
    assert str(releases.link.readlink()) == "v2.bin"


def test_of_many_deployments_at_the_same_time_the_last_wins(releases, monkeypatch):
    names = ["v3", "v4", "v5"]
    _while_exchanging(monkeypatch, *(lambda name=name: _deploy(releases, name) for name in names))
    with pytest.raises(Conflict):
        _switch(releases)
    assert str(releases.link.readlink()) == "v5.bin"
    assert _clean(releases)


def test_a_file_put_in_the_links_place_at_the_same_time_is_given_back(releases, monkeypatch):
    def replace():
        (releases.folder / "new").write_bytes(b"precious")
        (releases.folder / "new").rename(releases.link)

    _while_exchanging(monkeypatch, replace)
    with pytest.raises(Conflict):
        _switch(releases)
    assert releases.link.read_bytes() == b"precious"


def test_somebody_who_deploys_all_the_time_is_not_fought_for_ever(releases, monkeypatch):
    count = iter(range(1000))
    _while_exchanging(monkeypatch, *[lambda: _deploy(releases, f"n{next(count)}")] * 100)
    with pytest.raises(Conflict):
        _switch(releases)
    assert next(count) < 20
    assert str(releases.link.readlink()).startswith("n")


def test_a_file_in_the_drafts_place_is_kept(releases):
    (releases.folder / ".current.tocsin-next").write_bytes(b"precious")
    with pytest.raises(Transient):
        _switch(releases)
    assert (releases.folder / ".current.tocsin-next").read_bytes() == b"precious"


def test_who_cannot_have_the_lock_tries_later(releases):
    with (releases.folder / ".current.tocsin-lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(Transient):
            _switch(releases)
    assert _switch(releases) is True


def test_the_lock_is_not_taken_through_a_link(releases):
    (releases.folder / ".current.tocsin-lock").symlink_to("v2.bin")
    with pytest.raises(Transient):
        _switch(releases)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_a_disk_that_fails_is_transient_and_the_switch_can_be_repeated(releases, monkeypatch, number):
    def fails(*args):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(symlink, "exchange", fails)
    with pytest.raises(Transient):
        _switch(releases)
    monkeypatch.undo()
    assert _switch(releases) is True
    assert _clean(releases)


def test_a_file_system_without_exchange_is_permanent(monkeypatch, releases):
    monkeypatch.setattr(symlink, "_renameat2", None)
    with pytest.raises(Permanent, match="renameat2"):
        _switch(releases)
    assert str(releases.link.readlink()) == "v2.bin"


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOSYS])
def test_a_file_system_that_cannot_exchange_is_permanent(monkeypatch, releases, number):
    monkeypatch.setattr(symlink, "_renameat2", lambda *args: ctypes.set_errno(number) or -1)
    with pytest.raises(Permanent, match="cannot exchange"):
        _switch(releases)
    assert str(releases.link.readlink()) == "v2.bin"


def test_exchanging_what_is_not_there_says_so(tmp_path):
    with pytest.raises(FileNotFoundError):
        exchange(tmp_path / "a", tmp_path / "b")


def test_a_reader_always_finds_one_or_the_other(releases):
    seen, stop = set(), threading.Event()

    def read():
        while not stop.is_set():
            seen.add(releases.link.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    v1, v2 = releases.v1.checkpoint_digest, releases.v2.checkpoint_digest
    for _ in range(50):
        releases.under.switch(releases.folder / "v1.bin", v2, v1)
        releases.under.switch(releases.folder / "v2.bin", v1, v2)
    stop.set()
    reader.join()
    assert seen <= {b"checkpoint v1", b"checkpoint v2"}


# ---------------------------------------------------------------- killed between any two steps

STEPS = [(Path, "symlink_to"), (Path, "unlink"), (os, "fsync"), (symlink, "exchange")]


def _killed(work, at):
    """Run `work` in a child that is killed before its `at`-th step; False if it had fewer."""
    child = os.fork()
    if child == 0:
        steps = iter(range(1, 1000))
        for owner, name in STEPS:
            _die_before(owner, name, steps, at)
        work()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def _die_before(owner, name, steps, at):
    original = getattr(owner, name)

    def step(*args, **kwargs):
        if next(steps) == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*args, **kwargs)

    setattr(owner, name, step)


@pytest.mark.parametrize("at", range(1, 8))
def test_a_switch_killed_at_any_step_is_finished(releases, at):
    killed = _killed(lambda: _switch(releases), at)
    assert killed == (at < 7), "six steps: symlink, fsync, exchange, fsync, unlink, fsync"
    _finish(releases)
    assert _clean(releases)
    assert str(releases.link.readlink()) == ("v2.bin" if at < 4 else "v1.bin")
    assert _switch(releases) is (at < 4)
    assert releases.under.observe() == releases.v1.checkpoint_digest


@pytest.mark.parametrize("at", range(1, 5))
def test_a_finish_killed_at_any_step_is_finished(releases, at):
    assert _killed(lambda: _switch(releases), 4)
    _killed(lambda: _finish(releases), at)
    _finish(releases)
    assert _clean(releases)
    assert releases.under.observe() == releases.v1.checkpoint_digest


def test_a_deployment_hidden_by_a_switch_that_was_killed_is_given_back(releases):
    exchanged = 4  # killed before the check of what came back

    def raced():
        original = symlink.exchange
        symlink.exchange = lambda one, other: (_deploy(releases, "v3"), original(one, other))
        _switch(releases)

    assert _killed(raced, exchanged + 1)  # the deployment makes one link itself
    assert str(releases.link.readlink()) == "v1.bin"
    with pytest.raises(Conflict):
        _finish(releases)
    assert str(releases.link.readlink()) == "v3.bin"
    assert _clean(releases)


def test_a_deployment_after_a_switch_that_was_killed_stays(releases):
    assert _killed(lambda: _switch(releases), 4)
    _deploy(releases, "v3")
    _finish(releases)
    assert str(releases.link.readlink()) == "v3.bin"
    assert _clean(releases)


def test_a_source_that_is_not_known_is_nobodys_link(releases):
    with pytest.raises(Conflict):
        releases.under.switch(releases.folder / "v1.bin", "", releases.v1.checkpoint_digest)
    assert _killed(lambda: _switch(releases), 4)
    (releases.folder / "v2.bin").unlink()  # what came back names nothing now
    with pytest.raises(Conflict):
        releases.under.finish(releases.folder / "v1.bin", "")
    assert str(releases.link.readlink()) == "v2.bin"
