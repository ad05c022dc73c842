"""What must be written first waits or is refused; what need not never holds anything up, and is not lost."""

import asyncio
import errno
from dataclasses import dataclass, field

import pytest

from monitor.audit.files import Io
from monitor.audit.log import Log
from monitor.audit.records import Kind, read
from monitor.clock import ManualClock
from monitor.errors import Permanent, Transient
from monitor.turns import auditing
from monitor.turns.auditing import Auditor, Deed


@dataclass
class Disk(Io):
    full: bool = False
    dead: bool = False
    written: list = field(default_factory=list)

    def write(self, descriptor, data):
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        super().write(descriptor, data)

    def sync(self, descriptor):
        if self.dead:
            raise Permanent("an fsync failed")
        super().sync(descriptor)


@pytest.fixture
def disk():
    return Disk()


@pytest.fixture
def auditor(tmp_path, disk):
    clock = ManualClock(100.0)
    return Auditor(Log(tmp_path, clock, io=disk), clock)


def deed(number=0):
    return Deed(Kind.LATCH_SET, "a", {"n": number})


def record(auditor, *deeds, must=False):
    asyncio.run(auditor.record(deeds, must=must))


def told(auditor):
    lines = [line for path in sorted(auditor.log.directory.glob("0*")) for line in path.read_bytes().splitlines()]
    return [read(line) for line in lines]


def test_what_need_not_be_written_at_once_waits_in_order_and_keeps_its_time(auditor, disk):
    disk.full = True
    for number in range(3):
        record(auditor, deed(number))
    assert (auditor.view().waiting, auditor.failures, told(auditor)) == (3, 3, [])
    disk.full = False
    auditor.clock.step(200.0)
    record(auditor, deed(3))
    assert [(each.subject["n"], each.time) for each in told(auditor)] == [(0, 100), (1, 100), (2, 100), (3, 200)]
    assert auditor.view().waiting == 0


def test_what_must_be_written_is_refused_and_does_not_wait(auditor, disk):
    disk.full = True
    with pytest.raises(Transient, match="could not be written down"):
        record(auditor, deed(), must=True)
    assert auditor.view().waiting == 0
    disk.full = False
    record(auditor, deed(1), must=True)
    assert [each.subject["n"] for each in told(auditor)] == [1]


def test_upkeep_writes_what_waits(auditor, disk):
    disk.full = True
    record(auditor, deed())
    asyncio.run(auditor.upkeep())
    disk.full = False
    asyncio.run(auditor.upkeep())
    assert (auditor.view().waiting, len(told(auditor)), auditor.failures) == (0, 1, 2)


def test_what_is_lost_beyond_the_bound_is_counted_and_told_first(auditor, disk, monkeypatch):
    monkeypatch.setattr(auditing, "WAITING_MAX", 2)
    disk.full = True
    record(auditor, *(deed(number) for number in range(5)))
    assert (auditor.view().waiting, auditor.view().lost) == (2, 3)
    disk.full = False
    asyncio.run(auditor.upkeep())
    lost, *kept = told(auditor)
    assert (lost.kind, lost.subject, [each.subject["n"] for each in kept]) == (Kind.LOST, {"records": 3}, [0, 1])


def test_a_failing_fsync_is_for_good_and_reaches_who_asked(auditor, disk):
    disk.dead = True
    with pytest.raises(Permanent):
        record(auditor, deed())
    disk.dead = False
    with pytest.raises(Permanent):
        asyncio.run(auditor.upkeep())


def test_nothing_to_write_writes_nothing(auditor):
    record(auditor, must=True)
    assert (told(auditor), auditor.anchor()) == ([], f"0:{'0' * 64}")


def test_the_view_shows_the_head_in_numbers_that_a_float_holds(auditor):
    record(auditor, deed(), deed(1))
    view = auditor.view()
    assert (view.records, view.sequence, view.signed_sequence, view.files) == (2, 2, 0, 1)
    assert [int(float(part)) for part in view.digest_parts] == list(view.digest_parts)
    assert auditor.anchor() == f"2:{told(auditor)[-1].digest}"
