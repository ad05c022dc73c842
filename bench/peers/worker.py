"""A rival at work: runs in its own interpreter, measures itself, and answers one line of JSON for each line it is sent.

    python -P worker.py WORK.py FOLDER ROWS

WORK.py has `prepare(window, reference)`: by name, functions that make all ready and return what is to be timed; that
in turn returns the distances it found, one a column or one for all. FOLDER holds both arrays, f8[20, rows]. Only numpy
and the standard library are imported here, because nothing else is in all the venvs.
"""

import gc
import importlib.metadata
import importlib.util
import json
import os
import resource
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

SMALL = 5_000  # rows of the warm-up: imports, caches, code paths

Distances = Sequence[float]
Ready = Callable[[], Callable[[], Distances]]


def main() -> None:
    """Get ready, say so, then measure once for every line."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a library prints is no answer
    forbid_network()
    spec = importlib.util.spec_from_file_location("work", sys.argv[1])
    work = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(work)
    folder, rows = Path(sys.argv[2]), int(sys.argv[3])
    reference = np.load(folder / "reference.npy")
    window = np.array(np.load(folder / "window.npy", mmap_mode="r")[:, :rows], order="C")  # a copy, not the file
    for ready in work.prepare(window[:, :SMALL].copy(), reference[:, :SMALL].copy()).values():
        ready()()
    works = work.prepare(window, reference)
    answers.write(json.dumps({"versions": versions("numpy", "pandas", "scipy")}) + "\n")
    for _ in sys.stdin:
        answers.write(json.dumps({name: measured(name, ready) for name, ready in works.items()}) + "\n")


def measured(name: str, ready: Ready) -> float:
    """The CPU seconds of one run; what it found is checked outside of them."""
    run = ready()
    gc.collect()
    before = cpu_s()
    found = run()
    took = cpu_s() - before
    check(name, found)
    return took


def cpu_s() -> float:
    """User and system time of this process, all its threads, and the children that ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def check(name: str, found: Distances) -> None:
    """The work was done: all distances are numbers, and the first column, which was shifted, is the farthest."""
    distances = np.asarray(found, np.float64)
    if not (len(distances) and np.isfinite(distances).all() and distances.max() > 0 and distances.argmax() == 0):
        raise AssertionError(f"{name} found {distances}")


def forbid_network() -> None:
    """Nothing of these libraries may speak to anybody while it is measured, whatever their settings say."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError("no network in a measurement")

    socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse


def versions(*names: str) -> dict[str, str]:
    """Those that are installed."""
    installed = {each.metadata["Name"].lower(): each.version for each in importlib.metadata.distributions()}
    return {name: installed[name] for name in names if name in installed}


if __name__ == "__main__":
    main()
