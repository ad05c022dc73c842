"""One REST call of a rollback target: to a checked address, within one timeout, with an answer that is bounded.

A target is the operator's own and mostly on loopback or in a private network, so those are open here, and link-local
and metadata addresses are refused as everywhere, when the connection is made (`monitor.wire.connect`). Plain http goes
to private addresses only: a token would cross the internet in the clear.

httpcore stands here without httpx on top: no redirect, proxy variable, cookie or decompression can then exist. Calls
are rare, so each has a connection, a resolver and a reading of its credentials of its own: tokens and certificates that
are rotated in place are the new ones at the next call.

An answer is a status and a JSON document, and the target judges both. No connection, a timeout, 408, 429 and 5xx are
Transient: the call may or may not have taken effect. What else went wrong is Permanent.
"""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from ipaddress import ip_network
from typing import Any
from urllib.parse import urlencode

import httpcore
import httpx
import msgspec

from monitor.errors import Permanent, Transient
from monitor.wire.addresses import PRIVATE
from monitor.wire.connect import CheckedBackend, Refused, Resolve, ThreadResolver, Unresolved, tls_context

ANSWER_BYTES_MAX = 4 << 20  # a Kubernetes object is at most 1.5 MiB in etcd, and larger as JSON
TIMED_OUT, TOO_MANY, SERVER_ERRORS = 408, 429, 500

ANYWHERE = (ip_network("0.0.0.0/0"), ip_network("::/0"))  # but NEVER, which no list opens
PLAIN = (*PRIVATE, ip_network("::1/128"), ip_network("fc00::/7"))
AGENT = {"user-agent": "tocsin", "accept": "application/json", "accept-encoding": "identity"}

Credentials = Callable[[], Mapping[str, str]]  # headers that prove who we are; OSError, ValueError


class Answer(msgspec.Struct, frozen=True):
    """What came back: the status, and the body as plain JSON values, None where it is no JSON object."""

    status: int
    document: dict[str, Any] | None

    def text(self, *path: str) -> str:
        """Return the text under these keys, "" where there is none."""
        found: Any = self.document
        for key in path:
            found = found.get(key) if isinstance(found, dict) else None
        return found if isinstance(found, str) else ""


class Caller:
    """Calls one server."""

    def __init__(
        self,
        url: str,
        what: str,
        timeout_s: float,
        *,
        credentials: Credentials = dict,
        tls: Callable[[], ssl.SSLContext] = tls_context,
        resolve: Resolve | None = None,
    ) -> None:
        """`url` is the server's root, from the settings; `what` names it in errors: "the model registry".

        `credentials` and `tls` are asked anew for each call, on a thread; OSError or ValueError if they cannot be read.
        """
        parts = httpx.URL(url)  # punycode and percent-encoding; httpx.InvalidURL
        root = parts.raw_path.partition(b"?")[0].rstrip(b"/")
        self._root = httpcore.URL(scheme=parts.raw_scheme, host=parts.raw_host, port=parts.port, target=root or b"/")
        self._plain = parts.scheme != "https"
        self._what = what
        self._timeout_s = timeout_s
        self._credentials = credentials
        self._tls = tls
        self._resolve = resolve

    async def ask(self, path: str, query: Mapping[str, str] | None = None) -> Answer:
        """GET; Transient, Permanent. `path` begins with / and is quoted already."""
        return await self.call("GET", f"{path}?{urlencode(query)}" if query else path)

    async def call(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> Answer:
        """Make one call, within `timeout_s` instead of the usual; Transient, Permanent."""
        try:
            async with asyncio.timeout(timeout_s or self._timeout_s):
                proof, tls = await asyncio.to_thread(self._prepared)
                kind = {"content-type": "application/json"} if body else {}
                return await self._request(method, path, body, {**AGENT, **kind, **(headers or {}), **proof}, tls)
        except TimeoutError:
            raise Transient(f"{self._what} did not answer in time") from None

    def _prepared(self) -> tuple[Mapping[str, str], ssl.SSLContext | None]:
        try:
            return self._credentials(), None if self._plain else self._tls()
        except (OSError, ValueError):  # ssl.SSLError is an OSError; neither text may quote a secret
            raise Transient(f"the credentials or certificates for {self._what} cannot be read now") from None

    async def _request(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str], tls: ssl.SSLContext | None
    ) -> Answer:
        resolver = ThreadResolver()
        backend = CheckedBackend(self._resolve or resolver, PLAIN if self._plain else ANYWHERE, plain=self._plain)
        encoded = [(name.encode("ascii"), value.encode("ascii")) for name, value in headers.items()]
        try:
            async with (
                httpcore.AsyncConnectionPool(ssl_context=tls, network_backend=backend) as pool,
                pool.stream(method, self._under(path), headers=encoded, content=body) as answer,
            ):
                return Answer(self._checked(answer.status), _decoded(await self._read(answer)))
        except Refused:
            raise Permanent(f"{self._what} is at an address that is never reached from here") from None
        except (Unresolved, OSError, httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError):
            raise Transient(f"{self._what} cannot be reached, or the connection broke") from None
        finally:
            resolver.close()

    def _under(self, path: str) -> httpcore.URL:
        root = self._root
        target = root.target.rstrip(b"/") + path.encode("ascii")
        return httpcore.URL(scheme=root.scheme, host=root.host, port=root.port, target=target or b"/")

    def _checked(self, status: int) -> int:
        if status in {TIMED_OUT, TOO_MANY} or status >= SERVER_ERRORS:
            raise Transient(f"{self._what} answered {status}")
        return status

    async def _read(self, answer: httpcore.Response) -> bytes:
        found = bytearray()
        async for chunk in answer.aiter_stream():
            found += chunk
            if len(found) > ANSWER_BYTES_MAX:
                raise Permanent(f"the answer of {self._what} is larger than {ANSWER_BYTES_MAX} bytes")
        return bytes(found)


def refused(what: str, answer: Answer) -> Permanent:
    """Say that a call was answered by what it cannot go on with; never what the answer holds."""
    return Permanent(f"{what} answered {answer.status}")


def _decoded(body: bytes) -> dict[str, Any] | None:
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    return found if isinstance(found, dict) else None
