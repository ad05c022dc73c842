"""Rows as Arrow columns and the same rows as JSON lines: the same are kept, refused, dropped and written."""

import json
import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ingest_service import DELAYS, DIGITS, NOW
from streams import stream

from monitor.facts import Feature, FeatureKind, ModelName, RejectReason, RowKind, Schema, Task
from monitor.ingest.accept import Known, Setting
from monitor.ingest.arrow.judge import judge_stream
from monitor.ingest.counters import Claim
from monitor.ingest.decode import ARROW, decode_lines
from monitor.ingest.intake import judge
from monitor.ingest.limits import Limits
from monitor.panes.batch import encode_labels, encode_predictions
from monitor.panes.decode import decode_labels, decode_predictions

LIMITS = Limits(ahead_max_s=300, behind_max_s=86_400, rejections_max=3)
PRICES = Schema(ModelName("prices"), (Feature("hour", FeatureKind.NUMERIC),), task=Task.REGRESSION)
SEARCH = Schema(ModelName("search"), (Feature("carrier", FeatureKind.CATEGORICAL),), task=Task.RANKING)
ODD = Schema(ModelName("odd"), tuple(Feature(n, FeatureKind.NUMERIC) for n in ("id", "features.id")), ("a", "b"), "b")
SCHEMAS = {schema.model: schema for schema in (DELAYS, DIGITS, PRICES, SEARCH, ODD)}
KNOWN = {name: Known.of(schema) for name, schema in SCHEMAS.items()}


def setting(*names, bound="gateway-1"):
    return Setting.of({name: KNOWN[name] for name in names or KNOWN}, bound, NOW, LIMITS)


# ---------------------------------------------------------------- the same rows, twice


def as_json(columns):
    """The rows as JSON lines; None is left out, as null is in Arrow."""
    rows = []
    for at in range(len(next(iter(columns.values())))):
        row = {}
        for name, array in columns.items():
            if (cell := plain(array[at])) is not None:
                row[name] = cell
        envelope = {name: cell for name, cell in row.items() if name in NAMES}
        features = {name.removeprefix("features."): cell for name, cell in row.items() if name not in NAMES}
        rows.append(json.dumps(envelope | {"features": features}))
    return "\n".join(rows).encode()


NAMES = {"id", "time", "model", "bundle", "prediction", "scores", "segment", "source", "label", "prediction_time"}


def plain(scalar):
    """A cell as JSON has it: entries of a null are none, a map is an object."""
    value = scalar.as_py()
    if value is not None and pa.types.is_map(scalar.type):
        return {key: item for key, item in value if item is not None}
    return {key: each for key, each in value.items() if each is not None} if isinstance(value, dict) else value


def cells(column):
    if hasattr(column, "codes"):
        table = [*column.values, "<invalid>", None]
        return [table[code] for code in column.codes.tolist()]
    return [
        repr(each)
        for each in zip(column.values.tolist(), column.missing.tolist(), column.invalid.tolist(), strict=True)
    ]


def written(rows):
    """All that a record of predictions says."""
    matrix = None if rows.probabilities is None else np.nan_to_num(rows.probabilities, nan=-1).tolist()
    texts = (rows.ids.to_pylist(), rows.sources.tolist(), rows.claimed.tolist(), rows.segments.tolist())
    numbers = [repr(each.tolist()) for each in (rows.times, rows.arrivals, rows.outputs, rows.scores, rows.values)]
    return texts, numbers, matrix, {name: cells(column) for name, column in rows.columns.items()}


def noted(labels):
    numbers = (labels.times, labels.arrivals, labels.labels, labels.prediction_times)
    return labels.ids.to_pylist(), labels.sources.tolist(), [repr(each.tolist()) for each in numbers]


def both(columns, where, kind=RowKind.PREDICTIONS, batch_rows=None):
    """What was kept by model, and the tally; fails if the two ways differ."""
    rows, expected = judge(kind, as_json(columns), decode_lines, where, LIMITS)
    found, tally = judge_stream(kind, stream(columns, batch_rows), where, LIMITS)
    assert list(found) == list(rows)
    assert (tally.rejected, tally.rejections) == (expected.rejected, expected.rejections)
    assert tally.dropped == expected.dropped
    for model, ready in found.items():
        if kind is RowKind.PREDICTIONS:
            one = encode_predictions(rows[model], SCHEMAS[model])
            assert written(decode_predictions(ready.body)) == written(decode_predictions(one))
        else:
            assert noted(decode_labels(ready.body)) == noted(decode_labels(encode_labels(rows[model])))
    return found, tally


