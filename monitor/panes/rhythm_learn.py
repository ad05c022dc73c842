"""Learns the band of every signal from the history's tables; what is learned and why stands in rhythm.py.

Signals that are shares of the same rows are learned together, a column at a time: `rhythm_season.py` finds their day or
week, `rhythm_noise.py` what is left. Mean normal scores go the same way, with sums of scores in the place of counts.

Without times, or with less than two days of them, nobody can tell an evening from a drift. The band is then the
sampling error of as many rows as the history holds, divided by a design effect that is assumed and not measured, plus
the tolerance; the caller must say so, loudly (`Rhythm.why`).

A band as wide as .8 of all rows (2.6 standard deviations of a mean score) would promise nothing: it is unknown. So is
one of fewer than 30 rows.

Design effects of a handful of hours are noisy: that of a signal is no less than the median of its column's. They are
raised by a tenth, because tempering at the design effect itself left multipliers of up to 12 on average in simulated
sessions; and where the history itself would reach a page, until it does not (rhythm_held.py).

Sets that no row of the history fell into (under, over, unseen) show no dependence of their own, and a warm day is not a
thousand independent rows above the warmest of March. They borrow it from the column's cuts or categories, by their
medians: how many rows are worth one (T / effective rows), the correlation of rows in a pane b^2 / p (1 - p), the design
effect. With u = 9 / (n + 9), the Wilson limit at n effective rows, b is then sqrt(correlation u (1 - u)). What is wrong
with values at all (missing, invalid, non-finite) borrows nothing: it comes from elsewhere.

Cost: 500 features, 7 days, 2.3 s of CPU (measured 2026-11). Memory: one column's slots in doubles, 2 MB at 10,000.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from monitor.panes.layout import Layout
from monitor.panes.normal import mean_scores, normal_density, normal_quantile
from monitor.panes.rhythm import (
    DAILY,
    DAY_H,
    WEEK_H,
    WEEKLY,
    Band,
    Rhythm,
    ScoredBins,
    Z,
    score_half,
    share_band,
    wave_basis,
)
from monitor.panes.rhythm_count import DAY_S, HOUR_S, MEMORY, Tally
from monitor.panes.rhythm_held import Lanes
from monitor.panes.rhythm_labels import complete_labels
from monitor.panes.rhythm_noise import TICKS_H, Common, Noise, Raw, judge, look, tick_design, tick_hours, within
from monitor.panes.rhythm_season import Season, Slots, fit_season
from monitor.panes.rhythm_volume import Learned, learn_volume
from monitor.panes.signals import Counted, Signal, Signals, What
from monitor.panes.tilts import EDGE_MIN, ETAS, SCORE_ETAS, score_costs, share_costs
from monitor.panes.volume import ITEMS, Volume

Doubles = NDArray[np.float64]
Counts = NDArray[np.int64]
Flags = NDArray[np.bool_]

DESIGN_MARGIN: Final = 1.1
NO_MINUTES: Final = "the history has no two days of minutes"
SPAN_S_MIN: Final = 2 * DAY_S
ROWS_MIN: Final = 30
WIDTH_MAX: Final = 0.8  # of a share's band: around a half, up to 1.3 standard deviations of the column
SCORE_WIDTH_MAX: Final = 2.6  # of a mean score's, in standard deviations
MINUTES_H: Final = 0.25  # the longest tick that the table of minutes shows
_DIGITS: Final = 6
_WAVES: Final = ((), DAILY, WEEKLY)  # by level of Season
_TOGETHER: Final = 256  # signals learned at once
NOT_HELD: Final = (
    "its own history leaves the band for hours on end: rows hang together so long that not even all of them beyond the "
    "band, for as long as the history lasts, would tell a change"
)
_MEAN: Final = [(False, False, True, True)]  # a score is no signal: nor cut nor borrower, watched both ways
_BORROWERS: Final = (What.UNDER, What.OVER, What.UNSEEN)


@dataclass(frozen=True, slots=True)
class Learning:
    """How bands are learned.

    `tolerance` is tau in [0, 1): shifts below about 1.25 tau standard deviations are ignored. `design` >= 1 is assumed
    where nothing can be measured: 4 is what sessions of ten rows have that agree at 0.3. `memory` in bytes is that of
    the tables. `repeats` is the share of
    predictions that may come twice; `whole` says that the history is all of the traffic and not a sample of it: only
    then does it tell how many rows to expect.
    """

    tolerance: float = 0.04
    design: float = 4.0
    memory: int = MEMORY
    repeats: float = 0.02
    whole: bool = True

    def __post_init__(self) -> None:
        """Refuse what would make every band wrong."""
        if not (0 <= self.tolerance < 1 and self.design >= 1 and self.memory > 0 and 0 <= self.repeats < 1):
            msg = "tolerance and repeats must be in [0, 1), the design effect at least 1, memory positive"
            raise ValueError(msg)


DEFAULT_LEARNING: Final = Learning()


@dataclass(frozen=True, slots=True, eq=False)
class _Group:
    """Signals learned together: their slots, the same of minutes (f8[H, 60, s] over f8[H, 60]), and their rows."""

    slots: Slots
    squares: Doubles  # f8[T, s], of the rows' values
    minute_sums: Doubles
    minute_rows: Doubles
    minute_squares: Doubles  # f8[H, s]
    variance: Doubles  # f8[s], of one row
    is_share: bool
    bins: Doubles | None = None  # f8[1, B], the column's shares, where sums are of their normal scores


@dataclass(frozen=True, slots=True)
class _Kin:
    """What a column lends to the sets it never fell into."""

    alike: float  # >= 1: rows that are worth one
    correlation: float  # [0, 1], of rows in one pane
    design: float

    @classmethod
    def of(cls, total: float, worth: Doubles, wander: Doubles, designs: Doubles, variance: Doubles) -> "_Kin | None":
        """The medians of the signals that vary; None where none does."""
        some = variance > 0
        if not some.any():
            return None
        correlation = np.minimum(wander[some] ** 2 / variance[some], 1.0)
        return cls(
            float(np.median(total / np.maximum(worth[some], 1e-9))),
            float(np.median(correlation)),
            float(np.median(designs[some])),
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Kinds:
    """Which signals of a group are cuts, which borrow, which directions are watched, bool[s]; and who lends."""

    cuts: Flags
    borrows: Flags
    rises: Flags
    falls: Flags
    lent: _Kin | None

    @classmethod
    def of(cls, signals: Sequence[Signal], lent: _Kin | None) -> "_Kinds":
        told = [(each.what is What.ABOVE, each.what in _BORROWERS, each.rises, each.falls) for each in signals]
        cuts, borrows, rises, falls = np.array(told or _MEAN, np.bool_).T
        return cls(cuts, borrows, rises, falls, lent)

    @classmethod
    def of_minutes(cls, many: int) -> "_Kinds":
        """Of signals whose rows are minutes: bet on by ticks alone, so their history is not replayed."""
        none = np.zeros(many, np.bool_)
        return cls(none, none, none, none, None)


def _enough(group: _Group) -> bool:
    return bool(group.slots.rows.sum() >= ROWS_MIN)


def _too_few(group: _Group) -> list[Band]:
    why = f"{group.slots.rows.sum():.0f} rows of the history had a value"
    return [_unknown(why)] * group.slots.sums.shape[1]


def learn_rhythm(layout: Layout, tally: Tally | None, learning: Learning) -> Rhythm:
    """Learn the bands of a layout whose reference has its counts; `tally` None: the history had no times."""
    table = Signals.table(layout)
    why = _unusable(tally)
    cells = table.margins.sum(np.array(layout.reference.counts, np.int64))
    counted = table.read(cells)
    shares = _smooth(counted.bins)
    if tally is None or why:
        signals = [_untimed(x / max(n, 1), n, learning) for x, n in zip(counted.x, counted.n, strict=True)]
        signals = _assume(table, signals, counted, learning)
        signals[table.minutes] = [_unknown(NO_MINUTES)] * len(signals[table.minutes])
        scored = _untimed_scores(shares, counted.bins.sum(axis=1), learning)
        return _rhythm(learning, why, signals, scored, shares)
    groups = [_score_group(table, tally, at, shares[at]) for at in range(len(shares))]
    looks = [_look(group) if _enough(group) else None for group in groups]
    common = Common.of([seen[1] for seen in looks if seen is not None])
    scored = [
        _too_few(group)[0] if seen is None else _learn(group, seen, common, learning, _Kinds.of((), None))[0][0]
        for group, seen in zip(groups, looks, strict=True)
    ]
    found: dict[int, Band] = {}
    kin: dict[str, _Kin | None] = {}
    for places, group in _groups(table, tally):
        of = [table.signals[place] for place in places]
        bands, own = _too_few(group), None
        if _enough(group):
            kinds = _Kinds.of(of, kin.get(of[0].column))
            bands, own = _learn(group, _look(group), common, learning, kinds)
        kin.setdefault(of[0].column, own)
        found |= dict(zip(places, bands, strict=True))
    volume, minutes = _learn_minutes(table, tally, common, learning)
    found |= dict(zip(range(len(table.signals))[table.minutes], minutes, strict=True))
    signals = _assume(table, [found[place] for place in range(len(found))], counted, learning)
    rhythm = _rhythm(learning, "", signals, scored, shares)
    return msgspec.structs.replace(rhythm, volume=volume, unseen=_unseen(tally, rhythm.period))


def _assume(table: Signals, signals: list[Band], counted: Counted, learning: Learning) -> list[Band]:
    """Put in what no history tells: of labels (rhythm_labels.py), and how many ids come again.

    All of the room is wander, so no traffic narrows it; requests are sent again whole, so no design effect is known.
    """
    at = next(place for place, signal in enumerate(table.signals) if signal.what is What.REPEATED)
    rows = max(int(counted.n[at]), 1)
    band = Band(0.0, float(rows), 0.0, _short(learning.repeats / Z), 0.0)
    found = [band if place == at else each for place, each in enumerate(signals)]
    told = table.margins.layout.reference.labelled
    mine = table.signals[table.labels]
    found[table.labels] = complete_labels(mine, found[table.labels], labelled=told, design=learning.design)
    return found


def _learn_minutes(
    table: Signals, tally: Tally, common: Common, learning: Learning
) -> tuple[Volume | None, list[Band]]:
    """Bands of the signals whose rows are minutes, and what is usual of the volume.

    Of a minute nothing comes but yes or no, so bets need no design effect, and the exact ones are the strongest.
    """
    enough = learning.whole and int(tally.rows.sum()) >= ROWS_MIN
    found = learn_volume(tally.arrivals, tally.first_minute) if enough else None
    stale = [_learn_stale(table, tally, column, rows) for column, rows in enumerate(table.stale_rows)]
    if found is None:
        why = NO_MINUTES if learning.whole else "the history is a sample of the traffic"
        return None, [*([_unknown(why)] * len(ITEMS)), *stale]
    group = _volume_group(found)
    kinds = _Kinds.of_minutes(len(ITEMS))
    volume, _ = _learn(group, _look(group), common, learning, kinds)
    return found.volume, [
        *(msgspec.structs.replace(band, design=float(band.centre is None)) for band in volume),
        *stale,
    ]


def _volume_group(found: Learned) -> _Group:
    """Minutes as rows, in slots of a quarter of an hour."""
    ahead = found.first % 60
    whole = -(-(ahead + len(found.held)) // 60) * 60
    beyond, held = np.zeros((whole, len(ITEMS))), np.zeros(whole)
    beyond[ahead : ahead + len(found.held)] = found.beyond * found.held[:, np.newaxis]
    held[ahead : ahead + len(found.held)] = found.held
    sums, rows = beyond.reshape(-1, 15, len(ITEMS)).sum(axis=1), held.reshape(-1, 15).sum(axis=1)
    hours = (found.first - ahead) / 60 + (np.arange(len(rows)) + 0.5) / 4
    share = sums.sum(axis=0) / rows.sum()
    by_minute = beyond.reshape(-1, 60, len(ITEMS))
    return _Group(
        Slots(sums, rows, hours, 0.25),
        sums,
        by_minute,
        held.reshape(-1, 60),
        by_minute.sum(axis=1),
        share * (1 - share),
        is_share=True,
    )


def _learn_stale(table: Signals, tally: Tally, column: int, rows_min: float) -> Band:
    """How often all rows of a minute were in one bin, which is at least how often they were one value.

    Hours are taken for the independent pieces: a number that stands still does so for a while.
    """
    feature = [each for each in table.margins.layout.feature_cells if each.numbers is not None][column]
    cells = tally.by_minute(feature.start, feature.start + feature.bins)
    rows = cells.sum(axis=-1)
    told, alone = rows >= rows_min, cells.max(axis=-1) == rows
    held = told.sum(axis=1)
    if held.sum() < ROWS_MIN:
        return _unknown(f"{held.sum()} minutes of the history had rows enough to tell")
    many = (alone & told).sum(axis=1)
    share, hours = many.sum() / held.sum(), int(np.count_nonzero(held))
    spread = float(np.sqrt(share * (1 - share)))
    wander = np.sqrt((held * (many / np.maximum(held, 1) - share) ** 2).sum() / held.sum())
    return Band(_short(float(share)), float(hours), _short(spread), _short(float(wander)), 0.0)


def _unusable(tally: Tally | None) -> str:
    """Why the history's times teach nothing; "" if they do."""
    if tally is None or not tally.timed:
        return "the history has no times: bands know no hour of the day, and how far rows hang together is assumed"
    held = np.flatnonzero(tally.rows)
    span = (held[-1] - held[0] + 1) * tally.plan.slot_s
    if span < SPAN_S_MIN:
        return (
            f"the history spans {span / HOUR_S:.3g} hours, and two days are the least that tells an evening "
            "from a drift: bands know no hour of the day, and how far rows hang together is assumed"
        )
    return ""


