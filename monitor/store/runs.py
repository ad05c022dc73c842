"""Runs: immutable files of receipts, sorted by id hash, mapped into memory.

Layout, format 2, little endian, no padding between the parts:

    offset  size
    0       8     magic 89 54 53 52 55 4E 0D 0A  ("TSRUN" between bytes that a text transfer would change)
    8       4     format
    12      4     header_bytes: where the keys begin, a multiple of 64
    16      8     count
    24      16    smallest and largest `time` of the records, f8 (+inf, -inf when there never were any); thinning
                  keeps them, because they say what time the run stands for
    40      8     CRC-32 of the keys, CRC-32 of the records
    48      8     dropped: receipts of this time that thinning took away
    56      4     halvings h: every key is < 2**(64 - h), so a receipt is here with probability 2**-h
    60      4     length of the next
    64      ...   the records' dtype as JSON [[name, type, shape]...], then zeros
    -4      4     CRC-32 of the header so far
    header_bytes          keys     u8[count], ascending; of equal keys the last is the newest
    header_bytes + 8 n    records  dtype[count]

Finding k sorted keys among n is k binary searches in 8 n bytes that the page cache holds: 10,000 among 1,000,000 take
2 ms (measured 2026-11, two cores). Keys lie apart from records so that a search touches no record it does not want.
Pages of the mapping count as memory of the process until they are let go (`release`): after every search for many, and
all `RELEASED_BYTES` while a run is read from one end to the other, as a check, a merge and a sieve do.
Opening checks the header and the length; `verify` reads everything. A run is never changed: a merge writes a new one.
*Thinning* keeps the receipts whose hash is below a threshold. Thresholds are powers of two, and a lower one keeps a
subset of what a higher one keeps: a sample of a sample is the sample, however often it was thinned on the way.
Rejected: SQLite tables (a random B-tree page per receipt), LSM libraries (a second store to crash-test for one query).
"""

import json
import os
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.errors import Corrupt
from monitor.store.disk import Disk, publish
from monitor.store.mapped import Mapped
from monitor.store.sieve import Sieve

MAGIC = b"\x89TSRUN\r\n"
FORMAT = 2
FIXED = struct.Struct("<8sIIQddIIQII")
CRC = struct.Struct("<I")
ALIGNMENT = 64
HEADER_BYTES_MAX = 1 << 16  # a dtype of ten fields takes 300
CHUNK = 1 << 16  # records merged at a time: 4 MB at 20 features, three times that while they are
RELEASED_BYTES = 8 << 20  # that a reading of everything has mapped at most; letting go takes 0.1 ms
SEARCHED_MIN = 100  # keys looked for between two releases: neighbours in the run, as both are in order
HALVINGS_MAX = 64  # one hash is left then
HINT = "the labels of its predictions cannot be joined; restore the file from a backup, or start a new state directory"

Keys = NDArray[np.uint64]
Records = NDArray[np.void]
Chunk = tuple[Keys, Records]


