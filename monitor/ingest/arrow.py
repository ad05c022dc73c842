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

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, TypeVar

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import types

from monitor.errors import Rejected
from monitor.facts import Feature, FeatureKind, ModelName, RejectReason, RowKind, Task
from monitor.ingest.accept import (
    NO_PREDICTION,
    SEGMENT_MAX,
    TEXT_MAX,
    Known,
    Setting,
    Tally,
    bundle_of,
    id_of,
    label_of,
    model_of,
    outcome_of,
    segment_of,
    source_of,
    time_of,
    value_of,
)
from monitor.ingest.counters import UNKNOWN_NAMES_MAX, Claim
from monitor.ingest.decode import LabelRow, PredictionRow, too_many_rows
from monitor.ingest.limits import Limits
from monitor.ingest.stream import read_stream
from monitor.ingest.times import parse_time
from monitor.panes.batch import encode_arrays, keeps_probabilities, word

ENVELOPE: Final = frozenset(PredictionRow.__struct_fields__ + LabelRow.__struct_fields__) - {"features"}
PREFIX: Final = "features."

T = TypeVar("T")
Bools: TypeAlias = NDArray[np.bool_]
Codes: TypeAlias = NDArray[np.intp]
Doubles: TypeAlias = NDArray[np.float64]

_REASONS: Final = tuple(RejectReason)
_NUMBER_OF: Final = {reason: at for at, reason in enumerate(_REASONS, 1)}  # 0: not refused
_NO_VALUE: Final[list[Any]] = []  # stands for a value of a type that means nothing here
_TEXT: Final = pa.string()
_NARROW_MAX: Final = 127  # values whose codes fit one byte
_PER_SECOND: Final = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}


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
        part = _Part(batch if at is None else batch.take(pa.array(at)), known, setting, tally)
        arrays = _prediction_arrays(part) if kind is RowKind.PREDICTIONS else _label_arrays(part)
        refused[slice(None) if at is None else at] = part.refused
        ready = _kept(arrays, part.refused == 0)
        if len(ready["id"]):
            found[known.schema.model] = Ready(encode_arrays(ready), ready["id"], setting.now)
    for index in np.flatnonzero(refused).tolist():
        tally.reject(index, _REASONS[refused[index] - 1], setting.listed_max)
    return found, tally


def wire_name(feature: str) -> str:
    """The name of a feature's column.

    >>> wire_name("hour"), wire_name("id"), wire_name("features.id")
    ('hour', 'features.id', 'features.features.id')
    """
    return PREFIX + feature if feature in ENVELOPE or feature.startswith(PREFIX) else feature


def _by_model(batch: pa.RecordBatch, setting: Setting, refused: NDArray[np.uint8]) -> Iterator[tuple[Known, Any]]:
    """Each model with its rows, None for all, in the order in which they first came; rows of no model are refused."""
    if not batch.num_rows:
        return
    codes, values = _numbered(_column(batch, "model"), batch.num_rows)
    found: dict[ModelName, tuple[Known, list[int]]] = {}
    for code in dict.fromkeys(codes.tolist()) if len(values) > 1 else (0,):
        try:
            known = model_of(values[code], setting)
        except Rejected as fault:
            refused[codes == code] = _NUMBER_OF[RejectReason(fault.reason)]
        else:
            found.setdefault(known.schema.model, (known, []))[1].append(code)
    for known, mine in found.values():
        at = np.flatnonzero(np.isin(codes, mine))
        yield known, None if len(at) == batch.num_rows else at


