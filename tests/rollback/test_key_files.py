import os
import stat
import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from monitor.errors import SettingsError
from monitor.rollback.keys import KEY_BYTES_MAX, key_id, keygen, read_private, read_public

EC = ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(65537, 2048)


@pytest.fixture
def pair(tmp_path):
    keygen(tmp_path / "k", tmp_path / "k.pub")
    return tmp_path / "k", tmp_path / "k.pub"


def _mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def _secret(path, body):
    path.write_bytes(body)
    path.chmod(0o600)
    return path


def test_a_pair_is_two_files_of_one_key(tmp_path):
    name = keygen(tmp_path / "k", tmp_path / "k.pub")
    assert key_id(read_private(tmp_path / "k").public_key()) == key_id(read_public(tmp_path / "k.pub")) == name
    assert name.startswith("ed25519:")
    assert len(name) == len("ed25519:") + 32


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_modes_do_not_depend_on_the_umask(tmp_path, umask):
    before = os.umask(umask)
    try:
        keygen(tmp_path / "k", tmp_path / "k.pub")
    finally:
        os.umask(before)
    assert (_mode(tmp_path / "k"), _mode(tmp_path / "k.pub")) == (0o600, 0o644)


@pytest.mark.parametrize("taken", ["k", "k.pub"])
def test_nothing_is_overwritten_and_no_half_pair_stays(tmp_path, taken):
    (tmp_path / taken).write_text("here before")
    with pytest.raises(SettingsError, match="is there already"):
        keygen(tmp_path / "k", tmp_path / "k.pub")
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {taken: "here before"}


def test_a_link_in_the_way_of_a_new_key_is_not_followed(tmp_path):
    (tmp_path / "k").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SettingsError, match="is there already"):
        keygen(tmp_path / "k", tmp_path / "k.pub")
    assert not (tmp_path / "elsewhere").exists()


def test_a_disk_that_fails_leaves_no_key(tmp_path, monkeypatch):
    def fails(handle):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(SettingsError, match="cannot be written"):
        keygen(tmp_path / "k", tmp_path / "k.pub")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o644, 0o660])
def test_a_private_key_that_others_may_use_is_refused(pair, mode):
    pair[0].chmod(mode)
    with pytest.raises(SettingsError, match=f"{mode:04o}"):
        read_private(pair[0])


def test_a_private_key_may_be_read_only(pair):
    pair[0].chmod(0o400)
    assert read_private(pair[0])


@pytest.mark.parametrize("mode", [0o664, 0o646, 0o666])
def test_a_public_key_that_others_may_write_is_refused(pair, mode):
    pair[1].chmod(mode)
    with pytest.raises(SettingsError, match="chmod go-w"):
        read_public(pair[1])


def test_a_private_key_is_not_read_through_a_link(pair, tmp_path):
    (tmp_path / "link").symlink_to(pair[0])
    with pytest.raises(SettingsError, match="cannot be read"):
        read_private(tmp_path / "link")


def test_a_public_key_is_as_a_config_map_serves_it(pair, tmp_path):
    (tmp_path / "link").symlink_to(pair[1])
    assert key_id(read_public(tmp_path / "link")) == key_id(read_public(pair[1]))


@pytest.mark.parametrize("read", [read_private, read_public])
def test_only_regular_files_are_read(tmp_path, read, opened):
    os.mkfifo(tmp_path / "fifo", 0o600)
    for name in ("fifo", ".", "missing"):
        with pytest.raises(SettingsError):
            read(tmp_path / name)
        assert opened() == []


@pytest.mark.parametrize("read", [read_private, read_public])
def test_a_giant_file_is_refused_unread(tmp_path, read):
    path = _secret(tmp_path / "k", b"")
    os.truncate(path, 1 << 40)  # sparse
    with pytest.raises(SettingsError, match=f"larger than {KEY_BYTES_MAX}"):
        read(path)


@pytest.mark.parametrize("key", [EC, RSA])
def test_keys_of_other_kinds_are_refused_by_name(tmp_path, key):
    private = _secret(tmp_path / "k", key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = _secret(tmp_path / "p", key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    for read, path in ((read_private, private), (read_public, public)):
        with pytest.raises(SettingsError, match="not an Ed25519 key"):
            read(path)


def test_a_private_key_is_no_public_key(pair):
    with pytest.raises(SettingsError, match="no public key"):
        read_public(pair[0])


@pytest.mark.parametrize("body", [b"", b"hunter2", b"\xff" * 99, b"-----BEGIN PRIVATE KEY-----\nAAAA\n"])
def test_what_is_no_key_is_refused_unquoted(tmp_path, body):
    path = _secret(tmp_path / "k", body)
    with pytest.raises(SettingsError) as error:
        read_private(path)
    assert "hunter2" not in str(error.value)


def test_a_passphrase_comes_from_a_file_without_its_end_of_line(tmp_path):
    name = keygen(tmp_path / "k", tmp_path / "k.pub", b"horse staple")
    word = _secret(tmp_path / "word", b"horse staple\r\n")
    assert key_id(read_private(tmp_path / "k", word).public_key()) == name


@pytest.mark.parametrize(
    ("made", "given"), [(b"right", b"wrong"), (b"right", None), (None, b"needless"), (b"right", b"\n")]
)
def test_another_passphrase_is_told_and_not_quoted(tmp_path, made, given):
    keygen(tmp_path / "k", tmp_path / "k.pub", made)
    word = None if given is None else _secret(tmp_path / "word", given)
    with pytest.raises(SettingsError) as error:
        read_private(tmp_path / "k", word)
    assert not {"right", "wrong", "needless"} & set(str(error.value).split())


def test_a_passphrase_that_others_may_read_is_refused(tmp_path):
    keygen(tmp_path / "k", tmp_path / "k.pub", b"w")
    (tmp_path / "word").write_bytes(b"w")
    (tmp_path / "word").chmod(0o640)
    with pytest.raises(SettingsError, match="0640"):
        read_private(tmp_path / "k", tmp_path / "word")


@pytest.mark.parametrize("passphrase", [b"", b"x" * 1025])
def test_a_passphrase_has_a_length(tmp_path, passphrase):
    with pytest.raises(SettingsError, match="1 to 1024"):
        keygen(tmp_path / "k", tmp_path / "k.pub", passphrase)


def test_keys_of_openssl_are_read(tmp_path):
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", tmp_path / "k"], check=True)
    subprocess.run(["openssl", "pkey", "-in", tmp_path / "k", "-pubout", "-out", tmp_path / "k.pub"], check=True)
    (tmp_path / "k.pub").chmod(0o644)
    assert key_id(read_private(tmp_path / "k").public_key()) == key_id(read_public(tmp_path / "k.pub"))
