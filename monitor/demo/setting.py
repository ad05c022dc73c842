"""Everything before the first row: train, profile, register, start.

v1 learns from the truths known by 1 March, v2 from those known by its delivery, part of them flipped. Each gets a
reference profile of the flights it learned from, as the model server itself answers them. v1 is registered as
known-good; v2, like any retrain, as a candidate.
"""

from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from monitor.demo import train
from monitor.demo.flights import CATEGORICAL, CLASSES, NEVER, NUMERIC, Flights, Ints, load
from monitor.demo.gateway import MODEL, Daemon, Gateway, ModelServer, Tokens, batches
from monitor.demo.receiver import Receiver
from monitor.demo.stage import Stage
from monitor.demo.story import DEPLOY, START, Story
from monitor.demo.stream import Stream
from monitor.demo.view import View
from monitor.facts import BundleStatus

SEED: Final = 2013  # of which labels the hostile source sent, and which of them it flipped


def known(flights: Flights, now: float) -> Ints:
    """Flights whose truth is known by `now`: what a model may be trained on then."""
    return np.flatnonzero(flights.truth_time < now)


def set_up(stage: Stage, view: View) -> Story:
    """Everything before the first row; Permanent if a process does not start."""
    view.tell(None, "reading the flights of 2013")
    flights = load()
    learned = {"v1": known(flights, START), "v2": known(flights, DEPLOY)}
    late = {"v1": flights.late[learned["v1"]], "v2": train.flip_labels(flights.late[learned["v2"]], SEED)}
    for name, rows in learned.items():
        flipped = int(np.count_nonzero(late[name] != flights.late[rows]))
        view.tell(None, f"training {name} on {len(rows):,} flights, {flipped:,} labels of them flipped by an attacker")
        stage.place(name, train.encode(train.fit(flights, rows, late[name])))
    stage.link("v1")
    server = stage.start_model_server(known_good="v1")
    for name, rows in learned.items():
        view.tell(None, f"building the reference profile of {name}")
        stage.link(name)
        server.load()
        write_history(stage.history(name), flights, rows, late[name], server)
        stage.build_reference(name, schema_document())
        stage.register(name, BundleStatus.KNOWN_GOOD if name == "v1" else BundleStatus.CANDIDATE)
    stage.link("v1")
    server.load()
    view.tell(None, "recording what v1 answers to golden probes")
    stage.record_probes("v1", schema_document(), server)
    view.tell(None, "starting the daemon")
    receiver = stage.start_receiver()
    daemon = _start_daemon(stage, server, receiver)
    view.tell(None, f"model server {server.url}  daemon {daemon.url}  files {stage.directory}")
    return Story(stage, Stream(Gateway(flights, server, daemon), view), receiver)


def _start_daemon(stage: Stage, server: ModelServer, receiver: Receiver) -> Daemon:
    tokens = Tokens(
        gateway=stage.create_token("gateway", "ingest:predictions"),
        ops=stage.create_token("ops", "ingest:labels"),
        operator=stage.create_token("operator", "read", "clock"),
    )
    stage.write_person_token()
    stage.write_settings(server, receiver)
    return stage.start_daemon(tokens)


def write_history(path: Path, flights: Flights, rows: Ints, labels: Any, server: ModelServer) -> None:
    """Write what a reference profile is built from: features, the server's answers, the labels it learned from."""
    answers = [server.ask(flights.features(part)) for part in batches(rows)]
    numeric = {name: pa.array(flights.numeric[name][rows], from_pandas=True) for name in NUMERIC}  # NaN becomes null
    categorical = {name: pa.array(flights.categorical[name][rows]) for name in CATEGORICAL}
    table = {
        **numeric,
        **categorical,
        "at": flights.time[rows].astype(np.float64),
        "prediction": [prediction for answer in answers for prediction in answer.predictions],
        "score": [score for answer in answers for score in answer.scores],
        "label": [CLASSES[label] if label != NEVER else None for label in labels.tolist()],
    }
    pq.write_table(pa.table(table), path)


def schema_document() -> dict[str, Any]:
    """What the model is fed and answers, as a person writes it for `tocsin reference build`."""
    return {
        "model": MODEL,
        "features": dict.fromkeys(NUMERIC, "numeric") | dict.fromkeys(CATEGORICAL, "categorical"),
        "classes": list(CLASSES),
        "positive": CLASSES[1],
        "columns": {"time": "at", "prediction": "prediction", "score": "score", "label": "label"},
    }
