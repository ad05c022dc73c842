"""The command line in this process, as `main` runs it, and a daemon's API to talk to."""

import json
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from laid_out import lay_out, private

from monitor.cli import main
from monitor.clock import WallClock
from monitor.ingest.app import build_app
from monitor.ingest.counters import Counters
from monitor.ingest.tokens import Scope, Tokens, create_token


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def tocsin(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    def run(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["tocsin", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        return Ended(int(ended.value.code or 0), *capsys.readouterr())

    return run


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a directory that holds the example settings and what they name."""
    monkeypatch.chdir(lay_out(tmp_path))
    return tmp_path


@dataclass(slots=True)
class Answers:
    """Stands where the daemon decides: answers from a table, and remembers what it was asked."""

    results: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[Any, ...]] = field(default_factory=list)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def answer(*arguments: Any) -> Any:
            self.asked.append((name, *arguments))
            result = self.results.get(name, {"did": name})
            if isinstance(result, Exception):
                raise result
            return result

        return answer


@dataclass(frozen=True, slots=True)
class Running:
    """The real API over HTTP, with the deciding part replaced."""

    url: str
    control: Answers
    tokens: Path
    followed: Tokens

    def token_file(self, *scopes: Scope) -> Path:
        """Make a token of these scopes and keep it as a person would."""
        _, text = create_token(self.tokens, f"t{len(scopes)}", scopes, "", 1.0)
        assert self.followed.reload() is None
        return private(self.tokens.with_name("token"), text + "\n")


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Running]:
    tokens, control = tmp_path / "api-tokens.json", Answers()
    create_token(tokens, "somebody", [Scope.READ], "", 1.0)
    followed = Tokens(tokens, WallClock())
    app = build_app(
        journal=None, control=control, clock=WallClock(), tokens=followed, schemas=dict, counters=Counters()
    )
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="on"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        running = Running(f"http://127.0.0.1:{listener.getsockname()[1]}", control, tokens, followed)
        yield running
        server.should_exit = True
        thread.join()
