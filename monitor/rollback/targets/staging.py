"""What is verified is what is installed: a checkpoint is copied beside the link, and the link names the copy.

    .tocsin-staged-<link>/     beside the link, so on its volume; ours, nobody else may write into it
        <hex of the digest>    a file, or a directory of files, read-only
        .part                  a copy under way, or half of one that was killed
        .refused-<hex>         the last copy that was found to be another than was made, for a person to see
        .lock                  held by whoever makes or removes a copy

Each file of a checkpoint is opened once, without following a link, and hashed while it is copied: whoever exchanges
the file afterwards exchanges nothing that is used. The copy gets its name only when its digest is the approved one and
every byte of it is on the disk.

A copy that is there already is not believed. It is looked at when it is staged, and again right before the link is
switched to it: up to `rehash_max` bytes it is read again, both times, whatever is known of it. Beyond that it may be
taken for what it was at its last whole reading, if its seal says that nothing was touched since and that is not too
long ago (`monitor.rollback.targets.seals` says what that proves, and what not); without such a seal all of it is read.

Refused is whatever else lies under that name: other bytes, a link, a file with a second name (through which it could be
written), one that can be written, one that is not ours. What is refused while it is staged is set aside, and made anew
from the bundle, whose digest is signed. What is refused when the link is to be switched is left, and so is the link:
between the two lie moments, and whoever changed it then is at work now. What the link names is never set aside.

Copies are made ahead (`monitor.rollback.targets.ahead`), slowly. A rollback that wants what is being made waits for it,
at full speed; one that wants something else has it end at the next MiB.

Cost: the space of `copies_max` checkpoints and of what was refused, 1 MiB of memory, one copy and two readings. The
oldest copies go first, never the one the link names, nor the one a rollback was promised. Failure mode: whoever has our
user id, or root, can write what we can write.
"""

import fcntl
import os
import shutil
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from monitor.clock import WallClock
from monitor.errors import Permanent, Transient
from monitor.rollback.digest import SIZE_MAX, Progress, nobody
from monitor.rollback.targets.contract import Release, Unfit
from monitor.rollback.targets.copies import NoRoom, copied, read_only, removed, size_of, synced
from monitor.rollback.targets.seals import Seals, marked

FOLDER = ".tocsin-staged"
DRAFT = ".part"
REFUSED = ".refused-"
LOCK = ".lock"
COPIES_MAX = 3  # the one that serves, the one that will, and the one before
REHASH_MAX = 128 << 20  # two readings at 0.6 GB/s are 0.45 s, half of what a rollback may take
SEALED_FOR_S = 43_200.0


class GivenUp(Transient):
    """What was made ahead ended half-way, because something else is wanted, or the daemon stops."""


class Pace(NamedTuple):
    """What may be taken by what nobody waits for yet."""

    rate: int  # bytes a second
    age_max_s: float  # of a whole reading; then all is read again
    free_min: int  # bytes to be left on the volume


