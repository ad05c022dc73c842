"""Plays some days of flights to a daemon in replay: `play.py prepare`, then `play.py play` in the same directory.

    prepare    checkpoints and histories of the three models:  minutes-1.json minutes-2.json band-1.json choice-1.json
                                                               and a .parquet beside each; current -> minutes-1.json
    play       asks the model server for `minutes`, answers for the other two itself, and sends what was answered; the
               truth follows when the aircraft is at the gate, hours later, and for cancelled flights never

What goes wrong, so that there is something to see, counted in days from the 10th of March:

    day 4      minutes-2 is deployed, which learned from labels that somebody tampered with; a release of `choice` has
               lost a sign and serves its lists with the worst flight first
    day 8      the weather feed of `band` and `choice` changes to degrees Celsius; nobody tells the models

Environment: TOCSIN_URL, MODEL_SERVER_URL.
"""

import argparse
import json
import math
import os
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from world import CATEGORICAL, CLASSES, LISTED_MIN, OF_CHOICE, World, celsius, encode, names

from monitor.demo.flights import HOUR_S, NEVER, Ints, load

DAY_S: Final = 24 * HOUR_S
LEARNED: Final = (1_356_998_400, 1_362_096_000)  # January and February 2013, UTC
START: Final = 1_362_873_600  # 10 March
DEPLOYED, REVERSED, IN_CELSIUS = 4, 4, 8  # days from then on
STEP_S: Final = 6 * HOUR_S  # rows of so long come at once, then the clock is stepped
ROWS_MAX: Final = 5_000
EVIDENCE_S: Final = 120.0


def world() -> World:
    """The flights and what was learned of those of January and February."""
    flights = load()
    learned = flights.departing(*LEARNED)
    return World(flights, learned[flights.late[learned] != NEVER])


# ---- prepare


def prepare(world: World) -> None:
    """Write checkpoints and histories here."""
    rows = world.learned
    truth, columns = world.flights.delay[rows], world.columns(rows) | {"at": when(world, rows)}
    for name, hostile in (("minutes-1", False), ("minutes-2", True)):
        checkpoint = world.minutes(hostile=hostile)
        Path(f"{name}.json").write_bytes(encode(checkpoint))
        keep(name, columns | {"answer": world.expected(checkpoint, columns), "truth": truth})
    likely = world.probabilities(columns)
    said = {"answer": words(likely.argmax(axis=1)), "truth": words(world.bands(rows))}
    keep("band-1", columns | said | {f"p_{name}": likely[:, i] for i, name in enumerate(CLASSES)})
    Path("band-1.json").write_bytes(encode({"weights": world.band.coef_.tolist()}))
    keep("choice-1", history_of_lists(world))
    Path("choice-1.json").write_bytes(encode({"first": "least expected delay"}))
    Path("current").symlink_to("minutes-1.json")


def history_of_lists(world: World) -> dict[str, Any]:
    """Lists as they were served in January and February: their lengths, and the place of the best flight."""
    lists = Lists(world)
    shown = [(row, lists.served(row, reverse=False)) for row in world.learned[::2].tolist()]
    known = [(row, served, best) for row, served in shown if served is not None and (best := world.best(served))]
    chosen = np.array([row for row, _, _ in known])
    columns = world.columns(chosen)
    said = {"answer": [float(len(served)) for _, served, _ in known], "truth": [float(best[0]) for *_, best in known]}
    return {name: columns[name] for name in OF_CHOICE} | {"at": when(world, chosen)} | said


def when(world: World, rows: Ints) -> Any:
    """Times of flights f8, seconds since 1970: without them a history tells no bands, and nothing pages by them."""
    return world.flights.time[rows].astype(np.float64)


def keep(name: str, columns: dict[str, Any]) -> None:
    """Write a history."""
    pq.write_table(pa.table(columns), f"{name}.parquet")


def words(classes: Any) -> list[str]:
    """Names of classes."""
    return [CLASSES[index] for index in classes.tolist()]


