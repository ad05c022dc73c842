"""History files: cells mean what they mean at the intake, whatever the format; faults are told; memory is constant."""

import gzip
import json
import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from monitor.errors import SettingsError
from monitor.facts import Subject
from monitor.ingest.history import history_rows, open_history, parse_schema
from monitor.panes.batch import encode_predictions
from monitor.panes.build import NO_LABEL, build_reference
from monitor.panes.decode import decode_predictions
from monitor.panes.layout import Layout
from monitor.panes.reference import encode_reference
from monitor.panes.rows import CategoricalColumn

DOCUMENT = {
    "model": "m",
    "features": {"x": "numeric", "c": "categorical"},
    "classes": ["no", "yes"],
    "positive": "yes",
    "columns": {"prediction": "y", "time": "at", "score": "p", "label": "truth", "id": "key"},
}
HEADER = "x,c,y,at,p,truth,key\n"


def opened(path, **changes):
    schema, names = parse_schema({**DOCUMENT, **changes})
    return open_history(path, schema, names)


def read(path, **changes):
    """The only batch of a small file."""
    (batch,) = opened(path, **changes)()
    return batch


@pytest.fixture
def csv(tmp_path):
    def write(*lines: str, header: str = HEADER):
        path = tmp_path / "history.csv"
        path.write_text(header + "".join(line + "\n" for line in lines))
        return path

    return write


@pytest.fixture
def parquet(tmp_path):
    """Write a Parquet file of some columns; the others are filled in."""

    def write(**columns):
        n = len(next(iter(columns.values())))
        plain = {"x": [1.0] * n, "c": ["u"] * n, "y": ["no"] * n, "at": [0.0] * n}
        rest = {"p": [0.5] * n, "truth": ["no"] * n, "key": ["k"] * n}
        path = tmp_path / "history.parquet"
        pq.write_table(pa.table({**plain, **rest, **columns}), path)
        return path

    return write


def cells(column) -> list:
    """A column in words: numbers or texts, None where missing, "invalid" where so."""
    if isinstance(column, CategoricalColumn):
        table = [*column.values, "invalid", None]  # codes -2 and -1 count from the end
        return [table[code] for code in column.codes.tolist()]
    assert not (column.missing & column.invalid).any()
    flags = zip(column.values.tolist(), column.missing.tolist(), column.invalid.tolist(), strict=True)
    return [None if missing else "invalid" if invalid else value for value, missing, invalid in flags]


def test_a_row_of_csv_becomes_a_prediction_with_its_label(csv):
    batch = read(csv("1.5,u,yes,1362132900,0.25,no,f-1"))
    rows = batch.predictions
    assert (rows.n, rows.ids.to_pylist(), rows.times.tolist(), rows.scores.tolist()) == (
        1,
        ["f-1"],
        [1362132900.0],
        [0.25],
    )
    assert (rows.outputs.tolist(), batch.labels.tolist()) == ([1], [0])
    assert (cells(rows.columns["x"]), cells(rows.columns["c"])) == ([1.5], ["u"])


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *(("5", 5.0), ("5.0", 5.0), ("1e3", 1000.0), ("-0.5", -0.5), (" 7", 7.0), ("9007199254740993", 2.0**53)),
        *(("true", 1.0), ("False", 0.0), ("inf", float("inf")), ("1e400", float("inf"))),
        *(("", None), ("NA", None), ("null", None), ("N/A", None), ('""', None)),
        *(("abc", "invalid"), ("1_000", "invalid"), ('"NA"', "invalid"), ("1;2", "invalid")),
        *(
            ("2013-03-01T05:15:00-05:00", 1362132900.0),
            ("2013-03-01 10:15", 1362132900.0),
            ("2013-03-01", 1362096000.0),
        ),
    ],
)
def test_the_text_of_a_numeric_cell_means(csv, text, number):
    mixed = csv(f"{text},u,no,0,0,no,k", "2,u,no,0,0,no,k")
    assert cells(read(mixed).predictions.columns["x"]) == [number, 2.0]


