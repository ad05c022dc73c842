import math
from contextlib import suppress

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.errors import Corrupt
from monitor.facts import Feature, FeatureKind, Label, ModelName, Prediction, Schema
from monitor.panes.batch import (
    INVALID,
    MISSING,
    CategoricalColumn,
    NumericColumn,
    decode_labels,
    decode_predictions,
    encode_labels,
    encode_predictions,
    number,
    word,
)

NAN = math.nan
SCHEMA = Schema(
    ModelName("delays"),
    (
        Feature("hour", FeatureKind.NUMERIC),
        Feature("temp", FeatureKind.NUMERIC),
        Feature("carrier", FeatureKind.CATEGORICAL),
        Feature("id", FeatureKind.CATEGORICAL),  # a reserved name is an ordinary feature here
    ),
    ("late", "on_time"),
    "late",
)
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
LABELS = st.builds(
    Label,
    id=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40),
    time=st.floats(0, 4e9),
    label=st.integers(0, 255),
    source=TEXT,
    arrival=st.floats(0, 4e9),
    prediction_time=st.none() | st.floats(0, 4e9),
)


def row(features, **other):
    return Prediction(
        **({"id": "f-1", "time": 1.0, "output": 0, "score": NAN, "source": "gw", "arrival": 2.0} | other),
        features=features,
    )


def column(cells, name):
    rows = [row({} if cell is ... else {name: cell}) for cell in cells]
    return decode_predictions(encode_predictions(rows, SCHEMA)).columns[name]


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


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        (1, 1.0),
        (True, 1.0),
        (False, 0.0),
        (2**53 + 1, 2.0**53),
        (2**63, 2.0**63),
        (10**400, math.inf),
        (-(10**400), -math.inf),
    ],
)
def test_reads_as_number(cell, value):
    found = column([cell, 0.5], "hour")
    assert found.values.tolist() == [value, 0.5]
    assert not found.missing.any()
    assert not found.invalid.any()


@pytest.mark.parametrize("cell", ["", "5", "NaN", [], [1.0], {"a": 1}, "\ud800"])
def test_a_number_of_the_wrong_kind_is_invalid_and_its_neighbours_stay(cell):
    found = column([1.0, cell, None], "hour")
    assert found.invalid.tolist() == [False, True, False]
    assert found.missing.tolist() == [False, False, True]
    assert np.array_equal(found.values, [1.0, NAN, NAN], equal_nan=True)


def test_nan_and_inf_are_neither_missing_nor_invalid():
    found = column([NAN, math.inf, -math.inf], "hour")
    assert not found.missing.any()
    assert not found.invalid.any()
    assert np.array_equal(found.values, [NAN, math.inf, -math.inf], equal_nan=True)


@pytest.mark.parametrize(
    ("cell", "value"), [("UA", "UA"), ("", ""), (5, "5"), (5.0, "5"), (-0.0, "0"), (True, "true"), (False, "false")]
)
def test_reads_as_category(cell, value):
    found = column([cell, "x"], "carrier")
    assert [found.values[code] for code in found.codes] == [value, "x"]


@pytest.mark.parametrize("cell", [5.5, NAN, math.inf, [], {}, "\ud800", "a\udfff", 10**4000])
def test_a_category_of_the_wrong_kind_is_invalid_and_its_neighbours_stay(cell):
    found = column(["UA", cell, None, "UA"], "carrier")
    assert found.codes.tolist() == [0, INVALID, MISSING, 0]
    assert found.values == ("UA",)


@pytest.mark.parametrize("cell", [None, ...])
def test_null_and_absent_are_both_missing(cell):
    assert column([cell, cell], "hour").missing.all()
    assert column([cell, cell], "carrier").codes.tolist() == [MISSING, MISSING]


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


def test_takes_by_mask_by_index_and_by_slice():
    rows = [row({"hour": i, "carrier": "AB"[i % 2]}, id=f"f-{i}", segment={"o": str(i)}) for i in range(4)]
    found = decode_predictions(encode_predictions(rows, SCHEMA))
    assert found.take(np.array([True, False, False, True])).ids.to_pylist() == ["f-0", "f-3"]
    assert found.take(np.array([3, 1])).columns["hour"].values.tolist() == [3.0, 1.0]
    assert found.take(slice(1, 3)).segments.tolist() == [{"o": "1"}, {"o": "2"}]
    carriers = found.take(np.array([1])).columns["carrier"]
    assert carriers.values[carriers.codes[0]] == "B"
    assert found.take(np.array([], np.intp)).n == 0


def test_the_same_rows_give_the_same_bytes():
    rows = [row({"hour": 1, "carrier": "UA"}), row({"hour": "x"})]
    assert encode_predictions(rows, SCHEMA) == encode_predictions(rows, SCHEMA)


@pytest.mark.parametrize("body", [b"", b"junk", b"\xff" * 64])
def test_says_corrupt_when_it_is_no_record(body):
    with pytest.raises(Corrupt):
        decode_predictions(body)


def test_says_corrupt_when_another_version_wrote_it():
    body = encode_labels([Label("a", 1.0, 0, "ops", 2.0)])
    with pa.ipc.open_stream(body) as stream:
        table = stream.read_all().replace_schema_metadata({b"tocsin.batch": b"9"})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    with pytest.raises(Corrupt):
        decode_labels(bytes(sink.getvalue()))


def test_says_corrupt_when_labels_are_read_as_predictions():
    with pytest.raises(Corrupt):
        decode_predictions(encode_labels([Label("a", 1.0, 0, "ops", 2.0)]))


@settings(deadline=None, derandomize=True, max_examples=200)
@given(st.integers(0, 3000))
def test_a_truncated_record_is_corrupt_or_whole(cut):
    body = encode_predictions([row({"hour": 1, "carrier": "UA"})], SCHEMA)
    try:
        assert decode_predictions(body[:cut]).ids.to_pylist() == ["f-1"]
    except Corrupt:
        assert cut < len(body)


@settings(deadline=None, derandomize=True, max_examples=300)
@given(st.integers(0, 10_000), st.integers(0, 255))
def test_a_damaged_record_is_corrupt_or_read_but_never_another_error(at, byte):
    body = bytearray(
        encode_predictions([row({"hour": 1, "carrier": "UA"}, segment={"a": "b"}), row({"temp": "x"})], SCHEMA)
    )
    body[at % len(body)] = byte
    with suppress(Corrupt):
        assert decode_predictions(bytes(body)).n >= 0


def test_categories_survive_take_as_codes():
    assert CategoricalColumn(np.array([0, -1], np.int32), ("a",)).take(np.array([1])).codes.tolist() == [-1]
