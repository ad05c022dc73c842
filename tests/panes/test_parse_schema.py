"""The schema document is checked completely: all that is wrong is said at once."""

import pytest
import yaml

from monitor.errors import SettingsError
from monitor.facts import Feature, FeatureKind, Task
from monitor.panes.schema import ColumnNames, parse_schema

GOOD = """
model: delays
features: {hour: numeric, carrier: categorical}
classes: [on_time, late]
positive: late
columns: {prediction: answer, time: at, score: p_late, label: truth, id: flight}
"""


def document(**changes):
    return {**yaml.safe_load(GOOD), **changes}


def paths(found) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        parse_schema(found)
    return [problem.path for problem in caught.value.problems]


def test_a_good_document_becomes_a_schema_and_its_columns():
    schema, names = parse_schema(document())
    assert schema.features == (Feature("hour", FeatureKind.NUMERIC), Feature("carrier", FeatureKind.CATEGORICAL))
    assert (schema.model, schema.classes, schema.positive) == ("delays", ("on_time", "late"), "late")
    assert names == ColumnNames("answer", "at", "p_late", "truth", "flight")


def test_the_time_of_a_label_may_be_named():
    columns = {"prediction": "y", "label": "truth", "label_time": "told"}
    assert parse_schema(document(columns=columns))[1] == ColumnNames("y", label="truth", label_time="told")


def test_only_the_prediction_column_is_needed():
    assert parse_schema(document(columns={"prediction": "y"}))[1] == ColumnNames("y")


def test_more_classes_have_no_positive_one():
    assert parse_schema({**document(classes=["a", "b", "c"]), "positive": None})[0].positive is None


@pytest.mark.parametrize("found", [None, [], "model: x", 5])
def test_a_document_must_be_a_mapping(found):
    assert paths(found) == ["schema"]


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"model": ""}, "model"),
        ({"model": 5}, "model"),
        ({"features": {}}, "features"),
        ({"features": ["hour"]}, "features"),
        ({"features": {"hour": "number"}}, "features.hour"),
        ({"features": {"hour": ["numeric"]}}, "features.hour"),
        ({"features": {5: "numeric"}}, "features.5"),
        ({"features": {"x" * 201: "numeric"}}, "features." + "x" * 201),
        ({"classes": ["a"]}, "classes"),
        ({"classes": [str(i) for i in range(255)], "positive": None}, "classes"),
        ({"classes": ["late", "late"]}, "classes"),
        ({"classes": ["late", True]}, "classes.1"),
        ({"positive": None}, "positive"),
        ({"positive": "early"}, "positive"),
        ({"classes": ["a", "b", "late"]}, "positive"),
        ({"columns": None}, "columns"),
        ({"columns": {"time": "at"}}, "columns.prediction"),
        ({"columns": {"prediction": "hour"}}, "columns.prediction"),
        ({"columns": {"prediction": "y", "label": "y"}}, "columns.label"),
        ({"columns": {"prediction": "y", "time": 3}}, "columns.time"),
        ({"columns": {"prediction": "y", "when": "at"}}, "columns.when"),
        ({"colour": "red"}, "schema.colour"),
    ],
)
def test_each_fault_is_named_by_its_path(changes, path):
    assert paths(document(**changes)) == [path]


def test_all_faults_are_told_at_once():
    found = {"features": {"hour": "number"}, "classes": ["a", "b"], "columns": {}, "extra": 1}
    assert paths(found) == ["schema.extra", "model", "features.hour", "positive", "columns.prediction"]


NUMBERS = {"classes": None, "positive": None, "task": "regression", "columns": {"prediction": "y", "label": "truth"}}


@pytest.mark.parametrize("task", [Task.REGRESSION, Task.RANKING])
def test_numbers_and_lists_have_no_classes(task):
    schema, names = parse_schema(document(**{**NUMBERS, "task": task.value}))
    assert (schema.task, schema.classes, schema.positive) == (task, (), None)
    assert names == ColumnNames("y", label="truth")


def test_a_sensitive_feature_is_marked():
    features = {"hour": "numeric", "gender": {"kind": "categorical", "sensitive": True}, "age": {"kind": "numeric"}}
    assert parse_schema(document(features=features))[0].features == (
        Feature("hour", FeatureKind.NUMERIC),
        Feature("gender", FeatureKind.CATEGORICAL, sensitive=True),
        Feature("age", FeatureKind.NUMERIC),
    )


def test_probabilities_name_a_column_for_every_class():
    columns = {"prediction": "y", "probabilities": {"b": "p_b", "c": "p_c", "a": "p_a"}}
    changes = {"classes": ["a", "b", "c"], "positive": None, "columns": columns}
    assert parse_schema(document(**changes))[1].probabilities == ("p_a", "p_b", "p_c")


THREE = {"classes": ["a", "b", "c"], "positive": None}


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"task": "clustering"}, "task"),
        ({"task": ["regression"]}, "task"),
        ({**NUMBERS, "classes": ["a", "b"]}, "classes"),
        ({**NUMBERS, "positive": "a"}, "positive"),
        ({**NUMBERS, "columns": {"prediction": "y", "score": "p"}}, "columns.score"),
        ({**NUMBERS, "columns": {"prediction": "y", "probabilities": {}}}, "columns.probabilities"),
        ({"features": {"hour": {"kind": "number"}}}, "features.hour"),
        ({"features": {"hour": {"kind": "numeric", "sensitive": "yes"}}}, "features.hour.sensitive"),
        ({"features": {"hour": {"kind": "numeric", "colour": 1}}}, "features.hour.colour"),
        ({"columns": {"prediction": "y", "probabilities": {"on_time": "p"}}}, "columns.probabilities"),
        ({**THREE, "columns": {"prediction": "y", "probabilities": {"a": "p"}}}, "columns.probabilities"),
        (
            {**THREE, "columns": {"prediction": "y", "probabilities": {"a": "p", "b": "p", "c": "q"}}},
            "columns.probabilities.b",
        ),
    ],
)
def test_each_fault_of_a_task_is_named_by_its_path(changes, path):
    assert paths(document(**changes)) == [path]
