"""Rows as Arrow columns and the same rows as JSON lines: the same are kept, refused, dropped and written."""

import json
import math

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from ingest_service import DELAYS, DIGITS, NOW
from streams import stream

from monitor.facts import Feature, FeatureKind, ModelName, RowKind, Schema, Task
from monitor.ingest.accept import Known, Setting
from monitor.ingest.arrow import judge_stream
from monitor.ingest.decode import decode_lines
from monitor.ingest.intake import judge
from monitor.ingest.limits import Limits
from monitor.panes.batch import decode_labels, decode_predictions, encode_labels, encode_predictions

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
    (pa.struct([("o", pa.dictionary(pa.int8(), pa.string()))]), st.fixed_dictionaries({"o": TEXT})),
]
STRANGE = [
    (pa.string(), st.sampled_from(TIMES)),
    (pa.dictionary(pa.int32(), pa.string()), st.sampled_from(TIMES)),
]


def column(kinds, n, nulls=True):
    """Any column of n cells of one of the kinds."""
    kind = st.sampled_from(kinds)
    return kind.flatmap(
        lambda pair: st.lists(st.none() | pair[1] if nulls else pair[1], min_size=n, max_size=n).map(
            lambda values: pa.array(
                [dict(v).items() if pa.types.is_map(pair[0]) and v is not None else v for v in values], pair[0]
            )
        )
    )


def stamps(n):
    moment = st.sampled_from([NOW, NOW - 1.5, NOW + 400, NOW - 90_000.0])
    return st.lists(moment, min_size=n, max_size=n).map(lambda values: pa.array(values))


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
