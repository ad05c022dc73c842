"""Holds a band to its own history: what was learned is bet against once more, over the very slots it was learned from.

A band reaches z standard deviations of wander, as if what wanders were normal. Shares of all or nothing are not: rain
falls on every flight of some hours and on none of the others, so a share p is 1 in the share p of the hours, which is
sqrt((1 - p) / p) standard deviations away: more than 3 for p below a tenth. The band cannot hold such hours, and the
design effect, measured inside hours, sees nothing that varies between them. What hangs together for a whole storm is
then bet on as if each row were news.

So every lane (a direction of a signal) is replayed as the e-detector bets, slot by slot, at weight 1:

    R <- R L ;  compare with 20 T ;  R <- R + minutes         L: the mean over the bets of tilts.py, T all minutes

While the band holds E[R] <= T, so a fair lane gets there in at most one history of twenty (Ville), and hardly ever
where it has a band's width of room. One that does is tempered: its design effect d becomes f d with the least
f = 1.25^k for which R stays below, and for each bet

    the mean of (X - 1) over excursions with X > 1 is at most 1         X: how far sum of log L / f rises before it is 0

which is how a fair bet's excursions look: P(e^X >= x) <= 1 / x makes X at most exponential of mean 1. Spells of rain
then count as pieces of news, the usual one for about a factor e, however many flights it met.

Tempered so far that not even all rows beyond the band, for as long as the history lasts, would get there, a band says
nothing: it is unknown. Only what bets by likelihood ratios is replayed; signals of minutes are not (rhythm_volume.py).

Replayed are slots and not minutes: sums of log L are the same, and what a minute adds in between is at most a slot's.
Cost: 50 columns and a week 0.1 s of CPU (measured 2026-11), most of it comparing slots with bands; replayed are only
lanes that gain enough. Memory: as much again as one column's slots in doubles, and one lane's, thrice.
Source: Ville 1939. A design effect is chosen so that the mean of L over the reference's own ticks is at most 1.
Failure mode: a history without a storm knows of none; and one storm in it is taken for a habit.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Places = NDArray[np.intp]

HISTORIES: Final = 20.0  # one fair lane of so many is tempered for nothing, at most
WAITED_H: Final = 24.0  # a lane is given at most after a silence, as in sequential/process.py
STEP: Final = 1.25
STEPS_MAX: Final = 60  # f up to 650,000


@dataclass(frozen=True, slots=True, eq=False)
class Lanes:
    """One direction of each of s signals over T slots: log L = (eta y - n b) / d, eta and b by bet."""

    shown: Doubles  # y f8[T, s]
    rows: Doubles  # n f8[T]
    hours: Doubles  # of the slots since 1970, f8[T], ascending and equally far apart
    place: Places  # of each slot among P hours, intp[T]
    etas: tuple[float, ...]
    cost: Doubles  # b f8[bets, P, s]
    design: Doubles  # d f8[s] >= 1

    def tempered(self) -> Doubles:
        """The factor f >= 1 f8[s] that each needs to hold this history; infinite where none leaves anything to say."""
        factors = np.ones(self.shown.shape[1])
        held = np.flatnonzero(self.rows > 0)
        if len(held) < 2:
            return factors
        rows, place, hours, shown = self.rows[held], self.place[held], self.hours[held], self.shown[held]
        slot_h = float(self.hours[1] - self.hours[0])
        given = np.minimum(np.diff(hours, prepend=hours[0] - slot_h), WAITED_H) * 60
        gains = (self.etas[0] * shown > rows[:, np.newaxis] * self.cost[0][place]).any(axis=0)
        etas = np.array(self.etas)[:, np.newaxis]
        for lane in np.flatnonzero(gains).tolist():
            costs = rows * self.cost[:, place, lane]
            replay = Replay((etas * shown[:, lane] - costs) / self.design[lane], given)
            if replay.may_reach and replay.reaches(1.0):
                most = float(((etas * rows - costs) / self.design[lane]).sum(axis=1).max())
                factors[lane] = _factor(replay, most)
        return factors


@dataclass(frozen=True, slots=True, eq=False)
class Replay:
    """One lane's log L f8[bets, T] by slot, and the minutes `given` f8[T] after each."""

    logs: Doubles
    given: Doubles

    @property
    def level(self) -> float:
        """Logarithm of the minutes that R is compared with."""
        return float(np.log(HISTORIES * self.given.sum()))

    @property
    def may_reach(self) -> bool:
        """Whether any bet could: R is at most all minutes times the greatest gain."""
        return bool(_climb(np.cumsum(self.logs, axis=1)).max() >= np.log(HISTORIES))

    def reaches(self, factor: float) -> bool:
        """Whether R does, with all log L divided by `factor`."""
        told = np.cumsum(self.logs / factor, axis=1)
        since = np.logaddexp.accumulate(np.log(self.given) - told, axis=1)
        evidence = np.logaddexp.reduce(told[:, 1:] + since[:, :-1], axis=0) - np.log(len(told))
        return bool(evidence.max() >= self.level)

    def is_fair(self, factor: float) -> bool:
        """Whether excursions that gain more than 1 go beyond it by at most 1 on average, bet by bet."""
        return all(_mean_excess(climbed) <= 1 for climbed in _climb(np.cumsum(self.logs, axis=1) / factor))


def _climb(told: Doubles) -> Doubles:
    """How far sums f8[bets, T] stand above the least so far, 0 before the first included."""
    climbed: Doubles = told - np.minimum.accumulate(np.minimum(told, 0.0), axis=1)
    return climbed


def _mean_excess(climbed: Doubles) -> float:
    """The mean beyond 1 of the greatest of each run above 0, of those beyond 1; 0 where there is none."""
    edges = np.flatnonzero(np.diff(climbed > 0, prepend=False))
    if not len(edges):
        return 0.0
    greatest = np.maximum.reduceat(climbed, edges)
    beyond = greatest[greatest > 1] - 1
    return float(beyond.mean()) if len(beyond) else 0.0


def _factor(replay: Replay, most: float) -> float:
    """The least that holds; `most` is log L of the whole history if all rows lay beyond the band."""
    for step in range(1, STEPS_MAX + 1):
        factor = STEP**step
        if most / factor < replay.level:
            break
        if not replay.reaches(factor) and replay.is_fair(factor):
            return factor
    return float(np.inf)
