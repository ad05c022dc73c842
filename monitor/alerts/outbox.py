"""The outbox: what was written with the incident leaves here, at least once and in order.

Each receiver has a courier of its own, so one that hangs delays no other. A courier asks its outbox what waits, tries
the first notice of each incident that is due, records the result *after* the attempt, and sleeps until the next is due
or the bell rings. A crash between the attempt and the record repeats the attempt, with the same webhook-id: duplicates
can be told, losses could not.

Order holds within (receiver, incident): a notice waits until the one before it was delivered or given up, hence
"resolved" never overtakes an undelivered "firing"; other incidents pass by. A dead letter is escalated before it is
recorded, so that no crash swallows the escalation. A receiver that answers 410 is disabled until its URL changes, and
everything for it is dead. Over `waiting_max` the oldest are given up: an incident of today matters more.

Before its first attempt a notice passes a gate, which knows what is silenced (`monitor.alerts.silences`). Nothing of
that is stored: what is held waits like everything else, and is judged anew at each round.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Protocol

import msgspec
from msgspec.structs import replace

from monitor.alerts import webhook
from monitor.alerts.retry import GONE, Delivery, DeliveryState, Outcome, due, next_attempt
from monitor.alerts.silences import SAY, Gate, Way
from monitor.clock import Clock
from monitor.errors import Transient
from monitor.facts import Alert, AlertState, Notice, NoticeStatus
from monitor.wire import webhooks

WAITING_MAX = 10_000  # per receiver; a body is a few kilobytes
LOOK_S = 60.0  # the longest sleep: a missed bell costs a minute
STORE_RETRY_S = 5.0


class Disabled(msgspec.Struct, frozen=True):
    """A receiver that said 410: nothing is sent to this URL again."""

    receiver: str
    url_digest: str  # the caller's: another URL is another receiver
    since: float  # wall time
    why: str


class Outbox(Protocol):
    """Where deliveries are kept. Each call is durable when it returns; Transient if that cannot be had now."""

    async def waiting(self, receiver: str) -> Sequence[Delivery]:
        """All deliveries to `receiver` in state WAITING, in any order."""
        ...

    async def record(self, delivery: Delivery) -> None:
        """Keep what became of it: WAITING again, SENT or DEAD."""
        ...

    async def disable(self, receiver: str, wall: float, why: str) -> None:
        """Remember a `Disabled` for the receiver's present URL."""
        ...

    async def disabled(self, receiver: str) -> bool:
        """Whether the receiver's present URL is disabled."""
        ...


Post = Callable[[bytes, Mapping[str, str]], Awaitable[Outcome]]
Escalate = Callable[[Delivery], Awaitable[None]]


def address(notice: Notice, receivers: Iterable[str], external_url: str, wall: float) -> tuple[Delivery, ...]:
    """Return the deliveries of one notice, to be stored in the transaction that stores the notice."""
    number = int(notice.id.rpartition(".")[2])  # facts.Notice: "<incident>.<number>"
    return tuple(
        Delivery(
            id=f"{notice.id}@{receiver}",
            notice_id=notice.id,
            incident=notice.incident.id,
            number=number,
            receiver=receiver,
            body=webhook.body(notice, receiver, external_url),
            created=wall,
            status=notice.status,
            severity=notice.severity,
            keys=tuple(
                (alert.model, alert.rule, alert.segment) for alert in notice.alerts if _speaks_of(notice, alert)
            ),
            holdable=notice.holdable,
            repeat=notice.repeat,
        )
        for receiver in receivers
        if not notice.receivers or receiver in notice.receivers
    )


def _speaks_of(notice: Notice, alert: Alert) -> bool:
    return alert.state is AlertState.FIRING or notice.status is NoticeStatus.RESOLVED


def queues(deliveries: Iterable[Delivery]) -> list[list[Delivery]]:
    """Return one queue for each incident, notices in order; the queue whose head is due soonest comes first."""
    by_incident: dict[str, list[Delivery]] = {}
    for delivery in sorted(deliveries, key=lambda d: d.number):
        by_incident.setdefault(delivery.incident, []).append(delivery)
    return sorted(by_incident.values(), key=lambda queue: (queue[0].next_at, queue[0].created, queue[0].id))


def redundant(queue: Sequence[Delivery]) -> list[Delivery]:
    """Return the repeats in a queue that stand behind what was not delivered yet: they would say it twice at once."""
    return [delivery for delivery in queue[1:] if delivery.repeat]


def overflow(deliveries: Sequence[Delivery], waiting_max: int) -> list[Delivery]:
    """Return the oldest deliveries over the bound."""
    excess = max(len(deliveries) - waiting_max, 0)
    return sorted(deliveries, key=lambda d: (d.created, d.number))[:excess]


