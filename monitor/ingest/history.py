"""History files, CSV, Parquet and NDJSON, as streams of batches: what a reference profile is built from.

One batch after the other is read and forgotten, so memory does not depend on the rows. A whole reference of 20 features
takes, from 200,000 and from 10,000,000 rows alike, 250 MB resident from Parquet, 90 of them imports, and 23 s of CPU;
2,000,000 rows take 16 s of CPU from CSV (measured 2026-11; the soak test repeats it).

A cell means here what it means at the intake (panes/cells.py), or the reference would be counted in other units than
the traffic. Parquet has types: a string in a numeric column is invalid, null is missing, NaN is non-finite. Types that
JSON lacks are read as numbers where they have a plain meaning: decimals, and timestamps and dates in seconds since
1970, UTC where they name no zone.

NDJSON has those of the intake (`monitor.ingest.history_lines`). CSV has no types, only text, so it is read the way it
was meant:

| text | numeric feature | categorical feature |
|---|---|---|
| unquoted `NA`, `N/A`, `NULL`, `null` or nothing | missing | missing |
| `5`, `5.0`, `1e3` | the number | `5`, `5`, `1e3`: a trailing `.0` is how pandas writes integers beside gaps |
| `true`, `True`, `TRUE` and false alike | 1 and 0 | `true` and `false`, as JSON writes them |
| `2013-03-01T05:15:00-05:00`, `2013-03-01 05:15` | seconds since 1970 | as it is |
| quoted nothing | missing | as it is |
| anything else | invalid | as it is |

Each distinct text of a batch is parsed once. A row without a prediction counts as another class, an unreadable time as
none: history is counted as it is, nothing is left out.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from monitor.errors import Problem, SettingsError
from monitor.facts import FeatureKind, Schema
from monitor.ingest import history_lines
from monitor.ingest.history_answers import Cells, coded, read_answers
from monitor.panes.build import HistoryBatch, OpenBatches
from monitor.panes.cells import word
from monitor.panes.rows import INVALID, MISSING, CategoricalColumn, Column, NumericColumn, Predictions
from monitor.panes.schema import ColumnNames, parse_schema

__all__ = ["ColumnNames", "history_rows", "open_history", "parse_schema"]

BATCH_ROWS: Final = 32_768  # of Parquet: 5 MB at 20 features
BLOCK_BYTES: Final = 1 << 20  # of CSV, and hence the longest row; Arrow takes 40 times that in buffers
NULLS: Final = ("", "NA", "N/A", "NULL", "null")

_INTEGRAL: Final = re.compile(r"(-?\d+)\.0+")
_TRUTH: Final = {"true": 1.0, "True": 1.0, "TRUE": 1.0, "false": 0.0, "False": 0.0, "FALSE": 0.0}

Batches: TypeAlias = Iterator[pa.RecordBatch]


@dataclass(frozen=True, slots=True)
class _Dialect:
    """How one kind of file is read, and what its cells mean."""

    names: Callable[[Path], list[str]]
    batches: Callable[[Path, list[str]], Batches]
    cells: Cells
    times: Callable[[pa.Array], NumericColumn]  # of the columns that say when; numbers, but for texts in NDJSON


def open_history(path: Path, schema: Schema, names: ColumnNames) -> OpenBatches:
    """Check that the file has every column and return what reads it from its start, as often as it is called.

    SettingsError with every column that is absent or there twice; from the batches too, if the file cannot be read on.
    """
    dialect = _dialect(path)
    wanted = [feature.name for feature in schema.features]
    named = (names.prediction, names.time, names.score, names.label, names.id, names.label_time)
    wanted += [name for name in named if name is not None]
    wanted += names.probabilities
    with _explained(path):
        present = dialect.names(path)
    if wrong := [name for name in wanted if present.count(name) != 1]:
        how = ("has no column", "has more than one column")
        raise SettingsError([Problem(str(path), f"{how[name in present]} {name}", "see the schema") for name in wrong])
    return partial(_read, path, dialect, wanted, schema, names)


def history_rows(path: Path) -> int | None:
    """How many rows a file has, for a progress bar; None where that is known only after reading it (CSV)."""
    if _dialect(path) is not _PARQUET:
        return None
    with _explained(path):
        return int(pq.read_metadata(path).num_rows)


def _dialect(path: Path) -> _Dialect:
    name = path.name.lower()
    if name.endswith((".csv", ".csv.gz")):
        return _CSV
    if name.endswith((".parquet", ".pq")):
        return _PARQUET
    if name.endswith((".ndjson", ".jsonl")):
        return _LINES
    raise SettingsError([Problem(str(path), "is of no known kind", "name it .csv, .csv.gz, .parquet or .ndjson")])


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn what Arrow raises into a SettingsError; its own text may quote cells, so it is not passed on."""
    try:
        yield
    except OSError as error:
        raise SettingsError([Problem(str(path), error.strerror or "cannot be read", "is it a whole file?")]) from error
    except pa.ArrowException as error:
        raise SettingsError(
            [Problem(str(path), "is empty, damaged, or not of the kind its name says", "write it again")]
        ) from error


