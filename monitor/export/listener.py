"""/metrics, /-/healthy and /-/ready on a thread and a socket of their own.

They share nothing with the intake but the page's finished bytes, so a flood of rows cannot hide them and a blocked
event loop cannot silence them. http.server is not a server for the open internet; what it lacks is added here:

- at most `CONNECTIONS_MAX` connections, one thread each; one more cuts off the oldest, so that idle or dripping
  clients cannot keep a scrape out; each is counted;
- a connection lives `CONNECTION_S` at most, however slowly it drips, and answers one request;
- GET and HEAD only, errors in one line that repeats nothing of the request, no body is read.

Who opens connections faster than they are answered can still starve the others: keep the port inside.
"""

import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any

import structlog

from monitor.clock import Clock
from monitor.export.page import Page

CONNECTIONS_MAX = 32  # a few Prometheus replicas, probes, and people with curl
CONNECTION_S = 10.0  # Prometheus' default scrape_timeout
SWEEP_EVERY_S = 0.2
STOP_S = 2.0
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
PLAIN = "text/plain; charset=utf-8"

LOG = structlog.get_logger(__name__)
Check = Callable[[], tuple[bool, str]]


class Listener:
    """Serves one page from `start` to `stop`. Port 0 takes a free one, which `port` tells after the start."""

    def __init__(self, page: Page, ready: Check, clock: Clock, host: str = "127.0.0.1", port: int = 0) -> None:
        """`ready` says whether the daemon takes rows, and why not; it is called on the listener's threads."""
        self._page = page
        self._ready = ready
        self._clock = clock
        self._address = (host, port)
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._address[1]

    def start(self) -> None:
        """Bind and serve; OSError when the address cannot be had."""
        self._server = _Server(self._address, self._page, self._ready, self._clock)
        self._address = (self._address[0], int(self._server.server_address[1]))
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(SWEEP_EVERY_S,), name="metrics", daemon=True
        )
        self._thread.start()

    @property
    def connections_cut(self) -> int:
        """How many connections made room for others since the start."""
        return 0 if self._server is None else self._server.cut

    def stop(self) -> None:
        """Close the socket and every connection. May be called twice."""
        server, thread = self._server, self._thread
        self._server = self._thread = None
        if server is not None and thread is not None:
            server.shutdown()
            thread.join()
            server.server_close()
            server.hang_up()


class _Server(ThreadingHTTPServer):
    """Bounds what http.server leaves open: connections, and how long one lasts."""

    request_queue_size = CONNECTIONS_MAX

    def __init__(self, address: tuple[str, int], page: Page, ready: Check, clock: Clock) -> None:
        self.page = page
        self.ready = ready
        self.clock = clock
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._open: dict[socket.socket, float] = {}  # since when (monotonic), oldest first
        self.cut = 0  # connections that made room for others, or found none
        self._changed = threading.Condition()
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Bind without the reverse look-up of our own name that HTTPServer does: it can hang for seconds."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give the connection a thread, at the price of the oldest one when there are too many."""
        with self._changed:
            if len(self._open) >= CONNECTIONS_MAX:
                self.cut += 1
                _cut(next(iter(self._open)))
                self._changed.wait_for(lambda: len(self._open) < CONNECTIONS_MAX, timeout=SWEEP_EVERY_S)
            admitted = len(self._open) < CONNECTIONS_MAX
            if admitted:
                self._open[request] = self.clock.monotonic()
        if admitted:
            super().process_request(request, client_address)
        else:
            with suppress(OSError):
                request.setblocking(False)
                request.send(BUSY)
            super().shutdown_request(request)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection and make its place free."""
        super().shutdown_request(request)
        with self._changed:
            self._open.pop(request, None)
            self._changed.notify_all()

    def service_actions(self) -> None:
        """Cut off the connections that have lived too long; called every SWEEP_EVERY_S."""
        oldest = self.clock.monotonic() - CONNECTION_S
        with self._changed:
            for connection, since in self._open.items():
                if since < oldest:
                    _cut(connection)

    def hang_up(self) -> None:
        """Cut off everybody and wait until their threads have closed."""
        with self._changed:
            for connection in self._open:
                _cut(connection)
            self._changed.wait_for(lambda: not self._open, timeout=STOP_S)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002  # the parent's signature
        """A client that went away is not news; anything else is a bug, and its client got no answer."""
        error = sys.exception()
        if not isinstance(error, OSError):
            LOG.error("metrics_request_failed", error=type(error).__name__)


def _cut(connection: socket.socket) -> None:
    """Wake the thread that reads from or writes to it; the thread closes it."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    """One request, one answer, closed."""

    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = CONNECTION_S

    def do_GET(self) -> None:
        """Answer with a body."""
        self._answer(body=True)

    def do_HEAD(self) -> None:
        """Answer without one."""
        self._answer(body=False)

    def _answer(self, *, body: bool) -> None:
        match self.path.partition("?")[0]:
            case "/metrics":
                wish = (self.headers.get("Accept", ""), self.headers.get("Accept-Encoding", ""))
                answer = self.server.page.answer(*wish)
                self._send(HTTPStatus.OK, answer.headers, answer.body, body=body)
            case "/-/healthy":
                self._check(self.server.page.healthy(self.server.clock.monotonic()), body=body)
            case "/-/ready":
                self._check(self.server.ready(), body=body)
            case _:
                self.send_error(HTTPStatus.NOT_FOUND)

    def _check(self, answer: tuple[bool, str], *, body: bool) -> None:
        held, why = answer
        status = HTTPStatus.OK if held else HTTPStatus.SERVICE_UNAVAILABLE
        self._send(status, (("Content-Type", PLAIN),), f"{why}\n".encode(), body=body)

    def _send(self, status: HTTPStatus, headers: tuple[tuple[str, str], ...], content: bytes, *, body: bool) -> None:
        self.close_connection = True
        self.send_response(status)
        for name, value in (*headers, ("Content-Length", str(len(content))), ("Connection", "close")):
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(content)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002  # the parent's signature
        """Answer in one line; http.server's own page would repeat what was asked."""
        status = HTTPStatus(code)
        if status is HTTPStatus.NOT_IMPLEMENTED:  # what http.server says of a method without a do_ method
            status = HTTPStatus.METHOD_NOT_ALLOWED
        allow = (("Allow", "GET, HEAD"),) if status is HTTPStatus.METHOD_NOT_ALLOWED else ()
        head = getattr(self, "command", None) == "HEAD"
        self._send(status, (("Content-Type", PLAIN), *allow), f"{status.phrase}\n".encode(), body=not head)

    def version_string(self) -> str:
        """Name no versions."""
        return "tocsin"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the parent's signature
        """Say nothing: a scrape is not an event."""
