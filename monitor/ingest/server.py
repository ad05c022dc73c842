"""The listener: uvicorn as the daemon needs it, without signal handlers, access log and words about itself."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator

import uvicorn
from starlette.applications import Starlette

from monitor.errors import Permanent
from monitor.ingest.connection import counting

STOP_WITHIN_S = 10.0


class Server(uvicorn.Server):
    """Uvicorn without its signal handlers: the daemon has its own order of stopping."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the daemon."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Bind; Permanent where uvicorn would end the process."""
        try:
            await super().startup(sockets)
        except SystemExit:
            at = f"{self.config.host}:{self.config.port}"
            raise Permanent(f"http.port: cannot listen on {at}; is it taken?") from None


class Listening:
    """A server that answers, until it is stopped."""

    def __init__(self, app: Starlette, host: str, port: int, cut: Callable[[], None] = lambda: None) -> None:
        """`cut` is told of each connection that made room for another."""
        self._server = Server(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                log_config=None,
                access_log=False,
                http=counting(cut),
                ws="none",
                server_header=False,
                date_header=False,
                timeout_graceful_shutdown=int(STOP_WITHIN_S),
            )
        )
        self._serving: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Return when requests are answered; Permanent if it cannot listen."""
        self._serving = asyncio.create_task(self._server.serve(), name="intake")
        while not self._server.started:
            if self._serving.done():
                await self._serving  # Permanent
            await asyncio.sleep(0.01)

    async def stop(self) -> None:
        """Answer what is under way, and no more."""
        if self._serving is not None:
            self._server.should_exit = True
            await asyncio.wait({self._serving}, timeout=STOP_WITHIN_S + 1)
