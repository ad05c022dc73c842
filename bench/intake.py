"""Acknowledged rows per second: committed with fsync, while folds count them and receipts are written.

Single rows: 64 connections, one JSON row of 20 features in each request, 60 s, after a warm-up. Batches: 4
connections, 1,000 rows of NDJSON in each request; streams: 4 connections, 10,000 rows in Arrow columns. The sender
shares the two cores with the daemon. At the end the daemon must have counted every acknowledged row, once: a rate at
which rows pile up is no rate.
"""

import threading
import time

from bench.figure import Figure
from bench.sending import send
from bench.world import Daemon, daemon

WARM_UP_S = 5.0
SINGLE_S, BATCHES_S = 60.0, 60.0
CATCH_UP_S = 120.0


def measure() -> list[Figure]:
    """Single rows on one daemon, lines on another, Arrow streams on a third."""
    return [*singles(), *batches(), *streams()]


def singles() -> list[Figure]:
    """One row a request."""
    with daemon() as started:
        warm = send(started, connections=64, rows=1, seconds=WARM_UP_S)
        report = send(started, connections=64, rows=1, seconds=SINGLE_S)
        lag_s = counted(started, warm["rows"] + report["rows"])
        rss = started.rss_mib
    rate = report["rows"] / report["seconds"]
    return [
        Figure("single-row requests, 64 connections, 60 s", round(rate), "rows/s", ">= 4000"),
        Figure("  their latency, median", round(report["p50_ms"], 1), "ms"),
        Figure("  their latency, 99 %", round(report["p99_ms"], 1), "ms", "<= 50"),
        Figure("  processor time of the sender", round(report["cpu_s"] / report["seconds"], 2), "cores"),
        Figure("  until the last row was counted", round(lag_s, 1), "s"),
        Figure("  resident memory after them", round(rss), "MiB"),
    ]


def batches() -> list[Figure]:
    """A thousand rows a request."""
    with daemon() as started:
        warm = send(started, connections=4, rows=1_000, seconds=WARM_UP_S)
        report = send(started, connections=4, rows=1_000, seconds=BATCHES_S)
        lag_s = counted(started, warm["rows"] + report["rows"])
        rss = started.rss_mib
    rate = report["rows"] / report["seconds"]
    return [
        Figure("NDJSON, 1,000 rows a request, 4 connections, 60 s", round(rate), "rows/s", ">= 150000"),
        Figure("  their latency, 99 %", round(report["p99_ms"], 1), "ms"),
        Figure("  until the last row was counted", round(lag_s, 1), "s"),
        Figure("  resident memory after them", round(rss), "MiB"),
    ]


def streams() -> list[Figure]:
    """Ten thousand rows a request, as Arrow columns."""
    with daemon() as started:
        warm = send(started, connections=4, rows=10_000, seconds=WARM_UP_S, arrow=True)
        report = send(started, connections=4, rows=10_000, seconds=BATCHES_S, arrow=True)
        lag_s = counted(started, warm["rows"] + report["rows"])
        rss, own = started.rss_mib, started.own_mib
    rate = report["rows"] / report["seconds"]
    return [
        Figure("Arrow, 10,000 rows a request, 4 connections, 60 s", round(rate), "rows/s", ">= 800000"),
        Figure("  their latency, 99 %", round(report["p99_ms"], 1), "ms"),
        Figure("  processor time of the sender", round(report["cpu_s"] / report["seconds"], 2), "cores"),
        Figure(
            "  rows a second with the last row counted", round(report["rows"] / (report["seconds"] + lag_s)), "rows/s"
        ),
        Figure("  until the last row was counted", round(lag_s, 1), "s"),
        Figure("  resident memory after them", round(rss), "MiB"),
        Figure("  its own memory after them", round(own), "MiB", "<= 400"),
    ]


def counted(started: Daemon, rows: int) -> float:
    """Seconds until the daemon has counted exactly these rows; RuntimeError if it does not, or counts more."""
    began, pause = time.monotonic(), threading.Event()
    while (found := started.metric("tocsin_predictions_total")) != rows:
        if found > rows or time.monotonic() > began + CATCH_UP_S:
            raise RuntimeError(f"{rows} rows were acknowledged, {found:.0f} were counted")
        pause.wait(0.1)
    return time.monotonic() - began
