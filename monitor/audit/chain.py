"""The end of the chain on disk: where it is, what stands torn behind it, and writing behind it.

Everything here is called with the directory locked (`monitor.audit.files.locked`).

What stands behind the last intact line was never acknowledged, or it would be intact. It is set aside as a file of its
own and cut off, and the record that comes next says so, with its size and digest. Whoever tore a line off on purpose
has left that trace; whether the line had been acknowledged is told by the signed heads and by heads kept elsewhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Final

from monitor.audit.files import TORN, Io, cut, following, last_intact, log_files, put
from monitor.audit.records import BEGINNING, Entry, Head, Kind, line_of

ACTOR: Final = "tocsin"  # who writes of the log itself
FIRST: Final = "00000001.jsonl"


@dataclass(frozen=True, slots=True)
class End:
    """The newest file, its size, and the head behind its last record."""

    path: Path
    size: int
    head: Head


@dataclass(slots=True)
class Chain:
    """The files of records of one directory."""

    directory: Path
    io: Io
    known: End | None = None  # as this process left it
    torn: int = 0  # times that something was set aside
    _untold: list[tuple[str, dict[str, str | int]]] = field(default_factory=list)  # set aside, not recorded yet

    def end(self) -> End:
        """Where the chain ends; what is torn behind it is set aside first. OSError, Permanent."""
        files = log_files(self.directory)
        if not files:
            return End(self.directory / FIRST, 0, BEGINNING)
        path, size = files[-1], files[-1].stat().st_size
        if self.known is not None and (self.known.path, self.known.size) == (path, size):
            return self.known
        self.known = None
        head, offset = last_intact(path)
        for earlier in reversed(files[:-1]):
            head = head or last_intact(earlier)[0]
        head = head or BEGINNING
        if offset < size:
            self._set_aside(path, offset, size, head)
        self.known = End(path, offset, head)
        return self.known

    def write(self, end: End, entries: Sequence[Entry], wall: float) -> End:
        """Append records behind `end`, those of what was set aside first; on disk when it returns. OSError, Permanent.

        On OSError the file is as it was, or is torn, which the next one finds.
        """
        lines, head = [], end.head
        for entry in (*(Entry(Kind.TORN, ACTOR, subject, wall) for _, subject in self._untold), *entries):
            line, head = line_of(entry, head)
            lines.append(line)
        data = b"".join(lines)
        self.known = None
        put(self.io, end.path, data, size=end.size, new=end.size == 0 and not end.path.exists())
        self._untold.clear()
        self.known = End(end.path, end.size + len(data), head)
        return self.known

    @property
    def untold(self) -> int:
        """How many records of what was set aside are still to be written."""
        return len(self._untold)

    def next_file(self, end: End) -> End:
        """The same end, to be followed by a new file."""
        return End(following(end.path), 0, end.head)

    def _set_aside(self, path: Path, offset: int, size: int, head: Head) -> None:
        with path.open("rb") as file:
            file.seek(offset)
            torn = file.read(size - offset)
        names = (self.directory / f"{TORN}{head.seq + 1:012d}-{number}" for number in range(1 << 30))
        aside = next(name for name in names if not name.exists())
        put(self.io, aside, torn, new=True)
        cut(self.io, path, offset)
        self.torn += 1
        subject: dict[str, str | int] = {"file": path.name, "kept_as": aside.name, "bytes": len(torn)}
        self._untold.append((aside.name, subject | {"digest": sha256(torn).hexdigest()}))
