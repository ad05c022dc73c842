"""The set of the demo: a directory, three real processes' worth of servers, and what an operator would type.

    checkpoints/v1.json v2.json current -> v1.json      the model server serves what `current` points to
    history/ references/                                what they learned from, and its profiles
    releases.json tokens.json webhook.secret            what the daemon is given
    release.key release.pub *.bundle.json               who signs the bundles and their index, and the signed bundles
    probes.json                                         signed rows and v1's answers to them, a secret
    person.token                                        for whoever looks with the command line
    tocsin.yaml                                         its settings
    state/ logs/                                        what it writes

Every set-up step is what an operator would do: build a reference profile, create tokens, sign bundles and their release
index, swap a symlink and ask the server to load. Nothing waits for a length of time: a process is ready when it
says so, and one that dies while it is waited for ends the demo with the last lines of its log.
"""

import contextlib
import json
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

import pyarrow.parquet as pq
import yaml

import monitor
from monitor.demo.gateway import KNOWN_GOOD, MODEL, Daemon, ModelServer, Tokens
from monitor.demo.receiver import Receiver, new_secret
from monitor.errors import Permanent
from monitor.facts import Batch, BundleStatus
from monitor.ingest.history import open_history
from monitor.ingest.tokens import Scope, create_token
from monitor.panes.build import build_reference
from monitor.panes.reference import encode_reference
from monitor.panes.schema import parse_schema
from monitor.rollback.digest import digest_of
from monitor.rollback.manifest import About, Lineage, Role
from monitor.rollback.release.belief import Belief
from monitor.rollback.release.make import Builder
from monitor.rollback.release.write import Editor
from monitor.rollback.signing import Signer, keygen

SERVE: Final = Path(monitor.__file__).parents[1] / "examples" / "model_server" / "serve.py"
RULES: Final = Path(monitor.__file__).parents[1] / "rules" / "demo.yaml"
READY_S: Final = 120.0  # a start takes 2 s; this is for a machine that is busy
PATIENT: Final = "60s"  # so is this: a row whose known-good answer came too late would be one less to decide by
STOP_S: Final = 10.0
PORTS: Final = range(10_000, 20_000)
POLL_S: Final = 0.02
LOG_LINES: Final = 15


@dataclass(slots=True)
class Process:
    """A child of ours, with its output in a file."""

    name: str
    child: subprocess.Popen[str]
    log: Path

    def wait_until(self, ready: Callable[[], bool]) -> None:
        """Return once `ready`; Permanent with the end of the log if the process dies or takes too long."""
        deadline = time.monotonic() + READY_S
        while not ready():
            if self.child.poll() is not None or time.monotonic() > deadline:
                raise Permanent(f"{self.name} did not start:\n{self._tail()}")
            threading.Event().wait(POLL_S)

    def stop(self) -> None:
        """Ask it to end, and end it if it does not."""
        self.child.terminate()
        try:
            self.child.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
        if self.child.stdout is not None:
            self.child.stdout.close()

    def _tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-LOG_LINES:])


