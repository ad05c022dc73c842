"""Bytes of a stranger -> one Arrow record batch that cannot hurt: bounded, of simple types, checked to the last offset.

    body -> [messages walked, sizes added up] -> [read] -> [types, rows] -> [every offset, code and text] -> one batch

What an Arrow IPC stream could do, and what stops it here (numbers: tests/ingest/test_ingest_stream.py):

- *Inflate.* Buffers may be compressed each by itself, and Arrow allocates what a buffer's first eight bytes promise.
  The promises are read from the metadata and added up before anything is inflated; a lie is then an error in Arrow.
- *Be long without bytes.* A column of nulls or of runs has any length for free: rows are counted before a column is
  looked at, and only types are let in whose cells take bytes. An array of lists of one row may still be long: lists are
  as long as their bytes.
- *Make work.* Messages are counted (an empty one costs 20 us), as are columns. A dictionary that grows by one value a
  message would be copied as often.
- *Point outside.* `validate(full=True)` looks at every offset, code and character. The reader itself is fuzzed by its
  authors for years; tests/ingest/fuzz_stream.py mutates streams against this function in a process of its own.

Codes stay codes: a dictionary is never written out per row here.

Cost (2 cores, 2026-11): 10,000 rows of 20 features 0.2 ms of CPU, more than half of it the validation.
Failure mode: an error for the whole request (400, 413): half a stream has no rows that could be told apart.
"""

import struct
from collections.abc import Iterator
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from monitor.ingest.counters import AdmissionReason
from monitor.ingest.decode import too_many_rows
from monitor.ingest.limits import Limits
from monitor.ingest.problems import Refused

MESSAGES_MAX: Final = 4_096  # a schema, then a dictionary a column and batch at worst
COLUMNS_MAX: Final = 20_000  # ten times the features that are known to work
ARRAYS_MAX: Final = 32 * MESSAGES_MAX  # columns of all batches: one of nulls takes 16 bytes, and 600 to look at
_NATIVE: Final = pa.ipc.IpcReadOptions(use_threads=False)
_HEADER, _DICTIONARY_DATA, _RECORD_BATCH_BUFFERS, _RECORD_BATCH_COMPRESSION = 2, 1, 2, 3  # fields, Message.fbs
_UNREADABLE: Final = (pa.ArrowException, OSError, EOFError, ValueError, TypeError, KeyError, struct.error, MemoryError)


def read_stream(body: bytes, limits: Limits) -> pa.RecordBatch:
    """All rows of an Arrow IPC stream as one batch; Refused with 400 or 413."""
    try:
        _check_messages(body, limits)
        with pa.ipc.open_stream(pa.py_buffer(body), options=_NATIVE) as stream:
            return _together(list(_batches(stream, limits)), stream.schema)
    except _UNREADABLE as error:
        raise Refused(400, "arrow_invalid", "the body is not a whole and valid Arrow IPC stream") from error


def _batches(stream: pa.RecordBatchStreamReader, limits: Limits) -> Iterator[pa.RecordBatch]:
    schema = stream.schema
    if len(schema) > COLUMNS_MAX:
        raise Refused(413, AdmissionReason.TOO_MANY_ROWS.value, "the stream has too many columns")
    if len(set(schema.names)) < len(schema):
        raise Refused(400, "arrow_invalid", "two columns of the stream have one name")
    rows = arrays = 0
    for batch in stream:
        arrays += len(schema)
        if arrays > ARRAYS_MAX:
            raise too_many_rows()
        if batch.num_rows < 0:
            raise ValueError
        rows += batch.num_rows
        if rows > limits.rows_max:
            raise too_many_rows()
        yield _plain(batch)