class Bell:
    """A sleep that can be cut short. Ring it on the event loop's thread."""

    def __init__(self) -> None:
        """Silent."""
        self._event = asyncio.Event()

    def ring(self) -> None:
        """Wake the sleeper, or the next one to lie down."""
        self._event.set()

    async def wait(self, seconds: float) -> None:
        """Sleep for `seconds` or until the bell rings."""
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            return
        self._event.clear()


class Courier:
    """Delivers to one receiver, one attempt at a time."""

    def __init__(
        self,
        receiver: str,
        outbox: Outbox,
        post: Post,
        *,
        clock: Clock,
        wait: Callable[[float], Awaitable[None]],
        jitter: Callable[[], float],
        escalate: Escalate,
        keys: webhooks.Keys | None = None,
        waiting_max: int = WAITING_MAX,
        gate: Gate = lambda _: SAY,
    ) -> None:
        """`post` makes one attempt and never raises (`transport.Line.post`); `jitter` returns [0, 1).

        `gate` decides about the first of a queue by what is silenced (`silences.passage`).
        """
        self.receiver = receiver
        self._outbox = outbox
        self._post = post
        self._clock = clock
        self._wait = wait
        self._jitter = jitter
        self._escalate = escalate
        self._keys = keys
        self._waiting_max = waiting_max
        self._gate = gate
        self.held = 0  # incidents whose notices wait for a silence to end, at the last round

    async def run(self) -> None:
        """Deliver until cancelled. A store that cannot write now is asked again."""
        while True:
            try:
                sleep_s = await self.round()
            except Transient as error:
                sleep_s = min(error.retry_after_s or STORE_RETRY_S, LOOK_S)
            await self._wait(sleep_s)

    async def round(self) -> float:
        """Try everything that is due, once; return the seconds until something else may be."""
        waiting = await self._outbox.waiting(self.receiver)
        excess = overflow(waiting, self._waiting_max)
        for delivery in excess:
            await self._bury(delivery, "too many were waiting")
        given_up = {delivery.id for delivery in excess}
        soonest, self.held = float("inf"), 0
        for queue in queues(delivery for delivery in waiting if delivery.id not in given_up):
            left = await self._empty(queue)
            soonest = min(soonest, left.next_at if left else soonest)
        return min(max(soonest - self._clock.wall(), 0.0), LOOK_S)

    async def _empty(self, queue: Sequence[Delivery]) -> Delivery | None:
        """Deliver one incident's notices in order; return the first that still waits."""
        repeats = redundant(queue)
        for delivery in repeats:
            await self._withdraw(delivery, "it repeats what still waits")
        left = [delivery for delivery in queue if delivery not in repeats]
        while left:
            delivery, wall = left[0], self._clock.wall()
            if not due(delivery, wall):
                return delivery
            way = self._gate(left)
            if way.way is Way.HOLD:
                self.held += 1
                return replace(delivery, next_at=wall + way.again_s)
            if way.way is Way.WITHDRAW:
                left = await self._over(left, way.words)
                continue
            after = await self._attempt(delivery, way.words if way.way is Way.MARK else "")
            if after.state is DeliveryState.WAITING:
                return after
            left = left[1:]
        return None

    async def _over(self, queue: Sequence[Delivery], why: str) -> list[Delivery]:
        """Withdraw what was silenced until it was over; its end as well where nobody was told that it began."""
        told = queue[0].number > 1
        for delivery in queue[:-1] if told else queue:
            await self._withdraw(delivery, why)
        return [queue[-1]] if told else []

    async def _withdraw(self, delivery: Delivery, why: str) -> None:
        ended = self._clock.wall()
        await self._outbox.record(replace(delivery, state=DeliveryState.WITHDRAWN, ended=ended, why=why))

    async def _attempt(self, delivery: Delivery, mark: str) -> Delivery:
        if await self._outbox.disabled(self.receiver):
            return await self._bury(delivery, f"{self.receiver} is disabled: it answered {GONE}")
        if mark:
            delivery = replace(delivery, body=webhook.marked(delivery.body, mark))
        outcome = await self._post(delivery.body, self._headers(delivery))
        after = next_attempt(delivery, outcome, self._clock.wall(), self._jitter())
        if outcome.status == GONE:
            await self._outbox.disable(self.receiver, self._clock.wall(), outcome.why)
        if after.state is DeliveryState.DEAD:
            await self._escalate(after)
        await self._outbox.record(after)
        return after

    async def _bury(self, delivery: Delivery, why: str) -> Delivery:
        dead = replace(delivery, state=DeliveryState.DEAD, ended=self._clock.wall(), why=why)
        await self._escalate(dead)
        await self._outbox.record(dead)
        return dead

    def _headers(self, delivery: Delivery) -> dict[str, str]:
        plain = {"content-type": "application/json", "user-agent": "tocsin"}
        if self._keys is None:
            return plain | {"webhook-id": delivery.notice_id}
        return plain | webhooks.headers(self._keys, delivery.notice_id, self._clock.wall(), delivery.body)
