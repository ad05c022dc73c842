"""The bytes of a journal record -> its rows as columns. The layout: monitor.panes.batch, which writes them.

What was durable may come back damaged, and Arrow trusts offsets and codes: a batch is validated in full before anything
is taken of it, and whatever error the bytes cause is `Corrupt`. Columns are views of the body where they can be.
"""

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from monitor.errors import Corrupt
from monitor.panes.batch import VERSION
from monitor.panes.rows import (
    INVALID,
    MISSING,
    Bools,
    CategoricalColumn,
    Coded,
    Column,
    Doubles,
    Labels,
    NumericColumn,
    Predictions,
    T,
)

_NAN = float("nan")


def decode_predictions(body: bytes | memoryview) -> Predictions:
    """Read a record back. Corrupt if the bytes are not one of ours, or of a version we do not know."""
    return _read(body, _predictions)


def decode_labels(body: bytes | memoryview) -> Labels:
    """Read a record back. Corrupt if the bytes are not one of ours, or of a version we do not know."""
    return _read(body, _labels)


def _read(body: bytes | memoryview, build: Callable[[pa.RecordBatch], T]) -> T:
    try:
        with pa.ipc.open_stream(body) as stream:
            if (stream.schema.metadata or {}).get(b"tocsin.batch") != VERSION:
                raise Corrupt("journal record", 0, "written by another version, or not by us")
            batch = stream.read_next_batch()
            batch.validate(full=True)  # offsets and codes point inside; 0.1 us a row
        return build(batch)
    except (
        pa.ArrowException,
        OSError,
        EOFError,
        StopIteration,
        KeyError,
        ValueError,
        TypeError,
        OverflowError,
        AttributeError,
    ) as error:
        raise Corrupt("journal record", 0, "its bytes are damaged; restore state.db") from error


def _predictions(batch: pa.RecordBatch) -> Predictions:
    codes, texts = _coded(batch.column("segment"))
    none = np.zeros(batch.num_rows, np.bool_)
    none.flags.writeable = False  # every column without a missing or an invalid cell shares it
    segments: list[dict[str, str] | None] = [msgspec.json.decode(text, type=dict[str, str]) for text in texts]
    return Predictions(
        n=batch.num_rows,
        ids=_ids(batch),
        times=_doubles(batch.column("time")),
        arrivals=_doubles(batch.column("arrival")),
        outputs=batch.column("output").to_numpy(),
        scores=_doubles(batch.column("score")),
        sources=_texts(batch.column("source")),
        claimed=_texts(batch.column("claimed")),
        segments=Coded(np.where(codes == MISSING, np.int32(len(segments)), codes), (*segments, None)),
        columns={
            name[2:]: _column(batch, name[2:], values, none)
            for name, values in zip(batch.schema.names, batch.columns, strict=True)
            if name.startswith("f:")
        },
        values=_optional(batch, "value", _doubles, np.full(batch.num_rows, _NAN)),
        probabilities=_optional(batch, "probabilities", _matrix, None),
    )


def _labels(batch: pa.RecordBatch) -> Labels:
    return Labels(
        n=batch.num_rows,
        ids=_ids(batch),
        times=_doubles(batch.column("time")),
        arrivals=_doubles(batch.column("arrival")),
        labels=_doubles(batch.column("label")),
        sources=_texts(batch.column("source")),
        prediction_times=_doubles(batch.column("prediction_time")),
    )


def _ids(batch: pa.RecordBatch) -> pa.StringArray:
    found = batch.column("id")
    if found.type != pa.string() or found.null_count:
        raise ValueError
    return found


def _optional(batch: pa.RecordBatch, name: str, read: Callable[[pa.Array], Any], default: Any) -> Any:
    at = batch.schema.get_field_index(name)
    return default if at < 0 else read(batch.column(at))


def _matrix(values: pa.FixedSizeListArray) -> NDArray[np.float32]:
    """Rows of probabilities; NaN all over a row that is null, whose cells may be null as well, or anything."""
    width = values.type.list_size
    cells = values.values.slice(values.offset * width, len(values) * width)
    flat: NDArray[np.float32] = cells.to_numpy(zero_copy_only=False)  # copied where one is null, which becomes NaN
    rows = flat.reshape(len(values), width)
    if not values.null_count:
        return rows
    gone = values.is_null().to_numpy(zero_copy_only=False)
    return np.where(gone[:, None], np.float32(_NAN), rows)


def _column(batch: pa.RecordBatch, name: str, values: pa.Array, none: Bools) -> Column:
    at = batch.schema.get_field_index(f"x:{name}")
    invalid = batch.column(at).to_numpy(zero_copy_only=False) if at >= 0 else none
    if pa.types.is_dictionary(values.type):
        codes, texts = _coded(values)
        return CategoricalColumn(codes if at < 0 else np.where(invalid, np.int32(INVALID), codes), tuple(texts))
    nulls = _nulls(values)
    missing = none if nulls is None else nulls if at < 0 else nulls & ~invalid
    return NumericColumn(_doubles(values, nulls), missing, invalid)


def _doubles(values: pa.Array, nulls: Bools | None = None) -> Doubles:
    """Numbers, NaN where null; `nulls` if they are known."""
    if pa.types.is_dictionary(values.type):  # an arrival is often that of the whole request
        values = values.dictionary_decode()
    if values.type != pa.float64():
        raise ValueError
    found: Doubles = _numbers(values, np.dtype(np.float64))
    nulls = _nulls(values) if nulls is None else nulls
    if nulls is not None:
        found = found.copy()
        np.copyto(found, _NAN, where=nulls)
    return found


def _nulls(values: pa.Array) -> Bools | None:
    """Where a column is null; None if nowhere. Arrow's own way costs 1 ns a row and 10 us a call, this a tenth."""
    if not values.null_count:
        return None
    bits = np.frombuffer(values.buffers()[0], np.uint8)
    flags = np.unpackbits(bits, count=values.offset + len(values), bitorder="little")
    gone: Bools = flags[values.offset :] == 0
    return gone


def _numbers(values: pa.Array, dtype: np.dtype[Any]) -> NDArray[Any]:
    """The values buffer of a column of a fixed width, anything where null."""
    if not len(values):  # the buffer of no values may be none
        return np.empty(0, dtype)
    return np.frombuffer(values.buffers()[1], dtype, len(values), values.offset * dtype.itemsize)


def _coded(values: pa.DictionaryArray) -> tuple[NDArray[np.int32], list[str]]:
    """Split a dictionary column into codes, MISSING where null, and the words they point to."""
    indices = values.indices  # as narrow as the sender chose
    codes: NDArray[np.int32] = _numbers(indices, np.dtype(indices.type.to_pandas_dtype())).astype(np.int32)
    nulls = _nulls(indices)
    if nulls is not None:
        codes[nulls] = MISSING
    words = values.dictionary
    return codes, (words if pa.types.is_string(words.type) else words.cast(pa.string())).to_pylist()


def _texts(values: pa.DictionaryArray) -> Coded[str]:
    if values.null_count:
        raise ValueError
    codes, texts = _coded(values)
    return Coded(codes, tuple(texts))
