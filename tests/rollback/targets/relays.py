"""A real HTTP server before something that answers: it can cut a call before or after its effect, lie, or be down."""

import http.client
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Upstream = Callable[[str, str, Mapping[str, str], bytes], tuple[int, bytes]]

CANARY = "canary-of-the-answer"
RUBBISH = [b"<html>" + CANARY.encode(), b'["%s"]' % CANARY.encode(), b"{}", b'{"model_version": 7}', b"[" * 100_000]


class Relay(ThreadingHTTPServer):
    """Answers with what `upstream` says; counts the calls that `is_effect` says change something."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, upstream: Upstream, is_effect: Callable[[str, str, bytes], bool]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream, self.is_effect = upstream, is_effect
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.calls: list[tuple[str, str, Mapping[str, str], bytes]] = []
        self.lock, self.turn = threading.Lock(), threading.Lock()
        self.state: Callable[[], str] = str  # what is set
        self.changed: Callable[[str], object] = str  # told what is set after an effect that changed it
        self.reset()
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.005})
        self._thread.start()

    def reset(self) -> None:
        self.calls.clear()
        self.effects = 0
        self.fault: tuple[int, str] = (0, "")  # at which effect, and what goes wrong
        self.before: Callable[[], None] | None = None  # done once, right before an effect
        self.up, self.rubbish, self.status = True, b"", 0
        self.hang: threading.Event | None = None

    def close(self) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client that gave up is what the tests provoke


class _Handler(BaseHTTPRequestHandler):
    server: Relay
    protocol_version = "HTTP/1.1"

    def _serve(self) -> None:
        relay, method = self.server, self.command
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        self.close_connection = True
        relay.calls.append((method, self.path, dict(self.headers.items()), body))
        if relay.hang is not None:
            relay.hang.wait(60)
        if not relay.up:
            return
        if relay.rubbish or relay.status:
            self._answer(relay.status or 200, relay.rubbish)
            return
        effect, manner = relay.is_effect(method, self.path, body), ""
        if effect:
            with relay.lock:
                relay.effects += 1
                at, manner = relay.fault
                manner = manner if relay.effects == at else ""
                before, relay.before = relay.before, None
            if before is not None:
                before()
        if manner == "not applied":
            return
        status, answer = self._done(method, body) if effect else self._passed(method, body)
        if manner != "applied but timed out":
            self._answer(status, answer)

    do_GET = do_POST = do_PATCH = do_DELETE = _serve  # noqa: N815 - the names that the base class calls

    def _passed(self, method: str, body: bytes) -> tuple[int, bytes]:
        return self.server.upstream(method, self.path, dict(self.headers.items()), body)

    def _done(self, method: str, body: bytes) -> tuple[int, bytes]:
        """One effect at a time, so that it is known which of them changed what is set."""
        with self.server.turn:
            before = self.server.state()
            answer = self._passed(method, body)
            if (now := self.server.state()) != before:
                self.server.changed(now)
        return answer

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


def forwarding(port: int) -> Upstream:
    """An upstream that is another server on loopback."""

    def forward(method: str, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            kept = {k: v for k, v in headers.items() if k.lower() in {"content-type", "authorization", "accept"}}
            line.request(method, path, body or None, kept)
            answer = line.getresponse()
            return answer.status, answer.read()
        finally:
            line.close()

    return forward
