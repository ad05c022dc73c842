"""Signed documents: DSSE envelopes with Ed25519 signatures. What decides about rollback is one of these, or nothing.

    {"payload": base64, "payloadType": "application/vnd.tocsin.index+json", "signatures": [{"keyid": ..., "sig": ...}]}
    signed:  PAE(type, payload) = "DSSEv1" SP len(type) SP type SP len(payload) SP payload

Source: https://github.com/secure-systems-lab/dsse, protocol and envelope 1.0. The purpose is in what is signed, so a
signature under a bundle is none under an index. The bytes that were signed are the bytes that are returned: there is
no canonical form to disagree about, and nothing of a payload is parsed before its signatures held.

We are stricter than DSSE in four points. A key must be known by its key id, which is a digest of it. A signature that
names a key we know and does not hold damns the whole envelope, though others hold: somebody has changed something.
Base64 has one form for each alphabet, without stray bits. Sizes and the number of signatures have limits.

Signatures are not signed: whoever holds the file can take one away, or add one of a stranger. Neither changes the
payload, and too few are refused; so `Opened.keyids` says who signed at least, never who did not.

Cost: 0.1 ms a signature and 8 ns a byte of payload, base64 and SHA-512 (busy 2-core machine, 2026-11).
"""

import base64
import binascii
import errno
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from monitor.errors import Permanent, Problem, SettingsError, Transient
from monitor.rollback.keys import key_id, keygen, read_private, read_public

__all__ = [
    "Distrust",
    "Opened",
    "Purpose",
    "Signer",
    "Trust",
    "Untrusted",
    "keygen",
    "pae",
    "read_envelope",
    "unpacked",
]

ENVELOPE_BYTES_MAX: Final = 32 << 20  # an index of 16 MiB in base64, and as much again
SIGNATURES_MAX: Final = 16  # people who sign one document
_NOT_THERE: Final = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.ENAMETOOLONG}
_NOBODY: Final[Mapping["Purpose", int]] = MappingProxyType({})


class Purpose(Enum):
    """What a signature is for; it is none for anything else."""

    BUNDLE = "bundle"
    INDEX = "index"
    PROBES = "probes"
    AUDIT = "audit"

    @property
    def payload_type(self) -> str:
        """The media type in the envelope, and in what is signed."""
        return f"application/vnd.tocsin.{self.value}+json"


class Distrust(Enum):
    """Why an envelope is not believed."""

    DAMAGED = "damaged"  # no envelope, or a signature of a key we know does not hold
    OTHER_PURPOSE = "other_purpose"
    UNKNOWN_SIGNER = "unknown_signer"  # nobody who may sign this signed it
    TOO_FEW = "too_few"


class Untrusted(Permanent):
    """An envelope is not believed; `reason` is for programs, the text for people. Neither quotes the payload."""

    def __init__(self, reason: Distrust, text: str) -> None:
        super().__init__(text)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Opened:
    """A payload that enough of those signed who may; `keyids` are theirs, sorted, each once."""

    payload: bytes
    keyids: tuple[str, ...]


class _Signature(msgspec.Struct, frozen=True):
    keyid: str
    sig: str


class _Envelope(msgspec.Struct, frozen=True, rename={"payload_type": "payloadType"}):
    payload: str
    payload_type: str
    signatures: tuple[_Signature, ...]