def test_nan_in_csv_is_no_missing_value(csv):
    column = read(csv("nan,u,no,0,0,no,k")).predictions.columns["x"]
    assert (np.isnan(column.values[0]), column.missing[0], column.invalid[0]) == (True, False, False)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        *(("UA", "UA"), ("5", "5"), ("5.0", "5"), ("05", "05"), ("5.5", "5.5"), ("True", "true"), ("false", "false")),
        *(("", None), ("NA", None), ('"NA"', "NA"), ('""', ""), ('"a,b"', "a,b"), ("nan", "nan"), ("É", "É")),
    ],
)
def test_the_text_of_a_categorical_cell_means(csv, text, word):
    assert cells(read(csv(f"1,{text},no,0,0,no,k")).predictions.columns["c"]) == [word]


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array([1, None, -3], pa.int8()), [1.0, None, -3.0]),
        (pa.array([2**63 + 1, 2**53 + 1, None], pa.uint64()), [2.0**63, 2.0**53, None]),
        (pa.array([True, False, None]), [1.0, 0.0, None]),
        (pa.array([Decimal("1.5"), None]), [1.5, None]),
        (pa.array([datetime(2013, 3, 1, 10, 15, tzinfo=UTC), None], pa.timestamp("ns", "UTC")), [1362132900.0, None]),
        (pa.array([datetime(2013, 3, 1, 10, 15)], pa.timestamp("ms")), [1362132900.0]),  # noqa: DTZ001  # names no zone
        (pa.array([date(1970, 1, 2)]), [86400.0]),
        (pa.array(["5", None]), ["invalid", None]),
        (pa.array([[1.0], None]), ["invalid", None]),
        (pa.nulls(2), [None, None]),
        (pa.array([1.5, None, 1.5]).dictionary_encode(), [1.5, None, 1.5]),
    ],
)
def test_a_numeric_cell_of_parquet_means(parquet, column, expected):
    assert cells(read(parquet(x=column)).predictions.columns["x"]) == expected


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array(["UA", None, "UA"]), ["UA", None, "UA"]),
        (pa.array(["UA", None]).dictionary_encode(), ["UA", None]),
        (pa.array([5, None, 5]), ["5", None, "5"]),
        (pa.array([True, False]), ["true", "false"]),
        (pa.array([5.0, 5.5, None]), ["5", "invalid", None]),
        (pa.array([date(1970, 1, 2), None]), ["invalid", None]),
        (pa.nulls(2), [None, None]),
    ],
)
def test_a_categorical_cell_of_parquet_means(parquet, column, expected):
    assert cells(read(parquet(c=column)).predictions.columns["c"]) == expected


def test_parquet_means_what_the_same_rows_mean_at_the_intake(parquet):
    from monitor.facts import Prediction

    schema, _ = parse_schema(DOCUMENT)
    x, c = [1.5, None, float("nan"), 2.0**60], ["u", None, "", "w"]
    rows = [Prediction(str(i), 0.0, 0, 0.5, {"x": x[i], "c": c[i]}, "s", 0.0) for i in range(4)]
    live = decode_predictions(encode_predictions(rows, schema)).columns
    history = read(parquet(x=pa.array(x, from_pandas=False), c=c)).predictions.columns
    assert str(cells(history["x"])) == str(cells(live["x"]))
    assert cells(history["c"]) == cells(live["c"])


@pytest.mark.parametrize(("text", "output"), [("no", 0), ("yes", 1), ("maybe", 2), ("", 2)])
def test_a_prediction_is_a_class_or_another(csv, text, output):
    assert read(csv(f"1,u,{text},0,0,no,k")).predictions.outputs.tolist() == [output]


@pytest.mark.parametrize(("text", "label"), [("no", 0), ("yes", 1), ("maybe", 2), ("", NO_LABEL)])
def test_a_label_is_a_class_another_or_none(csv, text, label):
    assert read(csv(f"1,u,no,0,0,{text},k")).labels.tolist() == pytest.approx([label], nan_ok=True)


@pytest.mark.parametrize(
    ("classes", "cell", "output"), [(["0", "1"], 1, 1), (["0", "1"], 1.0, 1), (["false", "true"], True, 1)]
)
def test_classes_may_be_numbers_or_booleans_in_the_file(parquet, csv, classes, cell, output):
    changes = {"classes": classes, "positive": classes[1]}
    assert read(parquet(y=[cell]), **changes).predictions.outputs.tolist() == [output]
    assert read(csv(f"1,u,{cell},0,0,,k"), **changes).predictions.outputs.tolist() == [output]


