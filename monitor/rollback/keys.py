"""Key files: Ed25519, PEM (PKCS8, SubjectPublicKeyInfo), as `openssl genpkey -algorithm ed25519` writes them, too.

A private key and its passphrase are read only from regular files that nobody but the owner may read, never through a
link. A public key is no secret, but whoever may write it says whom we trust: a file that others may write is refused.
It may be a link, for a Kubernetes ConfigMap serves every file through one, and who can turn a link can turn the file.

A passphrase is stretched by 2,048 rounds of PBKDF2 only (OpenSSL's PKCS8, no other count can be asked for), so it has
to be random itself: `openssl rand -base64 24 > passphrase`.
"""

import hashlib
import os
import stat
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from monitor.errors import Problem, SettingsError

KEY_BYTES_MAX = 16 << 10  # an Ed25519 key in PEM is 120 bytes; an RSA key, which is then refused by name, 3 KiB
PASSPHRASE_BYTES_MAX = 1024  # OpenSSL's own limit
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC  # a FIFO would hang us
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def key_id(key: Ed25519PublicKey) -> str:
    """Return "ed25519:" and 128 bits of the SHA-256 of the raw public key, in hex."""
    return f"ed25519:{hashlib.sha256(key.public_bytes_raw()).hexdigest()[:32]}"


def read_private(path: Path, passphrase_file: Path | None = None) -> Ed25519PrivateKey:
    """Read a private key; SettingsError, which quotes neither the key nor the passphrase."""
    passphrase = None if passphrase_file is None else passphrase_of(passphrase_file)
    body = private_bytes(path)
    try:
        key = load_pem_private_key(body, passphrase)
    except TypeError:  # the library's word for "one of us has a passphrase, and the other has not"
        why = "is not encrypted, but a passphrase is given" if passphrase else "is encrypted: give its passphrase file"
        raise _error(path, why) from None
    except (ValueError, UnsupportedAlgorithm):
        hint = "or another passphrase" if passphrase else ""
        raise _error(path, "is no private key in PEM (PKCS8)", hint) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise _error(path, "is not an Ed25519 key", "tocsin key generate")
    return key


def read_public(path: Path) -> Ed25519PublicKey:
    """Read a public key; SettingsError."""
    body = public_bytes(path)
    try:
        key = load_pem_public_key(body)
    except (ValueError, UnsupportedAlgorithm):
        raise _error(path, "is no public key in PEM", "the private key stays with who signs") from None
    if not isinstance(key, Ed25519PublicKey):
        raise _error(path, "is not an Ed25519 key", "tocsin key generate")
    return key


def keygen(private: Path, public: Path, passphrase: bytes | None = None) -> str:
    """Make a key pair in two new files (modes 0600 and 0644) and return its key id; SettingsError.

    Nothing is ever overwritten: a lost signing key cannot be had back. `passphrase`, if given, is 1 to 1024 bytes.
    """
    if passphrase is not None and not 0 < len(passphrase) <= PASSPHRASE_BYTES_MAX:
        raise _error(private, f"cannot be encrypted: a passphrase has 1 to {PASSPHRASE_BYTES_MAX} bytes")
    key = Ed25519PrivateKey.generate()
    sealed: KeySerializationEncryption = NoEncryption() if passphrase is None else BestAvailableEncryption(passphrase)
    _write(private, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, sealed), 0o600)
    try:
        _write(public, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), 0o644)
    except SettingsError:
        private.unlink()  # ours, made a moment ago: half a pair is of no use
        raise
    return key_id(key.public_key())


def private_bytes(path: Path) -> bytes:
    """Read the file of a private key of any kind, unless others than its owner may use it; SettingsError."""
    return _read(path, KEY_BYTES_MAX, _OTHERS, "chmod 600", os.O_NOFOLLOW)


def public_bytes(path: Path) -> bytes:
    """Read the file of a public key of any kind, unless others than its owner may write it; SettingsError."""
    return _read(path, KEY_BYTES_MAX, _OTHERS_WRITE, "chmod go-w", 0)


def passphrase_of(path: Path) -> bytes:
    """Read a passphrase, without the end of its line; SettingsError."""
    body = _read(path, PASSPHRASE_BYTES_MAX, _OTHERS, "chmod 600", os.O_NOFOLLOW).rstrip(b"\r\n")
    if not body:
        raise _error(path, "is empty", "one line: the passphrase")
    return body


def _read(path: Path, bytes_max: int, forbidden: int, hint: str, flags: int) -> bytes:
    """Read a small regular file; its mode is that of the file that was opened, not of whatever lies there later."""
    try:
        handle = os.open(path, _FLAGS | flags)
    except OSError as error:
        raise _error(path, f"cannot be read: {error.strerror}") from error
    try:
        mode = os.fstat(handle).st_mode
        if not stat.S_ISREG(mode):
            raise _error(path, "is not a regular file")
        if mode & forbidden:
            raise _error(path, f"has mode {stat.S_IMODE(mode):04o}: others than its owner may use it", hint)
        with os.fdopen(handle, "rb", closefd=False) as file:
            body = file.read(bytes_max + 1)
    except OSError as error:
        raise _error(path, f"cannot be read: {error.strerror}") from error
    finally:
        os.close(handle)
    if len(body) > bytes_max:
        raise _error(path, f"is larger than {bytes_max} bytes")
    return body


def _write(path: Path, body: bytes, mode: int) -> None:
    """Write a file that must be new, and make it last; nothing is left of it where that fails."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    except FileExistsError:
        raise _error(path, "is there already", "keys are never overwritten") from None
    except OSError as error:
        raise _error(path, f"cannot be written: {error.strerror}") from error
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(handle, mode)  # whatever the umask
            file.write(body)
            file.flush()
            os.fsync(handle)
        _sync(path.parent)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise _error(path, f"cannot be written: {error.strerror}") from error


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _error(path: Path, why: str, hint: str = "") -> SettingsError:
    return SettingsError([Problem(str(path), why, hint)])
