"""Connections whose address was checked when they were made.

A check of the URL before the request would be undone by the next resolution (DNS rebinding). So the check stands where
the socket is opened: the name is resolved once, every address of the answer must pass `addresses.refusal`, and the
connection goes to that very address; TLS still names, and verifies, the host. One bad address condemns the whole
answer: a public name that also answers 127.0.0.1 is an attack or a mistake.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import httpcore
import httpx

from monitor.errors import TocsinError
from monitor.wire.addresses import Network, host_problem, refusal

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
SocketOption = tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]

ADDRESSES_MAX = 4  # tried in turn; the one timeout covers them all


class Refused(TocsinError):
    """The address is not one that may be reached here."""


class Unresolved(TocsinError):
    """The name has no address, or the resolver failed."""


class ThreadResolver:
    """The C library's resolver on one thread of its own."""

    def __init__(self) -> None:
        """The thread starts with the first resolution."""
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="resolve")

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """Return the addresses of `host` in the system's order; OSError."""
        work = asyncio.get_running_loop().run_in_executor(self._thread, _getaddrinfo, host, port)
        return await work

    def close(self) -> None:
        """Let the thread end; one that hangs is not waited for."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def _getaddrinfo(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class CheckedBackend(httpcore.AsyncNetworkBackend):
    """Opens connections for httpcore, to checked addresses only."""

    def __init__(self, resolve: Resolve, allowed: Sequence[Network], *, plain: bool) -> None:
        """`allowed` are the private networks it may be in; `plain`: there will be no TLS."""
        self._resolve = resolve
        self._allowed = tuple(allowed)
        self._plain = plain
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Resolve once, check, connect; Refused, Unresolved, or httpcore's ConnectError of the last address."""
        failed: httpcore.ConnectError | None = None
        for address in (await self._checked(host, port))[:ADDRESSES_MAX]:
            try:
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except httpcore.ConnectError as error:
                failed = error
        raise failed or Unresolved("the name has no address")

    async def _checked(self, host: str, port: int) -> Sequence[str]:
        if problem := host_problem(host):
            raise Refused(problem)
        try:
            addresses = await self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise Unresolved("the name cannot be resolved") from error
        for address in addresses:
            if problem := refusal(address, self._allowed, plain=self._plain):
                raise Refused(problem)
        return addresses


def tls_context() -> ssl.SSLContext:
    """Return a context that verifies, with certifi's roots or those of SSL_CERT_FILE; to be shared by all lines."""
    return httpx.create_ssl_context()