def _plain(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with columns of other types than ours left without values; the rest is checked."""
    columns = [_storage(column) for column in batch.columns]
    columns = [column if _is_plain(column.type) else _opaque(column) for column in columns]
    found = pa.RecordBatch.from_arrays(columns, names=batch.schema.names)
    found.validate(full=True)
    return found


def _storage(column: pa.Array) -> pa.Array:
    return column.storage if isinstance(column, pa.ExtensionArray) else column


def _opaque(column: pa.Array) -> pa.Array:
    """A column that no cell of can be used: an empty list a row, which is no value of any feature; null stays null.

    Only the map of nulls is read.
    """
    kind = column.type
    if types.is_null(kind):
        return column
    if types.is_union(kind) or types.is_run_end_encoded(kind):
        return pa.repeat(pa.scalar([], pa.list_(pa.null())), len(column))
    gone = column.is_null()
    empty = pa.repeat(pa.scalar([], pa.list_(pa.null())), len(column))
    return pc.if_else(gone, pa.scalar(None, empty.type), empty)


def _is_plain(kind: pa.DataType, depth: int = 0) -> bool:
    """Whether a column of this type is looked at: numbers, texts, times, dictionaries, lists, structs, maps of them.

    No dictionary inside of another: those of several batches cannot be put into one. Every name that is used later is
    read here, because it is an error if it is no Unicode.
    """
    if types.is_dictionary(kind):
        return depth == 0 and _is_plain(kind.value_type, 1) and not types.is_nested(kind.value_type)
    if types.is_map(kind):
        return depth == 0 and all(_is_plain(each, 1) for each in (kind.key_type, kind.item_type))
    if types.is_struct(kind):
        return depth == 0 and all(_is_plain(field.type, 1) and field.name is not None for field in kind)
    if types.is_timestamp(kind):
        return kind.tz is None or bool(kind.tz)
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return depth == 0 and _is_plain(kind.value_type, 1) and getattr(kind, "list_size", 1) > 0
    return bool(
        types.is_null(kind)
        or types.is_primitive(kind)  # bool, numbers, times
        or types.is_decimal(kind)
        or types.is_string(kind)
        or types.is_large_string(kind)
    )


def _together(batches: list[pa.RecordBatch], schema: pa.Schema) -> pa.RecordBatch:
    """One batch of all; dictionaries of several are put into one."""
    if len(batches) == 1:
        return batches[0]
    if not batches:
        return _plain(pa.RecordBatch.from_pylist([], schema=schema))
    table = pa.Table.from_batches(batches).unify_dictionaries().combine_chunks()
    return table.to_batches()[0] if table.num_rows else batches[0]


# ---------------------------------------------------------------- the messages, before any is read


def _check_messages(body: bytes, limits: Limits) -> None:
    """Refused (413) if there are too many messages, or more bytes in their compressed buffers than a body may have."""
    promised = 0
    for at, message in enumerate(pa.MessageReader.open_stream(pa.py_buffer(body))):
        if at >= MESSAGES_MAX:
            raise too_many_rows()
        promised += _promised(message)
        if promised > limits.body_bytes_max:
            raise Refused(413, AdmissionReason.BODY_TOO_LARGE.value, "the buffers are too large when inflated")


def _promised(message: pa.Message) -> int:
    """Bytes that the compressed buffers of a message promise to become; 0 where nothing is compressed."""
    if message.type not in ("record batch", "dictionary"):
        return 0
    metadata = message.metadata.to_pybytes()
    batch = _table(metadata, _root(metadata), _HEADER)
    if message.type == "dictionary" and batch is not None:
        batch = _table(metadata, batch, _DICTIONARY_DATA)
    if batch is None or _table(metadata, batch, _RECORD_BATCH_COMPRESSION) is None:
        return 0
    buffers = _table(metadata, batch, _RECORD_BATCH_BUFFERS)
    if buffers is None:
        return 0
    (count,) = struct.unpack_from("<I", metadata, buffers)
    total, held = 0, memoryview(message.body)
    for at in range(count):
        offset, length = struct.unpack_from("<qq", metadata, buffers + 4 + 16 * at)
        if length > 0:
            (size,) = struct.unpack_from("<q", held, offset)
            if size < -1:
                raise ValueError
            total += max(size, 0)
    return total


def _root(metadata: bytes) -> int:
    return int(struct.unpack_from("<I", metadata, 0)[0])


def _table(metadata: bytes, table: int, field: int) -> int | None:
    """Where the table or vector of a flatbuffer's field lies; None where the field was left out.

    A table begins with the distance back to its vtable: its own size, the table's, then an offset a field.
    """
    vtable = table - struct.unpack_from("<i", metadata, table)[0]
    (size,) = struct.unpack_from("<H", metadata, vtable)
    slot = 4 + 2 * field
    offset = struct.unpack_from("<H", metadata, vtable + slot)[0] if slot < size else 0
    if not offset:
        return None
    at = table + offset
    return int(at + struct.unpack_from("<I", metadata, at)[0])
