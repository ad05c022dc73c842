"""Simulated streams of known truth, as the counts of one tick a minute: the worlds that detection is measured in.

| world | rows of a feature | traffic |
|---|---|---|
| W1 | independent N(0, 1) | Poisson |
| W2 | N(m, 1), m a wave of 0.3 sigma over the day, its phase the feature's own | +-50 % over the day |
| W3 | sessions of 10 rows with intra-class correlation 0.3; a mean that wanders, sd 0.1 sigma, memory 3 h | Poisson |
| W4 | as W1, with a mean that wanders, sd 0.1 sigma, memory a day | Poisson |

sigma is the standard deviation of rows at one moment, within and between sessions. Minutes are those since a midnight;
a reference and what is live are two streams of seeds of their own. Same world, seed and start give the same counts,
whatever the chunk and the length asked for; a shift changes no random number.

Counting: values on a grid of 1/512 sigma, on which the edges lie, so the shares by `above` are exact. 20 bins of equal
share, under and over beyond 4.8 sigma; the nine deciles are every second edge. 12 ns a value: a month of 50 features at
60 rows a minute takes 2 s.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.facts import Family
from monitor.panes.signals import Counted, Signal, What

MINUTES_DAY = 1440
BINS = 20
CUTS = tuple(range(2, BINS, 2))  # the bins above which rows are counted
GRID = 512  # steps of a sigma
REACH = 6 * GRID
BLOCK = 60  # minutes that are drawn at once, always, so that chunks do not change what is drawn
OUTER = 4.8  # sigma

Doubles = NDArray[np.float64]
Moves = Callable[[NDArray[np.int64]], Doubles]  # minutes [T] -> what is added to the means, sigma, [T, features]


@dataclass(frozen=True, slots=True)
class World:
    """One stream's law; `rows` a minute on average."""

    name: str
    wave: float = 0.0  # sigma
    traffic: float = 0.0  # share
    session: int = 1  # rows
    correlation: float = 0.0  # within a session
    wander: float = 0.0  # sigma
    memory_h: float = 0.0
    features: int = 50
    rows: float = 60.0

    def traffic_at(self, minutes: NDArray[np.int64]) -> Doubles:
        """Expected rows of each minute."""
        return self.rows * (1 + self.traffic * np.sin(2 * np.pi * minutes / MINUTES_DAY))

    def season(self, minutes: Doubles | NDArray[np.int64]) -> Doubles:
        """The wave of each feature's mean, f8[minutes, features]."""
        phase = np.arange(self.features) / self.features
        return self.wave * np.sin(2 * np.pi * (np.asarray(minutes)[:, None] / MINUTES_DAY + phase))

    @property
    def edges(self) -> Doubles:
        """The 19 inner edges, on the grid, at the pooled quantiles of the feature, f8[19]."""
        spread = math.sqrt(1 + self.wave**2 / 2 + self.wander**2)
        return np.round(GRID * spread * _quantiles(np.arange(1, BINS) / BINS)) / GRID


