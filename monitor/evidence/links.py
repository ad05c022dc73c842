r"""Links that open one report without a token, until they expire: for the person whom a notice wakes.

    /v1/evidence/MODEL/ID?expires=SECONDS&signature=HMAC-SHA256(key, "tocsin evidence link 1\0MODEL\0ID\0SECONDS")

The signature is 43 characters of base64url, and compared in constant time. A link is good for reading that report and
nothing else; whoever has it can pass it on, and a token that is revoked takes no link back: a new key does. The key is
32 random bytes in `STATE_DIR/evidence_link.key` (hex, mode 0600, written beside and renamed). `tocsin evidence rotate`
replaces it, deleting the file does as well; a daemon sees that within a second, and every older link is refused. A key
that others may read or that is no key is not used: links are then refused and none are made, and the log says why.

Expiry is rounded down to an eighth of the validity, so that an alert that is told again and again keeps its link, and
a repeated notice its bytes: a link is good for 7/8 to 8/8 of `link_for`. That it has expired is told only to those
whose signature is right. The time is the wall clock's, in a replay, too.

Source: the shape is that of the signed URLs of object stores (AWS Signature 4, query parameters), without its layers.
"""

import hmac
import os
import re
import secrets
import stat
from base64 import urlsafe_b64encode
from enum import Enum
from hashlib import sha256
from pathlib import Path
from typing import Final

import structlog

from monitor.clock import Clock
from monitor.errors import Corrupt, Rejected

KEY_FILE: Final = "evidence_link.key"
KEY_BYTES: Final = 32
STAT_EVERY_S: Final = 1.0
STEPS: Final = 8
_HEX: Final = re.compile(rb"[0-9a-f]{64}\n?")
_QUERY: Final = re.compile(rb"expires=([0-9]{1,12})&signature=([A-Za-z0-9_-]{43})")

log = structlog.get_logger()


class Refusal(Enum):
    """Why a link opens nothing. The whole list: it is a metric label."""

    EXPIRED = "link_expired"
    INVALID = "link_invalid"
    OFF = "links_off"


class Links:
    """Makes links and judges them."""

    def __init__(self, path: Path, clock: Clock, valid_s: float | None) -> None:
        """The key is in the file `path`, made if it is not there. `valid_s` None: off. OSError."""
        self._path, self._clock = path, clock
        self.valid_s = valid_s
        self._looked = clock.monotonic()
        self._seen: tuple[int, ...] | None = None
        self._key: bytes | None = None
        self._read()

    def query(self, model: str, report: str) -> str:
        """What to put behind the path of a report: `?expires=...&signature=...`; "" while links are off."""
        self._follow()
        if self.valid_s is None or self._key is None:
            return ""
        step = self.valid_s / STEPS
        expires = int(self._clock.wall() // step * step + self.valid_s)
        return f"?expires={expires}&signature={sign(self._key, model, report, expires)}"

    def check(self, model: str, report: str, query: bytes) -> None:
        """Judge the query of a request for a report; Rejected with a value of `Refusal`."""
        self._follow()
        if self.valid_s is None:
            raise Rejected(Refusal.OFF.value)
        found = _QUERY.fullmatch(query)
        expires = int(found[1]) if found else 0
        right = sign(self._key or secrets.token_bytes(KEY_BYTES), model, report, expires)
        same = hmac.compare_digest(found[2] if found else bytes(len(right)), right.encode())
        if not found or not same or found[1] != str(expires).encode():
            raise Rejected(Refusal.INVALID.value)
        wall = self._clock.wall()
        if wall >= expires or expires > wall + self.valid_s:  # the settings may have made links shorter since
            raise Rejected(Refusal.EXPIRED.value)

    def _follow(self) -> None:
        now = self._clock.monotonic()
        if now - self._looked >= STAT_EVERY_S:
            self._looked = now
            if self._seen is None or _stamp(self._path) != self._seen:
                self._read()

    def _read(self) -> None:
        """Take the key over; make one where there is none."""
        try:
            self._seen = _stamp(self._path)
            if self._seen is None:
                rotate(self._path)
                self._seen = _stamp(self._path)
            self._key = read_key(self._path)
        except (Corrupt, OSError) as error:
            self._key = None
            log.warning("evidence.links_without_key", kind=type(error).__name__, why=str(error))


def sign(key: bytes, model: str, report: str, expires: int) -> str:
    """The signature of a link."""
    message = "\0".join(("tocsin evidence link 1", model, report, str(expires)))
    return urlsafe_b64encode(hmac.digest(key, message.encode(), sha256)).rstrip(b"=").decode()


def read_key(path: Path) -> bytes:
    """Read a key; Corrupt if it is none, or others may read it. OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        mode, body = os.fstat(file.fileno()).st_mode, file.read(100)
    if not stat.S_ISREG(mode) or mode & 0o077:
        raise Corrupt(str(path), 0, "others may read the key of evidence links; make a new one: tocsin evidence rotate")
    if not _HEX.fullmatch(body):
        raise Corrupt(str(path), 0, "not a key of evidence links; make a new one: tocsin evidence rotate")
    return bytes.fromhex(body.decode())


def rotate(path: Path) -> None:
    """Write a new key in the place of the old one, if there was any: links of before open nothing any more. OSError."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES).hex().encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _stamp(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_size, found.st_mode