def _rhythm(learning: Learning, why: str, signals: list[Band], scored: list[Band], shares: Doubles) -> Rhythm:
    """Keep as many waves as any band has."""
    used = max((len(band.waves) for band in (*signals, *scored)), default=0) // 2
    waves = WEEKLY if used > len(DAILY) else DAILY if used else ()
    rounded = [tuple(_short(share) for share in row) for row in shares.tolist()]
    bins = tuple(ScoredBins(row, _padded(band, waves)) for row, band in zip(rounded, scored, strict=True))
    return Rhythm(waves, learning.tolerance, not why, why, tuple(_padded(band, waves) for band in signals), bins)


def _unseen(tally: Tally, period: int) -> tuple[int, ...]:
    """Hours of the period in which no slot of the history has rows."""
    starts = (tally.plan.start + tally.plan.slot_s * np.flatnonzero(tally.rows)) / HOUR_S
    reach = np.arange(max(1, round(tally.plan.slot_s / HOUR_S)))
    seen = np.unique(np.floor(np.add.outer(starts, reach)).astype(np.int64) % period)
    return tuple(np.setdiff1d(np.arange(period), seen).tolist())


def _padded(band: Band, waves: tuple[int, ...]) -> Band:
    missing = 2 * len(waves) - len(band.waves)
    if not band.waves or not missing:
        return band
    return msgspec.structs.replace(band, waves=band.waves + (0.0,) * missing)


