"""A small world for the turns: a schema of two features, a reference, a store on disk, and rows made of numbers."""

import asyncio
import math
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import ClassVar

import msgspec
import numpy as np
from desk import reports_of
from msgspec.structs import replace

from monitor.clock import ManualClock
from monitor.decisions.epochs import identify, prove
from monitor.decisions.rollback import FORWARD
from monitor.decisions.rules import Rule, RulePack, follow
from monitor.decisions.state import ModelState
from monitor.errors import Transient
from monitor.facts import (
    Bundle,
    BundleId,
    BundleStatus,
    Family,
    Feature,
    FeatureKind,
    Groups,
    Incident,
    Label,
    Mode,
    ModelName,
    Outcomes,
    Pairs,
    Prediction,
    Reading,
    Rollback,
    RollbackStep,
    RowKind,
    Schema,
    Severity,
    Subject,
    Submission,
    Task,
    Verdict,
)
from monitor.panes.batch import encode_labels, encode_predictions
from monitor.panes.build import HistoryBatch, build_reference
from monitor.panes.count import bin_rows, count_rows
from monitor.panes.decode import decode_predictions
from monitor.panes.layout import Layout
from monitor.panes.ranking import score_place
from monitor.panes.reference import FORMAT, CategoryBins, NumericBins, Reference
from monitor.panes.window import sum_bodies, sum_panes
from monitor.settings import LabelFeed, MonitoredModel, RollbackLimits, Serving
from monitor.settings.model_sections import Release
from monitor.settings.target_sections import Symlink
from monitor.store import Limits, SqliteStore
from monitor.store import Parts as StoreParts
from monitor.store.protocol import Change
from monitor.turns.auditing import NoAudit
from monitor.turns.clocks import LiveClocks
from monitor.turns.control import Control
from monitor.turns.counting import FoldSettings
from monitor.turns.fold import Fold
from monitor.turns.gathering import unsigned
from monitor.turns.kill_switch import FILE as KILL_SWITCH
from monitor.turns.kill_switch import KillSwitch
from monitor.turns.loading import Releases, Shelf
from monitor.turns.look import Look, Ticks
from monitor.turns.opinion import Opinion, sample, silent
from monitor.turns.outbox import StoredOutbox
from monitor.turns.proving import Proving
from monitor.turns.refusals import KEY as REFUSED_KEY
from monitor.turns.refusals import Refusals, RefusedMinutes
from monitor.turns.supervisor import Supervisor
from monitor.turns.ticking import Armed
from monitor.turns.watched import Reached, Timeline, Totals, Watched
from monitor.turns.wheel import Bounds, Parts, Wheel, consumed

MODEL = ModelName("m")
TARGET = Symlink.model_construct(link=Path("current"))
SERVING = Serving.model_construct(url="http://127.0.0.1:1", model="m")
SCHEMA = Schema(MODEL, (Feature("x", FeatureKind.NUMERIC), Feature("c", FeatureKind.CATEGORICAL)), ("no", "yes"), "yes")
NUMBERS = Schema(MODEL, SCHEMA.features, task=Task.REGRESSION)
LISTS = Schema(MODEL, SCHEMA.features, task=Task.RANKING)
COLOURS = Schema(MODEL, SCHEMA.features, ("red", "green", "blue"))
FOLD = FoldSettings(rows_max=100_000, pane_s=60, grace_s=0.0, horizon_s=86_400.0, replica="0")
DIGESTS = {"v1": "sha256:" + "1" * 64, "v2": "sha256:" + "2" * 64}


def reference(edges=(0.0, 0.25, 0.5, 0.75, 1.0), rows=400, seed=7):
    """A reference profile of x uniform on the edges' range and c in {a, b}, counted from rows."""
    rng = np.random.default_rng(seed)
    columns = (NumericBins("x", tuple(edges)), CategoryBins("c", ("a", "b")))
    draft = Reference(FORMAT, SCHEMA, columns, rows, 0.0, 3600.0, False, ())
    made = [
        prediction(f"r{i}", float(i), int(x > 0.5), float(x), x=float(x), c="ab"[i % 2])
        for i, x in enumerate(rng.uniform(edges[0], edges[-1], rows))
    ]
    batch = decode_predictions(encode_predictions(made, SCHEMA))
    layout = Layout.draft(draft)
    counts = count_rows(layout, bin_rows(layout, batch)).counts
    return msgspec.structs.replace(draft, counts=tuple(counts.tolist()))