W1 = World("W1")
W2 = World("W2", wave=0.3, traffic=0.5)
W3 = World("W3", session=10, correlation=0.3, wander=0.1, memory_h=3.0)
W4 = World("W4", wander=0.1, memory_h=24.0)
WORLDS = (W1, W2, W3, W4)


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """The rows of an hour: how many came in each minute, and their places on the grid i4[rows, features]."""

    start: int  # minute
    rows: NDArray[np.int64]
    places: NDArray[np.int32]

    def cells(self, table: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Give the cell of every value, u1[features, rows]."""
        column = np.arange(len(table))
        found = table.ravel().take(self.places + (REACH + column * table.shape[1]))
        return np.ascontiguousarray(found.T)

    def count(self, table: NDArray[np.uint8]) -> NDArray[np.int32]:
        """Count them in the cells that `table` u1[features, grid] gives: i4[minutes, features, 22]."""
        features = len(table)
        minute = np.repeat(np.arange(len(self.rows)), self.rows)
        cells = self.cells(table).T.astype(np.int64)
        cells += (minute[:, None] * features + np.arange(features)) * (BINS + 2)
        counts = np.bincount(cells.ravel(), minlength=len(self.rows) * features * (BINS + 2))
        return counts.reshape(len(self.rows), features, BINS + 2).astype(np.int32)


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Consecutive minutes: bins i4[minutes, features, 22], under first and over last, as `Counted.bins` of each."""

    start: int  # minute
    bins: NDArray[np.int32]

    def counted(self) -> Iterator[Counted]:
        """Each minute as the detector is handed it."""
        bins = self.bins.astype(np.int64)
        above = bins[:, :, ::-1].cumsum(axis=2)[:, :, ::-1]
        x = above[:, :, [1 + cut for cut in CUTS]].reshape(len(bins), -1)
        n = np.repeat(above[:, :, 0], len(CUTS), axis=1)
        for minute in range(len(bins)):
            yield Counted(x[minute], n[minute], bins[minute])


@dataclass(frozen=True, slots=True, eq=False)
class Watched:
    """What is watched of a world: the nine cuts and the mean of every feature."""

    signals: tuple[Signal, ...]
    scored: tuple[str, ...]
    scored_group: tuple[str, ...]


def watched(world: World) -> Watched:
    """The table of signals, in the order of `Chunk.counted`."""
    names = tuple(f"f{index}" for index in range(world.features))
    signals = tuple(
        Signal(
            Family.FEATURES, f"features/{name}", name, What.ABOVE, f"{world.edges[cut - 1]:g}", rises=True, falls=True
        )
        for name in names
        for cut in CUTS
    )
    return Watched(signals, names, tuple(f"features/{name}" for name in names))


def stream(
    world: World, seed: int, minutes: int, moves: Moves | None = None, *, start: int = 0, chunk: int = 6
) -> Iterator[Chunk]:
    """Count `minutes` of a stream from minute `start` of a day, `chunk` hours at a time; the last hour is whole."""
    table = np.tile(grid_cells(world.edges), (world.features, 1))
    drawn = draw(world, seed, minutes, moves, start=start)
    for first in range(0, math.ceil(minutes / BLOCK), chunk):
        blocks = [block for _, block in zip(range(chunk), drawn, strict=False)]
        yield Chunk(start + first * BLOCK, np.concatenate([block.count(table) for block in blocks]))


def above(world: World, means: Doubles) -> Doubles:
    """True share above each cut at these means: f8[..., 9]."""
    cuts = world.edges[[cut - 1 for cut in CUTS]] - 0.5 / GRID  # a value is rounded to the grid before it is binned
    return _cumulated(means[..., None] - cuts)


def draw(world: World, seed: int, minutes: int, moves: Moves | None = None, *, start: int = 0) -> Iterator[Block]:
    """Draw the rows of a stream, an hour at a time."""
    rng = np.random.default_rng((seed, int.from_bytes(world.name.encode())))
    place = rng.normal(0.0, world.wander, world.features)
    for first in range(start, start + minutes, BLOCK):
        at = np.arange(first, first + BLOCK)
        means = world.season(at)
        if world.wander:
            place = _wander(world, rng, place, means)
        if moves is not None:
            means += moves(at)
        rows = rng.poisson(world.traffic_at(at))
        yield Block(first, rows, _draw_rows(world, rng, means, rows))


def _wander(world: World, rng: np.random.Generator, place: Doubles, means: Doubles) -> Doubles:
    """Add an Ornstein-Uhlenbeck mean to `means` in place; where it ends."""
    keep = math.exp(-1 / (60 * world.memory_h))
    steps = rng.normal(0.0, world.wander * math.sqrt(1 - keep * keep), means.shape)
    for minute in range(len(means)):
        place = keep * place + steps[minute]
        means[minute] += place
    return place


def _draw_rows(world: World, rng: np.random.Generator, means: Doubles, rows: NDArray[np.int64]) -> NDArray[np.int32]:
    total, features = int(rows.sum()), world.features
    minute = np.repeat(np.arange(len(rows)), rows)
    values = rng.standard_normal((total, features), np.float32)
    if world.session > 1:
        values *= np.float32(math.sqrt(1 - world.correlation))
        within = np.arange(total) - np.repeat(np.cumsum(rows) - rows, rows)
        session = np.cumsum(within % world.session == 0) - 1  # a session ends with its minute
        shared = rng.standard_normal((int(session[-1]) + 1 if total else 0, features), np.float32)
        shared *= np.float32(math.sqrt(world.correlation))
        values += shared[session]
    values += means.astype(np.float32)[minute]
    values *= GRID
    np.rint(values, out=values)
    np.clip(values, -REACH, REACH, out=values)
    return values.astype(np.int32)


def grid_cells(edges: Doubles, outer: tuple[float, float] = (-OUTER, OUTER)) -> NDArray[np.uint8]:
    """Give the cell of every place of the grid: 0 under, 1 .. 20 the bins, 21 over."""
    every = np.concatenate((outer[:1], edges, outer[1:]))
    return np.searchsorted(every, np.arange(-REACH, REACH + 1) / GRID, side="right").astype(np.uint8)


def _cumulated(at: Doubles) -> Doubles:
    return 0.5 * (1 + np.vectorize(math.erf)(np.asarray(at) / math.sqrt(2)))


def _quantiles(shares: Doubles) -> Doubles:
    """Of N(0, 1), by bisection: 19 numbers, once."""
    low, high = np.full(len(shares), -10.0), np.full(len(shares), 10.0)
    for _ in range(60):
        middle = (low + high) / 2
        below = _cumulated(middle) < shares
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return (low + high) / 2