@dataclass(slots=True)
class _Part:
    """Rows of one model, while they are judged."""

    batch: pa.RecordBatch
    known: Known
    setting: Setting
    tally: Tally
    refused: NDArray[np.uint8] = None  # type: ignore[assignment]  # set below

    def __post_init__(self) -> None:
        self.refused = np.zeros(self.n, np.uint8)

    @property
    def n(self) -> int:
        return int(self.batch.num_rows)

    def column(self, name: str) -> pa.Array | None:
        return _column(self.batch, name)

    def refuse(self, rows: Bools, reason: RejectReason) -> None:
        """Refuse these rows, but for those that were refused before."""
        if rows.any():
            self.refused[rows & (self.refused == 0)] = _NUMBER_OF[reason]

    def drop(self, rows: Bools, claim: Claim) -> None:
        """Count what cannot be used of rows that are not refused."""
        if rows.any() and (count := int(np.count_nonzero(rows & (self.refused == 0)))):
            self.tally.dropped[claim] += count

    def each(self, name: str, judge: Callable[[Any, Tally], T], blank: T) -> tuple[Codes, list[T]]:
        """Judge every distinct value of a column: a code a row, and what was made of each; `blank` where refused."""
        codes, values = _numbered(self.column(name), self.n)
        found, reasons, dropped = [], np.zeros(len(values), np.uint8), []
        for at, value in enumerate(values):
            tally = Tally()
            try:
                found.append(judge(value, tally))
            except Rejected as fault:
                found.append(blank)
                reasons[at] = _NUMBER_OF[RejectReason(fault.reason)]
            dropped.append(next(iter(tally.dropped), None))
        for number in np.unique(reasons[reasons > 0]).tolist():
            self.refuse(reasons[codes] == number, _REASONS[number - 1])
        for claim in {claim for claim in dropped if claim is not None}:
            self.drop(np.array([each is claim for each in dropped])[codes], claim)
        return codes, found


def _column(batch: pa.RecordBatch, name: str) -> pa.Array | None:
    at = batch.schema.get_field_index(name)
    return batch.column(at) if at >= 0 else None


def _kept(arrays: Mapping[str, pa.Array], rows: Bools) -> dict[str, pa.Array]:
    if rows.all():
        return dict(arrays)
    mask = pa.array(rows)
    return {name: _compact(values.filter(mask)) for name, values in arrays.items()}


# ---------------------------------------------------------------- rows


def _prediction_arrays(part: _Part) -> dict[str, pa.Array]:
    """The columns of the record, refused rows among them. In the order in which accept.py judges a row."""
    known = part.known
    outputs, values = _outcomes(part)
    ids = _ids(part)
    times = _times(part)
    scores, probabilities = _scores(part, outputs)
    _count_unknown(part)
    source = part.each("source", lambda value, tally: source_of(value, part.setting.bound, tally), "")
    segment = _segments(part)
    bundle = part.each("bundle", lambda value, tally: "" if value is None else bundle_of(value, tally), "")
    arrays = {
        "id": ids,
        "time": pa.array(times),
        "arrival": _coded(np.zeros(part.n, np.intp), [part.setting.now], pa.float64()),
        "output": pa.array(outputs),
        "score": pa.array(scores),
        "source": _coded(*source),
        "claimed": _coded(*bundle),
        "segment": segment,
    }
    if values is not None:
        arrays["value"] = pa.array(values)
    if probabilities is not None:
        arrays["probabilities"] = probabilities
    for feature in known.schema.features:
        found, invalid = _feature(part.column(wire_name(feature.name)), feature, part.n)
        arrays[f"f:{feature.name}"] = found
        if invalid is not None and invalid.any():
            arrays[f"x:{feature.name}"] = pa.array(invalid)
    return arrays


def _label_arrays(part: _Part) -> dict[str, pa.Array]:
    hints = _hints(part)  # judged before all else, row by row too
    ids, times, labels = _ids(part), _times(part), _labels(part)
    source = part.each("source", lambda value, tally: source_of(value, part.setting.bound, tally), "")
    return {
        "id": ids,
        "time": pa.array(times),
        "arrival": _coded(np.zeros(part.n, np.intp), [part.setting.now], pa.float64()),
        "label": pa.array(labels),
        "source": _coded(*source),
        "prediction_time": pa.array(hints, mask=np.isnan(hints)),
    }


def _ids(part: _Part) -> pa.StringArray:
    column = part.column("id")
    if column is not None and types.is_large_string(column.type):
        column = column.cast(pa.string())
    if column is None or not types.is_string(column.type):
        if column is None or not types.is_integer(column.type) or column.null_count:
            codes, texts = part.each("id", lambda value, _: id_of(value), "")
            return pa.array(texts, pa.string()).take(pa.array(codes))
        return column.cast(pa.string())
    part.refuse(_mask(column.is_null()), RejectReason.ID_MISSING)
    if column.null_count:
        column = column.fill_null("")
    lengths = pc.binary_length(column).to_numpy()
    if len(lengths) and (lengths.min() == 0 or lengths.max() > TEXT_MAX):
        characters = pc.utf8_length(column).to_numpy()
        part.refuse((characters == 0) | (characters > TEXT_MAX), RejectReason.ID_INVALID)
    return column