@cache  # that of a regression takes .6 s, and is frozen like all of them
def profile(schema, seed=7, rows=600):
    """The layout of a reference built from history, as `tocsin reference build` does: labels lie near the answers."""
    made = answers(schema, rows, seed)
    labels = np.array([truth(schema, row, i) for i, row in enumerate(made)], float)
    history = HistoryBatch(decode_predictions(encode_predictions(made, schema)), labels)
    return Layout.of(build_reference(lambda: iter([history]), schema, lambda _: None))


def answers(schema, n, seed=1, prefix="p", every_s=1.0):
    """Rows of any task, `every_s` apart: classes with all probabilities, numbers around 100, or lists of up to 20."""
    rng = np.random.default_rng(seed)
    return [answer(schema, rng, f"{prefix}{i}", i * every_s) for i in range(n)]


def answer(schema, rng, id_, time):
    features = {"x": float(rng.random()), "c": str(rng.choice(["a", "b"]))}
    if schema.task is Task.REGRESSION:
        return prediction(id_, time, 0, math.nan, value=float(rng.normal(100, 10)), **features)
    if schema.task is Task.RANKING:
        return prediction(id_, time, 0, math.nan, value=float(rng.integers(1, 21)), **features)
    shares = rng.dirichlet([0.7] * len(schema.classes))
    output = int(np.argmax(shares))
    if len(shares) == 2:
        return prediction(id_, time, output, float(shares[1]), **features)
    return prediction(id_, time, output, float(shares[output]), probabilities=tuple(shares.tolist()), **features)


def truth(schema, row, i):
    """A label of one row: right two times of three, or near; of a list some place."""
    if schema.task is Task.REGRESSION:
        return row.value + (1.0, -4.0, 3.0)[i % 3]
    if schema.task is Task.RANKING:
        return score_place(i % 13)
    return float((row.output + (i % 3 == 0)) % len(schema.classes))


def prediction(id_, time, output=0, score=0.5, *, source="gw", claimed="", segment=None, arrival=None, **rest):
    answered = {name: rest.pop(name) for name in ("value", "probabilities") if name in rest}
    arrival = time if arrival is None else arrival
    return Prediction(id_, time, output, score, rest, source, arrival, segment, claimed, **answered)


def label(id_, value, time=100.0, source="ops", at=None):
    """`at` is the sender's hint when the prediction was."""
    return Label(id_, time, value, source, time, at)


def bundle(name, layout, status=BundleStatus.KNOWN_GOOD, registered=1.0):
    digest = DIGESTS[name]
    files = (f"{name}.json", digest, f"{name}.ref", layout.digest)
    return Bundle(BundleId(name), MODEL, *files, status, registered, name, cutoff=-1e9)


def encode(kind, model, rows, schema=SCHEMA):
    return encode_predictions(rows, schema) if kind is RowKind.PREDICTIONS else encode_labels(rows)


def open_store(directory: Path, clock=None, schema=SCHEMA, **limits):
    """Rows are written by `schema`, or by what it returns; `limits` as of monitor.store.Limits."""
    parts = StoreParts(
        lambda kind, model, rows: encode(kind, model, rows, schema() if callable(schema) else schema),
        sum_bodies,
        clock or ManualClock(1000.0),
        free_bytes=lambda: 1 << 40,
    )
    return SqliteStore(directory, parts, Limits(**limits))


def submission(rows):
    kind = RowKind.LABELS if isinstance(rows[0], Label) else RowKind.PREDICTIONS
    return Submission(kind, MODEL, rows, 100 * len(rows))


def timeline(bundles, *proofs):
    """The epochs after proofs of (time, bundle name)."""
    epochs = ()
    for now, name in proofs:
        epochs = prove(epochs, MODEL, identify(DIGESTS.get(name, "sha256:" + "9" * 64), bundles, epochs), now)
    return epochs


def watched(bundles, layouts, epochs, state=None, **changes):
    """A model in memory, as the daemon would build it; `changes` of its settings."""
    settings = MonitoredModel.model_construct(
        release=Release(index=Path("releases.json"), trust=(Path("release.pub"),)),
        rules=Path("rules.yaml"),
        serving=None,
        known_good=None,
        target=None,
        labels=LabelFeed(trusted_sources=("ops",)),
        **changes,
    )
    shelf = Shelf(Path("references"), {layout.digest: layout for layout in layouts})
    return Watched(
        name=MODEL,
        settings=settings,
        pack=RulePack(1, ()),
        releases=Releases(Path("releases.json"), MODEL, shelf),
        bundles=bundles,
        layouts=shelf.layouts,
        state=state or ModelState(MODEL),
        epochs=epochs,
    )


