"""Real servers for tests: Debian's prometheus and prometheus-alertmanager, started by hand on loopback.

Where the binary is absent a test skips and says so; where the environment says CI that is a failure.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

READY_S = 60.0  # what is ready in one second on an idle machine; waiting ends with what is waited for
STOP_S = 30.0
POLL_S = 0.02


def free_port() -> int:
    """A port of 127.0.0.1 that was free just now, and that nobody else is given.

    What the kernel gives for port 0 it may give again, to a connection or another worker, before the server listens
    there. So it is one below those that the kernel gives, each handed out once, and no two workers of a run share one:
    a port whose server is being started anew looks free to whoever tries it.
    """
    for port in _PORTS:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")


def _own_ports() -> Iterator[int]:
    """The ports of one worker: of two one has the even ones. Where they begin differs between runs on one machine."""
    first, last = 20_000, 32_768  # the demo's are below
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    own = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % workers
    count = (last - first) // workers
    start = os.getpid() * 61 % count
    for step in range(count):
        yield first + (start + step) % count * workers + own


_PORTS = _own_ports()


def binary(name: str, package: str) -> str:
    """The path of a program; without it the test skips, or fails where CI is set."""
    path = shutil.which(name)
    if path is None:
        why = f"{name} is not installed (Debian package {package})"
        if os.environ.get("CI"):
            pytest.fail(why)
        pytest.skip(why)
    return path


def wait_for(condition: Callable[[], Any], what: str, timeout_s: float = READY_S) -> Any:
    """The first true value of `condition`, asked again and again; an AssertionError when none comes in time."""
    end = time.monotonic() + timeout_s
    pause = threading.Event()
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        pause.wait(POLL_S)
    raise AssertionError(f"not within {timeout_s} s: {what}")


def answers(url: str) -> bool:
    """Whether a GET of this URL is answered with 200."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # for ever would be longer than who waits has
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@contextmanager
def _server(arguments: list[str], url: str, log: Path) -> Iterator[str]:
    with log.open("wb") as output:
        process = subprocess.Popen(arguments, stdout=output, stderr=subprocess.STDOUT, cwd=log.parent)
    try:

        def ready() -> bool:
            assert process.poll() is None, f"{arguments[0]} ended: {log.read_text()}"
            return answers(f"{url}/-/ready")

        wait_for(ready, f"{arguments[0]} ready")
        yield url
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def prometheus(config: dict[str, Any]) -> Iterator[str]:
    """Run Prometheus with this configuration (JSON is YAML); yields its URL. Rule files need absolute paths."""
    program = binary("prometheus", "prometheus")
    with tempfile.TemporaryDirectory(prefix="prometheus-") as folder:
        port = free_port()
        file = Path(folder, "prometheus.json")
        file.write_text(json.dumps(config))
        arguments = [
            program,
            f"--config.file={file}",
            f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{port}",
            "--web.enable-lifecycle",
            "--log.level=warn",
        ]
        with _server(arguments, f"http://127.0.0.1:{port}", Path(folder, "log")) as url:
            yield url


@contextmanager
def alertmanager(config: dict[str, Any], port: int = 0) -> Iterator[str]:
    """Run Alertmanager, unclustered, with this configuration; yields its URL. Port 0 takes a free one."""
    program = binary("prometheus-alertmanager", "prometheus-alertmanager")
    with tempfile.TemporaryDirectory(prefix="alertmanager-") as folder:
        port = port or free_port()
        file = Path(folder, "alertmanager.json")
        file.write_text(json.dumps(config))
        arguments = [
            program,
            f"--config.file={file}",
            f"--storage.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{port}",
            "--cluster.listen-address=",
            "--log.level=warn",
        ]
        with _server(arguments, f"http://127.0.0.1:{port}", Path(folder, "log")) as url:
            yield url


def query(url: str, promql: str) -> list[dict[str, Any]]:
    """The instant vector that a Prometheus answers to a query: a list of {metric, value}."""
    asked = f"{url}/api/v1/query?{urllib.parse.urlencode({'query': promql})}"
    with urllib.request.urlopen(asked, timeout=30) as answer:
        body = json.load(answer)
    assert body["status"] == "success", body
    result: list[dict[str, Any]] = body["data"]["result"]
    return result
