"""What is dropped over the bound, and how the log says so: a record, and a signed head as the new beginning.

    record audit.dropped -> heads written anew, the beginning first -> files removed, oldest first

A crash in between leaves files that the heads no longer need, and the next round removes them. Without a beginning of
the daemon's own key a log that lacks its first records does not verify: only who holds the key can drop.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from monitor.audit.files import TORN, Io, first_head, last_intact, log_files, put
from monitor.audit.heads import HEADS, HEADS_BYTES_MAX, claimed_seq, mend
from monitor.audit.records import Head, Scalar

TORN_MAX: Final = 100  # files set aside that are kept; what they were stays recorded


@dataclass(frozen=True, slots=True)
class Dropping:
    """Files that go, the head behind the last of them, and what is recorded."""

    files: tuple[Path, ...]
    last: Head
    subject: Mapping[str, Scalar]


def over(directory: Path, bytes_max: int) -> Dropping | None:
    """The oldest full files over the bound; None if there are none, or the last of them holds no intact record."""
    files = log_files(directory)
    sizes = {path: path.stat().st_size for path in files}
    kept, gone = sum(sizes.values()), []
    for path in files[:-1]:
        if kept <= bytes_max:
            break
        gone.append(path)
        kept -= sizes[path]
    last = last_intact(gone[-1])[0] if gone else None
    if last is None:
        return None
    first = first_head(gone[0])
    size = sum(sizes[path] for path in gone)
    told = {"files": len(gone), "bytes": size, "from": first.seq + 1 if first else None, "to": last.seq}
    return Dropping(tuple(gone), last, told | {"digest": last.digest})


def begin(io: Io, directory: Path, beginning: bytes) -> None:
    """Write the heads anew: this one first, then those of what is left. OSError, Permanent."""
    path = directory / HEADS
    mend(io, path)
    from_seq = claimed_seq(beginning)
    assert from_seq is not None, "we have just signed it"
    old = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    claims = [(line, claimed_seq(line)) for line in old]
    later = [line for line, seq in claims if seq is None or seq > from_seq]  # what cannot be read is kept: evidence
    _replace(io, path, beginning + b"".join(later))


def thin(io: Io, directory: Path) -> None:
    """Let the older half of the heads go where they are too many, but for the first, which may be a beginning."""
    path = directory / HEADS
    if not path.exists() or path.stat().st_size <= HEADS_BYTES_MAX:
        return
    mend(io, path)
    lines = path.read_bytes().splitlines(keepends=True)
    _replace(io, path, b"".join([lines[0], *lines[len(lines) // 2 :]]))


def forget_torn(directory: Path) -> None:
    """Remove the oldest of what was set aside, over `TORN_MAX`."""
    torn = sorted(directory.glob(f"{TORN}*"))
    for path in torn[: max(len(torn) - TORN_MAX, 0)]:
        path.unlink(missing_ok=True)


def _replace(io: Io, path: Path, body: bytes) -> None:
    draft = path.with_name(f".{path.name}")
    draft.unlink(missing_ok=True)
    put(io, draft, body, new=True)
    draft.replace(path)
    io.sync_directory(path.parent)