# ---------------------------------------------------------------- detectors that tell what they were shown


def rows_of(view):
    """How many rows a view speaks of."""
    if isinstance(view, Groups):
        return sum(group.rows for group in view.groups)
    if isinstance(view, Outcomes):
        return view.labelled
    return view.asked if isinstance(view, Pairs) else view.rows


@dataclass(frozen=True)
class Spy:
    """Gives `verdict` on every window, the rows it was shown as the value, and remembers them."""

    subjects: ClassVar[frozenset[Subject]] = frozenset(Subject)
    kinds: ClassVar[frozenset[FeatureKind]] = frozenset(FeatureKind)
    verdict: Verdict = Verdict.OK
    rows_min: int = 0  # below it: unknown
    shown: list[int] = field(default_factory=list, compare=False)

    def read(self, reference, current):
        rows = rows_of(current)
        self.shown.append(rows)
        if rows < self.rows_min:
            return Reading(Verdict.UNKNOWN, rows, why="too few")
        return Reading(self.verdict, max(rows, 500), float(rows), 0.05, 0.1, 0.9)


class Covered(Spy):
    """Unknown where less than a tenth of the rows is labelled, so that late rows take away what was known."""

    def read(self, reference, current):
        reading = super().read(reference, current)
        return reading if current.labelled * 10 >= max(current.rows, 1) else Reading(Verdict.UNKNOWN, 0, why="few")


@dataclass(frozen=True)
class Faulty:
    """A third party's detector on a bad day. What it raises holds a value that nobody may see."""

    subjects: ClassVar[frozenset[Subject]] = frozenset(Subject)
    kinds: ClassVar[frozenset[FeatureKind]] = frozenset(FeatureKind)
    says: str = "a value"

    def read(self, reference, current):
        raise ZeroDivisionError(self.says)


class Consumed(msgspec.Struct, frozen=True):
    """Rows and ticks a `Consumer` has taken in."""

    rows: int = 0
    ticks: int = 0
    elapsed_s: float = 0.0


@dataclass(frozen=True)
class Consumer:
    """A sequential detector that adds up what it is given; raises when a delta has `faulty_at` rows."""

    subjects: ClassVar[frozenset[Subject]] = frozenset({Subject.ARRIVALS})
    kinds: ClassVar[frozenset[FeatureKind]] = frozenset()
    State: ClassVar[type[msgspec.Struct]] = Consumed
    faulty_at: int = -1

    def step(self, reference, delta, dt_s, state):
        if delta.rows == self.faulty_at:
            raise ZeroDivisionError
        before = state or Consumed()
        after = Consumed(before.rows + delta.rows, before.ticks + 1, before.elapsed_s + dt_s)
        return Reading(Verdict.OK, after.rows, float(after.rows), 1.0), after


FAMILY = {
    Subject.FEATURES: Family.FEATURES,
    Subject.OUTPUT: Family.OUTPUT,
    Subject.SCORE: Family.OUTPUT,
    Subject.OUTCOMES: Family.LABELS,
    Subject.PAIRS: Family.PAIRED,
    Subject.ARRIVALS: Family.VOLUME,
    Subject.GROUPS: Family.FAIRNESS,
}


def rule(name, subject=Subject.OUTPUT, detector=None, window_s=60.0, **changes):
    return Rule(name, FAMILY[subject], subject, detector or Spy(), window_s, **changes)


def evidence(verdict=Verdict.BREACH):
    """Two rules that agree at once: all that a rollback needs."""
    spy = Spy(verdict)
    loud = {"severity": Severity.CRITICAL, "rollback": True}
    return rule("pairs", Subject.PAIRS, spy, better=True, **loud), rule("error", Subject.OUTCOMES, spy, **loud)


# ---------------------------------------------------------------- turns over a store


class Killed(BaseException):
    """A stand-in for kill -9 between two steps."""


@dataclass
class Server:
    """Says which bundle it has loaded; None: it does not answer."""

    name: str | None

    async def served(self):
        if self.name is None:
            raise Transient("no answer")
        return DIGESTS.get(self.name, "sha256:" + "9" * 64)


def budget(rules, watch):
    """A pack of these rules and those that follow from a budget of false alarms, if there is one."""
    return RulePack(1, rules) if watch is None else RulePack(1, rules, watch, tuple(follow(watch)))


