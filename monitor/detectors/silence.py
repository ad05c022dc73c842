"""How long no row has come: the alarm for a tap that was cut.

    quiet <- 0 when rows came since the last tick, else quiet + dt;   breach when quiet > limit_s

Sequential, by arrival: a flood of late rows from yesterday is not silence, and rows with times ahead do not hide it.
No interval: it is a time that was measured.
UNKNOWN until the first row ever in this epoch, since a model that was never used is not silent. Rows are taken to have
come at the tick, so `quiet` is short by at most one tick.
"""

from dataclasses import dataclass
from typing import ClassVar

import msgspec

from monitor.detectors.parameters import demand_positive
from monitor.detectors.protocol import NO_KIND, judge, take, unknown
from monitor.facts import EVERY_TASK, Arrivals, FeatureKind, Reading, Subject, Task, View


class SilenceState(msgspec.Struct, frozen=True):
    """What the store keeps between ticks."""

    rows: int = 0  # ever, in this epoch
    quiet_s: float = 0.0  # since the tick that last saw a row


@dataclass(frozen=True, slots=True)
class Silence:
    """Breach when no row has come for more than `limit_s` seconds of event time."""

    subjects: ClassVar[frozenset[Subject]] = frozenset({Subject.ARRIVALS})
    kinds: ClassVar[frozenset[FeatureKind]] = NO_KIND
    tasks: ClassVar[frozenset[Task]] = EVERY_TASK
    State: ClassVar[type[msgspec.Struct]] = SilenceState

    limit_s: float = 900.0  # > 0

    def __post_init__(self) -> None:
        demand_positive("limit_s", self.limit_s)

    def step(
        self, reference: View, delta: View, dt_s: float, state: msgspec.Struct | None
    ) -> tuple[Reading, SilenceState]:
        """Take in what arrived in the last `dt_s` >= 0 seconds; ValueError for other views, a foreign state or dt_s.

        >>> reading, state = Silence(limit_s=60).step(Arrivals(0), Arrivals(5), 30, None)
        >>> Silence(limit_s=60).step(Arrivals(0), Arrivals(0), 90, state)[0].verdict
        <Verdict.BREACH: 'breach'>
        """
        take(Arrivals, reference)
        came, before = take(Arrivals, delta).rows, _known(state)
        if not dt_s >= 0:
            msg = f"time between ticks cannot be {dt_s}"
            raise ValueError(msg)
        after = SilenceState(before.rows + came, 0.0 if came else before.quiet_s + dt_s)
        if not after.rows:
            return unknown(0, "no row has ever come", "s"), SilenceState()
        verdict = judge(after.quiet_s > self.limit_s)
        return Reading(verdict, after.rows, after.quiet_s, self.limit_s, unit="s"), after


def _known(state: msgspec.Struct | None) -> SilenceState:
    if state is None:
        return SilenceState()
    if isinstance(state, SilenceState):
        return state
    msg = f"{type(state).__name__} is not the state of silence"
    raise ValueError(msg)
