"""What others page on, over the same simulated minutes: a block of rows in, alarms bool[minutes, features] out.

| name | alarm of a feature in a minute |
|---|---|
| KS p < .05 | two-sample Kolmogorov-Smirnov of the minute's rows |
| KS, Bonferroni | the same of the last hour, at one false alarm in 30 days over all features and minutes |
| PSI > .2 | population stability index of the last hour, ten bins of equal share |
| ADWIN, Page-Hinkley | river's, each with its defaults, of the mean of each minute |

The first three compare with 10,000 rows spread over the same week of history that we learn from. p-values are the
asymptotic ones; the hour is compared on a grid of 1/32 sigma, which makes D smaller by .006 at most.
"""

import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import kolmogi

from bench.peers.rivals import Rival
from bench.peers.venvs import Absent, last_line, python_of
from bench.worlds import GRID, REACH, Block, World, draw

SAMPLE = 10_000  # reference rows
HOUR = 60
PSI_BINS, PSI_LIMIT, PSI_LEAST = 10, 0.2, 1e-4
COARSE = GRID // 32
WIDTH = 2 * REACH // COARSE + 1
MONTH = 30 * 1440
RIVER = Rival("river", "0.26.1", "river", 0, ("river==0.26.1", "numpy==2.4.6"))
RIVER_MAX_S = 1_800

Alarms = NDArray[np.bool_]
Places = NDArray[np.int32]


class Alarmed(Protocol):
    """Keeps its own window over the blocks of one stream."""

    def read(self, block: Block) -> Alarms:
        """Alarms of each minute and feature."""
        ...


def sample(world: World, seed: int, days: int = 7) -> Places:
    """The reference rows of the first three, i4[SAMPLE, features]."""
    every = max(1, int(world.rows * days * 1440 / SAMPLE))
    found = [block.places[::every] for block in draw(world, seed, days * 1440)]
    return np.concatenate(found)[:SAMPLE]


class MinuteKs:
    """KS of each minute's rows."""

    def __init__(self, reference: Places, share: float = 0.05) -> None:
        """Prepare the reference's cumulated shares on the grid."""
        self._rows = len(reference)
        counts = np.stack([np.bincount(column + REACH, minlength=2 * REACH + 1) for column in reference.T])
        self._upto = np.concatenate((np.zeros((len(counts), 1)), counts.cumsum(axis=1) / self._rows), axis=1)
        self._limit = float(kolmogi(share))

    def read(self, block: Block) -> Alarms:
        alarms = np.zeros((len(block.rows), block.places.shape[1]), np.bool_)
        column = np.arange(block.places.shape[1])
        for minute, rows in enumerate(np.split(block.places, np.cumsum(block.rows)[:-1])):
            if n := len(rows):
                places, rank = np.sort(rows, axis=0) + REACH, np.arange(1, n + 1)[:, np.newaxis]
                above = (rank / n - self._upto[column, places + 1]).max(axis=0)
                below = (self._upto[column, places] - (rank - 1) / n).max(axis=0)
                alarms[minute] = np.maximum(above, below) * np.sqrt(n * self._rows / (n + self._rows)) > self._limit
        return alarms


class _LastHour:
    """Counts of the last hour in `cells` of each feature."""

    def __init__(self, features: int, cells: int) -> None:
        self._ring = np.zeros((HOUR, features, cells), np.int32)
        self._at = 0
        self.total = np.zeros((features, cells), np.int64)

    def push(self, counts: NDArray[np.int32]) -> bool:
        """Add a minute and drop the one an hour older; whether the hour is full."""
        place = self._at % HOUR
        self.total += counts - self._ring[place]
        self._ring[place] = counts
        self._at += 1
        return self._at >= HOUR


class HourKs:
    """KS of the last hour, Bonferroni over a month of minutes and all features."""

    def __init__(self, reference: Places) -> None:
        """Prepare the reference's cumulated shares on the coarse grid."""
        features = reference.shape[1]
        self._rows, self._hour = len(reference), _LastHour(features, WIDTH)
        self._upto = _count(reference, COARSE).cumsum(axis=1) / self._rows
        self._limit = float(kolmogi(1 / (MONTH * features)))

    def read(self, block: Block) -> Alarms:
        alarms = np.zeros((len(block.rows), block.places.shape[1]), np.bool_)
        for minute, rows in enumerate(np.split(block.places, np.cumsum(block.rows)[:-1])):
            if self._hour.push(_count(rows, COARSE)):
                n = self._hour.total.sum(axis=1)
                gap = np.abs(self._hour.total.cumsum(axis=1) / n[:, np.newaxis] - self._upto).max(axis=1)
                alarms[minute] = gap * np.sqrt(n * self._rows / (n + self._rows)) > self._limit
        return alarms