class Signer:
    """A private key. It prints as its key id."""

    __slots__ = ("_key", "keyid")

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.keyid = key_id(key.public_key())

    def __repr__(self) -> str:
        return f"Signer({self.keyid})"

    @classmethod
    def load(cls, path: Path, passphrase_file: Path | None = None) -> "Signer":
        """Read the key from a file that only its owner may read (`monitor.rollback.keys`); SettingsError."""
        return cls(read_private(path, passphrase_file))

    def sign(self, purpose: Purpose, payload: bytes) -> bytes:
        """Return an envelope with our signature; the same bytes for the same payload. SettingsError if too large."""
        return _encoded(purpose, payload, (self._signature(purpose, payload),))

    def add(self, purpose: Purpose, envelope: bytes) -> bytes:
        """Return the envelope with our signature beside the others; ours, if it was there, is made anew.

        Nothing is verified: read what you sign with `Trust.open`, or with your eyes. Untrusted if it is no envelope
        for this purpose, SettingsError if it then has too many signatures.
        """
        found, payload = _decoded(purpose, envelope)
        others = tuple(signature for signature in found.signatures if signature.keyid != self.keyid)
        return _encoded(purpose, payload, (*others, self._signature(purpose, payload)))

    def _signature(self, purpose: Purpose, payload: bytes) -> _Signature:
        sig = self._key.sign(pae(purpose.payload_type, payload))
        return _Signature(self.keyid, base64.b64encode(sig).decode())


class Trust:
    """Whose signatures are believed, for what, and how many of them it takes."""

    __slots__ = ("_keys", "_thresholds")

    def __init__(
        self,
        keys: Mapping[str, tuple[Ed25519PublicKey, frozenset[Purpose]]],
        thresholds: Mapping[Purpose, int] = _NOBODY,
    ) -> None:
        """`keys` by key id, with what each may sign; `thresholds` >= 1, and 1 where nothing is said."""
        self._keys = dict(keys)
        self._thresholds = {purpose: thresholds.get(purpose, 1) for purpose in Purpose}
        assert all(count >= 1 for count in self._thresholds.values()), "nothing is believed unsigned"

    @classmethod
    def load(cls, keys: Mapping[Path, frozenset[Purpose]], thresholds: Mapping[Purpose, int] = _NOBODY) -> "Trust":
        """Read the public keys; SettingsError with everything that is wrong with them and with the thresholds.

        A key counts once for what it signs, so one key in two files is refused: it would pass for two people. So is a
        threshold that the keys which may sign cannot reach.
        """
        found: dict[str, tuple[Ed25519PublicKey, frozenset[Purpose]]] = {}
        problems: list[Problem] = []
        for path, purposes in keys.items():
            try:
                key = read_public(path)
            except SettingsError as error:
                problems += error.problems
                continue
            if not purposes:
                problems.append(Problem(str(path), "may sign nothing", "say for what it is trusted, or drop it"))
            if found.setdefault(key_id(key), (key, purposes))[0] is not key:
                problems.append(Problem(str(path), f"is the key of another file, too: {key_id(key)}"))
        problems += [] if problems else _threshold_problems(found, thresholds)
        if problems:
            raise SettingsError(problems)
        return cls(found, thresholds)

    def open(self, purpose: Purpose, envelope: bytes) -> Opened:
        """Return the payload that enough signed who may sign this; Untrusted."""
        found, payload = _decoded(purpose, envelope)
        signed = pae(purpose.payload_type, payload)
        held = set()
        for signature in found.signatures:
            key, purposes = self._keys.get(signature.keyid, (None, frozenset[Purpose]()))
            if key is not None and purpose in purposes:
                _verify(key, signature, signed)
                held.add(signature.keyid)
        if not held:
            raise Untrusted(Distrust.UNKNOWN_SIGNER, f"nobody who is trusted for this {purpose.value} signed it")
        if len(held) < (needed := self._thresholds[purpose]):
            why = f"{len(held)} of those trusted for this {purpose.value} signed it, {needed} must"
            raise Untrusted(Distrust.TOO_FEW, why)
        return Opened(payload, tuple(sorted(held)))

    def open_file(self, purpose: Purpose, path: Path) -> Opened:
        """Read an envelope from a regular file, not through a link, and open it.

        Untrusted, another Permanent if the file is not there or too large, Transient if it cannot be read now.
        """
        return self.open(purpose, read_envelope(path))


