"""Whether automation rolls back what is worse, and nothing else: the figures of the promise S8, simulated.

    counts of a day -> the default pack's own detectors -> slots -> judge, gates, policy, in mode auto

Rows are not simulated: what labels say of a day are four numbers (both models right, one of them wrong, both wrong),
drawn as a multinomial. From there on everything is the product's: readings of `rules/default.yaml` by their intervals,
N of M, the e-detector's crossing on errors and pairs hour by hour, incident, gates, plan.

- *worse*: the served model errs ten points more often than the known-good, from a midnight on; 400 labelled pairs a
  day. Of the e-detector only the error and the paired error bet; the product's other signals of labels could only cross
  earlier. Its bands are learned from a simulated fortnight of labelled history.
  By two laws of which rows. *Apart*: each errs alone on some rows before, too, and after the drop one alone errs on .14
  to .30 of them. So it is with retrains on poisoned labels: of late flights of 2013 (known-good errs .15 and .22, ten
  points worse by flipped labels) one alone got .16 to .29 wrong, the known-good .03 to .09. *Spoiled*: .01 each before,
  as of honest retrains there (.005 to .02; .06 where four answers in ten are wrong), and then the served one spoils a
  tenth that was right.
- *any test*: the power of the most powerful test of the pairs of three windows whose laws are both known, before a
  difference of the pack's limit, at the level 3 in 1,000: more than by the pairs alone no policy can do that puts back
  a model which is worse by just the limit once in 1,000 days. The gates ask for a second signal besides.
- *world*: from a midnight on both models err ten points more often. Never a rollback.
- *quiet*: nothing changes but how hard the days are (both models alike) and, a little, which model they suit. A
  rollback is a false one; the model then begins anew. Without the e-detector, hence without the gate `false_alarms`:
  a gate can only forbid, so this bounds the product from above.

Seeds are fixed; nothing depends on the machine. `python -m bench safety` writes bench/safety.md.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from scipy.optimize import brentq
from scipy.stats import binom, chi2

from bench.figure import Figure
from monitor.decisions.alerts import put
from monitor.decisions.judge import judge
from monitor.decisions.rules import RulePack, parse_pack
from monitor.decisions.state import ModelState, Terms
from monitor.detectors import DETECTORS
from monitor.detectors.paired_error import PairedError
from monitor.detectors.sequential import Plan, State, step
from monitor.facts import (
    Bundle,
    BundleId,
    BundleStatus,
    Epoch,
    Mode,
    ModelName,
    Outcomes,
    Pairs,
    Schema,
    Slot,
    Subject,
)
from monitor.panes.build import HistoryBatch, build_reference
from monitor.panes.layout import Layout
from monitor.panes.rhythm import Rhythm
from monitor.panes.rows import Predictions
from monitor.panes.shares import What
from monitor.panes.signals import Counted, Signals
from monitor.turns.latched import freeze

DAY, HOUR = 86_400.0, 3_600.0
MODEL = ModelName("simulated")
GOOD, SERVED = BundleId("good"), BundleId("served")
ROOT = Path(__file__).parents[1]
LABELS = 400  # a day
REFERENCE_ROWS = 14 * LABELS
WITHIN = 3  # windows
QUIET_BEFORE = 3  # days before anything changes


@dataclass(frozen=True, slots=True)
class Errors:
    """How often each of the two models errs, and how often the wrong ones are of one of them alone."""

    served: float
    good: float
    apart: float  # share of rows that the better of the two gets wrong alone

    def cells(self) -> tuple[float, float, float, float]:
        """Shares: both right, only the served wrong, only the known-good wrong, both wrong."""
        better = min(self.served, self.good)
        both = better - self.apart
        return 1 - both - (self.served - both) - (self.good - both), self.served - both, self.good - both, both


ALIKE = Errors(0.1, 0.1, 0.03)  # 6 % of the answers differ in being right


@cache
def packs() -> dict[bool, RulePack]:
    """The default pack's rules that may support a rollback, with the e-detector and without."""
    document = yaml.safe_load((ROOT / "rules" / "default.yaml").read_text())
    rules = [rule for rule in document["rules"] if rule.get("rollback")]
    bare: dict[str, Any] = {"version": 1, "rules": rules}
    return {
        False: parse_pack(bare, DETECTORS),
        True: parse_pack(bare | {"sequential": document["sequential"]}, DETECTORS),
    }


def pairs(cells: np.ndarray) -> Pairs:
    """What the two models said of labelled rows."""
    right, only_served, only_good, wrong = (int(each) for each in cells)
    n = int(cells.sum())
    return Pairs(n, n, only_served + only_good, right, only_served, only_good, wrong)


