"""What a rollback would go to is at hand before it is asked for, and what was touched since is not used."""

import asyncio
import os
import threading
from pathlib import Path

import pytest

from monitor.clock import ManualClock
from monitor.errors import Permanent, Transient
from monitor.facts import BundleId
from monitor.rollback.targets import copies, seals, staging
from monitor.rollback.targets.ahead import RETRY_S, Ahead, Trouble
from monitor.rollback.targets.contract import Release, Unfit
from monitor.rollback.targets.seals import SETTLE_S, Seals, marked
from monitor.rollback.targets.staging import GivenUp, Pace, Staging
from monitor.rollback.targets.symlink import Link, SymlinkTarget
from monitor.rollback.tree import digest_at

AGE_MAX_S = 3_600.0
FAST, NEVER = 1 << 40, 1e-5  # bytes a second
JOIN_S = 60.0  # real; a test that takes it has failed


class Noted(threading.Event):
    """Says when somebody begins to wait for it."""

    def __init__(self):
        super().__init__()
        self.waited = threading.Event()

    def wait(self, timeout=None):
        self.waited.set()
        return super().wait(timeout)


class Volume:
    """A link to v2, bundles v1 and v0, copies of any size that are trusted by their seals, and a clock."""

    def __init__(self, folder, *, rehash_max=0, rate=FAST, free_min=0):
        self.folder, self.link = folder, folder / "current"
        self.source, self.goal, self.older = (self.release(name) for name in ("v2", "v1", "v0"))
        self.link.symlink_to("v2.bin")
        self.clock = ManualClock(self.source.path.stat().st_ctime)
        self.seals = Seals(self.clock, 2 * AGE_MAX_S)
        self.staging = Staging(folder, rehash_max=rehash_max, seals=self.seals)
        under = Link(self.link, seals=self.seals)
        self.ahead = Ahead(under, self.staging, self.clock, Pace(rate, AGE_MAX_S, free_min))
        self.target = SymlinkTarget(under, self.nothing, self.staging)
        self.read = []

    def release(self, name):
        path = self.folder / f"{name}.bin"
        path.write_bytes(f"checkpoint {name}".encode())
        return Release(BundleId(f"sha256:{name}"), name, digest_at(path), path)

    async def nothing(self):
        pass

    def pass_(self, goal=None, after_s=SETTLE_S + 1.0):
        """One pass, so much later that what was made before has settled."""
        made = [marked(path).newest_s for path in (self.source.path, *self.staging.copies())]
        self.clock.step(max(self.clock.now(), *made) + after_s)
        self.ahead.keep(goal or self.goal)
        return self.ahead.kept

    def at_hand(self, goal=None):
        """The copy, made and sealed."""
        self.pass_(goal)
        assert self.pass_(goal).ready
        return self.staging.path((goal or self.goal).digest)

    def roll_back(self):
        asyncio.run(self.target.stage(self.goal))
        return asyncio.run(self.target.switch(self.source, self.goal))

    def counting(self, monkeypatch):
        def counted(path, *rest, original=digest_at):
            self.read.append(path)
            return original(path, *rest)

        monkeypatch.setattr(seals, "digest_at", counted)

    def flip(self, copy):
        """Change one byte, and put back what its owner can put back."""
        was, probe = copy.stat(), self.folder / "probe"
        probe.write_bytes(b"")
        while probe.stat().st_ctime_ns <= was.st_ctime_ns:
            probe.touch()
        copy.chmod(0o644)
        with copy.open("r+b") as file:
            file.write(b"C")
        copy.chmod(was.st_mode)
        os.utime(copy, ns=(was.st_atime_ns, was.st_mtime_ns))

    def there(self):
        return sorted(path.name for path in self.staging.folder.iterdir() if path.name != staging.LOCK)


@pytest.fixture
def volume(tmp_path):
    return Volume(tmp_path)


def test_the_copy_is_made_in_one_pass_and_known_after_another(volume):
    first, second = volume.pass_(), volume.pass_()
    assert (first.copies, first.ready, first.verified) == (1, False, None)
    assert (second.copies, second.ready, second.verified) == (1, True, volume.clock.now())
    assert second.size == volume.goal.path.stat().st_size
    assert not second.failures


def test_a_rollback_then_reads_nothing_of_a_large_checkpoint(volume, monkeypatch):
    copy = volume.at_hand()
    volume.counting(monkeypatch)
    assert asyncio.run(volume.target.place(volume.source, volume.goal)).value == "source"
    assert volume.roll_back() is True
    assert (volume.read, volume.link.resolve()) == ([], copy)


def test_a_small_copy_is_read_twice_all_the_same(tmp_path, monkeypatch):
    volume = Volume(tmp_path, rehash_max=1 << 20)
    copy = volume.at_hand()
    volume.counting(monkeypatch)
    volume.roll_back()
    assert volume.read == [copy, copy]


