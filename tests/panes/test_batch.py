"""What is written into a record is read from it, however hostile the cells."""

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recorded import NAN, SCHEMA, row

from monitor.facts import FeatureKind, Label, Prediction
from monitor.panes.batch import PROBABILITIES_MAX, encode_labels, encode_predictions
from monitor.panes.cells import number, word
from monitor.panes.decode import decode_labels, decode_predictions
from monitor.panes.rows import INVALID, MISSING, NumericColumn

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
HOSTILE = st.one_of(
    st.none(),
    st.booleans(),
    st.floats(),
    st.integers(),
    st.sampled_from(
        [NAN, math.inf, -math.inf, 10**400, -(10**400), 2**63, 2**53 + 1, 5.0, -0.0, 1e300, "", "5", "\ud800"]
    ),
    st.text(max_size=10),
    st.sampled_from([[], [1], {}, {"a": 1}]),
)
ROWS = st.builds(
    Prediction,
    id=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40),
    time=st.floats(0, 4e9),
    output=st.integers(0, 255),
    score=st.one_of(st.just(NAN), st.floats(0, 1)),
    features=st.dictionaries(st.sampled_from(["hour", "temp", "carrier", "id", "unknown"]), HOSTILE),
    source=TEXT,
    arrival=st.floats(0, 4e9),
    segment=st.none() | st.dictionaries(TEXT, TEXT, min_size=1, max_size=2),
    claimed_bundle=TEXT,
)
CLASSES = ("ash", "beech", "cedar", "date", "elm", "fir")
SHARES = st.none() | st.lists(st.floats(0, 1, width=32), min_size=6, max_size=6)
LABELS = st.builds(
    Label,
    id=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40),
    time=st.floats(0, 4e9),
    label=st.integers(0, 255),
    source=TEXT,
    arrival=st.floats(0, 4e9),
    prediction_time=st.none() | st.floats(0, 4e9),
)


def read_back(rows, name, read, column):
    """What a column must hold for these rows: one of missing, invalid, or the value itself."""
    for index, each in enumerate(rows):
        cell = each.features.get(name)
        value = None if cell is None else read(cell)
        if isinstance(column, NumericColumn):
            assert column.missing[index] == (cell is None)
            assert column.invalid[index] == (cell is not None and value is None)
            assert np.array_equal(column.values[index], NAN if value is None else value, equal_nan=True)
        elif value is None:
            assert column.codes[index] == (MISSING if cell is None else INVALID)
        else:
            assert column.values[column.codes[index]] == value


@settings(deadline=None, derandomize=True, max_examples=300)
@given(st.lists(ROWS, max_size=12))
def test_gives_back_every_hostile_cell(rows):
    found = decode_predictions(encode_predictions(rows, SCHEMA))
    assert list(found.columns) == ["hour", "temp", "carrier", "id"]
    for feature in SCHEMA.features:
        read = number if feature.kind is FeatureKind.NUMERIC else word
        read_back(rows, feature.name, read, found.columns[feature.name])


@settings(deadline=None, derandomize=True, max_examples=100)
@given(st.lists(ROWS, max_size=12))
def test_gives_back_every_envelope(rows):
    found = decode_predictions(encode_predictions(rows, SCHEMA))
    assert found.n == len(rows)
    assert found.ids.to_pylist() == [r.id for r in rows]
    assert found.times.tolist() == [r.time for r in rows]
    assert found.arrivals.tolist() == [r.arrival for r in rows]
    assert found.outputs.tolist() == [r.output for r in rows]
    assert np.array_equal(found.scores, [r.score for r in rows], equal_nan=True)
    assert found.sources.tolist() == [r.source for r in rows]
    assert found.claimed.tolist() == [r.claimed_bundle for r in rows]
    assert found.segments.tolist() == [r.segment for r in rows]


@settings(deadline=None, derandomize=True, max_examples=200)
@given(st.integers(3, PROBABILITIES_MAX), st.lists(SHARES, max_size=12))
def test_gives_back_the_probabilities_of_each_row_whether_its_neighbours_have_any_or_not(classes, given_):
    shares = [None if each is None else tuple(each[:classes]) for each in given_]
    schema = msgspec.structs.replace(SCHEMA, classes=CLASSES[:classes], positive=None)
    found = decode_predictions(encode_predictions([row({}, probabilities=each) for each in shares], schema))
    if not any(shares):
        assert found.probabilities is None
        return
    assert found.probabilities.dtype == np.float32
    assert np.array_equal(found.probabilities, [each or (NAN,) * classes for each in shares], equal_nan=True)


@settings(deadline=None, derandomize=True, max_examples=100)
@given(st.lists(LABELS, max_size=12))
def test_gives_back_every_label(rows):
    found = decode_labels(encode_labels(rows))
    hints = [NAN if r.prediction_time is None else r.prediction_time for r in rows]
    assert (found.n, found.ids.to_pylist()) == (len(rows), [r.id for r in rows])
    assert found.times.tolist() == [r.time for r in rows]
    assert found.arrivals.tolist() == [r.arrival for r in rows]
    assert found.labels.tolist() == [r.label for r in rows]
    assert found.sources.tolist() == [r.source for r in rows]
    assert np.array_equal(found.prediction_times, hints, equal_nan=True)


def test_leaves_out_what_the_schema_does_not_name():
    found = decode_predictions(encode_predictions([row({"hour": 1, "salary": 3})], SCHEMA))
    assert "salary" not in found.columns


def test_a_schema_of_one_feature_or_none_works():
    one = msgspec.structs.replace(SCHEMA, features=SCHEMA.features[:1])
    none = msgspec.structs.replace(SCHEMA, features=())
    assert decode_predictions(encode_predictions([row({"hour": 7})], one)).columns["hour"].values.tolist() == [7.0]
    assert decode_predictions(encode_predictions([row({"hour": 7})], none)).columns == {}


@pytest.mark.parametrize("bad", [{"id": "\ud800"}, {"source": "\ud800"}, {"output": 256}, {"output": -1}])
def test_refuses_what_intake_never_lets_through(bad):
    with pytest.raises((ValueError, OverflowError)):
        encode_predictions([row({}, **bad)], SCHEMA)


def test_the_same_rows_give_the_same_bytes():
    rows = [row({"hour": 1, "carrier": "UA"}), row({"hour": "x"})]
    assert encode_predictions(rows, SCHEMA) == encode_predictions(rows, SCHEMA)