def test_scores_that_are_codes_of_numbers_are_scores():
    coded = pa.array([0.5, None, 0.5]).dictionary_encode()
    columns = {"id": pa.array(["a", "b", "c"]), "prediction": pa.array(["late"] * 3), "scores": coded}
    found, tally = both(columns | {"time": pa.array([NOW] * 3)}, setting("delays"))
    assert decode_predictions(found["delays"].body).scores.tolist()[::2] == [0.5, 0.5]
    assert not tally.dropped


TEXTS = ["", "a", "late", "on_time", "1", "true", "é" * 256, "x" * 257, "gateway-1", "crowd/a", "😀", "UA", "a\x00"]
TIMES = ["2013-03-01T05:15:00-05:00", "2013-03-01T10:15:00Z", "2013-03-01T10:15:00", "x", "2013-03-09T10:15:00Z"]
FLOATS = st.sampled_from([0.0, -0.0, 1.0, 0.5, 5.0, -1.0, 1.5, math.nan, math.inf, -math.inf, 1e300, NOW, NOW + 301])
INTS = st.sampled_from([0, 1, -1, 2, 5, 2**53 + 1, 2**62, int(NOW), int(NOW) - 86_401])
TEXT = st.sampled_from(TEXTS)
SIMPLE = [
    (pa.float64(), FLOATS),
    (pa.int64(), INTS),
    (pa.bool_(), st.booleans()),
    (pa.string(), TEXT),
    (pa.large_string(), TEXT),
    (pa.dictionary(pa.int8(), pa.string()), TEXT),
    (pa.dictionary(pa.uint32(), pa.int64()), INTS),
    (pa.int16(), st.integers(-3, 300)),
    (pa.float32(), st.sampled_from([0.5, 1.0, 2.0, -0.25])),
    (pa.null(), st.none()),
]
ITEMS = st.sampled_from([0.0, 0.5, 1.0, 2.0, -1.0, math.nan])
SHARES = [
    (pa.list_(pa.float64()), st.lists(st.none() | ITEMS, max_size=4)),
    (pa.list_(pa.float32(), 3), st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=3, max_size=3)),
    (pa.large_list(pa.int64()), st.lists(st.integers(0, 2), max_size=3)),
    (pa.list_(pa.string()), st.lists(TEXT, max_size=3)),
    (pa.struct([("late", pa.float64()), ("1", pa.float64())]), st.fixed_dictionaries({"late": ITEMS, "1": ITEMS})),
    (
        pa.struct([(name, pa.float64()) for name in "012"]),
        st.fixed_dictionaries({name: st.none() | st.sampled_from([0.25, 0.5]) for name in "012"}),
    ),
    (pa.map_(pa.string(), pa.float64()), st.dictionaries(st.sampled_from(["late", "0", "1", "2"]), ITEMS, max_size=4)),
]
PLACES = [
    (pa.struct([("o", pa.string()), ("d", pa.string())]), st.fixed_dictionaries({"o": TEXT, "d": st.none() | TEXT})),
    (pa.struct([("o", pa.int64())]), st.fixed_dictionaries({"o": st.none() | INTS})),
    (pa.map_(pa.string(), pa.string()), st.dictionaries(st.sampled_from("abcdefghij"), TEXT, max_size=10)),
]
STRANGE = [
    (pa.string(), st.sampled_from(TIMES)),
    (pa.dictionary(pa.int32(), pa.string()), st.sampled_from(TIMES)),
]


def column(kinds, n):
    """Any column of n cells of one of the kinds."""
    return st.sampled_from(kinds).flatmap(
        lambda pair: st.lists(st.none() | pair[1], min_size=n, max_size=n).map(
            lambda values: pa.array(
                [list(v.items()) if pa.types.is_map(pair[0]) and v is not None else v for v in values], pair[0]
            )
        )
    )


