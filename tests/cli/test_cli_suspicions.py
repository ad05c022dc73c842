"""Saying which data are suspected, and splitting training data by what an incident excludes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from monitor.cli.exits import Exit
from monitor.errors import Rejected
from monitor.ingest.tokens import Scope

FOUND = {
    "incident": "i1",
    "model": "delays",
    "ranges": [{"since": 100.0, "until": 200.0, "sources": ["crowd/*"]}, {"since": 500.0}],
    "batches": [],
}
TIMES = (50.0, 100.0, 150.0, 150.0, None, 500.0, 300.0)
SOURCES = ("crowd/1", "crowd/1", "ops", "crowd/2", "ops", "ops", "ops")


@pytest.fixture
def ask(tocsin: Callable[..., Any], api: Any) -> Callable[..., Any]:
    token_file = api.token_file(Scope.READ, Scope.OPERATE)
    api.control.results["exclusions"] = FOUND
    return lambda *arguments: tocsin(*arguments, "--url", api.url, "--token-file", token_file)


def table(times: pa.Array | None = None) -> pa.Table:
    ids = [f"r{number}" for number in range(len(TIMES))]
    return pa.table({"id": ids, "time": times or pa.array(TIMES, pa.float64()), "source": SOURCES})


def test_data_are_suspected_by_source_and_batch_and_time(ask: Callable[..., Any], api: Any) -> None:
    words = ("--source", "crowd/*", "--batch", "sha256:b", "--since", "2013-03-01T00:00:00Z")
    assert ask("incidents", "suspect", "i1", *words).code == Exit.OK
    [(name, ident, wanted, _)] = api.control.asked
    assert (name, ident, wanted.sources, wanted.batches) == ("suspect", "i1", ("crowd/*",), ("sha256:b",))
    assert wanted.since == "2013-03-01T00:00:00Z"


def test_what_is_no_time_is_refused_in_words(ask: Callable[..., Any], api: Any) -> None:
    api.control.results["suspect"] = ValueError("that is no time")
    assert ask("incidents", "suspect", "i1", "--since", "yesterday").code != Exit.OK


def test_a_suspicion_is_taken_back(ask: Callable[..., Any], api: Any) -> None:
    assert ask("incidents", "trust", "i1").code == Exit.OK
    api.control.results["trust_again"] = Rejected("not_possible", "nobody suspects data because of this incident")
    ended = ask("incidents", "trust", "i1")
    assert ended.code == Exit.REFUSED
    assert "nobody suspects" in ended.err


def test_the_exclusions_come_as_json(ask: Callable[..., Any]) -> None:
    assert ask("incidents", "exclusions", "i1", "--json").json == FOUND


@pytest.mark.parametrize("unit", ["seconds", "timestamps", "text"])
def test_training_data_are_split_by_source_and_time(ask: Callable[..., Any], tmp_path: Path, unit: str) -> None:
    text = [None if time is None else f"1970-01-01T00:{int(time) // 60:02}:{int(time) % 60:02}Z" for time in TIMES]
    micros = [None if time is None else int(time * 1e6) for time in TIMES]
    times = {"seconds": None, "text": pa.array(text), "timestamps": pa.array(micros, pa.timestamp("us"))}[unit]
    rows, kept, ids = (tmp_path / name for name in ("rows.parquet", "kept.parquet", "ids.txt"))
    pq.write_table(table(times), rows)
    ended = ask("incidents", "exclude", "i1", "--rows", rows, "--kept", kept, "--ids", ids, "--json")
    assert ended.json == {"kept": 3, "excluded": 4, "undated": 1}
    assert pq.read_table(kept)["id"].to_pylist() == ["r0", "r2", "r6"]
    assert ids.read_text().split() == ["r1", "r3", "r4", "r5"]


def test_rows_that_do_not_say_whose_they_are_are_left_out_where_anybody_of_them_is(
    ask: Callable[..., Any], tmp_path: Path
) -> None:
    rows, kept = tmp_path / "rows.parquet", tmp_path / "kept.parquet"
    pq.write_table(table().drop_columns("source"), rows)
    assert ask("incidents", "exclude", "i1", "--rows", rows, "--kept", kept, "--json").json["kept"] == 2


def test_no_file_is_written_over(ask: Callable[..., Any], tmp_path: Path) -> None:
    rows = tmp_path / "rows.parquet"
    pq.write_table(table(), rows)
    assert ask("incidents", "exclude", "i1", "--rows", rows, "--kept", rows).code == Exit.PROBLEMS
    assert pq.read_table(rows).num_rows == len(TIMES)


@pytest.mark.parametrize("garbage", [b"", b"PAR1 no", None])
def test_what_is_no_training_data_is_refused_and_nothing_is_left(
    ask: Callable[..., Any], tmp_path: Path, garbage: bytes | None
) -> None:
    rows, kept = tmp_path / "rows.parquet", tmp_path / "kept.parquet"
    if garbage is not None:
        rows.write_bytes(garbage)
    assert ask("incidents", "exclude", "i1", "--rows", rows, "--kept", kept).code == Exit.PROBLEMS
    assert not kept.exists()


def test_a_column_that_is_missing_is_named(ask: Callable[..., Any], tmp_path: Path) -> None:
    rows, kept = tmp_path / "rows.parquet", tmp_path / "kept.parquet"
    pq.write_table(table(), rows)
    ended = ask("incidents", "exclude", "i1", "--rows", rows, "--kept", kept, "--time", "when")
    assert "'when'" in ended.err
    assert not kept.exists()