def outcomes(n: int, wrong: int) -> Outcomes:
    """What labels said of the served one."""
    return Outcomes(n, ((n - wrong, 0), (wrong, 0)), 0, 0, (n,))


@dataclass(frozen=True, slots=True, eq=False)
class Watching:
    """The e-detector with bands that it learned."""

    signals: Signals
    rhythm: Rhythm
    plan: Plan
    error: int  # places of the two signals
    paired: int

    def counted(self, cells: np.ndarray) -> Counted:
        """One closed window of labels."""
        shape, alone = len(self.signals.signals), int(cells[1] + cells[2])
        x, n = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        n[self.error], x[self.error] = int(cells.sum()), int(cells[1] + cells[3])
        n[self.paired], x[self.paired] = alone, int(cells[1])
        return Counted(x, n, np.zeros((len(self.signals.scored), 22), np.int64))


@cache
def watching(error: float) -> Watching:
    """Learn from a fortnight in which this share of the answers was wrong."""
    rng = np.random.default_rng([8, round(1000 * error)])
    times = np.sort(rng.uniform(0, 14 * DAY, REFERENCE_ROWS))
    said = rng.integers(0, 2, REFERENCE_ROWS).astype(np.uint8)
    rows = Predictions.unsent({}, times=times, outputs=said, scores=np.full(REFERENCE_ROWS, np.nan))
    truth = (said ^ (rng.random(REFERENCE_ROWS) < error)).astype(float)
    history = HistoryBatch(rows, truth)
    schema = Schema(MODEL, (), ("no", "yes"), "yes")
    reference = build_reference(lambda: iter([history]), schema, lambda _: None)
    assert reference.rhythm is not None, "every reference has bands"
    signals = Signals.table(Layout.of(reference))
    watch = packs()[True].watch
    assert watch is not None, "the default pack sets a budget"
    places = {each.what: i for i, each in reversed(list(enumerate(signals.signals)))}  # the first of each: the whole
    plan = Plan.of(signals, watch.ledger)
    return Watching(signals, reference.rhythm, plan, places[What.ERROR], places[What.PAIRED_ERROR])


@dataclass(slots=True)
class World:
    """One served bundle, day after day."""

    seed: tuple[int, ...]
    sequential: bool
    reference_error: float = ALIKE.good
    labels: int = LABELS
    state: ModelState = field(init=False)
    slots: dict[tuple[str, str], tuple[Slot, ...]] = field(default_factory=dict)
    latched: tuple[Slot, ...] = ()
    bets: State | None = None
    rows: int = 0
    rng: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        self.state = ModelState(MODEL, Epoch(2, MODEL, SERVED, "served", 0.0, 0.0))

    def terms(self) -> Terms:
        """Mode auto, and a known-good that answers the same rows."""
        return Terms(packs()[self.sequential], Mode.AUTO, bundles=(_bundle(GOOD), _bundle(SERVED)), asked=GOOD)

    def day(self, number: int, errors: Errors) -> bool:
        """Live through one day; whether a rollback begins."""
        hours = self.rng.multinomial(self.rng.multinomial(self.labels, np.full(24, 1 / 24)), errors.cells())  # [24, 4]
        if self.sequential:
            for hour, cells in enumerate(hours):
                self._bet(24 * number + hour, cells)
        self._read(number, hours.sum(axis=0))
        judged = judge(self.state, self.terms(), self.slots, DAY * (number + 1))
        self.state = judged.state
        return self.state.rollback is not None

    def _read(self, number: int, cells: np.ndarray) -> None:
        n, wrong = int(cells.sum()), int(cells[1] + cells[3])
        history = outcomes(REFERENCE_ROWS, round(REFERENCE_ROWS * self.reference_error))
        views = {
            Subject.PAIRS: (pairs(np.zeros(4, int)), pairs(cells)),
            Subject.OUTCOMES: (history, outcomes(n, wrong)),
        }
        for rule in packs()[self.sequential].rules:
            reading = rule.detector.read(*views[rule.subject])  # type: ignore[union-attr]
            slot = Slot(rule.name, "", 2, DAY * number, DAY * (number + 1), reading)
            self.slots[rule.name, ""] = put(self.slots.get((rule.name, ""), ()), slot, rule)

    def _bet(self, hour: int, cells: np.ndarray) -> None:
        watched, now = watching(self.reference_error), HOUR * (hour + 1)
        bounds = watched.rhythm.bounds(hour)
        said, self.bets = step(watched.plan, [(bounds, watched.counted(cells))], 60.0, self.bets, now)
        self.rows += int(cells.sum())
        rows = dict.fromkeys({family.value for family in watched.plan.families}, self.rows)
        self.latched = freeze(watched.plan, said, self.latched, self.bets, rows, (2, now))
        self.slots |= {(slot.rule, slot.segment): (slot,) for slot in self.latched}