def stamps(n):
    moment = st.sampled_from([NOW, NOW - 1.5, NOW + 400, NOW - 90_000.0])
    return st.lists(moment, min_size=n, max_size=n).map(pa.array)


@st.composite
def tables(draw, wanted, kinds):
    n = draw(st.integers(1, 6))
    found = {"id": draw(column(SIMPLE[3:6] + SIMPLE[1:2], n)), "time": draw(stamps(n) | column(SIMPLE + STRANGE, n))}
    for name in wanted:
        if draw(st.booleans()):
            found[name] = draw(column(kinds.get(name, SIMPLE), n))
    return found


PREDICTED = ["prediction", "bundle", "scores", "segment", "source", "hour", "temp", "carrier", "ink", "other"]
KINDS = {"scores": SHARES + SIMPLE, "segment": PLACES + SIMPLE[3:4], "prediction": SIMPLE + SHARES[:4]}
LABELLED = ["label", "source", "prediction_time"]
LABEL_KINDS = {"label": SIMPLE + SHARES[:4], "prediction_time": SIMPLE + STRANGE}


@settings(max_examples=400, deadline=None)
@given(tables(PREDICTED, KINDS), st.sampled_from(list(SCHEMAS)[:4]), st.sampled_from(["gateway-1", "crowd/*"]))
def test_predictions_are_judged_alike(columns, model, bound):
    both(columns, setting(model, bound=bound))


@settings(max_examples=300, deadline=None)
@given(tables(LABELLED, LABEL_KINDS), st.sampled_from(list(SCHEMAS)[:4]), st.sampled_from(["gateway-1", "crowd/*"]))
def test_labels_are_judged_alike(columns, model, bound):
    both(columns, setting(model, bound=bound), RowKind.LABELS)


@settings(max_examples=150, deadline=None)
@given(st.data(), tables(PREDICTED, KINDS), st.integers(1, 4))
def test_rows_of_several_models_in_several_batches_are_judged_alike(data, columns, batch_rows):
    n = len(columns["id"])
    names = st.none() | st.sampled_from(["delays", "digits", "prices", "search", "nobody"])
    columns["model"] = pa.array(data.draw(st.lists(names, min_size=n, max_size=n)), pa.string())
    both(columns, setting(), batch_rows=batch_rows)


# ---------------------------------------------------------------- what senders do


ROWS = {"id": ["f-1", "f-2"], "prediction": ["late", "on_time"], "hour": [5.5, None], "carrier": ["UA", "AA"]}


def kept(columns, *names, kind=RowKind.PREDICTIONS, **rest):
    """The rows of the first model that were kept, and the tally."""
    found, tally = judge_stream(kind, stream(columns), setting(*names or ["delays"], **rest), LIMITS)
    decode = decode_predictions if kind is RowKind.PREDICTIONS else decode_labels
    return (decode(next(iter(found.values())).body) if found else None), tally


