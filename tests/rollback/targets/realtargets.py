"""A real MLflow and a real KServe server, each from an environment of its own below the cache: `.ci/real-targets`.

They take a minute to start on a busy machine, so the suite meets them where TOCSIN_REAL_TARGETS is set, and fails then
where one is absent; otherwise their tests are skipped and say so.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from relays import forwarding
from servers import answers, free_port, wait_for
from targetworlds import NAMES, HttpWorld, MlflowWorld, OpenInferenceWorld

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tocsin"
ASKED = bool(os.environ.get("TOCSIN_REAL_TARGETS"))
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "GIT_PYTHON_REFRESH": "quiet"}
SERVER = Path(__file__).with_name("kserve_server.py")
READY_S = 240.0  # 13 s on an idle machine with two cores, a minute on a busy one


def program(environment: str, name: str) -> Path:
    path = CACHE / environment / "bin" / name
    if not ASKED:
        pytest.skip(f"a real {environment} joins with TOCSIN_REAL_TARGETS=1, after: bash .ci/real-targets")
    assert path.exists(), f"{environment} is not installed ({path}): bash .ci/real-targets"
    return path


@contextmanager
def running(command: list[str], url: str, folder: Path) -> Iterator[None]:
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(
            command, cwd=folder, env={**os.environ, **QUIET}, stdout=log, stderr=log, start_new_session=True
        )
        try:
            wait_for(lambda: answers(url) or server.poll() is not None, f"an answer of {url}", READY_S)
            assert server.poll() is None, (folder / "server.log").read_text()[-4000:]
            yield
        finally:
            server.terminate()
            server.wait(60)


def call(port: int, method: str, path: str, document: Any = None) -> tuple[int, Any]:
    body = None if document is None else json.dumps(document).encode()
    status, answer = forwarding(port)(method, path, {"content-type": "application/json"}, body or b"")
    return status, json.loads(answer)


@contextmanager
def mlflow_server(folder: Path) -> Iterator[int]:
    """A registry with three versions of `delays`; yields the port."""
    port = free_port()
    where = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command = [str(program("mlflow", "mlflow")), "server", "--backend-store-uri", f"sqlite:///{folder}/m.db", *where]
    with running(command, f"http://127.0.0.1:{port}/health", folder):
        root = "/api/2.0/mlflow"
        assert call(port, "POST", f"{root}/registered-models/create", {"name": "delays"})[0] == 200
        for name in NAMES:
            version = {"name": "delays", "source": f"s3://models/{name}"}
            assert call(port, "POST", f"{root}/model-versions/create", version)[0] == 200
        yield port


@contextmanager
def kserve_server(folder: Path) -> Iterator[int]:
    """A repository with v1, v2 and v3, of which v2 is loaded; yields the port."""
    port = free_port()
    for name in NAMES:
        (folder / f"{name}.bin").write_bytes(name.encode())
    command = [str(program("kserve", "python")), str(SERVER), str(folder), str(port), "v2"]
    with running(command, f"http://127.0.0.1:{port}/v2/health/ready", folder):
        yield port


class RealMlflowWorld(MlflowWorld):
    def __init__(self, folder: Path, port: int) -> None:
        self.port = port
        HttpWorld.__init__(self, folder, forwarding(port))
        self.locators = {name: name.removeprefix("v") for name in NAMES}
        self.set("v2")

    def set(self, name: str) -> None:
        alias = {"name": "delays", "alias": "champion", "version": self.locators[name]}
        assert call(self.port, "POST", "/api/2.0/mlflow/registered-models/alias", alias)[0] == 200

    def now(self) -> str:
        path = "/api/2.0/mlflow/registered-models/alias?name=delays&alias=champion"
        return f"v{call(self.port, 'GET', path)[1]['model_version']['version']}"


class RealOpenInferenceWorld(OpenInferenceWorld):
    def __init__(self, folder: Path, port: int) -> None:
        self.port = port
        HttpWorld.__init__(self, folder, forwarding(port))
        self._have({"v2"})

    def _there(self) -> set[str]:
        return set(call(self.port, "GET", "/v2/models")[1]["models"])

    def _have(self, wanted: set[str]) -> None:
        there = self._there()
        for name in wanted - there:
            assert call(self.port, "POST", f"/v2/repository/models/{name}/load")[0] == 200
        for name in there - wanted:
            assert call(self.port, "POST", f"/v2/repository/models/{name}/unload")[0] == 200

    def set(self, name: str) -> None:
        self._have({name} | (self._there() & {"v1"} if name == "v3" else set()))

    def now(self) -> str:
        there = self._there()
        return next(name for name in ("v2", "v3", "v1") if name in there)
