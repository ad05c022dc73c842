"""The rollback target on a shared volume: a symbolic link that names the checkpoint to load.

    take the lock
    observe       the link's text, and the digest of what it points to: the target -> done; not the source -> conflict
    symlink       a temporary link beside it, to the target
    exchange      renameat2(RENAME_EXCHANGE): the two change places in one step, a reader sees one or the other
    check         the link that came back must be the one observed; if not, somebody deployed meanwhile: swap back
    fsync, unlink the temporary link, fsync

It is a compare-and-swap on the bundle: "the source" is a digest, so another spelling of the same path is no conflict,
and another file under the same name is one. A plain rename would not tell what it replaced.

Killed between any two steps, `finish` tells from the temporary link how far it came: one that holds the target's text
was never exchanged; one that holds another text came back, and what it points to must be the source, or it is given
back. The link goes relative to its own directory, so that the volume can be mounted elsewhere.

Failure mode: file systems without RENAME_EXCHANGE (some NFS, FUSE) answer EINVAL: Permanent, nothing has changed.
"""

import asyncio
import ctypes
import errno
import fcntl
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeAlias

from monitor.decisions.rollback import Place
from monitor.errors import Permanent, Transient
from monitor.rollback.digest import SIZE_MAX
from monitor.rollback.targets.contract import Conflict, Release
from monitor.rollback.targets.seals import Seals
from monitor.rollback.targets.staging import Staging
from monitor.rollback.tree import digest_at

AT_FDCWD = -100  # <fcntl.h>
RENAME_EXCHANGE = 2  # <linux/fs.h>; glibc >= 2.28
GIVE_BACK_MAX = 8  # rounds against somebody who deploys all the time

_UNSUPPORTED = {errno.EINVAL, errno.ENOSYS}
_renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)


Entry: TypeAlias = tuple[int, int, str | None]  # inode, when it was made, what it says


def exchange(one: Path, other: Path) -> None:
    """Let two directory entries change places in one step; OSError, Permanent where that cannot be had."""
    if _renameat2 is None:
        raise Permanent("the C library has no renameat2")
    if _renameat2(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE) == 0:
        return
    number = ctypes.get_errno()
    if number in _UNSUPPORTED:
        raise Permanent(f"the file system of {one.parent} cannot exchange two names")
    raise OSError(number, os.strerror(number), str(one))


class SymlinkTarget:
    """A link as a rollback target. Nothing of it needs a locator: the digest says what a link names."""

    def __init__(self, link: "Link", reload: Callable[[], Awaitable[None]], staging: Staging | None = None) -> None:
        """`reload` tells the model server to follow the link; Transient, Permanent.

        With `staging` the link is switched to the copy there, without it to the bundle's own files.
        """
        self._link = link
        self._reload = reload
        self._staging = staging

    async def place(self, source: Release, target: Release) -> Place:
        """Finish, or undo, what a killed switch left, then tell what the link names; its bytes are read for that."""
        return await asyncio.to_thread(self._place, source, target)

    async def stage(self, target: Release) -> None:
        """Copy the checkpoint beside the link, if copies are kept; Unfit, Transient, Permanent."""
        if self._staging is not None:
            await asyncio.to_thread(self._link.stage, self._staging, target)

    async def switch(self, source: Release, target: Release) -> bool:
        """Exchange the link: True if it was changed, False if it was there already.

        Conflict, Transient, Permanent; Unfit if the copy is not what was staged.
        """
        return await asyncio.to_thread(self._switch, source, target)

    async def load(self) -> None:
        """Tell the server to load what the link names now; Transient, Permanent."""
        await self._reload()

    def _place(self, source: Release, target: Release) -> Place:
        try:
            self._link.finish(self._installed(target), source.digest)
            found = self._link.observe()
        except Permanent:  # no link, or it names nothing that can be read, or a deployment that was given back
            return Place.OTHER
        except (Transient, OSError):
            return Place.UNKNOWN
        if found == target.digest:
            return Place.TARGET
        return Place.SOURCE if found == source.digest else Place.OTHER

    def _switch(self, source: Release, target: Release) -> bool:
        if self._staging is None:
            return self._link.switch(target.path, source.digest, target.digest)
        ready = partial(self._staging.check, target.digest)
        return self._link.switch(self._installed(target), source.digest, target.digest, ready)

    def _installed(self, target: Release) -> Path:
        return target.path if self._staging is None else self._staging.path(target.digest)