def test_columns_that_are_not_named_are_not_needed(csv):
    batch = read(csv("1,u,yes", header="x,c,y\n"), columns={"prediction": "y"})
    assert np.isnan(batch.predictions.times).all()
    assert np.isnan(batch.predictions.scores).all()
    assert np.isnan(batch.labels).all()


def test_other_columns_of_the_file_are_not_read(csv):
    batch = read(csv("x?,1,u,yes", header="secret,x,c,y\n"), columns={"prediction": "y"})
    assert set(batch.predictions.columns) == {"x", "c"}


def test_csv_and_parquet_of_the_same_rows_make_the_same_reference(tmp_path):
    rng = np.random.default_rng(1)
    n = 30_000
    table = pa.table(
        {
            "x": pa.array(rng.normal(size=n), mask=rng.random(n) < 0.1),
            "c": pa.array(rng.choice(["u", "v", "w"], n), mask=rng.random(n) < 0.1),
            "y": rng.choice(["no", "yes"], n),
            "at": np.arange(n, dtype=float),
            "p": rng.random(n),
            "truth": pa.array(rng.choice(["no", "yes"], n), mask=rng.random(n) < 0.2),
            "key": np.arange(n),
        }
    )
    pa_csv.write_csv(table, tmp_path / "h.csv")
    pq.write_table(table, tmp_path / "h.parquet", row_group_size=7000)
    (tmp_path / "h.csv.gz").write_bytes(gzip.compress((tmp_path / "h.csv").read_bytes()))
    schema = parse_schema(DOCUMENT)[0]
    bodies = {
        encode_reference(build_reference(opened(tmp_path / name), schema, lambda _: None))
        for name in ("h.csv", "h.parquet", "h.csv.gz", "h.csv")
    }
    assert len(bodies) == 1


def test_a_reference_from_a_file_counts_all_of_it(csv):
    path = csv("1,u,yes,10,0.5,yes,a", "2,v,no,20,0.25,,b", ",,no,30,,no,c")
    layout = Layout.of(build_reference(opened(path), parse_schema(DOCUMENT)[0], lambda _: None))
    outcomes = layout.view(layout.reference_pane(), Subject.OUTCOMES)
    assert (layout.reference.rows, layout.reference.start, layout.reference.end) == (3, 10.0, 30.0)
    assert (outcomes.labelled, outcomes.wrong, outcomes.scored) == (2, 0, 1)


def test_parquet_knows_its_rows_and_csv_does_not(csv, parquet):
    assert history_rows(parquet(x=[1.0, 2.0])) == 2
    assert history_rows(csv("1,u,no,0,0,no,k")) is None


def problems(call) -> str:
    with pytest.raises(SettingsError) as caught:
        call()
    return str(caught.value)


def test_every_absent_or_doubled_column_is_told(csv):
    told = problems(lambda: opened(csv(header="x,x,y,at\n")))
    assert [line.split(": ")[1].split(" (")[0] for line in told.splitlines()] == [
        *("has more than one column x", "has no column c", "has no column p", "has no column truth"),
        "has no column key",
    ]


def test_a_file_without_rows_says_so(csv, parquet):
    schema = parse_schema(DOCUMENT)[0]
    for path in (csv(), parquet(x=pa.array([], pa.float64()))):
        assert "has no rows" in problems(lambda path=path: build_reference(opened(path), schema, lambda _: None))


def test_a_column_of_times_of_which_none_can_be_read_is_no_history_without_times(csv):
    told = problems(lambda: list(opened(csv("1,u,no,15.01.2026 05:00,0,no,k", "1,u,no,,0,no,k"))()))
    assert "has no time in column at that can be read" in told
    assert "2026-01-31T08:00:00Z" in told
    for readable in ("", "2026-01-15T05:00:00Z"):  # nobody said when, or somebody did
        assert len(list(opened(csv(f"1,u,no,{readable},0,no,k", f"1,u,no,{readable and 'soon'},0,no,k"))())) == 1