def _times(part: _Part) -> Doubles:
    column, setting = part.column("time"), part.setting
    found = None if column is None else _seconds(column)
    if found is None:
        codes, times = part.each("time", lambda value, _: time_of(value, setting), setting.now)
        return np.array(times, np.float64)[codes]
    assert column is not None, "None has no seconds"
    if column.null_count:
        found = np.where(_mask(column.is_null()), setting.now, found)
    part.refuse(~np.isfinite(found), RejectReason.TIME_INVALID)
    part.refuse(found > setting.latest, RejectReason.TIME_IN_FUTURE)
    part.refuse(found < setting.earliest, RejectReason.TIME_TOO_OLD)
    return found


def _hints(part: _Part) -> Doubles:
    """`prediction_time`, NaN where there is none to use."""
    column = part.column("prediction_time")
    found = None if column is None else _seconds(column)
    if column is not None and found is not None:
        given = ~_mask(column.is_null())
        usable = given & np.isfinite(found)
        part.drop(given & ~usable, Claim.PREDICTION_TIME)
        return np.where(usable, found, np.nan)

    def judge(value: Any, tally: Tally) -> float:
        time = parse_time(value)
        if time is None and value is not None:
            tally.dropped[Claim.PREDICTION_TIME] += 1
        return np.nan if time is None else time

    codes, times = part.each("prediction_time", judge, np.nan)
    return np.array(times, np.float64)[codes]


def _seconds(column: pa.Array) -> Doubles | None:
    """Numbers and timestamps with a time zone as Unix seconds, anything where null; None for other types."""
    kind = column.type
    if types.is_timestamp(kind) and kind.tz is not None:
        ticks: Doubles = _doubles(column.cast(pa.int64()))
        return ticks / _PER_SECOND[kind.unit]
    return _doubles(column) if _is_number(kind) else None


# ---------------------------------------------------------------- answers and labels


def _outcomes(part: _Part) -> tuple[NDArray[np.uint8], Doubles | None]:
    """Outputs, and the values of a task without classes."""
    known = part.known
    if known.schema.task is Task.CLASSIFICATION:
        codes, found = part.each("prediction", lambda value, _: outcome_of(value, known, NO_PREDICTION), 0)
        return np.array(found, np.uint8)[codes], None
    nothing = np.zeros(part.n, np.uint8)
    column = part.column("prediction")
    if column is not None and known.schema.task is Task.REGRESSION and _is_number(column.type):
        part.refuse(_mask(column.is_null()), RejectReason.PREDICTION_MISSING)
        return nothing, _doubles(column)
    if column is not None and known.schema.task is Task.RANKING and _is_list(column.type):
        part.refuse(_mask(column.is_null()), RejectReason.PREDICTION_MISSING)
        return nothing, _doubles(pc.list_value_length(column))
    codes, values = part.each("prediction", lambda value, _: value_of(value, known), np.nan)
    return nothing, np.array(values, np.float64)[codes]


def _labels(part: _Part) -> Doubles:
    column, known = part.column("label"), part.known
    if column is not None and known.schema.task is Task.RANKING and _is_list(column.type):
        return _gains(part, column)
    if column is not None and known.schema.task is Task.REGRESSION and _is_number(column.type):
        values = _doubles(column)
        part.refuse(_mask(column.is_null()), RejectReason.LABEL_MISSING)
        part.refuse(~np.isfinite(values), RejectReason.LABEL_INVALID)
        return values
    codes, labels = part.each("label", lambda value, _: label_of(value, known), 0.0)
    return np.array(labels, np.float64)[codes]


