"""One daemon that watches three models, one of each task, in replay: real processes, no model server.

Every model sees one number x in [0, 1] and an origin. `late` says yes above 0.5 and is wrong for a tenth of the rows;
`price` says 100 x, give or take five; `rank` serves five items, of which one is relevant, mostly the first. A step of
ten minutes holds `ROWS` rows of each, whose labels come with the next one.
"""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import released
from loopworld import START, STEP_S, Loop

from monitor.facts import BundleStatus, ModelName
from monitor.ingest.decode import ARROW
from monitor.ingest.history import open_history
from monitor.ingest.tokens import Scope, create_token
from monitor.panes.build import build_reference
from monitor.panes.reference import encode_reference
from monitor.panes.schema import parse_schema

ROWS = 300
FEATURES = {"x": "numeric", "origin": "categorical"}
COLUMNS = {"prediction": "said", "label": "truth"}
LATE = {"features": FEATURES, "classes": ["no", "yes"], "positive": "yes", "columns": {**COLUMNS, "score": "score"}}
SCHEMAS = {
    "late": LATE,
    "price": {"task": "regression", "features": FEATURES, "columns": COLUMNS},
    "rank": {"task": "ranking", "features": FEATURES, "columns": COLUMNS},
}
READ = "window: 10m, rows_min: 50"
RULES = {
    "late": f"""
      - {{name: wrong, subject: outcomes, detector: error, by: origin, {READ}, severity: warning}}
      - {{name: output_moved, subject: output, detector: psi, {READ}, severity: warning}}
    """,
    "price": f"""
      - {{name: far, subject: outcomes, detector: mean_absolute_error, limit_times_reference: 2.0, {READ},
         severity: critical}}
      - {{name: output_moved, subject: output, detector: wasserstein, limit: 1.0, {READ}, severity: warning}}
    """,
    "rank": f"""
      - {{name: gains, subject: outcomes, detector: ndcg, limit_under_reference: 0.2, {READ}, severity: warning}}
    """,
}


def drawn(rng, rows):
    return {"x": rng.uniform(0, 1, rows), "origin": rng.choice(["EWR", "JFK"], rows).tolist()}


def words(yes):
    return np.where(yes, "yes", "no").tolist()


def answered(model, rng, features, off=0.0):
    """What a model says of these rows, and what turns out to be true; `off` is how wrong `price` is."""
    x, n = features["x"], len(features["x"])
    if model == "late":
        truth = (x > 0.5) ^ (rng.random(n) < 0.1)
        return words(x > 0.5), words(truth)
    if model == "price":
        return (100 * x + off).tolist(), (100 * x + rng.normal(0, 5, n)).tolist()
    return [["a", "b", "c", "d", "e"]] * n, rng.choice([1, 1, 1, 2, 0], n).tolist()


def history(model, folder):
    """A Parquet file of the rows that a model was approved on."""
    rng = np.random.default_rng(1)
    features = drawn(rng, 4_000)
    said, truth = answered(model, rng, features)
    columns = {**features, "said": said, "truth": truth}
    if model == "late":
        columns["score"] = np.where(features["x"] > 0.5, 0.9, 0.1)
    pq.write_table(pa.table(columns), folder / f"{model}.parquet")
    return folder / f"{model}.parquet"


class Three(Loop):
    """The daemon, and what an operator and three gateways hold in hand."""

    def _files(self):
        d = self.directory
        released.create(d / "releases.json")
        for wall, (model, document) in enumerate(SCHEMAS.items()):
            schema, names = parse_schema({"model": model, **document})
            reference = build_reference(open_history(history(model, d), schema, names), schema, lambda _: None)
            (d / f"{model}.ref").write_bytes(encode_reference(reference))
            (d / f"{model}.bin").write_bytes(model.encode())
            (d / f"{model}.yaml").write_text(f"version: 1\nrules:{RULES[model]}")
            place = (d / "releases.json", ModelName(model), f"{model}.bin", f"{model}.ref")
            released.register(*place, wall=wall + 1.0, status=BundleStatus.KNOWN_GOOD, name=f"{model}-1")
        grants = {
            "gateway": ([Scope.INGEST_PREDICTIONS], "gateway"),
            "ops": ([Scope.INGEST_LABELS], "ops"),
            "person": ([Scope.READ, Scope.CLOCK, Scope.ADMIN], "person"),
        }
        self.tokens = {name: create_token(d / "tokens.json", name, *grant, 0.0)[1] for name, grant in grants.items()}
        self.off, self.waiting = 0.0, {model: [] for model in SCHEMAS}

    def _model_server(self):
        self.server, self.server_url = None, "http://127.0.0.1:1"

    def write_settings(self, **changes):
        rows = {"metric": "RowCount"}
        model = {
            "release": released.settings(),
            "segments": {"origin": {"values_max": 1}},
            "labels": {"trusted_sources": ["ops"]},
            "samples": {"share": 1.0},
            "evidence": {"every": "0s", "metrics_every": "0s"},
        }
        models = {name: model | {"rules": f"./{name}.yaml"} for name in SCHEMAS}
        models["price"]["evidence"] = {"every": "0s", "metrics_every": "10m", "metrics": {"rows": rows}}
        super().write_settings(models=models, receivers=[], **changes)

    def step(self):
        """Ten minutes of all three models: lines for two of them, Arrow for the numbers; labels of the step before."""
        for model in SCHEMAS:
            features = drawn(self.rng, ROWS)
            said, truth = answered(model, self.rng, features, self.off)
            ids = [f"{model}-{self.sent + i}" for i in range(ROWS)]
            times = (self.now + np.arange(ROWS) * STEP_S / ROWS).tolist()
            if model == "price":
                columns = {"id": ids, "model": [model] * ROWS, "time": times, "prediction": said, **features}
                self.send_arrow(pa.table(columns))
            else:
                parts = zip(ids, times, said, features["x"].tolist(), features["origin"], strict=True)
                lines = [
                    {"id": i, "model": model, "time": t, "prediction": p, "features": {"x": x, "origin": origin}}
                    for i, t, p, x, origin in parts
                ]
                self.send("/v1/predictions", "gateway", lines)
            self.send("/v1/labels", "ops", self.waiting[model])
            self.waiting[model] = [
                {"id": i, "model": model, "time": self.now + STEP_S, "label": one}
                for i, one in zip(ids, truth, strict=True)
            ]
        self.sent += ROWS
        self.advance(STEP_S)

    def send_arrow(self, table):
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        headers = {"content-type": ARROW}
        answer = self.call("POST", "/v1/predictions", "gateway", content=sink.getvalue().to_pybytes(), headers=headers)
        assert answer.json().get("accepted") == table.num_rows, answer.text

    def close(self):
        if self.daemon is not None and self.daemon.poll() is None:
            self.daemon.kill()
            self.daemon.wait()
        self.http.close()

    def reading(self, model, rule, segment=""):
        """The newest reading of a rule of the judge."""
        found = self.get("/v1/status")["models"][model]["readings"]
        of = (rule, "", segment, "judge")
        return next(one for one in found if (one["name"], one["column"], one["segment"], one["reference"]) == of)


assert START % STEP_S == 0
