"""When an operator was last in touch, kept coarsely: what the dead-man's handle goes by (`monitor.decisions.contact`).

Whoever calls the API with a token that may operate, approve or administrate has been in touch. That is noted in memory
at once and written at most once a minute; once an hour without, so that a reboot has something to go on. A daemon that
starts on a fresh state has been looked after by whoever installed it.
"""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import structlog

from monitor.clock import Clock
from monitor.decisions.contact import over_a_reboot
from monitor.store.protocol import Change, Store

KEY = "operator"
WRITE_EVERY_S = 60.0
PROGRESS_EVERY_S = 3600.0
BOOT = Path("/proc/sys/kernel/random/boot_id")

log = structlog.get_logger()


class Contact(msgspec.Struct, frozen=True):
    """The stored form: what all clocks said when it was written."""

    at: float  # wall time of the last contact, for people
    silent_s: float  # since then, when this was written
    monotonic: float
    wall: float
    boot: str = ""  # which boot of the machine the monotonic time is of; "": unknown


def boot_id(path: Path = BOOT) -> str:
    """Which boot of the machine this is; "" where nobody says."""
    try:
        return path.read_text().strip()
    except OSError:
        return ""


@dataclass(slots=True)
class Contacts:
    """One daemon's. `note` is of the event loop alone; the rest may be read anywhere."""

    store: Store
    clock: Clock
    boot: str
    within_s: float = 86_400.0  # the shortest of the settings: what a reboot is bounded by
    _at: float = field(init=False)
    _base_s: float = field(init=False)  # silent so long at `_from`
    _from: float = field(init=False)
    _written: float = field(init=False)
    _unwritten: bool = field(init=False)

    def __post_init__(self) -> None:
        now, found = self.clock.monotonic(), self.store.facts(Contact).get(KEY)
        self._from, self._written, self._unwritten = now, now, True
        if found is None:
            self._at, self._base_s = self.clock.wall(), 0.0
            return
        self._at, gap_s = found.at, now - found.monotonic
        if found.boot and found.boot == self.boot and gap_s >= 0:
            self._base_s = found.silent_s + gap_s
        else:
            self._base_s = over_a_reboot(found.silent_s, self.clock.wall() - found.wall, self.within_s)

    @property
    def at(self) -> float:
        """Wall time of the last contact."""
        return self._at

    def silent_s(self) -> float:
        """For how long nobody was in touch."""
        return self._base_s + max(self.clock.monotonic() - self._from, 0.0)

    def note(self) -> None:
        """An operator is in touch."""
        self._at, self._base_s, self._from = self.clock.wall(), 0.0, self.clock.monotonic()
        self._unwritten = True

    async def keep(self) -> None:
        """Write what is new, or an hour old; to be called every `WRITE_EVERY_S`."""
        now = self.clock.monotonic()
        if not self._unwritten and now - self._written < PROGRESS_EVERY_S:
            return
        self._unwritten, self._written = False, now
        contact = Contact(self._at, self.silent_s(), now, self.clock.wall(), self.boot)
        try:
            await asyncio.to_thread(self.store.commit, Change(puts=((KEY, contact),)))
        except BaseException:
            self._unwritten = True
            raise
