"""Golden probes in the running daemon: a swapped checkpoint is a page within one interval, and no row of traffic."""

import json
import subprocess
import sys
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from loopworld import MODEL, ROOT, STEP_S

METADATA = f"/v2/models/{MODEL}"
CELLS = [round(0.0123456 + i / 131, 7) for i in range(120)]


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


def tocsin(directory, *arguments):
    command = [sys.executable, "-m", "monitor.cli", *map(str, arguments)]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, check=True, env=None).stdout.strip()


@pytest.fixture
def probed(make_loop, monkeypatch):
    """A daemon whose model has recorded probes, and the liar between it and its model server."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    loop = make_loop()
    directory, liar = loop.directory, Liar(loop.server_url)
    schema = {"model": MODEL, "features": {"x": "numeric"}, "classes": ["no", "yes"], "positive": "yes"}
    (directory / "schema.yaml").write_text(json.dumps(schema | {"columns": {"prediction": "answer"}}))
    (directory / "history.csv").write_text("x,answer\n" + "".join(f"{cell},no\n" for cell in CELLS))
    tocsin(directory, "key", "generate", "ann.key")
    drawn = ("--rows", "history.csv", "--schema", "schema.yaml", "--count", 64)
    asked = ("--server", loop.server_url, "--private-key", "ann.key", "--timeout", 60)
    loop.digest = tocsin(directory, "probes", "record", "probes.json", *drawn, *asked)
    loop.write_settings()

    def ask_through_the_liar(document):
        model = document["models"]["m"]
        model["serving"]["url"] = liar.url
        every = f"{STEP_S // 60}m"
        model["probes"] = {"file": "./probes.json", "trust": ["./ann.key.pub"], "every": every, "timeout": "60s"}

    loop.rewrite(ask_through_the_liar)
    loop.start_receiver()
    loop.start()
    loop.liar = liar
    yield loop
    loop.close()
    liar.close()


def pages(loop):
    return [alert["rule"] for alert in loop.status["alerts"] if alert["state"] == "firing"]


def swap(loop):
    """Another checkpoint is loaded, and the server goes on reporting the digest of the approved one."""
    loop.deploy("v2")
    loop.liar.digest = loop.digest


def texts(loop):
    """All that the daemon tells anybody."""
    incidents = loop.get("/v1/incidents")
    told = [loop.metrics(), json.dumps(loop.get("/v1/status")), (loop.directory / "daemon.log").read_text()]
    return [*told, *(json.dumps(loop.get(f"/v1/incidents/{each['id']}")) for each in incidents)]


def test_a_swapped_checkpoint_is_a_page_within_one_interval_without_traffic_and_no_probe_is_told(probed):
    probed.advance()
    assert probed.status["probes"]["verdict"] == "ok"
    swap(probed)
    probed.advance(STEP_S)
    assert pages(probed) == ["probe_mismatch"]
    assert (probed.status["served"]["role"], probed.status["totals"]["predictions"]) == ("known_good", 0)
    told = texts(probed)
    assert sum("probe_mismatch" in text for text in told) >= 3
    kept = b"".join(path.read_bytes() for path in (probed.directory / "state").rglob("*") if path.is_file())
    assert not any(str(cell) in text or str(cell).encode() in kept for cell in CELLS for text in told)
