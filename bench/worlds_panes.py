"""The simulated streams on the real way: a history to build the reference from, and live minutes in its cells.

Live rows are counted by table instead of by `count_rows`, which gives the same cells (a test holds them to it) at a
fortieth of the time a minute. Beside the features there is an output, which alternates: it is quiet and says nothing.
How many rows a minute has is judged as in the product; labels, repeated ids and numbers that stand still are not
simulated, and nothing is bet on them.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from bench.worlds import BLOCK, GRID, REACH, Block, World, draw
from monitor.facts import Feature, FeatureKind, ModelName, Schema
from monitor.panes.build import HistoryBatch
from monitor.panes.concordance import count_concordance
from monitor.panes.contents import bucket_rows
from monitor.panes.layout import Layout
from monitor.panes.reference import NumericBins
from monitor.panes.rows import Column, NumericColumn, Predictions
from monitor.panes.sections import BUCKETS
from monitor.panes.signals import Counted, Signals

MONDAY = 4 * 1440  # minutes from 1970 to its first Monday: minute 0 of a stream


def schema(world: World) -> Schema:
    """What the world's model is fed."""
    features = tuple(Feature(f"f{index}", FeatureKind.NUMERIC) for index in range(world.features))
    return Schema(ModelName(world.name), features, ("no", "yes"), "yes")


def history(world: World, seed: int, days: int = 7) -> Iterator[HistoryBatch]:
    """Yield the rows of the first days of a stream with their times, an hour a batch."""
    for block in draw(world, seed, days * 1440):
        found = rows(world, block)
        yield HistoryBatch(found, np.full(found.n, np.nan))


def rows(world: World, block: Block) -> Predictions:
    """Turn a block into rows as intake would hand them over."""
    total = len(block.places)
    within = np.concatenate([(np.arange(n) + 0.5) / n for n in block.rows]) if total else np.empty(0)
    minutes = np.repeat(np.arange(BLOCK), block.rows) + within
    present = np.zeros(total, np.bool_)
    columns: dict[str, Column] = {
        f"f{index}": NumericColumn(block.places[:, index] / GRID, present, present) for index in range(world.features)
    }
    outputs = (np.arange(total) % 2).astype(np.uint8)
    times = 60.0 * (MONDAY + block.start + minutes)
    return Predictions.unsent(columns, times=times, outputs=outputs, scores=np.full(total, np.nan))


def live(layout: Layout, signals: Signals, blocks: Iterator[Block]) -> Iterator[tuple[int, Counted]]:
    """Yield each minute of `draw`'s blocks, counted as the layout's panes are, after its hour since 1970."""
    table, places = _tables(layout), _places(layout)
    margins, rhythm = signals.margins, layout.reference.rhythm
    assert rhythm is not None, "every reference has bands"
    for block in blocks:
        cells = np.zeros((BLOCK, margins.size), np.int64)
        cells[:, places] = block.count(table)
        cells[:, margins.rows] = block.rows
        ends = np.cumsum(block.rows)
        yes = ends // 2 - (ends - block.rows) // 2
        cells[:, margins.output.start] = block.rows - yes
        cells[:, margins.output.start + 1] = yes
        cells[:, margins.score.stop - 1] = block.rows  # none was sent
        _count_together(layout, signals, block.cells(table), cells, ends)
        hour = (MONDAY + block.start) // 60
        for minute in range(BLOCK):
            counted = signals.read(cells[minute])
            yield hour, counted + signals.count_minutes(rhythm.volume, hour, block.rows[minute : minute + 1])


def _count_together(
    layout: Layout, signals: Signals, found: NDArray[np.uint8], cells: NDArray[np.int64], ends: NDArray[np.int64]
) -> None:
    """Count what is watched of all features of a row at once; `found` u1[features, rows], minutes end at `ends`."""
    margins = signals.margins
    buckets = bucket_rows(found)
    for minute, (start, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
        cells[minute, margins.contents] = np.bincount(buckets[start:end], minlength=BUCKETS)
        cells[minute, margins.concordance] = count_concordance(layout.pairing, found[:, start:end])


def _tables(layout: Layout) -> NDArray[np.uint8]:
    """The cell of every place of the grid, by feature: under, bins, over."""
    grid = np.arange(-REACH, REACH + 1) / GRID
    found = []
    for column in layout.reference.columns:
        assert isinstance(column, NumericBins), "worlds have no categories"
        cell = np.searchsorted(column.edges, grid, side="right")
        cell[grid == column.edges[-1]] = column.bins  # the last bin is closed
        found.append(np.where(grid > column.edges[-1], column.bins + 1, cell))
    return np.array(found, np.uint8)


def _places(layout: Layout) -> NDArray[np.intp]:
    """Where each feature's under, bins and over lie among the marginal cells."""
    starts = np.array([feature.start for feature in layout.feature_cells], np.intp)
    assert all(feature.bins == 22 for feature in layout.feature_cells), "a normal feature has 20 bins"
    return starts[:, None] + np.arange(22)
