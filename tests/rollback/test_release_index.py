import hashlib
import json
import os
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from monitor.errors import Permanent, SettingsError
from monitor.facts import BundleId, BundleStatus, ModelName
from monitor.rollback import release_index

DELAYS = ModelName("delays")


def _document(releases):
    return json.loads(releases.index.read_text())


def _problems(releases, document):
    releases.index.write_text(document if isinstance(document, str) else json.dumps(document))
    with pytest.raises(SettingsError) as error:
        release_index.load(releases.index)
    return {problem.path: problem.message for problem in error.value.problems}


def test_what_was_registered_is_loaded_in_order(releases):
    assert release_index.load(releases.index) == (releases.v1, releases.v2)


def test_a_bundle_is_named_by_its_content(releases):
    parts = {
        "checkpoint_digest": "sha256:" + hashlib.sha256(b"checkpoint v1").hexdigest(),
        "model": "delays",
        "reference_digest": "sha256:" + hashlib.sha256(b"reference v1").hexdigest(),
    }
    canonical = json.dumps(parts, sort_keys=True, separators=(",", ":")).encode()
    assert releases.v1.id == "sha256:" + hashlib.sha256(canonical).hexdigest()


def test_registering_the_same_again_changes_nothing(releases):
    before = releases.index.read_bytes()
    again = release_index.register(releases.index, DELAYS, "v1.bin", "v1.json", wall=99.0, name="other")
    assert again == releases.v1
    assert releases.index.read_bytes() == before


def test_another_model_with_the_same_files_is_another_bundle(releases):
    other = release_index.register(releases.index, ModelName("fares"), "v1.bin", "v1.json", wall=9.0)
    assert other.id != releases.v1.id
    assert len(release_index.load(releases.index)) == 3


def test_the_same_content_under_another_path_is_refused(releases):
    (releases.folder / "copy.bin").write_bytes(b"checkpoint v1")
    with pytest.raises(SettingsError, match="registered already"):
        release_index.register(releases.index, DELAYS, "copy.bin", "v1.json", wall=9.0)


def test_a_new_bundle_is_a_candidate(releases):
    (releases.folder / "v3.bin").write_bytes(b"checkpoint v3")
    made = release_index.register(releases.index, DELAYS, "v3.bin", "v2.json", wall=9.0)
    assert made.status is BundleStatus.CANDIDATE


def test_every_file_that_cannot_be_used_is_named(releases):
    with pytest.raises(SettingsError) as error:
        release_index.register(releases.index, DELAYS, "../v1.bin", "missing", wall=9.0)
    assert [problem.path for problem in error.value.problems] == ["checkpoint", "reference"]


def test_a_checkpoint_behind_a_link_is_refused(releases):
    with pytest.raises(SettingsError):
        release_index.register(releases.index, DELAYS, "current", "v1.json", wall=9.0)


@pytest.mark.parametrize("status", BundleStatus)
def test_a_status_is_set_and_the_rest_kept(releases, status):
    changed = release_index.set_status(releases.index, releases.v2.id, status)
    assert changed == replace(releases.v2, status=status)
    assert release_index.load(releases.index) == (releases.v1, changed)


def test_a_status_of_an_unknown_bundle_is_refused(releases):
    with pytest.raises(SettingsError, match="does not know"):
        release_index.set_status(releases.index, BundleId("sha256:nope"), BundleStatus.REVOKED)


def test_verify_reads_the_bytes_now(releases):
    release_index.verify(releases.index, releases.v1)
    (releases.folder / "v1.bin").write_bytes(b"tampered")
    with pytest.raises(Permanent, match="other bytes"):
        release_index.verify(releases.index, releases.v1)


