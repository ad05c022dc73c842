"""A reference learned from a simulated week, and the e-detector on what follows: the product's own code, end to end.

Everything is watched that the product watches, every family at its weight in the default ledger; only the clock and the
rows are simulated. The groups of an e-detector do not read one another, so a shift of all features at once is a trial
of each of them alone: when the group of one of them pages does not depend on the others (a test holds it to that).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bench.worlds import World, draw
from bench.worlds_panes import history, live, schema
from monitor.detectors.sequential import Ledger, Plan, State, Step, Tier, step
from monitor.panes.build import build_reference
from monitor.panes.layout import Layout
from monitor.panes.rhythm import Bounds, Rhythm
from monitor.panes.rhythm_bands import DEFAULT_LEARNING, Learning
from monitor.panes.signals import Counted, Signals

DAY = 1440
WEEK = 7 * DAY
MONTH = 30 * DAY
Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Watch:
    """A reference at work: its table of signals, its bands and the plan of its e-detector."""

    layout: Layout
    signals: Signals
    rhythm: Rhythm
    plan: Plan
    _bounds: dict[int, Bounds] = field(default_factory=dict)

    def bounds(self, hour: int) -> Bounds:
        """Bands of that hour, the same object for the same place in the rhythm."""
        at = hour % self.rhythm.period
        if at not in self._bounds:
            self._bounds[at] = self.rhythm.bounds(at)
        return self._bounds[at]


def learn(world: World, seed: int, days: int = 7, learning: Learning = DEFAULT_LEARNING) -> Watch:
    """Build the reference of the first days of a stream of its own."""
    reference = build_reference(lambda: history(world, seed, days), schema(world), lambda _: None, learning)
    assert reference.rhythm is not None, "every reference has bands"
    return watch(Layout.of(reference), reference.rhythm)


def watch(layout: Layout, rhythm: Rhythm, ledger: Ledger | None = None) -> Watch:
    """Watch with these bands, on the default ledger if no other is given."""
    signals = Signals.table(layout)
    return Watch(layout, signals, rhythm, Plan.of(signals, ledger or Ledger()))


def steps(
    watched: Watch, counts: Iterator[tuple[int, Counted]], state: State | None = None
) -> Iterator[tuple[int, Step, State]]:
    """One look a minute, numbered from 0: what it said, and the state after it."""
    for minute, (hour, counted) in enumerate(counts):
        said, state = step(watched.plan, [(watched.bounds(hour), counted)], 1.0, state, 60.0 * minute)
        yield minute, said, state


def pages(watched: Watch, counts: Iterator[tuple[int, Counted]]) -> list[str]:
    """Groups that paged, each as often as it did."""
    return [
        crossing.group
        for _, said, _ in steps(watched, counts)
        for crossing in said.crossings
        if crossing.tier is Tier.PAGE and crossing.pages
    ]


def quiet(watched: Watch, world: World, seed: int, minutes: int = MONTH) -> Iterator[tuple[int, Counted]]:
    """Count minutes in which nothing changes but what wanders by itself, from where a week of history ends."""
    return live(watched.layout, watched.signals, draw(world, seed, minutes, start=WEEK))


def delays(
    watched: Watch, world: World, seed: int, size: float, *, hour: int = 0, before: int = DAY, patience: int = 3 * DAY
) -> Doubles:
    """Minutes to the page of each feature after its mean moved by `size`, f8[features]; infinite where none came.

    `before` minutes come first, from `hour` on, in which nothing moves; who paged in them is not asked (NaN).
    """
    start = WEEK + 60 * hour

    def moves(minutes: NDArray[np.int64]) -> Doubles:
        return np.outer(np.where(minutes >= start + before, size, 0.0), np.ones(world.features))

    found = np.full(world.features, math.inf)
    counts = live(watched.layout, watched.signals, draw(world, seed, before + patience, moves, start=start))
    for minute, said, _ in steps(watched, counts):
        for crossing in said.crossings:
            if crossing.tier is Tier.PAGE and crossing.group.startswith("features/f"):
                feature = int(crossing.group.removeprefix("features/f"))
                if math.isinf(found[feature]):
                    found[feature] = math.nan if minute < before else minute - before + 1
        if not np.isinf(found).any():
            break
    return found