def _bundle(name: BundleId) -> Bundle:
    status = BundleStatus.KNOWN_GOOD if name == GOOD else BundleStatus.CANDIDATE
    return Bundle(name, MODEL, name, name, name, name, status, 1.0, name, cutoff=-1e9)


# ---------------------------------------------------------------- the three questions


def worse(run: int, errors: Errors = ALIKE, drop: float = 0.1, days: int = 7) -> float:
    """Windows from the drop of the served model to the rollback; infinite where none begins. 0: before it."""
    world = World((1, run), sequential=True, reference_error=errors.good)
    for number in range(QUIET_BEFORE):
        if world.day(number, errors):
            return 0.0
    bad = Errors(errors.served + drop, errors.good, errors.apart)
    for number in range(days):
        if world.day(QUIET_BEFORE + number, bad):
            return number + 1.0
    return float("inf")


def harder(run: int, errors: Errors = ALIKE, drop: float = 0.1, days: int = 14) -> bool:
    """Whether a world that became harder for both models ever begins a rollback."""
    world = World((2, run), sequential=False, reference_error=errors.good)
    bad = Errors(errors.served + drop, errors.good + drop, errors.apart)
    return any(world.day(number, errors if number < QUIET_BEFORE else bad) for number in range(days))


def quiet(run: int, days: int, errors: Errors = ALIKE, labels: int = LABELS, suits: float = 0.005) -> int:
    """False rollbacks in so many days. How hard a day is has a deviation of .02, whom it suits one of `suits`."""
    world, found = World((3, run), sequential=False, reference_error=errors.good, labels=labels), 0
    for number, (hard, apart) in enumerate(_days(world.rng, days, suits)):
        served, good = np.clip([errors.served + hard + apart / 2, errors.good + hard - apart / 2], errors.apart, 0.9)
        if world.day(number, Errors(float(served), float(good), errors.apart)):
            found += 1
            world = World((3, run, number), sequential=False, reference_error=errors.good, labels=labels)
    return found


def _days(rng: np.random.Generator, days: int, suits: float) -> Iterator[tuple[float, float]]:
    yield from zip(rng.normal(0, 0.02, days), rng.normal(0, suits, days), strict=True)


def interval(events: int, exposure: float) -> tuple[float, float]:
    """95 % of a Poisson rate, exact (Garwood 1936, Biometrika 28:437)."""
    low = chi2.ppf(0.025, 2 * events) / 2 if events else 0.0
    return float(low / exposure), float(chi2.ppf(0.975, 2 * events + 2) / 2 / exposure)


# ---------------------------------------------------------------- what any test could do


def attainable(errors: Errors, limit: float, drop: float = 0.1, level: float = WITHIN / 1000) -> float:
    """Power of the most powerful test of `WITHIN` windows of pairs: this drop against a difference of `limit`.

    Of the laws with that difference the one that is hardest to tell apart is the tilted one, for which the likelihood
    ratio is the difference in counts; so its test is the best of all of them (Lehmann & Romano 2005, theorem 3.8.1).
    """
    bad = Errors(errors.served + drop, errors.good, errors.apart)
    rejects_null, rejects = (_differences(WITHIN * LABELS, law)[::-1].cumsum() for law in (_nearest(bad, limit), bad))
    last = int(np.searchsorted(rejects_null, level)) - 1
    between = (level - rejects_null[last]) / (rejects_null[last + 1] - rejects_null[last])
    return float(rejects[last] + between * (rejects[last + 1] - rejects[last]))


def _nearest(bad: Errors, limit: float) -> Errors:
    """The law of least divergence from `bad` among those whose difference is `limit`: its exponential tilt."""
    right, served, good, both = bad.cells()

    def cells(tilt: float) -> tuple[float, float, float]:
        whole = right + both + served * np.exp(-tilt) + good * np.exp(tilt)
        return served * np.exp(-tilt) / whole, good * np.exp(tilt) / whole, both / whole

    tilt = brentq(lambda tilt: cells(tilt)[0] - cells(tilt)[1] - limit, 0.0, 20.0)
    served, good, both = cells(tilt)
    return Errors(served + both, good + both, good)


def _differences(n: int, law: Errors) -> np.ndarray:
    """P(only the served wrong - only the known-good wrong = d) of n pairs, for d = -n .. n."""
    _, served, good, _ = law.cells()
    found, chances = np.zeros(2 * n + 1), binom.pmf(np.arange(n + 1), n, served + good)
    for apart in np.flatnonzero(chances > 1e-15).tolist():
        of_served = binom.pmf(np.arange(apart + 1), apart, served / (served + good))
        found[n - apart : n + apart + 1 : 2] += chances[apart] * of_served
    return found


