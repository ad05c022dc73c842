"""A venv for each rival in `.bench-venvs/` of the checkout (git ignores it), made again when its pins change."""

import subprocess
import sys
from pathlib import Path

from bench.peers.rivals import Rival

FOLDER = Path(__file__).parent.parent.parent / ".bench-venvs"
INSTALL_MAX_S = 1_200  # NannyML brings 2 GB


class Absent(Exception):
    """A library can not be measured; the text says why."""


def python_of(rival: Rival, folder: Path = FOLDER) -> Path:
    """The interpreter to run a rival with: ours without requirements, else its venv's. Raises Absent."""
    if not rival.requirements:
        return Path(sys.executable)
    venv, wanted = folder / rival.name, "\n".join(rival.requirements)
    stamp, python = venv / "installed.txt", venv / "bin" / "python"
    if not (stamp.exists() and stamp.read_text() == wanted):
        stamp.unlink(missing_ok=True)
        _run("venv", [sys.executable, "-m", "venv", "--clear", str(venv)])
        _run("pip", [str(python), "-m", "pip", "install", "--quiet", "--no-input", *rival.requirements])
        stamp.write_text(wanted)
    return python


def _run(what: str, command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_MAX_S, check=False)
    except subprocess.TimeoutExpired:
        raise Absent(f"{what} took more than {INSTALL_MAX_S} s") from None
    if done.returncode:
        raise Absent(f"{what}: {last_line(done.stderr)}")


def last_line(text: str) -> str:
    """What a program said last, which is most often the reason why it ended."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else "it ended without a word"
