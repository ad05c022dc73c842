"""Signed heads: at this time the chain ended here, says the daemon's key. One DSSE envelope a line in `heads.jsonl`.

The payload is {"format":"tocsin-audit-head","version":1,"seq","digest","time","why","key"}; the key's id is inside
what is signed. A line is canonical: decoding and encoding it gives the same bytes, so no byte of it can change unseen,
not even in what a signature does not cover.

The newest head proves everything before it, so old ones are thinned out: over `HEADS_BYTES_MAX` the older half goes.

The file is in the order of `seq`. Its first line may be a *beginning*: everything up to its `seq` was dropped, being
over the bound, by whoever holds the key. A log that begins later than its first record needs one.

How to sign and whom to trust is handed in (`monitor.rollback.signing`): edges know nothing of each other.
"""

import base64
import binascii
import os
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Final, Protocol

import msgspec

from monitor.audit.files import Io, cut
from monitor.audit.records import Head
from monitor.errors import Corrupt, Permanent

FORMAT: Final = "tocsin-audit-head"
VERSION: Final = 1
HEADS: Final = "heads.jsonl"
HEAD_BYTES_MAX: Final = 4_096
HEADS_BYTES_MAX: Final = 8 << 20  # 14,000 heads: three months of the most that age alone makes


class Why(StrEnum):
    """Why a head was signed."""

    START = "start"
    RECORDS = "records"
    AGE = "age"
    ROTATION = "rotation"
    STOP = "stop"
    BEGINNING = "beginning"  # what lies before was dropped


class Signs(Protocol):
    """The daemon's own key."""

    @property
    def keyid(self) -> str:
        """Its id."""
        ...

    def sign(self, payload: bytes) -> bytes:
        """A DSSE envelope of the payload."""
        ...


class Opens(Protocol):
    """The keys that are trusted to sign heads."""

    def open(self, envelope: bytes) -> bytes:
        """The payload; Permanent, with words, if none of them signed it."""
        ...


class SignedHead(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The payload."""

    format: str
    version: int
    seq: int
    digest: str
    time: float  # wall time of the signature
    why: Why
    key: str

    @property
    def head(self) -> Head:
        """The place of the chain it names."""
        return Head(self.seq, self.digest, self.time)


class _Signature(msgspec.Struct, forbid_unknown_fields=True):
    keyid: str
    sig: str


class _Envelope(msgspec.Struct, rename={"payload_type": "payloadType"}, forbid_unknown_fields=True):
    payload_type: str
    payload: str
    signatures: list[_Signature]


def sign_head(signer: Signs, head: Head, why: Why, wall: float) -> bytes:
    """The line of a head, with its newline."""
    payload = SignedHead(FORMAT, VERSION, head.seq, head.digest, round(wall, 6), why, signer.keyid)
    envelope = msgspec.json.decode(signer.sign(msgspec.json.encode(payload)), type=_Envelope)
    return msgspec.json.encode(envelope) + b"\n"


def open_head(line: bytes, opener: Opens) -> SignedHead:
    """Read a line, without its newline; Permanent, with words, if it is not one, or of no key that is trusted."""
    try:
        envelope = msgspec.json.decode(line, type=_Envelope)
        texts = [envelope.payload, *(each.sig for each in envelope.signatures)]
        exact = all(base64.b64encode(base64.b64decode(each, validate=True)).decode() == each for each in texts)
    except (msgspec.MsgspecError, UnicodeDecodeError, binascii.Error, ValueError, RecursionError):
        raise Permanent("is not a signed head") from None
    if not exact or msgspec.json.encode(envelope) != line:
        raise Permanent("is not a signed head as we write them")
    payload = opener.open(line)  # before anything of it is believed
    try:
        found = msgspec.json.decode(payload, type=SignedHead)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise Permanent("is signed, but no head") from None
    if (found.format, found.version) != (FORMAT, VERSION) or len(found.digest) != 64 or found.seq < 0:
        raise Permanent("is signed, but no head of this format")
    if [each.keyid for each in envelope.signatures] != [found.key]:
        raise Permanent("names another key than the one that signed it")
    return found


def mend(io: Io, path: Path) -> None:
    """Cut off a head that a crash tore: what it was to say is said by the one that follows. OSError, Permanent."""
    if not path.exists():
        return
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        start = max(size - 2 * HEAD_BYTES_MAX, 0)
        file.seek(start)
        body = file.read()
    if body and not body.endswith(b"\n"):
        cut(io, path, start + body.rfind(b"\n") + 1)


def claimed_seq(line: bytes) -> int | None:
    """The `seq` that a line claims, unverified: for sorting what is kept. None if it cannot be read."""
    try:
        envelope = msgspec.json.decode(line, type=_Envelope)
        return msgspec.json.decode(base64.b64decode(envelope.payload), type=SignedHead).seq
    except (msgspec.MsgspecError, UnicodeDecodeError, binascii.Error, ValueError, RecursionError):
        return None


def read_heads(path: Path, opener: Opens) -> Iterator[tuple[int, SignedHead | str]]:
    """Every line by its number from 1: a head, or what is wrong with it; none where there is no file. Corrupt."""
    try:
        with path.open("rb") as file:
            for number in range(1, 1 << 62):
                line = file.readline(HEAD_BYTES_MAX)
                if not line:
                    return
                yield number, _told(line, opener)
    except FileNotFoundError:
        return
    except OSError as error:
        raise Corrupt(str(path), 0, f"cannot be read: {error.strerror}") from error


def last_heads(path: Path, opener: Opens) -> list[tuple[int, SignedHead | str]]:
    """The same of the last lines only; a line whose number is not known is called 2. Corrupt."""
    try:
        with path.open("rb") as file:
            start = max(file.seek(0, os.SEEK_END) - 2 * HEAD_BYTES_MAX, 0)
            file.seek(start)
            lines = file.read().splitlines(keepends=True)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise Corrupt(str(path), 0, f"cannot be read: {error.strerror}") from error
    if start == 0:
        return [(number, _told(line, opener)) for number, line in enumerate(lines, 1)]
    return [(2, _told(line, opener)) for line in lines[1:]]


def _told(line: bytes, opener: Opens) -> SignedHead | str:
    if not line.endswith(b"\n"):
        return "has no end: torn by a crash, or cut"
    try:
        return open_head(line[:-1], opener)
    except Permanent as error:
        return str(error)
