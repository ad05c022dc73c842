"""Holds a band to its own history: what was learned is bet against once more, over the very slots it was learned from.

A band reaches z standard deviations of wander, as if what wanders were normal. Shares of all or nothing are not: rain
falls on every flight of some hours and on none of the others, so a share p is 1 in the share p of the hours, which is
sqrt((1 - p) / p) standard deviations away: more than 3 for p below a tenth. The band cannot hold such hours, and the
design effect, measured inside hours, sees nothing that varies in them. What hangs together for a whole storm is then
bet on as if each row were news.

So every lane (a direction of a signal) is replayed as the e-detector bets, slot by slot, at weight 1:

    R <- R L ;  compare with A = 30 days of minutes ;  R <- R + minutes         L: the mean over the bets of tilts.py

A lane that stays below A pages under no ledger whose page budget is A or rarer: sum w_j R_j <= max R_j < A. One that
does not is tempered further: its design effect d becomes f d with the least f = 1.25^k for which

    R < A all along, and for each bet the mean over all windows of a day of exp(sum of log L / f) is at most 1

which is what makes a multiplier fair, E[L | past] <= 1, where days are the independent pieces: hours of rain count as
one piece of news, however many flights met them. The price where nothing is wrong: by the promise itself at most T / A
of the lanes of a history of T minutes reach A, one in four for a week at the very edge of their bands, and hardly any
where they have a band's width of room.

Tempered so far that not even all rows beyond the band, for as long as the history lasts, would reach A, a band says
nothing: it is unknown. Only what bets by likelihood ratios is replayed: signals of minutes are not (rhythm_volume.py).

Replayed are slots and not minutes: sums of log L are the same, and what a minute adds in between is at most a slot's.
Cost: a comparison of every slot, 0.1 ms for 20 signals and a week; the replay itself only of lanes that can reach A.
Source: detection.md section 2, "choose d so that mean L <= 1 on reference ticks".
Failure mode: a history without a storm knows of none; and one storm in it is as good as a habit.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Flags = NDArray[np.bool_]
Places = NDArray[np.intp]

PAGE_MINUTES: Final = 43_200.0  # A: one false page in 30 days
DAY_H: Final = 24.0
WAITED_H: Final = 24.0  # a lane is given at most after a silence
STEP: Final = 1.25
STEPS_MAX: Final = 60  # f up to 650,000
_LOG_A: Final = float(np.log(PAGE_MINUTES))


@dataclass(frozen=True, slots=True, eq=False)
class Lanes:
    """One direction of each of s signals over T slots: log L = (eta y - n b) / d, eta and b by bet."""

    shown: Doubles  # y f8[T, s]
    rows: Doubles  # n f8[T]
    hours: Doubles  # of the slots since 1970, f8[T], ascending
    place: Places  # of each slot among P hours, intp[T]
    etas: tuple[float, ...]
    cost: Doubles  # b f8[bets, P, s]; NaN where nothing is bet
    design: Doubles  # d f8[s] >= 1

    def tempered(self) -> Doubles:
        """The factor f >= 1 f8[s] that each needs to hold this history; infinite where none leaves anything to say."""
        factors = np.ones(self.shown.shape[1])
        held = np.flatnonzero(self.rows > 0)
        if len(held) < 2:
            return factors
        rows, place, hours = self.rows[held], self.place[held], self.hours[held]
        shown = self.shown[held]
        gains = (self.etas[0] * shown > rows[:, np.newaxis] * self.cost[0][place]).any(axis=0)
        etas = np.array(self.etas)[:, np.newaxis]
        slot_h = float(np.diff(self.hours).min())
        given = np.minimum(np.diff(hours, prepend=hours[0] - slot_h), WAITED_H) * 60
        for lane in np.flatnonzero(gains).tolist():
            costs = rows * self.cost[:, place, lane]
            logs = (etas * shown[:, lane] - costs) / self.design[lane]
            if _may_reach(logs, float(given.sum())):
                most = (etas * rows - costs) / self.design[lane]
                factors[lane] = _factor(_Replay(logs, given, hours, float(most.sum(axis=1).max())))
        return factors


def _may_reach(logs: Doubles, minutes: float) -> bool:
    """Whether any bet could: R is at most all minutes times the greatest gain of any stretch."""
    told = np.concatenate((np.zeros((len(logs), 1)), np.cumsum(logs, axis=1)), axis=1)
    gained = told - np.minimum.accumulate(told, axis=1)
    return bool(gained.max() + np.log(minutes) >= _LOG_A)


@dataclass(frozen=True, slots=True, eq=False)
class _Replay:
    """A lane that may reach A: its `logs` f8[bets, T], minutes `given` f8[T] after each; log L of all rows beyond."""

    logs: Doubles
    given: Doubles
    hours: Doubles
    most: float

    def holds(self, factor: float) -> bool:
        """Whether R stays below A."""
        told = np.cumsum(self.logs / factor, axis=1)
        since = np.logaddexp.accumulate(np.log(self.given) - told, axis=1)
        evidence = np.logaddexp.reduce(told[:, 1:] + since[:, :-1], axis=0) - np.log(len(told))
        return bool(evidence.max() < _LOG_A)

    def is_fair(self, factor: float) -> bool:
        """Whether no bet gains on average over the windows of a day that lie inside the history."""
        told = np.concatenate((np.zeros((len(self.logs), 1)), np.cumsum(self.logs / factor, axis=1)), axis=1)
        inside = np.flatnonzero(self.hours <= self.hours[-1] - DAY_H)
        ends = np.searchsorted(self.hours, self.hours[inside] + DAY_H)
        if not len(inside):
            return True
        gained = told[:, ends] - told[:, inside]
        return bool((np.logaddexp.reduce(gained, axis=1) <= np.log(len(inside))).all())


def _factor(replay: _Replay) -> float:
    if replay.holds(1.0):
        return 1.0
    for step in range(1, STEPS_MAX + 1):
        factor = STEP**step
        if replay.most / factor < _LOG_A:
            break
        if replay.holds(factor) and replay.is_fair(factor):
            return factor
    return np.inf
