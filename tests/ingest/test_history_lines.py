"""History as NDJSON: a cell means what it means at the intake, and what cannot be read is named by its line."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import SettingsError
from monitor.ingest import history_lines
from monitor.ingest.history import open_history, parse_schema
from monitor.panes.cells import number, word
from monitor.panes.rows import CategoricalColumn

DOCUMENT = {
    "model": "m",
    "features": {"x": "numeric", "c": "categorical"},
    "classes": ["no", "yes"],
    "positive": "yes",
    "columns": {"prediction": "y", "time": "at", "score": "p", "label": "truth", "id": "key"},
}
ROW = {"x": 1.5, "c": "u", "y": "yes", "at": 1362132900, "p": 0.25, "truth": "no", "key": "f-1"}
CELLS = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False)
WORDS = CELLS | st.text(st.characters(codec="utf-8"), max_size=5) | st.lists(st.integers(), max_size=2)


@pytest.fixture
def lines(tmp_path):
    """Write rows, or what is to stand in their place, one a line."""

    def write(*rows, name="history.ndjson"):
        path = tmp_path / name
        texts = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
        path.write_bytes(b"".join(text + b"\n" for text in texts))
        return path

    return write


def batches(path):
    return list(open_history(path, *parse_schema(DOCUMENT))())


def refused(path):
    with pytest.raises(SettingsError) as error:
        batches(path)
    return str(error.value)


def cells(column):
    """A column in words: numbers or texts, None where missing, "invalid" where so."""
    if isinstance(column, CategoricalColumn):
        table = [*column.values, "invalid", None]  # codes -2 and -1 count from the end
        return [table[code] for code in column.codes.tolist()]
    flags = zip(column.values.tolist(), column.missing.tolist(), column.invalid.tolist(), strict=True)
    return [None if missing else "invalid" if invalid else value for value, missing, invalid in flags]


@pytest.mark.parametrize("name", ["history.ndjson", "history.JSONL"])
def test_a_row_becomes_a_prediction_with_its_label(lines, name):
    [batch] = batches(lines(ROW, name=name))
    rows = batch.predictions
    assert (rows.n, rows.times.tolist(), rows.scores.tolist()) == (1, [1362132900.0], [0.25])
    assert (rows.outputs.tolist(), batch.labels.tolist()) == ([1], [0])
    assert (cells(rows.columns["x"]), cells(rows.columns["c"])) == ([1.5], ["u"])


@given(st.lists(WORDS, min_size=1, max_size=8))
def test_a_cell_means_what_it_means_at_the_intake(tmp_path_factory, found):
    path = tmp_path_factory.mktemp("lines") / "h.ndjson"
    path.write_text("".join(json.dumps(ROW | {"x": cell, "c": cell}) + "\n" for cell in found))
    [batch] = batches(path)

    def expected(meaning):
        said = [None if cell is None else meaning(cell) for cell in found]
        return [
            "invalid" if cell is not None and each is None else each for cell, each in zip(found, said, strict=True)
        ]

    columns = batch.predictions.columns
    assert cells(columns["x"]) == expected(number)
    assert cells(columns["c"]) == expected(word)


@pytest.mark.parametrize("time", [1362132900, 1362132900.0, "2013-03-01T05:15:00-05:00", "2013-03-01T10:15:00Z"])
def test_a_time_may_be_a_number_or_a_text(lines, time):
    [batch] = batches(lines(ROW | {"at": time}))
    assert batch.predictions.times.tolist() == [1362132900.0]


@pytest.mark.parametrize("time", [None, "soon", [1]])
def test_a_time_that_cannot_be_read_is_none(lines, time):
    [batch] = batches(lines(ROW | {"at": time}, ROW))
    assert np.isnan(batch.predictions.times).tolist() == [True, False]


def test_the_order_of_columns_those_not_asked_for_and_blank_lines_do_not_matter(lines):
    [batch] = batches(lines(ROW, b"", {"more": {"a": 1}} | dict(reversed(ROW.items())), b" \r"))
    assert cells(batch.predictions.columns["x"]) == [1.5, 1.5]


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'["x"]',
        b"x,c,y",
        b"NaN",
        b"\xff\xfe",
        b'{"x": 1} {"x": 2}',
        b'{"x": S3CRET}',
        b"[" * 100_000,
        b'{"x": ' + b"[" * 100_000,
    ],
)
def test_a_line_that_is_no_row_is_named_and_never_quoted(lines, body):
    said = refused(lines(ROW, b"", body, ROW))
    assert "line 3 is no JSON object" in said
    assert "S3CRET" not in said


def test_a_line_without_a_column_is_named_and_so_is_the_column(lines):
    assert "line 2 has no column c" in refused(lines(ROW, {name: cell for name, cell in ROW.items() if name != "c"}))


def test_a_column_that_no_line_has_is_told_before_anything_is_read(lines):
    assert "has no column x" in refused(lines({"c": "u"}))
    assert "has no column x" in refused(lines())


def test_a_line_that_is_too_long_is_named(lines, monkeypatch):
    monkeypatch.setattr(history_lines, "LINE_BYTES_MAX", 200)
    assert "line 2 is longer than 200 bytes" in refused(lines(ROW, ROW | {"c": "u" * 200}))


def test_rows_come_in_batches_and_none_is_lost(lines, monkeypatch):
    monkeypatch.setattr(history_lines, "BATCH_ROWS", 3)
    found = batches(lines(*(ROW | {"x": i} for i in range(7))))
    assert [batch.predictions.n for batch in found] == [3, 3, 1]
    assert [cell for batch in found for cell in cells(batch.predictions.columns["x"])] == list(range(7))


def test_long_rows_are_batched_by_their_bytes_and_none_is_lost(lines, monkeypatch):
    monkeypatch.setattr(history_lines, "BATCH_BYTES", 1000)
    found = batches(lines(*[ROW | {"key": f"{row}" * 400} for row in range(7)]))
    assert [batch.predictions.n for batch in found] == [3, 3, 1]
