"""Drives one rollback: does what the state machine asks for, observes, journals, and only then goes on.

    look at the link and the server -> verify the target's bytes -> switch the link -> reload -> prove what is served
                                               every step is durable before the next effect

What follows from an observation is decided by `monitor.decisions.rollback`, which is pure; here is the world. A run
that was killed anywhere is run again with the rollback as it was last journaled: it looks first. "Could not tell" is
an honest observation; no exception of the server or of the disk becomes a step.

"Served" is proved by K consecutive answers of the digest of the bytes that are *loaded*, each over a connection of its
own, because a server may have several workers. A reload that answers 200 proves nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog

from monitor.clock import Clock
from monitor.decisions.rollback import Command, Observation, Place, advance, begin, seen
from monitor.errors import Permanent, SettingsError, Transient
from monitor.facts import Bundle, BundleId, Rollback
from monitor.rollback.release.read import Index
from monitor.rollback.release.verify import verify
from monitor.rollback.symlink import Conflict, SymlinkTarget

POLL_S = 0.5  # between two questions while the server still loads
LONGEST_PAUSE_S = 30.0  # after a setback; they double from 2 s

SERVED = {
    Place.SOURCE: Observation.SERVED_SOURCE,
    Place.OTHER: Observation.SERVED_OTHER,
    Place.TARGET: Observation.CANNOT_TELL,  # now and then, but never often enough in a row
    Place.UNKNOWN: Observation.CANNOT_TELL,
}

BEFORE_THE_SWITCH = {Command.VERIFY, Command.SWITCH}  # what is switched already is finished, whoever says stop
WORTH_WAITING = {Observation.CANNOT_TELL, Observation.RELOAD_FAILED}  # asking again at once would use up the attempts

log = structlog.get_logger()


class Server(Protocol):
    """The model server; both raise Transient or Permanent (`monitor.serving.OpenInference`)."""

    async def served(self) -> str:
        """Digest of the bytes that are loaded."""
        ...

    async def reload(self) -> None:
        """Load what the link points to."""
        ...


class Journal(Protocol):
    """Where a rollback is kept; durable when it returns."""

    async def record(self, rollback: Rollback) -> None:
        """Replace the entry of this id."""
        ...


class Executor:
    """One model's link and server."""

    def __init__(
        self,
        index: Callable[[], Index],
        link: SymlinkTarget,
        server: Server,
        journal: Journal,
        *,
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        proofs: int = 3,
        prove_within_s: float = 30.0,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        """`index` reads the release index now, SettingsError if it is not believed.

        `proofs` >= 1 answers in a row are demanded within `prove_within_s` of a reload.

        `stopped` is asked before anything is changed: whether nobody wants this rollback any more.
        """
        self._index = index
        self._link = link
        self._server = server
        self._journal = journal
        self._clock = clock
        self._sleep = sleep
        self._proofs = proofs
        self._prove_within_s = prove_within_s
        self._stopped = stopped

    async def run(self, rollback: Rollback, source_digest: str) -> Rollback:
        """Bring a rollback to its end, from wherever it stands; return it as it was last journaled.

        It is journaled already when it comes here. `source_digest` is that of the epoch it leaves. Ends within
        `ATTEMPTS_MAX` setbacks, each at most `prove_within_s` and a pause long; a proposal is returned as it is.
        """
        move = begin(rollback)
        while move.command is not None:
            before, command = move.rollback, move.command
            observation = await self._do(command, before, source_digest)
            move = advance(before, observation, self._clock.now())
            log.info(
                "rollback step",
                rollback=before.id,
                command=command.value,
                observed=observation.value,
                step=move.rollback.step.value,
            )
            if move.rollback != before:
                await self._journal.record(move.rollback)
            if move.command is not None and observation in WORTH_WAITING:
                await self._sleep(min(2.0**move.rollback.attempts, LONGEST_PAUSE_S))
        return move.rollback

    async def _do(self, command: Command, rollback: Rollback, source_digest: str) -> Observation:
        if command in BEFORE_THE_SWITCH and self._stopped():
            return Observation.STOPPED
        try:
            if command is Command.RELOAD:
                return await self._reload()
            index = await asyncio.to_thread(self._index)
            if command is Command.VERIFY:
                return await asyncio.to_thread(self._verify, index, rollback.target)
            bundle = index.find(rollback.target)
            if bundle is None:
                return Observation.CANNOT_TELL
            if command is Command.LOOK:
                return await self._look(index, bundle, source_digest)
            if command is Command.SWITCH:
                return await asyncio.to_thread(self._switch, index, bundle, source_digest)
            return await self._prove(bundle, source_digest)
        except (Transient, Permanent, SettingsError) as error:
            log.warning("rollback setback", rollback=rollback.id, command=command.value, why=str(error))
            return Observation.CANNOT_TELL

    def _verify(self, index: Index, identity: BundleId) -> Observation:
        why = index.no_target(identity, self._clock.wall())
        try:
            if not why:
                verify(index, identity)
        except Permanent as error:
            why = str(error)
        if why:
            log.warning("rollback target refused", bundle=identity, why=why)
        return Observation.BAD_TARGET if why else Observation.VERIFIED

    async def _look(self, index: Index, bundle: Bundle, source_digest: str) -> Observation:
        link = await asyncio.to_thread(self._link_place, index, bundle, source_digest)
        served = _place(await self._served(), bundle, source_digest)
        return seen(link, served)

    def _link_place(self, index: Index, bundle: Bundle, source_digest: str) -> Place:
        """Finish, or undo, what a killed switch left before judging where the link points to."""
        try:
            self._link.finish(index.folder / bundle.checkpoint, source_digest)
            return _place(self._link.observe(), bundle, source_digest)
        except Conflict:
            return Place.OTHER
        except Permanent:  # no link, or it names nothing that can be read
            return Place.OTHER

    def _switch(self, index: Index, bundle: Bundle, source_digest: str) -> Observation:
        try:
            changed = self._link.switch(index.folder / bundle.checkpoint, source_digest, bundle.checkpoint_digest)
        except Conflict:
            return Observation.CONFLICT
        return Observation.SWITCHED if changed else Observation.ALREADY

    async def _reload(self) -> Observation:
        try:
            await self._server.reload()
        except Permanent as error:
            log.warning("reload failed", why=str(error))
            return Observation.RELOAD_FAILED
        return Observation.TOLD

    async def _prove(self, bundle: Bundle, source_digest: str) -> Observation:
        deadline = self._clock.monotonic() + self._prove_within_s
        in_a_row = 0
        while True:
            place = _place(await self._served(), bundle, source_digest)
            in_a_row = in_a_row + 1 if place is Place.TARGET else 0
            if in_a_row >= self._proofs:
                return Observation.SERVED_TARGET
            if self._clock.monotonic() >= deadline:
                return SERVED[place]
            if not in_a_row:
                await self._sleep(POLL_S)

    async def _served(self) -> str:
        """Return the digest the server says it loaded, "" if it does not say."""
        try:
            return await self._server.served()
        except (Transient, Permanent):
            return ""


def _place(digest: str, bundle: Bundle, source_digest: str) -> Place:
    if not digest:
        return Place.UNKNOWN
    if digest == bundle.checkpoint_digest:
        return Place.TARGET
    return Place.SOURCE if digest == source_digest else Place.OTHER
