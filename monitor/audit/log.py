"""The audit log as its writers see it: what `append` was told is on disk when it returns, whichever processes write.

    lock (thread, then flock) -> where does the chain end? -> the lines behind it -> write -> fsync -> unlock

*Several processes.* Each finds the end of the chain anew when the newest file is not as it left it; that costs one
block read from its end. Only a process that can sign begins a new file, so each full file ends under a signed head.

*A full disk.* `Transient`, and the log is as it was. `must`: what may not happen without its line (a rollback's switch)
takes the blocks that `spare` holds for it, room for some thousand lines; when these are gone, too, it has to wait. To
act without the line would let anybody who fills the disk act unseen, and nothing is ready to act then anyway: the
rollback's own journal needs the same disk. Intake leaves space to both long before (safety S3).

*A failing fsync.* `Permanent`, for good: nobody knows what is on disk.

Cost: one fsync a call; a millisecond or three.
"""

import contextlib
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from monitor.audit.chain import Chain, End
from monitor.audit.files import Io, full, give_spare, hold_spare, locked, log_files, put
from monitor.audit.heads import HEADS, Signs, Why, mend, sign_head
from monitor.audit.keeping import begin, forget_torn, over, thin
from monitor.audit.records import BEGINNING, Entry, Head, Kind, Subject
from monitor.clock import Clock
from monitor.errors import Permanent, Transient

RETRY_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Limits:
    """How large files become, how much is kept, how often a head is signed, how long another writer is waited for."""

    file_bytes_max: int = 16 << 20
    bytes_max: int = 1 << 30
    head_records: int = 1_000
    head_every_s: float = 600.0
    lock_wait_s: float = 10.0


@dataclass(slots=True)
class Tally:
    """Counts since this process opened the log."""

    records: int = 0
    heads: int = 0
    dropped_files: int = 0


class Log:
    """One directory. Thread-safe; every call blocks. Anything may raise Transient (not now) or Permanent (for good)."""

    def __init__(
        self,
        directory: Path,
        clock: Clock,
        *,
        signer: Signs | None = None,
        limits: Limits | None = None,
        io: Io | None = None,
    ) -> None:
        """Open a directory that is there. Without a `signer` records can be written, and no heads."""
        self.directory, self.tally = directory, Tally()
        self._clock, self._signer, self._limits = clock, signer, limits or Limits()
        self._io = io or Io()
        self._chain = Chain(directory, self._io)
        self._mutex = threading.RLock()
        self._signed: Head | None = None
        self._unsigned_since: float | None = None  # monotonic
        self._failed = ""

    # ------------------------------------------------------------ write

    def append(self, kind: str, actor: str, subject: Subject) -> Head:
        """One record of now. ValueError if the kind is no kind."""
        return self.extend([Entry(kind, actor, subject, self._clock.wall())])

    def extend(self, entries: Sequence[Entry], *, must: bool = False) -> Head:
        """Several records in one write, all or none of them acknowledged; the head behind the last.

        `must`: what they allow does not happen without them, so they may take the space that is held back.
        """
        with self._writing():
            end = self._chain.end()
            if end.size >= self._limits.file_bytes_max and self._signer is not None:
                self._sign(end.head, Why.ROTATION)
                end = self._chain.next_file(end)
            return self._write(end, entries, must=must)

    def end(self) -> Head:
        """The head behind the last record, as this process knows it; blocks for nobody."""
        known = self._chain.known
        return known.head if known else BEGINNING

    def find_end(self) -> Head:
        """The same as it is on disk, whoever wrote it; what a crash left torn is set aside and recorded."""
        with self._writing():
            mend(self._io, self.directory / HEADS)
            end = self._chain.end()
            return self._write(end, ()) if self._chain.untold else end.head

    @property
    def torn(self) -> int:
        """How often something torn was set aside here."""
        return self._chain.torn

    def _write(self, end: End, entries: Sequence[Entry], *, must: bool = False) -> Head:
        wall, written = self._clock.wall(), len(entries) + self._chain.untold
        try:
            head = self._chain.write(end, entries, wall).head
        except OSError as error:
            if not (must and full(error) and give_spare(self.directory)):
                raise
            head = self._chain.write(end, entries, wall).head
        self.tally.records += written
        if self._unsigned_since is None:
            self._unsigned_since = self._clock.monotonic()
        return head

    # ------------------------------------------------------------ sign

    @property
    def signed(self) -> Head | None:
        """The last head that was signed here, or told by `resume`; None if there was none."""
        return self._signed

    def resume(self, signed: Head) -> None:
        """Go on behind a signed head that somebody has read and believed."""
        with self._mutex:
            self._signed = signed
            if self.end().seq > signed.seq:
                self._unsigned_since = self._clock.monotonic()

    def due(self) -> bool:
        """Whether enough was written, or what was is old enough, for another head."""
        with self._mutex:
            if self._unsigned_since is None or self._signer is None:
                return False
            unsigned = self.end().seq - (self._signed.seq if self._signed else 0)
            age_s = self._clock.monotonic() - self._unsigned_since
            return unsigned >= self._limits.head_records or age_s >= self._limits.head_every_s

    def sign(self, why: Why) -> Head | None:
        """Sign where the chain ends now; None if that is signed already, or nobody here can sign."""
        with self._writing():
            end = self._chain.end()
            return self._sign(self._write(end, ()) if self._chain.untold else end.head, why)

    def _sign(self, head: Head, why: Why) -> Head | None:
        if self._signer is None or (self._signed is not None and self._signed.seq >= head.seq):
            return None
        path = self.directory / HEADS
        mend(self._io, path)
        put(self._io, path, sign_head(self._signer, head, why, self._clock.wall()))
        self._signed, self._unsigned_since = head, None
        self.tally.heads += 1
        return head

    # ------------------------------------------------------------ bounds

    def keep(self) -> int:
        """Drop full files over the bound, oldest first, and hold space back; how many. Only who can sign does."""
        with self._writing():
            if self._signer is None:
                return 0
            hold_spare(self._io, self.directory)
            forget_torn(self.directory)
            thin(self._io, self.directory)
            dropping = over(self.directory, self._limits.bytes_max)
            if dropping is None:
                return 0
            self._write(self._chain.end(), [Entry(Kind.DROPPED, "tocsin", dropping.subject, self._clock.wall())])
            begin(self._io, self.directory, sign_head(self._signer, dropping.last, Why.BEGINNING, self._clock.wall()))
            for path in dropping.files:
                path.unlink()
            self._io.sync_directory(self.directory)
            self.tally.dropped_files += len(dropping.files)
            return len(dropping.files)

    @property
    def sizes(self) -> tuple[int, int]:
        """How many files of records there are, and their bytes; 0, 0 where that cannot be told."""
        try:
            sizes = [path.stat().st_size for path in log_files(self.directory)]
        except OSError:
            return 0, 0
        return len(sizes), sum(sizes)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Alone, here and among processes; the one place where causes of failure are told apart."""
        with self._mutex:
            if self._failed:
                raise Permanent(self._failed)
            try:
                with locked(self.directory, self._limits.lock_wait_s):
                    yield
            except Permanent as error:
                self._failed = str(error)
                raise
            except OSError as error:
                raise Transient(f"the audit log cannot be written: {error}", RETRY_S) from error