def _gains(part: _Part, column: pa.Array) -> Doubles:
    """What lists of gains say, one at a time. 464 bytes can be a list of two thousand million nulls: none is read.

    Refused (413) if there are more items than a body may have bytes: of bools eight fit one.
    """
    found, reasons = np.zeros(part.n), np.zeros(part.n, np.uint8)
    empty = types.is_null(column.type.value_type)
    lengths = _doubles(pc.list_value_length(column))  # NaN where there is no list
    if not empty and np.nansum(lengths) > part.setting.cells_max:
        raise too_many_rows()
    for at in range(part.n):
        gains = [None] if empty and lengths[at] > 0 else column[at].as_py()
        try:
            found[at] = label_of(gains, part.known)
        except Rejected as fault:
            reasons[at] = _NUMBER_OF[RejectReason(fault.reason)]
    for number in np.unique(reasons[reasons > 0]).tolist():
        part.refuse(reasons == number, _REASONS[number - 1])
    return found


# ---------------------------------------------------------------- scores


def _scores(part: _Part, outputs: NDArray[np.uint8]) -> tuple[Doubles, pa.Array | None]:
    """The score of each row, NaN without one, and all probabilities where they are kept and a row has them."""
    column, schema = part.column("scores"), part.known.schema
    nothing = np.full(part.n, np.nan)
    if column is None:
        return nothing, None
    if types.is_dictionary(column.type) and _is_number(column.type.value_type):
        column = column.dictionary_decode()
    given, width = ~_mask(column.is_null()), len(schema.classes)
    if types.is_struct(column.type) or types.is_map(column.type) or _is_list(column.type):
        matrix = _matrix(column, schema.classes)
        at = outputs if schema.positive is None else np.full(part.n, part.known.classes[schema.positive])
        inside = at < width
        found = np.where(inside, matrix[np.arange(part.n), np.where(inside, at, 0)], np.nan) if width else nothing
    else:
        matrix = None
        found = _doubles(column) if width and _is_number(column.type) else nothing
    usable = _are_probabilities(found) & given
    part.drop(given & ~usable, Claim.SCORES)
    scores = np.where(usable, found, np.nan)
    if matrix is None or not keeps_probabilities(schema):
        return scores, None
    complete = _are_probabilities(matrix).all(axis=1) & given
    if not (complete & (part.refused == 0)).any():
        return scores, None
    flat = pa.array(matrix.astype(np.float32).ravel())
    return scores, pa.FixedSizeListArray.from_arrays(flat, width, mask=pa.array(~complete))


def _are_probabilities(values: Doubles) -> Bools:
    found: Bools = (values >= 0) & (values <= 1)  # NaN is not
    return found


def _matrix(column: pa.Array, classes: tuple[str, ...]) -> Doubles:
    """Numbers by row and class f8[n, K], NaN where there is none; a list of another length has none at all."""
    n, width = len(column), len(classes)
    found = np.full((n, width), np.nan)
    if types.is_struct(column.type):
        for at, name in enumerate(classes):
            child = column.type.get_field_index(name)
            if child >= 0 and _is_number(column.type.field(child).type):
                found[:, at] = _doubles(column.field(child))
        return found
    if types.is_map(column.type):
        rows, keys, values = _entries(column)
        if _is_number(values.type) and _is_text(keys.type):
            codes, names = _numbered(keys, len(keys))
            place = {name: at for at, name in enumerate(classes)}
            places = np.array([place.get(name, -1) for name in names], np.intp)[codes]
            mine = places >= 0
            found[rows[mine], places[mine]] = _doubles(values)[mine]  # of equal keys the last wins
        return found
    lengths = pc.list_value_length(column).fill_null(0).to_numpy(zero_copy_only=False)
    values = column.flatten()
    if _is_number(values.type) and width:
        right = lengths == width
        starts = np.cumsum(lengths) - lengths
        flat = _doubles(values)
        found[right] = flat[starts[right][:, None] + np.arange(width)]
    return found


def _entries(column: pa.MapArray) -> tuple[Codes, pa.Array, pa.Array]:
    """The entries of all maps: which row each is of, its key and its item."""
    lengths = pc.list_value_length(column.cast(pa.list_(_entry_type(column.type)))).fill_null(0).to_numpy(False)
    entries = column.cast(pa.list_(_entry_type(column.type))).flatten()
    return np.repeat(np.arange(len(column)), lengths), entries.field(0), entries.field(1)


