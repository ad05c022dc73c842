"""Acknowledged rows per second: committed with fsync, while folds count them and receipts are written.

Single rows: 64 connections, one JSON row of 20 features in each request, 60 s, after a warm-up. Batches: 4
connections, 1,000 rows of NDJSON in each request; streams: 4 connections, 10,000 rows in Arrow columns. The sender
shares the two cores with the daemon; its processor time is shown apart. At the end the daemon must have counted every
acknowledged row, once: a rate at which rows pile up is no rate. `/proc` says what was written and how much memory was
taken at most; mapped files (receipts, records that are being read) are part of the resident memory.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from bench.figure import Figure
from bench.sending import send
from bench.world import Daemon, daemon

WARM_UP_S = 5.0
SUSTAINED_S = 60.0
CATCH_UP_S = 120.0
WATCH_S = 0.2


@dataclass(slots=True)
class Sustained:
    """What came of sending for a while, until the last row was counted."""

    report: dict[str, Any]  # of bench.client
    lag_s: float = 0.0  # from the last answer until the last row was counted
    daemon_s: float = 0.0  # its processor time for these rows, the catching up included
    written_mib: float = 0.0
    rss_mib: float = 0.0  # the most that was seen
    own_mib: float = 0.0

    @property
    def rate(self) -> float:
        """Acknowledged rows a second."""
        return float(self.report["rows"] / self.report["seconds"])

    def figures(self, what: str, rate: str, latency: str) -> list[Figure]:
        """As a table, with the goals of the rate and of the 99 % latency."""
        rows, seconds = self.report["rows"], self.report["seconds"]
        return [
            Figure(f"{what}, {SUSTAINED_S:.0f} s", round(self.rate), "rows/s", rate),
            Figure("  their latency, median", round(self.report["p50_ms"], 1), "ms"),
            Figure("  their latency, 99 %", round(self.report["p99_ms"], 1), "ms", latency),
            Figure("  until the last row was counted", round(self.lag_s, 1), "s"),
            Figure("  rows a second with the last row counted", round(rows / (seconds + self.lag_s)), "rows/s"),
            Figure("  processor time of the daemon", round(1e6 * self.daemon_s / rows, 2), "us a row"),
            Figure("  processor time of the sender", round(1e6 * self.report["cpu_s"] / rows, 2), "us a row"),
            Figure("  written to disk", round(self.written_mib * (1 << 20) / rows), "bytes a row"),
            Figure("  most resident memory", round(self.rss_mib), "MiB", "<= 400"),
            Figure("  most memory of its own, without mapped files", round(self.own_mib), "MiB"),
        ]


def measure() -> list[Figure]:
    """Single rows on one daemon, lines on another, Arrow streams on a third."""
    single = sustained(connections=64, rows=1)
    found = single.figures("single-row requests, 64 connections", ">= 4000", "<= 50")
    lines = sustained(connections=4, rows=1_000)
    found += lines.figures("NDJSON, 1,000 rows a request, 4 connections", ">= 150000", "")
    streams = sustained(connections=4, rows=10_000, arrow=True)
    return found + streams.figures("Arrow, 10,000 rows a request, 4 connections", ">= 800000", "")


def sustained(*, connections: int, rows: int, arrow: bool = False) -> Sustained:
    """Warm a daemon up, send for a minute, wait until every row was counted."""
    with daemon() as started:
        warm = send(started, connections, rows, WARM_UP_S, arrow=arrow)
        counted(started, warm["rows"])
        cpu_s, written_mib = started.cpu_s, started.written_mib
        with watched(started) as most:
            report = send(started, connections, rows, SUSTAINED_S, arrow=arrow)
            found = Sustained(report, counted(started, warm["rows"] + report["rows"]))
        found.daemon_s, found.written_mib = started.cpu_s - cpu_s, started.written_mib - written_mib
        found.rss_mib, found.own_mib = most
    return found


@contextmanager
def watched(started: Daemon) -> Iterator[list[float]]:
    """The most memory seen while inside: resident, and its own; MiB."""
    most, over = [0.0, 0.0], threading.Event()

    def look() -> None:
        while not over.wait(WATCH_S):
            most[:] = max(most[0], started.rss_mib), max(most[1], started.own_mib)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield most
    finally:
        over.set()
        thread.join()


def counted(started: Daemon, rows: int) -> float:
    """Seconds until the daemon has counted exactly these rows; RuntimeError if it does not, or counts more."""
    began, pause = time.monotonic(), threading.Event()
    while (found := started.metric("tocsin_predictions_total")) != rows:
        if found > rows or time.monotonic() > began + CATCH_UP_S:
            raise RuntimeError(f"{rows} rows were acknowledged, {found:.0f} were counted")
        pause.wait(0.1)
    return time.monotonic() - began