@dataclass(slots=True)
class Stage:
    """Owns the directory's files and the processes; `close` takes the processes down."""

    directory: Path
    processes: list[Process] = field(default_factory=list)
    receivers: list[Receiver] = field(default_factory=list)
    _settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make the directories."""
        for name in ("checkpoints", "history", "references", "logs"):
            (self.directory / name).mkdir(parents=True)

    def checkpoint(self, name: str) -> Path:
        """Where a checkpoint lies."""
        return self.directory / "checkpoints" / f"{name}.json"

    def place(self, name: str, body: bytes) -> None:
        """Write a checkpoint file; it serves nobody yet."""
        self.checkpoint(name).write_bytes(body)

    def link(self, name: str) -> None:
        """Point `current` to a checkpoint in one step, as a deployment script does."""
        current = self.directory / "checkpoints" / "current"
        fresh = current.with_name("current.new")
        fresh.symlink_to(f"{name}.json")
        fresh.replace(current)

    def start_model_server(self, known_good: str) -> ModelServer:
        """Start the example server; it says on its first line where it listens."""
        if not SERVE.is_file():
            raise Permanent(f"{SERVE} is not there: the demo runs from a checkout")
        current = self.directory / "checkpoints" / "current"
        arguments = ["--current", str(current), "--known-good", str(self.checkpoint(known_good)), "--model", MODEL]
        process = self._start("model-server", [str(SERVE), *arguments], stdout=subprocess.PIPE)
        assert process.child.stdout is not None
        line = process.child.stdout.readline()
        process.wait_until(lambda: bool(line))
        return ModelServer(line.split()[-1])

    def start_receiver(self) -> Receiver:
        """Start the webhook receiver, and write its secret where the daemon finds it."""
        secret = new_secret()
        self._write_private("webhook.secret", secret + "\n")
        self.receivers.append(Receiver(secret))
        return self.receivers[-1]

    def start_daemon(self, tokens: Tokens) -> Daemon:
        """Start `tocsin run` with the settings written before, and wait until it says that it is ready."""
        process = self._start("daemon", ["-m", "monitor.cli", "run", "--config", str(self.directory / "tocsin.yaml")])
        daemon = Daemon(f"http://127.0.0.1:{self._settings['http']['port']}", tokens)
        process.wait_until(daemon.is_ready)
        return daemon

    @property
    def metrics_url(self) -> str:
        """Where Prometheus would scrape."""
        return f"http://127.0.0.1:{self._settings['metrics']['port']}/metrics"

    def write_settings(self, server: ModelServer, receiver: Receiver) -> None:
        """Write the daemon's settings file."""
        self._settings = settings_document(server.url, receiver.url, *free_ports(2))
        (self.directory / "tocsin.yaml").write_text(yaml.safe_dump(self._settings, sort_keys=False))

    def create_token(self, name: str, *scopes: str) -> str:
        """Add a token bound to the source of its own name; its text."""
        chosen = [Scope(scope) for scope in scopes]
        _, text = create_token(self.directory / "tokens.json", name, chosen, name, time.time())
        return text

    @property
    def person_token(self) -> Path:
        """File with the token of the person on call."""
        return self.directory / "person.token"

    def write_person_token(self) -> None:
        """Let somebody look and decide."""
        self._write_private(self.person_token.name, self.create_token("person", "read", "approve") + "\n")

    def record_probes(self, name: str, document: dict[str, Any], server: ModelServer) -> None:
        """Record what a checkpoint that is served answers to some of its flights: `tocsin probes record`, typed."""
        schema = self.directory / "schema.json"
        schema.write_text(json.dumps(document))
        rows = ("--rows", self.history(name), "--schema", schema)
        signed = ("--private-key", self.directory / "release.key")
        asked = ("--server", server.url, "--served-as", MODEL)
        words = ["probes", "record", self.directory / "probes.json", *rows, *asked, *signed]
        ended = subprocess.run(
            [sys.executable, "-m", "monitor.cli", *map(str, words)], capture_output=True, text=True, check=False
        )
        if ended.returncode:
            raise Permanent(f"golden probes could not be recorded: {ended.stderr}")

    def history(self, name: str) -> Path:
        """Where the flights lie that a checkpoint learned from."""
        return self.directory / "history" / f"{name}.parquet"

    def build_reference(self, name: str, document: dict[str, Any]) -> None:
        """Build the reference profile from the history, as `tocsin reference build` does."""
        schema, columns = parse_schema(document)
        reference = build_reference(open_history(self.history(name), schema, columns), schema, lambda _: None)
        self.reference(name).write_bytes(encode_reference(reference))

    def reference(self, name: str) -> Path:
        """Where a reference profile lies."""
        return self.directory / "references" / f"{name}.json"

    def register(self, name: str, status: BundleStatus) -> None:
        """Sign a bundle and add it to the release index; the first one makes the key and the index."""
        index, private, public = (self.directory / each for each in ("releases.json", "release.key", "release.pub"))
        if not private.exists():
            keygen(private, public)
        signer, belief = Signer.load(private), Belief.load([public])
        editor = Editor(index, signer, belief, time.time)
        if not index.exists():
            editor.create()
        files = {f"checkpoints/{name}.json": Role.CHECKPOINT, f"references/{name}.json": Role.REFERENCE}
        manifest = self.directory / f"{name}.bundle.json"
        about = About(model=MODEL, name=name, created=time.time(), lineage=self._lineage(name))
        Builder(signer, belief).make(manifest, files, about)
        made = editor.add(manifest)
        if status is BundleStatus.KNOWN_GOOD:
            editor.approve(made.id)

    def _lineage(self, name: str) -> Lineage:
        """What a checkpoint was trained on: its history, as one batch of the flights' own source."""
        path = self.history(name)
        if not path.exists():
            return Lineage()
        times = pq.read_table(path, columns=["at"])["at"].to_numpy()
        start, end = float(times.min()), float(times.max()) + 1.0
        batch = Batch(digest_of(path), "ops", len(times), start, end)
        return Lineage(batches=(batch,), cutoff=end)

    def close(self) -> None:
        """Stop everything that was started, newest first."""
        while self.processes:
            self.processes.pop().stop()
        while self.receivers:
            self.receivers.pop().close()

    def _start(self, name: str, arguments: list[str], stdout: int | IO[str] | None = None) -> Process:
        log = self.directory / "logs" / f"{name}.log"
        with log.open("w") as errors:
            child = subprocess.Popen(
                [sys.executable, *arguments],
                stdout=stdout or errors,
                stderr=errors,
                stdin=subprocess.DEVNULL,
                text=True,
            )
        self.processes.append(Process(name, child, log))
        return self.processes[-1]

    def _write_private(self, name: str, text: str) -> None:
        handle = os.open(self.directory / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(text)


def settings_document(server_url: str, receiver_url: str, http_port: int, metrics_port: int) -> dict[str, Any]:
    """Build the settings: replay, panes of an hour, automatic rollback, every row answered twice.

    A sample of the rows would do; with all of them, the demo decides the same in every run.
    """
    return {
        "state_dir": "./state",
        "replay": True,
        "tokens_file": "./tokens.json",
        "http": {"port": http_port},
        "metrics": {"port": metrics_port, "category_names": True},  # carriers and airports are no secret
        "panes": {"length": "1h", "grace": "0s", "horizon": "30d"},
        "look_every": "1h",
        # An hour of rows comes before the step of the clock that ends it, hence from the future by up to an hour.
        "time": {"ahead_max": "65m", "behind_max": "30d"},
        "models": {
            MODEL: {
                "release": {"index": "./releases.json", "trust": ["./release.pub"]},
                "rules": str(RULES),
                "serving": {"url": server_url, "model": MODEL, "timeout": PATIENT},
                "known_good": {"url": server_url, "model": KNOWN_GOOD, "share": 1.0, "timeout": PATIENT},
                "target": {"link": "./checkpoints/current", "proofs": 3, "prove_within": PATIENT, "demo": True},
                "probes": {"file": "./probes.json", "trust": ["./release.pub"], "every": "6h", "timeout": PATIENT},
                "segments": {"origin": {"values_max": 3}},
                "labels": {"trusted_sources": ["ops"]},
                "rollback": {"mode": "auto", "bake": "0s"},  # ten days pass in a minute
                "samples": {"share": 0.2},
                "evidence": {"every": "0s", "metrics_every": "0s"},  # of its incidents: ten days pass in a minute
            }
        },
        "receivers": [
            {
                "name": "on-call",
                "url": receiver_url,
                "secret_file": "./webhook.secret",
                "allow_networks": ["127.0.0.0/8"],
                "repeat": {"critical": None},  # or every four hours of the story, while nobody is there to act
            }
        ],
    }


def free_ports(count: int) -> list[int]:
    """So many different ports that were free a moment ago.

    Below those that the kernel gives to connections, of which the demo makes many before the daemon listens.
    """
    found: list[int] = []
    while len(found) < count:
        port = secrets.choice(PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found += [port] * (port not in found)
    return found
