"""The outbox over the store's documents: what a turn committed waits here for its courier.

Deliveries are few and small, so all that wait are held in memory beside the store; the store is written first.
A delivered one is forgotten but for its count; a dead one stays until `DEAD_MAX` newer ones push it out.
"""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence

import msgspec

from monitor.alerts.outbox import Disabled
from monitor.alerts.retry import Delivery, DeliveryState
from monitor.store.protocol import Change, Store

DEAD_MAX = 1_000


class Delivered(msgspec.Struct, frozen=True):
    """How often a receiver was reached, since the state directory began."""

    receiver: str
    sent: int = 0
    failed: int = 0  # attempts
    dead: int = 0
    withdrawn: int = 0  # never sent: silenced until it was over, or a repeat of what still waited


class StoredOutbox:
    """What `monitor.alerts.outbox.Courier` asks for, kept by the store."""

    def __init__(self, store: Store, urls: Mapping[str, str]) -> None:
        """`urls` by receiver, from the settings: a receiver that said 410 is disabled for that URL only."""
        self._store = store
        self.renamed(urls)
        self._all = store.facts(Delivery)
        self._disabled = store.facts(Disabled)
        self._delivered = store.facts(Delivered)

    def renamed(self, urls: Mapping[str, str]) -> None:
        """The settings name other receivers or URLs now."""
        self._digests = {name: hashlib.sha256(url.encode()).hexdigest() for name, url in urls.items()}

    def added(self, deliveries: Sequence[Delivery]) -> None:
        """These were committed with the incident they speak of."""
        self._all |= {delivery.id: delivery for delivery in deliveries}

    def every(self) -> list[Delivery]:
        """All that wait or are dead."""
        return list(self._all.values())

    def counts(self, receiver: str) -> Delivered:
        """What became of the deliveries to one receiver."""
        return self._delivered.get(receiver, Delivered(receiver))

    async def waiting(self, receiver: str) -> Sequence[Delivery]:
        """All deliveries to `receiver` that wait."""
        return [d for d in self._all.values() if d.receiver == receiver and d.state is DeliveryState.WAITING]

    async def record(self, delivery: Delivery) -> None:
        """Keep what became of it; Transient if the store cannot write now."""
        before = self.counts(delivery.receiver)
        sent, dead = delivery.state is DeliveryState.SENT, delivery.state is DeliveryState.DEAD
        withdrawn = delivery.state is DeliveryState.WITHDRAWN
        after = Delivered(
            before.receiver,
            before.sent + sent,
            before.failed + (not sent and not withdrawn),
            before.dead + dead,
            before.withdrawn + withdrawn,
        )
        over = sent or withdrawn
        gone = [delivery.id] if over else self._too_old() if dead else []
        puts: list[tuple[str, msgspec.Struct]] = [(after.receiver, after)]
        if not over:
            puts.append((delivery.id, delivery))
        change = Change(puts=puts, deletes=[(Delivery, key) for key in gone])
        await asyncio.to_thread(self._store.commit, change)
        self._delivered[after.receiver] = after
        if not over:
            self._all[delivery.id] = delivery
        for key in gone:
            self._all.pop(key, None)

    async def disable(self, receiver: str, wall: float, why: str) -> None:
        """Send nothing more to the receiver's present URL."""
        disabled = Disabled(receiver, self._digests[receiver], wall, why)
        await asyncio.to_thread(self._store.commit, Change(puts=[(receiver, disabled)]))
        self._disabled[receiver] = disabled

    async def disabled(self, receiver: str) -> bool:
        """Whether the receiver's present URL said 410."""
        found = self._disabled.get(receiver)
        return found is not None and found.url_digest == self._digests.get(receiver)

    def _too_old(self) -> list[str]:
        """The dead letters that one more pushes out, oldest first."""
        dead = sorted(
            (one for one in self._all.values() if one.state is DeliveryState.DEAD), key=lambda one: one.created
        )
        return [one.id for one in dead[: max(len(dead) + 1 - DEAD_MAX, 0)]]
