"""One attempt to one receiver, over a connection whose address was checked when it was made.

Where a connection may go is `monitor.wire.connect`'s business. Over plain http every address must lie in the networks
that the receiver lists: where a name leads is known there and not when the settings are read.

httpcore stands here without httpx on top: no redirect, proxy variable, cookie or decompression can then exist. The
status alone decides. The body is read, and thrown away, only so far that a well-behaved receiver sees the end of its
answer; what is fetched is kept up to a bound. Everything together, the resolution included, has one timeout. A resolver
that hangs holds its thread until the C library gives up, so each receiver has a thread of its own.
"""

import asyncio
import ssl
from collections.abc import Mapping, Sequence

import httpcore
import httpx

from monitor.alerts.retry import OK, Failure, Outcome, parse_retry_after
from monitor.clock import Clock
from monitor.wire.addresses import Network
from monitor.wire.connect import CheckedBackend, Refused, Resolve, ThreadResolver, Unresolved, tls_context

TIMEOUT_S = 10.0
ANSWER_BYTES_MAX = 64 * 1024


class Line:
    """Posts to one URL. Every attempt is a connection of its own, so that every attempt is checked."""

    def __init__(
        self,
        url: str,
        clock: Clock,
        *,
        allowed: Sequence[Network] = (),
        tls: ssl.SSLContext | None = None,
        timeout_s: float = TIMEOUT_S,
        resolve: Resolve | None = None,
    ) -> None:
        """`url` comes from the settings and from nowhere else; httpx.InvalidURL. `tls`: share one, it costs 50 ms."""
        parts = httpx.URL(url)  # punycode and percent-encoding
        self._url = httpcore.URL(scheme=parts.raw_scheme, host=parts.raw_host, port=parts.port, target=parts.raw_path)
        self._clock = clock
        self._timeout_s = timeout_s
        self._resolver = ThreadResolver()
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls or tls_context(),
            max_keepalive_connections=0,
            network_backend=CheckedBackend(resolve or self._resolver, allowed, plain=parts.scheme != "https"),
        )

    async def post(self, body: bytes, headers: Mapping[str, str], under: str = "") -> Outcome:
        """Make one attempt; whatever happens is an Outcome, nothing but cancellation is raised.

        `under` is put after the URL's path.
        """
        return (await self._request("POST", under, headers, body, bytes_max=0))[0]

    async def fetch(self, under: str, headers: Mapping[str, str], bytes_max: int) -> tuple[Outcome, bytes]:
        """GET what lies under the URL: the outcome and the body, which is empty unless it came whole and within bounds.

        `under` is made of our words only. A body over `bytes_max` is the failure PROTOCOL.
        """
        outcome, body = await self._request("GET", under, headers, b"", bytes_max=bytes_max)
        if outcome.delivered and len(body) > bytes_max:
            return Outcome(failure=Failure.PROTOCOL), b""
        return outcome, body if outcome.delivered else b""

    async def _request(
        self, method: str, under: str, headers: Mapping[str, str], body: bytes, *, bytes_max: int
    ) -> tuple[Outcome, bytes]:
        status: int | None = None
        asked: float | None = None
        whole = b""
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._pool.stream(method, self._under(under), headers=_encode(headers), content=body) as answer,
            ):
                status, asked = answer.status, self._retry_after_s(answer)
                whole = await _read(answer, bytes_max or ANSWER_BYTES_MAX)
        except (OSError, httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as error:
            cut = bytes_max and status in OK  # the status of an answer says nothing of a body that broke off
            return Outcome(None if cut else status, None if status and not cut else _failure(error), asked), b""
        except httpcore.UnsupportedProtocol:
            return Outcome(failure=Failure.PROTOCOL), b""
        except Refused:
            return Outcome(failure=Failure.REFUSED), b""
        except Unresolved:
            return Outcome(failure=Failure.DNS), b""
        return Outcome(status, None, asked), whole

    def _under(self, under: str) -> httpcore.URL:
        url = self._url
        if not under:
            return url
        target = url.target.partition(b"?")[0].rstrip(b"/") + under.encode("ascii")
        return httpcore.URL(scheme=url.scheme, host=url.host, port=url.port, target=target)

    async def aclose(self) -> None:
        """Close what is open."""
        await self._pool.aclose()
        self._resolver.close()

    def _retry_after_s(self, answer: httpcore.Response) -> float | None:
        for name, value in answer.headers:
            if name.lower() == b"retry-after":
                return parse_retry_after(value.decode("latin-1"), self._clock.wall())
        return None


def _encode(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("ascii"), value.encode("ascii")) for name, value in headers.items()]


async def _read(answer: httpcore.Response, bytes_max: int) -> bytes:
    """Return the body, or its beginning of more than `bytes_max` bytes."""
    parts, size = [], 0
    async for chunk in answer.aiter_stream():
        parts.append(chunk)
        size += len(chunk)
        if size > bytes_max:
            break
    return b"".join(parts)


def _failure(error: BaseException) -> Failure:
    """TLS faults arrive as ConnectError; the chain of causes tells them apart."""
    if isinstance(error, TimeoutError | httpcore.TimeoutException):
        return Failure.TIMEOUT
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return Failure.TLS
        cause = cause.__cause__ or cause.__context__
    return Failure.PROTOCOL if isinstance(error, httpcore.ProtocolError) else Failure.CONNECT
