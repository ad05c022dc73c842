"""The release index and the reference profiles: read again when they change, and the last good ones stay in force."""

import os

import numpy as np
import pytest
import released
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from structlog.testing import capture_logs
from world import MODEL, SCHEMA, profile, reference

from monitor.errors import SettingsError, Transient
from monitor.facts import BundleStatus, ModelName, Schema, Task
from monitor.panes.build import HistoryBatch, build_reference
from monitor.panes.reference import digest, encode_reference, schema_digest
from monitor.panes.rows import Predictions
from monitor.rollback.release import read
from monitor.rollback.release.document import encode
from monitor.rollback.signing import Purpose
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


def releases(home, **more):
    index = home / "releases.json"
    return Releases(index, MODEL, Shelf(home / "state" / "references"), belief=released.belief(index), **more)


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
    replace_file(path, "x" * before.st_size)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert found.refreshed(bundles) is bundles
    assert "never signed" in found.problem


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


@pytest.mark.parametrize("classes", [("maybe", "no", "yes"), ("yes", "no")], ids=["one more", "another order"])
def test_a_bundle_of_other_classes_is_refused_while_the_daemon_runs(home, classes):
    found = releases(home)
    bundles = found.load()
    (home / "v2.ref").write_bytes(encode_reference(profile(replace(SCHEMA, classes=classes)).reference))
    register(home, "v2")
    assert found.refreshed(bundles) is bundles
    assert f"v1 has 2: no, yes; v2 has {len(classes)}: {', '.join(classes)}" in found.problem


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


# ---------------------------------------------------------------- what is remembered


def put_back(home, body):
    """Write an index over the present one, as somebody does who may write the file."""
    (home / "releases.json").write_bytes(body)


def test_an_old_index_keeps_the_newer_one_and_says_so(home):
    old, found = (home / "releases.json").read_bytes(), releases(home)
    register(home, "v2")
    bundles = found.load()
    put_back(home, old)
    assert found.refreshed(bundles) is bundles
    assert "an old index was put back" in found.problem


def test_what_was_seen_is_stored_before_it_is_in_force_and_outlives_the_daemon(home):
    old, stored = (home / "releases.json").read_bytes(), []
    register(home, "v2")
    found = releases(home, remember=stored.append)
    found.load()
    put_back(home, old)
    with pytest.raises(SettingsError, match="an old index was put back"):
        releases(home, memory=stored[-1]).load()


def test_an_index_that_cannot_be_remembered_is_not_in_force(home):
    def full(_):
        raise Transient("the disk is full")

    found = releases(home, remember=full)
    with pytest.raises(Transient):
        found.load()
    assert (found.expires, found.memory.serial) == (None, 0)


class Disk:
    """Remembers what it is given, but not while it fails."""

    def __init__(self):
        self.error, self.kept = None, []

    def remember(self, memory):
        if self.error:
            raise self.error
        self.kept.append(memory)


def revoked_meanwhile(home, error):
    """An index in force that approves of v2, and the one that revokes it comes while the store fails."""
    register(home, "v2", BundleStatus.KNOWN_GOOD)
    disk = Disk()
    found = releases(home, remember=disk.remember)
    bundles = found.load()
    released.set_status(home / "releases.json", bundles[-1].id, BundleStatus.REVOKED)
    disk.error = error
    return found, bundles, disk


def test_an_index_that_cannot_be_remembered_keeps_the_last_good_one_and_says_so(home):
    found, bundles, _ = revoked_meanwhile(home, Transient("state.db: database or disk is full"))
    with capture_logs() as logs:
        for _ in range(3):
            assert found.refreshed(bundles) is bundles
    assert "cannot be remembered: state.db: database or disk is full" in found.problem
    assert [event["event"] for event in logs] == ["releases.refused"]


def test_a_revocation_that_could_not_be_remembered_is_taken_up_when_it_can(home):
    found, bundles, disk = revoked_meanwhile(home, Transient("the disk is full"))
    found.refreshed(bundles)
    disk.error = None
    statuses = [bundle.status for bundle in found.refreshed(bundles)]
    assert (statuses, found.problem) == ([BundleStatus.KNOWN_GOOD, BundleStatus.REVOKED], "")
    assert disk.kept[-1].revoked == (bundles[-1].id,)


def test_whoever_is_about_to_switch_does_not_get_the_index_of_before_while_the_new_one_cannot_be_remembered(home):
    found, bundles, disk = revoked_meanwhile(home, Transient("the disk is full"))
    found.refreshed(bundles)
    with pytest.raises(Transient):
        found.read()
    disk.error = None
    assert found.read().no_target(bundles[-1].id, released.NOW) == "it is revoked"


def test_an_index_over_which_something_unforeseen_happened_is_read_again(home):
    found, bundles, disk = revoked_meanwhile(home, ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        found.refreshed(bundles)
    disk.error = None
    assert found.refreshed(bundles)[-1].status is BundleStatus.REVOKED


def test_what_was_remembered_once_is_not_written_again(home):
    stored = []
    found = releases(home, remember=stored.append)
    found.load()
    found.load()
    assert len(stored) == 1


def test_an_index_that_nobody_trusted_signed_is_refused_while_the_daemon_runs(home):
    found = releases(home)
    bundles = found.load()
    document = read.load(home / "releases.json", released.belief(home / "releases.json")).document
    put_back(home, released.signer(home, "mallory").sign(Purpose.INDEX, encode(document)))
    assert found.refreshed(bundles) is bundles
    assert "nobody who is trusted" in found.problem


def test_an_expired_index_is_shown_and_gives_no_targets(home):
    wall = [released.NOW]
    found = releases(home, wall=lambda: wall[0])
    assert (found.expired, found.told()) == (False, {})
    bundles = found.load()
    assert (found.expired, found.told()["expired"]) == (False, False)
    wall[0] = found.expires
    assert (found.expired, found.told()["expired"], found.refreshed(bundles)) == (True, True, bundles)


def test_the_floor_is_the_highest_that_was_seen(home):
    found = releases(home)
    found.load()
    released.editor(home / "releases.json").refresh(floor=3)
    found.refreshed(())
    assert (found.floor, found.told()["floor"], found.told()["serial"]) == (3, 3, 4)


def test_a_bundle_is_told_with_what_it_is_fed_and_answers(home):
    register(home, "v2")
    schemas = [bundle.schema_digest for bundle in releases(home).load()]
    assert schemas[0] == schemas[1] == schema_digest(reference().schema)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=60), st.integers(0, 4000), st.integers(0, 200))
def test_whatever_the_file_holds_a_reload_never_raises(home, junk, at, cut):
    original = (home / "releases.json").read_bytes()
    found = releases(home)
    bundles = found.load()
    put_back(home, original[:at] + junk + original[at + cut :])
    found._seen = ()  # looked at again, though it was written within the clock's tick
    assert found.refreshed(bundles) == bundles
    put_back(home, original)


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
