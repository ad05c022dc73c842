"""The image as .ci/image built it, started in a chroot: for machines that run no containers, and on all others too.

A chroot has the image's files and user. It has no network of its own, no read-only root and no limits: those are for
`in_containers.py`.
"""

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from servers import answers, free_port, wait_for

ROOT = Path(__file__).parents[2]
BUILDAH = shlex.split(os.environ.get("BUILDAH", "buildah"))
START_S = 60.0
FIRST_RUN_S = 300.0  # it learns a reference of four weeks: 10 s of a processor


def buildah(*arguments: str) -> str:
    return subprocess.run([*BUILDAH, *arguments], capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    """The files of a container of the image."""
    container = buildah("from", "localhost/tocsin:test")
    yield Path(buildah("mount", container))
    buildah("rm", container)


@pytest.fixture(scope="module")
def metrics(root: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Where a daemon of the image shows its metrics."""
    port = free_port()
    settings = yaml.safe_load((ROOT / "examples/compose/tocsin.yaml").read_text())
    settings["http"]["port"], settings["metrics"] = free_port(), {"host": "127.0.0.1", "port": port}
    (root / "etc/tocsin").mkdir()
    (root / "etc/tocsin/tocsin.yaml").write_text(yaml.safe_dump(settings))
    shutil.copy(ROOT / "examples/compose/rules.yaml", root / "etc/tocsin")
    shutil.copytree(ROOT / "examples", root / "example")
    first_run = in_image(root, "/opt/tocsin/bin/python", "/example/compose/first_run.py", "/srv/tocsin")
    assert first_run.wait(FIRST_RUN_S) == 0
    daemon = in_image(root, "/opt/tocsin/bin/tocsin", "run", "--config", "/etc/tocsin/tocsin.yaml")
    try:
        wait_for(lambda: answers(f"http://127.0.0.1:{port}/-/ready"), "a daemon that is ready", START_S)
        yield f"http://127.0.0.1:{port}", daemon
    finally:
        daemon.terminate()
        daemon.wait(START_S)


def in_image(root: Path, *command: str) -> subprocess.Popen[bytes]:
    environ = {"PATH": "/opt/tocsin/bin:/usr/bin:/bin", "TMPDIR": "/var/lib/tocsin", "HOME": "/var/lib/tocsin"}
    entered = [shutil.which("chroot") or "/usr/sbin/chroot", "--userspec=65532:65532", str(root)]
    null = subprocess.DEVNULL
    return subprocess.Popen([*entered, *command], env=environ, stdin=null, stdout=null, stderr=null)


def test_it_is_healthy_and_shows_metrics(metrics: tuple[str, subprocess.Popen[bytes]]) -> None:
    assert answers(f"{metrics[0]}/-/healthy")
    assert answers(f"{metrics[0]}/metrics")


def test_it_writes_nowhere_but_into_its_state(root: Path, metrics: tuple[str, subprocess.Popen[bytes]]) -> None:
    process = Path(f"/proc/{metrics[1].pid}")
    written = [opened_for_writing(process, each.name) for each in (process / "fdinfo").iterdir()]
    files = {each for each in written if each and each.startswith("/") and each != "/dev/null"}
    assert f"{root}/var/lib/tocsin/state.db" in files
    assert [each for each in files if not each.startswith(f"{root}/var/lib/tocsin/")] == []


def opened_for_writing(process: Path, number: str) -> str | None:
    """What a descriptor leads to, or nothing: it is read only, or was closed while we looked at a daemon that works.

    Its number may have been given to another file between two looks: what is told was so before and after.
    """
    try:
        before = str((process / "fd" / number).readlink())
        lines = (process / "fdinfo" / number).read_text().splitlines()
        if str((process / "fd" / number).readlink()) != before:
            return opened_for_writing(process, number)
    except FileNotFoundError:
        return None
    flags = next(line.split()[1] for line in lines if line.startswith("flags:"))
    return before if int(flags, 8) & os.O_ACCMODE != os.O_RDONLY else None


def test_no_part_of_it_belongs_to_its_user_but_its_directories(root: Path) -> None:
    owned = [str(each.relative_to(root)) for each in root.glob("opt/**/*") if each.lstat().st_uid == 65532]
    assert owned == []


@pytest.mark.parametrize("tool", ["gcc", "cc", "make", "git", "curl", "wget"])
def test_there_is_no_tool_in_it_to_build_or_fetch_with(root: Path, tool: str) -> None:
    assert not [
        place for place in ("bin", "usr/bin", "usr/local/bin", "opt/tocsin/bin") if (root / place / tool).exists()
    ]


def test_its_environment_has_no_pip(root: Path) -> None:
    assert not list(root.glob("opt/tocsin/lib/python3*/site-packages/pip*"))


def test_it_stops_when_asked_to(metrics: tuple[str, subprocess.Popen[bytes]]) -> None:
    metrics[1].terminate()
    assert metrics[1].wait(START_S) == 0
