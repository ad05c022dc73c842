"""History as NDJSON: a row a line, `{"x": 0.5, "carrier": "UA", "prediction": "late"}`, columns by name.

JSON has types, so a cell means just what it means at the intake: `"5"` is no number, `5` is the category `5`, null is
missing, a list or an object is invalid. Times may be texts as well, as 2026-11-01T00:00:00Z. Between the lines and the
columns a cell is its JSON text; each distinct text of a batch is parsed once. An id stays that text, quotes and all: it
is only compared with others of the file.

A line that cannot be read ends the reading, and is named by its number; neither line nor cell is ever quoted. Every
line must have every column that the schema names, null where nothing is known: a column that is spelled otherwise from
some line on would pass for missing values.

Cost: 5.5 us of CPU a row of 5 columns (busy 2-core machine, 2026-11); in memory a batch of 32,768 rows, or of 64 MiB
of what is read of them, whichever is less: lines may be a MiB long.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec
import numpy as np
import pyarrow as pa

from monitor.errors import Problem, SettingsError
from monitor.ingest.history_answers import coded
from monitor.ingest.times import parse_time
from monitor.panes.cells import number, word
from monitor.panes.rows import NumericColumn

BATCH_ROWS: Final = 32_768
BATCH_BYTES: Final = 64 << 20  # of cells, and at most one line more
LINE_BYTES_MAX: Final = 1 << 20  # as the longest row of CSV
_NULL: Final = b"null"

Row = dict[str, msgspec.Raw]
_DECODER: Final = msgspec.json.Decoder(Row)


def column_names(path: Path) -> list[str]:
    """The columns of the first row; [] if there is none. SettingsError."""
    with path.open("rb") as file:
        first = next(_rows(file, path), None)
    return [] if first is None else list(first[1])


def batches(path: Path, wanted: list[str]) -> Iterator[pa.RecordBatch]:
    """Read the columns that are wanted; SettingsError with the number of the first line that cannot be."""
    with path.open("rb") as file:
        some: list[Sequence[str | None]] = []
        size = 0
        for line, row in _rows(file, path):
            if absent := [name for name in wanted if name not in row]:
                raise _wrong(path, line, f"has no column {absent[0]}", "write null where nothing is known")
            some.append([_text(row[name]) for name in wanted])
            size += sum(len(text) for text in some[-1] if text is not None)
            if len(some) == BATCH_ROWS or size >= BATCH_BYTES:
                yield _batch(some, wanted)
                some, size = [], 0
        if some:
            yield _batch(some, wanted)


def numbers(column: pa.Array) -> NumericColumn:
    """Read the cells of a numeric column."""
    return _read(column, number)


def times(column: pa.Array) -> NumericColumn:
    """Read the cells of a column that says when: seconds since 1970, or a text."""
    return _read(column, parse_time)


def _read(column: pa.Array, meaning: Callable[[Any], float | None]) -> NumericColumn:
    codes, texts = coded(column)
    found = [meaning(_cell(text)) for text in texts]
    values = np.array([*(np.nan if each is None else each for each in found), np.nan])
    invalid = np.array([*(each is None for each in found), False], np.bool_)
    return NumericColumn(values[codes], codes < 0, invalid[codes])


def read_word(text: str) -> str | None:
    """Read a cell of a categorical column, or a class name; None if it is invalid.

    >>> read_word('"UA"'), read_word("5.0"), read_word("true"), read_word("[1]")
    ('UA', '5', 'true', None)
    """
    return word(_cell(text))


def _rows(file: BinaryIO, path: Path) -> Iterator[tuple[int, Row]]:
    line = 0
    while text := file.readline(LINE_BYTES_MAX + 1):
        line += 1
        if len(text) > LINE_BYTES_MAX:
            raise _wrong(path, line, f"is longer than {LINE_BYTES_MAX} bytes", "is it one row a line?")
        if text.isspace():
            continue
        try:
            yield line, _DECODER.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise _wrong(path, line, "is no JSON object", 'a row a line, as {"x": 0.5, "prediction": 1}') from None


def _wrong(path: Path, line: int, what: str, hint: str) -> SettingsError:
    return SettingsError([Problem(str(path), f"line {line} {what}", hint)])


def _text(raw: msgspec.Raw) -> str | None:
    body = bytes(raw)
    return None if body == _NULL else body.decode(errors="replace")


def _cell(text: str) -> Any:
    """What a JSON text says; the text of a list or an object is nothing that a cell may be."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _batch(rows: Sequence[Sequence[str | None]], wanted: list[str]) -> pa.RecordBatch:
    columns = list(zip(*rows, strict=True)) if wanted else []
    return pa.RecordBatch.from_arrays([pa.array(column, pa.string()) for column in columns], names=wanted)
