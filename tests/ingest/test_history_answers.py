"""What history says of each task's answers, in either kind of file."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from monitor.ingest.history import open_history
from monitor.panes.ranking import score_gains, score_place
from monitor.panes.schema import parse_schema

COLUMNS = {"prediction": "y", "label": "truth"}


def read(path, **document):
    schema, names = parse_schema({"model": "m", "features": {"x": "numeric"}, "columns": COLUMNS, **document})
    (batch,) = open_history(path, schema, names)()
    return batch


@pytest.fixture
def write(tmp_path):
    """Write the columns of a history in a kind of file."""

    def build(kind, **columns):
        path = tmp_path / f"history.{kind}"
        n = len(next(iter(columns.values())))
        table = pa.table({"x": pa.array([1.0] * n), **{name: pa.array(cells) for name, cells in columns.items()}})
        if kind == "parquet":
            pq.write_table(table, path)
        else:
            rows = zip(*(column.to_pylist() for column in table.columns), strict=True)
            lines = [
                ",".join("" if cell is None else f'"{cell}"' if "," in str(cell) else str(cell) for cell in row)
                for row in rows
            ]
            path.write_text("\n".join([",".join(table.column_names), *lines]) + "\n")
        return path

    return build


KINDS = pytest.mark.parametrize("kind", ["csv", "parquet"])


@KINDS
def test_numbers_are_predicted_and_labelled(write, kind):
    batch = read(write(kind, y=[1.5, None, -2.0], truth=[1.0, 2.0, None]), task="regression")
    assert batch.predictions.values.tolist() == pytest.approx([1.5, np.nan, -2.0], nan_ok=True)
    assert batch.labels.tolist() == pytest.approx([1.0, 2.0, np.nan], nan_ok=True)


def test_a_label_that_is_not_finite_is_none(write):
    batch = read(write("parquet", y=[1.0, np.inf], truth=[np.inf, np.nan]), task="regression")
    assert np.isnan(batch.labels).all()
    assert batch.predictions.values.tolist() == [1.0, np.inf]


def test_text_in_place_of_a_number_is_none(write):
    batch = read(write("csv", y=["1.5", "many"], truth=["?", "2"]), task="regression")
    assert batch.predictions.values.tolist() == pytest.approx([1.5, np.nan], nan_ok=True)
    assert batch.labels.tolist() == pytest.approx([np.nan, 2.0], nan_ok=True)


@KINDS
def test_lists_may_be_told_by_length_and_place(write, kind):
    batch = read(write(kind, y=[10, 20, None], truth=[1, 0, None]), task="ranking")
    assert batch.predictions.values.tolist() == pytest.approx([10.0, 20.0, np.nan], nan_ok=True)
    assert batch.labels.tolist() == pytest.approx([score_place(1), score_place(0), np.nan], nan_ok=True)


@KINDS
def test_lists_may_be_json(write, kind):
    batch = read(write(kind, y=["[7, 8, 9]", "[]", "{}"], truth=["[0, 2, 1]", "[1, -1]", "soon"]), task="ranking")
    assert batch.predictions.values.tolist() == pytest.approx([3.0, 0.0, np.nan], nan_ok=True)
    assert batch.labels.tolist() == pytest.approx([score_gains([0, 2, 1]), np.nan, np.nan], nan_ok=True)


def test_lists_may_be_lists(write):
    batch = read(write("parquet", y=[["a", "b"], None], truth=[[0.0, 1.0], [1.0, None]]), task="ranking")
    assert batch.predictions.values.tolist() == pytest.approx([2.0, np.nan], nan_ok=True)
    assert batch.labels.tolist() == pytest.approx([score_gains([0, 1]), np.nan], nan_ok=True)


@pytest.mark.parametrize("place", [-1, 2.5, np.inf])
def test_a_place_that_is_none_is_no_label(write, place):
    assert np.isnan(read(write("parquet", y=[5.0], truth=[place]), task="ranking").labels).all()


@KINDS
def test_probabilities_of_all_classes_are_read_together(write, kind):
    columns = {"prediction": "y", "probabilities": {"a": "pa", "b": "pb", "c": "pc"}}
    path = write(kind, y=["a", "c", "b"], pa=[0.5, 0.2, 0.1], pb=[0.25, 0.2, None], pc=[0.25, 0.6, 0.9])
    rows = read(path, classes=["a", "b", "c"], columns=columns).predictions
    assert rows.probabilities[:2].ravel().tolist() == pytest.approx([0.5, 0.25, 0.25, 0.2, 0.2, 0.6])
    assert np.isnan(rows.probabilities[2]).all()
    assert rows.scores.tolist() == pytest.approx([0.5, 0.6, np.nan], nan_ok=True)