def read_envelope(path: Path) -> bytes:
    """Return the bytes of a regular file that is no link; Permanent if it is none or too large, Transient."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise Permanent(f"{path} is not a regular file")
            with os.fdopen(handle, "rb", closefd=False) as file:
                body = file.read(ENVELOPE_BYTES_MAX + 1)
        finally:
            os.close(handle)
    except OSError as error:
        kind = Permanent if error.errno in _NOT_THERE else Transient
        raise kind(f"{path} cannot be read: {error.strerror}") from error
    if len(body) > ENVELOPE_BYTES_MAX:
        raise Permanent(f"{path} is larger than {ENVELOPE_BYTES_MAX} bytes")
    return body


def pae(payload_type: str, payload: bytes) -> bytes:
    """Return DSSE's pre-authentication encoding: the bytes that are signed.

    >>> pae("http://example.com/HelloWorld", b"hello world")
    b'DSSEv1 29 http://example.com/HelloWorld 11 hello world'
    """
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def _encoded(purpose: Purpose, payload: bytes, signatures: tuple[_Signature, ...]) -> bytes:
    envelope = _Envelope(base64.b64encode(payload).decode(), purpose.payload_type, signatures)
    body = msgspec.json.encode(envelope, order="sorted") + b"\n"
    if len(body) > ENVELOPE_BYTES_MAX:
        raise SettingsError([Problem(purpose.value, f"is larger than {ENVELOPE_BYTES_MAX} bytes once it is signed")])
    if len(signatures) > SIGNATURES_MAX:
        raise SettingsError([Problem(purpose.value, f"has more than {SIGNATURES_MAX} signatures")])
    return body


def _decoded(purpose: Purpose, envelope: bytes) -> tuple[_Envelope, bytes]:
    """Return what an envelope holds and its payload, of which nothing is known yet but that it is for `purpose`."""
    if len(envelope) > ENVELOPE_BYTES_MAX:
        raise Untrusted(Distrust.DAMAGED, f"larger than {ENVELOPE_BYTES_MAX} bytes")
    try:
        found = msgspec.json.decode(envelope, type=_Envelope)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise Untrusted(Distrust.DAMAGED, "no DSSE envelope: it is damaged, or was never signed") from None
    if found.payload_type != purpose.payload_type:
        raise Untrusted(Distrust.OTHER_PURPOSE, f"signed for another purpose than {purpose.value}")
    if len(found.signatures) > SIGNATURES_MAX:
        raise Untrusted(Distrust.DAMAGED, f"more than {SIGNATURES_MAX} signatures")
    return found, unpacked(found.payload)


def unpacked(text: str) -> bytes:
    """Undo base64, of DSSE's either alphabet, that has its one form: padded, nothing in between, no stray bits."""
    altchars = b"-_" if "-" in text or "_" in text else b"+/"
    try:
        body = base64.b64decode(text, altchars, validate=True)
    except (binascii.Error, ValueError):
        raise Untrusted(Distrust.DAMAGED, "damaged: not base64") from None
    if base64.b64encode(body, altchars).decode() != text:
        raise Untrusted(Distrust.DAMAGED, "damaged: base64 with stray bits")
    return body


def _verify(key: Ed25519PublicKey, signature: _Signature, signed: bytes) -> None:
    try:
        key.verify(unpacked(signature.sig), signed)
    except InvalidSignature:
        raise Untrusted(Distrust.DAMAGED, f"damaged: the signature of {signature.keyid} does not hold") from None


def _threshold_problems(
    keys: Mapping[str, tuple[Ed25519PublicKey, frozenset[Purpose]]], thresholds: Mapping[Purpose, int]
) -> list[Problem]:
    problems = []
    for purpose, needed in thresholds.items():
        able = sum(purpose in purposes for _, purposes in keys.values())
        where = f"thresholds.{purpose.value}"
        if not 1 <= needed <= SIGNATURES_MAX:
            problems.append(Problem(where, f"is not 1 to {SIGNATURES_MAX}"))
        elif needed > able:
            problems.append(Problem(where, f"is {needed}, but only {able} of the keys may sign that"))
    return problems
