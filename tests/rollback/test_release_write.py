"""Changing the release index: every change a new serial, whole or not at all, and only what readers will believe."""

import os
import threading

import pytest
import released
from released import NOW, VALID_S

from monitor.errors import SettingsError
from monitor.facts import BundleStatus, ModelName
from monitor.rollback.manifest import About, Role
from monitor.rollback.release import memory_file, read
from monitor.rollback.release.approval import given
from monitor.rollback.release.files import waiting_beside
from monitor.rollback.release.make import Builder, sign_bundle
from monitor.rollback.release.memory_file import MemoryFile
from monitor.rollback.release.write import Editor
from monitor.rollback.signing import Purpose

DELAYS = ModelName("delays")
FILES = {"v1.bin": Role.CHECKPOINT, "v1.json": Role.REFERENCE}


@pytest.fixture
def editor(releases):
    return released.editor(releases.index)


def serial(releases):
    return releases.read().document.serial


def test_a_new_index_begins_with_serial_one(tmp_path):
    released.create(tmp_path / "releases.json")
    index = read.load(tmp_path / "releases.json", released.belief(tmp_path / "releases.json"))
    assert (index.document.serial, index.bundles) == (1, ())
    assert (index.document.issued, index.document.expires) == (NOW, NOW + VALID_S)


def test_an_index_is_not_created_over_another(releases):
    with pytest.raises(SettingsError, match="already"):
        released.create(releases.index)


def test_a_folder_that_cannot_be_written_is_told(releases):
    somewhere = Editor(releases.folder / "gone" / "r.json", *(getattr(released.editor(releases.index), name)
                       for name in ("signer", "belief", "wall")))  # fmt: skip
    with pytest.raises(SettingsError, match="cannot be written"):
        somewhere.create()


@pytest.mark.parametrize(
    "change",
    [
        lambda e, b: e.approve(b),
        lambda e, b: e.set_aside(b, BundleStatus.QUARANTINED),
        lambda e, b: e.set_aside(b, BundleStatus.REVOKED, "why"),
        lambda e, _: e.refresh(),
        lambda e, _: e.refresh(floor=1),
    ],
)
def test_every_change_is_a_new_serial(releases, editor, change):
    before = serial(releases)
    change(editor, releases.v2.id)
    assert serial(releases) == before + 1


def test_what_changes_nothing_is_no_change(releases, editor):
    before = releases.index.read_bytes()
    editor.add(releases.folder / "v1.delays.bundle.json")
    editor.set_aside(releases.v2.id, BundleStatus.CANDIDATE)
    assert releases.index.read_bytes() == before


def test_a_new_bundle_is_the_newest_candidate_at_the_floor(releases, editor):
    editor.refresh(floor=4)
    (releases.folder / "v3.bin").write_bytes(b"v3")
    made = released.register(releases.index, DELAYS, "v3.bin", "v1.json", wall=0.0)
    assert (made.status, made.order, made.security) == (BundleStatus.CANDIDATE, 3, 4)


def test_the_order_of_a_bundle_never_changes(releases, editor):
    editor.set_aside(releases.v1.id, BundleStatus.QUARANTINED)
    assert editor.approve(releases.v1.id).order == releases.v1.order


def test_setting_aside_takes_approvals_back(releases, editor):
    assert editor.set_aside(releases.v1.id, BundleStatus.QUARANTINED).approved == ()


@pytest.mark.parametrize("status", [BundleStatus.QUARANTINED, BundleStatus.REVOKED, BundleStatus.CANDIDATE])
def test_setting_aside_says_since_when_and_an_approval_what_its_people_saw(releases, editor, status):
    editor.set_aside(releases.v1.id, status)
    [first, second] = releases.read().document.bundles
    assert (first.aside, second.aside) == (serial(releases), 0)
    editor.approve(releases.v2.id)
    assert given(releases.read().document.bundles[1], editor.belief).serial == serial(releases) - 1


def test_setting_aside_once_more_for_the_same_reason_changes_nothing(releases, editor):
    editor.set_aside(releases.v1.id, BundleStatus.QUARANTINED, "why")
    before = releases.index.read_bytes()
    editor.set_aside(releases.v1.id, BundleStatus.QUARANTINED, "why")
    assert releases.index.read_bytes() == before


def test_what_is_revoked_stays_so(releases, editor):
    editor.set_aside(releases.v1.id, BundleStatus.REVOKED)
    for again in (
        lambda: editor.approve(releases.v1.id),
        lambda: editor.set_aside(releases.v1.id, BundleStatus.CANDIDATE),
    ):
        with pytest.raises(SettingsError, match="stays so"):
            again()


def test_an_unknown_bundle_is_told(editor):
    with pytest.raises(SettingsError, match="does not know"):
        editor.approve("sha256:gone")


def test_the_floor_is_not_lowered(editor):
    editor.refresh(floor=2)
    with pytest.raises(SettingsError, match="never lowered"):
        editor.refresh(floor=1)


def test_somebody_who_is_not_trusted_changes_nothing(releases):
    before = releases.index.read_bytes()
    with pytest.raises(SettingsError, match="the key that signs must be one that is trusted"):
        released.editor(releases.index, "mallory", released.belief(releases.index)).refresh()
    assert releases.index.read_bytes() == before


def test_a_manifest_outside_of_the_directory_is_refused(releases, editor, tmp_path):
    outside, before = tmp_path / "b", releases.index.read_bytes()
    (tmp_path / "v1.bin").write_text("x")
    (tmp_path / "v1.json").write_text("y")
    Builder(editor.signer, editor.belief).make(outside, FILES, About("delays"))
    with pytest.raises(SettingsError, match="must not leave its directory"):
        editor.add(outside)
    assert releases.index.read_bytes() == before


