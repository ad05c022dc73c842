"""What takes no byte in a body takes none in memory: absent features, lists of nulls, columns without buffers.

A body is bounded in bytes, and everything that is made of one must be, too.
"""

import json

import numpy as np
import pyarrow as pa
import pytest
from ingest_service import NOW
from streams import stream

from monitor.facts import Feature, FeatureKind, ModelName, RejectReason, RowKind, Schema, Task
from monitor.ingest import stream as module
from monitor.ingest.accept import Known, Setting
from monitor.ingest.arrow.judge import judge_stream
from monitor.ingest.columns import read_clean
from monitor.ingest.intake import ENCODED_ROWS_MIN
from monitor.ingest.limits import Limits
from monitor.ingest.problems import Refused
from monitor.ingest.stream import read_stream

WIDE = Schema(ModelName("wide"), tuple(Feature(f"x{i}", FeatureKind.NUMERIC) for i in range(2_000)), ("n", "y"), "y")
SEARCH = Schema(ModelName("search"), (Feature("x", FeatureKind.NUMERIC),), task=Task.RANKING)
LIMITS = Limits(body_bytes_max=1 << 20)
MOST = LIMITS.body_bytes_max // len(WIDE.features)  # rows


def judged(kind, schema, columns):
    where = Setting.of({schema.model: Known.of(schema)}, "gateway-1", NOW, LIMITS)
    return judge_stream(kind, stream(columns), where, LIMITS)


def refusal(call):
    with pytest.raises(Refused) as refused:
        call()
    return refused.value.status, refused.value.reason


def bare(rows):
    return {"id": [str(n) for n in range(rows)], "prediction": ["y"] * rows}


def test_rows_without_features_are_as_many_cells_as_rows_with_them():
    found, _ = judged(RowKind.PREDICTIONS, WIDE, bare(MOST))
    assert len(found[WIDE.model].body) < 9 * LIMITS.body_bytes_max
    assert refusal(lambda: judged(RowKind.PREDICTIONS, WIDE, bare(MOST + 1))) == (413, "too_many_rows")
    assert judged(RowKind.LABELS, WIDE, {"id": bare(MOST + 1)["id"], "label": ["y"] * (MOST + 1)})


def lines(rows, **more):
    return [
        json.dumps({"id": str(n), "time": NOW, "prediction": "y", "features": {"x0": 1.0}} | more) for n in range(rows)
    ]


def test_clean_lines_without_features_are_bounded_alike():
    schema = Schema(WIDE.model, WIDE.features[:20], WIDE.classes)
    limits = Limits(body_bytes_max=20 * 600)
    where = Setting.of({WIDE.model: Known.of(schema)}, "gateway-1", NOW, limits)
    few, many = ("\n".join(lines(rows)).encode() for rows in (600, 601))
    assert read_clean(few, where, limits, ENCODED_ROWS_MIN)
    assert refusal(lambda: read_clean(many, where, limits)) == (413, "too_many_rows")


def test_lines_that_are_read_row_by_row_are_bounded_alike(open_service):
    service = open_service(schemas=(WIDE,), limits=LIMITS)
    answers = [service.lines("\n".join(lines(rows, new=1)).encode()) for rows in (MOST, MOST + 1)]
    assert [answer.status_code for answer in answers] == [200, 413]


def gains(column):
    found, tally = judged(RowKind.LABELS, SEARCH, {"id": ["a", "b"][: len(column)], "label": column})
    return sum(len(each.ids) for each in found.values()), dict(tally.rejected)


def listed(values):
    return pa.ListArray.from_arrays(pa.array([0, len(values)], pa.int32()), values)


def test_a_list_of_nulls_is_no_label_however_long_and_is_not_read():
    assert gains(listed(pa.nulls((1 << 31) - 2))) == (0, {RejectReason.LABEL_INVALID: 1})
    assert gains(pa.array([[], None], pa.list_(pa.null()))) == (1, {RejectReason.LABEL_MISSING: 1})


def test_more_items_than_a_body_may_have_bytes_are_refused():
    bits = 2 * LIMITS.body_bytes_max
    many = pa.Array.from_buffers(pa.bool_(), bits, [None, pa.py_buffer(bytes(bits // 8))])
    assert refusal(lambda: gains(listed(many))) == (413, "too_many_rows")
    assert gains(listed(many[:1_000])) == (1, {})


def test_columns_of_all_batches_are_counted(monkeypatch):
    monkeypatch.setattr(module, "ARRAYS_MAX", 100)
    columns = {f"c{n}": pa.nulls(10) for n in range(10)}
    assert read_stream(stream(columns, 1), LIMITS).num_rows == 10
    assert refusal(lambda: read_stream(stream({n: pa.nulls(11) for n in columns}, 1), LIMITS)) == (413, "too_many_rows")


def test_codes_of_a_dictionary_that_few_rows_use_are_not_written_out():
    words = pa.DictionaryArray.from_arrays(pa.array(np.zeros(MOST, np.int8)), pa.array(["x" * 10_000]))
    found, _ = judged(RowKind.PREDICTIONS, WIDE, bare(MOST) | {"x0": words, "unknown": words})
    assert len(found[WIDE.model].body) < 9 * LIMITS.body_bytes_max
