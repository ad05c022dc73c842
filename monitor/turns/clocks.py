"""What the daemon sees of its clocks at each turn: what `monitor.decisions.clocks` pauses automation by.

Looked at before anything is decided by the time of the turn. A jump is written down, counted and stored at once, and
holds in memory whatever the disk says; each look stores what was seen last, so a jump that comes while the daemon is
down, or just before it dies, is found at the next start. Where time is stepped (replay) nothing can jump.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Final, Protocol

import structlog

from monitor.audit.records import Kind
from monitor.clock import Clock
from monitor.decisions.clocks import Bounds, Seen, Sighting, begin, released, see, words
from monitor.store.protocol import Change, Store
from monitor.turns.auditing import Auditing, Deed, NoAudit
from monitor.turns.deeds import DAEMON

KEY: Final = "clocks"  # of the stored document
DIRECTIONS: Final = ("ahead", "back")
READ: Final = 3

log = structlog.get_logger()


class Clocks(Protocol):
    """What turns ask of whoever watches the clocks."""

    async def look(self) -> None:
        """Look at them, before anything is decided by their time."""
        ...

    def believed(self, now: float) -> float:
        """The event time by which something may be done for good."""
        ...

    def stored(self) -> Seen | None:
        """What is to be committed with a look."""
        ...


class SteppedClocks:
    """Of replays, and tests in which nothing jumps."""

    async def look(self) -> None:
        """Nothing."""

    def believed(self, now: float) -> float:
        """Any."""
        return now

    def stored(self) -> Seen | None:
        """Nothing."""
        return None


@dataclass(slots=True)
class LiveClocks:
    """One daemon's. Written by the event loop alone; the rest may be read anywhere."""

    store: Store
    clock: Clock
    boot: str  # which boot of the machine this is; "": unknown
    bounds: Bounds = field(default_factory=Bounds)
    audit: Auditing = field(default_factory=NoAudit)
    jumps: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(DIRECTIONS, 0)))  # since the start
    _seen: Seen = field(init=False)

    def __post_init__(self) -> None:
        self.boot = self.boot or f"since {self.clock.monotonic()}"  # no other life's
        self._seen = self.store.facts(Seen).get(KEY) or begin(self._sighting())

    def paused(self) -> tuple[float, float]:
        """The jump that automation pauses for, below 0 for one back, and for how long still; seconds."""
        return self._seen.jump_s, self._seen.left(self.clock.monotonic())

    def believed(self, now: float) -> float:
        """See Clocks."""
        return self._seen.believed(now, self.clock.monotonic())

    def stored(self) -> Seen | None:
        """See Clocks."""
        return self._seen

    async def look(self) -> None:
        """See Clocks; an error of the store's leaves the pause in force."""
        was_paused = self._seen.left_s > 0
        self._seen, jump_s = see(self._seen, self._sighting(), self.bounds)
        if jump_s:
            await self._jumped(jump_s)
        elif was_paused and self._seen.left_s <= 0:
            log.info("clock.pause_over")

    async def go(self) -> bool:
        """A person lets automation go on; whether it paused."""
        await self.look()
        paused = self.paused()[1] > 0
        if paused:
            self._seen = released(self._seen)
            await asyncio.to_thread(self.store.commit, Change(puts=((KEY, self._seen),)))
        return paused

    async def _jumped(self, jump_s: float) -> None:
        pause_s = self.bounds.pause_s
        self.jumps["ahead" if jump_s > 0 else "back"] += 1
        log.warning("clock.jumped", seconds=round(jump_s, 3), pause_s=pause_s, words=words(jump_s))
        await self.audit.record([Deed(Kind.CLOCK_JUMPED, DAEMON, {"seconds": jump_s, "pause_s": pause_s})])
        await asyncio.to_thread(self.store.commit, Change(puts=((KEY, self._seen),)))

    def _sighting(self) -> Sighting:
        """Both at once: the closest of READ, because whoever is put off between the two sees a jump that is none."""
        read = [(self.clock.monotonic(), self.clock.wall(), self.clock.monotonic()) for _ in range(READ)]
        before, wall, _ = min(read, key=lambda each: each[2] - each[0])
        return Sighting(wall, before, self.boot)
