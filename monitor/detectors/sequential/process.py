"""One tick of the calendar-time Shiryaev-Roberts e-detector.

For process j of weight w_j, sum w_j <= 1, and multiplier L_j with E[L_j | past] <= 1 while its null holds (bets.py):

    R_j <- R_j L_j ;  group g crosses where sum_{j in g} w_j R_j >= A, then R_j <- 0 for j in g ;  R_j <- R_j + minutes

With S = sum_j w_j R_j, S + A * crossings - t is a supermartingale: multiplying adds nothing in expectation, a crossing
removes at least A, adding adds at most the minutes elapsed. So E[crossings by T] <= T / A, whatever the dependence
between processes, and group by group T w_g / A after a real change elsewhere. What is kept is w_j R_j.

- Added after multiplying, the minutes need not be foreseeable. A lane is given its minutes when it bets: all since its
  last bet, at most a day of them; one that cannot bet (band unknown, no rows) is given none, so silence pages nobody.
- Fewer than ROWS_MIN rows wait: what they say is summed (it adds up, see bets.py) and bet on with the next rows. Where
  a row is a whole minute, one is enough: its tick bet is exact for any count, and silence must not wait.
- Each tier has processes of its own, reset by its own crossings alone; at the tier `rollback` with weights of its own.
- Nothing overflows: w_j R_j < A after every tick, and log L is cut at LOG_MAX; to lower a multiplier is always allowed.
- float32 rounds each product by at most 6e-8 of itself, in either direction: after a month of ticks at most 1 % of A.

Cost (2026-11): 0.5 ms of CPU a tick for 500 numeric features (57,000 processes, three tiers), 2 ms for 2,000.
Sources: Shin, Ramdas & Rinaldo 2024; Dandapanthula & Ramdas 2025.
Failure mode: the promise is about the published bands. At a band's edge E[L] is 1, and outside it nothing is promised.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from monitor.detectors.sequential.bets import STAKES, Doubles, Flags, Table
from monitor.detectors.sequential.latch import turn
from monitor.detectors.sequential.ledger import DAY, TIERS, Tier
from monitor.detectors.sequential.plan import Lane, Plan
from monitor.detectors.sequential.state import Carried, Floats, State, demand, pack, start, unpack
from monitor.panes.rhythm import Bounds
from monitor.panes.signals import Counted
from monitor.panes.tilts import ETAS

LOG_MAX: Final = 60.0  # e^60 A is far below float32's largest
WAITED_MAX: Final = DAY  # minutes a lane is given at most after a silence


class Crossing(msgspec.Struct, frozen=True):
    """A group reached a tier's budget. `pages` is False while it is latched."""

    tier: Tier
    group: str
    odds: float  # sum w R / A, >= 1
    pages: bool
    lane: Lane  # that carries most of it
    lane_share: float  # of the group's evidence


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """What one tick said."""

    crossings: tuple[Crossing, ...]  # loudest tier last, in the order of the plan's groups
    odds: Doubles  # [tiers, groups], sum w R / A as compared
    lane_evidence: Floats  # [tiers, lanes], w R summed over bets, minutes, as compared
    latched: tuple[tuple[str, ...], ...]  # by tier
    bet: int  # lanes that bet
    waiting: int  # lanes whose rows wait for more

    @property
    def log_odds(self) -> Doubles:
        """Natural logarithm of the odds, -inf where nothing was bet yet; 0 is a crossing."""
        with np.errstate(divide="ignore"):
            return np.log(self.odds)


