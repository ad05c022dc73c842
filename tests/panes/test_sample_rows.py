"""Chosen rows as a table: every column means what its note says, and nothing sensitive gets into it."""

import io
from dataclasses import replace

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest

from monitor.facts import Feature, FeatureKind, ModelName, Schema, Task
from monitor.panes.count import NOT_ASKED
from monitor.panes.rows import Coded
from monitor.panes.sample_rows import FORMAT, Answers, Marks, sample_table
from monitor.panes.sampling import Chosen

N = 4
FEATURES = (
    Feature("x", FeatureKind.NUMERIC),
    Feature("c", FeatureKind.CATEGORICAL),
    Feature("age", FeatureKind.NUMERIC, sensitive=True),
)
SCHEMA = Schema(ModelName("m"), FEATURES, ("late", "on_time"), "late")
NAN = float("nan")


def of_task(task):
    return Schema(ModelName("m"), FEATURES, task=task)


@pytest.fixture
def table(rows):
    """sample_table of four rows of which `at` are chosen."""
    made = rows({"x": [1.5, None, "<bad>", NAN], "c": ["u", None, "v", "<bad>"], "age": [1, 2, "<bad>", 4]})
    made = replace(made, segments=Coded.of([{"origin": "EWR", "age": "30"}, None, {"b": "2", "a": "1"}, {"age": "1"}]))

    def build(schema=SCHEMA, at=(0, 1, 2, 3), **answers):
        given = {
            "outputs": np.array([0, 1, 2, 0], np.uint8),
            "scores": np.array([0.5, NAN, 0.25, 1.0]),
            "known_good_outputs": np.array([1, NOT_ASKED, 2, 0], np.uint8),
        }
        marks = Marks(
            np.array([2**64 - 1, 1, 2, 3], np.uint64), np.array([7, 7, 8, 8], np.uint32),
            np.array([0, 4, 0, 0], np.uint32), np.array([0, 1, 2, 0], np.uint8),
        )  # fmt: skip
        chosen = Chosen(np.array(at, np.intp), np.full(len(at), 0.5))
        return sample_table(schema, made, Answers(**(given | answers)), marks, chosen, {7: "sha256:a", 8: "sha256:b"})

    return build


def test_the_columns_are_those_of_the_note(table):
    assert table().column_names == [
        "id_hash", "time", "epoch", "bundle", "output", "score", "known_good_output", "source", "segment", "flags",
        "invalid", "stratum", "inclusion_probability", "f:x", "f:c",
    ]  # fmt: skip


def test_outputs_are_named_and_an_unknown_one_is_other(table):
    assert table()["output"].to_pylist() == ["late", "on_time", "__other__", "late"]
    assert table()["known_good_output"].to_pylist() == ["on_time", None, "__other__", "late"]
    assert table()["score"].to_pylist() == [0.5, None, 0.25, 1.0]


def test_missing_and_wrong_values_are_null_and_told_apart(table):
    assert table()["f:x"].to_pylist()[:3] == [1.5, None, None]
    assert np.isnan(table()["f:x"].to_pylist()[3])  # it came like that
    assert table()["f:c"].to_pylist() == ["u", None, "v", None]
    assert table()["invalid"].to_pylist() == [[], [], ["x"], ["c"]]


def test_a_sensitive_feature_leaves_no_trace(table):
    assert "age" not in str(table().to_pylist())


def test_segments_are_json_with_sorted_keys(table):
    assert table()["segment"].to_pylist() == ['{"origin":"EWR"}', None, '{"a":"1","b":"2"}', None]


def test_only_the_chosen_rows_are_there(table):
    part = table(at=(1, 3))
    assert part["id_hash"].to_pylist() == [1, 3]
    assert part["bundle"].to_pylist() == ["sha256:a", "sha256:b"]
    assert part["flags"].to_pylist() == [4, 0]
    assert part["inclusion_probability"].to_pylist() == [0.5, 0.5]


def test_an_empty_choice_has_the_same_columns(table):
    assert table(at=()).schema.equals(table().schema, check_metadata=True)


def test_more_than_two_classes_bring_probabilities_where_all_were_sent(table):
    schema = Schema(ModelName("m"), FEATURES, ("a", "b", "c"))
    given = np.full((N, 3), 0.25, np.float32)
    given[1, 2] = np.nan
    assert table(schema, probabilities=given)["probabilities"].to_pylist()[:2] == [[0.25] * 3, None]
    assert table(schema)["probabilities"].to_pylist() == [None] * N


def test_a_regression_has_values_instead_of_classes(table):
    values, known_good = np.array([1.0, NAN, np.inf, 2.0]), np.array([1.0, 2.0, NAN, NAN])
    made = table(of_task(Task.REGRESSION), values=values, known_good_values=known_good)
    assert {"output", "score", "known_good_output"}.isdisjoint(made.column_names)
    assert made["value"].null_count == 0
    assert made["known_good_value"].to_pylist() == [1.0, 2.0, None, None]


def test_a_ranking_has_the_length_of_its_list(table):
    made = table(of_task(Task.RANKING), values=np.array([3.0, 10.0, 0.0, 1.0]))
    assert made["value"].to_pylist() == [3, 10, 0, 1]
    assert "known_good_value" not in made.column_names


def test_a_feature_that_the_rows_lack_is_null(table):
    schema = msgspec.structs.replace(SCHEMA, features=(*FEATURES, Feature("new", FeatureKind.CATEGORICAL)))
    assert table(schema)["f:new"].null_count == N


def test_a_file_describes_itself(table):
    file = io.BytesIO()
    pq.write_table(table(), file)
    back = pq.read_table(io.BytesIO(file.getvalue()))
    assert str(back.to_pylist()) == str(table().to_pylist())  # as text, where NaN is NaN
    assert back.schema.metadata[b"tocsin.sample"] == FORMAT
    assert msgspec.json.decode(back.schema.metadata[b"tocsin.schema"], type=Schema) == SCHEMA