class HourPsi:
    """PSI of the last hour in ten bins of equal share."""

    def __init__(self, reference: Places) -> None:
        """Cut the reference into its tenths."""
        cuts = np.quantile(reference, np.arange(1, PSI_BINS) / PSI_BINS, axis=0)
        grid = np.arange(-REACH, REACH + 1)
        self._table = np.stack([np.searchsorted(column, grid, side="right") for column in cuts.T])
        self._shares = self._bin(reference) / len(reference)
        self._hour = _LastHour(reference.shape[1], PSI_BINS)

    def read(self, block: Block) -> Alarms:
        alarms = np.zeros((len(block.rows), block.places.shape[1]), np.bool_)
        for minute, rows in enumerate(np.split(block.places, np.cumsum(block.rows)[:-1])):
            if self._hour.push(self._bin(rows)):
                live = self._hour.total / self._hour.total.sum(axis=1, keepdims=True)
                p, q = np.maximum(live, PSI_LEAST), np.maximum(self._shares, PSI_LEAST)
                alarms[minute] = ((p - q) * np.log(p / q)).sum(axis=1) > PSI_LIMIT
        return alarms

    def _bin(self, rows: Places) -> NDArray[np.int32]:
        column = np.arange(rows.shape[1])
        return _bincount(self._table[column, rows + REACH], PSI_BINS)


def means(blocks: Iterable[Block]) -> NDArray[np.float64]:
    """The mean of each minute in sigma, f8[minutes, features]; that of the minute before where there are no rows."""
    found: list[NDArray[np.float64]] = []
    for block in blocks:
        for rows in np.split(block.places, np.cumsum(block.rows)[:-1]):
            found.append(rows.mean(axis=0) / GRID if len(rows) else found[-1])
    return np.array(found)


def river(values: NDArray[np.float64]) -> dict[str, Alarms]:
    """Alarms of river's detectors over f8[minutes, features], in its own venv; Absent if that can not be had."""
    python = python_of(RIVER)
    with tempfile.TemporaryDirectory(prefix="bench-river-") as folder:
        asked, told = Path(folder) / "means.npy", Path(folder) / "alarms.npz"
        np.save(asked, values)
        command = [str(python), "-P", str(Path(__file__).parent / "river_worker.py"), str(asked), str(told)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=RIVER_MAX_S, check=False)
        except subprocess.TimeoutExpired:
            raise Absent(f"river took more than {RIVER_MAX_S} s") from None
        if done.returncode:
            raise Absent(f"river: {last_line(done.stderr)}")
        with np.load(told) as found:
            return {name: found[name] for name in found.files}


def muted(alarms: Alarms, minutes: int = HOUR) -> int:
    """How many pages the alarms bool[minutes, features] of a model are, when each silences the next hour."""
    pages, quiet_until = 0, -1
    for minute in np.flatnonzero(alarms.any(axis=1)).tolist():
        if minute >= quiet_until:
            pages, quiet_until = pages + 1, minute + minutes
    return pages


def delays(alarms: Alarms, since: int) -> NDArray[np.float64]:
    """Minutes from `since` to the end of the first minute with an alarm, of each feature; infinite for never."""
    after = alarms[since:]
    return np.where(after.any(axis=0), after.argmax(axis=0) + 1.0, np.inf)


def read_all(reader: Alarmed, blocks: Iterable[Block]) -> Iterator[Alarms]:
    """The alarms of each block."""
    for block in blocks:
        yield reader.read(block)


def _count(rows: Places, step: int) -> NDArray[np.int32]:
    return _bincount((rows + REACH + step // 2) // step, WIDTH)


def _bincount(cells: NDArray[np.integer], width: int) -> NDArray[np.int32]:
    features = cells.shape[1]
    counts = np.bincount((cells + width * np.arange(features)).ravel(), minlength=width * features)
    return counts.reshape(features, width).astype(np.int32)
