"""S13 on running processes: what clients write, and all of a sensitive column, is searched in all that is told.

The metrics page (pictures, quantiles, segments), status, incidents, `tocsin status` and `top`, notices, what an
Alertmanager is posted, logs, the audit log; of what holds rows (samples, reports), the sensitive columns.
"""

import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import loopworld
import pyarrow.parquet as pq
import pytest
import released
import yaml
from loopworld import MODEL, ROOT, START, STEP_S
from servers import wait_for

from monitor.facts import Feature, FeatureKind, Prediction, Schema
from monitor.panes.batch import encode_labels, encode_predictions
from monitor.panes.build import HistoryBatch, build_reference
from monitor.panes.decode import decode_labels, decode_predictions
from monitor.panes.reference import encode_reference

CANARY = "zqxcanary"
SECRET = f"{CANARY}-secret"
NUMBER = 73939133.25  # of a sensitive numeric column
NUMERIC, CATEGORICAL = FeatureKind.NUMERIC, FeatureKind.CATEGORICAL
FEATURES = (
    Feature("x", NUMERIC),
    Feature("c", CATEGORICAL),
    Feature("name", CATEGORICAL, sensitive=True),
    Feature("income", NUMERIC, sensitive=True),
)
SCHEMA = Schema(MODEL, FEATURES, ("no", "yes"), "yes")
WINDOW = {"window": "10m", "rows_min": 50}
RULES = {
    "version": 1,
    "rules": [
        {"name": "unseen", "subject": "features", "detector": "unseen_share", "severity": "critical"} | WINDOW,
        {"name": "parts", "subject": "features", "detector": "psi", "by": "place", "severity": "warning"} | WINDOW,
    ],
    "readings": [{"name": "tv", "subject": "output", "detector": "total_variation"} | WINDOW],
}


def profile(_threshold):
    """The history has a canary as its most frequent category: names of bins are values of rows, too."""
    cells = [
        {"x": i / 400, "c": f"{CANARY}-known", "name": f"{SECRET}-{i % 3}", "income": NUMBER + i} for i in range(400)
    ]
    rows = [Prediction(str(i), START - 9e5, i % 2, 0.5, each, "h", START) for i, each in enumerate(cells)]
    labels = decode_labels(encode_labels([])).labels
    batch = HistoryBatch(decode_predictions(encode_predictions(rows, SCHEMA)), labels)
    return encode_reference(build_reference(lambda: iter([batch]), SCHEMA, lambda _: None))


class Alertmanager(ThreadingHTTPServer):
    """Takes alerts, knows none."""

    def __init__(self):
        self.bodies = []
        super().__init__(("127.0.0.1", 0), type("Handler", (Handler,), {"bodies": self.bodies}))
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        self.bodies.append(self.rfile.read(int(self.headers["content-length"])).decode())
        self.do_GET()

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"[]")

    def log_message(self, *_):
        pass


@pytest.fixture
def loop(make_loop, monkeypatch):
    monkeypatch.setattr(loopworld, "reference", profile)
    made, alertmanager = make_loop(), Alertmanager()
    model = {
        "release": released.settings(),
        "rules": "./rules.yaml",
        "segments": {"place": {"values": ["ios"]}, "c": {}},
        "samples": {"share": 1.0},
        "evidence": {"incidents": True},
    }
    there = {"name": "main", "url": f"http://127.0.0.1:{alertmanager.server_port}", "allow_networks": ["127.0.0.0/8"]}
    made.write_settings(models={MODEL: model}, alertmanagers=[there])
    (made.directory / "rules.yaml").write_text(yaml.safe_dump(RULES))
    made.start_receiver()
    made.start()
    made.alertmanager = alertmanager
    yield made
    alertmanager.shutdown()
    alertmanager.server_close()


def lines(loop, n):
    """Rows of which every part that a client writes is a canary."""
    return [
        {
            "id": f"{CANARY}-{loop.now}-{i}",
            "time": loop.now + i,
            "prediction": "yes",
            "source": f"{CANARY}-source",
            "bundle": f"{CANARY}-bundle",
            "segment": {"place": f"{CANARY}-{i}" if i % 2 else "ios", f"{CANARY}-{i}": CANARY},
            "features": {"x": 0.5, "c": f"{CANARY}-{i}", "name": f"{SECRET}-{i}", "income": NUMBER, CANARY: CANARY},
        }
        for i in range(n)
    ]


def typed(loop, *command):
    token = loop.directory / "person.token"
    token.write_text(loop.tokens["person"])
    token.chmod(0o600)
    said = subprocess.run(
        [sys.executable, "-m", "monitor.cli", *command, "--url", loop.url, "--token-file", str(token)],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    return said.stdout + said.stderr


def audited(loop, command):
    said = subprocess.run(
        [sys.executable, "-m", "monitor.cli", "audit", command, "--dir", str(loop.directory / "state" / "audit")],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    return said.stdout + said.stderr


def test_nothing_that_a_client_writes_is_told_and_nothing_sensitive_is_kept(loop):
    loop.advance()
    for _ in range(3):
        loop.send("/v1/predictions", "gateway", lines(loop, 400))
        loop.advance(STEP_S)
    wait_for(lambda: loop.receiver.deliveries, "it was paged")
    wait_for(lambda: any("unseen" in body for body in loop.alertmanager.bodies), "an Alertmanager was told")
    reports = loop.directory / "state" / "evidence" / MODEL
    page = wait_for(lambda: next(reports.glob("*.html"), None), "there is a report", 120)
    told = {
        "metrics": wait_for(lambda: (text := loop.metrics()) * ("tocsin_feature" in text), "features are shown"),
        "status": json.dumps([loop.get(path) for path in ("/v1/status", "/v1/incidents", "/v1/rollbacks")]),
        "notices": str([delivery.body for delivery in loop.receiver.deliveries]),
        "alertmanager": str(loop.alertmanager.bodies),
        "typed": typed(loop, "status", "--json") + typed(loop, "status") + typed(loop, "top", "--once"),
        "evidence list": json.dumps(loop.get("/v1/evidence")),
        "log": (loop.directory / "daemon.log").read_text(),
        "audit": "".join(path.read_text() for path in (loop.directory / "state" / "audit").glob("*.jsonl")),
        "audit show": audited(loop, "show") + audited(loop, "export") + audited(loop, "verify"),
    }
    assert "incident.opened" in told["audit"]
    assert [where for where, text in told.items() if CANARY in text or f"{NUMBER:.0f}" in text] == []
    assert all(text.strip("[]") for where, text in told.items() if where != "log")
    assert loop.stop() == 0  # or what is listed might be gone when it is read
    kept = [pq.read_table(path) for path in (loop.directory / "state" / "samples").glob("*.parquet")]
    assert sum(table.num_rows for table in kept) >= 3 * 100  # odd rows are kept up to a bound a fold
    for held in (*(str(table.to_pylist()) for table in kept), page.read_text()):
        assert f"{CANARY}-" in held
        assert SECRET not in held
        assert str(NUMBER) not in held
