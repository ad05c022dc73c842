"""Types what examples/tasks/README.md says, on free ports: three models, one of each task, in one real daemon.

The pictures of docs/images and the tests of the dashboards look at what comes of it, and a test reads what was said, so
that the page, the dashboards and the pictures tell of the same twelve days.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from monitor.demo.stage import free_ports

ROOT: Final = Path(__file__).parents[1]
README: Final = ROOT / "examples" / "tasks" / "README.md"
STOP_S: Final = 120.0  # seconds, or whatever a busy machine takes
END: Final = "kill $(jobs -p)\n"


@dataclass(frozen=True, slots=True)
class Played:
    """A shell that types the page, and where to look."""

    directory: Path
    shell: subprocess.Popen[bytes]
    http_port: int
    metrics_port: int

    @property
    def said(self) -> str:
        """What the commands printed."""
        return (self.directory / "said").read_text()

    def over(self) -> bool:
        """Whether everything was typed, while what it started still runs; RuntimeError where a command failed."""
        if self.shell.poll() is not None:
            raise RuntimeError(f"the page ended early:\n{self.said[-4000:]}")
        return (self.directory / "played").exists()


def script(http_port: int, metrics_port: int, server_port: int) -> str:
    """The page's blocks, with other ports; its last one waits until somebody writes to the shell."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)
    assert blocks[-1] == END
    text = "\n".join(blocks[:-1]).replace("8470", str(http_port)).replace("8080", str(server_port))
    ports = f"s/8470/{http_port}/; s/:8080/:{server_port}/g; s/^metrics:/metrics:\\n  port: {metrics_port}/"
    given = f"sed -i '{ports}' tocsin.yaml\ntocsin check-config"
    assert "tocsin check-config" in text
    return text.replace("tocsin check-config", given) + "\ntouch played\nread -r _ || true\n" + END + "wait\n"


@contextlib.contextmanager
def playing(directory: Path) -> Iterator[Played]:
    """Begin to type in `directory`; everything that was started ends with the context."""
    http_port, metrics_port, server_port = free_ports(3)
    environ = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "OPENBLAS_NUM_THREADS": "1",  # a dozen commands with small matrices: threads would spin beside the daemon
        "TOCSIN": str(ROOT),
        "TOCSIN_URL": f"http://127.0.0.1:{http_port}",
        "MODEL_SERVER_URL": f"http://127.0.0.1:{server_port}",
    }
    begin = "set -euo pipefail\ntrap 'kill $(jobs -p) 2> /dev/null || true' EXIT\n"
    command = ["bash", "-c", begin + script(http_port, metrics_port, server_port)]
    with (directory / "said").open("wb") as said:
        shell = subprocess.Popen(  # noqa: S603  # our own page
            command, cwd=directory, env=environ, stdin=subprocess.PIPE, stdout=said, stderr=said, start_new_session=True
        )
    try:
        yield Played(directory, shell, http_port, metrics_port)
    finally:
        assert shell.stdin is not None
        shell.stdin.close()
        if shell.poll() is None and not (directory / "played").exists():
            os.killpg(shell.pid, signal.SIGTERM)  # the shell waits for what it types, which knows nothing of us
        shell.wait(STOP_S)