def test_without_a_seal_all_of_a_large_copy_is_read_as_after_a_restart(volume, monkeypatch):
    copy = volume.at_hand()
    volume.seals._seals.clear()
    volume.counting(monkeypatch)
    volume.roll_back()
    assert volume.read == [copy, volume.source.path]


def test_a_seal_that_is_too_old_is_none(volume, monkeypatch):
    copy = volume.at_hand()
    volume.clock.step(volume.clock.now() + 2 * AGE_MAX_S + 1.0)
    volume.counting(monkeypatch)
    volume.roll_back()
    assert copy in volume.read


def test_a_copy_is_read_again_when_its_time_has_come(volume, monkeypatch):
    copy = volume.at_hand()
    volume.counting(monkeypatch)
    volume.pass_()
    assert volume.read == []
    assert volume.pass_(after_s=AGE_MAX_S).verified == volume.clock.now()
    assert volume.read == [copy, volume.source.path]


def _half(volume, copy):
    copy.chmod(0o644)
    os.truncate(copy, 3)
    copy.chmod(0o444)


def _another_inode(volume, copy):
    copy.unlink()
    copy.write_bytes(b"checkpoint v1, poisoned"[: len(b"checkpoint v1")][::-1])
    copy.chmod(0o444)


SPOILT = [Volume.flip, _half, _another_inode]


@pytest.mark.parametrize("spoil", SPOILT, ids=lambda spoil: spoil.__name__)
def test_a_large_copy_that_was_touched_after_it_was_sealed_is_not_switched_to(volume, spoil):
    copy = volume.at_hand()
    asyncio.run(volume.target.stage(volume.goal))
    spoil(volume, copy)
    with pytest.raises(Unfit):
        asyncio.run(volume.target.switch(volume.source, volume.goal))
    assert volume.link.resolve() == volume.source.path


@pytest.mark.parametrize("spoil", SPOILT, ids=lambda spoil: spoil.__name__)
def test_a_rollback_that_finds_a_touched_copy_makes_it_anew(volume, spoil):
    spoil(volume, volume.at_hand())
    assert volume.roll_back() is True
    assert volume.link.read_bytes() == b"checkpoint v1"


@pytest.mark.parametrize("spoil", SPOILT, ids=lambda spoil: spoil.__name__)
def test_a_pass_that_finds_a_touched_copy_tells_it_and_makes_it_anew(volume, spoil):
    copy = volume.at_hand()
    spoil(volume, copy)
    volume.pass_()
    assert volume.ahead.kept.failures == {Trouble.CHANGED: 1}
    assert volume.there() == sorted([copy.name, f"{staging.REFUSED}{copy.name}"])
    assert volume.at_hand().read_bytes() == b"checkpoint v1"


def test_the_copy_follows_the_target(volume):
    first, second = volume.at_hand(), volume.at_hand(volume.older)
    assert (first != second, volume.there()) == (True, sorted([first.name, second.name]))


def test_without_a_target_nothing_is_made_and_nothing_is_said_to_be_ready(volume):
    volume.ahead.keep(None)
    assert (volume.ahead.kept.copies, volume.ahead.kept.ready) == (0, None)


def test_without_a_pace_nothing_is_made_and_what_is_there_is_told(volume):
    volume.at_hand()
    idle = Ahead(volume.ahead.link, volume.staging, volume.clock, None)
    idle.keep(volume.older)
    assert (idle.kept.copies, idle.kept.ready) == (1, False)


def test_a_volume_without_room_is_told_and_a_rollback_still_makes_its_copy(tmp_path):
    volume = Volume(tmp_path, free_min=1 << 60)
    assert volume.pass_().failures == {Trouble.NO_ROOM: 1}
    assert volume.there() == []
    assert volume.roll_back() is True


def test_a_disk_that_is_full_half_way_leaves_nothing(volume, monkeypatch):
    with Path("/dev/full").open("wb", buffering=0) as full:
        monkeypatch.setattr(copies._Written, "write", lambda _, data: copies.written(full.fileno(), data))
        assert volume.pass_().failures == {Trouble.NO_ROOM: 1}
    assert volume.there() == []


def test_what_failed_is_tried_again_later_and_later(volume):
    volume.goal.path.write_bytes(b"poison")
    told = [
        volume.pass_(after_s=pause).failures[Trouble.REFUSED] for pause in (0.0, RETRY_S - 1, 1.0, RETRY_S, RETRY_S)
    ]
    assert told == [1, 1, 2, 2, 3]


def test_another_target_does_not_wait_for_that(volume):
    volume.goal.path.write_bytes(b"poison")
    volume.pass_()
    volume.pass_(volume.older)
    assert volume.there() == [volume.staging.path(volume.older.digest).name]


