"""The e-detector of a replay: ticks in simulated time, stepped by the code that steps the daemon's.

A tick that says nothing bets on nothing: its minutes wait and are given with the next bet. So a quiet spell needs no
step a tick. One is made at its beginning, where the minutes that the last bet was given may carry a group over its
budget; one wherever the time of calm is over for a group whose rows have said calm, as it is let go of there whatever
comes later; and the rest is told with the next bet. A test holds this to stepping every tick. Where the volume is
watched every minute says something, and nothing is skipped.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil, isfinite

from monitor.backtest.came import Parts
from monitor.decisions.budget import MINUTE_S
from monitor.detectors.sequential import State, Step, Tier, step
from monitor.detectors.sequential.latch import calm_from
from monitor.detectors.sequential.ledger import TIERS
from monitor.facts import Family
from monitor.panes.rhythm import Bounds
from monitor.panes.signals import Counted
from monitor.turns.lookout import Lookout

Banded = Sequence[tuple[Bounds, Counted]]


@dataclass(slots=True)
class Betting:
    """One e-detector and how far it has come; a fork of it goes on by itself."""

    lookout: Lookout
    every_s: float
    at: float  # event time of the last tick, or when it was armed
    state: State | None = None
    ticks: int = 0

    def advance(self, now: float, parts: Parts) -> Iterator[tuple[float, Step]]:
        """Tick up to `now`, each part against its own hour's bands: the time of each step, and what it said."""
        yield from self.bet(now, self.banded(parts))

    def bet(self, now: float, parts: Banded) -> Iterator[tuple[float, Step]]:
        """As `advance`, of counts with their bands."""
        yield from self.rest(now - self.every_s / 2)
        yield now, self._step(now, parts)

    def rest(self, until: float) -> Iterator[tuple[float, Step]]:
        """Ticks up to `until` in which nothing came, of them those that say something."""
        first = self.at + self.every_s
        if self.state is None or first > until:
            return
        yield first, self._step(first, ())
        for at in self._lets_go():
            if at <= until:
                yield at, self._step(at, ())

    def banded(self, parts: Parts) -> list[tuple[Bounds, Counted]]:
        """Counts with the bands of their hours."""
        return [(self.lookout.bounds(hour), counted) for hour, counted in parts]

    def fork(self) -> "Betting":
        """The same state, to go on with from here."""
        return replace(self)

    def latched(self) -> Iterator[tuple[Tier, str]]:
        """Tiers and groups that have paged and are not calm yet."""
        for latch in () if self.state is None else self.state.latches:
            yield TIERS[latch.tier], self.lookout.plan.groups[latch.group]

    def family(self, group: str) -> Family:
        """Of a group."""
        plan = self.lookout.plan
        return plan.families[plan.groups.index(group)]

    def _lets_go(self) -> list[float]:
        """The ticks at which something is let go of if nothing comes."""
        hold = self.lookout.plan.ledger.hold
        held = () if self.state is None else self.state.latches
        waits = {calm_from(latch, hold) - self.at for latch in held}
        return [
            self.at + ticks * self.every_s for ticks in sorted({ceil(s / self.every_s) for s in waits if isfinite(s)})
        ]

    def _step(self, now: float, parts: Banded) -> Step:
        said, self.state = step(self.lookout.plan, parts, (now - self.at) / MINUTE_S, self.state, now)
        self.at = now
        self.ticks += 1
        return said