class Turns:
    """One model, its store and everything that turns over it. `restart` leaves nothing but the store."""

    def __init__(
        self,
        directory,
        *rules,
        served="v1",
        mode=Mode.OBSERVE,
        grace_s=0.0,
        layouts=None,
        settings=(),
        watch=None,
        **wheel,
    ):
        self.directory, self.pack, self.mode = directory, budget(rules, watch), mode
        self.grace_s, self.wheel_of = grace_s, wheel
        both = Layout.of(reference()), Layout.of(reference(edges=(0.0, 0.5, 2.0), seed=8))
        self.v1, self.v2 = both if layouts is None else layouts
        self.settings, self.limits = dict(settings), {}
        self.bundles = (bundle("v1", self.v1), bundle("v2", self.v2, BundleStatus.CANDIDATE, 2.0))
        self.server, self.known_good = Server(served), Server("v1")
        self.clock = ManualClock(0.0)
        self.commits, self.switches, self.rung, self.fatal = [], [], 0, []
        self.die = None  # called around every commit of a turn: (moment, change)
        self.open()

    def open(self):
        """As the daemon does at its start."""
        self.runner = asyncio.Runner()
        self.store = open_store(self.directory, schema=lambda: self.watched.schema, **self.limits)
        self._commit, self.store.commit = self.store.commit, self._watch_commit
        self.watched = watched(self.bundles, (self.v1, self.v2), self._stored(Timeline(), MODEL).epochs)
        allowed = RollbackLimits(mode=self.mode)
        self.watched.settings = self.watched.settings.model_copy(update={"rollback": allowed, **self.settings})
        self.watched.pack = self.pack
        self.watched.killed = KillSwitch(self.directory / KILL_SWITCH).is_set
        self.clocks = LiveClocks(self.store, self.clock, "boot")
        self.watched.clock_paused = self.clocks.paused
        self.watched.state = self._stored(ModelState(MODEL), MODEL)
        self.watched.totals = self._stored(Totals(), MODEL)
        self.watched.reached = self._stored(Reached(), MODEL)
        self.watched.incidents = self.store.facts(Incident)
        self.watched.rollbacks = self.store.facts(Rollback)
        self.fold = Fold(self.store, {MODEL: self.watched}, self.wheel_of.get("ask"), FOLD)
        states = {"ticks": self.store.facts(Ticks), "armed": self.store.facts(Armed)}
        before = self._stored(RefusedMinutes(), REFUSED_KEY)
        self.refusals = Refusals(self.clock.now, self.grace_s, stepped="stepped" in self.wheel_of, before=before)
        pace = self.wheel_of.get("pace")
        states |= {"refused": self.refusals.of, "believed": self.clocks.believed}
        self.look = Look(self.store, grace_s=self.grace_s, pace=pace, **states)
        self.wheel = self._wheel()

    def _stored(self, default, key):
        return self.store.facts(type(default)).get(key, default)

    def _wheel(self):
        self.outbox = StoredOutbox(self.store, {"on-call": "https://hooks.example.test/1"})
        self.supervisor = Supervisor(self.fatal.append)
        wait_s = self.wheel_of.get("proof_wait_s", 0.0)
        parts = Parts(
            store=self.store,
            models={MODEL: self.watched},
            proving=Proving({MODEL: self.server}, {MODEL: self.known_good}, self.clock, wait_s, self.clocks.believed),
            fold=self.fold,
            look=self.look,
            outbox=self.outbox,
            execute=self.wheel_of.get("execute", self.execute),
            clock=self.clock,
            supervisor=self.supervisor,
            refusals=self.refusals,
            report=self.wheel_of.get("report", lambda _watched, _incident: None),
            sign=self.wheel_of.get("sign", unsigned),
            audit=self.wheel_of.get("audit", NoAudit()),
            clocks=self.clocks,
        )
        bounds = Bounds(("on-call",), "http://tocsin.example.test", self.wheel_of.get("look_every_s", 60.0), 86_400.0)
        return Wheel(parts, bounds, self.ring)

    def close(self):
        self.runner.close()
        self.store.close()

    def restart(self):
        """Stop, or die: the next life begins with the store alone."""
        self.close()
        self.die = None
        self.open()

    # ------------------------------------------------------------ what the parts are given

    def ring(self):
        self.rung += 1

    def dies(self, moment, wanted, error=Killed):
        """Die, or fail with `error`, "before" or "after" each commit that holds a document that is `wanted`."""

        def die(when, change):
            if when == moment and any(map(wanted, (document for _, document in change.puts))):
                raise error

        self.die = die

    def _watch_commit(self, change):
        if self.die:
            self.die("before", change)
        self._commit(change)
        self.commits.append(change)
        if self.die:
            self.die("after", change)

    async def execute(self, watched, rollback, record):
        """A rollback in which all goes well, taken up where it was left."""
        steps = FORWARD[1:]
        for step in steps[steps.index(rollback.step) + 1 if rollback.step in steps else 0 :]:
            if step is RollbackStep.SWITCHED and self.server.name != "v1":
                self.switches.append(rollback.id)
                self.server.name = "v1"
            rollback = replace(rollback, step=step, stepped=self.clock.now())
            await record(rollback)
        return rollback

    # ------------------------------------------------------------ use

    def do(self, work):
        return self.runner.run(work)

    def send(self, *batches):
        async def run():
            for rows in batches:
                await self.store.append(submission(list(rows)))

        self.do(run())

    def count(self, *batches, now=0.0):
        """Send and fold."""
        self.send(*batches)

        self.do(self.fold.run(self.store.last_seq(), now, lambda: None))

    def serve(self, *proofs):
        """Let these bundles be served at these times, without asking anybody."""
        self.watched.epochs = timeline(self.bundles, *proofs)

    def pane(self, segment="", epoch=2, layout=None, start=0, end=1 << 40):
        """What was counted of one segment."""
        layout = layout or self.v1
        bodies = [body for _, body in self.store.panes(MODEL, epoch, segment, layout.digest, start, end)]
        return sum_panes(bodies, layout.digest, layout.size)

    def view(self, subject, segment="", epoch=2):
        return self.v1.view(self.pane(segment, epoch), subject)

    def looked(self, now, commit=True):
        """One look, committed as the wheel does."""
        found = self.look.run(self.watched, now)
        if commit:
            self.store.commit(Change(puts=found.states, consumed=consumed([found])))
            self.look.committed(found)
        return found

    def slots(self, name, now, segment=""):
        return self.looked(now).slots[name, segment]

    def turn(self, now):
        self.clock.step(now)
        self.do(self.wheel.turn())

    def settle(self, now):
        self.clock.step(now)
        self.do(self.wheel.settle(now))

    def live(self, passed_s=60.0):
        """A turn of live traffic after a while, and what it leaves running."""

        async def run():
            await self.wheel.turn()
            while self.wheel._driven:
                await asyncio.gather(*self.wheel._driven.values())

        self.clock.step(self.clock.now() + passed_s)
        self.do(run())


