"""What the store is built of: its bounds, and what it is handed."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from monitor.clock import Clock
from monitor.store.disk import Disk, free_bytes, reserve_bytes
from monitor.store.journal import Encode, Space
from monitor.store.panes import SumBodies
from monitor.store.writer import Pace


@dataclass(frozen=True, slots=True)
class Limits:
    """Every bound of the store."""

    pace: Pace = field(default_factory=Pace)
    free_bytes_min: int | None = None  # None: max(256 MiB, 5 % of the file system)
    wal_pages_max: int = 1_024  # of 4 KiB: copying them into the database takes a few milliseconds
    waiting_max: int = 100_000  # labels without a prediction, per model
    keys_max: int = 2_000_000  # idempotency keys: 200 MB
    keys_kept_s: float = 86_400.0  # wire-formats.md


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
