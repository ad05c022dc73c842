"""Batches of rows put end to end: a fold counts many small journal records as one.

Categories are re-numbered, because each record numbers its own. A column that a batch lacks is missing in its rows;
a column that changed its kind between two records (a new schema) is invalid in the rows of the lesser kind.
"""

from collections.abc import Sequence
from itertools import accumulate, chain

import numpy as np
import pyarrow as pa

from monitor.panes.rows import INVALID, MISSING, CategoricalColumn, Coded, Column, NumericColumn, Predictions, T


def concat(batches: Sequence[Predictions]) -> Predictions:
    """All rows of `batches` in their order; no batches give no rows."""
    if len(batches) == 1:
        return batches[0]
    names = dict.fromkeys(chain.from_iterable(batch.columns for batch in batches))
    return Predictions(
        n=sum(batch.n for batch in batches),
        ids=pa.concat_arrays([pa.array([], pa.string()), *(batch.ids for batch in batches)]),
        times=_joined([batch.times for batch in batches]),
        arrivals=_joined([batch.arrivals for batch in batches]),
        outputs=np.concatenate([np.empty(0, np.uint8), *(batch.outputs for batch in batches)]),
        scores=_joined([batch.scores for batch in batches]),
        sources=_coded([batch.sources for batch in batches]),
        claimed=_coded([batch.claimed for batch in batches]),
        segments=_coded([batch.segments for batch in batches]),
        columns={name: _column([batch.columns.get(name) for batch in batches], batches) for name in names},
        values=_joined([batch.values for batch in batches]),
        probabilities=_probabilities(batches),
    )


def _coded(parts: Sequence[Coded[T]]) -> Coded[T]:
    """Number on where the part before ends; nothing is looked up, so a value may stand there more than once."""
    starts = accumulate((len(part.values) for part in parts), initial=0)
    codes = [part.codes + np.int32(start) for part, start in zip(parts, starts, strict=False)]
    return Coded(
        np.concatenate([np.empty(0, np.int32), *codes]), tuple(chain.from_iterable(part.values for part in parts))
    )


def _probabilities(batches: Sequence[Predictions]) -> np.ndarray | None:
    """All of them, NaN for a batch without; None where none has any, or their classes are not as many."""
    widths = {batch.probabilities.shape[1] for batch in batches if batch.probabilities is not None}
    if len(widths) != 1:
        return None
    nothing = np.full((1, *widths), np.nan, np.float32)
    return np.concatenate(
        [
            np.broadcast_to(nothing, (batch.n, nothing.shape[1]))
            if batch.probabilities is None
            else batch.probabilities
            for batch in batches
        ]
    )


def _joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.empty(0), *parts])


def _column(parts: Sequence[Column | None], batches: Sequence[Predictions]) -> Column:
    if any(isinstance(part, CategoricalColumn) for part in parts):
        return _categories([_as_categories(part, batch.n) for part, batch in zip(parts, batches, strict=True)])
    numbers = [_as_numbers(part, batch.n) for part, batch in zip(parts, batches, strict=True)]
    return NumericColumn(
        np.concatenate([part.values for part in numbers]),
        np.concatenate([part.missing for part in numbers]),
        np.concatenate([part.invalid for part in numbers]),
    )


def _as_numbers(part: Column | None, n: int) -> NumericColumn:
    if isinstance(part, NumericColumn):
        return part
    return NumericColumn(np.full(n, np.nan), np.ones(n, np.bool_), np.zeros(n, np.bool_))


def _as_categories(part: Column | None, n: int) -> CategoricalColumn:
    if isinstance(part, CategoricalColumn):
        return part
    if part is None:
        return CategoricalColumn(np.full(n, MISSING, np.int32), ())
    return CategoricalColumn(np.where(part.missing, MISSING, INVALID).astype(np.int32), ())


def _categories(parts: Sequence[CategoricalColumn]) -> CategoricalColumn:
    number: dict[str, int] = {}
    codes = []
    for part in parts:
        table = [number.setdefault(value, len(number)) for value in part.values]
        codes.append(np.array([*table, INVALID, MISSING], np.int32)[part.codes])  # -2 and -1 count from the end
    return CategoricalColumn(np.concatenate(codes), tuple(number))
