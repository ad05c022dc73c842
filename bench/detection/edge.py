"""The least favourable null: minutes in which every probability lies exactly at its band's edge, and the teeth of it.

Of every even feature all cuts lie at their highest, of every odd one at their lowest, and so does its mean score; what
is no cut lies at its highest. Rows come as copies of one another, as many as the band's design effect allows for: no
dependence of that design effect is worse. Cuts, scores, pairs and contents are drawn apart, as no rows are at all edges
at once; what is said of a minute is said once a minute. Labels do not come.

Theory says at most one page per budget here, and no less than that where multipliers have mean 1: rows that are
independent are bet on at a design effect raised by a tenth, so theirs have less.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from bench.detection.trial import Watch, watch
from bench.worlds import BLOCK, World
from bench.worlds_panes import MONDAY
from monitor.panes.rhythm import Band, Bounds, Rhythm
from monitor.panes.signals import Counted, What

Doubles = NDArray[np.float64]
Counts = NDArray[np.int64]
PARTS: Final = ("tolerance", "sampling error", "wander", "design effect")  # of a band, that can be left out
_TILT = 20.0  # sigma; the mean score of an edge is nearer


def without(part: str, watched: Watch) -> Watch:
    """The same watch, one part of its bands left out."""
    rhythm = watched.rhythm
    if part == "tolerance":
        return watch(watched.layout, msgspec.structs.replace(rhythm, tolerance=0.0), watched.plan.ledger)
    changes = {"sampling error": {"rows": 1e12}, "wander": {"wander": 0.0}, "design effect": {"design": 1.0}}[part]
    return watch(watched.layout, _changed(rhythm, changes), watched.plan.ledger)


def _changed(rhythm: Rhythm, changes: dict[str, float]) -> Rhythm:
    def band(found: Band) -> Band:
        return msgspec.structs.replace(found, **changes)

    scored = tuple(msgspec.structs.replace(each, band=band(each.band)) for each in rhythm.scored)
    return msgspec.structs.replace(rhythm, signals=tuple(map(band, rhythm.signals)), scored=scored)


def at_edge(watched: Watch, world: World, seed: int, minutes: int) -> Iterator[tuple[int, Counted]]:
    """Count minutes at the edges of these bands, each after its hour since 1970."""
    rng = np.random.default_rng((seed, 17))
    laws = cache(lambda place: _Law.of(watched, watched.bounds(place)))
    for first in range(0, minutes, BLOCK):
        hour = (MONDAY + first) // 60
        rows = rng.poisson(world.traffic_at(np.arange(first, first + BLOCK)))
        for counted in laws(hour % watched.rhythm.period).draw(rng, rows):
            yield hour, counted


@dataclass(frozen=True, slots=True, eq=False)
class _Law:
    """Where everything lies in one hour: `cuts` places of [columns, 9], `parts` f8[columns, 10] between them."""

    cuts: NDArray[np.intp]
    parts: Doubles
    cut_copies: Counts
    scores: Doubles  # f8[C, 22]
    score_copies: Counts
    others: NDArray[np.intp]
    other_shares: Doubles
    other_copies: Counts
    minutes: NDArray[np.bool_]  # of the others: who is told of a minute, not of its rows
    signals: int

    @classmethod
    def of(cls, watched: Watch, bounds: Bounds) -> "_Law":
        by_column: dict[str, list[int]] = {}
        others, table = [], watched.signals
        for place, signal in enumerate(table.signals):
            if table.labels.start <= place < table.labels.stop:
                continue
            if signal.what is What.ABOVE:
                by_column.setdefault(signal.column, []).append(place)
            elif np.isfinite(bounds.high[place]):
                others.append(place)
        cuts, other = np.array(list(by_column.values())), np.array(others)
        rising = np.arange(len(cuts)) % 2 == 0
        above = np.where(rising[:, np.newaxis], bounds.high[cuts], bounds.low[cuts])
        parts = -np.diff(np.pad(above, ((0, 0), (1, 1)), constant_values=((0, 0), (1, 0))), axis=1)
        assert (parts >= 0).all(), "edges of higher cuts are lower, and all are known"
        return cls(
            cuts,
            parts,
            np.floor(bounds.design[cuts].min(axis=1)).astype(np.int64),
            _tilted(bounds, np.where(rising, bounds.score_high, bounds.score_low)),
            np.floor(bounds.score_design).astype(np.int64),
            other,
            bounds.high[other],
            np.floor(np.where(np.isfinite(bounds.design[other]), bounds.design[other], 1.0)).astype(np.int64),
            other >= table.minutes.start,
            len(table.signals),
        )

    def draw(self, rng: np.random.Generator, rows: Counts) -> Iterator[Counted]:
        """Draw a minute for each of `rows`, in copies; what is left of a division stays away."""
        held = rows[:, np.newaxis]
        parts = rng.multinomial(held // self.cut_copies, self.parts) * self.cut_copies[:, np.newaxis]
        bins = rng.multinomial(held // self.score_copies, self.scores) * self.score_copies[:, np.newaxis]
        tries = np.where(self.minutes, 1, held // self.other_copies)
        others = rng.binomial(tries, self.other_shares) * self.other_copies
        above = parts[:, :, ::-1].cumsum(axis=2)[:, :, ::-1]
        for minute in range(len(rows)):
            x, n = np.zeros(self.signals, np.int64), np.zeros(self.signals, np.int64)
            x[self.cuts], n[self.cuts] = above[minute, :, 1:], above[minute, :, :1]
            x[self.others], n[self.others] = others[minute], tries[minute] * self.other_copies
            yield Counted(x, n, bins[minute])


def _tilted(bounds: Bounds, edge: Doubles) -> Doubles:
    """The exponential tilt of each column's shares whose mean score is at the edge, by bisection."""
    low, high = np.full(len(edge), -_TILT), np.full(len(edge), _TILT)
    shares = bounds.score_shares
    for _ in range(60):
        tilt = (low + high) / 2
        weights = bounds.score_shares * np.exp(tilt[:, np.newaxis] * bounds.score_z)
        shares = weights / weights.sum(axis=1, keepdims=True)
        below = (shares * bounds.score_z).sum(axis=1) < edge
        low, high = np.where(below, tilt, low), np.where(below, high, tilt)
    return shares
