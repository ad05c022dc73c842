"""What is verified is what is installed: copies beside the link, and everything that is refused as one."""

import asyncio
import errno
import hashlib
import os
import shutil
import stat

import pytest

from monitor.errors import Permanent, Transient
from monitor.facts import BundleId
from monitor.rollback.targets import copies, staging, symlink
from monitor.rollback.targets.contract import Release, Unfit
from monitor.rollback.targets.staging import COPIES_MAX, Staging
from monitor.rollback.targets.symlink import Link, SymlinkTarget
from monitor.rollback.tree import digest_at


class Place:
    """A volume with a link to v2, and a target that goes to v1."""

    def __init__(self, folder):
        self.folder, self.link, self.staging = folder, folder / "current", Staging(folder)
        self.source, self.goal = self.file("v2"), self.file("v1")
        self.link.symlink_to("v2.bin")
        self.target = SymlinkTarget(Link(self.link), self.nothing, self.staging)

    def file(self, name):
        path = self.folder / f"{name}.bin"
        path.write_bytes(f"checkpoint {name}".encode())
        return self.release(path)

    def several(self, name):
        path = self.folder / name / "checkpoint"
        (path / "inner").mkdir(parents=True)
        for part in ("weights", "inner/tokens"):
            (path / part).write_bytes(f"{name} {part}".encode())
        return self.release(path)

    def release(self, path):
        return Release(BundleId(f"sha256:{path.name}"), path.name, digest_at(path), path)

    async def nothing(self):
        pass

    def stage(self, goal=None):
        asyncio.run(self.target.stage(goal or self.goal))
        return self.staging.path((goal or self.goal).digest)

    def switch(self, goal=None):
        return asyncio.run(self.target.switch(self.source, goal or self.goal))

    def there(self):
        return sorted(path.name for path in self.staging.folder.iterdir() if path.name != staging.LOCK)


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def test_the_link_names_the_copy_under_its_digest(place):
    copy = place.stage()
    assert place.switch() is True
    assert (place.link.resolve(), place.link.read_bytes()) == (copy, b"checkpoint v1")
    assert copy.name == hashlib.sha256(b"checkpoint v1").hexdigest()
    assert Link(place.link).observe() == place.goal.digest


def test_a_checkpoint_of_several_files_is_copied_as_it_is(place):
    goal = place.several("v3")
    copy = place.stage(goal)
    assert place.switch(goal) is True
    assert (place.link / "inner" / "tokens").read_bytes() == b"v3 inner/tokens"
    assert digest_at(copy) == goal.digest


def test_a_copy_cannot_be_written_and_is_read_by_those_who_read_the_original(place):
    place.goal.path.chmod(0o640)
    several = place.several("v3")
    copies = [place.stage(), *place.stage(several).rglob("*")]
    assert stat.S_IMODE(copies[0].stat().st_mode) == 0o440
    assert [path for path in copies if path.stat().st_mode & 0o222] == []


def test_what_happens_to_the_original_after_it_was_staged_changes_nothing(place):
    place.stage()
    place.goal.path.write_bytes(b"poison")
    assert place.switch() is True
    assert place.link.read_bytes() == b"checkpoint v1"


def test_an_original_that_was_exchanged_after_it_was_verified_is_refused(place):
    place.goal.path.write_bytes(b"poison")
    with pytest.raises(Unfit, match="approved"):
        place.stage()
    assert place.there() == []


def test_an_original_that_became_a_link_is_refused(place):
    place.goal.path.rename(place.folder / "real")
    place.goal.path.symlink_to("real")
    with pytest.raises(Permanent):
        place.stage()
    assert place.there() == []


def test_what_was_never_staged_is_not_switched_to(place):
    with pytest.raises(Unfit):
        place.switch()
    assert str(place.link.readlink()) == "v2.bin"


def _swapped(copy):
    copy.unlink()
    copy.write_bytes(b"poison")
    copy.chmod(0o444)


def _rewritten(copy):
    copy.chmod(0o644)
    copy.write_bytes(b"poison")
    copy.chmod(0o444)


def _removed(copy):
    copy.unlink()


def _half(copy):
    copy.chmod(0o644)
    os.truncate(copy, 3)
    copy.chmod(0o444)


def _a_link(copy):
    copy.rename(copy.with_name("real"))
    copy.symlink_to("real")


def _another_name(copy):
    os.link(copy, copy.with_name("another"))


def _writable(copy):
    copy.chmod(0o666)


def _somebody_elses(copy):
    if os.geteuid():
        pytest.skip("only root gives files away")
    os.chown(copy, 12_345, -1)


def _a_directory(copy):
    copy.unlink()
    copy.mkdir(0o555)


def _folder_for_all(copy):
    copy.parent.chmod(0o777)


def _folder_elsewhere(copy):
    copy.parent.rename(copy.parent.with_name("elsewhere"))
    copy.parent.symlink_to("elsewhere")


