"""Minutes of a replay as bets: the daemon's own reading of volume (`monitor.turns.minutes`), of rows instead of panes.

A minute is judged once, when it is over and its grace has passed; a row that comes later than that changes nothing. The
minute in which a replay begins is not judged, nor is one after its last tick. Somebody always listens here: a minute
without a row is silence, so a history with gaps, or panes of a daemon that was stopped, page what live nobody heard.

A tick bets once on all the minutes it judges: with `every: 10m` on ten. Live, replayed, and stepped by the hour in a
daemon's own replay, evidence of silence grows by ticks and not by minutes.
"""

from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.backtest.came import Parts
from monitor.panes.volume import due_minutes
from monitor.turns.lookout import MINUTE_S, Lookout
from monitor.turns.minutes import Heard, minute_of

HOUR_MINUTES: Final = 60


@dataclass(slots=True)
class Minutely:
    """Rows by minute, those that are not judged yet; a fork of it goes on by itself."""

    lookout: Lookout
    grace_s: float
    heard: Heard
    rows: dict[int, int] = field(default_factory=dict)
    judged: int = 0

    @classmethod
    def since(cls, lookout: Lookout, grace_s: float, start: float) -> "Minutely":
        """From the minute after `start` on."""
        return cls(lookout, grace_s, Heard(minute_of(start), minute_of(start)))

    @property
    def watched(self) -> bool:
        """Whether anything can be told of minutes."""
        return self.lookout.counts_minutes

    def add(self, times: NDArray[np.float64], many: int = 1) -> None:
        """Count rows by their own times, each `many` times; what was judged already is left as it was."""
        if not self.watched or not len(times):
            return
        minutes, rows = np.unique(np.floor(times / MINUTE_S).astype(np.int64), return_counts=True)
        for minute, count in zip(minutes.tolist(), rows.tolist(), strict=True):
            if minute > self.heard.upto:
                self.rows[minute] = self.rows.get(minute, 0) + count * many

    def judge(self, now: float) -> Parts:
        """What the minutes that are due say, by hour."""
        due = due_minutes(self.heard.upto, now, self.grace_s) if self.watched else range(0)
        if not due:
            return ()
        parts = [(hour, self.lookout.count_minutes(hour, rows)) for hour, rows in self._by_hour(due)]
        self.rows = {minute: rows for minute, rows in self.rows.items() if minute >= due.stop}
        self.heard = Heard(self.heard.after(due.start - 1).since, due.stop - 1)
        self.judged += len(due)
        return parts

    def fork(self) -> "Minutely":
        """The same minutes, to go on with by themselves."""
        return replace(self, rows=dict(self.rows))

    def _by_hour(self, due: range) -> list[tuple[int, NDArray[np.int64]]]:
        found: dict[int, list[int]] = {}
        for minute in due:
            found.setdefault(minute // HOUR_MINUTES, []).append(self.rows.get(minute, 0))
        return [(hour, np.array(rows, np.int64)) for hour, rows in found.items()]
