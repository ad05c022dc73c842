"""The whole loop in miniature, of real processes: the example model server, the daemon, a receiver, on loopback.

The world is one number x in [0, 1] and the truth x > 0.5, wrong for a tenth of the rows. v1 knows that. v2 was taught
that everything above 0.2 is "yes". A step of ten minutes holds `ROWS` rows, whose labels come one step later.
"""

import json
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import httpx
import numpy as np
import released
import yaml
from servers import free_port, wait_for

from monitor.demo.receiver import Receiver, new_secret
from monitor.facts import BundleStatus, Feature, FeatureKind, Label, ModelName, Prediction, Schema
from monitor.ingest.tokens import Scope, create_token
from monitor.panes.batch import encode_labels, encode_predictions
from monitor.panes.build import HistoryBatch, build_reference
from monitor.panes.decode import decode_labels, decode_predictions
from monitor.panes.reference import encode_reference

ROOT = Path(__file__).parents[2]
MODEL = ModelName("m")
SCHEMA = Schema(MODEL, (Feature("x", FeatureKind.NUMERIC),), ("no", "yes"), "yes")
STEP_S = 600
PATIENT = "20s"  # a busy machine must not make the pairs of a step fail: decisions would differ
START = 1_700_000_400 // STEP_S * STEP_S
ROWS = 240
RULES = Path(__file__).with_name("rules.yaml").read_text()


def scorecard(threshold):
    """A checkpoint that says yes above `threshold`."""
    feature = {"name": "x", "kind": "numeric", "edges": [threshold], "weights": [-2.0, 2.0], "missing": 0.0}
    document = {"format": "scorecard/1", "classes": ["no", "yes"], "threshold": 0.5, "intercept": 0.0}
    return json.dumps(document | {"features": [feature]}).encode()


def truth(x, rng):
    return (x > 0.5) ^ (rng.random(len(x)) < 0.1)


@cache
def reference(threshold):
    """The profile of the data that a model with this threshold was approved on."""
    rng = np.random.default_rng(1)
    x = rng.uniform(0, 1, 4000)
    outputs, labels = (x > threshold).astype(int), truth(x, rng).astype(int)
    score = np.where(x > threshold, 0.88, 0.12)
    rows = [Prediction(str(i), START - 9e5, int(o), float(s), {"x": float(v)}, "h", START)
            for i, (v, o, s) in enumerate(zip(x, outputs, score, strict=True))]  # fmt: skip
    said = [Label(str(i), START - 9e5, int(one), "h", START) for i, one in enumerate(labels)]
    batch = decode_predictions(encode_predictions(rows, SCHEMA)), decode_labels(encode_labels(said))
    return encode_reference(
        build_reference(lambda: iter([HistoryBatch(batch[0], batch[1].labels)]), SCHEMA, lambda _: None)
    )