def test_verify_reads_the_reference_too(releases):
    (releases.folder / "v1.json").write_bytes(b"tampered")
    with pytest.raises(Permanent, match="other bytes"):
        release_index.verify(releases.index, releases.v1)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("checkpoint", "/etc/passwd"),
        ("checkpoint", "../v1.bin"),
        ("reference", "a/../../v1.json"),
        ("reference", ""),
        ("checkpoint_digest", "sha256:1"),
        ("checkpoint_digest", "sha256:" + "0" * 64),
        ("reference_digest", "md5:" + "0" * 64),
        ("id", "sha256:" + "0" * 64),
        ("model", "fares"),
        ("status", "good"),
        ("registered", "yesterday"),
        ("registered", None),
        ("name", 5),
        ("surprise", True),
    ],
)
def test_an_edited_entry_is_a_problem_with_its_place(releases, field, value):
    document = _document(releases)
    document["bundles"][1][field] = value
    assert all(path.startswith("bundles.1") for path in _problems(releases, document))


def test_a_missing_field_is_a_problem(releases):
    document = _document(releases)
    del document["bundles"][0]["checkpoint"]
    assert "checkpoint" in _problems(releases, document)["bundles.0"]


def test_all_problems_are_told_at_once(releases):
    document = _document(releases)
    document["bundles"][0]["checkpoint"] = "/v1"
    document["bundles"][1]["status"] = "good"
    document["bundles"].append(_document(releases)["bundles"][0])
    document["bundles"].append("nothing")
    assert set(_problems(releases, document)) == {"bundles.0.checkpoint", "bundles.1", "bundles.2.id", "bundles.3"}


@pytest.mark.parametrize(
    "document",
    ["", "null", "[]", "{}", "not json", "[" * 100_000, '{"format": "tocsin-release-index"}', "\ud7ff"],
    ids=lambda text: text[:20],
)
def test_another_file_is_no_release_index(releases, document):
    assert _problems(releases, document)


@pytest.mark.parametrize("change", [{"version": 2}, {"version": "1"}, {"format": "x"}, {"extra": 1}, {"bundles": {}}])
def test_another_version_or_shape_is_refused(releases, change):
    assert _problems(releases, _document(releases) | change)


def test_a_missing_index_is_a_settings_error(tmp_path):
    with pytest.raises(SettingsError):
        release_index.load(tmp_path / "releases.json")


def test_an_index_is_not_created_over_another(releases):
    with pytest.raises(SettingsError, match="already"):
        release_index.create(releases.index)


def test_a_folder_that_cannot_be_written_is_a_settings_error(tmp_path):
    with pytest.raises(SettingsError):
        release_index.create(tmp_path / "missing" / "releases.json")


@settings(derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.text(max_size=40), st.text(max_size=40))
def test_any_path_and_name_is_kept_or_refused_and_never_leaves(releases, path, name):
    before = releases.index.read_bytes()
    try:
        made = release_index.register(releases.index, DELAYS, path, "v1.json", wall=9.0, name=name)
    except (SettingsError, ValueError):
        assert releases.index.read_bytes() == before
    else:
        assert (releases.folder / made.checkpoint).resolve().is_relative_to(releases.folder)
        releases.index.write_bytes(before)


@pytest.mark.parametrize("point", ["fsync", "replace"])
def test_a_crash_while_writing_leaves_the_old_index(releases, point, monkeypatch):
    before = releases.index.read_bytes()

    def killed(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(*((os, "fsync") if point == "fsync" else (type(releases.index), "replace")), killed)
    with pytest.raises(KeyboardInterrupt):
        release_index.set_status(releases.index, releases.v2.id, BundleStatus.REVOKED)
    monkeypatch.undo()
    assert releases.index.read_bytes() == before
    assert release_index.set_status(releases.index, releases.v2.id, BundleStatus.REVOKED)


def test_writers_at_the_same_time_lose_nothing(releases):
    for i in range(8):
        (releases.folder / f"c{i}").write_bytes(f"candidate {i}".encode())

    def add(i):
        release_index.register(releases.index, DELAYS, f"c{i}", "v1.json", wall=float(i))

    threads = [threading.Thread(target=add, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {bundle.checkpoint for bundle in release_index.load(releases.index)} >= {f"c{i}" for i in range(8)}
