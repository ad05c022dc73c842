"""All rivals at once, each in its process, measured in turns so that whatever else the machine does hits all alike."""

import json
import os
import selectors
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from bench.peers.rivals import COLUMNS, ROUNDS, ROWS, ROWS_REFERENCE, Rival
from bench.peers.venvs import Absent, last_line, python_of

HERE = Path(__file__).parent
READY_MAX_S, ROUND_MAX_S = 600, 300
SHIFT = 0.5  # of the first column, in standard deviations: what every run must find
# One thread each, and nothing told to anybody; the worker forbids the network besides.
SETTINGS = {
    **dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "LOKY_MAX_CPU_COUNT"), "1"
    ),
    "DO_NOT_TRACK": "1",
    "ITERATIVE_DO_NOT_TRACK": "1",
    "NML_DISABLE_USAGE_LOGGING": "1",
    "WHYLOGS_NO_ANALYTICS": "True",
    "PYTHONWARNINGS": "ignore",
    "LANG": "C.UTF-8",
    "TZ": "UTC",
}


@dataclass(frozen=True, slots=True)
class Measured:
    """The CPU seconds of every round, by what was done; or why there are none."""

    rival: Rival
    rounds: dict[str, list[float]]
    versions: dict[str, str]
    why: str = ""

    def best_s(self, name: str) -> float:
        """Of the best round, per row."""
        return min(self.rounds[name]) / self.rival.rows

    def median_s(self, name: str) -> float:
        """Of the middle round, per row."""
        return median(self.rounds[name]) / self.rival.rows

    @property
    def fastest(self) -> str:
        """What cost least, by name."""
        return min(self.rounds, key=self.best_s)


class Peer:
    """A worker of one rival; every answer is waited for up to a bound. Raises Absent."""

    def __init__(self, rival: Rival, python: Path, folder: Path) -> None:
        """Start it; `folder` has the arrays, and becomes its home."""
        self._log = folder / f"{rival.name}-{rival.rows}.log"
        arguments = [str(HERE / "runs" / f"{rival.name}.py"), str(folder), str(rival.rows)]
        paths = {"PATH": os.environ.get("PATH", ""), "HOME": str(folder), "MPLCONFIGDIR": str(folder)}
        ours = {} if rival.requirements else {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [str(python), "-P", str(HERE / "worker.py"), *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=SETTINGS | paths | ours,
            )

    def ask(self, max_s: float) -> dict[str, object]:
        """The next answer."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            if not selector.select(max_s):
                raise Absent(f"no answer within {max_s} s")
        line = self._process.stdout.readline()
        if not line:
            raise Absent(last_line(self._log.read_text(errors="replace")))
        return json.loads(line)

    def run(self) -> dict[str, float]:
        """One round: CPU seconds by what was done."""
        try:
            self._process.stdin.write(b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise Absent(last_line(self._log.read_text(errors="replace"))) from None
        return self.ask(ROUND_MAX_S)

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


def measure_all(rivals: Iterable[Rival], rounds: int = ROUNDS, rows: int = ROWS) -> list[Measured]:
    """All of them in turns, each in at most its own number of rounds; who fails has none, and the others go on."""
    found = {rival: Measured(rival, {}, {}) for rival in rivals}
    peers: dict[Rival, Peer] = {}
    with tempfile.TemporaryDirectory(prefix="bench-peers-") as folder, ExitStack() as stack:
        save(Path(folder), rows)

        def guarded(rival: Rival, step: str) -> None:
            try:
                if step == "start":
                    print(f"  {rival.shown}, {rival.rows:,} rows ...", file=sys.stderr, flush=True)
                    peers[rival] = Peer(rival, python_of(rival), Path(folder))
                    stack.callback(peers[rival].close)
                    found[rival].versions.update(peers[rival].ask(READY_MAX_S)["versions"])
                else:
                    for name, cpu_s in peers[rival].run().items():
                        found[rival].rounds.setdefault(name, []).append(cpu_s)
            except Absent as why:
                peers.pop(rival, None)
                found[rival] = Measured(rival, {}, {}, str(why))

        for rival in found:
            guarded(rival, "start")
        for number in range(rounds):
            for rival in [each for each in peers if number < each.rounds]:
                guarded(rival, "run")
    return list(found.values())


def save(folder: Path, rows: int) -> None:
    """Both arrays, f8[20, rows]: normal values, and the window's first column shifted."""
    rng = np.random.default_rng(20)
    np.save(folder / "reference.npy", rng.normal(size=(COLUMNS, ROWS_REFERENCE)))
    window = rng.normal(size=(COLUMNS, rows))
    window[0] += SHIFT
    np.save(folder / "window.npy", window)
