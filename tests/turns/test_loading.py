"""The release index and the reference profiles: read again when they change, and the last good ones stay in force."""

import os

import numpy as np
import pytest
import released
from structlog.testing import capture_logs
from world import MODEL, reference

from monitor.errors import SettingsError
from monitor.facts import BundleStatus, ModelName, Schema, Task
from monitor.panes.build import HistoryBatch, build_reference
from monitor.panes.reference import digest, encode_reference
from monitor.panes.rows import Predictions
from monitor.turns import loading
from monitor.turns.loading import Releases, Shelf, shelved

V1, V2 = encode_reference(reference()), encode_reference(reference(edges=(0.0, 0.5, 2.0), seed=8))


@pytest.fixture
def home(tmp_path):
    """An index with one known-good bundle."""
    for name, body in (("v1", V1), ("v2", V2)):
        (tmp_path / f"{name}.ref").write_bytes(body)
        (tmp_path / f"{name}.model").write_text(name)
    released.create(tmp_path / "releases.json")
    register(tmp_path, "v1", BundleStatus.KNOWN_GOOD)
    return tmp_path


def register(home, name, status=BundleStatus.CANDIDATE, model=MODEL):
    index, wall = home / "releases.json", float(name[1:])
    return released.register(index, model, f"{name}.model", f"{name}.ref", wall=wall, status=status, name=name)


def releases(home):
    return Releases(home / "releases.json", MODEL, Shelf(home / "state" / "references"))


def numbers():
    """The profile of a model that predicts numbers."""
    values = np.linspace(0.0, 1.0, 100)
    schema = Schema(MODEL, (), task=Task.REGRESSION)
    rows = Predictions.unsent(
        {}, times=values, outputs=np.zeros(100, np.uint8), scores=np.full(100, np.nan), values=values
    )
    return encode_reference(build_reference(lambda: iter([HistoryBatch(rows, values)]), schema, lambda _: None))


def names(bundles):
    return [bundle.name for bundle in bundles]


def replace_file(path, text):
    """Write as a deployment does: another file under the name."""
    fresh = path.with_suffix(".fresh")
    fresh.write_text(text)
    fresh.replace(path)


# ---------------------------------------------------------------- the index


def test_an_index_that_did_not_change_is_not_read_again(home, monkeypatch):
    found = releases(home)
    bundles = found.load()
    monkeypatch.setattr(loading, "load", lambda *_: pytest.fail("it was read"))
    assert found.refreshed(bundles) is bundles


def test_a_bundle_registered_while_the_daemon_runs_is_taken_up_with_its_reference(home):
    found = releases(home)
    bundles = found.load()
    register(home, "v2")
    assert names(found.refreshed(bundles)) == ["v1", "v2"]
    assert set(found.shelf.layouts) == {digest(V1), digest(V2)}


def test_a_change_that_keeps_size_and_time_is_seen(home):
    found = releases(home)
    bundles = found.load()
    path = home / "releases.json"
    before = path.stat()
    replace_file(path, path.read_text().replace('"v1"', '"vx"'))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert names(found.refreshed(bundles)) == ["vx"]


@pytest.mark.parametrize("text", ["", "{", '{"format": "another"}', "\udc80", "[" * 100_000])
def test_a_broken_index_keeps_the_last_good_one_and_says_so(home, text):
    found = releases(home)
    bundles = found.load()
    (home / "releases.json").write_bytes(text.encode(errors="surrogateescape"))
    assert found.refreshed(bundles) is bundles
    assert "releases.json" in found.problem


def test_an_index_that_is_gone_keeps_the_last_good_one_and_says_so_and_its_return_is_seen(home):
    found = releases(home)
    bundles = found.load()
    hidden = (home / "releases.json").rename(home / "elsewhere")
    assert found.refreshed(bundles) is bundles
    assert found.problem
    hidden.rename(home / "releases.json")
    register(home, "v2")
    assert names(found.refreshed(bundles)) == ["v1", "v2"]
    assert found.problem == ""


def test_an_index_without_a_known_good_is_refused_and_the_last_one_stays(home):
    found = releases(home)
    [v1] = bundles = found.load()
    released.set_status(home / "releases.json", v1.id, BundleStatus.REVOKED)
    assert found.refreshed(bundles) is bundles
    assert "no known-good bundle" in found.problem
    with pytest.raises(SettingsError, match="tocsin bundle approve"):
        releases(home).load()


def test_a_bundle_of_another_task_is_refused_while_the_daemon_runs(home):
    found = releases(home)
    bundles = found.load()
    (home / "v2.ref").write_bytes(numbers())
    register(home, "v2")
    assert found.refreshed(bundles) is bundles
    assert "v1 is of classification, v2 is of regression" in found.problem


