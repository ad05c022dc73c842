"""Planted wrong labels on their way: windows of their own from the onset on, in which some labels are another class.

Found: the first alert of a rule of the family `labels`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.backtest.plants import Plant, touched
from monitor.backtest.report import Planted
from monitor.backtest.told import TIER_OF
from monitor.backtest.windows import Windows
from monitor.detectors.sequential import Tier
from monitor.facts import Family
from monitor.panes.build import HistoryBatch


@dataclass(slots=True)
class Flipped:
    """A plant of labels while it is looked for. `windows` is None before its onset."""

    plant: Plant
    within_s: float
    classes: int
    windows: Windows | None = None
    done: Planted | None = None
    warned_s: float | None = None

    @property
    def onset(self) -> float:
        """When it begins; plants are placed before they are sown."""
        assert self.plant.onset is not None, "a plant without an onset is placed first"
        return self.plant.onset

    def looks(self, until: float) -> bool:
        """Whether rows up to `until` are counted with it."""
        return self.done is None and self.onset < until

    def take_over(self, before: Windows) -> Windows:
        """Its windows, which at its onset are those of the replay."""
        if self.windows is None:
            self.windows = before.fork()
        return self.windows

    def flip(self, batch: HistoryBatch, places: NDArray[np.intp]) -> HistoryBatch:
        """The rows with its labels; `places` are theirs in the file."""
        chosen = touched(places, self.plant.size) & (batch.predictions.times >= self.onset)
        known = chosen & (batch.labels < self.classes)  # False for NaN: no label
        return HistoryBatch(batch.predictions, np.where(known, (batch.labels + 1) % self.classes, batch.labels))

    def go_on(self, now: float) -> None:
        """Read the windows that are over."""
        if self.windows is None or self.done is not None:
            return
        for at, rule in self.windows.close(now):
            found = next(each for each in self.windows.rules if each.name == rule)
            if found.family is not Family.LABELS or at <= self.onset or self.done is not None:
                continue
            if TIER_OF[found.severity] is Tier.WARN:
                self.warned_s = at - self.onset if self.warned_s is None else self.warned_s
            else:
                self._end("found", at - self.onset, rule)
        if self.done is None and now - self.onset >= self.within_s:
            self._end("missed")

    def close(self) -> Planted:
        """What became of it, the replay being over."""
        if self.done is None:
            self._end("ended")
        assert self.done is not None, "it has just ended"
        return self.done

    def _end(self, outcome: str, delay_s: float | None = None, rule: str = "") -> None:
        self.done = Planted(
            plant=self.plant.text,
            column=self.plant.column,
            size=self.plant.told,
            onset=self.onset,
            outcome=outcome,
            delay_s=delay_s,
            rule=rule,
            warned_s=self.warned_s,
        )
        self.windows = None
