"""Plans of a few signals, their bands, and the multipliers that a tick of the detector applies to them."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from monitor.detectors.sequential import Ledger, Plan, State, Step, step
from monitor.facts import Family
from monitor.panes.rhythm import Bounds
from monitor.panes.signals import Counted, Signal, What

ALL_ON_FEATURES = {"labels": 0.0, "output": 0.0, "quality": 0.0, "poisoning": 0.0, "features": 1.0}
SHARES = np.array([0.0, 0.1, 0.2, 0.4, 0.2, 0.1, 0.0])
Z = np.array([-3.0, -1.5, -0.8, 0.0, 0.8, 1.5, 3.0])


@dataclass(frozen=True, slots=True, eq=False)
class Watched:
    """As `Signals` tells it."""

    signals: tuple[Signal, ...]
    scored: tuple[str, ...] = ()
    scored_group: tuple[str, ...] = ()


def share(
    group: str = "features/a", *, rises: bool = True, falls: bool = True, family: Family = Family.FEATURES
) -> Signal:
    """One watched share."""
    return Signal(family, group, group.rpartition("/")[2], What.ABOVE, "1", rises, falls)


def plan_of(*signals: Signal, scored: tuple[str, ...] = (), **ledger: float) -> Plan:
    """Everything on the features' fund; `scored` are groups."""
    return Plan.of(Watched(signals, scored, scored), Ledger(**(ALL_ON_FEATURES | ledger)))


def bands(low: object, high: object, design: object = 1.0, scores: tuple[tuple[float, float], ...] = ()) -> Bounds:
    """Bands of the signals, and (low, high) of each scored column's mean."""
    lows = np.atleast_1d(np.array(low, float))
    highs, designs = np.broadcast_to(high, lows.shape).astype(float), np.broadcast_to(design, lows.shape).astype(float)
    edges = np.array(scores, float).reshape(-1, 2)
    columns = len(edges)
    return Bounds(
        lows,
        highs,
        designs,
        edges[:, 0],
        edges[:, 1],
        np.tile(SHARES, (columns, 1)),
        np.tile(Z, (columns, 1)),
        np.ones(columns),
    )


def rows(x: object, n: object, bins: object = ()) -> Counted:
    """A tick's counts."""
    xs = np.atleast_1d(np.array(x, np.int64))
    ns = np.broadcast_to(np.array(n, np.int64), xs.shape).copy()
    return Counted(xs, ns, np.array(bins, np.int64).reshape(-1, len(Z)))


def run(plan: Plan, bounds: Bounds, ticks: list[Counted], state: State | None = None) -> tuple[list[Step], State]:
    """One tick a minute, from minute 0."""
    said = []
    for minute, counted in enumerate(ticks):
        one, state = step(plan, [(bounds, counted)], 1.0, state, 60.0 * minute)
        said.append(one)
    assert state is not None
    return said, state


def evidence(plan: Plan, state: State) -> NDArray[np.float64]:
    """w R of every process of the page tier."""
    ratios = np.frombuffer(state.ratios, "<f4").reshape(3, -1)[1]
    ticks = np.frombuffer(state.ticks, "<f4").reshape(3, -1)[1] if state.ticks else np.zeros(3 * plan.sides)
    return np.concatenate((ratios, ticks)).astype(float)


def multipliers(plan: Plan, *parts: tuple[Bounds, Counted]) -> NDArray[np.float64]:
    """L of every process: what a tick without minutes makes of R = 1. Ratios [3][lanes], then ticks [3][sides]."""
    blind = [(msgspec.structs.replace(bounds, design=np.full_like(bounds.design, np.nan)), c) for bounds, c in parts]
    ratios = 3 * len(plan.lanes)
    return np.concatenate((_multipliers(plan, parts)[:ratios], _multipliers(plan, blind)[ratios:]))


def _multipliers(plan: Plan, parts: Sequence[tuple[Bounds, Counted]]) -> NDArray[np.float64]:
    first = [(bounds, _plain(counted)) for bounds, counted in parts]
    _, before = step(plan, first, 1.0, None, 0.0)
    _, after = step(plan, parts, 0.0, before, 60.0)
    with np.errstate(invalid="ignore"):
        return evidence(plan, after) / evidence(plan, before)


def _plain(counted: Counted) -> Counted:
    """Ten rows of each, so that every lane has bet and R is 1."""
    return Counted(np.full_like(counted.x, 5), np.full_like(counted.n, 10), np.full_like(counted.bins, 10))
