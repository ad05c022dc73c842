"""The bytes of the audit log: one record a line, chained by SHA-256. docs/audit.md is the format; here it is made.

    {"v":1,"seq":7,"time":1763849123.5,"kind":"rollback.verified","actor":"policy","subject":{...},
     "prev":"<64 hex>","digest":"<64 hex>"}

    digest = SHA-256 of the line's bytes up to (not with) `,"digest":`, in which the digest of the line before stands

So a digest covers the whole log up to its line, and each line tells by itself whether it is intact: a flip in the last
line is seen although nothing follows it. Anybody can recompute digests; that is what signed heads, and heads that left
the machine, are for. Canonical JSON: no blanks, the members in this order, those of `subject` by name.

Bounds: a line is at most `LINE_BYTES_MAX`; texts are cut at `TEXT_MAX` characters, `subject` at `MEMBERS_MAX` members.
Cost: 3 us to write one (the fsync is 1,000 times that), 2 us to check one.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from hashlib import sha256
from math import isfinite
from typing import Final, TypeAlias

import msgspec

Scalar: TypeAlias = str | int | float | bool | None
Subject: TypeAlias = Mapping[str, Scalar]

VERSION: Final = 1
GENESIS: Final = "0" * 64  # stands where the first line of all names the one before
LINE_BYTES_MAX: Final = 65_536
TEXT_MAX: Final = 300  # at most 6 bytes each, escaped: 24 members and the actor stay below LINE_BYTES_MAX
NAME_MAX: Final = 64
MEMBERS_MAX: Final = 24
PART_BITS: Final = 52  # of a digest, in one number that a float holds exactly
_SEAL: Final = b',"digest":"'
_TAIL: Final = len(_SEAL) + 64 + 2
_KIND: Final = re.compile(r"[a-z_]{1,40}(\.[a-z_]{1,40})+")
_ENCODER: Final = msgspec.json.Encoder(order="sorted")


class Kind(StrEnum):
    """What the daemon and the command line write. Other parts may have kinds of their own: `<noun>.<verb>`."""

    DAEMON_STARTED = "daemon.started"
    DAEMON_STOPPED = "daemon.stopped"
    SETTINGS_RELOADED = "settings.reloaded"
    SETTINGS_REFUSED = "settings.refused"
    TOKEN_CREATE = "token.create"  # noqa: S105 - a kind; the command line is about to
    TOKEN_REVOKE = "token.revoke"  # noqa: S105 - a kind, as above
    TOKEN_CREATED = "token.created"  # noqa: S105 - a kind; the daemon found it in the file
    TOKEN_REVOKED = "token.revoked"  # noqa: S105 - a kind, as above
    TOKEN_CHANGED = "token.changed"  # noqa: S105 - a kind; an entry of the file was edited
    BUNDLE_CREATE = "bundle.create"  # the command line is about to, as below
    BUNDLE_ADD = "bundle.add"
    BUNDLE_SIGN = "bundle.sign"
    BUNDLE_APPROVE = "bundle.approve"
    BUNDLE_PROMOTE = "bundle.promote"
    BUNDLE_QUARANTINE = "bundle.quarantine"
    BUNDLE_REVOKE = "bundle.revoke"
    BUNDLE_REFRESH = "bundle.refresh"
    RELEASES_CHANGED = "releases.changed"
    BUNDLE_CHANGED = "bundle.changed"
    REFERENCE_CHANGED = "reference.changed"
    SERVED_CHANGED = "served.changed"
    KILL_SWITCH_SET = "kill_switch.set"
    KILL_SWITCH_UNSET = "kill_switch.unset"
    SILENCE_SEEN = "silence.seen"
    SILENCE_ENDED = "silence.ended"
    INCIDENT_OPENED = "incident.opened"
    INCIDENT_CLOSED = "incident.closed"
    DECISION_ACTED = "decision.acted"
    DECISION_WITHHELD = "decision.withheld"
    DECISION_DENIED = "decision.denied"
    DECISION_INCONCLUSIVE = "decision.inconclusive"
    ROLLBACK_PROPOSED = "rollback.proposed"
    ROLLBACK_PLANNED = "rollback.planned"
    ROLLBACK_VERIFIED = "rollback.verified"
    ROLLBACK_PROBED = "rollback.probed"  # written before the switch, or there is no switch
    ROLLBACK_SWITCHED = "rollback.switched"
    ROLLBACK_RELOADED = "rollback.reloaded"
    ROLLBACK_BAKING = "rollback.baking"
    ROLLBACK_COMMITTED = "rollback.committed"
    ROLLBACK_REFUSED = "rollback.refused"
    ROLLBACK_FAILED = "rollback.failed"
    ROLLBACK_EXPIRED = "rollback.expired"
    PERSON_STARTED = "person.started"
    PERSON_APPROVED = "person.approved"
    PERSON_DECLINED = "person.declined"
    PERSON_UNLATCHED = "person.unlatched"
    PERSON_RELEASED = "person.released"  # what the e-detector had latched
    PERSON_SUSPECTED = "person.suspected"
    PERSON_TRUSTED = "person.trusted"  # again what was suspected
    LATCH_SET = "latch.set"
    LATCH_RELEASED = "latch.released"
    CLOCK_STEPPED = "clock.stepped"
    CLOCK_JUMPED = "clock.jumped"  # the wall clock of live traffic, which pauses automation
    KEY_MADE = "audit.key_made"
    TORN = "audit.torn"  # what a crash left of a line was set aside
    LOST = "audit.lost"  # records that could not be written, by number
    UNVERIFIED = "audit.unverified"  # found at a start
    DROPPED = "audit.dropped"  # files over the bound


class Entry(msgspec.Struct, frozen=True):
    """What is to be written down: who did what, when (wall time), with what. Never values of rows, never secrets."""

    kind: str
    actor: str
    subject: Subject
    time: float


class Head(msgspec.Struct, frozen=True):
    """One place of the chain: whoever keeps it can prove everything up to `seq` later."""

    seq: int  # 0: before the first record
    digest: str  # 64 hex digits
    time: float  # wall time of the record

    @property
    def anchor(self) -> str:
        """As people carry it: `SEQ:DIGEST`."""
        return f"{self.seq}:{self.digest}"

    @property
    def parts(self) -> tuple[int, ...]:
        """The digest as five numbers of at most 52 bits, the most significant first: 13 hex digits each, the last 12.

        >>> [f"{part:x}" for part in Head(1, "0123456789abcdef" * 4, 0.0).parts][:2]
        ['123456789abc', 'def0123456789']
        """
        return tuple(int(self.digest[at : at + PART_BITS // 4], 16) for at in range(0, 64, PART_BITS // 4))


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """A line, read."""

    v: int
    seq: int
    time: float
    kind: str
    actor: str
    subject: dict[str, Scalar]
    prev: str
    digest: str


class Skimmed(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A line, read as far as the chain needs it."""

    v: int
    seq: int
    time: float
    kind: msgspec.Raw
    actor: msgspec.Raw
    subject: msgspec.Raw
    prev: str
    digest: str


