"""Samples: Parquet files of rows kept as they came, for evidence and reports; columns: `monitor.panes.sample_rows`.

Every fold writes one small file per model and schema. The keeper merges eight neighbours of one level and schema into
one of the next, as long as the result stays within `FILE_BYTES_MAX` and, of what the model may keep, within a
`PARTS`th of its bytes and of its age; so files stay few, and what is dropped, always whole files, the oldest first,
never is much more than what had to go. Event time says what is too old, the quota what is too much; both are counted.

Files are named by rows of state.db (`monitor.store.named`). A file that was merged stays on disk for `RETIRED_S` more,
so that who was just told its name can still read it; what is dropped goes at once.
A lost or damaged sample loses evidence, no verdict: it is counted and dropped, and the daemon goes on. Pages carry
checksums, and a merge verifies them: damage gets no fresh one.

Cost: a file of 100 rows of 20 features is 13 KB and 2 ms; merged, a row takes about 100 bytes (2026-11, two cores).
"""

import hashlib
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import structlog

from monitor.clock import Clock
from monitor.facts import ModelName
from monitor.store.disk import Disk, publish
from monitor.store.named import NamedFiles, Table
from monitor.store.protocol import Sampled, SampleFile, Samples
from monitor.store.receipts import Stopped

FAN_IN = 8
FILE_BYTES_MAX = 16 << 20  # about 150,000 rows of 20 features: read in 50 ms, merged in half a second
PARTS = 16  # so that dropping one file drops at most a sixteenth of what a model may keep
RETIRED_S = 600.0  # longer than anybody who asked for names takes to open them
SUFFIX = ".parquet"
TABLE = Table("INSERT INTO samples VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", "DELETE FROM samples WHERE name = ?")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class SampleEntry:
    """One file that counts, or will once its row is committed."""

    name: str
    model: ModelName
    level: int
    born: int
    schema: str  # files of one schema can be merged
    start: float  # smallest time
    end: float  # largest
    rows: int
    size: int  # bytes

    def row(self) -> tuple[Any, ...]:
        """See named.Entry."""
        return (self.name, self.model, self.level, self.born, self.schema, self.start, self.end, self.rows, self.size)


class SampleQuota(NamedTuple):
    """What one model may keep."""

    bytes_max: int
    age_max_s: float


class SampleFiles:
    """The samples of one directory."""

    def __init__(self, directory: Path, disk: Disk, clock: Clock) -> None:
        """Nothing is loaded yet; the directory is made if need be."""
        self.files: NamedFiles[SampleEntry] = NamedFiles(directory, disk, TABLE, SUFFIX)
        self._disk = disk
        self._clock = clock
        self._retired: list[tuple[float, SampleEntry]] = []
        self._over_quota: dict[ModelName, int] = {}
        self._lost: dict[ModelName, int] = {}

    def load(self, rows: Iterable[tuple[Any, ...]]) -> tuple[int, list[SampleEntry]]:
        """Begin with the named files, sweep every other; how many were swept, and which are gone or cut short."""
        named = [SampleEntry(*row) for row in rows]
        gone = [entry for entry in named if _size(self.files.directory / entry.name) != entry.size]
        swept = self.files.load([entry for entry in named if entry not in gone])
        for entry in gone:
            self.lose(entry)
        return swept, gone

    def write(self, samples: Samples) -> SampleEntry:
        """A new file on disk, which does not count yet."""
        return self._write(samples.model, samples.table, 0, self.files.next_born())

    def merge(self, entries: Sequence[SampleEntry]) -> SampleEntry:
        """One file instead of several neighbours of one model, level and schema; it does not count yet.

        Raises Unreadable, naming the first that is damaged.
        """
        table = pa.concat_tables([self._read(entry) for entry in entries])
        newest = entries[-1]
        return self._write(newest.model, table, newest.level + 1, newest.born)

    def within(self, model: ModelName, start: float, end: float) -> list[SampleFile]:
        """Files that may hold rows of [start, end), oldest first."""
        return [
            SampleFile(self.files.directory / entry.name, entry.start, entry.end, entry.rows, entry.size)
            for entry in self.files.of(model)
            if entry.start < end and entry.end >= start
        ]

    def superfluous(self, quotas: Callable[[ModelName], SampleQuota], now: float) -> list[SampleEntry]:
        """Files that are too old at `now`, and the oldest of those that are too much; the latter are counted."""
        gone: list[SampleEntry] = []
        for model in self.files.models():
            quota, entries = quotas(model), self.files.of(model)
            kept = [entry for entry in entries if entry.end >= now - quota.age_max_s]
            gone += [entry for entry in entries if entry.end < now - quota.age_max_s]
            size = sum(entry.size for entry in kept)
            for entry in kept:
                if size <= quota.bytes_max:
                    break
                size -= entry.size
                self._over_quota[model] = self._over_quota.get(model, 0) + entry.rows
                gone.append(entry)
        return gone

    def mergeable(self, quotas: Callable[[ModelName], SampleQuota]) -> list[SampleEntry]:
        """The next files to merge, oldest first; none when all is tidy."""
        groups: dict[tuple[ModelName, int, str], list[SampleEntry]] = {}
        for entry in self.files.every():
            groups.setdefault((entry.model, entry.level, entry.schema), []).append(entry)
        for (model, _, _), group in groups.items():
            quota = quotas(model)
            for first in range(len(group) - FAN_IN + 1):
                if _fits(group[first : first + FAN_IN], quota):
                    return group[first : first + FAN_IN]
        return []

    def retire(self, entries: Iterable[SampleEntry]) -> None:
        """These were merged into another; they are deleted later."""
        until = self._clock.monotonic() + RETIRED_S
        self._retired += [(until, entry) for entry in entries]

    def bury(self) -> None:
        """Delete what was retired long enough."""
        now = self._clock.monotonic()
        self.files.remove([entry for until, entry in self._retired if until <= now])
        self._retired = [(until, entry) for until, entry in self._retired if until > now]

    def lose(self, entry: SampleEntry) -> None:
        """Take note of a file that is gone or damaged."""
        log.warning("store.sample_lost", path=str(self.files.directory / entry.name), rows=entry.rows)
        self._lost[entry.model] = self._lost.get(entry.model, 0) + entry.rows

    def kept(self) -> dict[ModelName, Sampled]:
        """What is kept and what was lost, by model."""
        models = {*self.files.models(), *self._over_quota, *self._lost}
        return {model: self._kept(model) for model in sorted(models)}

    def _kept(self, model: ModelName) -> Sampled:
        entries = self.files.of(model)
        rows, size = sum(entry.rows for entry in entries), sum(entry.size for entry in entries)
        return Sampled(len(entries), rows, size, self._over_quota.get(model, 0), self._lost.get(model, 0))

    def _write(self, model: ModelName, table: pa.Table, level: int, born: int) -> SampleEntry:
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
        data = memoryview(sink.getvalue())
        path = self.files.fresh()
        publish(self._disk, path, lambda descriptor: self._disk.write(descriptor, data, 0))
        times = pc.min_max(table["time"])
        shape = (schema_name(table.schema), times["min"].as_py(), times["max"].as_py(), table.num_rows, data.nbytes)
        return SampleEntry(path.name, model, level, born, *shape)

    def _read(self, entry: SampleEntry) -> pa.Table:
        try:
            return pq.read_table(self.files.directory / entry.name, page_checksum_verification=True)
        except (OSError, pa.ArrowException) as error:
            raise Unreadable(entry) from error


