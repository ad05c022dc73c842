"""Scores of Arrow rows: a number, or a probability of each class as a list, a struct or a map."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import types

from monitor.ingest.arrow.part import Part
from monitor.ingest.arrow.values import (
    Bools,
    Doubles,
    as_doubles,
    as_mask,
    entries,
    is_list,
    is_number,
    is_text,
    numbered,
)
from monitor.ingest.counters import Claim
from monitor.panes.batch import keeps_probabilities


def scores_of(part: Part, outputs: NDArray[np.uint8]) -> tuple[Doubles, pa.Array | None]:
    """The score of each row, NaN without one, and all probabilities where they are kept and a row has them."""
    column, schema = part.column("scores"), part.known.schema
    nothing = np.full(part.n, np.nan)
    if column is None:
        return nothing, None
    if types.is_dictionary(column.type) and is_number(column.type.value_type):
        column = column.dictionary_decode()
    given, width = ~as_mask(column.is_null()), len(schema.classes)
    if types.is_struct(column.type) or types.is_map(column.type) or is_list(column.type):
        matrix = _matrix(column, schema.classes)
        at = outputs if schema.positive is None else np.full(part.n, part.known.classes[schema.positive])
        inside = at < width
        found = np.where(inside, matrix[np.arange(part.n), np.where(inside, at, 0)], np.nan) if width else nothing
    else:
        matrix = None
        found = as_doubles(column) if width and is_number(column.type) else nothing
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
            if child >= 0 and is_number(column.type.field(child).type):
                found[:, at] = as_doubles(column.field(child))
        return found
    if types.is_map(column.type):
        rows, keys, values = entries(column)
        if is_number(values.type) and is_text(keys.type):
            codes, names = numbered(keys, len(keys))
            place = {name: at for at, name in enumerate(classes)}
            places = np.array([place.get(name, -1) for name in names], np.intp)[codes]
            mine = places >= 0
            found[rows[mine], places[mine]] = as_doubles(values)[mine]  # of equal keys the last wins
        return found
    lengths = pc.list_value_length(column).fill_null(0).to_numpy(zero_copy_only=False)
    values = column.flatten()
    if is_number(values.type) and width:
        right = lengths == width
        starts = np.cumsum(lengths) - lengths
        flat = as_doubles(values)
        found[right] = flat[starts[right][:, None] + np.arange(width)]
    return found