def alive(turns):
    """For fixtures: the world while a test runs."""
    yield turns
    turns.close()


def looking(directory):
    """A world with one rule on the output, a spy."""
    made = Turns(directory / "state", rule("output"))
    made.serve((0.0, "v1"))
    return made


def acting(directory, mode=Mode.AUTO, **changes):
    """A world that has all that a rollback needs."""
    return Turns(directory / "state", *evidence(), served="v2", mode=mode, **changes)


def only(turns):
    [rollback] = turns.watched.rollbacks.values()
    return rollback


def shown(turns, place=0):
    """What the spy of a rule was shown since the last call."""
    spy = turns.watched.pack.rules[place].detector
    found, spy.shown[:] = list(spy.shown), []
    return found


def tapped(turns, share=1.0, off=0):
    """How the known-good is asked in this world: it answers a share of the rows, classes `off` places further on."""

    async def ask(watched, rows, keys):
        silence = silent(rows.n, watched.schema.task)
        chosen = sample(keys, share, rows.n)
        classes = len(watched.schema.classes)
        said = (rows.outputs + off) % classes if classes else rows.values + off
        silence.said[chosen] = said[chosen]
        return Opinion(silence.said, asked=len(chosen))

    turns.wheel_of["ask"] = ask
    turns.restart()


def control_of(turns, clock=None, reports=None, silenced=lambda _: ""):
    """The daemon's side of the API over these turns."""

    async def nothing(_actor):
        return ()

    async def stepped(_now):
        return None

    watched = turns.watched
    watched.settings = watched.settings.model_copy(update={"target": TARGET, "serving": SERVING})
    return Control(
        wheel=turns.wheel,
        models={MODEL: watched},
        clock=clock or turns.clock,
        loop=turns.runner.get_loop(),
        checks={"healthy": lambda: (True, "ok"), "ready": lambda: (False, "starting")},
        reload_settings=nothing,
        stepped=stepped,
        reports=reports or reports_of(turns),
        kill_switch=KillSwitch(turns.directory / KILL_SWITCH),
        silenced=silenced,
        trust_clock=turns.clocks.go,
    )


def many(n, start=0.0, prefix="p", **features):
    """`n` rows a second apart, each other one "yes"."""
    return [prediction(f"{prefix}{i}", start + i, i % 2, 0.25, **({"x": i / n, "c": "a"} | features)) for i in range(n)]
