"""What the columns of a history file say of a model's answers and their labels, by task.

| task | prediction | label |
|---|---|---|
| classification | a class | a class |
| regression | a number | a number |
| ranking | how many items were served: a number, or a list | place of the first relevant item, or gains by place |

A list is a Parquet list or, in either kind of file, a JSON array as text. As at the intake an unreadable label is none,
and probabilities count only where all classes have one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from monitor.facts import Schema, Task
from monitor.panes.ranking import score_gains, score_place
from monitor.panes.rows import NumericColumn
from monitor.panes.schema import ColumnNames

NO_LABEL = float("nan")

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Cells:
    """What the cells of one kind of file mean."""

    numbers: Callable[[pa.Array], NumericColumn]
    word: Callable[[Any], str | None]


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """Of `Predictions` the fields that depend on the task, and `labels` f8[n], NaN where none came."""

    outputs: NDArray[np.uint8]
    scores: Doubles
    values: Doubles
    probabilities: NDArray[np.float32] | None
    labels: Doubles


def read_answers(batch: pa.RecordBatch, cells: Cells, schema: Schema, names: ColumnNames) -> Answers:
    """Read the answers of a batch, and the labels where the file has them."""
    if schema.task is Task.CLASSIFICATION:
        return _classified(batch, cells, schema, names)
    read = _numbers if schema.task is Task.REGRESSION else _lengths
    judge = _numbers if schema.task is Task.REGRESSION else _relevance
    n = batch.num_rows
    labels = np.full(n, NO_LABEL) if names.label is None else judge(batch.column(names.label), cells)
    values = read(batch.column(names.prediction), cells)
    return Answers(
        np.zeros(n, np.uint8), np.full(n, np.nan), values, None, np.where(np.isfinite(labels), labels, NO_LABEL)
    )


def coded(column: pa.Array) -> tuple[NDArray[np.int32], list[Any]]:
    """Codes into the distinct cells, -1 for null."""
    found = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    codes = found.indices.cast(pa.int32()).fill_null(-1)
    return codes.to_numpy(), found.dictionary.to_pylist()


def _classified(batch: pa.RecordBatch, cells: Cells, schema: Schema, names: ColumnNames) -> Answers:
    n, k = batch.num_rows, len(schema.classes)
    outputs = _classes(batch.column(names.prediction), cells, schema.classes, k).astype(np.uint8)
    labels = np.full(n, NO_LABEL)
    if names.label is not None:
        labels = _classes(batch.column(names.label), cells, schema.classes, NO_LABEL)
    scores = np.full(n, np.nan) if names.score is None else cells.numbers(batch.column(names.score)).values
    if not names.probabilities:
        return Answers(outputs, scores, np.full(n, np.nan), None, labels)
    given = np.column_stack([cells.numbers(batch.column(name)).values for name in names.probabilities])
    given[~((given >= 0) & (given <= 1)).all(axis=1)] = np.nan
    if names.score is None:  # a lone score would be the predicted class's
        scores = np.where(outputs < k, given[np.arange(n), np.minimum(outputs, k - 1)], np.nan)
    return Answers(outputs, scores, np.full(n, np.nan), given.astype(np.float32), labels)


def _classes(column: pa.Array, cells: Cells, classes: Sequence[str], missing: float) -> Doubles:
    """Class indices, `missing` for null, K for what is no class; a text that is one counts before its reading."""
    index = {name: i for i, name in enumerate(classes)}
    codes, found = coded(column)
    table = [index.get(cell, index.get(cells.word(cell) or "", len(index))) for cell in found]
    return np.array([*table, missing], np.float64)[codes]


def _numbers(column: pa.Array, cells: Cells) -> Doubles:
    return cells.numbers(column).values


def _lengths(column: pa.Array, cells: Cells) -> Doubles:
    return _judged(column, cells, _length)


def _relevance(column: pa.Array, cells: Cells) -> Doubles:
    return _judged(column, cells, _packed)


def _judged(column: pa.Array, cells: Cells, judge: Callable[[Any], float | None]) -> Doubles:
    """Judge cells that are numbers or lists; NaN for null and for what is neither."""
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        found = column.to_pylist()
    else:
        numbers = cells.numbers(column)
        found = numbers.values.tolist()
        for row in np.flatnonzero(numbers.invalid).tolist():
            found[row] = _array(column[row].as_py())
    return np.array([NO_LABEL if cell is None else _or_nan(judge(cell)) for cell in found], np.float64)


def _array(text: object) -> list[Any] | None:
    """Read a JSON array of a cell's text; None if it is something else."""
    if not isinstance(text, str):
        return None
    try:
        return msgspec.json.decode(text, type=list[Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _or_nan(value: float | None) -> float:
    return NO_LABEL if value is None else value


def _length(cell: float | list[Any]) -> float:
    return float(len(cell)) if isinstance(cell, list) else cell


def _packed(cell: float | list[Any]) -> float | None:
    try:
        if isinstance(cell, list):
            return score_gains(cell)
        return score_place(int(cell)) if float(cell).is_integer() else None
    except ValueError:
        return None
