import ast
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

SERVE = Path(__file__).parents[2] / "examples" / "model_server" / "serve.py"
NUMERIC = {"name": "temp", "kind": "numeric", "edges": [10.0, 20.0], "weights": [1.0, 2.0, 4.0], "missing": -8.0}
CARRIER = {"name": "carrier", "kind": "categorical", "weights": {"UA": 0.5, "EV": -0.5}, "missing": 0.25}


def checkpoint(intercept=0.0, **changes):
    document = {
        "format": "scorecard/1",
        "classes": ["on_time", "late"],
        "threshold": 0.5,
        "intercept": intercept,
        "features": [NUMERIC, CARRIER],
    }
    return json.dumps(document | changes).encode()


def sha256(body):
    return "sha256:" + hashlib.sha256(body).hexdigest()


class Server:
    def __init__(self, directory):
        self.directory = directory
        self.put("v1.json", checkpoint())
        self.link("v1.json")
        command = [sys.executable, str(SERVE), "--current", "current", "--known-good", "v1.json"]
        self.process = subprocess.Popen(command, cwd=directory, stdout=subprocess.PIPE, text=True)
        self.http = httpx.Client(base_url=self.process.stdout.readline().split()[-1], timeout=60)

    def put(self, name, body):
        (self.directory / name).write_bytes(body)

    def link(self, name):
        (self.directory / "new").symlink_to(name)
        (self.directory / "new").rename(self.directory / "current")

    def digest(self, model="delays"):
        return self.http.get(f"/v2/models/{model}").json()["parameters"]["checkpoint_digest"]

    def infer(self, temp, carrier, model="delays"):
        inputs = [
            {"name": "temp", "shape": [len(temp)], "datatype": "FP64", "data": temp},
            {"name": "carrier", "shape": [len(carrier)], "datatype": "BYTES", "data": carrier},
        ]
        return self.http.post(f"/v2/models/{model}/infer", json={"id": "7", "inputs": inputs})

    def load(self, model="delays"):
        return self.http.post(f"/v2/repository/models/{model}/load")

    def stop(self):
        self.http.close()
        self.process.terminate()
        self.process.wait(60)
        self.process.stdout.close()


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("checkpoints"))
    yield server
    server.stop()


@pytest.fixture
def server(running):
    running.link("v1.json")
    assert running.load().status_code == 200
    return running


def logistic(x):
    import math

    return 1 / (1 + math.exp(-x))


@pytest.mark.parametrize(
    ("temp", "carrier", "log_odds"),
    [
        (9.9, "UA", 1.5),
        (10.0, "UA", 2.5),
        (20.0, "EV", 3.5),
        (1e308, None, 4.25),
        (None, "UA", -7.5),
        (-5, "never seen", 1.25),
    ],
)
def test_a_row_is_scored_by_the_weights_of_its_cells(server, temp, carrier, log_odds):
    outputs = server.infer([temp], [carrier]).json()["outputs"]
    assert outputs[0]["data"] == ["late" if log_odds >= 0 else "on_time"]
    assert outputs[1]["data"] == pytest.approx([logistic(log_odds)], abs=1e-12)


def test_a_model_that_predicts_a_number_answers_the_sum_of_its_weights(server):
    server.put("minutes.json", checkpoint(format="sum/1", intercept=9.0))
    server.link("minutes.json")
    assert server.load().status_code == 200
    answer = server.infer([9.9, None], ["UA", "EV"]).json()
    assert answer["outputs"] == [
        {"name": "prediction", "shape": [2], "datatype": "FP64", "data": [9.0 + 1.0 + 0.5, 9.0 - 8.0 - 0.5]}
    ]
    metadata = server.http.get("/v2/models/delays").json()
    assert (metadata["platform"], [output["name"] for output in metadata["outputs"]]) == ("sum/1", ["prediction"])


def test_an_answer_has_the_shape_of_the_protocol(server):
    answer = server.infer([1.0, None], ["UA", None]).json()
    assert answer["model_name"] == "delays"
    assert answer["id"] == "7"
    assert [(o["name"], o["datatype"], o["shape"]) for o in answer["outputs"]] == [
        ("prediction", "BYTES", [2]),
        ("score", "FP64", [2]),
    ]


def test_nested_and_flat_tensors_mean_the_same(server):
    flat, nested = server.infer([1.0, 15.0], ["UA", "EV"]), server.infer([[1.0], [15.0]], [["UA"], ["EV"]])
    assert flat.json()["outputs"] == nested.json()["outputs"]


def test_metadata_and_every_answer_name_the_digest_of_the_loaded_bytes(server):
    expected = sha256(checkpoint())
    assert server.digest() == expected
    assert server.infer([1.0], ["UA"]).json()["parameters"]["checkpoint_digest"] == expected


