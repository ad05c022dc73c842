"""Learns the band of every signal from the history's tables; what is learned and why stands in rhythm.py.

    tables (rhythm_count) -> groups (rhythm_groups) -> season, noise, width (rhythm_fit) -> told or unknown
    (rhythm_bands); beside it minutes (rhythm_minutes), and what no history tells (rhythm_labels, repeated ids)

Mean normal scores are looked at first: what all columns show together (`Common`) steadies each of them, and then the
shares. A column's cuts or categories come before the sets that borrow from them (rhythm_kin.py), as the table of
signals has them.

A history without times, or of less than two days, is learned as so many rows and no more; `Rhythm.why` says so.

Cost: 500 features, 7 days, 2.3 s of CPU (measured 2026-11).
"""

from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from monitor.panes.layout import Layout
from monitor.panes.rhythm import DAILY, WEEKLY, Band, Rhythm, ScoredBins, Z
from monitor.panes.rhythm_bands import (
    ROWS_MIN,
    Learning,
    short,
    too_few,
    unknown,
    untimed_scores,
    untimed_share,
)
from monitor.panes.rhythm_count import DAY_S, HOUR_S, Tally
from monitor.panes.rhythm_fit import Seen, learn_group, see
from monitor.panes.rhythm_groups import Group, score_group, share_groups
from monitor.panes.rhythm_kin import Kin, Kinds
from monitor.panes.rhythm_labels import complete_labels
from monitor.panes.rhythm_minutes import NO_MINUTES, learn_minutes
from monitor.panes.rhythm_noise import Common
from monitor.panes.signals import Counted, Signals, What

Doubles = NDArray[np.float64]
Counts = NDArray[np.int64]

SPAN_S_MIN: Final = 2 * DAY_S


@dataclass(frozen=True, slots=True, eq=False)
class _History:
    """What is learned from, but for the tables by time: what the rows said in all, and how to learn."""

    table: Signals
    counted: Counted
    shares: Doubles  # f8[C, B], of the scored columns' bins
    learning: Learning


def learn_rhythm(layout: Layout, tally: Tally | None, learning: Learning) -> Rhythm:
    """Learn the bands of a layout whose reference has its counts; `tally` None: the history had no times."""
    table = Signals.table(layout)
    counted = table.read(table.margins.sum(np.array(layout.reference.counts, np.int64)))
    history = _History(table, counted, _smooth(counted.bins), learning)
    why = _unusable(tally)
    return _untimed(history, why) if tally is None or why else _timed(history, tally)


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


def _untimed(history: _History, why: str) -> Rhythm:
    """Learn from so many rows, whenever they were."""
    table, counted, learning = history.table, history.counted, history.learning
    signals = [untimed_share(x / max(n, 1), n, learning) for x, n in zip(counted.x, counted.n, strict=True)]
    signals = _assume(history, signals)
    signals[table.minutes] = [unknown(NO_MINUTES)] * len(signals[table.minutes])
    scored = untimed_scores(history.shares, counted.bins.sum(axis=1), learning)
    return _rhythm(history, why, signals, scored)


def _timed(history: _History, tally: Tally) -> Rhythm:
    """Learn from what was when."""
    table, learning = history.table, history.learning
    groups = [score_group(table, tally, at, shares) for at, shares in enumerate(history.shares)]
    looks = [see(group) if _is_enough(group) else None for group in groups]
    common = Common.of([seen.raw for seen in looks if seen is not None])
    scored = [_learn_score(group, seen, common, learning) for group, seen in zip(groups, looks, strict=True)]
    found = _learn_shares(history, tally, common)
    volume, minutes = learn_minutes(table, tally, common, learning)
    found |= dict(zip(range(len(table.signals))[table.minutes], minutes, strict=True))
    rhythm = _rhythm(history, "", _assume(history, [found[place] for place in range(len(found))]), scored)
    return msgspec.structs.replace(rhythm, volume=volume, unseen=_unseen(tally, rhythm.period))


def _is_enough(group: Group) -> bool:
    return bool(group.slots.rows.sum() >= ROWS_MIN)


def _learn_score(group: Group, seen: Seen | None, common: Common, learning: Learning) -> Band:
    if seen is None:
        return too_few(group.slots.rows.sum())
    (band,), _ = learn_group(seen, common, learning, Kinds.of((), None))
    return band


def _learn_shares(history: _History, tally: Tally, common: Common) -> dict[int, Band]:
    """Bands by their place in the table; the first group of a column lends to those that follow."""
    table, found = history.table, dict[int, Band]()
    kin: dict[str, Kin | None] = {}
    for places, group in share_groups(table, tally):
        signals = [table.signals[place] for place in places]
        column = signals[0].column
        bands, own = [too_few(group.slots.rows.sum())] * len(places), None
        if _is_enough(group):
            bands, own = learn_group(see(group), common, history.learning, Kinds.of(signals, kin.get(column)))
        kin.setdefault(column, own)
        found |= dict(zip(places, bands, strict=True))
    return found


def _assume(history: _History, signals: list[Band]) -> list[Band]:
    """Put in what no history tells: of labels (rhythm_labels.py), and how many ids come again.

    All of the room is wander, so no traffic narrows it; requests are sent again whole, so no design effect is known.
    """
    table, learning = history.table, history.learning
    at = next(place for place, signal in enumerate(table.signals) if signal.what is What.REPEATED)
    rows = max(int(history.counted.n[at]), 1)
    repeated = Band(0.0, float(rows), 0.0, short(learning.repeats / Z), 0.0)
    found = [repeated if place == at else each for place, each in enumerate(signals)]
    labelled = table.margins.layout.reference.labelled
    mine = table.signals[table.labels]
    found[table.labels] = complete_labels(mine, found[table.labels], labelled=labelled, design=learning.design)
    return found


def _rhythm(history: _History, why: str, signals: list[Band], scored: list[Band]) -> Rhythm:
    """Keep as many waves as any band has."""
    used = max((len(band.waves) for band in (*signals, *scored)), default=0) // 2
    waves = WEEKLY if used > len(DAILY) else DAILY if used else ()
    rounded = [tuple(short(share) for share in row) for row in history.shares.tolist()]
    bins = tuple(ScoredBins(row, _padded(band, waves)) for row, band in zip(rounded, scored, strict=True))
    return Rhythm(
        waves, history.learning.tolerance, not why, why, tuple(_padded(band, waves) for band in signals), bins
    )


def _padded(band: Band, waves: tuple[int, ...]) -> Band:
    missing = 2 * len(waves) - len(band.waves)
    if not band.waves or not missing:
        return band
    return msgspec.structs.replace(band, waves=band.waves + (0.0,) * missing)


def _unseen(tally: Tally, period: int) -> tuple[int, ...]:
    """Hours of the period in which no slot of the history has rows."""
    starts = (tally.plan.start + tally.plan.slot_s * np.flatnonzero(tally.rows)) / HOUR_S
    reach = np.arange(max(1, round(tally.plan.slot_s / HOUR_S)))
    seen = np.unique(np.floor(np.add.outer(starts, reach)).astype(np.int64) % period)
    return tuple(np.setdiff1d(np.arange(period), seen).tolist())


def _smooth(bins: Counts) -> Doubles:
    """Shares of each column's bins, half a row at least in the first and after the last that has rows."""
    counts = bins.astype(float)
    for row in counts:
        last = int(np.flatnonzero(row)[-1]) if row.any() else 0
        row[0] += 0.5
        row[min(last + 1, len(row) - 1)] += 0.5
    shares: Doubles = counts / counts.sum(axis=1, keepdims=True)
    return shares
