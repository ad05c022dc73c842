"""Runs the sender as a process and reads its report."""

import json
import subprocess
import sys
from typing import Any

from bench.world import ROOT, Daemon

SPARE_S = 60.0  # for the sender's start and its last answers


def send(
    daemon: Daemon, connections: int, rows: int, seconds: float, rows_a_second: float = 0.0, *, arrow: bool = False
) -> dict[str, Any]:
    """Send to the daemon for a while; the report of bench.client. RuntimeError if any request was refused."""
    numbers = (daemon.port, connections, rows, seconds, rows_a_second)
    command = [sys.executable, "-m", "bench.client", *map(str, numbers), *(["arrow"] if arrow else [])]
    done = subprocess.run(
        command, cwd=ROOT, input=daemon.token, capture_output=True, text=True, check=False, timeout=seconds + SPARE_S
    )
    if done.returncode:
        raise RuntimeError(f"the sender failed: {done.stderr[-2000:]}")
    report: dict[str, Any] = json.loads(done.stdout)
    if report["errors"]:
        raise RuntimeError(f"{report['errors']} requests failed, the first with: {report['first_error']}")
    return report
