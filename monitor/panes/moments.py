"""Mean and standard deviation of a column from two integers that add.

A value v becomes q = round((v - centre) / scale * 2^11), clipped to +-2^16, that is to 32 scales around the centre; a
pane keeps sum q and sum q^2. Both are integers, so panes add exactly in any order, and

    mean = centre + step * sum q / n        variance = step^2 * (n sum q^2 - (sum q)^2) / n^2        step = scale / 2^11

is worked out in whole numbers: nothing cancels, however far the values lie from zero. `scale` is a power of two of at
least the reference's interquartile range and an eighth of its reach (build.py), so nothing of the reference is clipped,
a live mean may wander four times as far as the reference ever reached, and rounding moves a mean by less than
scale / 2^12 (for values that all lie on the same side between two steps; by step / sqrt(12 n) otherwise) and a variance
by step^2 / 12. Clipping both sides alike compares like with like; how much was clipped stands in `over` and `under`.

Cost: q, its sum and its sum of squares stay in doubles: at most 2^13 rows of 2^32 are below 2^53, so every partial sum
is an exact integer in whatever order BLAS adds it. 1.5 ns a value (measured 2026-11). Where rows are few,
several columns go through the buffer at once: numpy's fixed costs are paid once, not 2,000 times.
Bound: q^2 is at most 2^32, so 2^31 rows fit a count, each of them 32 scales away.
"""

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from monitor.panes.reference import NumericBins

Cells: TypeAlias = NDArray[np.uint8]
Doubles: TypeAlias = NDArray[np.float64]

STEPS = 1 << 11  # of a scale
CLIP = 1 << 16  # steps
_CHUNK = 8_192  # values; the buffer (64 KB) stays in the second-level cache, and sums of squares below 2^53


def sum_moments(columns: Sequence[NumericBins], values: Sequence[Doubles | None], cells: Cells) -> NDArray[np.int64]:
    """Sum q and q^2 of each column, i8[columns, 2], over the rows whose cell in u1[columns, n] is a bin.

    `values` f8[n] are those of each column; None where the rows have no such numbers.
    """
    rows = cells.shape[1]
    sums = np.zeros((len(columns), 2), np.int64)
    if not rows:
        return sums
    wide = max(1, _CHUNK // rows)
    buffer = np.empty((wide, min(rows, _CHUNK)))
    for first in range(0, len(columns), wide):
        block = slice(first, first + wide)
        _sum_block(columns[block], values[block], cells[block], buffer, sums[block])
    return sums


def _sum_block(
    columns: Sequence[NumericBins],
    values: Sequence[Doubles | None],
    cells: Cells,
    buffer: Doubles,
    sums: NDArray[np.int64],
) -> None:
    """Add to `sums`; as many columns as fit the buffer at once."""
    factors = np.array([[STEPS / column.scale] for column in columns])
    gone = np.array([[column.bins + 2] for column in columns], np.uint8)
    for start in range(0, cells.shape[1], _CHUNK):
        cell = cells[:, start : start + _CHUNK]
        steps = buffer[: len(columns), : cell.shape[1]]
        with np.errstate(over="ignore", under="ignore"):  # the clip is for what is too large, a step for the too small
            for column, found, out in zip(columns, values, steps, strict=True):
                if found is None:
                    out.fill(0.0)
                else:
                    np.subtract(found[start : start + _CHUNK], column.centre, out=out)
            np.multiply(steps, factors, out=steps)
        np.clip(steps, -float(CLIP), float(CLIP), out=steps)
        np.rint(steps, out=steps)
        if (absent := cell >= gone).any():
            np.copyto(steps, 0.0, where=absent)
        sums[:, 0] += steps.sum(axis=1).astype(np.int64)
        sums[:, 1] += np.vecdot(steps, steps).astype(np.int64)


def describe(column: NumericBins, n: int, first: int, second: int) -> tuple[float | None, float | None]:
    """Turn the two sums over n rows into mean and standard deviation (of the population); None without rows."""
    if n <= 0:
        return None, None
    mean = column.centre + column.scale * (first / (STEPS * n))
    std = column.scale * (math.sqrt(max(n * second - first * first, 0)) / (STEPS * n))
    return (mean, std) if math.isfinite(mean) and math.isfinite(std) else (None, None)
