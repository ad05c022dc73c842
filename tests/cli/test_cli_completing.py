"""What a shell is offered: scripts for three of them, and names that the running daemon knows."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from servers import wait_for
from statuses import BOTH, status

from monitor.ingest.tokens import Scope

COMMAND = [sys.executable, "-m", "monitor.cli"]
SHELLS = {"bash": "complete -o default -F", "zsh": "#compdef tocsin", "fish": "complete --command tocsin"}


def run(*arguments: str, **environ: str) -> str:
    env = {**os.environ, **environ}
    return subprocess.run([*COMMAND, *arguments], env=env, capture_output=True, text=True, check=False).stdout


def offered(line: str, **environ: str) -> list[str]:
    """What bash is offered for the last word of a command line."""
    words = line.split(" ")
    return run(_TOCSIN_COMPLETE="complete_bash", COMP_WORDS=line, COMP_CWORD=str(len(words) - 1), **environ).split()


@pytest.fixture
def environ(api: Any) -> dict[str, str]:
    api.control.results["status"] = BOTH
    api.control.results["incidents"] = [{"id": "fares-1"}, {"id": "delays-7"}]
    api.control.results["rollbacks"] = [{"id": "r1", "step": "committed"}, {"id": "r2", "step": "proposed"}]
    return {"TOCSIN_URL": api.url, "TOCSIN_TOKEN_FILE": str(api.token_file(Scope.READ))}


@pytest.mark.parametrize("shell", SHELLS)
def test_there_is_a_script_for_each_shell(shell: str) -> None:
    assert SHELLS[shell] in run("--show-completion", shell) or SHELLS[shell] in run(_TOCSIN_COMPLETE=f"source_{shell}")


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_that_is_here_can_read_its_script(shell: str, tmp_path: Path) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    script = tmp_path / "script"
    script.write_text(run(_TOCSIN_COMPLETE=f"source_{shell}"))
    assert subprocess.run([program, "-n", str(script)], capture_output=True, check=False).returncode == 0


def test_commands_and_options_are_offered() -> None:
    assert {"top", "status", "healthy"} <= set(offered("tocsin "))
    assert "approve" in offered("tocsin rollback a")
    assert "--watch" in offered("tocsin status --w")


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("tocsin rollback start ", ["delays", "fares"]),
        ("tocsin rollback unlatch f", ["fares"]),
        ("tocsin incidents release d", ["delays"]),
        ("tocsin incidents show ", ["fares-1", "delays-7"]),
        ("tocsin incidents show d", ["delays-7"]),
        ("tocsin rollback approve ", ["r2"]),
        ("tocsin rollback approve x", []),
    ],
)
def test_names_and_ids_come_from_the_running_daemon(environ: dict[str, str], line: str, names: list[str]) -> None:
    # Asked again where a busy machine was late: what is late offers nothing, and never something else.
    assert wait_for(lambda: offered(line, **environ), line) == names if names else offered(line, **environ) == []


def test_a_daemon_that_is_not_there_offers_nothing_and_says_nothing() -> None:
    environ = {**os.environ, "TOCSIN_URL": "http://127.0.0.1:9", "_TOCSIN_COMPLETE": "complete_bash"}
    environ |= {"COMP_WORDS": "tocsin rollback start ", "COMP_CWORD": "3"}
    ended = subprocess.run(COMMAND, env=environ, capture_output=True, text=True, check=False)
    assert (ended.stdout.strip(), ended.stderr) == ("", "")


def test_a_daemon_that_hangs_is_not_waited_for() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        began = time.monotonic()
        assert offered("tocsin rollback start ", TOCSIN_URL=url) == []
    assert time.monotonic() - began < 25.0  # 1.5 s on an idle core; a command proper would wait for 30 s


def test_a_name_that_a_shell_would_take_apart_is_not_offered(api: Any, environ: dict[str, str]) -> None:
    api.control.results["status"] = status(**{"a b": {}, "c": {}, "d\x1b[2J": {}})
    assert wait_for(lambda: offered("tocsin rollback start ", **environ), "a name") == ["c"]