@dataclass
class Lists:
    """What `choice` serves."""

    world: World
    expected: Any = None

    def __post_init__(self) -> None:
        """Expect what `minutes-1` does, of every flight at once."""
        every = np.arange(len(self.world.flights))
        checkpoint = json.loads(Path("minutes-1.json").read_bytes())
        self.expected = self.world.expected(checkpoint, self.world.columns(every))

    def served(self, row: int, *, reverse: bool) -> Ints | None:
        """Flights in the order they are served in; None where there is nothing to choose."""
        listed = self.world.listed(row)
        if len(listed) < LISTED_MIN:
            return None
        order = np.argsort(self.expected[listed], kind="stable")
        return listed[order[::-1] if reverse else order]


# ---- play


@dataclass
class Player:
    """Sends what the models answered, and truths when they are known."""

    world: World
    lists: Lists
    url: str = os.environ.get("TOCSIN_URL", "http://127.0.0.1:8470")
    server: str = os.environ.get("MODEL_SERVER_URL", "http://127.0.0.1:8080")
    tokens: dict[str, str] = field(default_factory=dict)
    due: list[tuple[float, dict[str, Any]]] = field(default_factory=list)  # (when it is known, label)

    def play(self, days: int) -> None:
        """Play so many days, then wait for the evidence of the last."""
        self.post("/v1/clock", "person", {"now": START})
        for start in range(START, START + days * DAY_S, STEP_S):
            day = (start - START) / DAY_S
            if day == DEPLOYED:
                self.deploy("minutes-2.json")
            rows = self.world.flights.departing(start, start + STEP_S)
            if len(rows):
                self.minutes(rows)
                self.band(rows, celsius_=day >= IN_CELSIUS)
                self.choice(rows, reverse=day >= REVERSED, celsius_=day >= IN_CELSIUS)
            self.labels(start + STEP_S)
            self.post("/v1/clock", "person", {"now": start + STEP_S})
        self.await_evidence()

    def minutes(self, rows: Ints) -> None:
        """Ask the model server, as a gateway does."""
        columns = self.world.columns(rows)
        inputs = [
            {"name": name, "shape": [len(rows)], "datatype": "BYTES" if name in CATEGORICAL else "FP64", "data": cells}
            for name, cells in columns.items()
        ]
        answer = post(f"{self.server}/v2/models/minutes/infer", {"inputs": inputs})
        self.send("minutes", names(rows), rows, columns, {"prediction": answer["outputs"][0]["data"]})
        self.owe("minutes", names(rows), rows, self.world.flights.delay[rows].tolist())

    def band(self, rows: Ints, *, celsius_: bool) -> None:
        """Answer a class, with the probability of each."""
        columns = self.world.columns(rows)
        columns = celsius(columns) if celsius_ else columns
        likely = self.world.probabilities(columns)
        answers = {"prediction": words(likely.argmax(axis=1)), "scores": likely.tolist()}
        self.send("band", names(rows), rows, columns, answers)
        truth = [None if late == NEVER else CLASSES[band] for late, band in zip(
            self.world.flights.late[rows].tolist(), self.world.bands(rows).tolist(), strict=True)]  # fmt: skip
        self.owe("band", names(rows), rows, truth)

    def choice(self, rows: Ints, *, reverse: bool, celsius_: bool) -> None:
        """Serve a list to whoever asks; the truth is the place of the flight that will arrive least late."""
        shown = [
            (row, served) for row in rows.tolist() if (served := self.lists.served(row, reverse=reverse)) is not None
        ]
        if not shown:
            return
        asked = np.array([row for row, _ in shown])
        columns = self.world.columns(asked)
        columns = celsius(columns) if celsius_ else columns
        ids = [f"list-{name}" for name in names(asked)]
        self.send("choice", ids, asked, {name: columns[name] for name in OF_CHOICE},
                  {"prediction": [names(served) for _, served in shown]})  # fmt: skip
        for id_, (row, served) in zip(ids, shown, strict=True):
            if best := self.world.best(served):
                place, known = best
                self.due.append((known, label("choice", id_, known, float(self.world.flights.time[row]), place)))

    def owe(self, model: str, ids: list[str], rows: Ints, truths: list[Any]) -> None:
        """Keep the labels of these flights until they have landed."""
        times = zip(self.world.flights.truth_time[rows].tolist(), self.world.flights.time[rows].tolist(), strict=True)
        for id_, (known, made), truth in zip(ids, times, truths, strict=True):
            if math.isfinite(known) and truth is not None:  # others never land where they should
                self.due.append((known, label(model, id_, known, float(made), truth)))

    def send(self, model: str, ids: list[str], rows: Ints, columns: dict[str, list[Any]], said: dict[str, Any]) -> None:
        """Hand in what was answered."""
        times = self.world.flights.time[rows].tolist()
        cells = zip(*columns.values(), strict=True)
        answered = zip(*said.values(), strict=True)
        lines = [
            {
                "id": i,
                "time": t,
                "model": model,
                "features": dict(zip(columns, c, strict=True)),
                **dict(zip(said, a, strict=True)),
            }
            for i, t, c, a in zip(ids, times, cells, answered, strict=True)
        ]
        self.post("/v1/predictions", "gateway", *lines)

    def labels(self, until: float) -> None:
        """Hand in the truths that are known by now."""
        self.due.sort(key=lambda each: each[0])
        count = sum(known < until for known, _ in self.due)
        lines, self.due = [line for _, line in self.due[:count]], self.due[count:]
        for first in range(0, len(lines), ROWS_MAX):
            self.post("/v1/labels", "ops", *lines[first : first + ROWS_MAX])

    def deploy(self, name: str) -> None:
        """What a deployment script does: move the link, tell the server."""
        fresh = Path("current.new")
        fresh.symlink_to(name)
        fresh.replace("current")
        post(f"{self.server}/v2/repository/models/minutes/load", {})

    def await_evidence(self) -> None:
        """Wait for Evidently's numbers, which are made beside everything else."""
        deadline = time.monotonic() + EVIDENCE_S
        while time.monotonic() < deadline:
            models = self.get("/v1/status")["models"]
            if all(model["evidence"]["values"] for model in models.values()):
                return
            time.sleep(0.2)
        sys.exit(f"no values of Evidently after {EVIDENCE_S:.0f} s")

    def token(self, name: str) -> dict[str, str]:
        """The header that says who speaks."""
        if name not in self.tokens:
            self.tokens[name] = Path(f"{name}.token").read_text().strip()
        return {"Authorization": f"Bearer {self.tokens[name]}"}

    def post(self, path: str, token: str, *lines: dict[str, Any]) -> None:
        """Send lines of JSON; end with what was answered if it does not take them all."""
        kind = "application/json" if path == "/v1/clock" else "application/x-ndjson"
        answer = post(f"{self.url}{path}", *lines, headers={"Content-Type": kind, **self.token(token)})
        if answer.get("rejected_count"):
            sys.exit(f"{path}: {answer['rejected'][0]}")

    def get(self, path: str) -> Any:
        """Ask the daemon."""
        request = urllib.request.Request(f"{self.url}{path}", headers=self.token("person"))
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)


def label(model: str, id_: str, known: float, made: float, truth: Any) -> dict[str, Any]:
    """One label, as it is sent."""
    return {"id": id_, "model": model, "time": known, "prediction_time": made, "label": truth}


def post(url: str, *lines: dict[str, Any], headers: dict[str, str] | None = None) -> Any:
    """POST documents, a line each."""
    body = "\n".join(json.dumps(line) for line in lines).encode()
    request = urllib.request.Request(url, body, headers or {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.load(answer)


def main() -> None:
    """Do what is asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("what", choices=("prepare", "play"))
    parser.add_argument("--days", type=int, default=12)
    arguments = parser.parse_args()
    found = world()
    if arguments.what == "prepare":
        prepare(found)
    else:
        Player(found, Lists(found)).play(arguments.days)


if __name__ == "__main__":
    main()