SPOILT = [_swapped, _rewritten, _half, _a_link, _another_name, _writable, _somebody_elses, _a_directory]
FOLDER_SPOILT = [_folder_for_all, _folder_elsewhere]


@pytest.mark.parametrize("spoil", [*SPOILT, *FOLDER_SPOILT, _removed], ids=lambda spoil: spoil.__name__)
def test_a_copy_that_is_not_as_it_was_made_is_not_switched_to(place, spoil):
    spoil(place.stage())
    with pytest.raises(Unfit):
        place.switch()
    assert str(place.link.readlink()) == "v2.bin"


@pytest.mark.parametrize("spoil", SPOILT, ids=lambda spoil: spoil.__name__)
def test_nor_is_it_believed_when_the_same_is_staged_again_but_made_anew(place, spoil):
    copy = place.stage()
    spoil(copy)
    assert place.stage().read_bytes() == b"checkpoint v1"
    assert os.path.lexists(place.staging.folder / f"{staging.REFUSED}{copy.name}"), "a person should see it"
    assert place.switch() is True


@pytest.mark.parametrize("spoil", FOLDER_SPOILT, ids=lambda spoil: spoil.__name__)
def test_nothing_is_made_where_somebody_else_may_write(place, spoil):
    copy = place.stage()
    spoil(copy)
    with pytest.raises(Unfit):
        place.stage()
    assert os.path.lexists(copy), "a person should see it"


def test_what_the_link_names_is_never_set_aside(place):
    copy = place.stage()
    place.switch()
    _rewritten(copy)
    with pytest.raises(Unfit):
        place.stage()
    assert (place.link.read_bytes(), place.there()) == (b"poison", [copy.name])


def test_of_what_was_refused_the_last_is_kept(place):
    for _ in range(3):
        _rewritten(place.stage())
        copy = place.stage()
    assert place.there() == sorted([copy.name, f"{staging.REFUSED}{copy.name}"])


def test_a_spoilt_copy_of_a_bundle_that_is_spoilt_too_stays_refused(place):
    _rewritten(place.stage())
    place.goal.path.write_bytes(b"poison")
    with pytest.raises(Unfit, match="approved"):
        place.stage()
    with pytest.raises(Unfit, match="not there"):
        place.switch()


def test_a_file_too_many_in_a_copy_is_refused(place):
    goal = place.several("v3")
    copy = place.stage(goal)
    copy.chmod(0o755)
    (copy / "extra").write_bytes(b"poison")
    (copy / "extra").chmod(0o444)
    copy.chmod(0o555)
    with pytest.raises(Unfit, match="other bytes"):
        place.switch(goal)


@pytest.mark.parametrize("left", ["file", "link", "directory"])
def test_half_a_copy_that_a_killed_life_left_is_swept(place, left):
    place.staging.folder.mkdir(0o755)
    draft = place.staging.folder / staging.DRAFT
    if left == "directory":
        shutil.copytree(place.several("v3").path, draft)
    else:
        draft.write_bytes(b"half") if left == "file" else draft.symlink_to(place.goal.path)
    copy = place.stage()
    assert (place.there(), copy.read_bytes()) == ([copy.name], b"checkpoint v1")
    assert place.goal.path.read_bytes() == b"checkpoint v1"


def test_a_full_disk_leaves_nothing_and_is_worth_another_try(place, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(copies, "_like", full)
        with pytest.raises(Transient, match="No space left"):
            place.stage()
    assert place.there() == []
    assert place.stage().read_bytes() == b"checkpoint v1"


def test_the_oldest_copies_go_and_never_the_linked_one(place):
    linked = place.stage()
    place.switch()
    for name in ("a", "b", "c", "d", "e"):
        latest = place.stage(place.file(name))
    assert len(place.there()) == COPIES_MAX
    assert {linked.name, latest.name} <= set(place.there())
    assert place.link.read_bytes() == b"checkpoint v1"


def test_staging_twice_makes_one_copy(place):
    first = place.stage().stat()
    assert (place.stage().stat(), len(place.there())) == (first, 1)


def test_a_switch_killed_right_after_the_exchange_is_finished(place, monkeypatch):
    class Killed(BaseException):
        pass

    def exchange(one, other, original=symlink.exchange):
        original(one, other)
        raise Killed

    copy = place.stage()
    with monkeypatch.context() as patch:
        patch.setattr(symlink, "exchange", exchange)
        with pytest.raises(Killed):
            Link(place.link).switch(copy, place.source.digest, place.goal.digest)
    assert asyncio.run(place.target.place(place.source, place.goal)).value == "target"
    assert not (place.folder / ".current.tocsin-next").is_symlink()


def test_without_staging_the_link_names_the_bundles_own_file(place):
    target = SymlinkTarget(Link(place.link), place.nothing)
    asyncio.run(target.stage(place.goal))
    assert asyncio.run(target.switch(place.source, place.goal)) is True
    assert (str(place.link.readlink()), place.staging.folder.exists()) == ("v1.bin", False)
