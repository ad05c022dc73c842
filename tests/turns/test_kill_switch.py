"""The kill switch stops automation by three ways, at once and for good, and only a person lets it go."""

import asyncio
import errno
import os
import stat

import pytest
from structlog.testing import capture_logs
from world import acting, alive, control_of, only

from monitor.audit.files import Io
from monitor.audit.log import Log
from monitor.audit.records import read
from monitor.clock import ManualClock
from monitor.errors import Transient
from monitor.facts import Mode, RollbackStep
from monitor.rollback.execute import BEFORE_THE_SWITCH
from monitor.turns.auditing import Auditor
from monitor.turns.kill_switch import FILE, KillSwitch, Said
from monitor.turns.switching import automatic

ANN = Said("ann", "the index is wrong", 7.0)


@pytest.fixture
def switch(tmp_path):
    return KillSwitch(tmp_path / FILE)


@pytest.fixture
def turns(tmp_path):
    yield from alive(acting(tmp_path))


def by_api(turns):
    asked(turns, lambda control: control.stop_automation("the index is wrong", "ann"))


def by_file(turns):
    (turns.directory / FILE).touch()


def by_memory_alone(turns):
    """As a signal does before the disk has answered."""
    switch = KillSwitch(turns.directory / FILE, ANN)
    turns.watched.killed = switch.is_set


def asked(turns, question, control=None):
    """What the daemon's side answers on a thread of its own."""
    control = control or control_of(turns)
    return turns.do(asyncio.to_thread(question, control))


WAYS = pytest.mark.parametrize("way", [by_api, by_file, by_memory_alone], ids=lambda each: each.__name__)


# ---------------------------------------------------------------- nothing is begun, and nothing goes on


@WAYS
def test_while_it_is_set_nothing_is_rolled_back(turns, way):
    turns.settle(0.0)
    way(turns)
    turns.settle(60.0)
    assert (turns.watched.rollbacks, turns.switches) == ({}, [])
    assert {gate.name: gate.held for gate in turns.watched.state.decision.gates}["kill_switch"] is False


@WAYS
def test_what_is_planned_may_not_take_another_step_from_that_moment(turns, way):
    turns.settle(0.0)
    assert automatic(turns.watched)
    way(turns)
    assert not automatic(turns.watched)


def test_every_step_before_the_switch_asks_first():
    assert {command.value for command in BEFORE_THE_SWITCH} == {"verify", "probe", "switch"}


def test_without_it_the_same_evidence_is_acted_on(turns):
    turns.settle(0.0)
    turns.settle(60.0)
    assert only(turns).step is RollbackStep.COMMITTED


@pytest.mark.parametrize("way", [by_api, by_file])
def test_it_is_set_after_a_restart(turns, way):
    turns.settle(0.0)
    way(turns)
    turns.restart()
    turns.settle(60.0)
    assert turns.watched.rollbacks == {}


# ---------------------------------------------------------------- people


def test_a_person_lets_automation_go_whoever_stopped_it(turns):
    turns.settle(0.0)
    by_file(turns)
    turns.settle(60.0)
    asked(turns, lambda control: control.let_automation_go("looked at it", "bob"))
    turns.settle(120.0)
    assert only(turns).step is RollbackStep.COMMITTED


def test_the_open_incident_is_told_who_and_why_both_times(tmp_path):
    turns = acting(tmp_path, Mode.PROPOSE)
    turns.settle(0.0)
    turns.settle(60.0)
    control = control_of(turns)
    asked(turns, lambda control: control.stop_automation("the index is wrong", "ann"), control)
    asked(turns, lambda control: control.let_automation_go("it is right", "bob"), control)
    told = [words for _, words in turns.watched.state.incident.timeline]
    assert told[-2:] == [
        "automation is stopped by ann: the index is wrong",
        "automation may act again: bob says it is right",
    ]
    assert any(b"automation is stopped by ann" in notice.body for notice in turns.outbox.every())
    turns.close()


def test_a_file_made_by_hand_is_noticed_and_told_once(tmp_path):
    turns = acting(tmp_path, Mode.PROPOSE)
    turns.settle(0.0)
    turns.settle(60.0)
    control = control_of(turns)
    by_file(turns)
    for _ in range(3):
        turns.do(control.noticed())
    told = [words for _, words in turns.watched.state.incident.timeline]
    assert [words for words in told if "automation" in words] == ["automation is stopped by whoever made the file"]
    turns.close()


def test_the_status_says_who_set_it(turns):
    control = control_of(turns)
    assert control.status()["kill_switch"] is None
    answer = asked(turns, lambda control: control.stop_automation("why", "ann"), control)
    assert answer["durable"]
    assert control.status()["kill_switch"] == {"by": "ann", "reason": "why", "at": turns.clock.wall()}


# ---------------------------------------------------------------- the audit log


class Disk(Io):
    """Full when the test says so."""

    full = False

    def write(self, descriptor, data):
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        super().write(descriptor, data)


