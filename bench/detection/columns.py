"""Arrow tables as rows of the product."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from monitor.panes.rows import MISSING, CategoricalColumn, Column, NumericColumn, Predictions


def numbers(values: NDArray[np.float64]) -> NumericColumn:
    """A numeric column; NaN is missing."""
    missing = np.isnan(values)
    return NumericColumn(values, missing, np.zeros(len(values), np.bool_))


def categories(values: pa.ChunkedArray | pa.Array) -> CategoricalColumn:
    """A categorical column; null is missing."""
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if not pa.types.is_dictionary(values.type):
        values = values.cast(pa.string()).dictionary_encode()
    codes = values.indices.fill_null(MISSING).to_numpy(zero_copy_only=False).astype(np.int32)
    return CategoricalColumn(codes, tuple(str(value) for value in values.dictionary.to_pylist()))


def take_columns(table: pa.Table, numeric: Sequence[str], categorical: Sequence[str]) -> dict[str, Column]:
    """These columns of a table, in this order."""
    found: dict[str, Column] = {}
    for name in numeric:
        found[name] = numbers(table[name].cast(pa.float64()).to_numpy(zero_copy_only=False))
    for name in categorical:
        found[name] = categories(table[name])
    return found


def rows_of(
    columns: dict[str, Column],
    times: NDArray[np.float64],
    outputs: NDArray[np.uint8],
    scores: NDArray[np.float64],
) -> Predictions:
    """Rows in order of their times."""
    rows = Predictions.unsent(columns, times=times, outputs=outputs, scores=scores)
    return rows.take(np.argsort(times, kind="stable"))