def test_swapping_the_link_alone_changes_nothing_and_loading_changes_all(server):
    old, new = checkpoint(), checkpoint(intercept=-100.0)
    server.put("v2.json", new)
    server.link("v2.json")
    assert server.digest() == sha256(old)
    assert server.infer([1.0], ["UA"]).json()["outputs"][0]["data"] == ["late"]
    assert server.load().json()["parameters"]["checkpoint_digest"] == sha256(new)
    assert server.digest() == sha256(new)
    assert server.infer([1.0], ["UA"]).json()["outputs"][0]["data"] == ["on_time"]


def test_overwriting_the_loaded_file_does_not_change_the_digest(server):
    server.put("v3.json", checkpoint(intercept=1.0))
    server.link("v3.json")
    server.load()
    server.put("v3.json", checkpoint(intercept=2.0))
    assert server.digest() == sha256(checkpoint(intercept=1.0))


def test_the_known_good_stays_what_it_was_at_the_start(server):
    server.put("v2.json", checkpoint(intercept=-100.0))
    server.link("v2.json")
    server.load()
    assert server.digest("delays-known-good") == sha256(checkpoint())
    assert server.infer([1.0], ["UA"], "delays-known-good").json()["outputs"][0]["data"] == ["late"]


@pytest.mark.parametrize(
    "body",
    [
        b"not json",
        b"[]",
        b"{}",
        checkpoint(format="pickle"),
        checkpoint(classes=["one"]),
        checkpoint(features=[NUMERIC | {"edges": [20.0, 10.0]}]),
        checkpoint(features=[NUMERIC | {"weights": [1.0]}]),
        checkpoint(intercept=None),
    ],
)
def test_a_bad_checkpoint_is_refused_and_the_old_one_answers_on(server, body):
    server.put("bad.json", body)
    server.link("bad.json")
    answer = server.load()
    assert answer.status_code == 400
    assert "not loaded" in answer.json()["error"]
    assert server.digest() == sha256(checkpoint())


def test_a_link_to_nothing_is_refused(server):
    server.link("nothing.json")
    assert server.load().status_code == 400
    assert server.digest() == sha256(checkpoint())


@pytest.mark.parametrize(
    "body",
    [
        b"not json",
        b"[]",
        b"{}",
        b'{"inputs": []}',
        b'{"inputs": [{"name": "temp", "data": [1.0]}]}',
        b'{"inputs": [{"name": "temp", "data": [1.0]}, {"name": "carrier", "data": ["UA", "EV"]}]}',
        b'{"inputs": [{"name": "temp", "data": ["warm"]}, {"name": "carrier", "data": ["UA"]}]}',
        b'{"inputs": [{"name": "temp", "data": [1.0]}, {"name": "carrier", "data": [["a", "b"], []]}]}',
        b'{"inputs": [{"name": "temp", "data": [1.0]}, {"name": "carrier", "data": [{}]}]}',
        b'{"inputs": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
def test_a_request_that_makes_no_sense_is_a_400_with_a_reason(server, body):
    answer = server.http.post("/v2/models/delays/infer", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]


@pytest.mark.parametrize("path", ["/v2/models/other", "/v2/models/other/ready"])
def test_another_model_is_a_404_that_names_the_ones_there_are(server, path):
    answer = server.http.get(path)
    assert answer.status_code == 404
    assert "delays-known-good" in answer.json()["error"]


def test_health_readiness_and_index_answer(server):
    for path in ("/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/delays/ready"):
        assert server.http.get(path).status_code == 200
    index = server.http.post("/v2/repository/index").json()
    assert [entry["name"] for entry in index] == ["delays", "delays-known-good"]


def test_a_thousand_rows_take_less_than_ten_milliseconds_of_a_processor(server):
    temp, carrier = [float(i % 40) for i in range(1_000)], ["UA"] * 1_000
    server.infer(temp, carrier)
    before = cpu_s(server.process.pid)
    for _ in range(50):
        server.infer(temp, carrier)
    assert (cpu_s(server.process.pid) - before) / 50 < 0.010


def cpu_s(process: int) -> float:
    """Processor time that a process has used, in steps of 10 ms; whatever else the machine does."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_server_without_its_checkpoint_does_not_start(tmp_path):
    command = [sys.executable, str(SERVE), "--current", "none", "--known-good", "none"]
    finished = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    assert finished.returncode == 1
    assert "cannot load" in finished.stderr


def test_the_example_stands_alone():
    tree = ast.parse(SERVE.read_text())
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not any(name.split(".")[0] in {"monitor", "pickle", "joblib"} for name in imported)
