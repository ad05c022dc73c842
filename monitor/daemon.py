"""The daemon: the only place that builds and connects, and the order of starting and stopping.

    start   settings -> store -> audit log -> models (release index, references, stored state) -> metrics listener
            -> intake -> couriers -> schedule -> rollbacks that a crash left unfinished
    stop    schedule -> intake (requests under way are answered) -> couriers -> rollback in progress (it is journaled
            and goes on at the next start) -> metrics listener -> evidence (its worker is killed) -> store

The event loop does intake and coordination; numeric work runs on threads, commits on the store's. Live, APScheduler
turns the wheel (its jobs come from the settings and live in memory: its SQL store pickles). In replay nothing turns
but `POST /v1/clock`.

Everything repeated runs under `monitor.turns.supervisor`: a failure is not the end, wrong state on disk is (exit 70).
"""

import asyncio
import contextlib
import signal
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog
import uvloop
from apscheduler.schedulers.asyncio import AsyncIOScheduler

import monitor
from monitor.alerts.retry import Delivery
from monitor.audit.heads import Why
from monitor.audit.records import Kind, Scalar
from monitor.clock import Clock, ReplayClock, WallClock
from monitor.decisions.clearance import Asked
from monitor.errors import Permanent, Problem, SettingsError
from monitor.evidence.archive import Archive
from monitor.evidence.links import KEY_FILE, Links
from monitor.evidence.office import Evidence
from monitor.export.collector import Collector
from monitor.export.listener import Listener
from monitor.export.page import Page
from monitor.export.snapshot import DaemonView, Snapshot
from monitor.facts import ModelName, Prediction, RowKind
from monitor.ingest.app import build_app
from monitor.ingest.counters import Counters
from monitor.ingest.server import Listening
from monitor.ingest.tokens import Tokens
from monitor.panes.batch import encode_labels, encode_predictions
from monitor.panes.window import sum_bodies
from monitor.serving.open_inference import OpenInference
from monitor.settings import Settings, load, load_rules
from monitor.settings.advice import told_of_bands
from monitor.store.parts import Parts as StoreParts
from monitor.store.sqlite import SqliteStore
from monitor.turns import bounds, clearing, opinion, show
from monitor.turns.audit_start import documents, open_audit
from monitor.turns.auditing import Deed
from monitor.turns.claim import claim
from monitor.turns.clocks import LiveClocks, SteppedClocks
from monitor.turns.contact import WRITE_EVERY_S, Contacts, boot_id
from monitor.turns.control import Control, earned
from monitor.turns.couriers import Couriers
from monitor.turns.deeds import DAEMON
from monitor.turns.deploying import made_ahead
from monitor.turns.evidence import Reports
from monitor.turns.fold import Fold
from monitor.turns.gathering import Sources
from monitor.turns.kill_switch import FILE as KILL_SWITCH
from monitor.turns.kill_switch import KillSwitch, Said
from monitor.turns.loading import Shelf
from monitor.turns.look import Look, Ticks
from monitor.turns.noticing import Noticing
from monitor.turns.outbox import StoredOutbox
from monitor.turns.pictures import Drawing
from monitor.turns.probing import Probing
from monitor.turns.process import calm_collector, configure_log, raise_descriptors, settle_memory
from monitor.turns.proving import Proving
from monitor.turns.pushers import Pushers, Voice
from monitor.turns.refusals import KEY as REFUSED_KEY
from monitor.turns.refusals import Refusals, RefusedMinutes
from monitor.turns.reloading import changed, fixed, renewed, waiting
from monitor.turns.resuming import resumed
from monitor.turns.self_view import About, self_view
from monitor.turns.staging import EVERY_S as STAGING_EVERY_S
from monitor.turns.staging import StagingAhead, staged_view
from monitor.turns.supervisor import Supervisor
from monitor.turns.switching import Switching
from monitor.turns.telling import telling
from monitor.turns.ticking import Armed
from monitor.turns.watched import ReplayTime, Watched
from monitor.turns.wheel import Parts, Wheel
from monitor.wire.connect import tls_context

