"""`python -m grafana.pictures OUT`: plays the demo under a Prometheus' eyes and keeps what the dashboards show of it.

A regression and a ranking are those of examples/tasks, played beside it in the same way (`grafana.tasks`).

Writes OUT/<picture>.json for the page in `grafana/web`, which draws it with Grafana's own components: the dashboard,
its variables' values, and what each panel's queries and the annotations were answered. The demo plays some weeks of
event time in two minutes of wall time, hence the scrape interval and the least step of a second.
"""

import argparse
import contextlib
import itertools
import json
import math
import subprocess
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from grafana.__main__ import documents
from grafana.ask import Look, Prometheus, Span
from grafana.tasks import playing
from monitor.demo import run
from monitor.demo.stage import free_ports

INSTANCE: Final = "flights-0"
SCRAPE_S: Final = 1.0
READY_S: Final = 20.0
OUTPUT: Final = "Output and score against the reference"
PICTURES: Final = {  # name of the file: dashboard, first row, row before which it ends
    "fleet": ("fleet", "", ""),
    "model-verdict": ("model-classification", "", OUTPUT),
    "model-output": ("model-classification", OUTPUT, "Features"),
    "model-features": ("model-classification", "Features", "Segments"),
    "model-segments": ("model-classification", "Segments", ""),
    "safety": ("safety", "", ""),
}
OF_TASKS: Final = {
    "fleet-tasks": ("fleet", "", "Daemons"),
    "regression": ("model-regression", "", "Features"),
    "ranking": ("model-ranking", "", "Features"),
}


def recorded(look: Look) -> dict[str, Any]:
    """Everything a picture of this look needs."""
    answers = {str(panel["id"]): results for panel, results in look.panels()}
    events = {
        each["name"]: look.prometheus.over(look.fill(each["expr"]), look.span)
        for each in look.document["annotations"]["list"]
    }
    span = {"from": look.span.start * 1000, "to": look.span.end * 1000, "step": look.span.step_s * 1000}
    return {"dashboard": look.document, "values": look.values, "answers": answers, "events": events, "span": span}


@contextlib.contextmanager
def watching(targets: Path) -> Iterator[Prometheus]:
    """Run a Prometheus that scrapes what the file `targets` lists."""
    with tempfile.TemporaryDirectory(prefix="pictures-") as folder:
        sources = [{"files": [str(targets)], "refresh_interval": "1s"}]
        every = f"{SCRAPE_S:g}s"
        job = {"job_name": "tocsin", "scrape_interval": every, "scrape_timeout": every, "file_sd_configs": sources}
        config = Path(folder, "prometheus.json")
        config.write_text(json.dumps({"scrape_configs": [job]}))
        address = f"127.0.0.1:{free_ports(1)[0]}"
        command = ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder}/data"]
        with Path(folder, "log").open("wb") as log:
            child = subprocess.Popen([*command, f"--web.listen-address={address}"], stdout=log, stderr=log)  # noqa: S603  # our own arguments
        try:
            _await(f"http://{address}/-/ready")
            yield Prometheus(f"http://{address}")
        finally:
            child.terminate()
            child.wait()


def _await(url: str) -> None:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=1):  # noqa: S310  # loopback
            return
        threading.Event().wait(0.1)
    raise TimeoutError(url)


def main() -> None:
    """Play, ask, write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="pictures-") as folder:
        directory, targets = Path(folder, "demo"), Path(folder, "targets.json")
        threading.Thread(target=_point, args=(directory / "tocsin.yaml", targets), daemon=True).start()
        with watching(targets) as prometheus:
            start = time.time()
            run.run_demo(state_dir=directory)
            write(out, PICTURES, prometheus, (start, time.time()))
    with tempfile.TemporaryDirectory(prefix="pictures-") as folder:
        targets = Path(folder, "targets.json")
        with watching(targets) as prometheus, playing(Path(folder)) as page:
            _scrape(targets, page.metrics_port)
            start = time.time()
            while not page.over():
                threading.Event().wait(0.1)
            write(out, OF_TASKS, prometheus, (start, time.time()))


def write(
    out: Path, pictures: dict[str, tuple[str, str, str]], prometheus: Prometheus, played: tuple[float, float]
) -> None:
    """Ask for what these pictures show of the time between the first scrape and the last."""
    span = moving(prometheus, played)
    boards = {name.removesuffix(".json"): document for name, document in documents().items()}
    for name, (board, first, last) in pictures.items():
        look = recorded(Look(boards[board], prometheus, span, {"feature": "temp"}))
        (out / f"{name}.json").write_text(json.dumps(cut(look, first, last)))


def moving(prometheus: Prometheus, played: tuple[float, float]) -> Span:
    """The part of this time in which event time moved: neither what was prepared before it nor what was waited for."""
    [clock] = prometheus.over("tocsin_clock_timestamp_seconds", Span(*played, SCRAPE_S, SCRAPE_S))
    moved = [at for (_, was), (at, value) in itertools.pairwise(clock["values"]) if value != was]
    return Span(moved[0] + 1, moved[-1], SCRAPE_S, SCRAPE_S)  # a second later the daemon may have ended


def cut(look: dict[str, Any], first: str, last: str) -> dict[str, Any]:
    """The rows of a look from the one called `first` to before the one called `last`; "" is the end of the page.

    Folded rows are left out, as one sees a line of them only.
    """
    panels = look["dashboard"]["panels"]
    starts = {panel["title"]: panel["gridPos"]["y"] for panel in panels if panel["type"] == "row"}
    begin, end = starts.get(first, 0), starts.get(last, math.inf)
    shown, folded = [], 0
    for panel in panels:
        at = panel["gridPos"]
        if begin <= at["y"] < end:
            folded += bool(panel.get("panels"))
            shown += [] if panel.get("panels") else [panel | {"gridPos": at | {"y": at["y"] - begin - folded}}]
    return look | {"dashboard": look["dashboard"] | {"panels": shown}}


def _point(settings: Path, targets: Path) -> None:
    """Tell Prometheus where the daemon is as soon as its settings are there."""
    import yaml  # noqa: PLC0415  # only here

    while not settings.exists():
        threading.Event().wait(0.1)
    _scrape(targets, yaml.safe_load(settings.read_text())["metrics"]["port"])


def _scrape(targets: Path, port: int) -> None:
    targets.write_text(json.dumps([{"targets": [f"127.0.0.1:{port}"], "labels": {"instance": INSTANCE}}]))


if __name__ == "__main__":
    main()
