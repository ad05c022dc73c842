import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.errors import Permanent, Transient
from monitor.rollback import digest
from monitor.rollback.digest import digest_beneath, digest_of, path_problem


def _sha256(body):
    return "sha256:" + hashlib.sha256(body).hexdigest()


@settings(derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary())
def test_is_the_sha256_of_the_bytes(tmp_path, body):
    (tmp_path / "f").write_bytes(body)
    assert digest_of(tmp_path / "f") == _sha256(body)


@pytest.mark.parametrize("size", [0, 1, 99, 100, 101, 250])
def test_chunks_do_not_show(tmp_path, size, monkeypatch):
    monkeypatch.setattr(digest, "CHUNK_BYTES", 100)
    (tmp_path / "f").write_bytes(b"x" * size)
    assert digest_of(tmp_path / "f") == _sha256(b"x" * size)


def test_a_file_in_a_folder_is_named_by_a_relative_path(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "f").write_bytes(b"x")
    assert digest_beneath(tmp_path, "a/b/f") == digest_beneath(tmp_path, "./a//b/./f") == _sha256(b"x")


@pytest.mark.parametrize("path", ["", ".", "/", "/etc/passwd", "..", "../f", "a/../../f", "a/..", "f\0", "f\0/../g"])
def test_a_path_that_leaves_its_directory_is_refused(tmp_path, path):
    (tmp_path / "f").write_bytes(b"x")
    assert path_problem(path)
    with pytest.raises(Permanent):
        digest_beneath(tmp_path / "inside", path)


def test_the_file_may_not_be_a_link(tmp_path):
    (tmp_path / "f").write_bytes(b"x")
    (tmp_path / "link").symlink_to("f")
    with pytest.raises(Permanent):
        digest_of(tmp_path / "link")


def test_no_folder_on_the_way_may_be_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "f").write_bytes(b"x")
    (tmp_path / "link").symlink_to("real")
    with pytest.raises(Permanent):
        digest_beneath(tmp_path, "link/f")


def test_the_directory_itself_may_be_reached_through_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "f").write_bytes(b"x")
    (tmp_path / "link").symlink_to("real")
    assert digest_beneath(tmp_path / "link", "f") == _sha256(b"x")


def _fifo(path):
    os.mkfifo(path)


@pytest.mark.parametrize("make", [os.mkdir, _fifo, lambda path: None, lambda path: path.symlink_to(path)])
def test_what_is_no_regular_file_is_refused_and_never_waited_for(tmp_path, make):
    make(tmp_path / "f")
    with pytest.raises(Permanent):
        digest_of(tmp_path / "f")


def test_a_device_is_refused():
    with pytest.raises(Permanent, match="regular"):
        digest_of(Path("/dev/zero"))


def test_more_bytes_than_the_cap_are_not_read(tmp_path):
    (tmp_path / "f").write_bytes(b"x" * 101)
    assert digest_of(tmp_path / "f", size_max=101)
    with pytest.raises(Permanent, match="larger"):
        digest_of(tmp_path / "f", size_max=100)


def test_a_disk_that_fails_is_transient(tmp_path, monkeypatch):
    (tmp_path / "f").write_bytes(b"x")

    def fails(*args):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "readv", fails)
    with pytest.raises(Transient):
        digest_of(tmp_path / "f")


def test_no_file_stays_open(tmp_path, opened):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "f").write_bytes(b"x")
    with (tmp_path / "a" / "f").open():
        assert len(opened()) == 1, "it would be seen"
    for name in ("a/f", "a/missing", "a/f/g", "missing/f", "a"):
        try:
            digest_beneath(tmp_path, name)
        except Permanent:
            continue
    assert opened() == []


def test_memory_stays_constant(tmp_path):
    (tmp_path / "f").touch()
    os.truncate(tmp_path / "f", 300 << 20)  # sparse
    code = (
        "import re, sys, pathlib\n"
        "from monitor.rollback.digest import digest_of\n"
        "def peak():  # ru_maxrss begins with what the process that started this one had: growth would not show\n"
        "    return int(re.search(r'VmHWM:\\s*(\\d+)', pathlib.Path('/proc/self/status').read_text())[1])\n"
        "before = peak()\n"
        "digest_of(pathlib.Path(sys.argv[1]))\n"
        "print(peak() - before)\n"
    )
    grown = subprocess.run([sys.executable, "-c", code, tmp_path / "f"], check=True, capture_output=True, text=True)
    assert int(grown.stdout) < 8 << 10  # kilobytes


@pytest.mark.parametrize(
    "body", [b"cos\nsystem\n(S'exit 1'\ntR.", b"\x80\x04.", b"PK\x03\x04" + b"\0" * 99, b"\x93NUMPY"]
)
def test_a_hostile_checkpoint_is_bytes(tmp_path, body):
    (tmp_path / "f").write_bytes(body)
    assert digest_of(tmp_path / "f") == _sha256(body)
