"""The band of every signal: where its share may lie while we promise silence, by the hour where it has a rhythm.

    centre(h) = c + sum over waves of a_k cos(2 pi k h / 168) + b_k sin(2 pi k h / 168)        h: hours since 1970, UTC
    band(h)   = centre(h) +- (sqrt(Wilson(centre(h), effective rows, 3)^2 + (z b)^2) + tau sqrt(p (1 - p)))

- *Sampling*: the reference is a sample. `rows` are effective rows: those which, drawn independently, would give the
  long-run standard error that was measured (rhythm_noise.py). Wilson's interval at z = 3 is centre +- 3 s.e. for
  ordinary shares, stays in [0, 1], and for a set that the reference never saw allows 9 / (n + 9), a little more than
  Clopper & Pearson's 6.6 / n at the same level; it has a closed form. Three standard errors are not simultaneous over
  hundreds of edges; tolerance and wander stand behind them, and that was measured: no false page in simulated months.
- *Tolerance*: tau sqrt(p (1 - p)), p the end of the sampling interval nearest to 1/2, so a set never seen has some.
- *Wander*: `wander` is b, the standard deviation by which shares of quarters, hours or four hours vary beyond the
  noise of their minutes; `reach` is z >= 3, Student's quantile at the number of memories that the history holds
  (rhythm_noise.py). Both are errors of what is to come about the centre, so their squares add: a prediction interval.
- *Waves*: k = 7, 14, 21 are the three harmonics of a day, the others those of a week. None: the band is constant.

A band that its own history would leave too often is tempered: its design effect is raised (rhythm_held.py).

A band is unknown (NaN, no bet) where the reference says too little, and `why` says so in words; one with waves also in
hours of which the history has no rows. The mean normal score of a column has a band of the same form around its mean,
in units of its own standard deviation.

Stored as coefficients of 6 digits, not as tables: 70 bytes a signal, 150 with waves. Cost: the bounds of an hour of
500 features take 7 ms of CPU (measured 2026-11); whoever asks often keeps them, at most `period` of them differ.

Source: Wilson 1927, J. Am. Stat. Assoc. 22:209; the form of the band is the one that did best of eight in our trials.
"""

from math import isfinite
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from monitor.panes.normal import mean_scores
from monitor.panes.volume import Volume, volume_fault

WEEK_H: Final = 168
DAY_H: Final = 24
DAILY: Final = (7, 14, 21)  # cycles a week
WEEKLY: Final = (*DAILY, 1, 2, 3, 6, 8)  # levels of the days, and another day at the week's end
BINS: Final = 22  # of a scored column: under, 20, over
Z: Final = 3.0  # standard errors, and the least standard deviations of wander

Doubles = NDArray[np.float64]


class Band(msgspec.Struct, frozen=True, array_like=True):
    """One signal's band. `centre` None: unknown, and `why` says it. `waves`: cos, sin of each of Rhythm.waves, or ().

    The same form serves mean normal scores: there `spread` is the standard deviation of one row's score; of a share it
    is sqrt(p (1 - p)).
    """

    centre: float | None
    rows: float  # effective
    spread: float
    wander: float  # standard deviation, in the unit of the centre
    design: float  # >= 1: variance of minute sums over that of independent rows, times the margin; 0: unknown
    error: float = 0.0  # long-run standard error of the centre, for people
    memory_h: float = 0.0  # hours after which a wander is 1/e of itself
    reach: float = Z  # standard deviations of wander that are allowed for
    waves: tuple[float, ...] = ()
    why: str = ""


class ScoredBins(msgspec.Struct, frozen=True, array_like=True):
    """One ordered column for normal scores: the `shares` of its 22 bins; the outer ones of half a row at least."""

    shares: tuple[float, ...]
    band: Band


class Rhythm(msgspec.Struct, frozen=True):
    """All bands of a reference, in the order of `monitor.panes.signals.Signals`."""

    waves: tuple[int, ...]  # cycles a week of the basis; (): no rhythm anywhere
    tolerance: float  # tau
    timed: bool  # whether the history's times were used
    why: str  # of an untimed one: what that costs; of a timed one ""
    signals: tuple[Band, ...]
    scored: tuple[ScoredBins, ...]
    volume: Volume | None = None  # None: nobody knows how many rows there should be
    unseen: tuple[int, ...] = ()  # hours of the period that the history has no rows of: there waves are a guess

    @property
    def period(self) -> int:
        """Hours after which the bands repeat: 1, 24 or 168."""
        if not self.waves:
            return 1
        return DAY_H if set(self.waves) <= set(DAILY) else WEEK_H

    def bounds(self, hour: int) -> "Bounds":
        """Bands in the hour that begins `hour` hours after 1970, UTC; the same for hours a period apart."""
        basis = wave_basis(self.waves, np.array([hour % self.period + 0.5]))[0]
        if hour % self.period in self.unseen:
            basis = np.full_like(basis, np.nan)
        centres, bands = _centres(self.signals, basis), _Numbers(self.signals)
        low, high = share_band(np.clip(centres, 0.0, 1.0), bands.rows, bands.wander, bands.reach, self.tolerance)
        scored = tuple(each.band for each in self.scored)
        middles, widths = _centres(scored, basis), _Numbers(scored)
        half = score_half(widths.spread, widths.rows, widths.wander, widths.reach, self.tolerance)
        shares = np.array([each.shares for each in self.scored]).reshape(-1, BINS)
        return Bounds(
            low, high, bands.design, middles - half, middles + half, shares, mean_scores(shares), widths.design
        )


