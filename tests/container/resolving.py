"""docker-compose.yml as docker-compose understands it."""

import os
import subprocess
from pathlib import Path

from servers import binary

ROOT = Path(__file__).parents[2]


def resolve(**environ: str) -> subprocess.CompletedProcess[str]:
    """Run `docker-compose config` with the profile of every service."""
    command = [binary("docker-compose", "docker-compose"), "--profile", "by-hand", "config"]
    clean = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", **environ}
    return subprocess.run(command, cwd=ROOT, env=clean, capture_output=True, text=True, check=False)