@dataclass
class Loop:
    """The processes and what an operator holds in hand."""

    directory: Path
    mode: str = "auto"
    replay: bool = True
    extra: dict = field(default_factory=dict)
    now: float = START
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(3))
    due: list = field(default_factory=list)  # labels of the last step
    sent: int = 0

    def __post_init__(self):
        self.http = httpx.Client(timeout=60, trust_env=False)
        self.receiver_port = free_port()
        self.receiver = None
        self.daemon = None
        self._files()
        self._model_server()

    # ------------------------------------------------------------ set-up

    def _files(self):
        d = self.directory
        for name, threshold in (("v1", 0.5), ("v2", 0.2)):
            (d / f"{name}.json").write_bytes(scorecard(threshold))
            (d / f"{name}.ref").write_bytes(reference(threshold))
        (d / "current").symlink_to("v1.json")
        released.create(d / "releases.json")
        self.register("v1", BundleStatus.KNOWN_GOOD)
        everything = [scope for scope in Scope if scope not in (Scope.INGEST_LABELS, Scope.INGEST_PREDICTIONS)]
        grants = {
            "gateway": ([Scope.INGEST_PREDICTIONS], "gateway"),
            "ops": ([Scope.INGEST_LABELS], "ops"),
            "crowd": ([Scope.INGEST_LABELS], "crowd/*"),
            "person": (everything, "person"),
        }
        tokens = d / "tokens.json"
        self.tokens = {name: create_token(tokens, name, *grant, 0.0)[1] for name, grant in grants.items()}
        self.secret = new_secret()
        (d / "webhook.secret").write_text(self.secret)
        (d / "webhook.secret").chmod(0o600)
        (d / "rules.yaml").write_text(RULES)

    def register(self, name, status=BundleStatus.CANDIDATE):
        wall = {"v1": 1.0, "v2": 2.0}[name]
        return released.register(
            self.directory / "releases.json", MODEL, f"{name}.json", f"{name}.ref", wall=wall, status=status, name=name
        )

    def _model_server(self):
        d = self.directory
        arguments = ["--current", str(d / "current"), "--known-good", str(d / "v1.json"), "--model", MODEL]
        command = [sys.executable, str(ROOT / "examples/model_server/serve.py"), *arguments]
        self.server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.server_url = self.server.stdout.readline().split()[-1]

    def start_receiver(self):
        self.receiver = Receiver(self.secret, self.receiver_port)
        return self.receiver

    def write_settings(self, **changes):
        document = {
            "replay": self.replay,
            "http": {"port": getattr(self, "port", None) or free_port()},
            "metrics": {"port": getattr(self, "metrics_port", None) or free_port(), "render_every": "200ms"},
            "panes": {"length": "60s", "grace": "0s"},
            "look_every": "10m",
            "time": {"ahead_max": "1h"},
            "models": {
                "m": {
                    "release": released.settings(),
                    "rules": "./rules.yaml",
                    "serving": {"url": self.server_url, "model": MODEL, "timeout": PATIENT},
                    "known_good": {
                        "url": self.server_url,
                        "model": f"{MODEL}-known-good",
                        "share": 1.0,
                        "timeout": PATIENT,
                    },
                    "target": {"link": "./current", "prove_within": "60s", "demo": self.replay},
                    "labels": {"trusted_sources": ["ops"]},
                    "rollback": {"mode": self.mode, "rows_min": 100, "bake": "0s"},
                    "evidence": {"incidents": False},  # a worker costs seconds; test_loop_tasks has one
                }
            },
            "receivers": [
                {
                    "name": "on-call",
                    "url": f"http://127.0.0.1:{self.receiver_port}/hook",
                    "secret_file": "./webhook.secret",
                    "allow_networks": ["127.0.0.0/8"],
                    "repeat": {"critical": None},
                }
            ],
        }
        document |= self.extra | changes
        self.port, self.metrics_port = document["http"]["port"], document["metrics"]["port"]
        (self.directory / "tocsin.yaml").write_text(yaml.safe_dump(document))

    def rewrite(self, change):
        """Let `change` alter the settings file, as an operator does while the daemon runs."""
        file = self.directory / "tocsin.yaml"
        document = yaml.safe_load(file.read_text())
        change(document)
        file.write_text(yaml.safe_dump(document))

    def start(self):
        """Start the daemon; returns when it says that it is ready."""
        if not (self.directory / "tocsin.yaml").exists():
            self.write_settings()
        command = [sys.executable, "-m", "monitor.cli", "run", "--config", str(self.directory / "tocsin.yaml")]
        with (self.directory / "daemon.log").open("ab") as log:
            self.daemon = subprocess.Popen(command, stdout=log, stderr=log, cwd=ROOT)

        def ready():
            assert self.daemon.poll() is None, (self.directory / "daemon.log").read_text()
            try:
                return self.http.get(f"{self.url}/-/ready").status_code == httpx.codes.OK
            except httpx.TransportError:
                return False

        wait_for(ready, "the daemon is ready")
        return self

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def kill(self):
        """kill -9."""
        self.daemon.send_signal(signal.SIGKILL)
        self.daemon.wait()

    def stop(self):
        """SIGTERM; the exit code."""
        self.daemon.terminate()
        return self.daemon.wait(60)

    def close(self):
        for process in (self.daemon, self.server):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()
        self.server.stdout.close()
        if self.receiver is not None:
            self.receiver.close()
        self.http.close()

    # ------------------------------------------------------------ use

    def call(self, method, path, token="person", **request):
        headers = {"authorization": f"Bearer {self.tokens[token]}"} | request.pop("headers", {})
        return self.http.request(method, f"{self.url}{path}", headers=headers, **request)

    def get(self, path):
        answer = self.call("GET", path)
        assert answer.status_code == httpx.codes.OK, answer.text
        return answer.json()

    @property
    def status(self):
        return self.get("/v1/status")["models"]["m"]

    def deploy(self, name):
        """What a deployment script does: move the link, tell the server."""
        fresh = self.directory / "fresh"
        fresh.symlink_to(f"{name}.json")
        fresh.replace(self.directory / "current")
        assert self.http.post(f"{self.server_url}/v2/repository/models/{MODEL}/load").status_code == httpx.codes.OK

    def advance(self, seconds=0):
        """Step the clock."""
        self.now += seconds
        answer = self.call("POST", "/v1/clock", json={"now": self.now})
        assert answer.status_code == httpx.codes.OK, answer.text

    def infer(self, x):
        body = {"inputs": [{"name": "x", "shape": [len(x)], "datatype": "FP64", "data": x.tolist()}]}
        answer = self.http.post(f"{self.server_url}/v2/models/{MODEL}/infer", json=body).json()
        outputs = {tensor["name"]: tensor["data"] for tensor in answer["outputs"]}
        return outputs["prediction"], outputs["score"]

    def rows(self, x, said, score, prefix=""):
        """Lines for the API, spread over the coming step; `prefix` starts their ids."""
        times = (self.now + np.arange(len(x)) * STEP_S / len(x)).tolist()
        return [
            {"id": f"{prefix}{self.sent + i}", "time": t, "features": {"x": v}, "prediction": p, "scores": s}
            for i, (v, t, p, s) in enumerate(zip(x.tolist(), times, said, score, strict=True))
        ]

    def send(self, path, token, lines):
        if not lines:
            return
        answer = self.call("POST", path, token, content="\n".join(map(json.dumps, lines)),
                           headers={"content-type": "application/x-ndjson"})  # fmt: skip
        assert answer.status_code == httpx.codes.OK, answer.text
        assert answer.json()["accepted"] == len(lines), answer.text

    def live(self, steps=1, shift=0.0, label_source="ops"):
        """Ten minutes of traffic: rows, the labels of the step before, and the step of the clock."""
        for _ in range(steps):
            x = np.clip(self.rng.uniform(0, 1, ROWS) + shift, 0, 1)
            lines = self.rows(x, *self.infer(x))
            self.send("/v1/predictions", "gateway", lines)
            self.send("/v1/labels", label_source, self.due)
            right = truth(x, self.rng)
            self.due = [{"id": line["id"], "time": self.now + STEP_S, "label": ["no", "yes"][one]}
                        for line, one in zip(lines, right.tolist(), strict=True)]  # fmt: skip
            self.sent += ROWS
            self.advance(STEP_S)

    def until(self, condition, steps=12):
        """Live until `condition(status)`; AssertionError after so many steps."""
        for _ in range(steps):
            if condition(self.status):
                return self.status
            self.live()
        raise AssertionError(f"not within {steps} steps: {self.status['alerts']} {self.status['rollbacks']}")

    def metrics(self):
        return self.http.get(f"http://127.0.0.1:{self.metrics_port}/metrics").text


def committed(status):
    """The rollbacks that came to their end."""
    return [each for each in status["rollbacks"] if each["step"] == "committed"]


def poisoned(loop):
    """v1 lives, v2 is registered and deployed."""
    loop.advance()
    loop.live(2)
    loop.register("v2")
    loop.deploy("v2")