class Staging:
    """The copies beside one link. Calls block; all raise OSError as it comes."""

    def __init__(
        self,
        beside: Path,
        size_max: int = SIZE_MAX,
        *,
        copies_max: int = COPIES_MAX,
        rehash_max: int = REHASH_MAX,
        seals: Seals | None = None,
        name: str = "",
    ) -> None:
        """`beside` is the link's directory, `name` that of the link; `copies_max` >= 2.

        A folder for each link: the copies of one are not in the way of another's, and no lock is shared.
        """
        self.folder = beside / (f"{FOLDER}-{name}" if name else FOLDER)
        self.seals = seals or Seals(WallClock(), SEALED_FOR_S)
        self.refused = 0  # copies that were set aside since the start
        self._size_max = size_max
        self._copies_max = copies_max
        self._rehash_max = rehash_max
        self._making = threading.Lock()  # a copy
        self._removing = threading.Lock()
        self._wanted = ""  # digest that a rollback waits for
        self._promised: Path | None = None  # the copy that a rollback was last given
        self._hurry = threading.Event()
        self._closed = False

    def path(self, digest: str) -> Path:
        """Return where the copy of a checkpoint lies, or would."""
        return self.folder / digest.removeprefix("sha256:")

    def copies(self) -> list[Path]:
        """Every copy that is there, the oldest first."""
        with suppress(OSError):  # whoever makes a copy is told why
            there = [path for path in self.folder.iterdir() if not path.name.startswith(".")]
            return sorted(there, key=lambda path: path.lstat().st_mtime_ns)
        return []

    def stage(self, release: Release, linked: Path) -> None:
        """Have a copy of what was approved; `linked` is what serves, and stays. Unfit, Permanent, Transient."""
        self._promise(self.path(release.digest))
        if self._at_hand(release.digest):
            return
        self._wanted = release.digest
        self._hurry.set()
        try:
            with self._making, self._alone():
                self._have(release, linked, nobody, self.check)
        finally:
            self._wanted = ""
            if not self._closed:
                self._hurry.clear()

    def stage_ahead(self, release: Release, linked: Path, pace: Pace) -> None:
        """Have a copy that was read whole not long ago, and sealed if it can be. As `stage`, NoRoom and GivenUp."""
        with self._making, self._alone():
            progress = self._slowly(release.digest, pace.rate)

            def read(digest: str) -> None:
                if self._due(self.path(digest), pace):
                    self.check(digest, progress, known=False)
                else:
                    self._as_made(digest)

            self._have(release, linked, progress, read, pace.free_min)

    def read_ahead(self, linked: Path, pace: Pace) -> None:
        """Have what the link names read and sealed, so that it is known what a rollback leaves. Permanent, as above."""
        if self._due(linked, pace):
            self.seals.read(linked, self._size_max, self._slowly("", pace.rate))

    def check(self, digest: str, progress: Progress = nobody, *, known: bool = True) -> None:
        """Look at a copy again; Unfit if it is not there, or not as it was made, Transient.

        `known`: a large one need not be read if its seal holds.
        """
        staged = self.path(digest)
        try:
            self._as_made(digest)
            seal = self.seals.seal(staged) if known else None
            trusted = seal is not None and seal.mark.size > self._rehash_max
            found = seal.digest if seal and trusted else self.seals.read(staged, self._size_max, progress)
            if found != digest:
                raise Unfit(f"{staged} has other bytes than were staged")
        except FileNotFoundError as error:
            raise Unfit(f"{staged} is not there any more") from error
        except Permanent as error:
            raise Unfit(str(error)) from error

    def close(self) -> None:
        """End what is made ahead, for good."""
        self._closed = True
        self._hurry.set()

    def _due(self, path: Path, pace: Pace) -> bool:
        """Whether to read it, which is in vain while it was touched only just now."""
        return self.seals.seal(path, pace.age_max_s) is None and self.seals.settled(path)

    def _at_hand(self, digest: str) -> bool:
        """Whether there is a good copy, and to look at it takes no long reading."""
        staged = self.path(digest)
        try:
            if self.seals.seal(staged) is None and marked(staged).size > self._rehash_max:
                return False
            self.check(digest)
        except (Unfit, FileNotFoundError):
            return False
        return True

    def _as_made(self, digest: str) -> None:
        self._ours()
        read_only(self.path(digest))

    def _have(
        self,
        release: Release,
        linked: Path,
        progress: Progress,
        check: Callable[[str], None],
        free_min: int | None = None,
    ) -> None:
        staged, draft = self.path(release.digest), self.folder / DRAFT
        removed(draft)
        if os.path.lexists(staged):
            try:
                check(release.digest)
            except Unfit:
                if staged == linked or (free_min is not None and staged == self._promised):
                    raise  # it serves, or a rollback that began meanwhile was given it
                self._set_aside(staged)
            else:
                return
        self._make_room({staged, linked})
        if free_min is not None:
            self._leave_free(free_min, release.path)
        try:
            if copied(release.path, draft, self._size_max, progress) != release.digest:
                raise Unfit(f"{release.path} has other bytes than were approved")
            draft.rename(staged)
        finally:
            removed(draft)
        synced(self.folder)

    def _slowly(self, digest: str, rate: int) -> Progress:
        """At so many bytes a second, or as fast as it goes while a rollback waits for this."""

        def told(count: int) -> None:
            self._hurry.wait(count / rate)
            if self._closed or self._wanted not in ("", digest):
                raise GivenUp("something else is wanted first")

        return told

    def _set_aside(self, staged: Path) -> None:
        """Let a copy that was refused be seen, one at a time; nothing will be switched to that name."""
        for earlier in self.folder.glob(f"{REFUSED}*"):
            removed(earlier)
        staged.rename(staged.with_name(f"{REFUSED}{staged.name}"))
        synced(self.folder)
        self.refused += 1

    def _ours(self) -> None:
        """Make the directory, open to whom its parent is open to; Unfit if somebody else may write into it."""
        parent = self.folder.parent.stat()
        with suppress(FileExistsError):
            self.folder.mkdir(0o700)
            with suppress(PermissionError):
                os.chown(self.folder, -1, parent.st_gid)
            self.folder.chmod(stat.S_IMODE(parent.st_mode) & 0o755 | 0o700)
            synced(self.folder.parent)
        found = self.folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
            raise Unfit(f"{self.folder} is not a directory that only we can write into")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the lock against other processes, or Transient at once."""
        self._ours()
        file = os.open(self.folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise Transient(f"{self.folder} is being written by another process") from error
            yield
        finally:
            os.close(file)

    def _promise(self, staged: Path) -> None:
        with self._removing:
            self._promised = staged

    def _make_room(self, kept: set[Path]) -> None:
        with self._removing:
            there = self.copies()
            others = [path for path in there if path not in {*kept, self._promised}]
            for path in others[: max(0, len(there) + 1 - self._copies_max)]:
                removed(path)

    def _leave_free(self, free_min: int, source: Path) -> None:
        """NoRoom if a copy would leave less than that; it may still run out of it, if others write meanwhile."""
        free, needed = shutil.disk_usage(self.folder).free, size_of(source)
        if free - needed < free_min:
            raise NoRoom(f"{self.folder} has {free} bytes free: {needed} for a copy would leave less than {free_min}")