def _groups(table: Signals, tally: Tally) -> Iterator[tuple[list[int], _Group]]:
    """Signals of one column that are shares of the same rows, with their places in the table."""
    by_rows: dict[tuple[str, int, int], list[int]] = {}
    for place, (signal, start, stop) in enumerate(zip(table.signals, *table.of.tolist(), strict=True)):
        if place >= table.minutes.start:
            break
        by_rows.setdefault((signal.column, start, stop), []).append(place)
    hits = table.hits.tolist()
    for (_, *of), all_places in by_rows.items():
        rows, minute_rows = (each.sum(axis=-1).astype(float) for each in (tally.by_slot(*of), tally.by_minute(*of)))
        for first in range(0, len(all_places), _TOGETHER):
            places = all_places[first : first + _TOGETHER]
            ranges = [(hits[0][place], hits[1][place]) for place in places]
            sums = np.stack([tally.by_slot(*each).sum(axis=-1) for each in ranges], axis=-1).astype(float)
            minutes = np.stack([tally.by_minute(*each).sum(axis=-1) for each in ranges], axis=-1).astype(float)
            share = sums.sum(axis=0) / max(rows.sum(), 1.0)
            slots, variance = _slots(tally, sums, rows), share * (1 - share)
            yield places, _Group(slots, sums, minutes, minute_rows, minutes.sum(axis=1), variance, is_share=True)


