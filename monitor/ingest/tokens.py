"""Static tokens: who may do what, and for which source its rows count. `tcs_<id>_<secret>`, in a file, hashed.

The secret is 256 random bits, so one SHA-256 of it is as good as a slow password hash: there is nothing to guess, and
a look-up costs 1 us instead of 100 ms a request (OWASP: slow hashes are for low-entropy secrets). The id finds the
entry; the digests are then compared in constant time, against a decoy when the id is unknown. The prefix lets secret
scanners find a leaked token. Roles do not imply one another: a token may do what its scopes say, nothing else.

A token may end by itself (`expires`, by the time of day) and may bear a rate of rows (monitor.ingest.rates). That it
has expired is told only to whoever has its secret: to all others it is as unknown as any.

The file is JSON, mode 0600, replaced atomically under a lock. A reader looks at its stat at most once a second. A file
that cannot be read keeps the last good tokens and shows a problem; a file that is gone means that there are no tokens.
"""

import fcntl
import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Final

import msgspec

from monitor.clock import Clock
from monitor.errors import Corrupt, Problem, Rejected, SettingsError
from monitor.ingest.counters import AdmissionReason
from monitor.ingest.rates import Rate

FILE_BYTES_MAX: Final = 1 << 20  # 4,000 tokens
STAT_EVERY_S: Final = 1.0
ROWS_MAX: Final = 10_000_000  # a second, or at once: ten times what the intake can do
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_SOURCE: Final = re.compile(r"[A-Za-z0-9._@:-]+(/[A-Za-z0-9._@:-]+)*(/\*)?")
_TEXT: Final = re.compile(rb"tcs_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
_DECOY: Final = hashlib.sha256(b"nobody").hexdigest()


class Scope(Enum):
    """What a token may do."""

    INGEST_PREDICTIONS = "ingest:predictions"
    INGEST_LABELS = "ingest:labels"
    READ = "read"
    OPERATE = "operate"
    APPROVE = "approve"
    ADMIN = "admin"
    CLOCK = "clock"  # replay only


class Token(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of the file. `source` is exact, or a prefix `crowd/*`: then each row names which one below it."""

    id: str
    name: str
    digest: str  # SHA-256 of the secret, hex
    scopes: tuple[Scope, ...]
    source: str
    created: float  # wall time
    revoked: float | None = None  # wall time; a revoked token stays listed
    expires: float | None = None  # wall time from which it opens nothing
    rows_per_second: int | None = None  # >= 1; None: the settings' `http.rows_per_second`
    burst_rows: int | None = None  # >= 1, at once; None: ten seconds of its rate

    def valid(self, wall: float) -> bool:
        """Whether it opens anything at this time of day."""
        return self.revoked is None and (self.expires is None or wall < self.expires)

    def rate(self, default: int | None) -> Rate | None:
        """How many rows it may send: its own rate, else the default; None if there is neither."""
        rows_per_second = default if self.rows_per_second is None else self.rows_per_second
        return None if rows_per_second is None else Rate.of(rows_per_second, self.burst_rows)


class Bounds(msgspec.Struct, frozen=True):
    """What bounds a new token besides its scopes; see Token."""

    expires: float | None = None
    rows_per_second: int | None = None
    burst_rows: int | None = None


UNBOUNDED: Final = Bounds()


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: int
    tokens: tuple[Token, ...]


# ---------------------------------------------------------------- the file


def read_tokens(path: Path) -> tuple[Token, ...]:
    """All tokens of the file, revoked ones too; none if there is no file. Corrupt if it is not ours."""
    try:
        with path.open("rb") as file:
            body = file.read(FILE_BYTES_MAX + 1)
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise Corrupt(str(path), 0, "the tokens file cannot be read; check its owner and mode") from error
    try:
        found = msgspec.json.decode(body, type=_File)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Corrupt(str(path), 0, "not a tokens file; restore it, or delete it and create the tokens anew") from error
    if found.format != 1 or len(body) > FILE_BYTES_MAX:
        raise Corrupt(str(path), 0, "a tokens file of another format, or too large")
    return found.tokens


def create_token(
    path: Path, name: str, scopes: Sequence[Scope], source: str, now: float, *, bounds: Bounds = UNBOUNDED
) -> tuple[Token, str]:
    """Add a token; return it and its text, which is shown this once. SettingsError says all that is wrong."""
    with _changing(path) as tokens:
        taken = any(token.name == name and token.valid(now) for token in tokens)
        problems = [*_problems(name, scopes, source or name, taken=taken), *_unusable(bounds, now)]
        if problems:
            raise SettingsError(problems)
        ident, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
        token = Token(
            ident, name, _digest(secret.encode()), tuple(scopes), source or name, now, **msgspec.structs.asdict(bounds)
        )
        tokens.append(token)
    return token, f"tcs_{ident}_{secret}"


def revoke_token(path: Path, name: str, now: float) -> Token:
    """Revoke the token of this name or id that is still valid. SettingsError if there is none."""
    with _changing(path) as tokens:
        for index, token in enumerate(tokens):
            if name in (token.name, token.id) and token.valid(now):
                tokens[index] = msgspec.structs.replace(token, revoked=now)
                return tokens[index]
        raise SettingsError([Problem("name", "no valid token has this name or id", "see `tocsin token list`")])


def _problems(name: str, scopes: Sequence[Scope], source: str, *, taken: bool) -> Iterator[Problem]:
    if not _NAME.fullmatch(name):
        yield Problem("name", "not a name", "1 to 64 of a-z 0-9 . _ -, beginning with a letter or digit")
    if taken:
        yield Problem("name", "a valid token has this name", "revoke it first, or choose another")
    if not scopes or len(set(scopes)) != len(scopes):
        yield Problem("scopes", "no scope, or one twice", "one or more of " + ", ".join(s.value for s in Scope))
    if not _SOURCE.fullmatch(source) or len(source) > 128:
        yield Problem("source", "not a source", "words of A-Z a-z 0-9 . _ @ : - parted by /; `crowd/*` is a prefix")


def _unusable(bounds: Bounds, now: float) -> Iterator[Problem]:
    if bounds.expires is not None and not now < bounds.expires < float("inf"):
        yield Problem("expires", "is over already", "a time to come")
    for name in ("rows_per_second", "burst_rows"):
        rows = getattr(bounds, name)
        if rows is not None and not 1 <= rows <= ROWS_MAX:
            yield Problem(name, "no number of rows", f"1 to {ROWS_MAX:,}")


@contextmanager
def _changing(path: Path) -> Iterator[list[Token]]:
    """Hand out the tokens to change, and replace the file by them; two commands at once take turns."""
    try:
        lock = os.open(path.with_name(path.name + ".lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            tokens = list(read_tokens(path))
            yield tokens
            _replace(path, msgspec.json.format(msgspec.json.encode(_File(1, tuple(tokens))), indent=2) + b"\n")
        finally:
            os.close(lock)
    except OSError as error:
        hint = "is its directory there, and yours? Its name is tokens_file in the settings"
        raise SettingsError([Problem(str(path), f"cannot be written: {error.strerror}", hint)]) from error


def _replace(path: Path, body: bytes) -> None:
    """Write beside, sync, rename, sync the directory: a reader sees the old file or the new one."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(body)
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


# ---------------------------------------------------------------- asking


class Tokens:
    """The valid tokens of a file, followed as it changes."""

    def __init__(self, path: Path, clock: Clock) -> None:
        """Read the file; Corrupt if it is there and not ours."""
        self._path = path
        self._clock = clock
        self._looked = clock.monotonic()
        self._seen = self._stat()
        self._valid = _by_id(read_tokens(path))
        self.problem: Problem | None = None  # why the last change of the file was not taken over

    def find(self, authorization: bytes | None) -> Token | None:
        """The token of an `Authorization: Bearer` header, if any. Rejected("token_expired") if its time is over."""
        self._follow()
        scheme, _, text = (authorization or b"").partition(b" ")
        parts = _TEXT.fullmatch(text.strip()) if scheme.lower() == b"bearer" else None
        if parts is None:
            return None
        token = self._valid.get(parts[1].decode())
        same = hmac.compare_digest(_digest(parts[2]), token.digest if token else _DECOY)
        if token is None or not same:
            return None
        if not token.valid(self._clock.wall()):
            raise Rejected(AdmissionReason.TOKEN_EXPIRED.value)
        return token

    def reload(self) -> Problem | None:
        """Read the file again now; on a bad file keep the last good tokens and say what is wrong."""
        self._looked = self._clock.monotonic()
        self._seen = self._stat()
        try:
            self._valid = _by_id(read_tokens(self._path))
        except Corrupt as error:
            self.problem = Problem("tokens_file", error.hint, "the last good tokens stay valid")
        else:
            self.problem = None
        return self.problem

    def _follow(self) -> None:
        now = self._clock.monotonic()
        if now - self._looked >= STAT_EVERY_S:
            self._looked = now
            if self._stat() != self._seen:
                self.reload()

    def _stat(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino, found.st_size


def _by_id(tokens: Sequence[Token]) -> Mapping[str, Token]:
    return {token.id: token for token in tokens if token.revoked is None}


def _digest(secret: bytes) -> str:
    return hashlib.sha256(secret).hexdigest()
