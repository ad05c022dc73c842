"""The digest of a checkpoint of several files: everything in the directory, and nothing but regular files."""

import hashlib
import json
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.errors import Permanent, Transient
from monitor.rollback import tree
from monitor.rollback.tree import Part, combine, digest_at, files_in


def sha256(body):
    return "sha256:" + hashlib.sha256(body).hexdigest()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "m" / "b").mkdir(parents=True)
    (tmp_path / "m" / "a").write_bytes(b"a")
    (tmp_path / "m" / "b" / "c").write_bytes(b"cc")
    return tmp_path / "m"


def test_is_the_digest_of_the_sorted_list(folder):
    listed = [["a", sha256(b"a"), 1], ["b/c", sha256(b"cc"), 2]]
    assert digest_at(folder) == sha256(json.dumps(listed, separators=(",", ":")).encode())


def test_one_file_is_its_own_digest_wherever_it_lies(folder):
    (folder / "b" / "c").unlink()
    assert digest_at(folder) == digest_at(folder / "a") == sha256(b"a")


@given(st.permutations([Part("a", sha256(b"a"), 1), Part("b", sha256(b"b"), 1), Part("b/c", sha256(b"c"), 1)]))
def test_the_order_of_files_does_not_show(parts):
    assert combine(parts) == combine(sorted(parts))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["a", "b/c", "b/d", "e"]), st.binary(min_size=3, max_size=5))
def test_any_change_shows(folder, name, body):
    (folder / "b" / "c").write_bytes(b"cc")
    (folder / "a").write_bytes(b"a")
    before, held = digest_at(folder), set(files_in(folder))
    (folder / name).write_bytes(body)
    assert digest_at(folder) != before
    if name not in held:
        (folder / name).unlink()


@pytest.mark.parametrize("made", [lambda p: p.symlink_to("a"), os.mkfifo, lambda p: p.symlink_to("b")])
def test_what_is_no_regular_file_is_refused(folder, made):
    made(folder / "odd")
    with pytest.raises(Permanent, match="no regular file"):
        digest_at(folder)


def test_a_directory_behind_a_link_is_refused(folder):
    (folder.parent / "link").symlink_to("m")
    with pytest.raises(Permanent):
        digest_at(folder.parent / "link")


def test_an_empty_directory_is_no_checkpoint(tmp_path):
    with pytest.raises(Permanent, match="holds no file"):
        digest_at(tmp_path)


def test_what_is_not_there_is_refused(tmp_path):
    with pytest.raises(Permanent):
        digest_at(tmp_path / "gone")
    with pytest.raises(Transient):
        files_in(tmp_path / "gone")


def test_files_and_depth_have_a_bound(folder, monkeypatch):
    monkeypatch.setattr(tree, "FILES_MAX", 1)
    with pytest.raises(Permanent, match="more than 1 files"):
        files_in(folder)
    monkeypatch.setattr(tree, "DEPTH_MAX", 0)
    with pytest.raises(Permanent, match="deeper"):
        files_in(folder)