@pytest.fixture
def audited(tmp_path):
    """A world that writes to a real audit log on a disk that may be full."""
    disk, clock, folder = Disk(), ManualClock(100.0), tmp_path / "audit"
    folder.mkdir()
    yield from (
        (turns, disk, folder) for turns in alive(acting(tmp_path, audit=Auditor(Log(folder, clock, io=disk), clock)))
    )


def lines(folder):
    """The records of the kill switch."""
    found = [read(line) for path in sorted(folder.glob("0*")) for line in path.read_bytes().splitlines()]
    return [(one.kind, one.actor) for one in found if one.kind.startswith("kill_switch")]


def test_it_is_set_at_once_on_a_full_disk_and_stays_so_until_its_end_can_be_written_down(audited):
    turns, disk, folder = audited
    control, disk.full = control_of(turns), True
    asked(turns, lambda control: control.stop_automation("why", "ann"), control)
    assert (control.kill_switch.is_set(), lines(folder)) == (True, [])
    with pytest.raises(Transient, match="not done"):
        asked(turns, lambda control: control.let_automation_go("done", "bob"), control)
    assert control.kill_switch.is_set()
    disk.full = False
    asked(turns, lambda control: control.let_automation_go("done", "bob"), control)
    assert (control.kill_switch.is_set(), lines(folder)) == (
        False,
        [("kill_switch.set", "ann"), ("kill_switch.unset", "bob")],
    )


def test_its_line_is_there_before_it_is_unset(audited):
    turns, _, folder = audited
    control = control_of(turns)
    control.kill_switch.set(ANN)
    seen = []

    class Watching(KillSwitch):
        def unset(self, by, reason):
            seen.extend(lines(folder))

    control.kill_switch = Watching(control.kill_switch.path)
    asked(turns, lambda control: control.let_automation_go("done", "bob"), control)
    assert seen == [("kill_switch.unset", "bob")]


# ---------------------------------------------------------------- the file


def test_what_was_set_is_read_back(switch):
    assert switch.said() is None
    assert switch.set(ANN)
    assert (switch.is_set(), KillSwitch(switch.path).said()) == (True, ANN)


def test_unset_it_is_gone_and_may_be_unset_again(switch):
    switch.set(ANN)
    for _ in range(2):
        switch.unset("bob", "done")
    assert (switch.is_set(), list(switch.path.parent.iterdir())) == (False, [])


@pytest.mark.parametrize("body", [b"", b"{}", b"stop!", b'{"by": 7}', b"\xff" * 10_000])
def test_whatever_a_file_holds_it_is_set(switch, body):
    switch.path.write_bytes(body)
    assert switch.is_set()
    assert switch.said() is not None


def test_a_link_that_leads_nowhere_sets_it_too(switch):
    switch.path.symlink_to("nowhere")
    assert switch.is_set()


def test_what_cannot_be_looked_for_counts_as_set(tmp_path):
    (tmp_path / "file").touch()
    assert KillSwitch(tmp_path / "file" / FILE).is_set()  # ENOTDIR: who knows what is meant


def test_a_disk_that_does_not_take_it_leaves_it_set_in_memory(switch, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with capture_logs() as logs:
        assert not switch.set(ANN)
    assert (switch.is_set(), switch.said()) == (True, ANN)
    assert [entry["event"] for entry in logs] == ["kill_switch.not_durable"]


def test_what_cannot_be_unset_stays_set_and_is_said(turns):
    by_file(turns)
    control = control_of(turns)
    control.kill_switch.path = turns.directory / "nowhere" / FILE  # its directory is gone
    control.kill_switch.unwritten = ANN
    with pytest.raises(Transient, match="stays set"):
        asked(turns, lambda control: control.let_automation_go("why", "bob"), control)
    assert control.kill_switch.is_set()


# ---------------------------------------------------------------- whatever the file holds


@pytest.mark.parametrize("body", [b"\xff", b'{"by":"\xff"}', b'{"x":' + b"[" * 4000, b'{"by":"\\ud800"}', b"[]", b"\0"])
def test_a_file_of_anything_stops_automation_and_nobody_else(switch, body):
    switch.path.write_bytes(body)
    assert (switch.is_set(), switch.said()) == (True, Said(by="whoever made the file"))


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("nowhere")])
def test_what_is_no_file_stops_automation_and_nobody_waits_for_it(switch, make):
    make(switch.path)
    assert (switch.is_set(), switch.said()) == (True, Said(by="whoever made the file"))


def test_it_is_on_the_disk_before_it_has_its_name(switch, monkeypatch):
    synced, sync = [], os.fsync

    def seen(file):
        synced.append((stat.S_ISDIR(os.fstat(file).st_mode), switch.path.exists()))
        sync(file)

    monkeypatch.setattr(os, "fsync", seen)
    assert switch.set(ANN)
    assert synced == [(False, False), (True, True)]