def step(
    plan: Plan, counted: Sequence[tuple[Bounds, Counted]], minutes: float, state: State | None, now: float
) -> tuple[Step, State]:
    """Bet on what arrived in the last `minutes` >= 0, each part with its own hour's bands; `now` in seconds.

    ValueError for a state of another plan, counts of another shape or impossible ones (x outside [0, n]).
    """
    if not 0 <= minutes < math.inf:
        msg = f"minutes elapsed are finite and at least 0, not {minutes}"
        raise ValueError(msg)
    before = start(plan) if state is None else demand(plan, state)
    carried = unpack(plan, before)
    ratios = np.zeros(len(plan.lanes), np.bool_)
    for bounds, part in counted:
        _tell(plan, plan.table(bounds), part, carried, ratios)
    ready = carried.rows >= plan.least
    carried.evidence *= _multipliers(plan, carried, ready)
    lane_evidence = _by_lane(plan, carried.evidence)
    odds = _by_group(plan, lane_evidence)
    crossed = [(int(tier), int(group)) for tier, group in np.argwhere(odds >= 1.0)]
    carriers = {key: _carrier(plan, lane_evidence, key) for key in crossed}
    since = {latch.lane: _smallest(plan, carried, ready, ratios, latch.lane) for latch in before.latches}
    latches, pages = turn(before.latches, carriers, since, now, plan.ledger.hold)
    _reset(plan, carried.evidence, crossed)
    carried.waited = np.minimum(carried.waited + np.float32(minutes), np.float32(WAITED_MAX))
    _add(plan, carried, ready, ratios)
    carried.waited[ready] = 0.0
    after = pack(plan, before.minutes + minutes, carried, ready)
    said = Step(
        crossings=tuple(
            _crossing(plan, odds, lane_evidence, key, lane, pages=key in pages) for key, lane in carriers.items()
        ),
        odds=odds,
        lane_evidence=lane_evidence,
        latched=tuple(
            tuple(plan.groups[latch.group] for latch in latches if latch.tier == tier) for tier in range(len(TIERS))
        ),
        bet=int(ready.sum()),
        waiting=len(after.waiting_rows),
    )
    return said, msgspec.structs.replace(after, latches=latches)


def _tell(plan: Plan, table: Table, part: Counted, carried: Carried, ratios: Flags) -> None:
    """Add one hour's counts to what is carried, and mark in `ratios` the lanes that a likelihood ratio can bet on."""
    _demand_possible(plan, part)
    sides = plan.sides
    x, n = part.x[plan.lane_signal].astype(np.float64), part.n[plan.lane_signal].astype(np.float64)
    y = np.where(plan.falls, n - x, x)
    carried.ticks += y * table.inverse
    rows = np.empty(len(plan.lanes))
    rows[:sides] = n
    rows[sides:] = np.tile(part.bins.sum(axis=1), 2)
    rows *= table.keep
    shown = np.empty(len(plan.lanes))
    shown[:sides] = y
    score = np.vecdot(part.bins.astype(np.float64), table.z)
    shown[sides:] = np.concatenate((score, -score))
    carried.rows += rows
    ratios |= (rows > 0) & (table.rate > 0)
    shown *= table.rate
    rows *= table.rate
    carried.logs += plan.eta * shown
    carried.logs -= table.cost * rows


def _demand_possible(plan: Plan, part: Counted) -> None:
    if part.x.shape != (plan.signals,) or part.n.shape != (plan.signals,) or len(part.bins) != plan.columns:
        msg = (
            f"counts of {part.x.shape} signals and {len(part.bins)} columns; {plan.signals}, {plan.columns} are planned"
        )
        raise ValueError(msg)
    if (part.x < 0).any() or (part.x > part.n).any() or (part.bins < 0).any():
        msg = "of n rows, x fell into a set: 0 <= x <= n"
        raise ValueError(msg)


def _multipliers(plan: Plan, carried: Carried, ready: Flags) -> Floats:
    """L of every process, f4[processes]; 1 where the lane does not bet."""
    lanes, sides = len(plan.lanes), plan.sides
    factors = np.empty(plan.processes, np.float32)
    logs = np.where(ready, np.minimum(carried.logs, LOG_MAX), 0.0)
    np.exp(logs.astype(np.float32), out=factors[: 3 * lanes].reshape(3, lanes))
    gain = np.where(ready[:sides], carried.ticks / np.maximum(carried.rows[:sides], 1.0) - 1.0, 0.0)
    np.add(np.array(STAKES)[:, None] * gain, 1.0, out=factors[3 * lanes :].reshape(3, sides), casting="same_kind")
    return factors


