"""One connection before anybody knows who is there: how long a request's head may take, and how long it may be.

uvicorn bounds neither. A head without end is gathered in memory, without a token, and the longer it is the slower; a
sender that begins a request and falls silent keeps its descriptor for good. From the head's end on the body's own
bounds hold (`monitor.ingest.admission`), and after the answer uvicorn's keep-alive.

Who opens connections faster than `HEAD_S` and `CONNECTIONS_MAX` let go can still keep others out, one reset each; the
metrics have a listener of their own.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES_MAX: Final = 64 << 10  # a token, a key and what proxies add are 2 KB; what came in one read is not split
HEAD_S: Final = 10.0  # as long as a body
CONNECTIONS_MAX: Final = 512  # two for each request that is let in at once; below the usual limit of 1,024 descriptors
TOO_LARGE: Final = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


def counting(cut: Callable[[], None]) -> type["Connection"]:
    """Connections of which each that makes room for another is told."""
    return type("Counting", (Connection,), {"cut": staticmethod(cut)})


class Connection(HttpToolsProtocol):
    """uvicorn's connection with a bounded head."""

    _head_bytes = 0  # since the last head, or piece of a body, that was complete
    waiting: asyncio.TimerHandle | None = None  # for the end of a head
    cut: Callable[[], None] = staticmethod(lambda: None)  # told that one made room for another

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Wait for the first head; one connection too many costs the one that has waited longest."""
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS_MAX:
            self._make_room()
        self.waiting = self.loop.call_later(HEAD_S, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, and refuse a head that is too long."""
        if self.waiting is None and (self.cycle is None or self.cycle.response_complete):
            self.waiting = self.loop.call_later(HEAD_S, self.transport.abort)
        self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes > HEAD_BYTES_MAX and not self.transport.is_closing():
            self.transport.write(TOO_LARGE)
            self.transport.close()

    def on_headers_complete(self) -> None:
        """The head is whole: from here on it is a request."""
        self._stop_waiting()
        self._head_bytes = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of a body is no head."""
        self._head_bytes = 0
        super().on_body(body)

    def _stop_waiting(self) -> None:
        if self.waiting is not None:
            self.waiting.cancel()
            self.waiting = None

    def _make_room(self) -> None:
        ours = [each for each in self.connections if isinstance(each, Connection)]
        waiting = [(each.waiting.when(), each) for each in ours if each.waiting is not None]
        _, longest = min(waiting, key=lambda pair: pair[0], default=(0.0, self))
        self.cut()
        longest.transport.abort()
