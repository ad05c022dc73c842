"""A real daemon with everything it needs, in a folder on disk: reference, bundle, release index, token, settings."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from bench.rows import MODEL, SCHEMA, predictions
from monitor.demo.stage import free_ports
from monitor.ingest.tokens import Scope, create_token
from monitor.panes.build import NO_LABEL, HistoryBatch, build_reference
from monitor.panes.reference import encode_reference
from monitor.rollback.manifest import About, Role
from monitor.rollback.release.belief import Belief
from monitor.rollback.release.make import Builder
from monitor.rollback.release.write import Editor
from monitor.rollback.signing import Signer, keygen

ROOT = Path(__file__).parent.parent
READY_WITHIN_S = 120.0
POLL_S = 0.005


@dataclass(frozen=True, slots=True)
class Daemon:
    """A running daemon: its process, where it listens, and a token that may hand in rows."""

    pid: int
    port: int
    metrics_port: int
    token: str
    ready_s: float  # from the start of the process to the first 200 of /-/ready

    @property
    def rss_mib(self) -> float:
        """Resident memory now."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)

    @property
    def own_mib(self) -> float:
        """Of it, memory that nothing but the daemon can give back: no mapped file, such as a run of receipts."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon:")) / 1024

    @property
    def cpu_s(self) -> float:
        """Processor time of all its threads since it began."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def written_mib(self) -> float:
        """What it has had written to disk since it began."""
        lines = Path(f"/proc/{self.pid}/io").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes:")) / (1 << 20)

    def metric(self, name: str) -> float:
        """The sum of a metric over its labels, as scraped now."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.split("{")[0].split(" ")[0] == name)


@contextmanager
def daemon(settings: Mapping[str, Any] | None = None, rules: str = "") -> Iterator[Daemon]:
    """Start a daemon on an empty state and stop it; its folder is on the disk of the checkout, not in memory.

    `settings` are added to those it needs, by section; `rules` stand for the shipped ones.
    """
    (ROOT / "build").mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=ROOT / "build"))
    try:
        port, metrics_port = free_ports(2)
        token = _furnish(folder, port, metrics_port, settings or {})
        if rules:
            (folder / "rules.yaml").write_text(rules)
        began = time.monotonic()
        with (folder / "log").open("wb") as log:
            command = [sys.executable, "-m", "monitor.cli", "run", "--config", str(folder / "tocsin.yaml")]
            process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
        try:
            _wait(process, port, folder / "log")
            yield Daemon(process.pid, port, metrics_port, token, time.monotonic() - began)
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    finally:
        shutil.rmtree(folder)


def _furnish(folder: Path, port: int, metrics_port: int, more: Mapping[str, Any]) -> str:
    """Write what the daemon is given; the token's text."""
    found = predictions(50_000, seed=1)
    history = HistoryBatch(found, np.full(found.n, NO_LABEL))
    reference = build_reference(lambda: iter([history]), SCHEMA, lambda _: None)
    (folder / "v1.ref.json").write_bytes(encode_reference(reference))
    (folder / "v1.bin").write_bytes(b"opaque")
    _release(folder)
    shutil.copy(ROOT / "rules" / "default.yaml", folder / "rules.yaml")
    scopes = (Scope.INGEST_PREDICTIONS, Scope.READ)
    _, text = create_token(folder / "tokens.json", "bench", scopes, "bench", time.time())
    settings: dict[str, Any] = {
        "http": {"port": port},
        "metrics": {"port": metrics_port},
        "models": {
            MODEL: {"release": {"index": "./releases.json", "trust": ["./release.pub"]}, "rules": "./rules.yaml"}
        },
    }
    for name, given in more.items():
        settings[name] = settings.get(name, {}) | given if isinstance(given, dict) else given
    (folder / "tocsin.yaml").write_text(yaml.safe_dump(json.loads(json.dumps(settings))))
    return text


def _release(folder: Path) -> None:
    """Sign the bundle, and approve it."""
    keygen(folder / "release.key", folder / "release.pub")
    signer, belief = Signer.load(folder / "release.key"), Belief.load([folder / "release.pub"])
    files = {"v1.bin": Role.CHECKPOINT, "v1.ref.json": Role.REFERENCE}
    Builder(signer, belief).make(folder / "v1.bundle.json", files, About(MODEL, "v1", time.time()))
    editor = Editor(folder / "releases.json", signer, belief, time.time)
    editor.create()
    editor.approve(editor.add(folder / "v1.bundle.json").id)


def _wait(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    pause, end = threading.Event(), time.monotonic() + READY_WITHIN_S
    while not _answers(f"http://127.0.0.1:{port}/-/ready"):
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"the daemon did not get ready:\n{log.read_text()[-4000:]}")
        pause.wait(POLL_S)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
