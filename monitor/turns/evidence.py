"""When evidence is asked for, and what becomes of it. Nothing waits for it, and nothing is decided by it.

An incident gets a report when the look that opened it is committed, and the same one again when it closes, of the same
windows: labels came meanwhile. What is asked for on schedule covers whole periods, multiples of their length from 1970
on (UTC), once they are over and their grace, too; so no schedule has to be stored, and after a restart the report of
the last period is made only if it is not there. Periods that passed unseen, while the daemon was down or in one step of
a replay, get none. Numbers that are exported are of the newest period alone: what could not be told in it is not told
by an old one.

A job is prepared on a thread (`gathering`), one at a time, and done by the worker (`monitor.evidence.office`), whose
queue is the bound. Jobs of one name follow each other. A failure is counted there and logged by its name.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from math import floor, inf
from typing import Protocol

import structlog

from monitor.clock import Clock
from monitor.evidence.archive import Report, Swept
from monitor.evidence.jobs import Job, Result
from monitor.evidence.office import EvidenceState, Limits
from monitor.facts import Alert, Incident, ModelName
from monitor.turns.gathering import Sources, alerts_of, expected
from monitor.turns.supervisor import Supervisor
from monitor.turns.watched import Watched

log = structlog.get_logger()


class Kind(Enum):
    """What is made on schedule."""

    REPORT = "report"
    METRICS = "metrics"


class Office(Protocol):
    """What does the jobs: `monitor.evidence.office.Evidence`."""

    def submit(self, job: Job) -> Awaitable[Result]:
        """Queue a job; what comes never raises."""
        ...

    def state(self) -> EvidenceState:
        """Say how it stands."""
        ...

    def renew(self, limits: Limits) -> None:
        """Take over other limits, for the jobs that begin after."""
        ...

    async def aclose(self) -> None:
        """Stop at once; what is queued comes back as failed."""
        ...


@dataclass(frozen=True, slots=True)
class Keep:
    """How long reports are kept, and how many bytes of them; and the grace of a period."""

    age_max_s: float
    bytes_max: int
    grace_s: float


@dataclass(slots=True)
class Reports:
    """Asks for reports and metrics, and holds the newest numbers. Every method but `upkeep` returns at once."""

    models: Mapping[ModelName, Watched]
    sources: Sources
    office: Office
    clock: Clock
    supervisor: Supervisor
    keep: Keep
    believed: Callable[[float], float] = lambda wall: wall  # by which time a report may be too old
    swept: Swept = field(default_factory=Swept)  # what the last upkeep left
    removed: int = 0  # reports, since the start
    _over: dict[tuple[ModelName, Kind], float] = field(default_factory=dict)  # the end of the last period asked for
    _tasks: dict[tuple[ModelName, str], asyncio.Task[None]] = field(default_factory=dict)
    _shown: dict[tuple[ModelName, str], tuple[Alert, ...]] = field(default_factory=dict)  # by incidents that are open
    _again: set[tuple[ModelName, str]] = field(default_factory=set)  # tasks under way that began with older settings
    _preparing: asyncio.Lock = field(default_factory=asyncio.Lock)
    _closed: bool = False

    async def open(self) -> None:
        """Make the directories; incidents that are open and have no report get theirs. OSError."""
        there = {(report.model, report.id) for report in await asyncio.to_thread(self.sources.archive.reports)}
        for name, watched in self.models.items():
            await asyncio.to_thread(self.sources.sweep, name)
            incident = watched.state.incident
            if incident is not None and (str(name), incident.id) not in there:
                self.incident(watched, incident)

    def incident(self, watched: Watched, incident: Incident) -> None:
        """Ask for the report of an incident that has just opened or closed."""
        if not expected(watched):
            return
        now, key = self.clock.now(), (watched.name, incident.id)
        alerts = alerts_of(watched, incident) or self._shown.get(key, ())
        if incident.closed is None:
            self._shown[key] = alerts
        else:
            self._shown.pop(key, None)

        async def work() -> None:
            if await self._do(watched, lambda: self.sources.of_incident(watched, incident, alerts, now)) is None:
                log.info("evidence.no_rows", model=watched.name, job=incident.id)

        self._start(watched.name, incident.id, work)

    def due(self, now: float) -> None:
        """Ask for what is due at event time `now`; what is still being made is not asked for again."""
        for watched in self.models.values():
            settings = watched.settings.evidence
            if not watched.epochs:
                continue
            if settings.every:
                self._period(watched, Kind.REPORT, settings.every, now)
            if settings.metrics_every and settings.metrics:
                self._period(watched, Kind.METRICS, settings.metrics_every, now)

    def renew(self, keep: Keep, limits: Limits, changed: Iterable[ModelName]) -> None:
        """Take over new settings: of the models that they `changed` the last period is asked for again.

        A report that is there stays as it is. A job under way ends with what it began with, and another follows.
        """
        self.keep = keep
        self.office.renew(limits)
        models = set(changed)
        self._over = {key: end for key, end in self._over.items() if key[0] not in models}
        self._again |= {key for key in self._tasks if key[0] in models}

    async def upkeep(self) -> None:
        """Remove reports that are too old or too many."""
        keep, sweep = self.keep, self.sources.archive.sweep
        self.swept = await asyncio.to_thread(sweep, self.believed(self.clock.wall()), keep.age_max_s, keep.bytes_max)
        self.removed += self.swept.by_age + self.swept.by_quota

    def state(self) -> EvidenceState:
        """How the worker stands, for the metrics page and the status."""
        return self.office.state()

    def reports(self) -> tuple[Report, ...]:
        """What is there, newest first. Blocks."""
        return self.sources.archive.reports()

    async def aclose(self) -> None:
        """Stop at once."""
        self._closed = True
        await self.office.aclose()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    # ------------------------------------------------------------ jobs

    def _period(self, watched: Watched, kind: Kind, length_s: float, now: float) -> None:
        end = floor((now - self.keep.grace_s) / length_s) * length_s
        if end <= 0 or self._over.get((watched.name, kind), -inf) >= end or (watched.name, kind.value) in self._tasks:
            return
        self._over[watched.name, kind] = end
        report = kind is Kind.REPORT
        told = not (report and watched.settings.evidence.metrics_every)  # of two lengths one is exported

        async def work() -> None:
            start = end - length_s
            result = await self._do(watched, lambda: self.sources.of_period(watched, start, end, report=report))
            if told:
                watched.tell_evidence({value.name: value.value for value in result.values} if result else {}, end)

        self._start(watched.name, kind.value, work)

    def _start(self, model: ModelName, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do `work` after all work of the same name."""
        if self._closed:
            return
        before = self._tasks.get((model, name))

        async def follow() -> None:
            if before is not None:
                await asyncio.wait({before})
            await self.supervisor.run(f"evidence {model} {name}", work)

        def done(task: asyncio.Task[None]) -> None:
            if self._tasks.get((model, name)) is task:
                del self._tasks[model, name]
            if (model, name) in self._again:
                self._again.discard((model, name))
                self.due(self.clock.now())

        task = asyncio.create_task(follow(), name=f"evidence {model} {name}")
        self._tasks[model, name] = task
        task.add_done_callback(done)

    async def _do(self, watched: Watched, make: Callable[[], Job | None]) -> Result | None:
        """Prepare a job and have it done; None if there was nothing to look at."""
        async with self._preparing:
            job = None if self._closed else await asyncio.to_thread(make)
        if job is None:
            return None
        try:
            result = await self.office.submit(job)
        finally:
            self.sources.forget(job)
        watched.evidence_reports += bool(result.report_bytes)
        log.info("evidence.done", model=job.model, job=job.id, rows=result.rows, faults=len(result.faults))
        return result