def _read(
    path: Path, dialect: _Dialect, wanted: list[str], schema: Schema, names: ColumnNames
) -> Iterator[HistoryBatch]:
    told = wrong = False
    with _explained(path):
        for batch in dialect.batches(path, wanted):
            times = None if names.time is None else dialect.times(batch.column(names.time))
            if times is not None:
                told, wrong = told or bool(np.isfinite(times.values).any()), wrong or bool(times.invalid.any())
            yield _batch(batch, times, dialect, schema, names)
    if wrong and not told:  # it would pass for a history without times, and cost its rhythm
        how = "write them as 2026-01-31T08:00:00Z or as seconds since 1970"
        raise SettingsError([Problem(str(path), f"has no time in column {names.time} that can be read", how)])


def _batch(
    batch: pa.RecordBatch, when: NumericColumn | None, dialect: _Dialect, schema: Schema, names: ColumnNames
) -> HistoryBatch:
    n, cells = batch.num_rows, dialect.cells
    times = np.full(n, np.nan) if when is None else when.values
    answers = read_answers(batch, cells, schema, names)
    predictions = Predictions.unsent(
        ids=None if names.id is None else batch.column(names.id).cast("string").fill_null(""),
        times=times,
        outputs=answers.outputs,
        scores=answers.scores,
        columns={feature.name: _column(batch, feature.name, feature.kind, dialect) for feature in schema.features},
        values=answers.values,
        probabilities=answers.probabilities,
    )
    told = None if names.label_time is None else dialect.times(batch.column(names.label_time)).values
    return HistoryBatch(predictions, answers.labels, told)


def _column(batch: pa.RecordBatch, name: str, kind: FeatureKind, dialect: _Dialect) -> Column:
    if kind is FeatureKind.NUMERIC:
        return dialect.cells.numbers(batch.column(name))
    codes, cells = coded(batch.column(name))
    words = [dialect.cells.word(cell) for cell in cells]
    values = {text: code for code, text in enumerate(dict.fromkeys(text for text in words if text is not None))}
    table = [INVALID if text is None else values[text] for text in words]
    return CategoricalColumn(np.array([*table, MISSING], np.int32)[codes], tuple(values))


# ---------------------------------------------------------------- CSV


def _csv_names(path: Path) -> list[str]:
    with _open_csv(path, pa_csv.ConvertOptions(), _skip) as reader:
        return list(reader.schema.names)


