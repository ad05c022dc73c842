"""Fits the bands of signals learned together: their season, what it leaves, and what that makes of a width.

`rhythm_season.py` finds the day or week of a group, `rhythm_noise.py` what is left. The noise of a signal by itself
(`see`) comes before its band (`learn_group`), because what all columns show together stands between the two.

Design effects of a handful of hours are noisy: that of a signal is no less than the median of its column's. They are
raised by a tenth, because tempering at the design effect itself left multipliers of up to 12 on average in simulated
sessions; and where the history itself would reach a page, until it does not (rhythm_temper.py).
"""

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.panes.normal import normal_density, normal_quantile
from monitor.panes.rhythm import DAILY, DAY_H, WEEKLY, Band
from monitor.panes.rhythm_bands import Learning, short, told, unknown
from monitor.panes.rhythm_groups import Group
from monitor.panes.rhythm_kin import Flags, Kin, Kinds, Measured
from monitor.panes.rhythm_noise import TICKS_H, Common, Noise, Raw, judge, look, tick_design, tick_hours, within
from monitor.panes.rhythm_season import Season, Slots, fit_season
from monitor.panes.rhythm_temper import find_edges, temper

Doubles = NDArray[np.float64]

DESIGN_MARGIN: Final = 1.1
MINUTES_H: Final = 0.25  # the longest tick that the table of minutes shows
NOT_HELD: Final = (
    "its own history leaves the band for hours on end: rows hang together so long that not even all of them beyond the "
    "band, for as long as the history lasts, would tell a change"
)
_WAVES: Final = ((), DAILY, WEEKLY)  # by level of Season


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A group, its rhythm, and what is left by itself."""

    group: Group
    season: Season
    raw: Raw


def see(group: Group) -> Seen:
    """See what a group shows by itself."""
    season = fit_season(group.slots)
    left = _left(group.slots, season)
    squares = _squares_left(group, season)
    raw = look(left, group.variance, within(squares, left), _tick_design(group, left, squares))
    return Seen(group, season, raw)


def _left(slots: Slots, season: Season) -> Slots:
    """What the season does not explain."""
    return replace(slots, sums=slots.sums - slots.rows[:, np.newaxis] * season.expected)


def _squares_left(group: Group, season: Season) -> Doubles:
    """Sums f8[T, s] of the squares of rows around what the season expects."""
    held, expected = group.slots.rows[:, np.newaxis], season.expected
    found: Doubles = group.squares - 2 * expected * group.slots.sums + held * expected**2
    return found


def _tick_design(group: Group, left: Slots, squares: Doubles) -> Doubles:
    """The design effect of ticks: of minutes within their hour, or where rows are few of slots within their day."""
    tick_h = tick_hours(group.slots)
    if tick_h <= MINUTES_H or left.slot_h > TICKS_H[-1]:
        width = max(1, round(min(tick_h, MINUTES_H) * 60))
        sums = group.minute_sums.reshape(len(group.minute_sums), -1, width, len(group.variance)).sum(axis=2)
        rows = group.minute_rows.reshape(len(group.minute_rows), -1, width).sum(axis=2)
        return tick_design(sums, rows, group.minute_squares)
    days = math.ceil(len(left.rows) * left.slot_h / DAY_H)
    width = max(1, round(tick_h / left.slot_h))
    by_day = [
        _by_day(each, days, round(DAY_H / left.slot_h)) for each in (left.sums, left.rows[:, np.newaxis], squares)
    ]
    sums, rows = (each.reshape(days, -1, width, each.shape[-1]).sum(axis=2) for each in by_day[:2])
    return tick_design(sums, rows[:, :, 0], by_day[2].sum(axis=1))


def _by_day(slots: Doubles, days: int, each: int) -> Doubles:
    """Slots f8[T, s] by day, f8[days, each, s]; the last day is filled with nothing."""
    missing = days * each - len(slots)
    return np.concatenate((slots, np.zeros((missing, slots.shape[1])))).reshape(days, each, -1)


def learn_group(seen: Seen, common: Common, learning: Learning, kinds: Kinds) -> tuple[list[Band], Kin | None]:
    """The bands of a group, those that borrow no narrower than `kinds.lent` says; and what it can lend."""
    group, total = seen.group, float(seen.group.slots.rows.sum())
    noise = judge(seen.raw, common, _lean(group, kinds.cuts))
    measured = _measure(seen, total, noise, learning)
    if kinds.lent is not None:
        measured = kinds.lent.lend(total, measured, kinds.borrows)
    edges = find_edges(group, seen.season, measured, learning.tolerance)
    measured = replace(measured, design=measured.design * temper(group, edges, measured.design, kinds))
    bands = [_tell(_band(seen, measured, at), learning, is_share=group.is_share) for at in range(len(group.variance))]
    return bands, Kin.of(total, measured, group.variance)


def _lean(group: Group, cuts: Flags) -> Doubles:
    """How far each signal moves with the mean normal score: a cut by the normal density at its share."""
    if not group.is_share:
        return np.ones(len(group.variance))
    share = group.slots.sums.sum(axis=0) / max(float(group.slots.rows.sum()), 1.0)
    return np.where(cuts & (group.variance > 0), normal_density(normal_quantile(share)), np.nan)


def _measure(seen: Seen, total: float, noise: Noise, learning: Learning) -> Measured:
    """Give a width's parts as the noise shows them; rows are worth no more than their number."""
    variance = seen.group.variance
    errors = np.sqrt(noise.error**2 + seen.season.variance)
    worth = np.minimum(total, np.divide(variance, errors**2, out=np.full(len(variance), total), where=errors > 0))
    designs = np.array(_designs(noise, learning))
    return Measured(worth, noise.wander, designs, errors, noise.memory_h, noise.reach)


def _designs(noise: Noise, learning: Learning) -> list[float]:
    """Raise what was measured to the column's median, and by a tenth; what is assumed stays."""
    if np.isnan(noise.design).all():
        return [learning.design] * len(noise.design)
    least = max(1.0, float(np.nanmedian(noise.design)))
    return [DESIGN_MARGIN * max(least, design) for design in np.fmax(noise.design, least).tolist()]


def _band(seen: Seen, measured: Measured, at: int) -> Band:
    season = seen.season
    waves = season.waves[at, : 2 * len(_WAVES[int(season.level[at])])]
    return Band(
        short(float(season.centre[at])),
        short(float(measured.rows[at])),
        short(float(seen.group.variance[at]) ** 0.5),
        short(float(measured.wander[at])),
        short(float(measured.design[at])),
        short(float(measured.error[at])),
        short(measured.memory_h),
        short(measured.reach),
        tuple(short(float(wave)) for wave in waves),
    )


def _tell(band: Band, learning: Learning, *, is_share: bool) -> Band:
    """Give the band; too wide or tempered without end, say why there is none."""
    found = told(band, learning, is_share=is_share)
    return unknown(NOT_HELD) if found.centre is not None and math.isinf(found.design) else found
