"""A tick of a replay, as it is told to everybody who bets on it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.backtest.came import Arrival, Parts
from monitor.backtest.labelling import Labelling, Said
from monitor.backtest.waiting import AS_IT_IS, Coming


@dataclass(frozen=True, slots=True, eq=False)
class Tick:
    """From `began` to `now`: what came, and what it says as it really was."""

    began: float
    now: float
    came: Mapping[int, Arrival]  # rows, by hour
    times: Sequence[NDArray[np.float64]]  # of these rows
    fresh: Sequence[Coming]
    arrived: Parts
    labelled: Parts
    minutely: Parts

    @property
    def parts(self) -> Parts:
        """In the order in which the daemon's tick bets on them."""
        return (*self.arrived, *self.labelled, *self.minutely)


def hear(
    labels: Labelling,
    came: Mapping[int, Arrival],
    fresh: Sequence[Coming],
    now: float,
    flipped: tuple[float, float] = (AS_IT_IS, 0.0),
) -> Parts:
    """Tell label windows of rows and labels that came by `now`; what closes. `flipped` is a share, and since when."""
    margins = labels.lookout.signals.margins
    size = margins.labels.stop - margins.labels.start
    nothing = np.zeros(size, np.int64)
    for hour, arrival in came.items():
        labels.add(hour, Said(int(arrival.cells[margins.rows]), 0, nothing))
    for each in fresh:
        for hour, said in each.said(size, *flipped):
            labels.add(hour, said)
    return labels.close(now)
