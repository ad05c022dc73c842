"""Golden probes in the running daemon: a swapped checkpoint is a page within one interval, and no row of traffic."""

import json
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import probe_sets
import pytest
from loopworld import STEP_S
from probed import CELLS, record
from servers import wait_for


class Liar:
    """Stands before the model server; once it lies, it serves whatever is loaded under the digest that was approved."""

    def __init__(self, url):
        liar, self.digest = self, None
        self.client = httpx.Client(base_url=url, timeout=60, trust_env=False)

        class Handler(BaseHTTPRequestHandler):
            def answer(self):
                asked = self.rfile.read(int(self.headers.get("content-length", 0)))
                said = liar.client.request(self.command, self.path, content=asked)
                with suppress(OSError):  # who asked is gone
                    self.send_response(said.status_code)
                    self.end_headers()
                    self.wfile.write(liar.told(said.content))

            do_GET = do_POST = answer  # noqa: N815 - http.server's names

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.05,))
        self.thread.start()

    def told(self, content):
        document = json.loads(content) if self.digest else {}
        if "parameters" not in document:
            return content
        document["parameters"]["checkpoint_digest"] = self.digest
        return json.dumps(document).encode()

    def close(self):
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()
        self.client.close()


@pytest.fixture
def start(make_loop):
    """Starts a daemon whose model has recorded probes, and the liar between it and its model server."""
    liars = []

    def started(every, **options):
        loop = make_loop(**options)
        liars.append(Liar(loop.server_url))
        loop.liar = liars[-1]
        loop.digest = record(loop.server_url, loop.directory / "probes.json")
        probe_sets.public_key(loop.directory / "ann.pub")
        loop.write_settings()
        loop.rewrite(lambda document: ask_through(loop, document["models"]["m"], every))
        loop.start_receiver()
        return loop.start()

    yield started
    for liar in liars:
        liar.close()


def ask_through(loop, model, every):
    model["serving"]["url"] = loop.liar.url
    model["probes"] = {"file": "./probes.json", "trust": ["./ann.pub"], "every": every, "timeout": "60s"}


def pages(loop):
    return [alert["rule"] for alert in loop.status["alerts"] if alert["state"] == "firing"]


def swap(loop):
    """Another checkpoint is loaded, and the server goes on reporting the digest of the approved one."""
    loop.liar.digest = loop.digest
    loop.deploy("v2")


def texts(loop):
    """All that the daemon tells anybody."""
    incidents = loop.get("/v1/incidents")
    told = [loop.metrics(), json.dumps(loop.get("/v1/status")), (loop.directory / "daemon.log").read_text()]
    return [*told, *(json.dumps(loop.get(f"/v1/incidents/{each['id']}")) for each in incidents)]


def test_a_swapped_checkpoint_is_a_page_within_one_interval_without_traffic_and_no_probe_is_told(start):
    probed = start("10m")
    probed.advance()
    assert probed.status["probes"]["verdict"] == "ok"
    swap(probed)
    probed.advance(STEP_S)
    assert pages(probed) == ["probe_mismatch"]
    assert (probed.status["served"]["role"], probed.status["totals"]["predictions"]) == ("known_good", 0)
    told = texts(probed)
    assert sum("probe_mismatch" in text for text in told) >= 3
    assert probed.stop() == 0  # or what is listed might be gone when it is read
    kept = b"".join(path.read_bytes() for path in (probed.directory / "state").rglob("*") if path.is_file())
    assert not any(str(cell) in text or str(cell).encode() in kept for cell in CELLS for text in told)


def test_on_live_traffic_the_schedule_asks_by_itself(start):
    probed = start("10s", replay=False, mode="observe")
    wait_for(lambda: (probed.status["probes"] or {}).get("verdict") == "ok", "the first round")
    swap(probed)
    wait_for(lambda: pages(probed) == ["probe_mismatch"], "the page")
    assert probed.status["totals"]["predictions"] == 0
