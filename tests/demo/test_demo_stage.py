import json

import httpx
import pytest
import yaml

from monitor.demo.flights import CATEGORICAL, NUMERIC, hours
from monitor.demo.gateway import Gateway, Tokens, batches
from monitor.demo.setting import schema_document, write_history
from monitor.demo.stage import Stage, free_ports, settings_document
from monitor.errors import Permanent
from monitor.facts import BundleStatus
from monitor.panes.reference import decode_reference
from monitor.rollback.release.belief import Belief
from monitor.rollback.release.read import load
from monitor.settings import check


@pytest.fixture
def stage(tmp_path):
    stage = Stage(tmp_path / "demo")
    yield stage
    stage.close()


def scorecard(intercept):
    features = [{"name": name, "kind": "numeric", "edges": [0.0], "weights": [0, 0], "missing": 0} for name in NUMERIC]
    features += [{"name": name, "kind": "categorical", "weights": {}, "missing": 0} for name in CATEGORICAL]
    document = {"format": "scorecard/1", "classes": ["on_time", "late"], "threshold": 0.5, "intercept": intercept}
    return json.dumps(document | {"features": features}).encode()


@pytest.fixture
def server(stage):
    stage.place("v1", scorecard(-1.0))
    stage.place("v2", scorecard(1.0))
    stage.link("v1")
    server = stage.start_model_server(known_good="v1")
    yield server
    server.close()


def test_a_delivery_is_a_swapped_link_and_a_load(stage, server):
    before = server.served()
    stage.link("v2")
    assert server.served() == before
    assert server.load() == server.served() != before


def test_closing_the_stage_stops_the_processes(stage, server):
    child = stage.processes[0].child
    stage.close()
    assert child.poll() is not None
    with pytest.raises(httpx.TransportError):
        server.served()


def test_a_process_that_dies_is_told_with_the_end_of_its_log(stage):
    process = stage._start("broken", ["-c", "raise SystemExit('no model, no service')"])
    with pytest.raises(Permanent, match="no model, no service"):
        process.wait_until(lambda: False)


def test_a_model_server_without_a_checkpoint_ends_the_demo_with_its_reason(stage):
    with pytest.raises(Permanent, match="cannot load"):
        stage.start_model_server(known_good="v1")


def test_the_reference_profile_is_what_the_server_answers_on_the_flights_learned_from(stage, server, flights):
    rows = flights.by_truth[:500]
    write_history(stage.history("v1"), flights, rows, flights.late[rows], server)
    stage.build_reference("v1", schema_document())
    reference = decode_reference(stage.reference("v1").read_bytes())
    assert (reference.rows, reference.labelled) == (500, True)
    assert [feature.name for feature in reference.schema.features] == [*NUMERIC, *CATEGORICAL]
    assert reference.start == min(flights.time[rows])


@pytest.fixture
def settings(stage, server, flights):
    """Everything the daemon is given, in place."""
    rows = flights.by_truth[:500]
    write_history(stage.history("v1"), flights, rows, flights.late[rows], server)
    stage.build_reference("v1", schema_document())
    stage.register("v1", BundleStatus.KNOWN_GOOD)
    stage.record_probes("v1", schema_document(), server)
    stage.create_token("ops", "ingest:labels")
    stage.write_settings(server, stage.start_receiver())
    return stage.directory / "tocsin.yaml"


def test_the_settings_and_the_rules_of_the_demo_have_no_problem(settings):
    assert not check(settings)


def test_the_bundle_is_registered_as_known_good_under_its_name(stage, settings):
    [bundle] = load(stage.directory / "releases.json", Belief.load([stage.directory / "release.pub"])).bundles
    assert (bundle.name, bundle.status) == ("v1", BundleStatus.KNOWN_GOOD)
    assert settings.exists()


def test_secrets_of_the_demo_can_be_read_by_their_owner_only(stage, settings):
    for name in ("webhook.secret", "tokens.json"):
        assert (stage.directory / name).stat().st_mode & 0o077 == 0
    assert "whsec_" not in settings.read_text()


def test_the_rollback_is_automatic_and_the_clock_is_a_replay():
    document = settings_document("http://127.0.0.1:1", "http://127.0.0.1:2", 3, 4)
    assert document["replay"] is True
    assert document["models"]["delays"]["rollback"] == {"mode": "auto", "bake": "0s"}
    assert document["models"]["delays"]["target"]["demo"] is True
    assert yaml.safe_load(yaml.safe_dump(document)) == document


def test_free_ports_differ():
    assert len(set(free_ports(100))) == 100


def test_batches_cover_all_rows_in_order(flights):
    parts = list(batches(flights.by_truth[:12_001]))
    assert [len(part) for part in parts] == [5_000, 5_000, 2_001]


class Ingest:
    """What the gateway sends, in place of a daemon: the daemon itself is in the end-to-end test."""

    def __init__(self):
        self.sent, self.labelled = [], []

    def predictions(self, lines):
        self.sent += lines

    def labels(self, lines):
        self.labelled += lines


@pytest.fixture
def gateway(flights, server):
    return Gateway(flights, server, Ingest())


def test_an_hour_is_predicted_by_the_server_and_handed_in_as_rows(gateway, flights):
    start = float(flights.time[0]) - 900
    assert not gateway.is_idle(start, start + 3_600)
    gateway.carry(start, start + 3_600)
    assert gateway.rows == len(gateway.daemon.sent) == len(flights.departing(start, start + 3_600))
    row = gateway.daemon.sent[0]
    assert set(row["features"]) == {*NUMERIC, *CATEGORICAL}
    assert (row["id"], row["prediction"]) == ("f-000000", "on_time")
    assert row["scores"] == pytest.approx(1 / (1 + 2.718281828), abs=1e-6)


def test_only_flights_that_were_predicted_are_labelled_and_only_once_they_arrived(gateway, flights):
    noon = float(flights.time[0]) - 900 + 7 * 3_600  # the flights of the morning were never predicted
    for start, end in hours(noon, noon + 8 * 3_600):
        gateway.carry(start, end)
        assert all(label["time"] < end for label in gateway.daemon.labelled)
    predicted = {row["id"]: row["time"] for row in gateway.daemon.sent}
    assert all(label["prediction_time"] == predicted[label["id"]] for label in gateway.daemon.labelled)
    assert gateway.labels == len(gateway.daemon.labelled) > 200


def test_an_hour_without_flights_is_told_as_idle(gateway, flights):
    assert gateway.is_idle(float(flights.time[0]) - 7_200, float(flights.time[0]) - 3_600)


def test_tokens_are_one_for_each_thing_the_demo_may_do(stage):
    made = Tokens(*(stage.create_token(name, "read") for name in ("gateway", "ops", "operator")))
    assert len({made.gateway, made.ops, made.operator}) == 3


def test_the_demo_refuses_a_directory_that_holds_something(tmp_path):
    import io

    from rich.console import Console

    from monitor.demo import run_demo

    (tmp_path / "mine").write_text("keep")
    console = Console(file=io.StringIO(), width=200)
    assert run_demo(state_dir=tmp_path, console=console) == 1
    assert "is not empty" in console.file.getvalue()
