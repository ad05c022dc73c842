"""What docs/intake.md shows, done: its commands over HTTP, its rows read, its tables held against the code."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from ingest_service import DELAYS
from running import Running

from monitor.clock import WallClock
from monitor.facts import Feature, FeatureKind, ModelName, RejectReason, RowKind, Schema, Task
from monitor.ingest.accept import EXPLAINED, Known, Rejection, Setting
from monitor.ingest.counters import AdmissionReason
from monitor.ingest.decode import CONTENT_TYPES, LabelRow, PredictionRow, decode_json
from monitor.ingest.inflate import ENCODINGS
from monitor.ingest.intake import judge
from monitor.ingest.limits import Limits
from monitor.ingest.times import parse_time
from monitor.ingest.wire import Accepted
from monitor.turns.self_view import REFUSED_AS

PAGE = (Path(__file__).parents[2] / "docs" / "intake.md").read_text()
PRICES = Schema(ModelName("prices"), (Feature("hour", FeatureKind.NUMERIC),), task=Task.REGRESSION)
SEARCH = Schema(ModelName("search"), (), task=Task.RANKING)


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


PREDICTION, LABEL, ANSWER = (json.loads(block) for block in blocks("json"))


def column(title, at=0):
    """A column of the table whose head begins with this."""
    rows = PAGE.partition(f"\n| {title} |")[2].partition("\n\n")[0].splitlines()[2:]
    return [row.strip("| ").split(" | ")[at].strip("`") for row in rows]


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with Running(tmp_path_factory.mktemp("sent"), schemas=(DELAYS, PRICES, SEARCH)) as service:
        service.clock.step(WallClock().now())  # what is pasted tells the time it is pasted at
        yield service


@pytest.fixture
def home(running, tmp_path):
    for name in ("gateway", "ops"):
        (tmp_path / f"{name}.token").write_text(f"{running.texts[name]}\n")
    return tmp_path


def typed(running, home, *command):
    environ = os.environ | {"TOCSIN_URL": running.url, "NO_PROXY": "*", "no_proxy": "*"}
    ended = subprocess.run(command, cwd=home, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    return [Accepted(**json.loads(answer)) for answer in re.findall(r"\{.*?\}", ended.stdout)]


def test_the_commands_can_be_pasted_and_every_row_is_taken(running, home):
    before = running.counters.accepted.copy()
    answers = typed(running, home, "bash", "-euc", "set -o pipefail\n" + "\n".join(blocks("sh")))
    assert [(answer.durable, answer.accepted, answer.rejected_count) for answer in answers] == [
        (True, rows, 0) for rows in (1, 1, 2, 2, 4, 4)
    ]
    taken = running.counters.accepted - before
    assert {model: taken[RowKind.PREDICTIONS, model] for model in running.schemas} == {
        "delays": 9,
        "prices": 1,
        "search": 1,
    }
    assert {model: taken[RowKind.LABELS, model] for model in running.schemas} == dict.fromkeys(running.schemas, 1)


def test_the_arrow_example_runs_and_every_row_is_taken(running, home):
    (example,) = blocks("python")
    (answer,) = typed(running, home, sys.executable, "-c", example)
    assert (answer.durable, answer.accepted, answer.rejected_count) == (True, 3, 0)
    assert running.counters.snapshot().unknown_features.get(DELAYS.model, 0) == 0


@pytest.mark.parametrize(
    ("kind", "row", "fields"),
    [(RowKind.PREDICTIONS, PREDICTION, PredictionRow), (RowKind.LABELS, LABEL, LabelRow)],
)
def test_the_full_row_has_every_field_and_is_accepted(kind, row, fields):
    assert row.keys() == set(fields.__struct_fields__)
    now = Setting.of({DELAYS.model: Known.of(DELAYS)}, row["source"], parse_time(row["time"]), Limits())
    rows, tally = judge(kind, json.dumps(row).encode(), decode_json, now, Limits())
    assert len(rows[DELAYS.model]) == 1
    assert not tally.rejected
    assert not tally.dropped


@pytest.mark.parametrize(
    ("title", "fields"), [("field of a prediction", PredictionRow), ("field of a label", LabelRow)]
)
def test_the_tables_have_every_field(title, fields):
    assert sorted(column(title)) == sorted(fields.__struct_fields__)


def test_the_answer_is_one_that_is_given():
    assert ANSWER.keys() == set(Accepted.__struct_fields__)
    (rejection,) = ANSWER["rejected"]
    reason = RejectReason(rejection["reason"])
    assert Rejection(17, reason, *EXPLAINED[reason]) == Rejection(**rejection | {"reason": reason})


def test_every_reason_to_refuse_a_request_is_there_with_its_status():
    told = dict(zip(column("reason"), map(int, column("reason", 1)), strict=True))
    assert told == {reason.value: REFUSED_AS[reason] for reason in AdmissionReason}


def test_every_task_content_type_and_encoding_is_named():
    assert column("task") == [task.value for task in Task]
    assert [name for name in (*CONTENT_TYPES, *ENCODINGS) if name not in PAGE] == []