def test_bundles_of_other_models_are_left_alone(home):
    register(home, "v2", model=ModelName("other"))
    found = releases(home)
    assert names(found.load()) == ["v1"]
    assert set(found.shelf.layouts) == {digest(V1)}


def test_every_reference_that_cannot_be_used_is_named(home):
    register(home, "v2")
    (home / "v1.ref").write_bytes(V2)
    (home / "v2.ref").unlink()
    with pytest.raises(SettingsError) as refused:
        releases(home).load()
    assert {problem.path for problem in refused.value.problems} == {str(home / "v1.ref"), str(home / "v2.ref")}


def test_a_bundle_whose_reference_is_missing_does_not_displace_the_last_good_index(home):
    found = releases(home)
    bundles = found.load()
    register(home, "v2")
    (home / "v2.ref").unlink()
    assert found.refreshed(bundles) is bundles
    assert "v2.ref" in found.problem


def test_a_reference_that_comes_after_its_bundle_is_taken_up_when_it_comes(home):
    found = releases(home)
    bundles = found.load()
    register(home, "v2")
    hidden = (home / "v2.ref").rename(home / "on its way")
    with capture_logs() as logs:
        for _ in range(3):
            assert found.refreshed(bundles) is bundles
    assert [event["event"] for event in logs] == ["releases.refused"]
    hidden.rename(home / "v2.ref")
    assert (names(found.refreshed(bundles)), found.problem) == (["v1", "v2"], "")


def test_a_copy_that_cannot_be_written_is_a_problem_and_tried_again(home):
    (home / "state").write_text("in the way")
    found = releases(home)
    with pytest.raises(SettingsError):
        found.load()
    (home / "state").unlink()
    assert names(found.refreshed(())) == ["v1"]


# ---------------------------------------------------------------- the shelf


def test_a_copy_of_every_reference_is_kept_and_serves_when_the_original_is_gone(home):
    releases(home).load()
    (home / "v1.ref").unlink()
    shelf = Shelf(home / "state" / "references")
    shelved(shelf, [digest(V1), "", digest(V1)])
    assert set(shelf.layouts) == {digest(V1)}
    assert names(releases(home).load()) == ["v1"]


def test_a_reference_that_is_lost_is_said_by_its_place(home):
    with pytest.raises(SettingsError, match="references"):
        shelved(Shelf(home / "state" / "references"), ["sha256:" + "0" * 64])


def test_a_file_with_other_bytes_than_its_digest_is_refused_and_not_kept(home):
    shelf = Shelf(home / "state" / "references")
    with pytest.raises(SettingsError, match="is not the reference profile"):
        shelf.layout(digest(V1), home / "v2.ref")
    assert (shelf.layouts, list(home.glob("state/references/*"))) == ({}, [])


def test_a_copy_that_rotted_is_replaced_from_the_original(home):
    releases(home).load()
    [copy] = (home / "state" / "references").glob("*.json")
    copy.write_bytes(V2)
    assert Shelf(copy.parent).layout(digest(V1), home / "v1.ref").digest == digest(V1)
    assert copy.read_bytes() == V1


def test_a_copy_that_rotted_is_named_when_there_is_no_original(home):
    releases(home).load()
    [copy] = (home / "state" / "references").glob("*.json")
    copy.write_bytes(V2)
    with pytest.raises(SettingsError) as refused:
        shelved(Shelf(copy.parent), [digest(V1)])
    assert [problem.path for problem in refused.value.problems] == [str(copy)]


def test_a_file_that_is_no_reference_is_refused_whatever_its_digest(home):
    (home / "v1.ref").write_text("{}")
    with pytest.raises(SettingsError):
        Shelf(home / "state").layout(digest(b"{}"), home / "v1.ref")


def test_a_reference_is_read_up_to_a_bound(home, monkeypatch):
    monkeypatch.setattr(loading, "REFERENCE_BYTES_MAX", 100)
    with pytest.raises(SettingsError, match="larger than 100 bytes"):
        releases(home).load()


def test_a_copy_that_a_crash_left_half_is_not_taken_for_one(home):
    folder = home / "state" / "references"
    folder.mkdir(parents=True)
    (folder / f"{digest(V1).removeprefix('sha256:')}.draft").write_bytes(V1[:50])
    releases(home).load()
    assert Shelf(folder).layout(digest(V1)).digest == digest(V1)


def test_a_layout_is_built_once(home):
    shelf = Shelf(home / "state" / "references")
    assert shelf.layout(digest(V1), home / "v1.ref") is shelf.layout(digest(V1))
