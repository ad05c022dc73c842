"""Whole-request errors as RFC 9457 problem details. Every text in them is ours: nothing a client sent is echoed."""

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import msgspec

from monitor.errors import TocsinError

JSON = b"application/json"
PROBLEM = b"application/problem+json"


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, complete."""

    status: int
    body: bytes
    content_type: bytes = JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()

    @classmethod
    def of(cls, value: object, status: int = 200) -> "Answer":
        """Render a value as JSON."""
        return cls(status, msgspec.json.encode(value))


@dataclass(eq=False)
class Refused(TocsinError):
    """A request is answered with an error. `reason` is one of our words; it becomes the problem's type."""

    status: int
    reason: str
    detail: str
    headers: tuple[tuple[bytes, bytes], ...] = ()
    more: dict[str, Any] = field(default_factory=dict)  # extension members

    def answer(self) -> Answer:
        """Render as application/problem+json."""
        document = {
            "type": f"urn:tocsin:problem:{self.reason}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
        }
        return Answer(self.status, msgspec.json.encode(document | self.more), PROBLEM, self.headers)


CLOSE = ((b"connection", b"close"),)  # the rest of the body is not wanted


def retry_after(seconds: int) -> tuple[tuple[bytes, bytes], ...]:
    """Say when to come again, in whole seconds, as RFC 9110 wants."""
    return ((b"retry-after", str(max(1, seconds)).encode()),)
