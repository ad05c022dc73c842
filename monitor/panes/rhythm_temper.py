"""How much the bands of a group must be tempered: their edges by the hour, and the bets against them.

Here a group of signals becomes lanes, one a direction, as `rhythm_held.py` replays them: what each slot showed, and
what a row costs in each hour of the period. A direction that nobody watches, or that no bet can be made in, tempers
nothing.
"""

import numpy as np
from numpy.typing import NDArray

from monitor.panes.normal import mean_scores
from monitor.panes.rhythm import DAY_H, WEEK_H, WEEKLY, score_half, share_band, wave_basis
from monitor.panes.rhythm_groups import Group
from monitor.panes.rhythm_held import Lanes
from monitor.panes.rhythm_kin import Kinds, Measured
from monitor.panes.rhythm_season import Season
from monitor.panes.tilts import EDGE_MIN, ETAS, SCORE_ETAS, score_costs, share_costs

Doubles = NDArray[np.float64]


def find_edges(group: Group, season: Season, measured: Measured, tolerance: float) -> tuple[Doubles, Doubles]:
    """Lowest and highest of the promise in each hour of the period, f8[P, s]."""
    period = (1, DAY_H, WEEK_H)[int(season.level.max(initial=0))]
    hours: Doubles = np.arange(period, dtype=np.float64) + 0.5
    centre: Doubles = season.centre + wave_basis(WEEKLY, hours) @ season.waves.T
    given = (measured.rows, measured.wander, np.float64(measured.reach))
    rows, wander, reach = (np.broadcast_to(each, centre.shape) for each in given)
    if group.is_share:
        return share_band(np.clip(centre, 0.0, 1.0), np.maximum(rows, 1.0), wander, reach, tolerance)
    half = score_half(np.sqrt(group.variance), np.maximum(rows, 1.0), wander, reach, tolerance)
    return centre - half, centre + half


def temper(group: Group, edges: tuple[Doubles, Doubles], designs: Doubles, kinds: Kinds) -> Doubles:
    """Factors >= 1 f8[s] of the design effects with which the bands hold their own history; infinite: none does."""
    slots, factors = group.slots, np.ones(len(designs))
    place = np.floor(slots.hours).astype(np.int64) % len(edges[0])
    etas = ETAS if group.is_share else SCORE_ETAS
    for edge, falls, watched in ((edges[1], False, kinds.rises), (edges[0], True, kinds.falls)):
        shown, costs = _bets(group, edge, falls=falls)
        mine = np.flatnonzero(watched & ~np.isnan(costs).any(axis=(0, 1)))
        lanes = Lanes(shown[:, mine], slots.rows, slots.hours, place, etas, costs[:, :, mine], designs[mine])
        factors[mine] = np.maximum(factors[mine], lanes.tempered())
    return factors


def _bets(group: Group, edge: Doubles, *, falls: bool) -> tuple[Doubles, Doubles]:
    """What the slots show f8[T, s] of one direction, and what a row costs f8[bets, P, s], NaN where nothing is bet."""
    if group.bins is not None:
        return _score_bets(group, group.bins, edge, -1.0 if falls else 1.0)
    shown = group.slots.rows[:, np.newaxis] - group.slots.sums if falls else group.slots.sums
    edge = 1 - edge if falls else edge
    return shown, share_costs(np.where(edge < 1 - EDGE_MIN, np.maximum(edge, EDGE_MIN), np.nan))


def _score_bets(group: Group, bins: Doubles, edge: Doubles, sign: float) -> tuple[Doubles, Doubles]:
    shares, z = (np.repeat(each, len(edge), axis=0) for each in (bins, sign * mean_scores(bins)))
    known, costs = score_costs(shares, z, sign * edge[:, 0])
    return sign * group.slots.sums, np.where(known, costs, np.nan)[:, :, np.newaxis]