def _csv_batches(path: Path, wanted: list[str]) -> Batches:
    ragged: list[pa_csv.InvalidRow] = []
    meaning = pa_csv.ConvertOptions(
        include_columns=wanted,
        column_types=dict.fromkeys(wanted, pa.string()),
        null_values=list(NULLS),
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )
    try:
        with _open_csv(path, meaning, partial(_refuse, ragged)) as reader:
            yield from reader
    except pa.ArrowInvalid as error:
        if not ragged:
            raise
        row = ragged[0]
        what = f"line {row.number} has {row.actual_columns} cells where the header has {row.expected_columns}"
        raise SettingsError([Problem(str(path), what, "mend it, or leave the line out")]) from error


def _open_csv(path: Path, meaning: pa_csv.ConvertOptions, ragged: Callable[[Any], str]) -> pa_csv.CSVStreamingReader:
    reading = pa_csv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES)  # one thread: rows have numbers
    parsing = pa_csv.ParseOptions(newlines_in_values=True, invalid_row_handler=ragged)
    return pa_csv.open_csv(path, reading, parsing, meaning)


def _skip(_row: Any) -> str:
    return "skip"


def _refuse(seen: list[Any], row: Any) -> str:
    seen.append(row)
    return "error"


def _csv_numbers(column: pa.Array) -> NumericColumn:
    coded = column.dictionary_encode()
    texts = coded.dictionary
    try:
        values, bad = pc.cast(texts, pa.float64()).to_numpy(zero_copy_only=False), np.zeros(len(texts), np.bool_)
    except pa.ArrowInvalid:
        found = [_csv_number(text) for text in texts.to_pylist()]
        values = np.array([np.nan if number is None else number for number in found])
        bad = np.array([number is None for number in found], np.bool_)
    empty = pc.equal(texts, "").to_numpy(zero_copy_only=False)
    codes = coded.indices.fill_null(-1).to_numpy()  # -1: the entry appended to each table
    missing = np.append(empty, True)[codes]
    return NumericColumn(np.append(values, np.nan)[codes], missing, np.append(bad & ~empty, False)[codes])


def _csv_number(text: str) -> float | None:
    """What the text of a numeric cell means; None if nothing."""
    if text in _TRUTH:
        return _TRUTH[text]
    try:
        return None if "_" in text else float(text)
    except ValueError:
        pass
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def _csv_word(text: str) -> str:
    """What the text of a categorical cell means at the intake.

    >>> _csv_word("5.0"), _csv_word("True"), _csv_word("05"), _csv_word("5.50")
    ('5', 'true', '05', '5.50')
    """
    if text in _TRUTH:
        return text.lower()
    integral = _INTEGRAL.fullmatch(text)
    return integral.group(1) if integral else text


# ---------------------------------------------------------------- Parquet


def _parquet_names(path: Path) -> list[str]:
    return list(pq.read_schema(path).names)


def _parquet_batches(path: Path, wanted: list[str]) -> Batches:
    with pq.ParquetFile(path, buffer_size=1 << 20, pre_buffer=False) as file:
        yield from file.iter_batches(BATCH_ROWS, columns=wanted, use_threads=False)


def _parquet_numbers(column: pa.Array) -> NumericColumn:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind, missing = column.type, column.is_null().to_numpy(zero_copy_only=False)
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        values = column.cast(pa.timestamp("us"), safe=False).cast(pa.int64()).cast(pa.float64(), safe=False)
        values = pc.divide(values, 1e6)
    elif (
        pa.types.is_boolean(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
    ):
        values = column.cast(pa.float64(), safe=False)
    else:
        return NumericColumn(np.full(len(column), np.nan), missing, ~missing)
    return NumericColumn(values.fill_null(np.nan).to_numpy(), missing, np.zeros(len(column), np.bool_))


_CSV: Final = _Dialect(_csv_names, _csv_batches, Cells(_csv_numbers, _csv_word), _csv_numbers)
_PARQUET: Final = _Dialect(_parquet_names, _parquet_batches, Cells(_parquet_numbers, word), _parquet_numbers)
_LINES: Final = _Dialect(
    history_lines.column_names,
    history_lines.batches,
    Cells(history_lines.numbers, history_lines.read_word),
    history_lines.times,
)
