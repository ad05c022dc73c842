"""Disks that fail. Every write, fsync, truncation, renaming ... of SQLite and of ours is an operation with a number.

At operation `at` the plan strikes: the lights go out, the disk is full for a while, or an fsync fails. A power cut
leaves of each file what was fsynced, plus any of the writes since then, the last of them perhaps torn: chosen by a
seed. (A process that is killed loses nothing that the kernel has: only this model can see a missing fsync.)
"""

import itertools
import os
import random
import threading

import apsw

from monitor.store.disk import Disk, SyncFailed

NUMBERS = itertools.count()


class Plan:
    """Counts operations, strikes at one, and knows what would survive a power cut."""

    def __init__(self, at, kinds, code, *, lasts=None):
        """From the `at`-th operation of `kinds` on, `lasts` of them fail with `code`; None: all do, for good."""
        self.at, self.kinds, self.code, self.lasts = at, kinds, code, lasts
        self.seen = 0
        self.struck = False
        self.lock = threading.RLock()
        self.files = {}  # path -> (content at the last fsync, what was done since)
        self.names = []  # (old or None, new): not yet fsynced in their directory

    def operation(self, kind):
        with self.lock:
            self.seen += kind in self.kinds
            if kind not in self.kinds or self.seen < self.at or (self.struck and self.lasts is None):
                dead = self.struck and self.lasts is None
            else:
                self.struck = True
                dead = self.lasts is None or self.seen < self.at + self.lasts
            if dead:
                raise apsw.exception_for(self.code)

    def cut(self, seed):
        """Leave on disk what a power cut leaves."""
        rng = random.Random(seed)
        for path, (content, changes) in self.files.items():
            if not os.path.exists(path):  # noqa: PTH110  # see above
                continue
            kept = [change for change in changes if rng.random() < 0.5]
            with open(path, "wb") as file:  # noqa: PTH123  # see above
                file.write(content)
                for number, (offset, data) in enumerate(kept):
                    _redo(file, offset, data, torn=number == len(kept) - 1 and rng.random() < 0.5)
        for old, new in reversed(self.names):
            if new.exists() and rng.random() < 0.5:
                new.rename(old) if old else new.unlink()


def _redo(file, offset, data, *, torn):
    if data is None:
        file.truncate(offset)
    else:
        file.seek(offset)
        file.write(data[: len(data) // 2] if torn else data)


class FaultyFile(apsw.VFSFile):
    def excepthook(self, *error):
        """The failure was told to SQLite as a code already."""

    def __init__(self, plan, name, flags):
        self.plan, self.path = plan, name if isinstance(name, str) or name is None else name.filename()
        super().__init__("", name, flags)

    def did(self, change):
        if self.path not in self.plan.files:
            self.plan.files[self.path] = (self.xRead(self.xFileSize(), 0), [])
        self.plan.files[self.path][1].append(change)

    def xWrite(self, data, offset):  # noqa: N802  # SQLite's name
        with self.plan.lock:
            self.plan.operation("write")
            self.did((offset, bytes(data)))
            super().xWrite(data, offset)

    def xTruncate(self, size):  # noqa: N802
        with self.plan.lock:
            self.plan.operation("truncate")
            self.did((size, None))
            super().xTruncate(size)

    def xSync(self, flags):  # noqa: N802
        with self.plan.lock:
            self.plan.operation("sync")
            self.plan.files.pop(self.path, None)


class FaultyVfs(apsw.VFS):
    """Registered under a name of its own until `unregister`."""

    def excepthook(self, *error):
        """As above."""

    def __init__(self, plan):
        self.plan, self.name = plan, f"faulty-{next(NUMBERS)}"
        super().__init__(self.name, "")

    def xOpen(self, name, flags):  # noqa: N802
        return FaultyFile(self.plan, name, flags)

    def xDelete(self, name, sync):  # noqa: N802
        self.plan.operation("delete")
        self.plan.files.pop(name, None)
        super().xDelete(name, sync)


class FaultyDisk(Disk):
    """The same plan for the files beside the database."""

    def __init__(self, plan):
        self.plan = plan
        self.paths = {}

    def _operation(self, kind):
        try:
            self.plan.operation(kind)
        except apsw.Error as error:
            raise OSError(5, str(error)) from error

    def create(self, path):
        self._operation("create")
        descriptor = super().create(path)
        self.paths[descriptor] = path
        self.plan.files[str(path)] = (b"", [])
        self.plan.names.append((None, path))
        return descriptor

    def reopen(self, path):
        self._operation("create")
        descriptor = super().reopen(path)
        self.paths[descriptor] = path
        self.plan.files[str(path)] = (path.read_bytes(), [])
        return descriptor

    def write(self, descriptor, data, offset):
        self._operation("write")
        self.plan.files[str(self.paths[descriptor])][1].append((offset, bytes(data)))
        super().write(descriptor, data, offset)

    def sync(self, descriptor):
        try:
            self._operation("sync")
        except OSError as error:
            raise SyncFailed(str(error)) from error
        self.plan.files.pop(str(self.paths.get(descriptor)), None)

    def sync_data(self, descriptor):
        self.sync(descriptor)  # the model knows no times

    def rename(self, old, new):
        self._operation("rename")
        super().rename(old, new)
        if str(old) in self.plan.files:
            self.plan.files[str(new)] = self.plan.files.pop(str(old))
        self.plan.names.append((old, new))

    def sync_directory(self, path):
        super().sync_directory(path)
        self.plan.names = [(old, new) for old, new in self.plan.names if new.parent != path]

    def remove(self, path):
        self._operation("remove")
        super().remove(path)
