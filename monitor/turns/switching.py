"""Driving a rollback with what the settings name: the target that is switched and the server that must follow."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from monitor.clock import Clock
from monitor.decisions.judge import POLICY
from monitor.facts import Mode, ModelName, Rollback
from monitor.rollback.execute import Executor
from monitor.rollback.targets.ahead import Ahead
from monitor.serving.open_inference import OpenInference
from monitor.serving.probing import Asked
from monitor.turns.deploying import built
from monitor.turns.examining import Examiner
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
    probed: Mapping[ModelName, Asked] = field(default_factory=dict)  # the servers again, for golden probes
    second_opinions: Mapping[ModelName, Asked] = field(default_factory=dict)
    copies: Mapping[ModelName, Ahead] = field(default_factory=dict)  # beside the links, where any are kept

    async def run(
        self, watched: Watched, rollback: Rollback, record: Callable[[Rollback], Awaitable[None]]
    ) -> Rollback:
        """Drive one rollback; each of its steps is recorded before the next."""
        target, server = watched.settings.target, self.servers.get(watched.name)
        assert target is not None, "settings that allow a rollback name its target"
        assert server is not None, "settings that allow a rollback name the server"
        copies = self.copies.get(watched.name)
        executor = Executor(
            watched.releases.read,
            built(target, server.reload, self.clock, copies),
            server,
            RollbackJournal(record),
            clock=self.clock,
            kind=target.kind,
            copied=copies is not None,
            proofs=target.proofs,
            prove_within_s=target.prove_within,
            bake_s=watched.settings.rollback.bake,
            probes=self._examiner(watched),
            stopped=lambda: rollback.approved_by == POLICY and not automatic(watched),
        )
        left = next((epoch.digest for epoch in reversed(watched.epochs) if epoch.bundle == rollback.source), "")
        return await executor.run(rollback, left)

    def _examiner(self, watched: Watched) -> Examiner | None:
        """Golden probes, where the settings name a set of them."""
        probes, serving = watched.settings.probes, self.probed.get(watched.name)
        if probes is None or serving is None:
            return None
        return Examiner(watched.name, probes, serving, self.second_opinions.get(watched.name))


def automatic(watched: Watched) -> bool:
    """Whether automation may still act, as the operator says now."""
    return watched.mode[0] is Mode.AUTO and not watched.killed()
