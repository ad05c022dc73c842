"""What is verified is what is installed: a checkpoint is copied beside the link, and the link names the copy.

    .tocsin-staged/            beside the link, so on its volume; ours, nobody else may write into it
        <hex of the digest>    a file, or a directory of files, read-only
        .part                  a copy under way, or half of one that was killed

Each file of a checkpoint is opened once, without following a link, and hashed while it is copied: whoever exchanges
the file afterwards exchanges nothing that is used. The copy gets its name only when its digest is the approved one and
every byte of it is on the disk. A copy that is there already is not believed: it is read again when it is staged, and
right before the link is switched to it.

Refused is whatever else lies under that name: other bytes, a link, a file with a second name (through which it could be
written), one that can be written, one that is not ours. Nothing of that is removed: a person should see it.

Cost: the space of `COPIES_MAX` checkpoints, 1 MiB of memory, one copy and two readings. The oldest copies go first,
never the one the link names. Failure mode: whoever has our user id, or root, can write what we can write.
"""

import os
import shutil
import stat
from contextlib import suppress
from pathlib import Path

from monitor.errors import Permanent
from monitor.rollback.digest import SIZE_MAX, measure_beneath
from monitor.rollback.targets.contract import Release, Unfit
from monitor.rollback.tree import Part, combine, digest_at, files_in

FOLDER = ".tocsin-staged"
DRAFT = ".part"
COPIES_MAX = 3  # the one that serves, the one that will, and the one before

_WRITABLE = 0o222
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Staging:
    """The copies beside one link. Calls block, and are for one caller at a time; all raise OSError as it comes."""

    def __init__(self, beside: Path, size_max: int = SIZE_MAX) -> None:
        """`beside` is the link's directory."""
        self.folder = beside / FOLDER
        self._size_max = size_max

    def path(self, digest: str) -> Path:
        """Return where the copy of a checkpoint lies, or would."""
        return self.folder / digest.removeprefix("sha256:")

    def stage(self, release: Release, linked: Path) -> None:
        """Have a copy of what was approved; `linked` is what serves, and stays. Unfit, Permanent, Transient."""
        self._ours()
        staged, draft = self.path(release.digest), self.folder / DRAFT
        _remove(draft)
        if os.path.lexists(staged):
            self.check(release.digest)
            return
        self._make_room({staged, linked})
        try:
            if _copied(release.path, draft, self._size_max) != release.digest:
                raise Unfit(f"{release.path} has other bytes than were approved")
            draft.rename(staged)
        finally:
            _remove(draft)
        _sync(self.folder)

    def check(self, digest: str) -> None:
        """Read the copy again; Unfit if it is not there, or not as it was made, Transient."""
        staged = self.path(digest)
        try:
            self._ours()
            _sealed(staged)
            if digest_at(staged, self._size_max) != digest:
                raise Unfit(f"{staged} has other bytes than were staged")
        except FileNotFoundError as error:
            raise Unfit(f"{staged} is not there any more") from error
        except Permanent as error:
            raise Unfit(str(error)) from error

    def _ours(self) -> None:
        """Make the directory, open to whom its parent is open to; Unfit if somebody else may write into it."""
        parent = self.folder.parent.stat()
        with suppress(FileExistsError):
            self.folder.mkdir(0o700)
            with suppress(PermissionError):
                os.chown(self.folder, -1, parent.st_gid)
            self.folder.chmod(stat.S_IMODE(parent.st_mode) & 0o755 | 0o700)
            _sync(self.folder.parent)
        found = self.folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
            raise Unfit(f"{self.folder} is not a directory that only we can write into")

    def _make_room(self, kept: set[Path]) -> None:
        there = sorted(self.folder.iterdir(), key=lambda path: path.lstat().st_mtime_ns)
        others = [path for path in there if path not in kept]
        for path in others[: max(0, len(there) + 1 - COPIES_MAX)]:
            _remove(path)


def _copied(source: Path, draft: Path, size_max: int) -> str:
    """Copy a checkpoint, read-only, to the disk; return the digest of what was copied."""
    if not source.is_dir() or source.is_symlink():
        return _copy(source.parent, source.name, draft, size_max).digest
    draft.mkdir(0o700)
    parts = []
    for name in files_in(source):
        (draft / name).parent.mkdir(0o700, parents=True, exist_ok=True)
        parts.append(_copy(source, name, draft / name, size_max))
    for folder, _, _ in os.walk(draft, topdown=False):
        _like(source, Path(folder), 0o555)
        _sync(Path(folder))
    return combine(parts) if parts else ""


def _copy(folder: Path, name: str, copy: Path, size_max: int) -> Part:
    with os.fdopen(os.open(copy, _NEW, 0o600), "wb") as file:
        measured = measure_beneath(folder, name, size_max, copy=file.write)
        file.flush()
        _like(folder / name, copy, 0o444)
        os.fsync(file.fileno())
    return Part(name, *measured)


def _like(source: Path, copy: Path, mode: int) -> None:
    """Let those read the copy who may read the source, and nobody write it."""
    found = source.stat()
    with suppress(PermissionError):
        os.chown(copy, -1, found.st_gid)
    copy.chmod(stat.S_IMODE(found.st_mode) & mode | mode & 0o500)


def _sealed(staged: Path) -> None:
    """Unfit if anything of a copy is a link, has a second name, can be written, or is not ours."""
    each = [staged]
    if stat.S_ISDIR(staged.lstat().st_mode):
        each += [Path(at) / name for at, folders, names in os.walk(staged) for name in (*folders, *names)]
    for path in each:
        found = path.lstat()
        one = stat.S_ISDIR(found.st_mode) or (stat.S_ISREG(found.st_mode) and found.st_nlink == 1)
        if not one or found.st_mode & _WRITABLE or found.st_uid != os.geteuid():
            raise Unfit(f"{path} is not as it was staged: a link, or a file that others can write")


def _remove(path: Path) -> None:
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    for folder, _, _ in os.walk(path):
        Path(folder).chmod(0o700)
    shutil.rmtree(path)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
