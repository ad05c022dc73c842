"""What the store is built of: its bounds, and what it is handed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from monitor.clock import Clock
from monitor.facts import ModelName
from monitor.store.disk import Disk, free_bytes, reserve_bytes
from monitor.store.journal import Encode, Space
from monitor.store.panes import SumBodies
from monitor.store.samples import SampleQuota
from monitor.store.writer import Pace


@dataclass(frozen=True, slots=True)
class Quota:
    """What the files of one model may take."""

    receipts_bytes_max: int = 2 << 30  # 40 million predictions at 20 features; over it they are thinned
    samples_bytes_max: int = 1 << 30  # about 10 million rows of 20 features; over it the oldest go
    samples_age_max_s: float = 14 * 86_400.0

    @property
    def samples(self) -> SampleQuota:
        """For the samples' upkeep."""
        return SampleQuota(self.samples_bytes_max, self.samples_age_max_s)


@dataclass(frozen=True, slots=True)
class Limits:
    """Every bound of the store."""

    pace: Pace = field(default_factory=Pace)
    free_bytes_min: int | None = None  # None: max(256 MiB, 5 % of the file system)
    wal_pages_max: int = 1_024  # of 4 KiB: copying them into the database takes a few milliseconds
    file_bytes_min: int = 128 << 10  # a group of records from here on goes into a file
    waiting_max: int = 100_000  # labels without a prediction, per model
    keys_max: int = 2_000_000  # idempotency keys: 200 MB
    keys_kept_s: float = 86_400.0  # a day: longer than any sender tries again
    panes_age_max_s: float = 400 * 86_400.0  # of day sums: as long as the longest horizon
    quotas: Mapping[ModelName, Quota] = field(default_factory=dict)  # of models that are not named: Quota()

    def quota(self, model: ModelName) -> Quota:
        """What this model's files may take."""
        return self.quotas.get(model, Quota())


@dataclass(frozen=True, slots=True)
class Parts:
    """What the store is handed: the layers below know rows and panes, the tests know how disks fail."""

    encode: Encode  # rows of one kind and model to the body of a journal record
    sum_bodies: SumBodies  # encoded panes of one reference to the encoding of their sum
    clock: Clock
    on_fatal: Callable[[Exception], object] = lambda _: (
        None
    )  # called once, on a thread of the store, which it must not close
    free_bytes: Callable[[], int] | None = None  # None: of the state directory's file system
    disk: Disk = field(default_factory=Disk)
    vfs: str | None = None


def space(state_dir: Path, parts: Parts, limits: Limits) -> Space:
    """Where free space is read, and how much is reserved."""
    reserved = limits.free_bytes_min
    return Space(
        parts.free_bytes or (lambda: free_bytes(state_dir)),
        reserve_bytes(state_dir) if reserved is None else reserved,
    )
