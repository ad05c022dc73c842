"""Real flights: a carrier's flights in other hands are found within hours; what a quiet fortnight pages is counted."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from monitor.backtest.plants import read_plants
from monitor.backtest.replay import History, replay_history
from monitor.backtest.terms import Terms
from monitor.decisions.rules import parse_pack
from monitor.demo.flights import CATEGORICAL, load
from monitor.detectors import DETECTORS
from monitor.facts import Feature, FeatureKind, ModelName, Schema
from monitor.ingest.history import open_history
from monitor.panes.build import build_reference
from monitor.panes.layout import Layout
from monitor.panes.schema import ColumnNames

DAY_S = 86_400.0
JANUARY = 1_356_998_400.0
SCHEMA = Schema(
    ModelName("delays"),
    (
        Feature("distance", FeatureKind.NUMERIC),
        *(Feature(name, FeatureKind.CATEGORICAL) for name in CATEGORICAL),
    ),
    ("on_time", "late"),
    "late",
)
NAMES = ColumnNames("answer", time="at", label="truth")


def write(path: Path, start: float, end: float) -> History:
    """The flights that were to leave in [start, end); the model says that all are on time."""
    flights = load()
    rows = flights.departing(start, end)
    late = flights.late[rows]
    truth = [None if one < 0 else SCHEMA.classes[one] for one in late.tolist()]
    columns = {name: flights.categorical[name][rows].tolist() for name in CATEGORICAL}
    answers = np.where(flights.numeric["distance"][rows] > 2_000, "late", "on_time")
    at = flights.time[rows].astype(np.float64)
    table = {"at": at, "answer": answers, "truth": truth, "distance": flights.numeric["distance"][rows]}
    pq.write_table(pa.table(table | columns), path)
    return History(path, SCHEMA, NAMES)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("flights")
    past = write(folder / "past.parquet", JANUARY, JANUARY + 56 * DAY_S)
    reference = build_reference(open_history(past.path, SCHEMA, NAMES), SCHEMA, lambda _: None)
    terms = Terms(Layout.of(reference), parse_pack({"version": 1, "sequential": {"every": "10m"}}, DETECTORS))
    plants = read_plants(["carrier=UA:30%", "distance+1sigma"], terms.layout)
    live = write(folder / "live.parquet", JANUARY + 56 * DAY_S, JANUARY + 68 * DAY_S)
    return replay_history(terms, live, plants, lambda _: None)


def test_shifts_of_real_rows_are_found_within_a_day(found) -> None:
    assert {each.outcome for each in found.planted} <= {"found", "already"}
    assert sum(each.outcome == "found" for each in found.planted) >= 5


def test_every_flight_is_replayed_and_missing_labels_are_no_error(found) -> None:
    assert found.rows == len(load().departing(JANUARY + 56 * DAY_S, JANUARY + 68 * DAY_S))
    assert found.left_out == 0
    assert found.armed_s == pytest.approx(12 * DAY_S, rel=0.05)
