"""The on-call person's end of the webhook: checks every signature with code of its own and keeps what came.

Standard Webhooks 1.0: HMAC-SHA256 over `id.timestamp.body`, the secret is the base64 after `whsec_`. It shares no line
with `monitor.wire.webhooks`, so that the two agree on the standard and not on a mistake. A delivery that does not
verify is kept, marked, and answered 401: the demo fails on it.
"""

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

TOLERANCE_S = 300.0  # the standard's five minutes between our clock and the sender's
BODY_BYTES_MAX = 1 << 20


@dataclass(frozen=True, slots=True)
class Delivery:
    """One attempt as it arrived."""

    id: str
    verified: bool
    wall: float
    body: dict[str, Any]  # the Alertmanager webhook; empty if it did not verify

    @property
    def status(self) -> str:
        """Firing or resolved."""
        return str(self.body.get("status", ""))


def new_secret() -> str:
    """Make a secret as it stands in a secret file."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def verify(secret: str, headers: dict[str, str], body: bytes, wall: float) -> bool:
    """Whether one of the signatures is ours, of these bytes, under this id, and of about now."""
    message_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not message_id or not timestamp.isdigit() or abs(int(timestamp) - wall) > TOLERANCE_S:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    expected = "v1," + base64.b64encode(digest).decode()
    return any(hmac.compare_digest(expected, given) for given in headers.get("webhook-signature", "").split())


class Receiver:
    """Listens on loopback from its making until `close`."""

    def __init__(self, secret: str, port: int = 0) -> None:
        """Bind `port`, 0 for a free one, and serve on a thread."""
        self._secret = secret
        self._arrived = threading.Condition()
        self._deliveries: list[Delivery] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="receiver", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where notices go."""
        return f"http://127.0.0.1:{self._server.server_port}/page"

    @property
    def deliveries(self) -> tuple[Delivery, ...]:
        """Everything so far, in order of arrival."""
        with self._arrived:
            return tuple(self._deliveries)

    def wait_for(self, wanted: Callable[[Delivery], bool], timeout_s: float) -> Delivery | None:
        """Return the first verified delivery that is `wanted`, waiting for it; None after `timeout_s`."""

        def found() -> Delivery | None:
            return next((d for d in self._deliveries if d.verified and wanted(d)), None)

        with self._arrived:
            self._arrived.wait_for(lambda: found() is not None, timeout_s)
            return found()

    def take(self, headers: dict[str, str], body: bytes) -> int:
        """Keep one delivery and say how to answer it."""
        wall = time.time()
        verified = verify(self._secret, headers, body, wall)
        delivery = Delivery(headers.get("webhook-id", ""), verified, wall, json.loads(body) if verified else {})
        with self._arrived:
            self._deliveries.append(delivery)
            self._arrived.notify_all()
        return 204 if verified else 401

    def close(self) -> None:
        """Stop listening; what came stays readable."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:  # http.server finds it by this name
                length = int(self.headers.get("content-length", 0))
                too_long = length > BODY_BYTES_MAX
                headers = {name.lower(): value for name, value in self.headers.items()}
                self.send_response(413 if too_long else receiver.take(headers, self.rfile.read(length)))
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name is http.server's
                """Stay silent: the terminal belongs to the view."""

        return Handler
