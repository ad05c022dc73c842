"""The application behind a real server, on a free port of loopback."""

import socket
import threading

import httpx
import uvicorn
from ingest_service import Service


class Running(Service):
    """The application behind uvicorn, in a thread of its own."""

    def __enter__(self):
        listener = socket.create_server(("127.0.0.1", 0))
        self.address = listener.getsockname()
        self.server = uvicorn.Server(uvicorn.Config(self.app, log_level="critical"))
        started = threading.Event()
        self.server.startup = _then(self.server.startup, started.set)
        self.thread = threading.Thread(target=self.server.run, args=([listener],))
        self.thread.start()
        assert started.wait(60)
        return self

    def __exit__(self, *_):
        self.server.should_exit = True
        self.thread.join(60)
        assert not self.thread.is_alive()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.address[1]}"

    def over_http(self, method, path, token, **more):
        headers = {"authorization": f"Bearer {self.texts[token]}", "content-type": "application/json"}
        return httpx.request(
            method, self.url + path, headers=headers | more.pop("headers", {}), trust_env=False, timeout=60, **more
        )

    def raw(self, head, token="gateway"):
        """Send a request head and no more, and read the answer to its end."""
        with socket.create_connection(self.address, timeout=60) as wire:
            wire.sendall((head + f"\r\nhost: x\r\nauthorization: Bearer {self.texts[token]}\r\n\r\n").encode())
            return b"".join(iter(lambda: wire.recv(65536), b""))


def _then(first, second):
    async def both(*arguments, **more):
        await first(*arguments, **more)
        second()

    return both
