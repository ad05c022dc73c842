"""Segments of Arrow rows: a struct or a map of texts becomes JSON texts by code, each distinct one judged once."""

from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from pyarrow import types

from monitor.ingest.accept import SEGMENT_MAX, Tally, segment_of
from monitor.ingest.arrow.part import Part
from monitor.ingest.arrow.values import Codes, as_mask, coded, entries, numbered
from monitor.ingest.counters import Claim


def segments_of(part: Part) -> pa.Array:
    """The record's segments: JSON texts by code, null where there is none."""
    column = part.column("segment")
    if column is not None and (types.is_struct(column.type) or types.is_map(column.type)):
        codes, found = _places(column)
    else:
        codes, found = numbered(column, part.n)
    texts: list[str | None] = []
    bad = np.zeros(len(found), np.bool_)
    for at, value in enumerate(found):
        tally = Tally()
        segment = None if value is None else segment_of(value, tally)
        bad[at] = bool(tally.dropped)
        texts.append(msgspec.json.encode(segment).decode() if segment else None)
    part.drop(bad[codes], Claim.SEGMENT)
    return coded(codes, texts)


def _places(column: pa.Array) -> tuple[Codes, list[Any]]:
    """Number the distinct segments of a struct or map column, None for a null row."""
    gone = as_mask(column.is_null())
    if types.is_struct(column.type):
        names: list[str] | None = [field.name for field in column.type]
        children = [numbered(column.field(at), len(column)) for at in range(column.type.num_fields)]
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
    rows, keys, values = entries(column)
    starts = np.searchsorted(rows, np.arange(len(column)))
    place = np.arange(len(rows)) - starts[rows]
    children = []
    for at in range(min(SEGMENT_MAX + 1, int(place.max(initial=-1)) + 1)):
        for part in (keys, values):
            codes, found = numbered(part, len(part))
            wide = np.full(len(column), len(found), np.intp)
            wide[rows[place == at]] = codes[place == at]
            children.append((wide, [*found, None]))
    return None, children
