"""A digest is known without a second reading while nobody touched what was read: everything that counts as touching."""

import os

import pytest

from monitor.clock import ManualClock
from monitor.errors import Permanent
from monitor.rollback.targets import seals
from monitor.rollback.targets.seals import SEALS_MAX, SETTLE_S, Seals, marked
from monitor.rollback.tree import DEPTH_MAX, digest_at

VALID_S = 3_600.0


class Volume:
    """A checkpoint of several files, and a clock on which they are old."""

    def __init__(self, folder):
        self.path, self.file = folder / "checkpoint", folder / "checkpoint" / "inner" / "weights"
        self.file.parent.mkdir(parents=True)
        self.file.write_bytes(b"weights")
        (self.path / "tokens").write_bytes(b"tokens")
        self.clock = ManualClock(marked(self.path).newest_s + SETTLE_S)
        self.seals = Seals(self.clock, VALID_S)

    def tick(self):
        """Let the file system's clock go on, so that what is done next bears another time than what was done."""
        probe, before = self.path.with_name("probe"), marked(self.path).newest_s
        probe.write_bytes(b"")
        while probe.stat().st_ctime <= before:
            probe.touch()
        return self


@pytest.fixture
def volume(tmp_path):
    return Volume(tmp_path)


def test_what_was_read_is_known_without_another_reading(volume, monkeypatch):
    digest = volume.seals.read(volume.path)
    monkeypatch.setattr(seals, "digest_at", None)  # whoever reads again fails
    assert volume.seals.digest(volume.path) == digest == digest_at(volume.path)


def test_what_was_never_read_is_not_known(volume):
    assert volume.seals.seal(volume.path) is None
    assert volume.seals.digest(volume.path) == digest_at(volume.path)


def _flipped(volume):
    was = volume.file.stat()
    with volume.file.open("r+b") as file:
        file.write(b"W")
    os.utime(volume.file, ns=(was.st_atime_ns, was.st_mtime_ns))


def _cut(volume):
    os.truncate(volume.file, 3)


def _replaced(volume):
    was = volume.file.stat()
    other = volume.file.with_name("other")
    other.write_bytes(volume.file.read_bytes())
    os.utime(other, ns=(was.st_atime_ns, was.st_mtime_ns))
    other.rename(volume.file)


def _opened_to_others(volume):
    volume.file.chmod(0o666)


def _another_name(volume):
    os.link(volume.file, volume.path.with_name("another"))


def _one_more(volume):
    (volume.path / "extra").write_bytes(b"")


def _one_less(volume):
    (volume.path / "tokens").unlink()


def _gone(volume):
    volume.path.rename(volume.path.with_name("elsewhere"))


TOUCHES = [_flipped, _cut, _replaced, _opened_to_others, _another_name, _one_more, _one_less, _gone]


@pytest.mark.parametrize("touch", TOUCHES, ids=lambda touch: touch.__name__)
def test_whatever_is_touched_breaks_the_seal(volume, touch):
    volume.seals.read(volume.path)
    touch(volume.tick())
    assert volume.seals.seal(volume.path) is None


def test_what_was_touched_in_the_last_seconds_is_not_sealed(volume):
    volume.clock.step(volume.clock.now() - 1.0)
    assert (volume.seals.settled(volume.path), volume.seals.read(volume.path)) == (False, digest_at(volume.path))
    assert volume.seals.seal(volume.path) is None


def test_nor_is_what_is_touched_while_it_is_read(volume):
    volume.tick()
    volume.seals.read(volume.path, progress=lambda _: volume.file.touch())
    assert volume.seals.seal(volume.path) is None


def test_a_seal_ends_with_its_time(volume):
    volume.seals.read(volume.path)
    volume.clock.step(volume.clock.now() + VALID_S)
    assert volume.seals.seal(volume.path) is not None
    assert volume.seals.seal(volume.path, within_s=VALID_S - 1.0) is None
    volume.clock.step(volume.clock.now() + 1.0)
    assert volume.seals.seal(volume.path) is None


def test_a_reading_that_finds_other_bytes_is_what_counts(volume):
    before = volume.seals.read(volume.path)
    _flipped(volume.tick())
    volume.clock.step(marked(volume.path).newest_s + SETTLE_S)
    after = volume.seals.read(volume.path)
    assert volume.seals.seal(volume.path).digest == after != before


def test_what_cannot_be_read_is_said_as_by_any_reading(volume):
    with pytest.raises(Permanent):
        volume.seals.digest(volume.path / "nothing")


def test_so_many_are_remembered_and_no_more(volume):
    paths = [volume.path.with_name(f"{i}.bin") for i in range(SEALS_MAX + 1)]
    for path in paths:
        path.write_bytes(b"x")
    volume.clock.step(max(marked(path).newest_s for path in paths) + SETTLE_S)
    for path in paths:
        volume.seals.read(path)
    assert [volume.seals.seal(path) is None for path in paths] == [True] + [False] * SEALS_MAX


def test_a_mark_counts_the_bytes_of_files(volume):
    assert marked(volume.path).size == len(b"weights") + len(b"tokens")


def test_a_tree_that_is_too_deep_for_a_checkpoint_is_refused_and_ends_nobody(volume):
    deep = volume.path
    for _ in range(DEPTH_MAX + 1):
        deep /= "d"
        deep.mkdir()
    with pytest.raises(OSError, match="more than a checkpoint may hold"):
        marked(volume.path)
    with pytest.raises(Permanent):
        volume.seals.read(volume.path)
    assert volume.seals.seal(volume.path) is None


def test_so_are_more_files_than_it_may_hold(volume, monkeypatch):
    monkeypatch.setattr(seals, "FILES_MAX", 2)
    for i in range(5):
        (volume.path / str(i)).touch()
    with pytest.raises(OSError, match="more than a checkpoint may hold"):
        marked(volume.path)
