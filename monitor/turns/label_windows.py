"""What closing windows of labels bet: their sums, hour by hour, read from the store.

Of a segment whose errors are watched, windows close as those of the whole do, by its own rows and labels: a segment
whose labels come late waits for them by itself. A window that began before the settings parted rows as they do now is
not bet on: labels of such rows move the whole alone (`monitor.turns.parting`).

A sum of an hour is one stored pane, so a window that closes costs one read for each of its hours, and one that may
close costs one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from monitor.facts import ModelName
from monitor.panes.segment_errors import Part
from monitor.panes.signals import Counted
from monitor.panes.window import sum_panes
from monitor.settings import LabelFeed
from monitor.store.protocol import Store
from monitor.turns.closing import Closing, Coverage, Terms, begin, due
from monitor.turns.lookout import HOUR_S, Lookout

Counts: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class LabelWindows:
    """The label windows of one epoch of one model."""

    store: Store
    model: ModelName
    epoch: int
    lookout: Lookout
    terms: Terms
    part: Part | None = None  # of a segment; None: of the whole
    since: float | None = None  # the newest prediction that was parted otherwise; None: none was

    @property
    def segment(self) -> str:
        """As its panes are called."""
        return "" if self.part is None else self.part.segment

    def close(
        self, before: Closing | None, since: float, arrived: Mapping[int, Counts], now: float
    ) -> tuple[list[tuple[int, Counted]], Closing]:
        """What windows that close now say, by hour, and the state after that.

        `arrived` are the counts of deltas by hour.
        """
        came: dict[int, int] = {}
        for hour, counts in arrived.items():
            start = self.terms.start(hour * HOUR_S)
            came[start] = came.get(start, 0) + self._labelled(counts)
        found = due(self.terms, before or begin(self.terms, since), came, now, self._coverage)
        starts = [start for start in found.starts if self.since is None or start > self.since]
        hours = [start // HOUR_S + part for start in starts for part in range(self.terms.window_s // HOUR_S)]
        return [bet for hour in hours for bet in self._bet(hour)], found.after

    def _bet(self, hour: int) -> list[tuple[int, Counted]]:
        counts = self._sum(hour * HOUR_S, (hour + 1) * HOUR_S)
        if self.part is None:
            counted = self.lookout.signals.count_labels(counts)
        else:
            counted = self.lookout.segment_labels(self.part, counts)
        return [(hour, counted)] if counted.n.any() else []

    def _coverage(self, start: int) -> Coverage:
        counts = self._sum(start, start + self.terms.window_s)
        return Coverage(int(counts[self.lookout.layout.kept.start]), self._labelled(counts))

    def _labelled(self, counts: Counts) -> int:
        """Labels by trusted sources: each has a lag, whatever the task."""
        return int(counts[self.lookout.layout.lag].sum())

    def _sum(self, start: int, end: int) -> Counts:
        layout = self.lookout.layout
        found = self.store.panes(self.model, self.epoch, self.segment, layout.digest, start, end)
        return sum_panes([body for _, body in found], layout.digest, layout.size).counts


def terms_of(feed: LabelFeed, grace_s: float, horizon_s: float) -> Terms:
    """When windows close, by the settings; no later than panes have detail, which the default deadline may be."""
    return Terms(int(feed.window), feed.close_coverage, min(feed.deadline, horizon_s), grace_s)