# ---------------------------------------------------------------- two people


@pytest.fixture
def two(releases):
    """An index that two of three people must sign, as it is signed by two."""
    believed = released.belief(releases.index, "release", "ann", "bob", index_min=2)
    assert released.editor(releases.index, "ann", believed).sign()
    return believed


def test_a_change_waits_for_the_second_signature(releases, two):
    ann, bob = (released.editor(releases.index, name, two) for name in ("ann", "bob"))
    before = releases.index.read_bytes()
    assert ann.set_aside(releases.v1.id, BundleStatus.REVOKED).status is BundleStatus.KNOWN_GOOD
    assert (ann.waits(), releases.index.read_bytes()) == (True, before)
    assert bob.sign()
    assert not bob.waits()
    assert bob.read().bundles[0].status is BundleStatus.REVOKED


def test_the_same_person_twice_is_one_signature(releases, two):
    ann = released.editor(releases.index, "ann", two)
    ann.refresh()
    assert not ann.sign()
    assert ann.waits()


def test_no_other_change_is_begun_while_one_waits(releases, two):
    ann, bob = (released.editor(releases.index, name, two) for name in ("ann", "bob"))
    ann.refresh()
    with pytest.raises(SettingsError, match="waits for a signature"):
        bob.refresh()


def test_a_change_that_a_stranger_left_waiting_is_not_signed(releases, two):
    stranger = released.editor(releases.index, "mallory", released.belief(releases.index, "mallory"))
    body = stranger.signer.sign(Purpose.INDEX, b"{}")
    waiting_beside(releases.index).write_bytes(body)
    with pytest.raises(SettingsError, match="nobody who is trusted"):
        released.editor(releases.index, "bob", two).sign()


# ---------------------------------------------------------------- bundles


def test_the_same_bundle_again_is_the_one_that_is_there(releases):
    builder, manifest = (
        Builder(released.signer(releases.folder), released.belief(releases.index)),
        releases.folder / "b",
    )
    first = builder.make(manifest, FILES, About("delays", "x", 1.0))
    assert builder.make(manifest, FILES, About("delays", "x", 2.0)) == first
    with pytest.raises(SettingsError, match="is another bundle"):
        builder.make(manifest, FILES, About("delays", "y", 1.0))


def test_a_checkpoint_directory_must_be_named_whole(releases):
    for name in ("m", "m/a", "m/b", "m/hook.py"):
        (releases.folder / name).mkdir() if name == "m" else (releases.folder / name).write_text(name)
    files = {"m/a": Role.CHECKPOINT, "m/b": Role.CHECKPOINT, "v1.json": Role.REFERENCE}
    with pytest.raises(SettingsError, match=r"m/hook\.py"):
        Builder(released.signer(releases.folder), released.belief(releases.index)).make(
            releases.folder / "b", files, About("delays")
        )


def test_two_sign_a_bundle_where_two_are_demanded(releases):
    two = released.belief(releases.index, "release", "bob", bundle_min=2)
    manifest = releases.folder / "v1.delays.bundle.json"
    with pytest.raises(SettingsError, match="2 must"):
        read.open_manifest(manifest, two)
    sign_bundle(manifest, released.signer(releases.folder, "bob"))
    assert len(read.open_manifest(manifest, two)[1]) == 2


# ---------------------------------------------------------------- memory of the command line


def test_the_command_line_remembers_beside_the_index(releases, editor):
    old = releases.index.read_bytes()
    editor.refresh()
    editor.read()
    releases.index.write_bytes(old)
    with pytest.raises(SettingsError, match="an old index was put back"):
        editor.read()


def test_where_nothing_can_be_written_the_index_is_still_read(releases, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(memory_file, "write", full)
    (releases.folder / ".releases.json.seen").unlink()
    assert MemoryFile.beside(releases.index).load(released.belief(releases.index)).bundles


def test_a_memory_that_cannot_be_read_is_told(releases):
    (releases.folder / ".releases.json.seen").write_text("damaged")
    with pytest.raises(SettingsError, match="remove it"):
        MemoryFile.beside(releases.index).load(released.belief(releases.index))


# ---------------------------------------------------------------- crashes, and others at the same time


@pytest.mark.parametrize("point", ["fsync", "replace"])
def test_a_crash_while_writing_leaves_the_old_index(releases, editor, point, monkeypatch):
    before = releases.index.read_bytes()

    def killed(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(*((os, "fsync") if point == "fsync" else (type(releases.index), "replace")), killed)
    with pytest.raises(KeyboardInterrupt):
        editor.set_aside(releases.v2.id, BundleStatus.REVOKED)
    monkeypatch.undo()
    assert releases.index.read_bytes() == before
    assert editor.set_aside(releases.v2.id, BundleStatus.REVOKED).status is BundleStatus.REVOKED


def test_writers_at_the_same_time_lose_nothing(releases):
    for i in range(8):
        (releases.folder / f"c{i}").write_bytes(f"candidate {i}".encode())

    def add(i):
        released.register(releases.index, DELAYS, f"c{i}", "v1.json", wall=float(i))

    threads = [threading.Thread(target=add, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = releases.read()
    assert {bundle.checkpoint for bundle in found.bundles} >= {f"c{i}" for i in range(8)}
    assert [bundle.order for bundle in found.bundles] == list(range(1, 11))
