"""Making ready, for one link, what a rollback would need: long before it, slowly, and over and over.

    the target   copied, read again whole once it has settled, and sealed; all of it again every `age_max_s`
    the source   what the link names, wherever it lies, read and sealed in the same way

A rollback with a copy at hand reads little or nothing (`monitor.rollback.targets.staging`). Without one it does all of
this at that moment, at full speed: nothing is less safe for it, only slower.

A pass takes what it finds, as often as it is asked; with nothing to do it costs a look at each file. What fails is
counted by its reason, and tried again after `RETRY_S`, doubled up to `age_max_s`: a volume that is full, or a bundle
with other bytes than were approved, is no reason to read 10 GB every minute, and nothing else waits for it.
"""

import threading
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

import structlog

from monitor.clock import Clock
from monitor.errors import Permanent, Transient
from monitor.rollback.targets.contract import Release
from monitor.rollback.targets.copies import FULL, NoRoom
from monitor.rollback.targets.seals import marked
from monitor.rollback.targets.staging import GivenUp, Pace, Staging
from monitor.rollback.targets.symlink import Link

RETRY_S = 60.0

log = structlog.get_logger()


class Trouble(Enum):
    """Why there is no copy at hand; also the metric's label."""

    NO_ROOM = "no_room"  # the volume is full, or would be
    REFUSED = "refused"  # other bytes than were approved, nothing there, or a directory that is not ours alone
    CHANGED = "changed"  # a copy was not as it was made, and was set aside
    UNREADABLE = "unreadable"  # or unwritable, now


@dataclass(frozen=True, slots=True)
class Kept:
    """What is at hand."""

    copies: int = 0
    size: int = 0  # bytes of all copies
    ready: bool | None = (
        None  # whether the target's copy was read whole and not touched since; None: there is no target
    )
    verified: float | None = None  # wall time of the last whole reading of the target's copy, if it is ready
    failures: Counter[Trouble] = field(default_factory=Counter)  # total since the start


class Ahead:
    """Makes ready for one link. `keep` is for one caller at a time; `kept` for any."""

    def __init__(self, link: Link, staging: Staging, clock: Clock, pace: Pace | None) -> None:
        """`pace` is what all of it together may take; None: nothing is made ahead, what is there is told."""
        self.link = link
        self.staging = staging
        self.kept: Kept | None = None  # before the first pass
        self._clock = clock
        self._pace = pace
        self._failures: Counter[Trouble] = Counter()
        self._failed: tuple[str, Trouble] | None = None  # what was last told
        self._in_a_row = 0
        self._again = float("-inf")  # monotonic; not before
        self._closed = threading.Event()

    def keep(self, target: Release | None) -> None:
        """One pass; `target` is what a rollback would go to now. Blocks for as long as it takes; never raises."""
        wanted = target.digest if target else ""
        if self._closed.is_set():
            return
        due = self._clock.monotonic() >= self._again or (self._failed is not None and self._failed[0] != wanted)
        self.kept = self._look(target)  # what holds while a copy is made, which takes minutes
        if due and self._pace is not None:
            self._try(target, wanted, self._pace)
        self.kept = self._look(target)

    def close(self) -> None:
        """End what is under way, and begin nothing more."""
        self._closed.set()
        self.staging.close()

    def _try(self, target: Release | None, wanted: str, pace: Pace) -> None:
        refused = self.staging.refused
        try:
            linked = self.link.current()
            if target is not None:
                self.staging.stage_ahead(target, linked, pace)
            self.staging.read_ahead(linked, pace)
        except GivenUp:
            pass  # a rollback is under way, or the daemon stops: the next pass begins anew
        except (Permanent, Transient, OSError) as error:
            self._failing(wanted, error, pace.age_max_s)
        else:
            self._failed, self._in_a_row, self._again = None, 0, float("-inf")
        if self.staging.refused > refused:
            self._failures[Trouble.CHANGED] += 1
            log.error("staging.copy_changed", link=str(self.link.link), digest=wanted)

    def _failing(self, wanted: str, error: Exception, pause_max_s: float) -> None:
        trouble = _trouble(error)
        self._failures[trouble] += 1
        if self._failed != (wanted, trouble):
            log.warning("staging.failed", link=str(self.link.link), reason=trouble.value, why=str(error))
        self._failed = wanted, trouble
        pause_s = min(RETRY_S * 2.0 ** min(self._in_a_row, 20), max(RETRY_S, pause_max_s))
        self._in_a_row += 1
        self._again = self._clock.monotonic() + pause_s

    def _look(self, target: Release | None) -> Kept:
        copies = self.staging.copies()
        seal = None if target is None else self.staging.seals.seal(self.staging.path(target.digest))
        good = seal is not None and target is not None and seal.digest == target.digest
        return Kept(
            copies=len(copies),
            size=sum(map(_size, copies)),
            ready=None if target is None else good,
            verified=seal.read_wall if seal is not None and good else None,
            failures=Counter(self._failures),
        )


def _trouble(error: Exception) -> Trouble:
    if isinstance(error, NoRoom) or (isinstance(error, OSError) and error.errno in FULL):
        return Trouble.NO_ROOM
    return Trouble.REFUSED if isinstance(error, Permanent) else Trouble.UNREADABLE


def _size(copy: Path) -> int:
    with suppress(OSError):
        return marked(copy).size
    return 0
