"""Arrow columns read as numpy: codes with their distinct values, doubles with NaN for null, masks; and coded again."""

from typing import Any, Final, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import types

Bools: TypeAlias = NDArray[np.bool_]
Codes: TypeAlias = NDArray[np.intp]
Doubles: TypeAlias = NDArray[np.float64]

TEXT: Final = pa.string()
_NO_VALUE: Final[list[Any]] = []  # stands for a value of a type that means nothing here
_NARROW_MAX: Final = 127  # values whose codes fit one byte


def numbered(column: pa.Array | None, n: int) -> tuple[Codes, list[Any]]:
    """A code a row and the distinct values, None for null among them: texts, numbers and bools as Python's.

    A value of any other type is _NO_VALUE.
    """
    if column is None or types.is_null(column.type):
        return np.zeros(n, np.intp), [None]
    if not types.is_dictionary(column.type):
        if not (is_text(column.type) or is_number(column.type) or types.is_boolean(column.type)):
            return as_mask(column.is_null()).astype(np.intp), [_NO_VALUE, None]
        column = column.dictionary_encode()
    values = column.dictionary
    known = is_text(values.type) or is_number(values.type) or types.is_boolean(values.type)
    found: list[Any] = values.to_pylist() if known else [_NO_VALUE] * len(values)
    codes = indices_of(column)
    if not column.indices.null_count:
        return codes, found
    return np.where(as_mask(column.indices.is_null()), len(found), codes), [*found, None]


def indices_of(column: pa.DictionaryArray) -> Codes:
    """The codes of a dictionary column, 0 where null."""
    filled = column.indices.fill_null(0) if column.indices.null_count else column.indices
    codes: Codes = filled.to_numpy().astype(np.intp)
    return codes


def coded(codes: Codes, texts: list[Any], kind: pa.DataType = TEXT) -> pa.DictionaryArray:
    """A dictionary column of the record; null where the text is None."""
    known = [text for text in texts if text is not None]
    narrow = np.int8 if len(known) <= _NARROW_MAX else np.int32
    if len(known) == len(texts):
        return pa.DictionaryArray.from_arrays(pa.array(codes.astype(narrow)), pa.array(known, kind))
    table = (np.cumsum([text is not None for text in texts]) - 1).astype(narrow)
    gone = np.array([text is None for text in texts])[codes]
    return pa.DictionaryArray.from_arrays(pa.array(table[codes], mask=gone), pa.array(known, kind))


def as_doubles(column: pa.Array) -> Doubles:
    """A numeric column as doubles, NaN where null."""
    found = column if types.is_float64(column.type) else column.cast(pa.float64(), safe=False)
    filled: Doubles = (found.fill_null(float("nan")) if found.null_count else found).to_numpy()
    return filled


def as_mask(column: pa.BooleanArray) -> Bools:
    """A column of bools as numpy's."""
    found: Bools = column.to_numpy(zero_copy_only=False)
    return found


def is_number(kind: pa.DataType) -> bool:
    """Whether cells of this type are numbers; bools are not."""
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind))


def is_text(kind: pa.DataType) -> bool:
    """Whether cells of this type are texts."""
    return bool(types.is_string(kind) or types.is_large_string(kind))


def is_list(kind: pa.DataType) -> bool:
    """Whether cells of this type are lists, of one length or not."""
    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def compact(column: pa.Array) -> pa.Array:
    """A dictionary column without the values that no row has; other columns as they are."""
    if not types.is_dictionary(column.type):
        return column
    codes = indices_of(column)
    used = np.zeros(len(column.dictionary) + 1, np.bool_)  # one to spare: there may be no values at all
    used[codes] = True
    table = np.cumsum(used, dtype=np.int32) - np.int32(1)
    indices = pa.array(table[codes], mask=as_mask(column.indices.is_null()))
    return pa.DictionaryArray.from_arrays(indices, column.dictionary.filter(pa.array(used[:-1])))


def entries(column: pa.MapArray) -> tuple[Codes, pa.Array, pa.Array]:
    """The entries of all maps: which row each is of, its key and its item."""
    lengths = pc.list_value_length(column.cast(pa.list_(_entry_type(column.type)))).fill_null(0).to_numpy(False)
    entries = column.cast(pa.list_(_entry_type(column.type))).flatten()
    return np.repeat(np.arange(len(column)), lengths), entries.field(0), entries.field(1)


def _entry_type(kind: pa.MapType) -> pa.DataType:
    return pa.struct([pa.field("key", kind.key_type, nullable=False), pa.field("value", kind.item_type)])