# ---------------------------------------------------------------- the page

RUNS, QUIET_DAYS, MODELS = 200, 10_000, 100
LEVELS = (Errors(0.05, 0.05, 0.02), ALIKE, Errors(0.2, 0.2, 0.05), Errors(1 / 3, 1 / 3, 0.1))
SPOILED = 0.01  # of the rows only the known-good gets wrong, where the served one has spoiled what was right
QUIET = (
    ("as above", ALIKE, LABELS, 0.005),
    ("a retrain that differs on three rows in ten", Errors(1 / 3, 1 / 3, 0.15), LABELS, 0.005),
    ("200 labels a day", ALIKE, 200, 0.005),
    ("days that suit one of the two by .02", ALIKE, LABELS, 0.02),
)
PAGE = ROOT / "bench" / "safety.md"
HEAD = """# Does automation roll back what is worse, and nothing else?

Written by `python -m bench safety`; simulated counts, fixed seeds, the rules of `rules/default.yaml`. What is simulated
and what is the product's own code stands at the top of `bench/safety.py`. Windows are days of 400 labelled pairs.

"""


def measure() -> list[Figure]:
    """Simulate all of it, and write the page."""
    spoiled = tuple(Errors(errors.served, errors.good, SPOILED) for errors in LEVELS)
    windows = {errors: np.array([worse(run, errors) for run in range(RUNS)]) for errors in (*LEVELS, *spoiled)}
    began = {errors: sum(harder(run, errors) for run in range(RUNS)) for errors in LEVELS}
    false = [sum(quiet(run, QUIET_DAYS // MODELS, *rest) for run in range(MODELS)) for _, *rest in QUIET]
    PAGE.write_text(HEAD + "\n".join((*_dropped(windows), "", *_harder(began), "", *_quiet(false))) + "\n")
    rate = 1000 * interval(false[0], QUIET_DAYS)[1]
    return [
        Figure("10 points worse than the known-good, rolled back within 3 windows", *_caught(windows[ALIKE]), ">= 95"),
        *(
            Figure(f"  where {errors.good:.2f} of the answers are wrong; {_best(errors)} by any test", *_caught(found))
            for errors, found in windows.items()
            if errors is not ALIKE and errors in LEVELS
        ),
        Figure("the same drop of both models, rolled back", float(began[ALIKE]), "of 200 runs", "<= 0"),
        Figure("false rollbacks in 1,000 quiet model-days, upper end of 95 %", rate, "", "<= 1"),
    ]


def _caught(windows: np.ndarray) -> tuple[float, str]:
    return 100 * float(np.mean((windows > 0) & (windows <= WITHIN))), f"% of {len(windows)} runs"


def _best(errors: Errors) -> str:
    limit = next(rule.detector.limit for rule in packs()[False].rules if isinstance(rule.detector, PairedError))
    return f"{100 * attainable(errors, limit):.1f} %"


def _dropped(windows: dict[Errors, np.ndarray]) -> Iterator[str]:
    yield "## The served model errs ten points more often: windows until the rollback\n"
    yield "| error before | one alone errs | runs | within 2 | within 3 | within 7 | before the drop | any test |"
    yield "|---:|---:|---:|---:|---:|---:|---:|---:|"
    for errors, found in windows.items():
        within = [f"{100 * float(np.mean((found > 0) & (found <= days))):.1f} %" for days in (2, 3, 7)]
        shares = f"{errors.good:.2f} | {2 * errors.apart + 0.1:.2f} | {len(found)}"
        yield f"| {shares} | {' | '.join(within)} | {int((found == 0).sum())} | {_best(errors)} |"
    words = "share of the rows after the drop that one of the two models gets wrong and the other right."
    yield f"\nOne alone errs: {words}"
    yield "Any test: what the best test of the pairs of three windows could do at the budget, without a second signal."


def _harder(began: dict[Errors, int]) -> Iterator[str]:
    yield "## Both models err ten points more often: rollbacks in 14 windows\n"
    yield "| error before | runs | rollbacks |\n|---:|---:|---:|"
    for errors, number in began.items():
        yield f"| {errors.good:.2f} | {RUNS} | {number} |"


def _quiet(false: list[int]) -> Iterator[str]:
    yield "## Quiet model-days: false rollbacks\n"
    yield "| world | model-days | rollbacks | in 1,000 days, 95 % |\n|---|---:|---:|---|"
    for (name, *_), number in zip(QUIET, false, strict=True):
        low, high = (1000 * end for end in interval(number, QUIET_DAYS))
        yield f"| {name} | {QUIET_DAYS:,} | {number} | {1000 * number / QUIET_DAYS:.3g} [{low:.3g}, {high:.3g}] |"
