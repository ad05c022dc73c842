"""How long Prometheus waits for the page at the cap of 2,000 series, while rows come in.

A scrape picks finished bytes, so what it waits for is the processor: folds, looks and the render (in this very process,
every five seconds) hold the interpreter's lock by turns. The page is filled by short windows over 20 features and by
pictures of all of them; 5,000 rows a second come meanwhile. Each scrape is a connection of its own and takes gzip, as
Prometheus does.
"""

import http.client
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from bench.figure import Figure, percentile
from bench.look import FEATURES, OTHERS
from bench.sending import send
from bench.world import Daemon, daemon

SCRAPES, EVERY_S = 200, 0.1
SENDING_S = 75.0
FILLED_WITHIN_S = 45.0
SERIES_MIN = 1_950  # of 2,000
ROWS_A_SECOND = 5_000.0
SETTINGS = {
    "look_every": "5s",
    "panes": {"length": "5s", "grace": "0s"},
    "metrics": {"features_drawn_max": 20},
}


def measure() -> list[Figure]:
    """Scrape a busy daemon again and again."""
    with daemon(SETTINGS, rules()) as started, ThreadPoolExecutor(1) as pool:
        sender = pool.submit(send, started, connections=4, rows=100, seconds=SENDING_S, rows_a_second=ROWS_A_SECOND)
        series = filled(started)
        took = []
        for _ in range(SCRAPES):
            took.append(timed(started))
            threading.Event().wait(EVERY_S)
        assert not sender.done(), "rows came in to the last scrape"
        sender.result()
    took_ms = [1e3 * seconds for seconds in took]
    return [
        Figure(
            f"one scrape of {series:,} series while rows come in, 99 % of {SCRAPES}", ms(took_ms, 0.99), "ms", "<= 50"
        ),
        Figure("  the same, median", ms(took_ms, 0.5), "ms"),
    ]


def ms(took_ms: list[float], share: float) -> float:
    """A percentile, as it is shown."""
    return round(percentile(took_ms, share), 1)


def rules() -> str:
    """One reading per detector and subject, over windows of ten seconds, as JSON, which is YAML."""
    pairs = [*(("features", detector) for detector in FEATURES), *OTHERS]
    readings = [
        {"name": f"{subject}_{detector}", "subject": subject, "detector": detector, "window": "10s"}
        for subject, detector in pairs
    ]
    return json.dumps({"version": 1, "readings": readings})


def filled(started: Daemon) -> int:
    """Wait until the page is at its cap; how many series it has. RuntimeError if it never is."""
    end = time.monotonic() + FILLED_WITHIN_S
    while (series := lines(started)) < SERIES_MIN:
        if time.monotonic() > end:
            raise RuntimeError(f"the page has {series} series, of {SERIES_MIN} that it should")
        threading.Event().wait(1.0)
    return series


def lines(started: Daemon) -> int:
    """How many samples the page has."""
    return sum(not line.startswith(b"#") for line in fetch(started, "identity").splitlines())


def timed(started: Daemon) -> float:
    """Seconds from the connection to the last byte."""
    began = time.perf_counter()
    fetch(started, "gzip")
    return time.perf_counter() - began


def fetch(started: Daemon, encoding: str) -> bytes:
    """The page, as sent."""
    connection = http.client.HTTPConnection("127.0.0.1", started.metrics_port, timeout=10)
    try:
        connection.request("GET", "/metrics", headers={"Accept-Encoding": encoding})
        return connection.getresponse().read()
    finally:
        connection.close()
