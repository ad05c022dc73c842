"""OpenSSF signatures against the real library, which writes what we read and reads what we write."""

import base64
import json
import os
import subprocess
import sys

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from model_signing import hashing, signing, verifying

from monitor.errors import Permanent, SettingsError
from monitor.rollback.digest import digest_of
from monitor.rollback.openssf import sign, verify


def write_key(folder, name, passphrase=None):
    key = ec.generate_private_key(ec.SECP256R1())
    sealed = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    (folder / name).write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, sealed))
    (folder / name).chmod(0o600)
    public = folder / f"{name}.pub"
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    public.chmod(0o644)
    return folder / name, public


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return write_key(tmp_path_factory.mktemp("keys"), "k")


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    (folder / "sub").mkdir(parents=True)
    (folder / "weights.bin").write_bytes(b"w" * 3000)
    (folder / "sub" / "config.json").write_text("{}")
    return folder


@pytest.fixture
def signed(model, keys):
    """A checkpoint that we signed, beside it its signature."""
    sign(model, model.with_name("model.sig"), keys[0])
    return model, model.with_name("model.sig"), keys[1]


def library_signs(model, signature, private, **hashed):
    config = hashing.Config()
    if "ignored" in hashed:
        config.set_ignored_paths(paths=hashed["ignored"], ignore_git_paths=hashed.get("git", False))
    if hashed.get("links"):
        config.use_file_serialization(allow_symlinks=True).set_allow_symlinks(True)
    if hashed.get("shards"):
        config.use_shard_serialization()
    made = signing.Config().set_hashing_config(config).use_elliptic_key_signer(private_key=private)
    made.sign(model, signature)
    return signature


def rewritten(signed, change):
    """The signature file with `change` made to its JSON."""
    document = json.loads(signed[1].read_text())
    change(document)
    signed[1].write_text(json.dumps(document))


def test_what_we_sign_we_verify_file_by_file(signed):
    model, *_ = signed
    files = ("weights.bin", "sub/config.json")
    assert verify(*signed) == {name: digest_of(model / name) for name in files}


def test_the_library_believes_what_we_signed(signed):
    model, signature, public = signed
    verifying.Config().use_elliptic_key_verifier(public_key=public).verify(model, signature)


def test_we_believe_what_the_library_signed_by_default(model, keys, tmp_path):
    signature = library_signs(model, tmp_path / "s", keys[0])
    assert len(verify(model, signature, keys[1])) == 2


def test_a_checkpoint_may_be_one_file(model, keys, tmp_path):
    sign(model / "weights.bin", tmp_path / "w.sig", keys[0])
    assert verify(model / "weights.bin", tmp_path / "w.sig", keys[1]) == {".": digest_of(model / "weights.bin")}


def test_a_signature_inside_the_directory_is_the_one_file_that_need_not_be_signed(model, keys):
    signature = library_signs(model, model / "model.sig", keys[0], ignored=["model.sig"])
    assert len(verify(model, signature, keys[1])) == 2


def test_we_write_no_signature_into_what_it_signs(model, keys):
    with pytest.raises(Permanent, match="beside the checkpoint"):
        sign(model, model / "model.sig", keys[0])


def test_a_new_signature_replaces_the_old_one_whole(signed, keys):
    model, signature, _ = signed
    (model / "more").write_text("more")
    sign(model, signature, keys[0])
    assert len(verify(*signed)) == 3
    assert sorted(path.name for path in model.parent.iterdir()) == ["model", "model.sig"]


@pytest.mark.parametrize(
    ("name", "body"), [("weights.bin", b"W" * 3000), ("sub/config.json", b""), ("sub/new", b"x"), (".hidden", b"x")]
)
def test_a_file_that_is_other_or_new_is_seen(signed, name, body):
    (signed[0] / name).write_bytes(body)
    with pytest.raises(Permanent):
        verify(*signed)


def test_a_file_that_is_missing_is_seen(signed):
    (signed[0] / "weights.bin").unlink()
    with pytest.raises(Permanent):
        verify(*signed)


@pytest.mark.parametrize("name", [".git/hook", ".gitignore", ".github/x", ".gitattributes"])
def test_what_the_library_would_ignore_is_not_signed(model, keys, tmp_path, name):
    signature = library_signs(model, tmp_path / "s", keys[0])
    (model / name).parent.mkdir(exist_ok=True)
    (model / name).write_text("import os")
    verifying.Config().use_elliptic_key_verifier(public_key=keys[1]).verify(model, signature)
    with pytest.raises(Permanent, match="are not signed"):
        verify(model, signature, keys[1])


