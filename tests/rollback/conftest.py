"""A release directory with two bundles, a link, and a real model server that loads what the link points to."""

import hashlib
import json
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
import released

from monitor.facts import BundleStatus, Mode, ModelName, Rollback, RollbackStep
from monitor.rollback.release import read
from monitor.rollback.targets.symlink import Link

DELAYS = ModelName("delays")


def sha256(body):
    return "sha256:" + hashlib.sha256(body).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Metadata with the digest of the loaded bytes; a load follows the link, unless the server was told to lie."""

    def do_GET(self):
        server = self.server
        loaded = {"s": b"checkpoint v2", "t": b"checkpoint v1"}.get(next(server.answers, ""), server.loaded)
        body = json.dumps({"parameters": {"checkpoint_digest": sha256(loaded)}}).encode()
        self._answer(200 if server.up else 503, body)

    def do_POST(self):
        server, manner = self.server, self.server.manner
        server.loads += 1
        if manner not in {"lie", "refuse", "ignore and hang"}:
            server.loaded = server.link.read_bytes()
        if manner == "corrupt":
            server.loaded += b"?"
        if manner.endswith("hang"):
            server.manner = ""
            self.rfile.read(int(self.headers["content-length"]) + 1)  # until the client gives up
            return
        self._answer(400 if manner == "refuse" else 200, b"{}")

    def _answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class ModelServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, link):
        super().__init__(("127.0.0.1", 0), Handler)
        self.link, self.loaded = link, link.read_bytes()
        self.manner, self.up, self.loads = "", True, 0
        self.answers = iter("")  # scripted ones, before those of what is loaded
        self.url = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request, client_address):
        pass  # a client that gave up is what the tests provoke


@pytest.fixture
def releases(tmp_path):
    """v1 is known-good, v2 a candidate that serves; `link` points to v2."""
    folder = tmp_path / "releases"
    folder.mkdir()
    index = folder / "releases.json"
    released.create(index)
    bundles = {}
    for i, name in enumerate(("v1", "v2")):
        (folder / f"{name}.bin").write_bytes(f"checkpoint {name}".encode())
        (folder / f"{name}.json").write_bytes(f"reference {name}".encode())
        status = BundleStatus.KNOWN_GOOD if name == "v1" else BundleStatus.CANDIDATE
        bundles[name] = released.register(
            index,
            DELAYS,
            f"{name}.bin",
            f"{name}.json",
            wall=float(i),
            status=status,
            name=name,
            locators={"mlflow": {"v1": "6", "v2": "7"}[name], "kserve": "elsewhere"},
        )
    link = folder / "current"
    link.symlink_to("v2.bin")
    believed = released.belief(index)
    return SimpleNamespace(
        folder=folder, index=index, link=link, under=Link(link), read=lambda: read.load(index, believed), **bundles
    )


@pytest.fixture
def server(releases):
    server = ModelServer(releases.link)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.005})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def opened(tmp_path):
    """What of this test's folder is open. How many descriptors a process has is a matter of its other threads, too."""

    def leads_to(descriptor):
        with suppress(FileNotFoundError):  # that of the listing itself, or one that a thread closed
            return str(descriptor.readlink())
        return ""

    return lambda: [to for each in Path("/proc/self/fd").iterdir() if (to := leads_to(each)).startswith(str(tmp_path))]


@pytest.fixture
def plan(releases):
    return Rollback(
        "r-1", "i-1", DELAYS, releases.v2.id, releases.v1.id, Mode.AUTO, RollbackStep.PLANNED, planned=0.0, stepped=0.0
    )
