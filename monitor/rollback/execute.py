"""Drives one rollback: does what the state machine asks for, observes, journals, and only then goes on.

    look at what is set and served -> verify the target's bytes -> probe the candidate -> switch -> load
                              -> prove what is served -> bake          every step is durable before the next effect

What follows from an observation is decided by `monitor.decisions.rollback`, which is pure; here is the world. A run
that was killed anywhere is run again with the rollback as it was last journaled: it looks first. "Could not tell" is
an honest observation; no exception of the server or of the disk becomes a step.

"Served" is proved by K consecutive answers of the digest of the bytes that are *loaded*, each over a connection of its
own, because a server may have several workers, and by the answers to the golden probes where some were recorded for
those bytes. A reload that answers 200 proves nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog

from monitor.clock import Clock
from monitor.decisions.rollback import Command, Observation, Place, advance, begin, seen
from monitor.errors import Permanent, SettingsError, Transient
from monitor.facts import Bundle, BundleId, Rollback, Verdict
from monitor.rollback.release.read import Index
from monitor.rollback.release.verify import verify, verify_beside
from monitor.rollback.targets.contract import Conflict, Release, Target, Unfit

POLL_S = 0.5  # between two questions while the server still loads
LONGEST_PAUSE_S = 30.0  # after a setback; they double from 2 s

SERVED = {
    Place.SOURCE: Observation.SERVED_SOURCE,
    Place.OTHER: Observation.SERVED_OTHER,
    Place.TARGET: Observation.CANNOT_TELL,  # now and then, but never often enough in a row
    Place.UNKNOWN: Observation.CANNOT_TELL,
}

SERVED_AND = {  # what the golden probes say of the target that is served; else it is proved
    Observation.ANSWERS_WRONG: Observation.ANSWERS_WRONG,
    Observation.CANNOT_TELL: Observation.CANNOT_TELL,
}
# Whoever says stop, what is switched already is finished.
BEFORE_THE_SWITCH = {Command.VERIFY, Command.PROBE, Command.SWITCH}
WORTH_WAITING = {Observation.CANNOT_TELL, Observation.RELOAD_FAILED}  # asking again at once would use up the attempts

log = structlog.get_logger()


class Server(Protocol):
    """The model server (`monitor.serving.OpenInference`)."""

    async def served(self) -> str:
        """Digest of the bytes that are loaded; Transient, Permanent."""
        ...


class Probes(Protocol):
    """Golden probes; neither raises."""

    async def candidate(self, digest: str) -> Verdict | None:
        """Whether what will serve answers as was recorded for this checkpoint; None: nobody can be asked, or nothing.

        UNKNOWN: it could be asked, and did not answer.
        """
        ...

    async def served(self, digest: str) -> Verdict | None:
        """The same of what serves now."""
        ...


class Unprobed:
    """Where no golden probes are kept."""

    async def candidate(self, digest: str) -> Verdict | None:
        """Nobody is asked."""
        del digest
        return None

    async def served(self, digest: str) -> Verdict | None:
        """Nobody is asked."""
        del digest
        return None


ANSWERED = {
    None: Observation.UNPROBED,
    Verdict.OK: Observation.ANSWERS_RIGHT,
    Verdict.BREACH: Observation.ANSWERS_WRONG,
    Verdict.UNKNOWN: Observation.CANNOT_TELL,
    Verdict.BROKEN: Observation.CANNOT_TELL,
}


class Journal(Protocol):
    """Where a rollback is kept; durable when it returns."""

    async def record(self, rollback: Rollback) -> None:
        """Replace the entry of this id."""
        ...


class Executor:
    """One model's target and server."""

    def __init__(
        self,
        index: Callable[[], Index],
        target: Target,
        server: Server,
        journal: Journal,
        *,
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        kind: str = "symlink",
        copied: bool = False,
        proofs: int = 3,
        prove_within_s: float = 30.0,
        bake_s: float = 0.0,
        probes: Probes | None = None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        """`index` reads the release index now, SettingsError if it is not believed.

        `kind` is that of the target: under this name the bundles' manifests say where it finds them. `copied`: it
        installs a copy of the checkpoint, which it reads itself; then the bundle's own is not read here. `proofs` >= 1
        answers in a row, within `prove_within_s` of a load. `bake_s` is event time. `stopped` is asked before anything
        is changed: whether nobody wants this any more.
        """
        self._index = index
        self._target = target
        self._kind = kind
        self._copied = copied
        self._server = server
        self._journal = journal
        self._clock = clock
        self._sleep = sleep
        self._proofs = proofs
        self._prove_within_s = prove_within_s
        self._bake_s = bake_s
        self._probes = probes or Unprobed()
        self._stopped = stopped

    async def run(self, rollback: Rollback, source_digest: str) -> Rollback:
        """Bring a rollback to its end, or to where it bakes, from wherever it stands; return it as last journaled.

        It is journaled already when it comes here. `source_digest` is that of the epoch it leaves. Ends within
        `ATTEMPTS_MAX` setbacks, each at most `prove_within_s` and a pause long; a proposal is returned as it is.
        """
        move = begin(rollback)
        while move.command is not None:
            before, command = move.rollback, move.command
            observation = await self._do(command, before, source_digest)
            move = advance(before, observation, self._clock.now(), self._bake_s)
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
                return await self._verify(index, rollback.target)
            bundle = index.find(rollback.target)
            if bundle is None:
                return Observation.CANNOT_TELL
            source = self._release(index, rollback.source, source_digest)
            target = self._release(index, bundle.id, bundle.checkpoint_digest)
            if command is Command.LOOK:
                return await self._look(bundle, source, target)
            if command is Command.PROBE:
                return ANSWERED[await self._probes.candidate(bundle.checkpoint_digest)]
            if command is Command.SWITCH:
                return await self._switch(source, target)
            return await self._prove(bundle, source_digest)
        except (Transient, Permanent, SettingsError) as error:
            log.warning("rollback setback", rollback=rollback.id, command=command.value, why=str(error))
            return Observation.CANNOT_TELL

    def _release(self, index: Index, identity: BundleId, digest: str) -> Release:
        """Say of a bundle what a target needs; one that the index does not know has a digest, and nothing else."""
        bundle = index.find(identity)
        if bundle is None:
            return Release(identity, "", digest, index.folder)
        path = index.folder / bundle.checkpoint
        return Release(identity, bundle.name, digest, path, bundle.locators.get(self._kind, ""))

    async def _verify(self, index: Index, identity: BundleId) -> Observation:
        why, bundle = index.no_target(identity, self._clock.wall()), index.find(identity)
        try:
            if not why and bundle is not None:
                await asyncio.to_thread(verify_beside if self._copied else verify, index, identity)
                await self._target.stage(self._release(index, identity, bundle.checkpoint_digest))
        except Permanent as error:
            why = str(error)
        if why:
            log.warning("rollback target refused", bundle=identity, why=why)
        return Observation.BAD_TARGET if why else Observation.VERIFIED

    async def _look(self, bundle: Bundle, source: Release, target: Release) -> Observation:
        place = await self._target.place(source, target)
        return seen(place, _place(await self._served(), bundle, source.digest))

    async def _switch(self, source: Release, target: Release) -> Observation:
        try:
            changed = await self._target.switch(source, target)
        except Conflict as error:
            log.warning("rollback conflict", why=str(error))
            return Observation.CONFLICT
        except Unfit as error:
            log.warning("rollback target refused", bundle=target.bundle, why=str(error))
            return Observation.BAD_TARGET
        return Observation.SWITCHED if changed else Observation.ALREADY

    async def _reload(self) -> Observation:
        try:
            await self._target.load()
        except Permanent as error:
            log.warning("load failed", why=str(error))
            return Observation.RELOAD_FAILED
        return Observation.TOLD

    async def _prove(self, bundle: Bundle, source_digest: str) -> Observation:
        deadline = self._clock.monotonic() + self._prove_within_s
        in_a_row = 0
        while True:
            place = _place(await self._served(), bundle, source_digest)
            in_a_row = in_a_row + 1 if place is Place.TARGET else 0
            if in_a_row >= self._proofs:
                answered = ANSWERED[await self._probes.served(bundle.checkpoint_digest)]
                return SERVED_AND.get(answered, Observation.SERVED_TARGET)
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
