"""Batches of rows put end to end: a fold counts many small journal records as one.

Categories are re-numbered, because each record numbers its own. A column that a batch lacks is missing in its rows;
a column that changed its kind between two records (a new schema) is invalid in the rows of the lesser kind.
"""

from collections.abc import Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from monitor.panes.batch import INVALID, MISSING, CategoricalColumn, Column, NumericColumn, Predictions


def concat(batches: Sequence[Predictions]) -> Predictions:
    """All rows of `batches` in their order; no batches give no rows."""
    if len(batches) == 1:
        return batches[0]
    names = dict.fromkeys(chain.from_iterable(batch.columns for batch in batches))
    return Predictions(
        n=sum(batch.n for batch in batches),
        ids=list(chain.from_iterable(batch.ids for batch in batches)),
        times=_joined([batch.times for batch in batches]),
        arrivals=_joined([batch.arrivals for batch in batches]),
        outputs=np.concatenate([np.empty(0, np.uint8), *(batch.outputs for batch in batches)]),
        scores=_joined([batch.scores for batch in batches]),
        sources=list(chain.from_iterable(batch.sources for batch in batches)),
        claimed=list(chain.from_iterable(batch.claimed for batch in batches)),
        segments=list(chain.from_iterable(batch.segments for batch in batches)),
        columns={name: _column([batch.columns.get(name) for batch in batches], batches) for name in names},
        values=_joined([batch.values for batch in batches]),
        probabilities=_probabilities(batches),
    )


def _joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.empty(0), *parts])


def _probabilities(batches: Sequence[Predictions]) -> NDArray[np.float32] | None:
    """One row each, NaN in the rows of batches that had none; None if no batch had, or the classes changed."""
    widths = {batch.probabilities.shape[1] for batch in batches if batch.probabilities is not None}
    if len(widths) != 1:
        return None
    nothing = (np.full((batch.n, *widths), np.nan, np.float32) for batch in batches)
    return np.concatenate(
        [
            none if batch.probabilities is None else batch.probabilities
            for none, batch in zip(nothing, batches, strict=True)
        ]
    )


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
