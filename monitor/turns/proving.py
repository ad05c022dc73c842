"""Proving what is served: what the server says it has loaded, and since when we cannot tell.

A fold takes only records that arrived before its proof began, so that every row it counts was answered by a bundle
that was proved after it. While the server does not answer, folding waits, at most `fold.proof_wait`; then the rows go
to `transition`, which never acts. Without a `serving` section nobody can be asked: the release index's known-good is
taken at its word, which is said in the status. A server that takes turns between models is not believed until it keeps
to one (`monitor.decisions.steadiness`).

A proof holds up to the time that is believed, because an epoch ends for good. What is shown of the last one goes by the
clock as it is: whoever asks how old it is compares the two.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

from monitor.clock import Clock
from monitor.decisions.epochs import Served, identify, lose, prove, waver
from monitor.decisions.rollback import RUNNING
from monitor.decisions.steadiness import proved
from monitor.errors import Permanent, Transient
from monitor.facts import BundleId, Epoch, ModelName
from monitor.turns.watched import Watched

PROOFS = 3  # without a target; `models.*.target.proofs` otherwise


class ModelServer(Protocol):
    """What proving asks of a model server."""

    async def served(self) -> str:
        """Digest of the bytes it has loaded; Transient or Permanent if it does not say."""
        ...


class Proving:
    """Extends the serving timeline of each model by what its server says now."""

    def __init__(
        self,
        servers: Mapping[ModelName, ModelServer],
        known_good: Mapping[ModelName, ModelServer],
        clock: Clock,
        wait_s: float,
        believed: Callable[[float], float] = lambda now: now,
    ) -> None:
        """`wait_s` >= 0: how long folding waits for a server that does not answer. `believed`: see Clocks."""
        self._servers = servers
        self._known_good = known_good
        self._clock = clock
        self._wait_s = wait_s
        self._believed = believed

    async def run(self, watched: Watched) -> tuple[Epoch, ...] | None:
        """The timeline extended by a proof now, or by its loss; None: nothing is known yet, wait."""
        watched.bundles = await asyncio.to_thread(watched.releases.refreshed, watched.bundles)
        asked = self._clock.now()
        watched.asked = await self._answers(watched)
        try:
            served = await self._served(watched)
        except (Transient, Permanent):
            return self._unproved(watched)
        watched.unproved_since, watched.unproved_s, watched.proved = None, None, asked
        watched.proofs = proved(watched.proofs, served.digest, _proofs(watched), _newest_rollback(watched))
        if not watched.proofs.believed:
            return waver(watched.epochs, watched.name, served.judge, asked, self._believed(asked))
        same = bool(watched.epochs) and watched.epochs[-1].digest == served.digest
        # An old proof holds up to the question, a new one from the answer on.
        now = asked if same else self._clock.now()
        return prove(watched.epochs, watched.name, served, now, self._believed(now))

    async def _served(self, watched: Watched) -> Served:
        server = self._servers.get(watched.name)
        if server is not None:
            return identify(await server.served(), watched.bundles, watched.epochs)
        return identify(watched.good.checkpoint_digest, watched.bundles, watched.epochs)

    async def _answers(self, watched: Watched) -> BundleId | None:
        """The known-good bundle, if the server beside proves that it is the one that answers."""
        server = self._known_good.get(watched.name)
        if server is None:
            return None
        try:
            return watched.good.id if await server.served() == watched.good.checkpoint_digest else None
        except (Transient, Permanent):
            return None

    def _unproved(self, watched: Watched) -> tuple[Epoch, ...] | None:
        now = self._clock.monotonic()
        if watched.unproved_since is None:
            watched.unproved_since = now
        watched.unproved_s = now - watched.unproved_since
        if watched.unproved_s < self._wait_s:
            return None
        return lose(watched.epochs, watched.name, watched.good.reference_digest, self._believed(self._clock.now()))


def _proofs(watched: Watched) -> int:
    """How many equal proofs in a row end a flip-flop: as many as prove a rollback."""
    target = watched.settings.target
    return PROOFS if target is None else target.proofs


def _newest_rollback(watched: Watched) -> str:
    state = watched.state
    running = state.rollback is not None and state.rollback.step in RUNNING
    newest = state.rollback if running else next(reversed(state.history), None)
    return newest.id if newest else ""
