"""Arrow rows -> journal records, judged column by column; no Python object a row.

    stream -> [stream.py: bounded, checked] -> one batch -> [by model] -> [each column judged] -> the record's columns

The judgements are those of accept.py, made once for each distinct value where a column has few (classes, bundles,
sources, texts of times), as arithmetic over the whole column where it has many (ids, times, numbers, scores). A row
that is refused bears the first reason that row by row would have found, and the others are kept.
tests/ingest/test_ingest_arrow.py holds both ways to the same answers.

Columns, by name; null is absent, as in JSON:

    id             text or integer                          model, bundle, source   text
    time, prediction_time  Unix seconds, timestamp with a time zone, RFC 3339 text
    prediction     class; number; list of items or its length      label   class; number; list of gains or a place
    scores         number, list in the schema's class order, struct or map by class
    segment        struct or map of texts, these not dictionary-encoded
    FEATURE        a column a feature; `features.NAME` where NAME is one of the above, or begins with `features.`

A numeric feature: any numeric type or bool. A categorical one: text, integers, bool, whole floats; dictionary-encoded
is best. A column of another type is invalid in all rows that have a value. What is in order goes into the record as
it came, without a copy until it is written.

Cost (2 cores, 2026-11), 10,000 rows of 16 numbers and 4 categories: 0.13 us a row with the reading and the record.
Failure mode: a column with as many distinct texts as rows, where few are expected, costs 0.3 us a row and column.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from monitor.errors import Rejected
from monitor.facts import ModelName, RejectReason, RowKind
from monitor.ingest.accept import Known, Setting, Tally, bundle_of, model_of, source_of
from monitor.ingest.arrow.answers import labels_of, outcomes_of
from monitor.ingest.arrow.envelope import hints_of, ids_of, times_of
from monitor.ingest.arrow.features import count_unknown, feature_column, wire_name
from monitor.ingest.arrow.part import NUMBER_OF, REASONS, Part, column_of
from monitor.ingest.arrow.scores import scores_of
from monitor.ingest.arrow.segments import segments_of
from monitor.ingest.arrow.values import Bools, coded, compact, numbered
from monitor.ingest.limits import Limits
from monitor.ingest.stream import read_stream
from monitor.panes.batch import encode_arrays


@dataclass(frozen=True, slots=True)
class Ready:
    """Accepted rows of one model as the record that they will be."""

    body: bytes
    ids: pa.StringArray
    arrival: float


def judge_stream(kind: RowKind, body: bytes, setting: Setting, limits: Limits) -> tuple[dict[ModelName, Ready], Tally]:
    """Judge all rows of a stream. Refused with 400 or 413 as `read_stream`."""
    batch = read_stream(body, limits)
    tally, refused = Tally(), np.zeros(batch.num_rows, np.uint8)
    found: dict[ModelName, Ready] = {}
    for known, at in _by_model(batch, setting, refused):
        if kind is RowKind.PREDICTIONS:
            setting.bound_cells(known, batch.num_rows if at is None else len(at))
        part = Part(batch if at is None else batch.take(pa.array(at)), known, setting, tally)
        arrays = _prediction_arrays(part) if kind is RowKind.PREDICTIONS else _label_arrays(part)
        refused[slice(None) if at is None else at] = part.refused
        ready = _kept(arrays, part.refused == 0)
        if len(ready["id"]):
            found[known.schema.model] = Ready(encode_arrays(ready), ready["id"], setting.now)
    for index in np.flatnonzero(refused).tolist():
        tally.reject(index, REASONS[refused[index] - 1], setting.listed_max)
    return found, tally


def _by_model(batch: pa.RecordBatch, setting: Setting, refused: NDArray[np.uint8]) -> Iterator[tuple[Known, Any]]:
    """Each model with its rows, None for all, in the order in which they first came; rows of no model are refused."""
    if not batch.num_rows:
        return
    codes, values = numbered(column_of(batch, "model"), batch.num_rows)
    found: dict[ModelName, tuple[Known, list[int]]] = {}
    for code in dict.fromkeys(codes.tolist()) if len(values) > 1 else (0,):
        try:
            known = model_of(values[code], setting)
        except Rejected as fault:
            refused[codes == code] = NUMBER_OF[RejectReason(fault.reason)]
        else:
            found.setdefault(known.schema.model, (known, []))[1].append(code)
    for known, mine in found.values():
        at = np.flatnonzero(np.isin(codes, mine))
        yield known, None if len(at) == batch.num_rows else at


def _kept(arrays: Mapping[str, pa.Array], rows: Bools) -> dict[str, pa.Array]:
    if rows.all():
        return dict(arrays)
    mask = pa.array(rows)
    return {name: compact(values.filter(mask)) for name, values in arrays.items()}


def _prediction_arrays(part: Part) -> dict[str, pa.Array]:
    """The columns of the record, refused rows among them. In the order in which accept.py judges a row."""
    known = part.known
    outputs, values = outcomes_of(part)
    ids = ids_of(part)
    times = times_of(part)
    scores, probabilities = scores_of(part, outputs)
    count_unknown(part)
    source = part.each("source", lambda value, tally: source_of(value, part.setting.bound, tally), "")
    segment = segments_of(part)
    bundle = part.each("bundle", lambda value, tally: "" if value is None else bundle_of(value, tally), "")
    arrays = {
        "id": ids,
        "time": pa.array(times),
        "arrival": coded(np.zeros(part.n, np.intp), [part.setting.now], pa.float64()),
        "output": pa.array(outputs),
        "score": pa.array(scores),
        "source": coded(*source),
        "claimed": coded(*bundle),
        "segment": segment,
    }
    if values is not None:
        arrays["value"] = pa.array(values)
    if probabilities is not None:
        arrays["probabilities"] = probabilities
    for feature in known.schema.features:
        found, invalid = feature_column(part.column(wire_name(feature.name)), feature, part.n)
        arrays[f"f:{feature.name}"] = found
        if invalid is not None and invalid.any():
            arrays[f"x:{feature.name}"] = pa.array(invalid)
    return arrays


def _label_arrays(part: Part) -> dict[str, pa.Array]:
    hints = hints_of(part)  # judged before all else, row by row too
    ids, times, labels = ids_of(part), times_of(part), labels_of(part)
    source = part.each("source", lambda value, tally: source_of(value, part.setting.bound, tally), "")
    return {
        "id": ids,
        "time": pa.array(times),
        "arrival": coded(np.zeros(part.n, np.intp), [part.setting.now], pa.float64()),
        "label": pa.array(labels),
        "source": coded(*source),
        "prediction_time": pa.array(hints, mask=np.isnan(hints)),
    }
