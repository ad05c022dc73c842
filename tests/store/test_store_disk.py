"""The real file operations: what they ask of the kernel, and in which order."""

import os
import stat

import pytest
from storeworld import receipts

from monitor.store.disk import Disk, SyncFailed, lock
from monitor.store.runs import shape_of, write_run


@pytest.fixture
def asked(monkeypatch):
    """What the kernel was asked to bring to disk: "file" or "directory", and the renamings between."""
    calls = []

    def fsync(descriptor):
        calls.append("directory" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")

    real = Disk.rename
    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Disk, "rename", lambda disk, old, new: (calls.append("rename"), real(disk, old, new)))
    return calls


def test_a_file_is_on_disk_before_it_has_its_name_and_the_name_before_anyone_is_told(tmp_path, asked):
    of = receipts(1, 2)
    write_run(Disk(), tmp_path / "r", shape_of(of.hashes, of.records), [(of.hashes, of.records)])
    assert asked == ["file", "rename", "directory"]


def test_a_failing_fsync_has_an_error_of_its_own(tmp_path, monkeypatch):
    def fail(descriptor):
        raise OSError(5, "input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(SyncFailed):
        Disk().sync_directory(tmp_path)


def test_a_failing_fdatasync_is_final_as_well(tmp_path, monkeypatch):
    def fail(descriptor):
        raise OSError(5, "input/output error")

    monkeypatch.setattr(os, "fdatasync", fail)
    with pytest.raises(SyncFailed):
        Disk().sync_data(0)


def test_a_file_to_be_written_over_keeps_its_bytes_until_then(tmp_path):
    (tmp_path / "f").write_bytes(b"old")
    descriptor = Disk().reopen(tmp_path / "f")
    Disk().write(descriptor, memoryview(b"n"), 0)
    os.close(descriptor)
    assert (tmp_path / "f").read_bytes() == b"nld"


def test_a_short_write_is_continued(tmp_path, monkeypatch):
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, offset: real(fd, data[:3], offset))
    descriptor = Disk().create(tmp_path / "f")
    Disk().write(descriptor, memoryview(b"0123456789"), 2)
    os.close(descriptor)
    assert (tmp_path / "f").read_bytes() == b"\0\0" + b"0123456789"


def test_files_are_for_their_owner_alone(tmp_path):
    for descriptor in (Disk().create(tmp_path / "f"), lock(tmp_path / "lock")):
        assert stat.S_IMODE(os.fstat(descriptor).st_mode) == 0o600
        os.close(descriptor)


def test_what_is_gone_may_be_removed(tmp_path):
    Disk().remove(tmp_path / "gone")
