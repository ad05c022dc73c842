"""A webhook receiver on loopback, of this process and its event loop."""

import asyncio
import contextlib

PATIENCE_S = 60.0  # the longest a test waits for what should come at once


class Hook:
    """Keeps what it is sent; answers 204, or never."""

    def __init__(self, *, answers=True):
        self.answers, self.got = answers, []
        self._changed, self._tasks = asyncio.Event(), set()

    async def start(self, port=0):
        """Listen; the URL."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", port)
        self.port = self._server.sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{self.port}/hook"

    async def stop(self):
        """Hang up on everybody."""
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader, writer):
        self._tasks.add(asyncio.current_task())
        with contextlib.suppress(ConnectionError, asyncio.CancelledError, asyncio.IncompleteReadError):
            await self._answer(reader, writer)
        writer.close()
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            await writer.wait_closed()

    async def _answer(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lines = [line.split(": ", 1) for line in head.split("\r\n")[1:] if line]
        fields = {name.lower(): value for name, value in lines}
        self.got.append((fields, await reader.readexactly(int(fields["content-length"]))))
        self._changed.set()
        if not self.answers:
            await asyncio.Event().wait()
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        await writer.drain()

    @property
    def ids(self):
        """The webhook ids, in order of arrival."""
        return [fields["webhook-id"] for fields, _ in self.got]

    async def until(self, count):
        """Return when so many deliveries came."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self.got) < count:
                self._changed.clear()
                await self._changed.wait()
