"""One pusher per Alertmanager, each a task of its own, and the book of what they say is silenced."""

import asyncio
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from monitor.alerts.alertmanager import Pusher, Told, basic, bearer
from monitor.alerts.outbox import Bell
from monitor.alerts.said import Key, Said, Standing, say
from monitor.alerts.silences import Book, Gate, passage
from monitor.alerts.transport import Line
from monitor.clock import Clock
from monitor.facts import Incident, ModelName
from monitor.settings import Alertmanager, Receiver
from monitor.turns.gathering import Sign, expected, link, unsigned
from monitor.turns.supervisor import Supervisor
from monitor.turns.watched import Watched
from monitor.wire.addresses import networks
from monitor.wire.connect import tls_context

RESTART_S = 5.0


@dataclass(frozen=True, slots=True)
class Voice:
    """What is said, and in whose name."""

    models: Mapping[ModelName, Watched]
    replica: str
    external_url: Callable[[], str]  # a reload may change it
    sign: Sign = unsigned  # links to reports
    anchor: Callable[[], str] = str  # newest head of the audit log; "" where there is none

    def alerts(self, labels: Mapping[str, str]) -> list[Said]:
        """All alerts of all models as their states have them now."""
        standings = [standing(each, self.external_url(), self.sign) for each in list(self.models.values())]
        return say(standings, self.replica, labels, self.external_url(), self.anchor())


@dataclass(slots=True)
class Pushers:
    """The tasks, what they hold open, and what they learned."""

    supervisor: Supervisor
    clock: Clock
    voice: Voice
    answered: Callable[[], None] = lambda: None  # wakes the couriers: a notice may wait for an answer
    book: Book = field(default_factory=Book)
    _pushers: list[Pusher] = field(default_factory=list)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _lines: list[Line] = field(default_factory=list)
    _bells: list[Bell] = field(default_factory=list)

    def start(self, alertmanagers: Sequence[Alertmanager]) -> None:
        """Start one per Alertmanager; what fires is told at once."""
        tls = tls_context() if alertmanagers else None
        self.book = Book(each.name for each in alertmanagers)
        for each in alertmanagers:
            self._start(each, tls)

    def ring(self) -> None:
        """Something was decided."""
        for bell in self._bells:
            bell.ring()

    def told(self) -> list[Told]:
        """What came of it so far, for the metrics page."""
        return [pusher.told for pusher in self._pushers]

    def gate(self, receiver: Receiver) -> Gate:
        """What decides about the notices that wait for a receiver."""
        respect = receiver.silences.policy()
        # The book is looked up at each call: a reload of the Alertmanagers begins another.
        return lambda queue: passage(queue, self.book, respect, self.clock.wall(), self.clock.monotonic())

    def words(self, key: Key) -> str:
        """`silenced by <id> until <time>`, or "": for status and API."""
        return self.book.words(key, self.clock.monotonic())

    async def stop(self) -> None:
        """Stop all of them. What fires ends in the Alertmanagers by itself, unless another start repeats it."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for line in self._lines:
            await line.aclose()
        self._tasks, self._lines, self._bells, self._pushers = [], [], [], []

    async def _run(self, pusher: Pusher) -> None:
        while True:
            await self.supervisor.run(f"alertmanager {pusher.name}", pusher.run)
            await asyncio.sleep(RESTART_S)

    def _answered(self) -> None:
        self.answered()

    def _start(self, each: Alertmanager, tls: ssl.SSLContext | None) -> None:
        line = Line(each.url, self.clock, allowed=networks(each.allow_networks), tls=tls, timeout_s=float(each.timeout))
        bell = Bell()
        pusher = Pusher(
            each.name,
            line,
            partial(self.voice.alerts, each.labels),
            self.book,
            clock=self.clock,
            wait=bell.wait,
            resend_s=float(each.resend),
            replica=self.voice.replica,
            credentials=partial(credentials, each),
            answered=self._answered,
        )
        self._pushers.append(pusher)
        self._lines.append(line)
        self._bells.append(bell)
        self._tasks.append(asyncio.create_task(self._run(pusher), name=f"alertmanager {each.name}"))


def standing(watched: Watched, external_url: str, sign: Sign) -> Standing:
    """The alerts of a model, with what is needed to put them into words."""

    def evidence(incident: Incident) -> str:
        return link(external_url, incident, sign) if expected(watched) else ""

    return Standing(watched.name, watched.state.alerts, watched.pack, list(watched.incidents.values()), evidence)


def credentials(each: Alertmanager) -> dict[str, str]:
    """Read the file anew, because tokens are rotated in place; OSError, ValueError."""
    if each.bearer_file is not None:
        return bearer(each.bearer_file.read_text("ascii"))
    return basic(each.basic_file.read_text("ascii")) if each.basic_file is not None else {}