class Bounds(msgspec.Struct, frozen=True, eq=False):
    """The bands of one hour: NaN is unknown, no bet. `low` may be 0 and `high` 1: nothing can be beyond them.

    Rows say less than their number by `design` >= 1: a multiplier of independent rows is tempered by 1 / design. NaN is
    unknown: only bets that hold under any dependence inside a tick may be made.
    """

    low: Doubles  # f8[S]
    high: Doubles
    design: Doubles
    score_low: Doubles  # f8[C], of the mean normal score
    score_high: Doubles
    score_shares: Doubles  # f8[C, 22], of the whole reference; rows sum to 1
    score_z: Doubles  # f8[C, 22], the normal score of each bin
    score_design: Doubles  # f8[C]


def rhythm_fault(rhythm: Rhythm) -> str:
    """Say what makes a stored rhythm unusable, or nothing."""
    if rhythm.waves not in ((), DAILY, WEEKLY) or not 0 <= rhythm.tolerance < 1:
        return "the rhythm's waves or tolerance are none"
    if list(rhythm.unseen) != sorted(set(rhythm.unseen) & set(range(rhythm.period))):
        return "the rhythm's hours are none"
    if any(len(each.shares) != BINS or not 0.99 < sum(each.shares) < 1.01 for each in rhythm.scored):
        return "shares of scored bins do not add up"
    if why := volume_fault(rhythm.volume):
        return why
    bands = (*rhythm.signals, *(each.band for each in rhythm.scored))
    return "" if all(_is_sound(band, 2 * len(rhythm.waves)) for band in bands) else "a band contradicts itself"


def _is_sound(band: Band, waves: int) -> bool:
    numbers = (band.rows, band.spread, band.wander, band.design, band.error, band.memory_h, band.reach, *band.waves)
    if not all(map(isfinite, numbers)) or min(numbers[:7]) < 0 or 0 < band.design < 1:
        return False
    if band.centre is None:
        return bool(band.why)
    return isfinite(band.centre) and band.rows > 0 and len(band.waves) in (0, waves)


class _Numbers:
    """The numbers of bands as columns, NaN where the band is unknown."""

    def __init__(self, bands: tuple[Band, ...]) -> None:
        known = np.array([band.centre is not None for band in bands], np.bool_)
        self.rows = np.where(known, [max(band.rows, 1.0) for band in bands], np.nan)
        self.spread = np.array([band.spread for band in bands])
        self.wander = np.array([band.wander for band in bands])
        self.reach = np.array([band.reach for band in bands])
        self.design = np.array([band.design or np.nan for band in bands])


def wave_basis(waves: tuple[int, ...], hours: Doubles) -> Doubles:
    """Cosine and sine of each wave at `hours` f8[T] since 1970: f8[T, 2 len(waves)]."""
    angle = 2 * np.pi / WEEK_H * np.multiply.outer(hours % WEEK_H, np.array(waves, float))
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1).reshape(len(hours), -1)


def share_band(
    centre: Doubles, rows: Doubles, wander: Doubles, reach: Doubles, tolerance: float
) -> tuple[Doubles, Doubles]:
    """Lowest and highest share in [0, 1] of the promise, around `centre` in [0, 1] of so many effective rows."""
    square = Z * Z
    middle = (centre * rows + square / 2) / (rows + square)
    half = Z * np.sqrt(rows * centre * (1 - centre) + square / 4) / (rows + square)
    low, high = np.where(centre <= 0, 0.0, middle - half), np.where(centre >= 1, 1.0, middle + half)
    unknown = np.isnan(rows) | np.isnan(centre)
    low, high = np.where(unknown, np.nan, low), np.where(unknown, np.nan, high)
    nearest = np.clip(0.5, low, high)
    beyond = np.sqrt(half**2 + (reach * wander) ** 2) - half
    slack = tolerance * np.sqrt(nearest * (1 - nearest)) + beyond
    return np.clip(low - slack, 0.0, 1.0), np.clip(high + slack, 0.0, 1.0)


def score_half(spread: Doubles, rows: Doubles, wander: Doubles, reach: Doubles, tolerance: float) -> Doubles:
    """Half of the band of a mean normal score."""
    half: Doubles = np.sqrt((Z * spread) ** 2 / rows + (reach * wander) ** 2) + tolerance * spread
    return half


def _centres(bands: tuple[Band, ...], basis: Doubles) -> Doubles:
    centres = np.array([np.nan if band.centre is None else band.centre for band in bands], float)
    moving = [i for i, band in enumerate(bands) if band.waves]
    if moving:
        centres[moving] += np.array([bands[i].waves for i in moving]) @ basis
    return centres