def test_a_line_of_other_length_is_named_and_not_quoted(csv):
    path = csv("1,u,no,0,0,no,k", "2,canary")
    told = problems(lambda: list(opened(path)()))
    assert "line 3 has 2 cells where the header has 7" in told
    assert "canary" not in told


@pytest.mark.parametrize("name", ["h.csv", "h.parquet", "h.csv.gz"])
@pytest.mark.parametrize("body", [b"", b"\xff\xfe\x00", b"PAR1canaryPAR1"])
def test_a_file_that_is_not_what_its_name_says_is_told_without_its_text(tmp_path, name, body):
    (tmp_path / name).write_bytes(body)
    assert "canary" not in problems(lambda: list(opened(tmp_path / name)()))


def test_text_that_is_no_unicode_is_told(tmp_path):
    (tmp_path / "h.csv").write_bytes(HEADER.encode() + b"1,\xff,no,0,0,no,k\n")
    assert "damaged" in problems(lambda: list(opened(tmp_path / "h.csv")()))


def test_a_truncated_parquet_file_is_told(parquet):
    path = parquet(x=np.random.default_rng(0).random(1000))
    path.write_bytes(path.read_bytes()[:-20])
    assert problems(lambda: opened(path))


def test_a_file_that_is_absent_or_of_no_known_kind_is_told(tmp_path):
    assert "No such file" in problems(lambda: opened(tmp_path / "h.parquet"))
    assert "h.csv" in problems(lambda: opened(tmp_path / "h.csv"))
    assert "no known kind" in problems(lambda: opened(tmp_path / "h.xlsx"))


SOAK = """
import json, resource, sys
from pathlib import Path
from monitor.ingest.history import open_history, parse_schema
from monitor.panes.build import build_reference
path, document = Path(sys.argv[1]), json.loads(sys.argv[2])
schema, names = parse_schema(document)
reference = build_reference(open_history(path, schema, names), schema, lambda _: None)
usage = resource.getrusage(resource.RUSAGE_SELF)
status = Path("/proc/self/status").read_text()  # ru_maxrss begins with what the process that started this one had
peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
print(json.dumps({"rows": reference.rows, "mb": peak / 1024, "cpu_s": usage.ru_utime + usage.ru_stime}))
"""
WIDE = {
    "model": "m",
    "features": {f"x{i}": "numeric" for i in range(18)} | {"c0": "categorical", "c1": "categorical"},
    "classes": ["no", "yes"],
    "positive": "yes",
    "columns": {"prediction": "y", "score": "p", "time": "at"},
}
MONDAY_S, FORTNIGHT_S = 1_704_067_200.0, 14 * 86_400.0


def write_wide(path, rows: int) -> None:
    """Rows of 20 features and of two weeks, written in parts of 100,000; no part is in the order of time."""
    rng, writer = np.random.default_rng(3), None
    for _ in range(rows // 100_000):
        n = 100_000
        columns = {f"x{i}": rng.normal(size=n).round(5) for i in range(18)}
        columns |= {"c0": rng.choice(["u", "v"], n), "c1": rng.integers(0, 3000, n).astype(str)}
        columns |= {"y": rng.choice(["no", "yes"], n), "p": rng.random(n).round(4)}
        part = pa.table({**columns, "at": (MONDAY_S + rng.random(n) * FORTNIGHT_S).round(3)})
        if writer is None:
            writer = (pq.ParquetWriter if path.suffix == ".parquet" else pa_csv.CSVWriter)(path, part.schema)
        writer.write_table(part)
    writer.close()


@pytest.mark.soak
@pytest.mark.parametrize(("kind", "many"), [("csv", 2_000_000), ("parquet", 10_000_000)])
def test_memory_does_not_depend_on_the_rows(tmp_path, kind, many):
    used = []
    for rows in (200_000, many):
        path = tmp_path / f"{rows}.{kind}"
        write_wide(path, rows)
        told = subprocess.run(
            [sys.executable, "-c", SOAK, str(path), json.dumps(WIDE)], check=True, capture_output=True, text=True
        )
        used.append(json.loads(told.stdout))
        path.unlink()
    assert used[1]["rows"] == many
    assert used[1]["mb"] < min(320, used[0]["mb"] + 25), used