def test_reads_a_column_a_feature():
    rows, tally = kept(ROWS)
    assert (rows.ids.to_pylist(), rows.outputs.tolist(), rows.arrivals.tolist()) == (["f-1", "f-2"], [0, 1], [NOW, NOW])
    assert cells(rows.columns["hour"]) == ["(5.5, False, False)", "(nan, True, False)"]
    assert cells(rows.columns["carrier"]) == ["UA", "AA"]
    assert not tally.rejected


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_a_timestamp_with_a_time_zone_is_a_time(unit):
    ticks = int(NOW) * {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    rows, _ = kept(ROWS | {"time": pa.array([ticks, None], pa.timestamp(unit, "America/New_York"))})
    assert rows.times.tolist() == [NOW, NOW]


@pytest.mark.parametrize("kind", [pa.timestamp("us"), pa.date32(), pa.time64("us"), pa.duration("s"), pa.bool_()])
def test_what_is_no_moment_is_no_time(kind):
    _, tally = kept(
        ROWS
        | {"time": pa.array([1, 1]).cast(pa.int32()).cast(kind) if kind == pa.date32() else pa.array([1, 1]).cast(kind)}
    )
    assert tally.rejected == {RejectReason.TIME_INVALID: 2}


@pytest.mark.parametrize(
    "array",
    [
        pa.array(["5", "6"]),
        pa.array([[1.0], [2.0]]),
        pa.array([b"5", b"6"]),
        pa.array([1, 2], pa.timestamp("s")),
        pa.array(["a view", "b"], pa.string_view()),
        pa.RunEndEncodedArray.from_arrays([1, 2], ["a", "b"]),
        pa.UnionArray.from_sparse(pa.array([0, 0], pa.int8()), [pa.array(["a", "b"])]),
        pa.array([{"a": 1}, {"a": 2}]),
        pa.array([{"a": [1]}, {"a": []}]),
        pa.array(["x", "y"]).dictionary_encode(),
    ],
    ids=lambda array: str(array.type)[:30],
)
def test_a_column_of_the_wrong_type_is_invalid_in_its_cells_and_refuses_no_row(array):
    rows, tally = kept(ROWS | {"hour": array})
    assert rows.columns["hour"].invalid.tolist() == [True, True]
    assert not tally.rejected


@pytest.mark.parametrize("kind", [pa.list_(pa.int8()), pa.binary(), pa.large_binary(), pa.string_view(), pa.date32()])
def test_null_is_missing_in_a_column_of_the_wrong_type(kind):
    rows, _ = kept(ROWS | {"hour": pa.nulls(2, kind), "carrier": pa.nulls(2, kind)})
    assert rows.columns["hour"].missing.all()
    assert rows.columns["carrier"].codes.tolist() == [-1, -1]


@pytest.mark.parametrize("kind", [pa.float16(), pa.float32(), pa.int8(), pa.uint64(), pa.decimal128(25, 2), pa.bool_()])
def test_any_number_counts_as_a_number(kind):
    rows, _ = kept(ROWS | {"hour": pa.array([1, None]).cast(pa.float32() if kind == pa.float16() else kind).cast(kind)})
    assert cells(rows.columns["hour"]) == ["(1.0, False, False)", "(nan, True, False)"]


def test_nan_and_infinity_stay_as_they_are():
    rows, _ = kept(ROWS | {"hour": [math.nan, -math.inf]})
    assert cells(rows.columns["hour"]) == ["(nan, False, False)", "(-inf, False, False)"]


def test_a_canonical_extension_is_what_it_is_stored_as():
    rows, _ = kept(ROWS | {"hour": pa.array([1, None], pa.bool8()), "carrier": pa.array(["1", "2"], pa.json_())})
    assert cells(rows.columns["hour"]) == ["(1.0, False, False)", "(nan, True, False)"]
    assert cells(rows.columns["carrier"]) == ["1", "2"]


def test_a_feature_with_the_name_of_a_field_has_a_prefix():
    columns = {"id": ["f-1"], "prediction": ["a"], "features.id": [1.0], "features.features.id": [2.0]}
    rows, tally = kept(columns, "odd")
    assert {name: column.values.tolist() for name, column in rows.columns.items()} == {
        "id": [1.0],
        "features.id": [2.0],
    }
    assert not tally.unknown


def test_columns_of_no_feature_are_counted_once_each():
    _, tally = kept(ROWS | {"salary": [1, 2], "features.hour": [1, 2], "ink": [1, 2]})
    assert {model: len(names) for model, names in tally.unknown.items()} == {"delays": 3}


def test_refused_rows_are_told_by_index_and_the_others_are_kept():
    columns = {"id": ["a", None, "c", "", "e", "f"], "prediction": ["late", "late", None, "late", "late", "late"]}
    rows, tally = kept(columns | {"time": [NOW, NOW, NOW, NOW, math.nan, NOW + 301]})
    assert rows.ids.to_pylist() == ["a"]
    assert [(each.index, each.reason.value) for each in tally.rejections] == [
        (1, "id_missing"),
        (2, "prediction_missing"),
        (3, "id_invalid"),
    ]
    assert tally.rejected.total() == 5


def test_what_only_refused_rows_said_is_not_written():
    columns = {"id": ["a", ""], "prediction": ["late"] * 2, "carrier": pa.array(["UA", "secret"]).dictionary_encode()}
    rows, _ = kept(columns)
    assert rows.columns["carrier"].values == ("UA",)


def test_a_dictionary_is_never_written_out_row_by_row():
    wide = pa.DictionaryArray.from_arrays(pa.array([0] * 1_000, pa.int16()), pa.array(["x" * 100_000, "y"]))
    columns = {"id": [f"f-{i}" for i in range(1_000)], "prediction": ["late"] * 1_000, "carrier": wide, "source": wide}
    ready, _ = judge_stream(RowKind.PREDICTIONS, stream(columns), setting("delays"), LIMITS)
    assert len(ready["delays"].body) < 500_000


def test_ids_may_be_a_dictionary_of_any_length():
    ids = pa.DictionaryArray.from_arrays(pa.array([0, 1, 1, None]), pa.array(["x" * 100_000, "f-1"]))
    rows, tally = kept({"id": ids, "prediction": ["late"] * 4})
    assert rows.ids.to_pylist() == ["f-1", "f-1"]
    assert tally.rejected == {RejectReason.ID_INVALID: 1, RejectReason.ID_MISSING: 1}


def test_a_dictionary_may_hold_a_value_twice_or_none():
    carrier = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, None]), pa.array(["UA", "UA", None]))
    rows, _ = kept({"id": list("abcd"), "prediction": ["late"] * 4, "carrier": carrier})
    assert cells(rows.columns["carrier"]) == ["UA", "UA", None, None]