def _score_group(table: Signals, tally: Tally, at: int, shares: Doubles) -> _Group:
    ends = table.starts[at]
    widths = np.diff(ends)
    z = np.repeat(mean_scores(shares), widths)
    slots, minutes = tally.by_slot(int(ends[0]), int(ends[-1])), tally.by_minute(int(ends[0]), int(ends[-1]))
    total = slots.sum(axis=0)
    many = max(int(total.sum()), 1)
    mean = float(total @ z) / many
    variance = max(float(total @ z**2) / many - mean**2, 0.0)
    return _Group(
        _slots(tally, (slots @ z)[:, np.newaxis], slots.sum(axis=1).astype(float)),
        (slots @ z**2)[:, np.newaxis],
        (minutes @ z)[:, :, np.newaxis],
        minutes.sum(axis=-1).astype(float),
        (minutes.sum(axis=1) @ z**2)[:, np.newaxis],
        np.array([variance]),
        is_share=False,
        bins=shares[np.newaxis],
    )


def _slots(tally: Tally, sums: Doubles, rows: Doubles) -> Slots:
    slot_h = tally.plan.slot_s / HOUR_S
    hours = tally.plan.start / HOUR_S + (np.arange(len(rows), dtype=np.float64) + 0.5) * slot_h
    return Slots(sums, rows, hours, slot_h)