def _entry_type(kind: pa.MapType) -> pa.DataType:
    return pa.struct([pa.field("key", kind.key_type, nullable=False), pa.field("value", kind.item_type)])


# ---------------------------------------------------------------- segments


def _segments(part: _Part) -> pa.Array:
    """The record's segments: JSON texts by code, null where there is none."""
    column = part.column("segment")
    if column is not None and (types.is_struct(column.type) or types.is_map(column.type)):
        codes, found = _places(column)
    else:
        codes, found = _numbered(column, part.n)
    texts: list[str | None] = []
    bad = np.zeros(len(found), np.bool_)
    for at, value in enumerate(found):
        tally = Tally()
        segment = None if value is None else segment_of(value, tally)
        bad[at] = bool(tally.dropped)
        texts.append(msgspec.json.encode(segment).decode() if segment else None)
    part.drop(bad[codes], Claim.SEGMENT)
    return _coded(codes, texts)


def _places(column: pa.Array) -> tuple[Codes, list[Any]]:
    """Number the distinct segments of a struct or map column, None for a null row."""
    gone = _mask(column.is_null())
    if types.is_struct(column.type):
        names: list[str] | None = [field.name for field in column.type]
        children = [_numbered(column.field(at), len(column)) for at in range(column.type.num_fields)]
    else:
        names, children = _spread(column)
    joint = gone.astype(np.intp)
    for codes, values in children:
        _, joint = np.unique(joint * len(values) + codes, return_inverse=True)
    _, first = np.unique(joint, return_index=True)
    found: list[Any] = []
    for row in first.tolist():
        cells = [values[codes[row]] for codes, values in children]
        pairs = zip(names, cells, strict=True) if names is not None else zip(cells[::2], cells[1::2], strict=True)
        found.append(None if gone[row] else {name: cell for name, cell in pairs if cell is not None})
    _, codes = np.unique(joint, return_inverse=True)
    return codes, found


def _spread(column: pa.MapArray) -> tuple[None, list[tuple[Codes, list[Any]]]]:
    """Keys and items of each map side by side, one more than a segment may have; None where a map has no more."""
    rows, keys, values = _entries(column)
    starts = np.searchsorted(rows, np.arange(len(column)))
    place = np.arange(len(rows)) - starts[rows]
    children = []
    for at in range(min(SEGMENT_MAX + 1, int(place.max(initial=-1)) + 1)):
        for part in (keys, values):
            codes, found = _numbered(part, len(part))
            wide = np.full(len(column), len(found), np.intp)
            wide[rows[place == at]] = codes[place == at]
            children.append((wide, [*found, None]))
    return None, children


# ---------------------------------------------------------------- features


def _count_unknown(part: _Part) -> None:
    """Count, once each, columns that are neither an envelope's nor a feature."""
    features = {wire_name(name) for name in part.known.features}
    unknown = [name.removeprefix(PREFIX) for name in part.batch.schema.names if name not in features | ENVELOPE]
    if unknown and (part.refused == 0).any():
        names = part.tally.unknown.setdefault(part.known.schema.model, set())
        names.update(map(hash, unknown[:UNKNOWN_NAMES_MAX]))


def _feature(column: pa.Array | None, feature: Feature, n: int) -> tuple[pa.Array, Bools | None]:
    """The record's column of a feature, and which cells are invalid; None: none is."""
    numeric = feature.kind is FeatureKind.NUMERIC
    if column is None or types.is_null(column.type):
        return (pa.nulls(n, pa.float64()), None) if numeric else (_coded(np.zeros(n, np.intp), [None]), None)
    return _numbers(column) if numeric else _words(column)


def _numbers(column: pa.Array) -> tuple[pa.Array, Bools | None]:
    kind = column.type
    if types.is_dictionary(kind) and (_is_number(kind.value_type) or types.is_boolean(kind.value_type)):
        column, kind = column.dictionary_decode(), kind.value_type
    if types.is_float64(kind):
        return column, None
    if types.is_boolean(kind):
        return column.cast(pa.uint8()).cast(pa.float64()), None
    if _is_number(kind):
        return column.cast(pa.float64(), safe=False), None
    return pa.nulls(len(column), pa.float64()), ~_mask(column.is_null())


