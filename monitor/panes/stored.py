"""The stored form of a pane.

Little endian: format u1 = 1 · width u1 in {1, 2, 4, 8} · cells u4 · exceptions e u4 · the cells as signed integers of
that width · for the counts too wide for it: their cell numbers u4[e], then counts i8[e] (0 stands in the cells). What a
cell means is the reference's `Layout`, and whose they are is in the key beside the bytes.

Most counts of a minute fit one byte and a few cells never do (the sums), so a cell costs about a byte. zlib would make
half of that, but undoing it costs 3-11 us a pane where adding one costs 1, and a look adds a hundred (measured
2026-11).
"""

import struct
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from monitor.errors import Corrupt
from monitor.facts import Pane

_HEADER = struct.Struct("<BBII")
_WIDTHS = {width: np.dtype(f"<i{width}") for width in (1, 2, 4, 8)}
_EXCEPTION_BYTES = 12


def encode_pane(pane: Pane) -> bytes:
    """Write the stored form of the counts; whose they are is in the key beside it."""
    return _encode(pane.counts)


def decode_pane(reference: str, body: bytes) -> Pane:
    """Read a stored pane of the reference with this digest; Corrupt if `encode_pane` did not write it."""
    counts = sum_counts([body], cells_of(body))
    counts.setflags(write=False)
    return Pane(reference, counts)


def cells_of(body: bytes) -> int:
    """How many cells a stored pane has; Corrupt if it has no header of ours."""
    return _header(body)[1]


def sum_counts(bodies: Iterable[bytes], size: int) -> NDArray[np.int64]:
    """Add up stored panes of `size` cells each; Corrupt if one has another size or `encode_pane` did not write it.

    Cells of one width are gathered first and added at once, and so are the counts too wide for their pane: numpy's
    fixed costs, paid a few times and not a hundred. Gathered as views: cut out as bytes, they would be copied twice.
    """
    narrow: dict[int, list[memoryview]] = {}
    where: list[memoryview] = []
    wide: list[memoryview] = []
    for body in bodies:
        width, cells, exceptions = _header(body)
        if cells != size:
            raise Corrupt("a stored pane", 0, f"{cells} cells where its reference has {size}")
        start, seen = _HEADER.size + cells * width, memoryview(body)
        narrow.setdefault(width, []).append(seen[_HEADER.size : start])
        if exceptions:
            where.append(seen[start : start + 4 * exceptions])
            wide.append(seen[start + 4 * exceptions :])
    total = np.zeros(size, np.int64)
    for width, parts in narrow.items():
        total += _sum_rows(np.frombuffer(b"".join(parts), _WIDTHS[width]).reshape(len(parts), size))
    index = np.frombuffer(b"".join(where), "<u4")
    if len(index) and int(index.max()) >= size:
        raise Corrupt("a stored pane", _HEADER.size, "a count belongs to a cell that does not exist")
    np.add.at(total, index, np.frombuffer(b"".join(wide), "<i8"))
    return total


def _sum_rows(rows: NDArray[np.signedinteger]) -> NDArray[np.signedinteger]:
    """Add up rows of one width in the narrowest type that holds any such sum: twice the width is twice the time."""
    largest = len(rows) << (8 * rows.itemsize - 1)
    holding = next((wide for wide in _WIDTHS.values() if largest < 1 << (8 * wide.itemsize - 1)), _WIDTHS[8])
    total: NDArray[np.signedinteger] = rows.sum(axis=0, dtype=holding)
    return total


def _header(body: bytes) -> tuple[int, int, int]:
    """Width, cells, exceptions; Corrupt if the length of the body belies them."""
    if len(body) < _HEADER.size:
        raise Corrupt("a stored pane", 0, f"{len(body)} bytes are less than its header")
    version, width, cells, exceptions = _HEADER.unpack_from(body)
    if version != 1 or width not in _WIDTHS:
        raise Corrupt("a stored pane", 0, f"format {version}, width {width}: written by another version")
    if len(body) != _HEADER.size + cells * width + exceptions * _EXCEPTION_BYTES:
        raise Corrupt("a stored pane", len(body), "its length is not what its header says")
    return width, cells, exceptions


def _encode(counts: NDArray[np.int64]) -> bytes:
    size, narrow, wide = min((_narrow(counts, width) for width in _WIDTHS), key=lambda form: form[0])
    index = np.flatnonzero(wide)
    cells = np.where(wide, 0, counts).astype(narrow)
    header = _HEADER.pack(1, narrow.itemsize, len(counts), len(index))
    body = b"".join((header, cells.tobytes(), index.astype("<u4").tobytes(), counts[index].astype("<i8").tobytes()))
    assert len(body) == _HEADER.size + size
    return body


def _narrow(counts: NDArray[np.int64], width: int) -> tuple[int, np.dtype[np.signedinteger], NDArray[np.bool_]]:
    """Bytes needed at this width, its type, and which counts do not fit it."""
    half = 1 << (8 * width - 1)
    wide = (counts < -half) | (counts > half - 1)
    return width * len(counts) + _EXCEPTION_BYTES * int(np.count_nonzero(wide)), _WIDTHS[width], wide
