import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from monitor import cli
from monitor.cli.exits import Exit, Stop, exit_code
from monitor.errors import Corrupt, Permanent, Problem, Rejected, SettingsError, TocsinError, Transient

Tocsin = Callable[..., Any]

HEAVY = {"numpy", "pyarrow", "pydantic", "httpx", "starlette", "uvicorn", "prometheus_client", "pandas", "sklearn"}

COMMANDS = {
    "run": (),
    "demo": (),
    "check-config": (),
    "status": (),
    "top": (),
    "healthy": (),
    "gate": (),
    "bands": (),
    "backtest": (),
    "tune": (),
    "incidents": ("list", "show", "release", "suspect", "trust", "exclusions", "exclude"),
    "evidence": ("list", "fetch", "rotate"),
    "rollback": ("list", "start", "approve", "decline", "unlatch", "stop", "go"),
    "reference": ("build", "show"),
    "bundle": (
        *("create", "add", "sign", "approve", "promote", "quarantine", "revoke", "refresh"),
        *("verify", "show", "list", "diff"),
    ),
    "checkpoint": ("sign", "verify"),
    "key": ("generate", "show"),
    "probes": ("record", "verify", "show"),
    "token": ("create", "list", "revoke"),
    "audit": ("verify", "show", "export"),
}
PATHS = [(name, *below) for name, inner in COMMANDS.items() for below in ([(each,) for each in inner] or [()])]


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
def test_every_command_explains_itself(tocsin: Tocsin, path: tuple[str, ...]) -> None:
    ended = tocsin(*path, "--help")
    assert ended.code == Exit.OK
    assert f"Usage: tocsin {' '.join(path)}" in ended.out


@pytest.mark.parametrize("group", [(), *((name,) for name, inner in COMMANDS.items() if inner)], ids=" ".join)
def test_the_summary_of_a_command_fits_a_line_of_80_columns(tocsin: Tocsin, group: tuple[str, ...]) -> None:
    lines = tocsin(*group, "--help").out.partition("Commands:\n")[2].splitlines()
    assert [line for line in lines if line.endswith("...")] == []
    assert sum(line.startswith("  ") and line.endswith(".") for line in lines) >= len(
        COMMANDS.get(*group) if group else COMMANDS
    )


@pytest.mark.parametrize("path", [path for path in PATHS if path[0] not in {"run", "demo"}], ids=" ".join)
def test_every_command_that_answers_can_answer_in_json(tocsin: Tocsin, path: tuple[str, ...]) -> None:
    assert "--json" in tocsin(*path, "--help").out


def test_the_list_of_commands_is_all_there_is(tocsin: Tocsin) -> None:
    listed = tocsin("--help").out
    assert all(name in listed for name in COMMANDS)
    assert len(cli.app.registered_commands) + len(cli.app.registered_groups) == len(COMMANDS)


def test_the_exit_codes_are_documented(tocsin: Tocsin) -> None:
    listed = " ".join(tocsin("--help").out.split())
    assert all(f"{code.value} " in listed for code in Exit)


@pytest.mark.parametrize(
    "arguments", [("nothing",), ("--nothing",), ("check-config",), ("token", "create"), ("rollback", "start", "delays")]
)
def test_a_wrong_command_line_is_told(tocsin: Tocsin, arguments: tuple[str, ...]) -> None:
    ended = tocsin(*arguments)
    assert ended.code == Exit.USAGE
    assert ended.out == ""
    assert "Usage: tocsin" in ended.err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SettingsError([Problem("a", "b")]), Exit.PROBLEMS),
        (Corrupt("file", 0, "hint"), Exit.PROBLEMS),
        (Transient("later"), Exit.PROBLEMS),
        (Permanent("never"), Exit.PROBLEMS),
        (Rejected("no"), Exit.REFUSED),
        (Stop(Exit.UNREACHABLE, "gone"), Exit.UNREACHABLE),
        (TocsinError("unknown"), Exit.INTERNAL),
    ],
)
def test_every_error_has_its_exit_code(error: TocsinError, code: Exit) -> None:
    assert exit_code(error) is code


def test_a_bug_ends_with_its_traceback_and_its_own_code(tocsin: Tocsin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.settings.check", lambda _: 1 / 0)
    ended = tocsin("check-config", "x")
    assert ended.code == Exit.INTERNAL
    assert "ZeroDivisionError" in ended.err
    assert "bug" in ended.err
    assert ended.out == ""


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    command = f"{sys.executable} -m monitor.cli --help | true; exit ${{PIPESTATUS[0]}}"
    ended = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert "Traceback" not in ended.stderr


def test_help_imports_nothing_heavy() -> None:
    program = "import sys, monitor.cli; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert not HEAVY & set(loaded)


def test_help_is_there_at_once() -> None:
    def once() -> float:
        before = os.times()
        subprocess.run([sys.executable, "-m", "monitor.cli", "--help"], capture_output=True, check=True)
        after = os.times()
        return after.children_user + after.children_system - before.children_user - before.children_system

    assert min(once() for _ in range(3)) < 0.6  # .2 s; of the processor, so that others' work does not count


def test_the_installed_command_and_the_module_are_the_same() -> None:
    script = Path(sys.executable).with_name("tocsin")
    ways = [[str(script), "--version"], [sys.executable, "-m", "monitor.cli", "--version"]]
    said = [subprocess.run(way, capture_output=True, text=True, check=True).stdout for way in ways]
    assert said[0] == said[1]


def test_the_daemon_imports_nothing_that_it_does_without():
    code = (
        "import sys; from monitor.cli import libraries as own; unwanted = own.NO_COMMAND_NEEDS + own.NO_DAEMON_NEEDS\n"
        "own.do_without(unwanted); import monitor.daemon; print(sys.modules.keys() & set(unwanted))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, "set()\n"), ended.stderr


@pytest.mark.parametrize(("asked", "threads"), [(None, 1), ("2", min(2, os.cpu_count() or 1))])
def test_matrices_are_for_one_thread_unless_somebody_says_otherwise(asked, threads):
    code = (
        "from monitor.cli.libraries import blas_of_one_thread; blas_of_one_thread(); import numpy, threadpoolctl\n"
        "print(max(each['num_threads'] for each in threadpoolctl.threadpool_info()))"
    )
    environ = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    environ |= {"OPENBLAS_NUM_THREADS": asked} if asked else {}
    ended = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
    assert int(ended.stdout) == threads


def test_no_command_imports_pandas_where_it_is_installed(tmp_path):
    (tmp_path / "pandas").mkdir()
    (tmp_path / "pandas" / "__init__.py").write_text("raise SystemExit('pandas was imported')")
    guard = "from monitor.cli.libraries import NO_COMMAND_NEEDS, do_without; do_without(NO_COMMAND_NEEDS);"
    code = f"{guard} import pyarrow; pyarrow.array(['a']); print('ok')"
    environ = os.environ | {"PYTHONPATH": str(tmp_path)}
    ended = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, "ok\n"), ended.stderr
    bare = code.removeprefix(guard).strip()
    ended = subprocess.run([sys.executable, "-c", bare], env=environ, capture_output=True, text=True, check=False)
    assert "pandas was imported" in ended.stderr  # the guard is needed
