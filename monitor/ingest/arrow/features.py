"""Features of Arrow rows: the record's column of each, and which of its cells are invalid."""

from typing import Final

import numpy as np
import pyarrow as pa
from pyarrow import types

from monitor.facts import Feature, FeatureKind
from monitor.ingest.arrow.part import Part
from monitor.ingest.arrow.values import Bools, as_mask, coded, compact, is_number, numbered
from monitor.ingest.counters import UNKNOWN_NAMES_MAX
from monitor.ingest.decode import LabelRow, PredictionRow
from monitor.panes.cells import word

ENVELOPE: Final = frozenset(PredictionRow.__struct_fields__ + LabelRow.__struct_fields__) - {"features"}
PREFIX: Final = "features."


def wire_name(feature: str) -> str:
    """The name of a feature's column.

    >>> wire_name("hour"), wire_name("id"), wire_name("features.id")
    ('hour', 'features.id', 'features.features.id')
    """
    return PREFIX + feature if feature in ENVELOPE or feature.startswith(PREFIX) else feature


def count_unknown(part: Part) -> None:
    """Count, once each, columns that are neither an envelope's nor a feature."""
    features = {wire_name(name) for name in part.known.features}
    unknown = [name.removeprefix(PREFIX) for name in part.batch.schema.names if name not in features | ENVELOPE]
    if unknown and (part.refused == 0).any():
        names = part.tally.unknown.setdefault(part.known.schema.model, set())
        names.update(map(hash, unknown[:UNKNOWN_NAMES_MAX]))


def feature_column(column: pa.Array | None, feature: Feature, n: int) -> tuple[pa.Array, Bools | None]:
    """The record's column of a feature, and which cells are invalid; None: none is."""
    numeric = feature.kind is FeatureKind.NUMERIC
    if column is None or types.is_null(column.type):
        return (pa.nulls(n, pa.float64()), None) if numeric else (coded(np.zeros(n, np.intp), [None]), None)
    return _numbers(column) if numeric else _words(column)


def _numbers(column: pa.Array) -> tuple[pa.Array, Bools | None]:
    kind = column.type
    if types.is_dictionary(kind) and (is_number(kind.value_type) or types.is_boolean(kind.value_type)):
        column, kind = column.dictionary_decode(), kind.value_type
    if types.is_float64(kind):
        return column, None
    if types.is_boolean(kind):
        return column.cast(pa.uint8()).cast(pa.float64()), None
    if is_number(kind):
        return column.cast(pa.float64(), safe=False), None
    return pa.nulls(len(column), pa.float64()), ~as_mask(column.is_null())


def _words(column: pa.Array) -> tuple[pa.Array, Bools | None]:
    if types.is_string(column.type) or types.is_large_string(column.type):
        column = column.cast(pa.string()).dictionary_encode()
    kind = column.type
    if types.is_dictionary(kind) and types.is_string(kind.value_type) and not column.dictionary.null_count:
        if len(column.dictionary) <= len(column):
            return column, None
        return compact(column), None
    codes, values = numbered(column, len(column))
    texts = [None if value is None else word(value) for value in values]
    invalid = np.array([text is None and value is not None for text, value in zip(texts, values, strict=True)])
    return coded(codes, texts), invalid[codes] if invalid.any() else None