class Shape(NamedTuple):
    """What the header says of the contents."""

    rows: int
    dtype: np.dtype[Any]
    start: float  # smallest time
    end: float  # largest time
    halvings: int = 0
    dropped: int = 0

    @property
    def inclusion(self) -> float:
        """How likely a receipt of this time is to be here, (0, 1]."""
        return 2.0**-self.halvings


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """One open run. The mapping lives as long as any array on it, even when the file is gone."""

    path: Path
    shape: Shape
    keys: Keys
    records: Records
    crcs: tuple[int, int]  # of keys, of records
    _mapped: Mapped
    _sieves: list[Sieve] = field(default_factory=list)  # one, once it was asked for

    @property
    def size(self) -> int:
        """Bytes of keys and records."""
        return self.keys.nbytes + self.records.nbytes

    def possible(self, wanted: Keys) -> NDArray[np.bool_]:
        """Which of many keys, all below the run's threshold, may be here: all that are, and few others."""
        if not self._sieves:
            try:
                self._sieves.append(Sieve.of(self.keys, self.shape.halvings, self.release))
            except (ValueError, IndexError) as error:  # keys out of order, or beyond the threshold
                raise Corrupt(str(self.path), self.path.stat().st_size - self.size, HINT) from error
        return self._sieves[0].passes(wanted)

    def find(self, wanted: Keys) -> tuple[NDArray[np.bool_], NDArray[np.intp]]:
        """For ascending keys: which are here, and at which position their newest record lies (0 where not)."""
        here, at = np.zeros(len(wanted), np.bool_), np.zeros(len(wanted), np.intp)
        if not len(self.keys):
            return here, at
        pieces = min(1 + self.keys.nbytes // RELEASED_BYTES, 1 + len(wanted) // SEARCHED_MIN)
        size = -(-len(wanted) // pieces)
        for start in range(0, len(wanted), max(size, 1)):
            some = slice(start, start + size)
            at[some] = np.maximum(self._last(wanted[some]), 0)
            here[some] = self.keys[at[some]] == wanted[some]
            if pieces > 1:
                self.release()
        return here, at

    def _last(self, wanted: Keys) -> NDArray[np.intp]:
        """Where the last key <= each of `wanted` is, -1 where none is."""
        if self._sieves:
            return self._sieves[0].last(self.keys, wanted)
        return np.searchsorted(self.keys, wanted, side="right") - 1

    def release(self) -> None:
        """Let go of the pages that were read: they stay in the page cache, and are no memory of ours any more."""
        self._mapped.release()

    def verify(self) -> None:
        """Read everything; Corrupt if a byte is not what was written."""
        for part, crc in zip((self.keys, self.records), self.crcs, strict=True):
            found, data = 0, _bytes(part)
            for start in range(0, len(data), RELEASED_BYTES):
                found = zlib.crc32(data[start : start + RELEASED_BYTES], found)
                self.release()
            if found != crc:
                raise Corrupt(str(self.path), self.path.stat().st_size - self.size, HINT)


def sorted_chunk(hashes: Keys, records: Records) -> Chunk:
    """Keys and records in the order of a run; of equal keys the later stays later.

    An unstable sort is six times as fast (13 ns a key, 2026-11), and right where no two are equal: nearly always.
    """
    order = np.argsort(hashes)
    keys = hashes[order]
    if (keys[1:] == keys[:-1]).any():
        order = np.argsort(hashes, kind="stable")
    return keys, without_fields(records).take(order).view(records.dtype)


def shape_of(hashes: Keys, records: Records) -> Shape:
    """Shape of records that are about to be written; ValueError if they are no receipts."""
    if records.dtype.names is None or "time" not in records.dtype.names or records.dtype.hasobject:
        msg = "receipts are structured records with a field time and without objects"
        raise ValueError(msg)
    if hashes.shape != records.shape or hashes.ndim != 1 or hashes.dtype != np.uint64:
        msg = "receipts need one 64-bit hash each"
        raise ValueError(msg)
    times = records["time"]
    return Shape(len(records), records.dtype, float(times.min(initial=np.inf)), float(times.max(initial=-np.inf)))


def write_run(disk: Disk, path: Path, shape: Shape, chunks: Iterable[Chunk]) -> None:
    """Write, fsync, rename, fsync the directory. The chunks follow each other in the order of their keys.

    OSError leaves at most a file that the next start sweeps; SyncFailed is final.
    """
    publish(disk, path, lambda descriptor: _write_parts(disk, descriptor, shape, chunks))


def _write_parts(disk: Disk, descriptor: int, shape: Shape, chunks: Iterable[Chunk]) -> None:
    """Keys and records into their places as they come, then the header, which knows their checksums."""
    header_bytes = len(_header(shape, 0, 0))
    crcs = [0, 0]
    done = 0
    for chunk in chunks:
        starts = (header_bytes + 8 * done, header_bytes + 8 * shape.rows + shape.dtype.itemsize * done)
        for part, array in enumerate(chunk):
            crcs[part] = zlib.crc32(_bytes(array), crcs[part])
            disk.write(descriptor, _bytes(array), starts[part])
        done += len(chunk[0])
    assert done == shape.rows, "a run holds what its header says"
    disk.write(descriptor, memoryview(_header(shape, *crcs)), 0)


def _header(shape: Shape, keys_crc: int, records_crc: int) -> bytes:
    """The first `header_bytes` of a run."""
    fields = [[name, *_described(shape.dtype[name])] for name in shape.dtype.names or ()]
    description = json.dumps(fields, separators=(",", ":")).encode()
    size = -(-(FIXED.size + len(description) + CRC.size) // ALIGNMENT) * ALIGNMENT
    counted = (shape.rows, shape.start, shape.end, keys_crc, records_crc, shape.dropped, shape.halvings)
    fixed = FIXED.pack(MAGIC, FORMAT, size, *counted, len(description))
    body = (fixed + description).ljust(size - CRC.size, b"\0")
    return body + CRC.pack(zlib.crc32(body))


def _described(field: np.dtype[Any]) -> tuple[str, list[int]]:
    """Type and shape of a field, as JSON keeps them."""
    return field.base.str, list(field.shape)


def open_run(path: Path) -> Run:
    """Map a run; Corrupt if it is missing, is none, is of a later format or has not the length it should have.

    Any other OSError, of a process without descriptors or memory say, tells nothing of the file and is raised as it is.
    """
    try:
        with path.open("rb") as file:
            length = os.fstat(file.fileno()).st_size
            if not length:  # cannot be mapped
                raise Corrupt(str(path), 0, f"it is empty; {HINT}")
            mapped = Mapped(file.fileno(), length)
    except FileNotFoundError as error:
        raise Corrupt(str(path), 0, f"it is gone; {HINT}") from error
    whole = mapped.array()
    shape, header_bytes, crcs = _read_header(path, whole[:HEADER_BYTES_MAX].tobytes())
    keys_end = header_bytes + 8 * shape.rows
    end = keys_end + shape.dtype.itemsize * shape.rows
    if len(whole) != end:
        raise Corrupt(str(path), min(len(whole), end), f"{len(whole)} bytes long instead of {end}; {HINT}")
    return Run(path, shape, whole[header_bytes:keys_end].view("<u8"), whole[keys_end:].view(shape.dtype), crcs, mapped)


def _read_header(path: Path, head: bytes) -> tuple[Shape, int, tuple[int, int]]:
    """Shape, header_bytes and checksums; Corrupt at the first field that is wrong."""
    if len(head) < FIXED.size or not head.startswith(MAGIC):
        raise Corrupt(str(path), 0, f"no receipts begin like this; {HINT}")
    _, version, size, count, start, end, *crcs, dropped, halvings, length = FIXED.unpack_from(head)
    if version < FORMAT:
        raise Corrupt(str(path), 8, f"format {version} was never released: start a new state directory")
    if version > FORMAT:
        raise Corrupt(str(path), 8, f"format {version}, this version of tocsin reads {FORMAT}: upgrade it")
    if not FIXED.size + length + CRC.size <= size <= len(head):
        raise Corrupt(str(path), 12, f"the header has no end; {HINT}")
    if CRC.unpack_from(head, size - CRC.size)[0] != zlib.crc32(head[: size - CRC.size]):
        raise Corrupt(str(path), size - CRC.size, f"the header was changed; {HINT}")
    fields = json.loads(head[FIXED.size : FIXED.size + length])
    dtype = np.dtype([(name, kind, tuple(shape)) for name, kind, shape in fields])
    return Shape(count, dtype, start, end, halvings, dropped), size, (crcs[0], crcs[1])


def within(keys: Keys, halvings: int) -> NDArray[np.bool_]:
    """Which keys are below the threshold 2**(64 - halvings).

    >>> within(np.array([0, 1 << 62, 1 << 63], np.uint64), 1).tolist()
    [True, True, False]
    """
    result: NDArray[np.bool_] = keys <= np.uint64((1 << (HALVINGS_MAX - halvings)) - 1)
    return result


def merged_shape(runs: Sequence[Run], horizon: float, halvings: int = 0) -> Shape:
    """Shape of the merger of runs of one dtype, without the records from before the horizon, thinned to `halvings`."""
    rows = gone = 0
    for run in runs:
        if _stays(run, horizon, halvings):
            rows += run.shape.rows
        else:
            for start in range(0, run.shape.rows, CHUNK):
                some = slice(start, start + CHUNK)
                alive = run.records["time"][some] >= horizon
                kept = int(np.count_nonzero(alive & within(run.keys[some], halvings)))
                rows, gone = rows + kept, gone + int(np.count_nonzero(alive)) - kept
                run.release()
    gone += sum(run.shape.dropped for run in runs)
    starts, ends = [run.shape.start for run in runs], [run.shape.end for run in runs]
    return Shape(rows, runs[0].shape.dtype, max(min(starts), horizon), max(ends), halvings, gone)


def _stays(run: Run, horizon: float, halvings: int) -> bool:
    """Whether all of a run is to be kept, as its header says: no record needs to be read for that."""
    return run.shape.start >= horizon and run.shape.halvings >= halvings


def merged(runs: Sequence[Run], horizon: float, halvings: int = 0, chunk: int = CHUNK) -> Iterator[Chunk]:
    """Merge runs of one dtype, oldest first, in pieces of about `chunk` records, whatever the runs' lengths.

    The largest run's keys cut all of them at the same places, so that a piece holds all of its keys.
    """
    whole = all(_stays(run, horizon, halvings) for run in runs)
    longest = max(runs, key=lambda run: run.shape.rows).keys
    step = max(1, chunk * len(longest) // max(1, sum(run.shape.rows for run in runs)))
    cuts = np.unique(longest[step::step])
    bounds = [[0, *np.searchsorted(run.keys, cuts).tolist(), len(run.keys)] for run in runs]
    for piece in range(len(cuts) + 1):
        slices = [slice(ends[piece], ends[piece + 1]) for ends in bounds]
        hashes = np.concatenate([run.keys[part] for run, part in zip(runs, slices, strict=True)])
        records = np.concatenate([without_fields(run.records[part]) for run, part in zip(runs, slices, strict=True)])
        order = np.argsort(hashes, kind="stable")  # of sorted parts it is a merge
        if not whole:
            alive = (records.view(runs[0].shape.dtype)["time"] >= horizon) & within(hashes, halvings)
            order = order[alive[order]]
        for run in runs:
            run.release()
        yield hashes[order], records.take(order).view(runs[0].shape.dtype)


def without_fields(records: Records) -> Records:
    """The same records without fields: numpy would copy them field by field, four times as slowly."""
    result: Records = np.ascontiguousarray(records).view(f"V{records.dtype.itemsize}")
    return result


def _bytes(array: NDArray[Any]) -> memoryview:
    """The array's bytes, without a copy."""
    return np.ascontiguousarray(array).view(np.uint8).reshape(-1).data
