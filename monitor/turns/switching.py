"""Driving a rollback with what the settings name: the link that is moved and the server that must follow."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from monitor.clock import Clock
from monitor.decisions.judge import POLICY
from monitor.facts import Mode, ModelName, Rollback
from monitor.rollback.execute import Executor
from monitor.rollback.symlink import SymlinkTarget
from monitor.serving.open_inference import OpenInference
from monitor.turns.watched import Watched


class RollbackJournal:
    """What the executor records goes through a decision, and so into the store."""

    def __init__(self, record: Callable[[Rollback], Awaitable[None]]) -> None:
        self._record = record

    async def record(self, rollback: Rollback) -> None:
        """Durable when it returns."""
        await self._record(rollback)


@dataclass(frozen=True, slots=True)
class Switching:
    """Drives rollbacks to their end."""

    servers: Mapping[ModelName, OpenInference]
    clock: Clock

    async def run(
        self, watched: Watched, rollback: Rollback, record: Callable[[Rollback], Awaitable[None]]
    ) -> Rollback:
        """Drive one rollback; each of its steps is recorded before the next."""
        target, server = watched.settings.target, self.servers.get(watched.name)
        assert target is not None, "settings that allow a rollback name its target"
        assert server is not None, "settings that allow a rollback name the server"
        executor = Executor(
            watched.releases.read,
            SymlinkTarget(target.link),
            server,
            RollbackJournal(record),
            clock=self.clock,
            proofs=target.proofs,
            prove_within_s=target.prove_within,
            bake_s=watched.settings.rollback.bake,
            stopped=lambda: rollback.approved_by == POLICY and not automatic(watched),
        )
        left = next((epoch.digest for epoch in reversed(watched.epochs) if epoch.bundle == rollback.source), "")
        return await executor.run(rollback, left)


def automatic(watched: Watched) -> bool:
    """Whether automation may still act, as the operator says now."""
    return watched.mode[0] is Mode.AUTO and not watched.killed()
