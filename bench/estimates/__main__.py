"""Writes tests/detectors/nannyml.json: see the package."""

import json
import os
import subprocess
import sys
from pathlib import Path

from bench.detection.wheels import FOLDER, WHEEL
from bench.estimates.worlds import car_loan, credit_card
from monitor.panes.sections import SCORE_BINS

WORKER = Path(__file__).with_name("nannyml_worker.py")
TABLE = Path(__file__).parents[2] / "tests" / "detectors" / "nannyml.json"
QUIET = {"NML_DISABLE_USAGE_LOGGING": "1", "DO_NOT_TRACK": "1", "OMP_NUM_THREADS": "1"}


def counted(layout, panes):
    """The calibration, and of each chunk (output * 64 + score bin, rows): all that the estimates read."""

    def rows(pane):
        cells = pane.counts[layout.score].reshape(-1, SCORE_BINS + 1)[:, :SCORE_BINS].ravel()
        return [[place, int(cells[place])] for place in cells.nonzero()[0].tolist()]

    return {"calibration": layout.reference.expected.cells, "chunks": [rows(pane) for pane in panes]}


def main(python):
    said = subprocess.run([python, WORKER, FOLDER], env=os.environ | QUIET, check=True, capture_output=True, text=True)
    theirs = json.loads(said.stdout.splitlines()[-1])
    table = {
        "source": f"{WHEEL}, Apache-2.0: what it estimates on its own data sets, tune_hyperparameters=False",
        "command": "python -m bench.estimates PYTHON",
        "theirs": theirs,
        "counts": {"car_loan": counted(*car_loan()), "credit_card": counted(*credit_card())},
    }
    rounded = json.loads(json.dumps(table), parse_float=lambda text: float(f"{float(text):.6g}"))
    TABLE.write_text(
        json.dumps(rounded, separators=(",", ":")).replace('],"', '],\n"').replace("]],[", "]],\n[") + "\n"
    )


if __name__ == "__main__":
    main(sys.argv[1])