def _left(slots: Slots, season: Season) -> Slots:
    """What the season does not explain."""
    return Slots(slots.sums - slots.rows[:, np.newaxis] * season.expected, slots.rows, slots.hours, slots.slot_h)


def _look(group: _Group) -> tuple[Season, Raw]:
    """A group's rhythm, and what is left by itself."""
    season = fit_season(group.slots)
    left, around, ticks = _inside(group, season)
    return season, look(left, group.variance, around, ticks)


def _lean(group: _Group, cuts: Flags) -> Doubles:
    """How far each signal moves with the mean normal score: a cut by the normal density at its share."""
    if not group.is_share:
        return np.ones(len(group.variance))
    share = group.slots.sums.sum(axis=0) / max(float(group.slots.rows.sum()), 1.0)
    return np.where(cuts & (group.variance > 0), normal_density(normal_quantile(share)), np.nan)


def _learn(
    group: _Group, seen: tuple[Season, Raw], common: Common, learning: Learning, kinds: _Kinds
) -> tuple[list[Band], _Kin | None]:
    """The bands of a group, those that borrow no narrower than `kinds.lent` says; and what it can lend."""
    total, many = group.slots.rows.sum(), group.slots.sums.shape[1]
    season, raw = seen
    noise = judge(raw, common, _lean(group, kinds.cuts))
    errors = np.sqrt(noise.error**2 + season.variance)
    worth = np.minimum(total, np.divide(group.variance, errors**2, out=np.full(many, total), where=errors > 0))
    wander, designs = noise.wander, np.array(_designs(noise, learning))
    if kinds.lent is not None:
        lent, borrows = kinds.lent, kinds.borrows
        worth = np.where(borrows, np.minimum(worth, total / lent.alike), worth)
        limit = Z**2 / (worth + Z**2)
        wander = np.where(borrows, np.maximum(wander, np.sqrt(lent.correlation * limit * (1 - limit))), wander)
        designs = np.where(borrows, lent.design, designs)
    edges = _edges(group, season, (worth, wander, np.full(many, noise.reach)), learning)
    designs = designs * _tempered(group, edges, designs, kinds)
    own = _Kin.of(total, worth, wander, designs, group.variance)
    bands = []
    for at in range(many):
        level = int(season.level[at])
        band = Band(
            _short(float(season.centre[at])),
            _short(float(worth[at])),
            _short(float(group.variance[at]) ** 0.5),
            _short(float(wander[at])),
            _short(float(designs[at])),
            _short(float(errors[at])),
            _short(noise.memory_h),
            _short(noise.reach),
            tuple(_short(float(wave)) for wave in season.waves[at, : 2 * len(_WAVES[level])]),
        )
        told = _told(band, learning, is_share=group.is_share)
        bands.append(_unknown(NOT_HELD) if told.centre is not None and math.isinf(told.design) else told)
    return bands, own


