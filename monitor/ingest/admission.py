"""Who may come in: decided from sizes alone, before a byte is parsed.

A request is charged its Content-Length at once, or chunk by chunk as it comes, and gives the bytes back when it is
answered, that is after the commit: what waits for the journal is inside the budget. Over the budget a sender is told
to come again (429 with whole seconds); a body above the cap is 413 whatever the load. One deadline over the whole body
ends both stalls and drips. Only the event loop touches the numbers.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, Self, TypeAlias

from monitor.ingest.counters import AdmissionReason, Counters
from monitor.ingest.limits import Limits
from monitor.ingest.problems import CLOSE, Refused, retry_after

Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]

RETRY_S: Final = 1  # a commit takes milliseconds: a full budget is empty again within a second or not at all


class Disconnected(Exception):
    """The sender went away before its body was whole; there is nobody to answer."""


class Admission:
    """The budget of bytes and requests in flight, shared by all routes."""

    def __init__(self, limits: Limits, counters: Counters) -> None:
        self._limits = limits
        self._counters = counters

    def admit(self, declared: int | None, body_bytes_max: int) -> "Ticket":
        """Let a request of `declared` bytes (None: chunked) in; Refused with 413 or 429."""
        if declared is not None and declared > body_bytes_max:
            raise too_large()
        if self._counters.in_flight_requests >= self._limits.requests_max:
            raise _busy(AdmissionReason.REQUESTS_IN_FLIGHT, "too many requests are being answered")
        self.charge(declared or 0)
        self._counters.in_flight_requests += 1
        return Ticket(self, declared or 0, body_bytes_max, self._limits.body_timeout_s)

    def charge(self, size: int) -> None:
        """Take bytes from the budget; Refused with 429 if it has not so many left."""
        if self._counters.in_flight_bytes + size > self._limits.in_flight_bytes_max:
            raise _busy(AdmissionReason.BYTES_IN_FLIGHT, "too many bytes are being worked on")
        self._counters.in_flight_bytes += size

    def give_back(self, size: int) -> None:
        """A request has left with all it was charged."""
        self._counters.in_flight_bytes -= size
        self._counters.in_flight_requests -= 1
        assert self._counters.in_flight_bytes >= 0, "given back more than was charged"


class Ticket:
    """One admitted request. Leaving the `with` block gives its bytes back."""

    def __init__(self, admission: Admission, charged: int, body_bytes_max: int, timeout_s: float) -> None:
        self._admission = admission
        self._charged = charged
        self._max = body_bytes_max
        self._timeout_s = timeout_s

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._admission.give_back(self._charged)

    async def read(self, receive: Receive) -> bytes:
        """The whole body. Refused with 408, 413 or 429; Disconnected."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._read(receive)
        except TimeoutError:
            detail = "the body did not come in time"
            raise Refused(408, AdmissionReason.BODY_TIMEOUT.value, detail, CLOSE) from None

    def charge(self, size: int) -> None:
        """Charge a body for what has come, or for what it became; Refused with 429."""
        if size > self._charged:
            self._admission.charge(size - self._charged)
            self._charged = size

    async def _read(self, receive: Receive) -> bytes:
        chunks: list[bytes] = []
        size, more = 0, True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                raise Disconnected
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > self._max:
                raise too_large()
            self.charge(size)
            chunks.append(chunk)
            more = message.get("more_body", False)
        return b"".join(chunks)


def too_large() -> Refused:
    """The error for a body above the cap."""
    return Refused(413, AdmissionReason.BODY_TOO_LARGE.value, "the body is too large; send several", CLOSE)


def _busy(reason: AdmissionReason, detail: str) -> Refused:
    return Refused(429, reason.value, detail, retry_after(RETRY_S))