class Link:
    """One link. Calls block for as long as it takes to read the checkpoint; run them on a thread."""

    def __init__(self, link: Path, size_max: int = SIZE_MAX, seals: Seals | None = None) -> None:
        """`link` must be a symbolic link whenever it is used; nothing is created.

        With `seals` what the link names is not read again while they say that it was not touched.
        """
        self.link = link
        self._size_max = size_max
        self._seals = seals
        self._draft = link.with_name(f".{link.name}.tocsin-next")
        self._lock = link.with_name(f".{link.name}.tocsin-lock")

    def current(self) -> Path:
        """Return the file that the link names, links resolved; Permanent if `link` is no symbolic link."""
        if _text(self.link) is None:
            raise Permanent(f"{self.link} is not a symbolic link")
        return Path(os.path.realpath(self.link))

    def observe(self) -> str:
        """Return the digest of what the link names now; Permanent if there is nothing to read, Transient."""
        return self._digest(self.current())

    def stage(self, staging: Staging, target: Release) -> None:
        """Copy what the link is to name, while nobody else of us is at work; Unfit, Transient, Permanent."""
        with self._locked():
            staging.stage(target, self.current())

    def switch(
        self, target: Path, source_digest: str, target_digest: str, ready: Callable[[], None] = lambda: None
    ) -> bool:
        """Point the link from the source to `target`: True if it was changed, False if it was there already.

        `ready` is called right before it is changed, and raises what speaks against it. Conflict if it names
        neither, or is changed by others meanwhile; Transient if that cannot be told or done now.
        """
        with self._locked():
            self._finish(target, source_digest)
            held, digest = _entry(self.link), self.observe()
            if digest == target_digest:
                return False
            if digest != source_digest:
                raise Conflict(f"{self.link} names something else than the source")
            ready()
            self._swap(self._wanted(target), held)
            return True

    def finish(self, target: Path, source_digest: str) -> None:
        """Bring a switch that was killed half-way to its end, or back; sweep what it left. Conflict, Transient."""
        with self._locked():
            self._finish(target, source_digest)

    def _swap(self, wanted: str, held: Entry) -> None:
        self._draft.symlink_to(wanted)
        placed = _entry(self._draft)
        self._sync()
        exchange(self._draft, self.link)
        if _entry(self._draft) != held:
            self._give_back(placed)
            raise Conflict(f"{self.link} was changed by somebody else at the same time")
        self._sweep()

    def _finish(self, target: Path, source_digest: str) -> None:
        if not os.path.lexists(self._draft):
            return
        wanted = self._wanted(target)
        exchanged = _text(self.link) == wanted and _text(self._draft) != wanted
        if exchanged and self._names(self._draft) != source_digest:
            self._give_back(_entry(self.link))
            raise Conflict(f"{self.link} had been changed by somebody else at the same time")
        self._sweep()

    def _give_back(self, placed: Entry) -> None:
        """Put back what came out of the link; if others changed it again meanwhile, theirs is the newest and stays."""
        for _ in range(GIVE_BACK_MAX):
            going = _entry(self._draft)
            exchange(self._draft, self.link)
            if _entry(self._draft) == placed:
                break
            placed = going
        self._sweep()

    def _sweep(self) -> None:
        """Remove the temporary link; what is no link is somebody's file, and stays."""
        self._sync()
        if _text(self._draft) is not None:
            self._draft.unlink()
            self._sync()

    def _names(self, link: Path) -> str | None:
        try:
            return self._digest(Path(os.path.realpath(link)))
        except Permanent:
            return None  # it names nothing that can be read

    def _digest(self, path: Path) -> str:
        return digest_at(path, self._size_max) if self._seals is None else self._seals.digest(path, self._size_max)

    def _wanted(self, target: Path) -> str:
        return os.path.relpath(target.parent.resolve() / target.name, self.link.parent.resolve())

    def _sync(self) -> None:
        folder = os.open(self.link.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the lock, or Transient at once: whoever has it needs milliseconds, or hangs."""
        try:
            file = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Transient(f"{self._lock} cannot be opened: {error.strerror}") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except OSError as error:
            raise Transient(f"{self.link} cannot be changed now: {error.strerror}") from error
        finally:
            os.close(file)


def _text(link: Path) -> str | None:
    """Return what a symbolic link says; None if it is none, or not there."""
    try:
        return str(link.readlink())
    except OSError:
        return None


def _entry(path: Path) -> Entry:
    """Identify what stands under a name: an exchange keeps all three, anybody's replacement changes one."""
    status = path.lstat()
    return status.st_ino, status.st_mtime_ns, _text(path)
