"""The reports on disk: `DIRECTORY/<model>/<id>.html`, one file each, whole or not there, under a quota.

A report may hold values of rows, so files are for their owner alone (0600, directories 0700). Written by the worker
(write, fsync, rename, fsync of the directory), listed, read and removed by the daemon. Names come from ids of ours that
are checked here again, so that no request can name another file. The space that the store keeps free for alerts and
rollback is no place for a report either.
"""

import errno
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from html import escape, unescape
from pathlib import Path
from typing import Final

import msgspec

from monitor.evidence.jobs import JOB_ID

_SUFFIX: Final = ".html"
_PART: Final = ".part"
SAID_MAX: Final = 4_000  # characters; five times as many bytes where all of them are escaped
_SAID: Final = re.compile(rb'<meta name="tocsin-said" content="([^"<>]*)">')
_HEAD_BYTES: Final = 32 << 10
PART_AGE_MAX_S: Final = 3_600.0  # what a killed worker left behind; no job may last as long


class Report(msgspec.Struct, frozen=True):
    """One report that is there: `id` is an incident's or `<kind>-<date>`, `written` the wall clock."""

    model: str
    id: str
    bytes: int
    written: float


class Swept(msgspec.Struct, frozen=True):
    """What a sweep removed, and what is left: counters and gauges of the page of metrics."""

    by_age: int = 0
    by_quota: int = 0
    reports: int = 0
    bytes: int = 0


class Archive:
    """The directory of reports."""

    def __init__(self, directory: Path) -> None:
        """Nothing is made until something is written or `prepare` is called."""
        self._directory = directory

    def prepare(self, model: str) -> None:
        """Make the directory of a model. OSError if that fails."""
        (self._directory / _safe(model)).mkdir(mode=0o700, parents=True, exist_ok=True)

    def path(self, model: str, report: str) -> Path:
        """Where a report is or would be; ValueError for what can be no name of one."""
        return self._directory / _safe(model) / (_safe(report) + _SUFFIX)

    def read(self, model: str, report: str, bytes_max: int = -1) -> bytes | None:
        """Read a report, or its first bytes; None if there is none of that name, links included."""
        try:
            path = self.path(model, report)
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except (OSError, ValueError):
            return None
        with os.fdopen(handle, "rb") as file:
            return file.read(bytes_max)

    def said(self, model: str, report: str) -> tuple[str, ...]:
        """The sentences in the head of a report; none where there is no such report, or it has none."""
        body = self.read(model, report, _HEAD_BYTES)
        found = None if body is None else _SAID.search(body)
        return () if found is None else tuple(unescape(found[1].decode("utf-8", "replace")).split("\n"))

    def reports(self, model: str | None = None) -> tuple[Report, ...]:
        """List what is there, the newest first."""
        found = [
            Report(path.parent.name, path.name.removesuffix(_SUFFIX), status.st_size, status.st_mtime)
            for path, status in self._files(_SUFFIX)
            if model is None or path.parent.name == model
        ]
        return tuple(sorted(found, key=lambda report: (-report.written, report.id)))

    def sweep(self, now: float, age_max_s: float, bytes_max: int) -> Swept:
        """Remove what is older than `age_max_s`, then the oldest until `bytes_max` holds; `now` is the wall clock."""
        for path, status in self._files(_PART):
            if now - status.st_mtime > PART_AGE_MAX_S:
                path.unlink(missing_ok=True)
        kept, by_age, by_quota, total = [], 0, 0, 0
        for report in self.reports():
            old = now - report.written > age_max_s
            over = total + report.bytes > bytes_max
            if (old or over) and self._remove(report):
                by_age, by_quota = by_age + old, by_quota + (not old)
                continue
            total += report.bytes
            kept.append(report)
        return Swept(by_age, by_quota, len(kept), total)

    def _remove(self, report: Report) -> bool:
        with suppress(OSError):
            self.path(report.model, report.id).unlink(missing_ok=True)
            return True
        return False

    def _files(self, suffix: str) -> Iterator[tuple[Path, os.stat_result]]:
        for path in self._directory.glob(f"*/*{suffix}"):
            with suppress(OSError):
                yield path, path.lstat()


def said_in_head(sentences: Sequence[str]) -> str:
    """Say it in the head of a page, where `Archive.said` finds it without reading all of it; cut at SAID_MAX."""
    said = "\n".join(" ".join(sentence.split()) for sentence in sentences)[:SAID_MAX]
    return f'<meta name="tocsin-said" content="{escape(said)}">' if said else ""


def write_report(path: Path, body: bytes, free_bytes_min: int = 0) -> None:
    """Write, fsync, rename, fsync the directory. OSError leaves what was there before.

    ENOSPC, too, where less than `free_bytes_min` would be left.
    """
    disk = os.statvfs(path.parent)
    if disk.f_bavail * disk.f_frsize < len(body) + free_bytes_min:
        raise OSError(errno.ENOSPC, "the disk is nearly full")
    beside = path.with_name(f"{path.name}.{os.getpid()}{_PART}")
    try:
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    finally:
        beside.unlink(missing_ok=True)


def _safe(name: str) -> str:
    if not JOB_ID.fullmatch(name):
        msg = "not the name of a report"
        raise ValueError(msg)
    return name
