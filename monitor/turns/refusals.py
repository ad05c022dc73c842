"""Rows of predictions that intake turned away, by the minute in which they came: what looks like silence and is none.

    intake notes   429, 503      a request nobody read: MANY rows
                   rejected      so many rows
    looks ask      of(minutes)   the most rows that these minutes may have had beside those that were counted

A row may come as late as the grace that minutes wait for, so what is refused in a minute is missing from it and from
those of the grace before. Senders that are told to come again and do are counted twice here, which only makes more
unknown; what was accepted after all is counted, and speaks for itself.

Of all models together: a request that is refused was not read, and a row that is rejected may name no model. So what is
refused of one makes minutes of the others unknown, too, never quiet and never loud.

Not noted: 401, 403, 413 and their like. They are a sender's fault that coming again does not mend: of its rows there
are none, and that is silence. Nobody without a token can make a minute unknown.

Where time is stepped, rows of the next step come while the clock still shows the last one: they are missing from all
minutes up to the look that follows (`spread`).

Bounds: KEPT minutes of two numbers, 30 KB; they are committed with the look, so a restart forgets nothing that a look
has seen. Written by the event loop alone; other threads only ask.
"""

from collections.abc import Callable
from math import ceil
from typing import Final, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from monitor.panes.volume import MANY

KEY: Final = "intake"  # of the stored document
MINUTE_S: Final = 60
KEPT: Final = 2_880  # minutes in which rows were refused: two days of nothing else
REFUSED: Final = "rows were refused (429, 503 or rejected), so nobody knows how many came"

Refused: TypeAlias = Callable[[range], NDArray[np.int64]]  # at most so many rows of each minute since 1970


def nothing_refused(minutes: range) -> NDArray[np.int64]:
    """Of replays and tests that have no intake."""
    return np.zeros(len(minutes), np.int64)


class RefusedMinutes(msgspec.Struct, frozen=True):
    """What the store keeps: minutes since 1970 and the rows refused in each, as they came."""

    minutes: tuple[tuple[int, int], ...] = ()


class Refusals:
    """What was refused lately."""

    def __init__(
        self, now: Callable[[], float], grace_s: float, *, stepped: bool = False, before: RefusedMinutes | None = None
    ) -> None:
        """By the clock of events; `before` is what an earlier life committed."""
        self._now = now
        self._late = ceil(grace_s / MINUTE_S)
        self._stepped = stepped
        self._minutes = dict((before or RefusedMinutes()).minutes)
        self._stored = self._kept()
        self._waiting = 0  # rows since the last look, where time is stepped
        self._since = 0  # the minute that the clock showed then

    def note(self, rows: int = MANY) -> None:
        """Rows of predictions came and were refused just now."""
        minute = int(self._now() // MINUTE_S)
        if self._stepped:
            self._since = self._since if self._waiting else minute
            self._waiting = min(self._waiting + rows, MANY)
        else:
            self._add(minute, rows)

    def spread(self, now: float) -> None:
        """A look at `now` begins: what came since the last step of the clock is of all minutes since then."""
        if self._waiting:
            last = int(now // MINUTE_S)
            for minute in range(max(self._since, last - KEPT + 1), last + 1):
                self._add(minute, self._waiting)
            self._waiting = 0

    def of(self, minutes: range) -> NDArray[np.int64]:
        """The most rows i8[m] that each of consecutive minutes may have had beside those that were counted."""
        came = [self._minutes.get(minute, 0) for minute in range(minutes.start, minutes.stop + self._late)]
        total = np.concatenate([[0], np.cumsum(came, dtype=np.int64)])
        most: NDArray[np.int64] = np.minimum(total[self._late + 1 :] - total[: len(minutes)], MANY)
        return most

    def unstored(self) -> RefusedMinutes | None:
        """What is to be committed with a look; None if nothing is new."""
        kept = self._kept()
        return None if kept == self._stored else kept

    def committed(self, kept: RefusedMinutes | None) -> None:
        """What `unstored` gave is stored."""
        self._stored = self._stored if kept is None else kept

    def _kept(self) -> RefusedMinutes:
        return RefusedMinutes(tuple(self._minutes.items()))

    def _add(self, minute: int, rows: int) -> None:
        self._minutes[minute] = min(self._minutes.get(minute, 0) + rows, MANY)
        while len(self._minutes) > KEPT:
            del self._minutes[next(iter(self._minutes))]


def rows_between(refused: Refused, start: float, end: float) -> int:
    """The most rows that a window may have had beside those that were counted; of a long one, of its last KEPT."""
    last = ceil(end / MINUTE_S)
    return min(int(refused(range(max(int(start // MINUTE_S), last - KEPT), last)).sum()), MANY)