def test_what_the_signer_chose_to_ignore_is_not_signed(model, keys, tmp_path):
    signature = library_signs(model, tmp_path / "s", keys[0], ignored=["sub"])
    with pytest.raises(Permanent, match=r"1 files are not signed, 'sub/config.json'"):
        verify(model, signature, keys[1])


def test_a_signature_that_allows_links_is_refused(model, keys, tmp_path):
    signature = library_signs(model, tmp_path / "s", keys[0], links=True)
    with pytest.raises(Permanent, match="allows symbolic links"):
        verify(model, signature, keys[1])


def test_a_list_of_pieces_of_files_is_refused(model, keys, tmp_path):
    signature = library_signs(model, tmp_path / "s", keys[0], shards=True)
    with pytest.raises(Permanent):
        verify(model, signature, keys[1])


@pytest.mark.parametrize("act", [os.symlink, lambda source, path: os.mkfifo(path)])
def test_links_and_special_files_are_refused(signed, keys, act):
    model, signature, _ = signed
    act(model / "weights.bin", model / "odd")
    with pytest.raises(Permanent):
        verify(*signed)
    with pytest.raises(Permanent, match="link or a special file"):
        sign(model, signature, keys[0])


def test_another_key_is_not_believed(signed, tmp_path):
    _, public = write_key(tmp_path, "other")
    with pytest.raises(Permanent):
        verify(*signed[:2], public)


def test_a_changed_list_is_seen(signed):
    def change(document):
        payload = base64.b64decode(document["dsseEnvelope"]["payload"]).replace(b'"weights.bin"', b'"weighty.bin"')
        document["dsseEnvelope"]["payload"] = base64.b64encode(payload).decode()

    (signed[0] / "weights.bin").rename(signed[0] / "weighty.bin")
    rewritten(signed, change)
    with pytest.raises(Permanent, match="does not hold"):
        verify(*signed)


@pytest.mark.parametrize("both", [False, True])
def test_an_envelope_under_the_librarys_other_spelling_is_refused(signed, both):
    def change(document):
        document["dsse_envelope"] = document["dsseEnvelope"] if both else document.pop("dsseEnvelope")

    rewritten(signed, change)
    with pytest.raises(Permanent):
        verify(*signed)


@pytest.mark.parametrize("body", [b"", b"{}", b"null", b"\xff", b"[" * 100_000, b'{"verificationMaterial": {}}'])
def test_what_is_no_signature_is_refused(signed, body):
    signed[1].write_bytes(body)
    with pytest.raises(Permanent):
        verify(*signed)


def test_every_byte_of_a_signature_matters_or_changes_nothing(signed):
    """One bit in each 23rd byte: the library takes milliseconds."""
    body, whole = signed[1].read_bytes(), verify(*signed)
    seen = 0
    for i in range(0, len(body), 23):
        signed[1].write_bytes(body[:i] + bytes([body[i] ^ 1]) + body[i + 1 :])
        try:
            assert verify(*signed) == whole
        except Permanent:
            seen += 1
    assert seen > len(body) / 23 * 0.9


def test_keys_that_others_may_use_are_refused(signed, keys):
    model, signature, _ = signed
    private, public = keys
    for path, mode, act in ((private, 0o640, sign), (public, 0o666, verify)):
        before = path.stat().st_mode
        path.chmod(mode)
        with pytest.raises(SettingsError, match="others than its owner"):
            act(model, signature, path)
        path.chmod(before)


def test_a_key_may_be_encrypted(model, tmp_path):
    private, public = write_key(tmp_path, "k", b"staple")
    (tmp_path / "word").write_bytes(b"staple\n")
    (tmp_path / "word").chmod(0o600)
    sign(model, tmp_path / "s", private, tmp_path / "word")
    assert verify(model, tmp_path / "s", public)
    with pytest.raises(Permanent, match="cannot be signed"):
        sign(model, tmp_path / "s", private)


def test_the_library_is_imported_by_nobody_who_does_not_ask(tmp_path):
    code = (
        "import sys, monitor.rollback.openssf as o, pathlib\n"
        "assert not [m for m in sys.modules if m.startswith(('model_signing', 'sigstore'))]\n"
        "sys.modules['model_signing'] = None  # as if it were not installed\n"
        "k = pathlib.Path(sys.argv[1])\n"
        "try: o.verify(k, k, k)\n"
        "except o.Permanent as error: print(error)\n"
    )
    (tmp_path / "k").write_text("k")
    (tmp_path / "k").chmod(0o600)
    ended = subprocess.run([sys.executable, "-c", code, tmp_path / "k"], check=True, capture_output=True, text=True)
    assert "the extra `signing`: pip install 'tocsin[signing]'" in ended.stdout