@pytest.mark.parametrize("link", [None, "nowhere"])
def test_a_pass_never_raises(volume, link):
    volume.link.unlink()
    if link:
        volume.link.symlink_to(link)
    assert sum(volume.pass_().failures.values()) >= (link is None)


def test_a_file_where_copies_would_lie_is_told_and_ends_no_pass(volume):
    volume.staging.folder.write_bytes(b"")
    assert volume.pass_().failures == {Trouble.REFUSED: 1}


def test_two_links_of_one_directory_keep_copies_of_their_own(tmp_path):
    volume = Volume(tmp_path)
    one, other = (Staging(tmp_path, seals=volume.seals, name=name) for name in ("fraud", "churn"))
    with one._alone():
        other.stage(volume.goal, volume.source.path)
    for release in (volume.goal, volume.older, volume.release("v3"), volume.release("v4")):
        one.stage(release, volume.source.path)
    assert other.path(volume.goal.digest).read_bytes() == b"checkpoint v1"


def test_a_copy_that_a_rollback_was_given_is_not_set_aside_by_what_is_read_again(volume):
    copy = volume.at_hand()
    asyncio.run(volume.target.stage(volume.goal))
    volume.flip(copy)
    assert volume.pass_().failures == {Trouble.REFUSED: 1}
    assert copy.exists()


@pytest.fixture
def slow(tmp_path):
    """A copy of v1 that is being made ahead, so slowly that it never ends by itself."""
    volume = Volume(tmp_path, rate=NEVER)
    volume.staging._hurry = Noted()
    thread = threading.Thread(target=volume.ahead.keep, args=(volume.goal,))
    thread.start()
    assert volume.staging._hurry.waited.wait(JOIN_S)
    yield volume
    volume.ahead.close()
    thread.join(JOIN_S)
    assert not thread.is_alive()


def test_what_is_made_ahead_keeps_to_its_rate(volume, monkeypatch):
    waited = []
    monkeypatch.setattr(volume.staging._hurry, "wait", waited.append)
    pace = Pace(1 << 20, AGE_MAX_S, 0)
    volume.staging.stage_ahead(volume.goal, volume.source.path, pace)
    assert sum(waited) == pytest.approx(volume.goal.path.stat().st_size / pace.rate)


def test_a_large_copy_goes_to_the_disk_piece_by_piece(volume, monkeypatch):
    synced, sync = [], os.fdatasync
    monkeypatch.setattr(copies, "PIECE_BYTES", 1)
    monkeypatch.setattr(os, "fdatasync", lambda file: synced.append(sync(file)))
    assert volume.at_hand().read_bytes() == b"checkpoint v1"
    assert synced


def test_a_rollback_waits_for_the_copy_it_wants_which_hurries(slow):
    inode = (slow.staging.folder / staging.DRAFT).stat().st_ino
    slow.staging.stage(slow.goal, slow.source.path)
    assert slow.staging.path(slow.goal.digest).stat().st_ino == inode


def test_while_a_copy_is_made_what_is_told_is_of_the_target_of_now(slow):
    assert (slow.ahead.kept.copies, slow.ahead.kept.ready) == (0, False)


def test_a_rollback_to_something_else_ends_the_copy(slow):
    slow.staging.stage(slow.older, slow.source.path)
    assert slow.there() == [slow.staging.path(slow.older.digest).name]


def test_a_daemon_that_stops_ends_it_too(tmp_path):
    volume = Volume(tmp_path, rate=NEVER)
    volume.staging.close()
    with pytest.raises(GivenUp):
        volume.staging.stage_ahead(volume.goal, volume.source.path, Pace(NEVER, AGE_MAX_S, 0))
    assert volume.there() == []


def test_while_another_process_makes_copies_none_is_made(volume):
    with Staging(volume.folder)._alone():
        assert volume.pass_().failures == {Trouble.UNREADABLE: 1}
        with pytest.raises(Transient):
            asyncio.run(volume.target.stage(volume.goal))
    assert volume.roll_back() is True


def test_what_a_rollback_was_promised_is_not_removed_for_what_is_made_ahead(volume):
    promised = volume.at_hand()
    asyncio.run(volume.target.stage(volume.goal))
    for i in range(4):
        volume.pass_(volume.release(f"later {i}"))
    assert promised.exists()
    assert len(volume.staging.copies()) == staging.COPIES_MAX


@pytest.mark.parametrize("copies_max", [3, 5])
def test_so_many_copies_are_kept(tmp_path, copies_max):
    volume = Volume(tmp_path)
    volume.staging._copies_max = copies_max
    for i in range(7):
        volume.pass_(volume.release(f"later {i}"))
    assert len(volume.staging.copies()) == copies_max == volume.ahead.kept.copies


def test_a_copy_that_is_not_there_is_unfit(volume):
    with pytest.raises(Permanent):
        volume.staging.check(volume.goal.digest)