def _by_lane(plan: Plan, evidence: Floats) -> Floats:
    """Sum over the bets, f4[tiers, lanes]."""
    lanes, sides = len(plan.lanes), plan.sides
    summed: Floats = evidence[:, : 3 * lanes].reshape(len(TIERS), 3, lanes).sum(axis=1)
    summed[:, :sides] += evidence[:, 3 * lanes :].reshape(len(TIERS), 3, sides).sum(axis=1)
    return summed


def _by_group(plan: Plan, lane_evidence: Floats) -> Doubles:
    """Sum over lanes, as a share of each tier's budget; f8[tiers, groups]."""
    groups = len(plan.groups)
    levels = [np.bincount(plan.lane_group, weights=row, minlength=groups) for row in lane_evidence]
    shares: Doubles = np.array(levels).reshape(len(TIERS), groups) / np.array(plan.ledger.minutes)[:, None]
    return shares


def _reset(plan: Plan, evidence: Floats, crossed: Sequence[tuple[int, int]]) -> None:
    """Begin again, for each crossing its tier's processes of its group."""
    lanes, sides = len(plan.lanes), plan.sides
    for tier in sorted({tier for tier, _ in crossed}):
        gone = np.zeros(len(plan.groups), np.bool_)
        gone[[group for of, group in crossed if of == tier]] = True
        lane = gone[plan.lane_group]
        evidence[tier, : 3 * lanes].reshape(3, lanes)[:, lane] = 0.0
        evidence[tier, 3 * lanes :].reshape(3, sides)[:, lane[:sides]] = 0.0


def _add(plan: Plan, carried: Carried, ready: Flags, ratios: Flags) -> None:
    """Give the lanes that bet their minutes: to their ratios where those can be bet on, else to their tick bets."""
    lanes, sides = len(plan.lanes), plan.sides
    shares = np.where(ready, carried.waited, np.float32(0.0)) * plan.weight / np.float32(len(ETAS))
    given = np.empty(plan.processes, np.float32)
    for tier, share in enumerate(shares):
        given[: 3 * lanes].reshape(3, lanes)[...] = np.where(ratios, share, np.float32(0.0))
        given[3 * lanes :].reshape(3, sides)[...] = np.where(ratios, np.float32(0.0), share)[:sides]
        carried.evidence[tier] += given


def _carrier(plan: Plan, lane_evidence: Floats, key: tuple[int, int]) -> int:
    """The lane that carries most of a group's evidence."""
    tier, group = key
    mine = np.flatnonzero(plan.lane_group == group)
    return int(mine[lane_evidence[tier, mine].argmax()])


def _smallest(plan: Plan, carried: Carried, ready: Flags, ratios: Flags, lane: int) -> float:
    """Log of this tick's multiplier of a lane's smallest bet; 0 where it does not bet."""
    if not ready[lane]:
        return 0.0
    if ratios[lane] or lane >= plan.sides:
        return float(np.clip(carried.logs[0, lane], -LOG_MAX, LOG_MAX))
    return math.log1p(STAKES[0] * float(carried.ticks[lane] / carried.rows[lane] - 1.0))


def _crossing(
    plan: Plan, odds: Doubles, lane_evidence: Floats, key: tuple[int, int], lane: int, *, pages: bool
) -> Crossing:
    """What is said of a group that reached a tier's budget."""
    tier, group = key
    total = float(lane_evidence[tier, plan.lane_group == group].sum())
    share = float(lane_evidence[tier, lane]) / max(total, 1e-300)
    return Crossing(TIERS[tier], plan.groups[group], float(odds[key]), pages, plan.lanes[lane], share)
