"""Deploy a checkpoint of the example: move the link, and have the model server load it, as a pipeline would.

python deploy.py /srv/tocsin/models bad       the retrain on flipped labels (v2)
python deploy.py /srv/tocsin/models good      the known-good (v1), by hand
"""

import os
import sys
import urllib.request
from pathlib import Path

CHECKPOINTS = {"bad": "v2.json", "good": "v1.json"}


def deploy(models: Path, which: str, server: str = "http://127.0.0.1:8080") -> None:
    """Make `which` the served model."""
    made = models / f".deploy-{os.getpid()}"
    made.symlink_to(CHECKPOINTS[which])
    made.replace(models / "current")
    load = urllib.request.Request(f"{server}/v2/repository/models/delays/load", method="POST")  # http, as written above
    with urllib.request.urlopen(load, timeout=10) as answer:
        print(f"{CHECKPOINTS[which]} is served: {answer.read().decode()}")


if __name__ == "__main__":
    if len(sys.argv) not in {3, 4} or sys.argv[2] not in CHECKPOINTS:
        sys.exit(f"usage: deploy.py MODELS {'|'.join(CHECKPOINTS)} [SERVER]")
    deploy(Path(sys.argv[1]), *sys.argv[2:])
