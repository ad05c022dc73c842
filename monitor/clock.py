"""Two clocks, both injected.

*Event* time decides: panes, holds, cooldowns, budgets. *Wall and monotonic* time operate: HTTP, retries,
leases. In a daemon on live traffic event time is the wall clock. In replay it moves only by an explicit step
(`POST /v1/clock`), never from the times in rows, which a client chooses.

All times are seconds since 1970-01-01T00:00:00Z as float; durations are seconds and carry `_s`.
"""

import time
from typing import Protocol


class Clock(Protocol):
    """What the edges and the turns read time from; the core is handed numbers."""

    def now(self) -> float:
        """Event time."""
        ...

    def wall(self) -> float:
        """The time of day, which may jump."""
        ...

    def monotonic(self) -> float:
        """For durations: never jumps back."""
        ...


class WallClock:
    """Live traffic: event time is the time of day."""

    def now(self) -> float:
        """Event time, here the wall clock."""
        return time.time()

    def wall(self) -> float:
        """The time of day."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds since an arbitrary start."""
        return time.monotonic()


class ReplayClock(WallClock):
    """Replay: event time stands still until it is stepped forward."""

    def __init__(self, now: float) -> None:
        """Start at `now`, usually the time saved by an earlier run."""
        self._now = now

    def now(self) -> float:
        """The event time of the last step."""
        return self._now

    def step(self, to: float) -> None:
        """Move event time forward to `to`; ValueError if that is in the past."""
        if to < self._now:
            msg = f"replay time only moves forward: at {self._now}, asked for {to}"
            raise ValueError(msg)
        self._now = to


class ManualClock:
    """Tests: every reading is what the test last said."""

    def __init__(self, now: float = 0.0) -> None:
        """Event, wall and monotonic time all start at `now`."""
        self._now = now
        self._leapt_s = 0.0

    def now(self) -> float:
        """Event time."""
        return self._now

    def wall(self) -> float:
        """The same number as event time."""
        return self._now

    def monotonic(self) -> float:
        """The same number as event time, less what that leapt."""
        return self._now - self._leapt_s

    def step(self, to: float) -> None:
        """Move event and wall time to `to`, in either direction, and monotonic time as far."""
        self._now = to

    def leap(self, by_s: float) -> None:
        """Set event and wall time ahead, or back, in no time."""
        self._now += by_s
        self._leapt_s += by_s
