"""One courier per receiver, each a task of its own, over the store's outbox."""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from monitor.alerts.outbox import Bell, Courier, Escalate
from monitor.alerts.silences import SAY, Gate
from monitor.alerts.transport import Line
from monitor.clock import Clock
from monitor.settings import Receiver
from monitor.turns.outbox import StoredOutbox
from monitor.turns.supervisor import Supervisor
from monitor.wire.addresses import networks
from monitor.wire.connect import tls_context
from monitor.wire.webhooks import load_keys

RESTART_S = 5.0


@dataclass(slots=True)
class Couriers:
    """The tasks, and what they hold open."""

    supervisor: Supervisor
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _lines: list[Line] = field(default_factory=list)
    _bells: list[Bell] = field(default_factory=list)
    _couriers: list[Courier] = field(default_factory=list)

    def start(
        self,
        receivers: Sequence[Receiver],
        outbox: StoredOutbox,
        clock: Clock,
        escalate: Escalate,
        gate: Callable[[Receiver], Gate] = lambda _: lambda _: SAY,
    ) -> None:
        """Start one per receiver; what waits from an earlier run goes out at once.

        `gate` makes what decides by silences about a receiver's notices (`monitor.turns.pushers.Pushers.gate`).
        """
        tls = tls_context() if receivers else None
        for receiver in receivers:
            line = Line(receiver.url, clock, allowed=networks(receiver.allow_networks), tls=tls)
            bell = Bell()
            courier = Courier(
                receiver.name,
                outbox,
                line.post,
                clock=clock,
                wait=bell.wait,
                jitter=random.random,
                escalate=escalate,
                keys=load_keys(receiver.secret_file),
                gate=gate(receiver),
            )
            self._start(courier, line, bell)

    def held(self) -> dict[str, int]:
        """By receiver: incidents whose notices wait for a silence to end."""
        return {courier.receiver: courier.held for courier in self._couriers}

    def ring(self) -> None:
        """Something was queued."""
        for bell in self._bells:
            bell.ring()

    async def stop(self) -> None:
        """Stop all of them; what is under way is tried again later, with the same id."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for line in self._lines:
            await line.aclose()
        self._tasks, self._lines, self._bells, self._couriers = [], [], [], []

    async def _run(self, courier: Courier) -> None:
        """Deliver until cancelled; a courier that fails is started again."""
        while True:
            await self.supervisor.run(f"courier {courier.receiver}", courier.run)
            await asyncio.sleep(RESTART_S)

    def _start(self, courier: Courier, line: Line, bell: Bell) -> None:
        self._couriers.append(courier)
        self._lines.append(line)
        self._bells.append(bell)
        self._tasks.append(asyncio.create_task(self._run(courier), name=f"courier {courier.receiver}"))