def _edges(
    group: _Group, season: Season, band: tuple[Doubles, Doubles, Doubles], learning: Learning
) -> tuple[Doubles, Doubles]:
    """Lowest and highest of the promise in each hour of the period f8[P, s]; `band` is its rows, wander and reach."""
    period = (1, DAY_H, WEEK_H)[int(season.level.max(initial=0))]
    hours: Doubles = np.arange(period, dtype=np.float64) + 0.5
    centre: Doubles = season.centre + wave_basis(WEEKLY, hours) @ season.waves.T
    rows, wander, reach = (np.broadcast_to(each, centre.shape) for each in band)
    if group.is_share:
        return share_band(np.clip(centre, 0.0, 1.0), np.maximum(rows, 1.0), wander, reach, learning.tolerance)
    half = score_half(np.sqrt(group.variance), np.maximum(rows, 1.0), wander, reach, learning.tolerance)
    return centre - half, centre + half


def _tempered(group: _Group, edges: tuple[Doubles, Doubles], designs: Doubles, kinds: _Kinds) -> Doubles:
    """Factors >= 1 f8[s] of the design effects with which the bands hold their own history; infinite: none does."""
    slots, factors = group.slots, np.ones(len(designs))
    place = np.floor(slots.hours).astype(np.int64) % len(edges[0])
    for edge, falls, watched in ((edges[1], False, kinds.rises), (edges[0], True, kinds.falls)):
        shown, costs = _bets(group, edge, falls=falls)
        mine = np.flatnonzero(watched & ~np.isnan(costs).any(axis=(0, 1)))
        etas = ETAS if group.is_share else SCORE_ETAS
        lanes = Lanes(shown[:, mine], slots.rows, slots.hours, place, etas, costs[:, :, mine], designs[mine])
        factors[mine] = np.maximum(factors[mine], lanes.tempered())
    return factors


def _bets(group: _Group, edge: Doubles, *, falls: bool) -> tuple[Doubles, Doubles]:
    """What the slots show f8[T, s] of one direction, and what a row costs f8[bets, P, s], NaN where nothing is bet."""
    if group.bins is not None:
        sign = -1.0 if falls else 1.0
        z = sign * mean_scores(group.bins)
        known, costs = score_costs(
            np.repeat(group.bins, len(edge), axis=0), np.repeat(z, len(edge), axis=0), sign * edge[:, 0]
        )
        return sign * group.slots.sums, np.where(known, costs, np.nan)[:, :, np.newaxis]
    shown = group.slots.rows[:, np.newaxis] - group.slots.sums if falls else group.slots.sums
    edge = 1 - edge if falls else edge
    return shown, share_costs(np.where(edge < 1 - EDGE_MIN, np.maximum(edge, EDGE_MIN), np.nan))


def _inside(group: _Group, season: Season) -> tuple[Slots, Doubles, Doubles]:
    """What the season leaves, the variance of a row within its slot, and the design effect of ticks."""
    slots, left = group.slots, _left(group.slots, season)
    held = slots.rows[:, np.newaxis]
    squares = group.squares - 2 * season.expected * slots.sums + held * season.expected**2
    tick_h = tick_hours(slots)
    if tick_h <= MINUTES_H or slots.slot_h > TICKS_H[-1]:
        width = max(1, round(min(tick_h, MINUTES_H) * 60))
        sums = group.minute_sums.reshape(len(group.minute_sums), -1, width, len(group.variance)).sum(axis=2)
        rows = group.minute_rows.reshape(len(group.minute_rows), -1, width).sum(axis=2)
        return left, within(squares, left), tick_design(sums, rows, group.minute_squares)
    days = math.ceil(len(slots.rows) * slots.slot_h / DAY_H)
    width = max(1, round(tick_h / slots.slot_h))
    by_day = [_fold(each, days, round(DAY_H / slots.slot_h)) for each in (left.sums, held, squares)]
    sums, rows = (each.reshape(days, -1, width, each.shape[-1]).sum(axis=2) for each in by_day[:2])
    return left, within(squares, left), tick_design(sums, rows[:, :, 0], by_day[2].sum(axis=1))