def _words(column: pa.Array) -> tuple[pa.Array, Bools | None]:
    if types.is_string(column.type) or types.is_large_string(column.type):
        column = column.cast(pa.string()).dictionary_encode()
    kind = column.type
    if types.is_dictionary(kind) and types.is_string(kind.value_type) and not column.dictionary.null_count:
        if len(column.dictionary) <= len(column):
            return column, None
        return _compact(column), None
    codes, values = _numbered(column, len(column))
    texts = [None if value is None else word(value) for value in values]
    invalid = np.array([text is None and value is not None for text, value in zip(texts, values, strict=True)])
    return _coded(codes, texts), invalid[codes] if invalid.any() else None


def _compact(column: pa.Array) -> pa.Array:
    """A dictionary column without the values that no row has; other columns as they are."""
    if not types.is_dictionary(column.type):
        return column
    codes = _indices(column)
    used = np.zeros(len(column.dictionary) + 1, np.bool_)  # one to spare: there may be no values at all
    used[codes] = True
    table = np.cumsum(used, dtype=np.int32) - np.int32(1)
    indices = pa.array(table[codes], mask=_mask(column.indices.is_null()))
    return pa.DictionaryArray.from_arrays(indices, column.dictionary.filter(pa.array(used[:-1])))


# ---------------------------------------------------------------- columns


def _numbered(column: pa.Array | None, n: int) -> tuple[Codes, list[Any]]:
    """A code a row and the distinct values, None for null among them: texts, numbers and bools as Python's.

    A value of any other type is _NO_VALUE.
    """
    if column is None or types.is_null(column.type):
        return np.zeros(n, np.intp), [None]
    if not types.is_dictionary(column.type):
        if not (_is_text(column.type) or _is_number(column.type) or types.is_boolean(column.type)):
            return _mask(column.is_null()).astype(np.intp), [_NO_VALUE, None]
        column = column.dictionary_encode()
    values = column.dictionary
    known = _is_text(values.type) or _is_number(values.type) or types.is_boolean(values.type)
    found: list[Any] = values.to_pylist() if known else [_NO_VALUE] * len(values)
    codes = _indices(column)
    if not column.indices.null_count:
        return codes, found
    return np.where(_mask(column.indices.is_null()), len(found), codes), [*found, None]


def _indices(column: pa.DictionaryArray) -> Codes:
    """The codes of a dictionary column, 0 where null."""
    filled = column.indices.fill_null(0) if column.indices.null_count else column.indices
    codes: Codes = filled.to_numpy().astype(np.intp)
    return codes


def _coded(codes: Codes, texts: list[Any], kind: pa.DataType = _TEXT) -> pa.DictionaryArray:
    """A dictionary column of the record; null where the text is None."""
    known = [text for text in texts if text is not None]
    narrow = np.int8 if len(known) <= _NARROW_MAX else np.int32
    if len(known) == len(texts):
        return pa.DictionaryArray.from_arrays(pa.array(codes.astype(narrow)), pa.array(known, kind))
    table = (np.cumsum([text is not None for text in texts]) - 1).astype(narrow)
    gone = np.array([text is None for text in texts])[codes]
    return pa.DictionaryArray.from_arrays(pa.array(table[codes], mask=gone), pa.array(known, kind))


def _doubles(column: pa.Array) -> Doubles:
    """A numeric column as doubles, NaN where null."""
    found = column if types.is_float64(column.type) else column.cast(pa.float64(), safe=False)
    filled: Doubles = (found.fill_null(float("nan")) if found.null_count else found).to_numpy()
    return filled


def _mask(column: pa.BooleanArray) -> Bools:
    found: Bools = column.to_numpy(zero_copy_only=False)
    return found


def _is_number(kind: pa.DataType) -> bool:
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind))


def _is_text(kind: pa.DataType) -> bool:
    return bool(types.is_string(kind) or types.is_large_string(kind))


def _is_list(kind: pa.DataType) -> bool:
    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))
