"""Event time moves in hours: hand in what departs and arrives in an hour, then step the clock to its end.

The daemon answers the step when everything due by then is done, so what it says afterwards is the state of that hour,
at any speed. Hours without a flight are passed over in one step: New York sleeps for five of them.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from monitor.demo.flights import hours
from monitor.demo.gateway import Gateway
from monitor.demo.view import Frame, View

Status = dict[str, Any]


def never(_status: Status) -> bool:
    """Play to the end."""
    return False


@dataclass(slots=True)
class Stream:
    """Where the replay stands, and what was seen on the way."""

    gateway: Gateway
    view: View
    now: float = 0.0
    chapter: str = ""
    stepped: float = 0.0  # wall time at which the last step began: everything it decided was known by then
    status: Status = field(default_factory=dict)  # of the last step
    happened: list[tuple[float, str]] = field(default_factory=list)
    _seen: set[tuple[float, str]] = field(default_factory=set)
    _served: int = 0  # epoch of the last step
    _clock: float = 0.0  # the daemon's
    _played_s: float = 0.0

    @property
    def rows_per_s(self) -> float:
        """Rows handed in for each second of wall time that was played."""
        return self.gateway.rows / self._played_s if self._played_s else 0.0

    def begin(self, now: float) -> None:
        """Set the clock, and let the daemon see what is served before the first row."""
        self.now = now
        self.step(now)

    def play(self, until: float, ended: Callable[[Status], bool] = never) -> bool:
        """Play hours up to `until`; True as soon as `ended` says so of the status after a step."""
        began = time.monotonic()
        before_s = self._played_s
        for start, end in hours(self.now, until):
            self.now = end
            if end < until and self.gateway.is_idle(start, end):
                continue
            if self._clock < start:
                self.step(start)
            self.gateway.carry(start, end)
            self.step(end)
            self._played_s = before_s + time.monotonic() - began
            if ended(self.status):
                return True
        return False

    def step(self, now: float) -> None:
        """Step the clock and look at what came of it."""
        self.stepped = time.time()
        self.gateway.daemon.advance(now)
        self._clock = now
        self.status = self.gateway.daemon.status()
        self._notice_changes()
        frame = Frame(
            now=now,
            chapter=self.chapter,
            status=self.status,
            rows=self.gateway.rows,
            labels=self.gateway.labels,
            rows_per_s=self.rows_per_s,
            happened=tuple(self.happened),
        )
        self.view.show(frame)

    def incident(self, identity: str) -> dict[str, Any]:
        """The incident of this id, open or closed."""
        return next(each for each in self.gateway.daemon.incidents() if each["id"] == identity)

    def tell(self, words: str, at: float | None = None) -> None:
        """Something happened, just now unless said otherwise."""
        moment = (self.now if at is None else at, words)
        if moment not in self._seen:
            self._seen.add(moment)
            self.happened.append(moment)
            self.view.tell(*moment)

    def wall(self) -> float:
        """The time of day, as the receiver notes it."""
        return time.time()

    def _notice_changes(self) -> None:
        """Tell of new lines in the open incident's time line, and of new epochs."""
        for at, words in (self.status.get("incident") or {}).get("timeline", ()):
            self.tell(words, at)
        served = self.status.get("served") or {}
        if served and served["epoch"] != self._served:
            self._served = served["epoch"]
            self.tell(f"{served['name']} ({served['role']}) serves, epoch {served['epoch']}", served["since"])