class Unreadable(Exception):
    """A sample cannot be read."""

    def __init__(self, entry: SampleEntry) -> None:
        super().__init__(f"the sample {entry.name} cannot be read")
        self.entry = entry


class SampleUpkeep(NamedTuple):
    """What tidying needs of the store."""

    rename: Callable[[Sequence[SampleEntry], Sequence[SampleEntry]], object]  # old, new: one transaction
    quotas: Callable[[ModelName], SampleQuota]
    now: Callable[[], float]  # event time
    spare_bytes: Callable[[], int]


def tidy(samples: SampleFiles, upkeep: SampleUpkeep, stopping: threading.Event) -> None:
    """Drop and merge until nothing is left to do; a step at a time, as the store may be closing."""
    samples.bury()
    gone = samples.superfluous(upkeep.quotas, upkeep.now())
    if gone:
        upkeep.rename(gone, ())
        samples.files.remove(gone)
    while group := samples.mergeable(upkeep.quotas):
        if stopping.is_set():
            raise Stopped
        if sum(entry.size for entry in group) > upkeep.spare_bytes():
            return
        try:
            merged = samples.merge(group)
        except Unreadable as damage:
            upkeep.rename([damage.entry], ())
            samples.files.remove([damage.entry])
            samples.lose(damage.entry)
            continue
        upkeep.rename(group, [merged])
        samples.retire(group)


def together(samples: Iterable[Samples]) -> list[Samples]:
    """Joined by model and schema, in the order given, without empty ones: a file each."""
    groups: dict[tuple[ModelName, str], list[Samples]] = {}
    for each in samples:
        if each.table.num_rows:
            groups.setdefault((each.model, schema_name(each.table.schema)), []).append(each)
    return [Samples(group[0].model, pa.concat_tables([one.table for one in group])) for group in groups.values()]


def schema_name(schema: pa.Schema) -> str:
    """Short, and the same for the same columns and metadata."""
    return hashlib.blake2b(schema.serialize(), digest_size=8).hexdigest()


def _fits(group: Sequence[SampleEntry], quota: SampleQuota) -> bool:
    """Whether the merger would stay small, beside what the model may keep."""
    span = max(entry.end for entry in group) - min(entry.start for entry in group)
    size_max = min(FILE_BYTES_MAX, quota.bytes_max // PARTS)
    return span <= quota.age_max_s / PARTS and sum(entry.size for entry in group) <= size_max


def _size(path: Path) -> int:
    """Bytes of a file; -1 if there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return -1