BEGINNING: Final = Head(0, GENESIS, 0.0)
_SKIM: Final = msgspec.json.Decoder(Skimmed)
_READ: Final = msgspec.json.Decoder(Record)


def line_of(entry: Entry, before: Head) -> tuple[bytes, Head]:
    """The line that follows `before`, with its newline, and its head; ValueError if the kind is no kind."""
    if not _KIND.fullmatch(entry.kind):
        msg = f"not a kind of record: {entry.kind!r}"
        raise ValueError(msg)
    seq, time = before.seq + 1, round(entry.time, 6)
    fields = {"v": VERSION, "seq": seq, "time": time, "kind": entry.kind, "actor": _text(entry.actor)}
    body = msgspec.json.encode(fields | {"prev": before.digest})
    subject = _ENCODER.encode(_bounded(entry.subject))
    at = body.rindex(b',"prev":')
    body = body[:at] + b',"subject":' + subject + body[at:-1]
    digest = sha256(body).hexdigest()
    line = body + _SEAL + digest.encode() + b'"}\n'
    assert len(line) <= LINE_BYTES_MAX, "the bounds of texts and members keep a line short"
    return line, Head(seq, digest, time)


def skim(line: bytes) -> Skimmed | None:
    """What an intact line, without its newline, says of the chain; None if its digest is not that of its bytes."""
    if len(line) < _TAIL or sha256(line[:-_TAIL]).hexdigest().encode() != line[-66:-2]:
        return None
    try:
        found = _SKIM.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    sealed = line.endswith(_SEAL + found.digest.encode() + b'"}')
    return found if sealed and found.v == VERSION and found.seq > 0 else None


def head_of(line: bytes) -> Head | None:
    """The head that an intact line, without its newline, makes; None if it is not intact."""
    found = skim(line)
    return None if found is None else Head(found.seq, found.digest, found.time)


def read(line: bytes) -> Record:
    """A line as a record; ValueError if it is none."""
    return _READ.decode(line)


def digest_of(parts: tuple[int, ...]) -> str:
    """Undo `Head.parts`; ValueError if these are no such numbers."""
    widths = (13, 13, 13, 13, 12)
    if len(parts) != len(widths) or not all(0 <= p < 16**w for p, w in zip(parts, widths, strict=True)):
        msg = "a digest has five parts of at most 52 bits, the last of 48"
        raise ValueError(msg)
    return "".join(f"{part:0{width}x}" for part, width in zip(parts, widths, strict=True))


def _bounded(subject: Subject) -> dict[str, Scalar]:
    kept = list(subject.items())[:MEMBERS_MAX]
    return {_text(name)[:NAME_MAX]: _value(value) for name, value in kept}


def _value(value: Scalar) -> Scalar:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, float) and not isfinite(value):
        return None  # not known, never a number that is none
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 53:
        return str(value)[:NAME_MAX]  # beyond it other readers of JSON would round
    return value


def _text(text: str) -> str:
    """A text within the bound, which says that it was cut, and that any reader of UTF-8 takes."""
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= TEXT_MAX else text[: TEXT_MAX - 1] + "…"