def _fold(slots: Doubles, days: int, each: int) -> Doubles:
    """Slots f8[T, s] by day, f8[days, each, s]; the last day is filled with nothing."""
    missing = days * each - len(slots)
    return np.concatenate((slots, np.zeros((missing, slots.shape[1])))).reshape(days, each, -1)


def _designs(noise: Noise, learning: Learning) -> list[float]:
    """Raise what was measured to the column's median, and by a tenth; what is assumed stays."""
    if np.isnan(noise.design).all():
        return [learning.design] * len(noise.design)
    least = max(1.0, float(np.nanmedian(noise.design)))
    return [DESIGN_MARGIN * max(least, design) for design in np.fmax(noise.design, least).tolist()]


def _untimed(share: float, rows: int, learning: Learning) -> Band:
    if rows < ROWS_MIN:
        return _unknown(f"{rows} rows of the history had a value")
    spread, effective = float(np.sqrt(share * (1 - share))), rows / learning.design
    error = spread / float(np.sqrt(effective))
    band = Band(_short(share), _short(effective), _short(spread), 0.0, learning.design, _short(error))
    return _told(band, learning, is_share=True)


def _untimed_scores(shares: Doubles, rows: Counts, learning: Learning) -> list[Band]:
    z = mean_scores(shares)
    means = (shares * z).sum(axis=1)
    spreads = np.sqrt((shares * z**2).sum(axis=1) - means**2)
    bands = []
    for mean, spread, many in zip(means.tolist(), spreads.tolist(), rows.tolist(), strict=True):
        if many < ROWS_MIN:
            bands.append(_unknown(f"{many} rows of the history had a value"))
            continue
        effective = many / learning.design
        error = spread / effective**0.5
        band = Band(_short(mean), _short(effective), _short(spread), 0.0, learning.design, _short(error))
        bands.append(_told(band, learning, is_share=False))
    return bands


def _told(band: Band, learning: Learning, *, is_share: bool) -> Band:
    """Give the band, or say that it is too wide to mean anything."""
    assert band.centre is not None, "only bands that may be known are judged"
    numbers = (band.rows, band.wander, band.reach)
    rows, wander, reach = (np.array([value]) for value in numbers)
    if is_share:
        centre = np.clip(np.array([band.centre]), 0.0, 1.0)
        low, high = share_band(centre, rows, wander, reach, learning.tolerance)
        wide = float((high - low)[0]) > WIDTH_MAX
    else:
        half = score_half(np.array([band.spread]), np.maximum(rows, 1e-9), wander, reach, learning.tolerance)
        wide = 2 * float(half[0]) > SCORE_WIDTH_MAX
    if not wide:
        return band
    return _unknown(
        f"the history is worth {band.rows:.0f} independent rows here and wanders by {band.wander:.3g} with a memory of "
        f"{band.memory_h:.3g} hours: its band would hold nearly everything"
    )


def _unknown(why: str) -> Band:
    return Band(None, 0.0, 0.0, 0.0, 1.0, why=why)


def _smooth(bins: Counts) -> Doubles:
    """Shares of each column's bins, half a row at least in the first and after the last that has rows."""
    counts = bins.astype(float)
    for row in counts:
        last = int(np.flatnonzero(row)[-1]) if row.any() else 0
        row[0] += 0.5
        row[min(last + 1, len(row) - 1)] += 0.5
    shares: Doubles = counts / counts.sum(axis=1, keepdims=True)
    return shares


def _short(value: float) -> float:
    """Round to the digits that are stored."""
    return float(f"{value:.{_DIGITS}g}")
