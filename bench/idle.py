"""How soon a fresh daemon takes rows, and what it holds in memory when nobody sends any."""

import threading
from statistics import median

from bench.figure import Figure
from bench.world import daemon

STARTS = 5
SETTLE_S = 5.0  # a few folds, one render: what it does by itself


def measure() -> list[Figure]:
    """Start several times; the median and the largest."""
    ready, rss = [], []
    for _ in range(STARTS):
        with daemon() as started:
            threading.Event().wait(SETTLE_S)
            ready.append(started.ready_s)
            rss.append(started.rss_mib)
    return [
        Figure("daemon ready after start, median of 5", round(median(ready), 2), "s", "<= 2"),
        Figure("resident memory when idle, largest of 5", round(max(rss)), "MiB", "<= 150"),
    ]
