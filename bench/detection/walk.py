"""A slow walk: 200 steps of 0.025 sigma, a day each. A frozen reference sees it, one that slides along does not.

Both are the product's own: the frozen one is learned from the days before the walk, the sliding one every midnight from
the last days, as "compare with last week" does; its evidence begins again with each, because what it compares with is
another. A step is half of what the tolerance ignores, so no day differs much from the days before it.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bench.detection.columns import numbers
from bench.detection.replay import MINUTE_S, Watch, count_minutes, learn
from bench.worlds import BLOCK, GRID, World, draw
from bench.worlds_panes import MONDAY, schema
from monitor.panes.build import HistoryBatch
from monitor.panes.rows import Column, Predictions
from monitor.panes.signals import Counted

STEPS, STEP = 200, 0.025  # days, sigma
DAY = 1440


@dataclass(frozen=True, slots=True, eq=False)
class Walk:
    """Rows that stand still for `learned` days and then walk; looked at every `every` minutes, a divisor of an hour."""

    world: World
    seed: int
    learned: int = 7
    every: int = 1
    steps: int = STEPS
    _days: dict[int, Predictions] = field(default_factory=dict)  # the last ones

    def moved(self, minutes: NDArray[np.int64]) -> NDArray[np.float64]:
        """How far the means are by then: the first step is that of the first day after the learned ones."""
        taken = np.clip(minutes // DAY - self.learned + 1, 0, self.steps)
        around = taken - self.steps / 2  # halfway stands in the middle of the grid that values lie on
        return STEP * np.repeat(around[:, np.newaxis], self.world.features, axis=1)

    def frozen(self) -> int | None:
        """Steps taken when the frozen reference pages; None for never."""
        watch = self._learn(0)
        for day in range(self.learned, self.learned + self.steps):
            if self._pages(watch, day):
                return day - self.learned + 1
        return None

    def sliding(self) -> int | None:
        """Steps taken when a reference of the last days pages; None for never."""
        for day in range(self.learned, self.learned + self.steps):
            if self._pages(self._learn(day - self.learned), day):
                return day - self.learned + 1
        return None

    def _learn(self, first: int) -> Watch:
        days = [self._rows(day) for day in range(first, first + self.learned)]
        return learn([HistoryBatch(rows, np.full(rows.n, np.nan)) for rows in days], schema(self.world))

    def _pages(self, watch: Watch, day: int) -> bool:
        parts: dict[int, Counted] = {}
        for minute, counted in count_minutes(watch.layout, watch.signals, self._rows(day)):
            part = minute // self.every
            parts[part] = parts[part] + counted if part in parts else counted
        for part, counted in parts.items():
            watch.look((part + 1) * self.every - 1, counted)
        return bool(watch.paged())

    def _rows(self, day: int) -> Predictions:
        """The rows of a day, the same whoever asks."""
        if day not in self._days:
            self._days.pop(day - self.learned - 1, None)
            blocks = list(draw(self.world, self.seed + day, DAY, self.moved, start=day * DAY))
            places, rows = (np.concatenate([getattr(block, name) for block in blocks]) for name in ("places", "rows"))
            starts = np.repeat(np.cumsum(rows) - rows, rows)
            within = (np.arange(len(places)) - starts + 0.5) / np.repeat(rows, rows)
            minutes = np.repeat(np.arange(len(blocks) * BLOCK), rows) + within
            columns: dict[str, Column] = {
                f"f{index}": numbers(places[:, index] / GRID) for index in range(self.world.features)
            }
            outputs, scores = (np.arange(len(places)) % 2).astype(np.uint8), np.full(len(places), np.nan)
            times = MINUTE_S * (MONDAY + day * DAY + minutes)
            self._days[day] = Predictions.unsent(columns, times=times, outputs=outputs, scores=scores)
        return self._days[day]