EXIT_OK, EXIT_INTERNAL = 0, 70
HEARTBEAT_S = 1.0
KILL_SWITCH_EVERY_S = 1.0  # between two looks whether incidents are to be told; it is in force without them
PROBES_EVERY_S = 1.0  # how often it is looked whether probes are due
EVIDENCE_EVERY_S = 60.0  # how often it is looked whether a period is over
UPKEEP_EVERY_S = 3_600.0
AUDIT_EVERY_S = 1.0  # how soon a change beside the daemon is written down
log = structlog.get_logger()


def run(path: Path) -> int:
    """Run until SIGTERM or SIGINT; the exit code: 0 when asked to stop, 70 when the state on disk cannot be trusted.

    SettingsError, Permanent or Corrupt before it is ready.
    """
    configure_log()
    settle_memory()
    raise_descriptors()
    return uvloop.run(_serve(path, load(path)))


async def _serve(path: Path, settings: Settings) -> int:
    daemon = Daemon(path, settings)
    try:
        await daemon.start()
        return await daemon.stopped
    finally:
        await daemon.stop()


class Daemon:
    """One process: what it is made of, from start to stop."""

    def __init__(self, path: Path, settings: Settings) -> None:
        self._path = path
        self.settings = settings
        self.stopped: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._loop = asyncio.get_running_loop()
        self._counters = Counters()
        self._supervisor = Supervisor(self._fatal)
        self._couriers = Couriers(self._supervisor)
        self._pushers: Pushers | None = None
        self._beat = time.monotonic()
        self._started = time.time()
        self._reloaded: tuple[bool, float] = (True, time.time())
        self._waiting: dict[str, int] = {}  # settings that wait for a restart, by section
        self._escalated = 0
        self._reloading = asyncio.Lock()
        self._rendering = asyncio.Lock()
        self._ready = False
        self._stack = contextlib.AsyncExitStack()

    # ------------------------------------------------------------ start

    async def start(self) -> None:
        """Start everything; ready when it returns."""
        settings = self.settings
        packs = load_rules(settings)
        self._models: dict[ModelName, Watched] = {}
        self._clock: Clock = WallClock()
        self._store = SqliteStore(settings.state_dir, self._store_parts(), bounds.store_limits(settings))
        self._stack.callback(self._store.close)
        claim(self._store, settings.state_dir, replay=settings.replay)
        if settings.replay:
            saved = self._store.facts(ReplayTime).get("clock", ReplayTime())
            self._clock = ReplayClock(saved.now)
        self._audit = await asyncio.to_thread(open_audit, settings, self._clock)
        self._shelf = Shelf(settings.state_dir / "references")
        self._tokens = Tokens(settings.tokens_file, self._clock)
        self._links = Links(settings.state_dir / KEY_FILE, self._clock, settings.evidence.link_for)
        self._contacts = Contacts(self._store, self._clock, boot_id(), _contact_within(settings))
        self._kill_switch = KillSwitch(settings.state_dir / KILL_SWITCH)
        self._clocks = None if settings.replay else self._watch_clocks()
        for name in settings.models:
            self._models[name] = resumed(self._store, self._shelf, settings, name, packs[name])
            self._models[name].killed = self._kill_switch.is_set
            self._models[name].silent_s = self._contacts.silent_s
            if self._clocks is not None:
                self._models[name].clock_paused = self._clocks.paused
        self._reports = self._build_reports()
        self._refusals = Refusals(
            self._clock.now,
            settings.panes.grace,
            stepped=settings.replay,
            before=self._store.facts(RefusedMinutes).get(REFUSED_KEY),
        )
        self._wheel = self._build_wheel()
        self._page = Page(
            self._clock,
            Collector(settings.metrics.series_max),
            settings.metrics.render_every,
            {"loop": lambda: self._beat, "writer": lambda: self._store.health().heartbeat},
        )
        self._probing = Probing(self._models, self._probed, self._clock, self._wheel.decide)
        await self._reports.open()
        external_url = lambda: self._wheel.bounds.external_url  # noqa: E731 - a reload may change it
        voice = Voice(self._models, settings.replica, external_url, self._links.query, self._audit.anchor)
        self._pushers = Pushers(self._supervisor, self._clock, voice, answered=self._couriers.ring)
        self._noticing = Noticing(self._audit, self._store, self._models, settings.tokens_file, self._pushers.words)
        await self._record_start()
        await self._listen()
        self._start_couriers()
        self._schedule()
        self._handle_signals()
        self._wheel.drive()
        calm_collector()
        self._ready = True
        _advise(self._models.values())
        log.info("daemon.ready", version=monitor.__version__, port=settings.http.port, replay=settings.replay)

    def _watch_clocks(self) -> LiveClocks:
        bound = bounds.clock_bounds(self.settings)
        return LiveClocks(self._store, self._clock, boot_id(), bound, self._audit)

    def _store_parts(self) -> StoreParts:
        return StoreParts(self._encode, sum_bodies, WallClock(), on_fatal=self._fatal_from_thread)

    def _encode(self, kind: RowKind, model: ModelName, rows: Sequence[Any]) -> bytes:
        if kind is RowKind.LABELS:
            return encode_labels(rows)
        assert not rows or isinstance(rows[0], Prediction), "the kind says what the rows are"
        return encode_predictions(rows, self._models[model].schema)

    def _build_wheel(self) -> Wheel:
        settings, models = self.settings, self._models
        tls = tls_context()
        self._servers = {
            name: OpenInference(model.serving.url, model.serving.model, model.serving.timeout, tls=tls)
            for name, model in settings.models.items()
            if model.serving is not None
        }
        self._known_good = {
            name: OpenInference(model.known_good.url, model.known_good.model, model.known_good.timeout, tls=tls)
            for name, model in settings.models.items()
            if model.known_good is not None
        }
        self._probed = {  # connections of their own: a proof does not wait for probes
            name: OpenInference(model.serving.url, model.serving.model, model.probes.timeout, tls=tls)
            for name, model in settings.models.items()
            if model.serving is not None and model.probes is not None
        }
        for server in (*self._servers.values(), *self._known_good.values(), *self._probed.values()):
            self._stack.push_async_callback(server.aclose)
        made = {name: made_ahead(model.target, self._clock) for name, model in settings.models.items()}
        self._copies = {name: each for name, each in made.items() if each is not None}
        self._staging = StagingAhead(self._models, self._copies, self._clock)
        self._stack.push_async_callback(self._staging.aclose)
        self._outbox = StoredOutbox(self._store, {each.name: each.url for each in settings.receivers})
        clocks = self._clocks or SteppedClocks()
        parts = Parts(
            store=self._store,
            models=models,
            proving=Proving(self._servers, self._known_good, self._clock, settings.fold.proof_wait, clocks.believed),
            fold=Fold(self._store, models, self._ask, bounds.fold_settings(settings)),
            look=Look(
                self._store,
                grace_s=settings.panes.grace,
                pace=bounds.pace(settings),
                ticks=self._store.facts(Ticks),
                armed=self._store.facts(Armed),
                sums_bytes_max=settings.panes.sums_bytes_max,
                bands_bytes_max=settings.panes.bands_bytes_max,
                refused=self._refusals.of,
                believed=clocks.believed,
            ),
            outbox=self._outbox,
            execute=Switching(self._servers, self._clock, self._probed, self._known_good, self._copies).run,
            clock=self._clock,
            supervisor=self._supervisor,
            report=self._reports.incident,
            sign=self._links.query,
            refusals=self._refusals,
            audit=self._audit,
            clocks=clocks,
        )
        return Wheel(parts, bounds.wheel_bounds(settings), self._ring)

    def _build_reports(self) -> Reports:
        office = Evidence(bounds.evidence_limits(self.settings), self._clock)
        reports = Reports(
            models=self._models,
            sources=Sources(self._store, Archive(self.settings.state_dir / "evidence")),
            office=office,
            clock=self._clock,
            supervisor=self._supervisor,
            keep=bounds.keep(self.settings),
            believed=(self._clocks or SteppedClocks()).believed,
        )
        self._stack.push_async_callback(reports.aclose)
        return reports

    def _ring(self) -> None:
        """Something was decided: the Alertmanagers first, whom a notice may wait for."""
        if self._pushers is not None:
            self._pushers.ring()
        self._couriers.ring()

    async def _ask(self, watched: Watched, rows: Any, keys: Any) -> opinion.Opinion:
        server = self._known_good.get(watched.name)
        return opinion.silent(rows.n) if server is None else await opinion.ask(server, watched, rows, keys)

    async def _listen(self) -> None:
        settings, metrics = self.settings, self.settings.metrics
        assert self._pushers is not None, "built before anybody may ask"
        listener = self._listener = Listener(self._page, self.ready, self._clock, metrics.host, metrics.port)
        try:
            listener.start()
        except OSError as error:
            raise Permanent(f"metrics.port: cannot listen on {metrics.host}:{metrics.port}: {error.strerror}") from None
        self._stack.callback(listener.stop)
        await self.render()
        self._control = Control(
            wheel=self._wheel,
            models=self._models,
            clock=self._clock,
            loop=self._loop,
            checks={"healthy": self.healthy, "ready": self.ready},
            reload_settings=self.reload,
            stepped=self._stepped,
            reports=self._reports,
            kill_switch=self._kill_switch,
            silenced=self._pushers.words,
            trust_clock=None if self._clocks is None else self._clocks.go,
        )
        app = build_app(
            journal=self._store,
            control=self._control,
            clock=self._clock,
            tokens=self._tokens,
            schemas=lambda: {name: watched.schema for name, watched in self._models.items()},
            counters=self._counters,
            limits=bounds.limits_of(settings),
            replay=settings.replay,
            encode=self._encode,
            links=self._links,
            refused=self._refusals.note,
            contacted=self._contacts.note,
        )
        self._listening = Listening(app, settings.http.host, settings.http.port, self._counters.cut)
        await self._listening.start()

    async def _stepped(self, now: float) -> None:
        """A step of the replay clock is done: what is due begins, and the page shows it."""
        await self._probing.due()
        self._reports.due(now)
        await self.render()

    def _start_couriers(self) -> None:
        assert self._pushers is not None, "built before the couriers start"
        self._pushers.start(self.settings.alertmanagers)
        self._couriers.start(self.settings.receivers, self._outbox, self._clock, self._escalate, self._pushers.gate)

    async def _escalate(self, delivery: Delivery) -> None:
        """A dead letter: the log and the metric are the second channel, and Prometheus pages on it."""
        self._escalated += 1
        log.error("delivery.dead", notice=delivery.notice_id, receiver=delivery.receiver, why=delivery.why)

    def _schedule(self) -> None:
        settings = self.settings
        self._scheduler = AsyncIOScheduler(timezone="UTC", job_defaults={"coalesce": True, "max_instances": 1})
        self._every(HEARTBEAT_S, "heartbeat", self._heartbeat)
        self._every(WRITE_EVERY_S, "operator contact", self._contacts.keep)
        self._every(KILL_SWITCH_EVERY_S, "kill switch", self._control.noticed)
        self._every(settings.metrics.render_every, "render", self.render)
        if not settings.replay:
            self._every(settings.fold.every, "turn", self._wheel.turn)
            self._every(PROBES_EVERY_S, "probes", self._probing.due)
            self._every(EVIDENCE_EVERY_S, "evidence", self._evidence)
            self._every(STAGING_EVERY_S, "staging", self._staging.due)
        self._every(UPKEEP_EVERY_S, "evidence upkeep", self._reports.upkeep)
        self._every(AUDIT_EVERY_S, "audit", self._audited)
        self._scheduler.start()

    def _every(self, seconds: float, what: str, work: Callable[[], Awaitable[None]]) -> None:
        now = datetime.now(UTC)  # the first time at once, not after a period
        self._scheduler.add_job(
            self._supervisor.run,
            "interval",
            seconds=seconds,
            args=(what, work),
            misfire_grace_time=None,
            id=what,
            next_run_time=now,
        )

    async def _evidence(self) -> None:
        self._reports.due(self._clock.now())

    async def _heartbeat(self) -> None:
        self._beat = time.monotonic()

    async def _audited(self) -> None:
        """See what changed beside the daemon, and keep the audit log: what waits, heads, bounds."""
        await self._audit.upkeep()
        await self._noticing.look()

    async def _record_start(self) -> None:
        found = await asyncio.to_thread(documents, self._path, self.settings)
        position, before = self._store.position(), self._noticing.noticed
        subject: dict[str, Scalar] = {
            "version": monitor.__version__,
            "replica": self.settings.replica,
            "replay": self.settings.replay,
            "fold": position.fold,
            "cursor": position.cursor,
            "settings": found.settings,
            "rules": found.rules,
            "settings_changed": bool(before.settings) and before.settings != found.settings,
            "rules_changed": bool(before.rules) and before.rules != found.rules,
            "verified": self._audit.verified,
        }
        await self._audit.record([Deed(Kind.DAEMON_STARTED, DAEMON, subject)])
        await asyncio.to_thread(self._audit.sign, Why.START)
        await self._supervisor.run("audit", lambda: self._noticing.in_force(found.settings, found.rules))

    async def _record_stop(self) -> None:
        code = self.stopped.result() if self.stopped.done() else None
        subject = {"version": monitor.__version__, "code": code}
        await self._audit.record([Deed(Kind.DAEMON_STOPPED, DAEMON, subject)])
        await asyncio.to_thread(self._audit.sign, Why.STOP)

    def _handle_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._stop_soon, EXIT_OK)
        self._loop.add_signal_handler(signal.SIGHUP, self._reload_soon)
        self._loop.add_signal_handler(signal.SIGUSR1, self._stop_automation)

    def _stop_automation(self) -> None:
        said = Said("a signal", "SIGUSR1", time.time())
        self._kill_switch.unwritten = said  # at once, whatever the disk does

        async def write() -> None:
            await asyncio.to_thread(self._kill_switch.set, said)
            await self._control.noticed()

        self._usr1 = self._loop.create_task(self._supervisor.run("kill switch", write))

    def _reload_soon(self) -> None:
        async def reload() -> None:
            await self.reload("SIGHUP")

        self._hangup = self._loop.create_task(self._supervisor.run("reload", reload))  # kept: a lost task may be freed

    # ------------------------------------------------------------ stop

    async def stop(self) -> None:
        """Stop everything, in order; safe before `start` has finished."""
        self._ready = False
        if hasattr(self, "_scheduler"):
            self._scheduler.shutdown(wait=False)
        if hasattr(self, "_listening"):
            await self._listening.stop()
        await self._couriers.stop()
        if self._pushers is not None:
            await self._pushers.stop()
        if hasattr(self, "_wheel"):
            await self._wheel.stop()
        if hasattr(self, "_audit"):
            await self._supervisor.run("audit", self._record_stop)
        await self._stack.aclose()
        log.info("daemon.stopped")

    def _stop_soon(self, code: int) -> None:
        if not self.stopped.done():
            self.stopped.set_result(code)

    def _fatal(self, error: Exception) -> None:
        log.error("daemon.fatal", kind=type(error).__name__, why=str(error))
        self._stop_soon(EXIT_INTERNAL)

    def _fatal_from_thread(self, error: Exception) -> None:
        self._loop.call_soon_threadsafe(self._fatal, error)

    # ------------------------------------------------------------ reload

    async def reload(self, actor: str) -> Sequence[Problem]:
        """Take over new settings, or say every problem and keep the last good ones. One at a time."""
        async with self._reloading:
            before = self.settings
            problems = await self._reload()
            await self._record_reload(actor, before, problems)
            return problems

    async def _record_reload(self, actor: str, before: Settings, problems: Sequence[Problem]) -> None:
        found = await asyncio.to_thread(documents, self._path, self.settings)
        subject: dict[str, Scalar] = {"settings": found.settings, "rules": found.rules}
        if problems:
            subject |= {"problems": len(problems), "named": " ".join(sorted({each.path for each in problems}))}
            await self._audit.record([Deed(Kind.SETTINGS_REFUSED, actor, subject)])
            return
        names = changed(before, self.settings)
        subject |= {
            "changed": len(names),
            "named": " ".join(names),
            "rules_changed": found.rules != self._noticing.noticed.rules,
        }
        await self._audit.record([Deed(Kind.SETTINGS_RELOADED, actor, subject)])
        await self._noticing.in_force(found.settings, found.rules)

    async def _reload(self) -> Sequence[Problem]:
        try:
            settings = await asyncio.to_thread(load, self._path)
            packs = await asyncio.to_thread(load_rules, settings)
            problems: list[Problem] = [*fixed(self.settings, settings)]
            self._waiting = waiting(problems)
        except SettingsError as error:
            problems = list(error.problems)
        if not problems and (token_problem := self._tokens.reload()):
            problems = [token_problem]
        self._reloaded = (not problems, self._reloaded[1] if problems else time.time())
        if problems:
            named = [each.path for each in problems]
            log.warning("settings.reload_refused", problems=len(problems), first=str(problems[0]), settings=named)
            return problems
        receivers_changed = (settings.receivers, settings.alertmanagers) != (
            self.settings.receivers,
            self.settings.alertmanagers,
        )
        looked_at = [
            name for name, each in self._models.items() if each.settings.evidence != settings.models[name].evidence
        ]
        self.settings = settings
        for name, watched in self._models.items():
            watched.settings, watched.pack = settings.models[name], packs[name]
            watched.telling = telling(settings)
            renewed(watched)
        self._reports.renew(bounds.keep(settings), bounds.evidence_limits(settings), looked_at)
        self._wheel.bounds = bounds.wheel_bounds(settings)
        if self._clocks is not None:
            self._clocks.bounds = bounds.clock_bounds(settings)
        self._wheel.parts.look.ticking.renew(bounds.pace(settings))
        self._links.valid_s = settings.evidence.link_for
        if receivers_changed:
            await self._couriers.stop()
            if self._pushers is not None:
                await self._pushers.stop()
            self._outbox.renamed({each.name: each.url for each in settings.receivers})
            self._start_couriers()
        await self._evidence()
        await self._supervisor.run("evidence upkeep", self._reports.upkeep)
        _advise(self._models.values())
        log.info("settings.reloaded")
        return []

    # ------------------------------------------------------------ show

    def healthy(self) -> tuple[bool, str]:
        """Whether the loop and the writer have shown life lately."""
        return self._page.healthy(time.monotonic())

    def ready(self) -> tuple[bool, str]:
        """Whether rows are taken."""
        if not self._ready:
            return False, "starting or stopping"
        health = self._store.health()
        if health.failed:
            return False, health.failed
        if health.free_bytes < health.free_bytes_min:
            return False, "the disk is nearly full"
        return True, "ok"

    async def render(self) -> None:
        """Replace the metrics page by one of now; what a step shows is never replaced by what was seen before it."""
        async with self._rendering:
            await asyncio.to_thread(self._page.render, self._snapshot())

    def _snapshot(self) -> Snapshot:
        metrics = self.settings.metrics
        drawing = Drawing(metrics.features_drawn_max, metrics.category_names)
        now = self._clock.now()
        shown = (
            show.model_view(
                watched,
                drawing,
                clearing.cleared(self._wheel, watched, Asked()).state,
                promotion=earned(watched, now),
                staged=staged_view(self._copies.get(watched.name)),
            )
            for watched in self._models.values()
        )
        views = [view for view in shown if view is not None]
        return Snapshot(time.time(), tuple(views), self._view())

    def _view(self) -> DaemonView:
        """The daemon itself, for the metrics page."""
        return self_view(
            counted=self._counters.snapshot(),
            health=self._store.health(),
            wheel=self._wheel,
            outbox=self._outbox,
            receivers=[each.name for each in self.settings.receivers],
            about=About(monitor.__version__, self._started, *self._reloaded, self._waiting),
            told=self._pushers.told() if self._pushers else (),
            held=self._couriers.held(),
            evidence=self._reports.state(),
            swept=self._reports.swept,
            removed=self._reports.removed,
            kill_switch=self._kill_switch.is_set(),
            operator_contact=self._contacts.at,
            clocks=self._clocks,
            scrapes_cut=self._listener.connections_cut,
            audit=self._audit.view(),
        )


def _contact_within(settings: Settings) -> float:
    """The shortest time any model acts without an operator."""
    return min((each.rollback.contact_within for each in settings.models.values()), default=0.0)


def _advise(models: Iterable[Watched]) -> None:
    """Log what the owner of good settings should know."""
    for watched in models:
        judge = watched.layouts[watched.good.reference_digest].reference
        for each in told_of_bands(watched.name, judge) if watched.pack.watch else ():
            log.warning("settings.advice", setting=each.path, what=each.message, hint=each.hint)