def test_all_probabilities_of_few_classes_are_kept_where_they_are_all_there():
    scores = pa.array([[0.1, 0.2, 0.7], [0.5, 0.5], None, [0.1, 0.2, 7]], pa.list_(pa.float64()))
    rows, tally = kept({"id": list("abcd"), "prediction": ["2", "0", "1", "0"], "scores": scores}, "digits")
    assert np.array_equal(rows.probabilities[0], np.float32([0.1, 0.2, 0.7]))
    assert np.isnan(rows.probabilities[1:]).all()
    assert rows.scores.tolist()[3] == 0.1
    assert tally.dropped == {Claim.SCORES: 1}


def test_a_stream_without_rows_is_no_fault():
    assert kept({"id": pa.array([], pa.string()), "prediction": pa.array([], pa.string())})[0] is None
    assert judge_stream(RowKind.LABELS, stream({}), setting(), LIMITS)[0] == {}


# ---------------------------------------------------------------- in a request


def test_a_request_is_answered_and_written(open_service):
    service = open_service()
    answer = service.predictions(stream(ROWS | {"id": ["a", "a"]}), kind=ARROW)
    assert (answer.status_code, answer.json()["accepted"], answer.json()["duplicates"]) == (200, 1, 1)
    (submission,) = service.journal.submissions
    assert (submission.count, submission.encoded.arrival) == (2, NOW)
    assert service.counters.snapshot().accepted == {(RowKind.PREDICTIONS, "delays"): 2}


def test_labels_have_no_duplicates(open_service):
    service = open_service()
    answer = service.labels(stream({"id": ["a", "a"], "label": ["late", "late"]}), kind=ARROW)
    assert (answer.status_code, answer.json()["accepted"]) == (200, 2)


def test_when_every_row_is_refused_the_request_is_422(open_service):
    service = open_service()
    answer = service.predictions(stream({"id": ["a"]}), kind=ARROW)
    assert (answer.status_code, answer.json()["rejected"][0]["reason"]) == (422, "prediction_missing")
    assert not service.journal.submissions


def test_rows_of_two_models_become_a_record_each(open_service):
    service = open_service(schemas=(DELAYS, DIGITS))
    columns = {"id": ["a", "b", "c"], "model": ["digits", "delays", "digits"], "prediction": ["0", "late", "1"]}
    answer = service.predictions(stream(columns), kind=ARROW, idempotency_key="k")
    assert answer.json()["accepted"] == 3
    assert [(each.model, each.count) for each in service.journal.submissions] == [("digits", 2), ("delays", 1)]
    assert len({each.idempotency.key for each in service.journal.submissions}) == 2


@pytest.mark.parametrize("body", [b"", b"x" * 100, b"\xff" * 100, stream(ROWS)[:-100], stream(ROWS)[8:]])
def test_what_is_no_stream_is_400(open_service, body):
    service = open_service()
    answer = service.predictions(body, kind=ARROW)
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:tocsin:problem:arrow_invalid")
