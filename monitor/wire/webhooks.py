"""Standard Webhooks signatures: the receiver can tell that we sent it, that it is whole, and that it is no replay.

    webhook-id: <id>                   the same over every retry
    webhook-timestamp: <seconds>       of this attempt
    webhook-signature: v1,<base64(HMAC-SHA256(key, id.timestamp.body))>[ v1,<the same by the second key>]

Source: https://www.standardwebhooks.com, specification 1.0. A secret is `whsec_` and the base64 of 24 to 64 bytes. The
secret file holds one line, or two during a rotation: receivers accept either, so the new key is added, the receivers
are told, the old line is removed.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from pathlib import Path

from monitor.errors import Problem, SettingsError

PREFIX = "whsec_"
KEY_BYTES_MIN, KEY_BYTES_MAX = 24, 64  # the specification's
FILE_BYTES_MAX = 4096


class Keys:
    """One or two secrets. They print as `[redacted]`."""

    __slots__ = ("_secrets",)

    def __init__(self, secrets: Sequence[bytes]) -> None:
        """`secrets` are raw bytes, the one signed with first in front."""
        self._secrets = tuple(secrets)

    def __repr__(self) -> str:
        return "Keys([redacted])"

    def signature(self, message: bytes) -> str:
        """Return one `v1,...` for each key, separated by spaces."""
        digests = (hmac.new(secret, message, hashlib.sha256).digest() for secret in self._secrets)
        return " ".join("v1," + base64.b64encode(digest).decode() for digest in digests)


def parse_keys(text: str, path: str = "secret_file") -> Keys:
    """Read the lines of a secret file; SettingsError, which never quotes the secret."""
    lines = [line for line in map(str.strip, text.splitlines()) if line and not line.startswith("#")]
    problems = [Problem(f"{path}:{i}", why) for i, line in enumerate(lines, 1) if (why := _problem(line))]
    if not 1 <= len(lines) <= 2:
        hint = "one line whsec_<base64>, two during a rotation"
        problems.append(Problem(path, f"holds {len(lines)} secrets", hint))
    if problems:
        raise SettingsError(problems)
    return Keys([_decode(line) for line in lines])


def load_keys(path: Path) -> Keys:
    """Read the secret file; SettingsError where it cannot be read or holds no usable secret."""
    try:
        with path.open("rb") as file:
            return parse_keys(file.read(FILE_BYTES_MAX).decode("ascii"), str(path))
    except OSError as error:
        raise SettingsError([Problem(str(path), error.strerror or "cannot be read")]) from error
    except UnicodeDecodeError:
        raise SettingsError([Problem(str(path), "is not ASCII text")]) from None


def headers(keys: Keys, message_id: str, wall: float, body: bytes) -> dict[str, str]:
    """Return the three headers of one attempt at `wall`."""
    timestamp = str(int(wall))
    message = b".".join((message_id.encode(), timestamp.encode(), body))
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": keys.signature(message),
    }


def _problem(line: str) -> str:
    if not line.startswith(PREFIX):
        return f"a secret starts with {PREFIX}"
    try:
        size = len(_decode(line))
    except binascii.Error:
        return "is not base64"
    return "" if KEY_BYTES_MIN <= size <= KEY_BYTES_MAX else f"is {size} bytes, not {KEY_BYTES_MIN} to {KEY_BYTES_MAX}"


def _decode(line: str) -> bytes:
    text = line.removeprefix(PREFIX)
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
