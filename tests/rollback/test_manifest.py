"""What a bundle consists of: one way to write it down, and everything else refused."""

import hashlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from monitor.errors import SettingsError
from monitor.facts import Batch
from monitor.rollback.manifest import About, File, Lineage, Manifest, Role, bundle_id, decode, encode, measure


def sha256(body):
    return "sha256:" + hashlib.sha256(body).hexdigest()


NOTHING = sha256(b"")
ONE = File("a.bin", Role.CHECKPOINT, sha256(b"a"), 1)
REFERENCE = File("ref.json", Role.REFERENCE, sha256(b"r"), 1)
PLAIN = Manifest(model="delays", name="v1", files=(ONE, REFERENCE))
MANY = (File("m/a", Role.CHECKPOINT, sha256(b"a"), 1), File("m/b/c", Role.CHECKPOINT, sha256(b"cc"), 2))


def refused(manifest):
    with pytest.raises(SettingsError) as error:
        decode(encode(manifest), "the bundle")
    return str(error.value)


@given(
    st.builds(
        About,
        model=st.just("delays"),
        name=st.text(st.characters(min_codepoint=32, exclude_characters="\x7f", exclude_categories=["Cs"]), max_size=9),
        created=st.floats(0, 1e10),
        evaluation=st.dictionaries(st.text(max_size=5), st.floats(allow_nan=False, allow_infinity=False), max_size=3),
        locators=st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3),
        lineage=st.builds(Lineage, cutoff=st.none() | st.floats(0, 1e10)),
    )
)
def test_what_was_written_is_read(about):
    manifest = Manifest(**msgspec.structs.asdict(about), files=(ONE, REFERENCE))
    assert decode(encode(manifest), "") == manifest


def test_a_bundle_is_named_by_the_bytes_of_its_manifest():
    assert bundle_id(encode(PLAIN)) == sha256(encode(PLAIN))
    assert bundle_id(encode(replace(PLAIN, name="v2"))) != bundle_id(encode(PLAIN))


def test_of_one_checkpoint_file_the_digest_is_that_of_its_bytes():
    assert (PLAIN.checkpoint, PLAIN.checkpoint_digest) == ("a.bin", sha256(b"a"))


def test_of_several_files_it_is_that_of_their_sorted_list_as_seen_from_their_directory():
    manifest = Manifest(model="delays", files=(*MANY, REFERENCE))
    listed = f'[["a","{sha256(b"a")}",1],["b/c","{sha256(b"cc")}",2]]'.encode()
    assert (manifest.checkpoint, manifest.checkpoint_digest) == ("m", sha256(listed))


@pytest.mark.parametrize("path", ["/etc/passwd", "../a", "b/../../a", "./a", "b//a", "b/", "", ".", "a\n", "a\x1b"])
def test_a_path_that_is_not_plain_is_refused(path):
    files = sorted((replace(ONE, path=path), REFERENCE), key=lambda file: file.path)
    assert "names the file" in refused(replace(PLAIN, files=tuple(files)))


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ((REFERENCE, replace(REFERENCE, path="s")), "has no checkpoint"),
        ((ONE, replace(ONE, path="b")), "0 reference profiles"),
        ((ONE, REFERENCE, replace(REFERENCE, path="s")), "2 reference profiles"),
        ((ONE, ONE, REFERENCE), "2 times"),
        ((REFERENCE, ONE), "in order"),
        ((ONE, replace(ONE, path="b"), REFERENCE), "a directory of their own"),
        ((replace(ONE, path="/a"), replace(ONE, path="b"), REFERENCE), "must be relative"),
        ((ONE,), "length >= 2"),
        ((replace(ONE, digest="md5:1"), REFERENCE), "files[0].digest"),
        ((replace(ONE, size=-1), REFERENCE), "files[0].size"),
    ],
)
def test_files_that_make_no_bundle_are_refused(files, said):
    assert said in refused(replace(PLAIN, files=files))


@pytest.mark.parametrize(
    "change",
    [
        {"model": "a/b"},
        {"model": ""},
        {"name": "\x1b[2J"},
        {"parents": ("v1",)},
        {"format": "tocsin-release-index"},
        {"version": 2},
        {"lineage": Lineage((Batch("x", "ops", 1, 0.0, 1.0),))},
        {"lineage": Lineage((Batch(NOTHING, "ops", -1, 0.0, 1.0),))},
        {"lineage": Lineage((Batch(NOTHING, "ops", 1, 2.0, 1.0),))},
    ],
)
def test_what_cannot_be_said_of_a_bundle_is_refused(change):
    assert refused(replace(PLAIN, **change))


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[" * 100_000, b"\xff", encode(PLAIN) + b" ", encode(PLAIN).replace(b'"name"', b'"x":1,"name"')],
)
def test_another_form_is_refused(body):
    with pytest.raises(SettingsError):
        decode(body, "the bundle")


def test_every_byte_that_is_changed_is_seen():
    body = encode(PLAIN)
    for i, byte in enumerate(body):
        changed = body[:i] + bytes([byte ^ 1]) + body[i + 1 :]
        assert bundle_id(changed) != bundle_id(body)


def test_files_are_measured_and_progress_told(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * (3 << 20))
    (tmp_path / "r").write_bytes(b"r")
    told = []
    made = measure(tmp_path, {"a": Role.CHECKPOINT, "r": Role.REFERENCE}, About("delays"), progress=told.append)
    assert (made.files[0].digest, made.files[0].size) == (sha256(b"x" * (3 << 20)), 3 << 20)
    assert (sum(told), len(told)) == ((3 << 20) + 1, 4)


def test_every_file_that_cannot_be_used_is_named(tmp_path):
    (tmp_path / "link").symlink_to("a")
    with pytest.raises(SettingsError) as error:
        measure(tmp_path, {"../a": Role.CHECKPOINT, "gone": Role.REFERENCE, "link": Role.OTHER}, About("delays"))
    assert [problem.path for problem in error.value.problems] == ["checkpoint", "reference", "other"]
