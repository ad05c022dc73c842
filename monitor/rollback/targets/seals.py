"""What was read whole and has not been touched since: the digest of a checkpoint without a second reading.

    mark    of each file and directory below a path: device, inode, mode, owner, group, names, size, mtime, ctime
    seal    path -> (its mark, the digest that a whole reading found), if the mark was the same before and after it

Why. To hash 10 GB takes 10 s and more, and a rollback would do so four times. Whoever changes a file, its size, its
times or its permissions, puts another file in its place, or adds one to its directory, changes a mark: the kernel sets
the ctime at each of these, and no system call sets it to a chosen value, for the file's owner neither. So a path whose
mark is the sealed one holds the bytes that were read.

Two moments are left, and bounded. A clock of files ticks every 1 to 10 ms (2 s on FAT): what was written in the tick in
which the reading began could not be told from what was read. A seal is therefore made only of what nobody had touched
for `SETTLE_S` before the reading began, which also covers the clock of a file server that is a little behind. And a
seal is trusted for a time that its reader names: then all of it is read again.

Failure mode, said openly: a mark does not see what goes around the kernel's files. That is root, who can set the clock
or write to the disk itself; whoever has our user id *and* mapped the file for writing before its page was last written
to the disk; and bits that rot. The first two can do to this daemon whatever they like; rot is seen by the next whole
reading. fs-verity would prove every page at each read; rejected, since it takes a file system that was made for it,
which most volumes of pods are not, and two ways of being sure are one more to get wrong. Seals live in memory: a new
life of the daemon has none, and reads.

Cost: 5 us a file for a mark, 150 bytes a seal. At most `SEALS_MAX`, the oldest go.
"""

import errno
import hashlib
import os
import stat
from pathlib import Path
from typing import NamedTuple

from monitor.clock import Clock
from monitor.rollback.digest import SIZE_MAX, Progress, nobody
from monitor.rollback.tree import DEPTH_MAX, FILES_MAX, digest_at

SETTLE_S = 10.0
SEALS_MAX = 16  # of one link: what it names, and the copies


class Mark(NamedTuple):
    """What the file system says of a checkpoint; another one says that somebody was at it."""

    digest: str  # of all entries below the path
    newest_s: float  # the last ctime among them, wall time
    size: int  # bytes of its files


class Seal(NamedTuple):
    """One whole reading."""

    mark: Mark
    digest: str  # "sha256:<hex>" of the checkpoint
    read: float  # monotonic, when the reading began
    read_wall: float


def marked(path: Path) -> Mark:
    """Look at every entry below `path`, a file or a directory, without reading one; OSError."""
    found, newest, size = hashlib.sha256(), 0, 0
    for each in (path, *_below(path)):
        entry = each.lstat()
        about = (
            entry.st_dev,
            entry.st_ino,
            entry.st_mode,
            entry.st_uid,
            entry.st_gid,
            entry.st_nlink,
            entry.st_size,
            entry.st_mtime_ns,
            entry.st_ctime_ns,
        )
        found.update(os.fsencode(each) + b"\0" + repr(about).encode())
        newest, size = max(newest, entry.st_ctime_ns), size + entry.st_size * stat.S_ISREG(entry.st_mode)
    return Mark(found.hexdigest(), newest / 1e9, size)


class Seals:
    """The seals of one link. Any thread may call; what is read twice at the same time is sealed twice."""

    def __init__(self, clock: Clock, valid_s: float) -> None:
        """A seal is trusted for `valid_s` after its reading."""
        self._clock = clock
        self._valid_s = valid_s
        self._seals: dict[Path, Seal] = {}

    def seal(self, path: Path, within_s: float | None = None) -> Seal | None:
        """The seal that holds now; None if there is none, or anything was touched, or it is older than `within_s`."""
        found, valid_s = self._seals.get(path), self._valid_s if within_s is None else within_s
        if found is None or self._clock.monotonic() - found.read > valid_s:
            return None
        try:
            return found if marked(path) == found.mark else None
        except OSError:
            return None

    def settled(self, path: Path) -> bool:
        """Whether a reading that began now could be sealed; False if it is not there."""
        found = _marked(path)
        return found is not None and self._clock.wall() - found.newest_s >= SETTLE_S

    def digest(self, path: Path, size_max: int = SIZE_MAX) -> str:
        """The digest of what lies at `path`: the sealed one, or read now; raises as `digest_at`."""
        found = self.seal(path)
        return self.read(path, size_max) if found is None else found.digest

    def read(self, path: Path, size_max: int = SIZE_MAX, progress: Progress = nobody) -> str:
        """Read all of it now, and seal it if it can be; raises as `digest_at`."""
        began, wall, before = self._clock.monotonic(), self._clock.wall(), _marked(path)
        digest = digest_at(path, size_max, progress)
        self._seals.pop(path, None)
        settled = before is not None and wall - before.newest_s >= SETTLE_S
        if before is not None and settled and _marked(path) == before:
            while len(self._seals) >= SEALS_MAX:
                self._seals.pop(next(iter(self._seals)), None)
            self._seals[path] = Seal(before, digest, began, wall)
        return digest


def _below(path: Path) -> list[Path]:
    """Every entry below a directory, in an order that is always the same; OSError beyond what a checkpoint may hold.

    Looked at before the bytes are, which would refuse it: a deep tree must not end the thread that walks it.
    """
    found: list[Path] = []
    for at, folders, names in os.walk(path):
        found += [Path(at) / name for name in (*folders, *names)]
        if len(found) > 2 * FILES_MAX or len(Path(at).parts) - len(path.parts) > DEPTH_MAX:
            raise OSError(errno.E2BIG, "more than a checkpoint may hold", str(path))
    return sorted(found)


def _marked(path: Path) -> Mark | None:
    try:
        return marked(path)
    except OSError:
        return None  # the reading will say why
