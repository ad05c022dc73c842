"""The files a newcomer meets before the code: Makefile, CI scripts, licence, changelog."""

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted((ROOT / ".ci").iterdir())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
BASH = ["/usr/bin/env", "bash"]


def run(*command: object, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        env={**os.environ, **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("target", ["demo", "test", "check", "bench", "soak", "clean", "venv"])
def test_make_knows_the_targets(target: str) -> None:
    assert run("make", "--dry-run", target).returncode == 0


def test_make_alone_only_explains() -> None:
    shown = run("make")
    assert shown.returncode == 0
    assert all(f"make {target}" in shown.stdout for target in ("demo", "test", "check", "bench", "soak"))


def test_check_is_everything_that_ci_does() -> None:
    planned = run("make", "--dry-run", "check").stdout
    steps = ("ruff format --check", "ruff check", "mypy", "lint-imports", "pytest", ".ci/promtool")
    assert [step for step in steps if step not in planned] == []
    assert "make check" in (ROOT / ".ci" / "run").read_text()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_ci_scripts_stop_at_the_first_failure(script: Path) -> None:
    assert os.access(script, os.X_OK)
    assert script.read_text().startswith("#!/usr/bin/env bash\n")
    assert "\nset -euo pipefail\n" in script.read_text()
    assert run(*BASH, "-n", script).returncode == 0


def test_ci_says_that_it_is_ci_and_reads_nothing() -> None:
    text = (ROOT / ".ci" / "run").read_text()
    assert "export CI=true" in text
    assert "exec </dev/null" in text


def test_a_python_that_is_not_there_is_told(tmp_path: Path) -> None:
    ended = run(ROOT / ".ci" / "venv", "no-such-python", tmp_path / "venv")
    assert ended.returncode == 1
    assert "make PYTHON=" in ended.stderr


def test_a_python_that_is_too_old_is_told(tmp_path: Path) -> None:
    old = tmp_path / "python"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.2\nexit 1\n')
    old.chmod(0o755)
    ended = run(ROOT / ".ci" / "venv", old, tmp_path / "venv")
    assert ended.returncode == 1
    assert "Python 3.9.2 is too old" in ended.stderr


@pytest.mark.parametrize(("ci", "code"), [("true", 1), ("", 0)])
def test_only_ci_insists_on_promtool(tmp_path: Path, ci: str, code: int) -> None:
    for tool in ("bash", "dirname"):
        (tmp_path / tool).symlink_to(
            next(Path(folder, tool) for folder in ("/usr/bin", "/bin") if Path(folder, tool).exists())
        )
    ended = run(*BASH, ROOT / ".ci" / "promtool", PATH=str(tmp_path), CI=ci)
    assert ended.returncode == code
    assert "promtool is not installed" in ended.stderr


def test_no_package_host_is_named() -> None:
    files = [ROOT / "Makefile", ROOT / "pyproject.toml", *SCRIPTS]
    assert not [path.name for path in files if re.search(r"index-url|https?://", path.read_text())]


def test_the_licence_is_the_whole_apache_licence() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert PROJECT["project"]["license"] == "Apache-2.0"
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert [f"{i}. " in text for i in range(1, 10)] == [True] * 9


def test_the_changelog_tells_of_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    assert f"\n## {PROJECT['project']['version']}" in text


def test_the_changelog_is_one_sentence_a_line() -> None:
    entries = [line for line in (ROOT / "CHANGELOG.md").read_text().splitlines() if line.startswith("- ")]
    assert entries
    assert all(line.endswith(".") for line in entries)
