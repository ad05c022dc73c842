"""How the daemon writes its audit log: what must be written first, and what must not wait.

    must      before its effect, or the effect does not happen (Transient): the step from which a rollback switches, and
              what people do; the switch is tried again by the next turn, a person is answered 503
    the rest  never holds anything up: what cannot be written waits here, in order, and is written before anything else

Why not everything waits: a page that a model fails must go out on a full disk (safety S3). Why the switch does: an
effect outside without its line must never be (S6, S11). Once the switch is under way its further lines do not hold it
up: a rollback that stops between switch and reload leaves a link that says one thing and a server that serves another.

What waits is bounded by `WAITING_MAX`; what was lost beyond is counted, and the first record that can be written again
says how many. All of that pages (`tocsin_audit_failures_total`, `tocsin_audit_waiting_records`).
"""

import asyncio
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import structlog

from monitor.audit.heads import Why
from monitor.audit.log import Log
from monitor.audit.records import Entry, Kind, Subject
from monitor.clock import Clock
from monitor.errors import Transient
from monitor.export.edges import AuditView

WAITING_MAX: Final = 10_000  # a page of memory each, at most
TOGETHER: Final = 200  # of what waits, written at once

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Deed:
    """Something that was or will be done, by whom."""

    kind: Kind
    actor: str
    subject: Subject


class Auditing(Protocol):
    """What turns ask of the audit log."""

    async def record(self, deeds: Sequence[Deed], *, must: bool = False) -> None:
        """Write them down. Transient only if they must be written and cannot be; Permanent if the log has failed."""
        ...

    def anchor(self) -> str:
        """`SEQ:DIGEST` of the newest record; "" where there is no log."""
        ...


class NoAudit:
    """Where nothing is written down: tests of other things."""

    async def record(self, deeds: Sequence[Deed], *, must: bool = False) -> None:
        """Nothing."""

    def anchor(self) -> str:
        """None."""
        return ""


@dataclass(slots=True)
class Auditor:
    """Writes on threads of its own, in the order it was asked."""

    log: Log
    clock: Clock
    key: str = ""  # id of the one that signs
    verified: bool | None = None  # whether the log was whole at the start; None: it was new
    failures: int = 0
    lost: int = 0
    _lost_untold: int = 0
    _waiting: deque[Entry] = field(default_factory=deque)
    _mutex: threading.Lock = field(default_factory=threading.Lock)

    async def record(self, deeds: Sequence[Deed], *, must: bool = False) -> None:
        """Write deeds of now down."""
        if deeds:
            await asyncio.to_thread(self.write, deeds, must=must)

    def write(self, deeds: Sequence[Deed], *, must: bool = False) -> None:
        """The same, blocking."""
        wall = self.clock.wall()
        entries = [Entry(deed.kind, deed.actor, deed.subject, wall) for deed in deeds]
        with self._mutex:
            try:
                self._catch_up(must=must)
                self.log.extend(entries, must=must)
            except Transient as error:
                self._failed(error, len(entries))
                if must:
                    raise Transient(
                        f"not done, for it could not be written down: {error}", error.retry_after_s
                    ) from error
                self._keep(entries)

    async def upkeep(self) -> None:
        """Write what waits, sign what is due, drop what is over the bound. Never Transient."""
        await asyncio.to_thread(self._upkeep)

    def _upkeep(self) -> None:
        with self._mutex:
            try:
                self._catch_up(must=False)
                self.log.find_end()  # others write, too
                if self.log.due():
                    self.log.sign(Why.RECORDS)
                self.log.keep()
            except Transient as error:
                self._failed(error, 0)

    def sign(self, why: Why) -> None:
        """Sign the end now, if that can be done; blocks."""
        with self._mutex:
            try:
                self._catch_up(must=True)
                self.log.sign(why)
            except Transient as error:
                self._failed(error, 0)

    def anchor(self) -> str:
        """Of the newest record that this process knows."""
        return self.log.end().anchor

    def view(self) -> AuditView:
        """For the metrics page."""
        head, signed = self.log.end(), self.log.signed
        files, size = self.log.sizes
        return AuditView(
            key=self.key,
            verified=self.verified,
            records=self.log.tally.records,
            sequence=head.seq,
            digest_parts=head.parts,
            written=head.time or None,
            signed_sequence=signed.seq if signed else 0,
            failures=self.failures,
            waiting=len(self._waiting),
            lost=self.lost,
            torn=self.log.torn,
            dropped_files=self.log.tally.dropped_files,
            files=files,
            size_bytes=size,
        )

    def _catch_up(self, *, must: bool) -> None:
        """Write what waits, oldest first; Transient."""
        if self._lost_untold:
            told = {"records": self._lost_untold}
            self.log.extend([Entry(Kind.LOST, "tocsin", told, self.clock.wall())], must=must)
            self._lost_untold = 0
        while self._waiting:
            some = [self._waiting[i] for i in range(min(TOGETHER, len(self._waiting)))]
            self.log.extend(some, must=must)
            for _ in some:
                self._waiting.popleft()

    def _keep(self, entries: Sequence[Entry]) -> None:
        room = WAITING_MAX - len(self._waiting)
        self._waiting.extend(entries[:room])
        over = max(len(entries) - room, 0)
        self.lost += over
        self._lost_untold += over

    def _failed(self, error: Transient, records: int) -> None:
        self.failures += 1
        log.error("audit.not_written", records=records, waiting=len(self._waiting), why=str(error))
