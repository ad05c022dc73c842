"""What is expected of a window whose labels have not come: how it becomes a reading, and a figure of calibrated scores.

With n_c rows in a cell c of output and score bin and chance p_c that one comes true, hits h_c = n_c p_c are expected,
and a figure T is read from them as from labels (CBPE). What the labels will say differs from it by

    var T = sum_c (dT/dh_c)^2 n_c p_c (1 - p_c) + sum_c (dT/dh_c)^2 n_c^2 var(p_c)
    slack = sum_c |dT/dh_c| n_c s_c

the rows' own luck, the reference's (var p_c: it is a sample) and, of cells the reference never saw, how far p_c may be
off (monitor.panes.expected_read). The interval is Wilson's with as many rows as give a share that variance, widened by
the slack: it is about the figure that this window's labels will give, not about a mean over windows. Derivatives are
differences of T itself, all cells at once. Rows of a window are taken as independent, as all intervals here do.

Cost of one figure: 0.2-0.7 ms of CPU at 50 cells (measured 2026-11).

Source: Kivimaki et al. 2025 (expected confusion from calibrated chances); the delta method: Oehlert 1992, Am. Stat.
46:27; NannyML's CBPE, whose band has the first part alone, of the reference's spread.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from typing import Final, TypeAlias, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from monitor.detectors.estimates import Estimate, Found, Limit
from monitor.detectors.intervals import Z95
from monitor.detectors.protocol import take, unknown
from monitor.facts import Chances, ExpectedErrors, Reading, View

WARNING: Final = (
    "an estimate: needs P(y|x) unchanged and calibration given x, so it cannot see concept drift or a confident "
    "backdoored model"
)
CALIBRATED_MIN: Final = 200  # labelled rows of the reference
STRANGE_MAX: Final = 0.1  # share of the rows of which the reference says next to nothing

Doubles: TypeAlias = NDArray[np.float64]
Figures: TypeAlias = Callable[[Doubles], Doubles]  # hits f8[..., cells] -> f8[...]

_E = TypeVar("_E", Chances, ExpectedErrors)


def read(
    limit: Limit, kind: type[_E], reference: View, current: View, *, figure: Callable[[_E], Found], unit: str
) -> Reading:
    """Hold what is expected of a window against what is expected of the reference; ValueError for other views."""
    before, view = figure(take(kind, reference)), take(kind, current)
    n = view.scored if isinstance(view, Chances) else view.told
    found = _lacking(n, view.rows, limit) or figure(view)
    if isinstance(found, str):
        return unknown(n, found, unit)
    reading = limit.judge(before, found, unit)
    return reading if reading.value is None else msgspec.structs.replace(reading, why=WARNING)


def _lacking(n: int, rows: int, limit: Limit) -> str:
    if n < limit.rows_min:
        return f"fewer than {limit.rows_min} rows with an answer that can be weighed"
    if n < limit.coverage_min * rows:
        return f"{n} of {rows} rows have an answer that can be weighed, below the floor of {limit.coverage_min}"
    return ""


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """The cells of a window as columns, f8[cells]; `outputs` f8[cells, k + 1] and `bins` f8[cells, 64] say where."""

    view: Chances
    rows: Doubles
    chance: Doubles
    variance: Doubles
    slack: Doubles
    outputs: Doubles
    bins: Doubles

    @property
    def n(self) -> int:
        """Rows with a score."""
        return int(self.rows.sum())

    @property
    def hits(self) -> Doubles:
        """Rows expected to come true."""
        return self.rows * self.chance

    def column(self, name: str) -> Doubles:
        """One number of each cell."""
        return np.array([getattr(cell, name) for cell in self.view.cells], float)


def table(view: Chances) -> Table | str:
    """The cells as columns; or why they say nothing."""
    if view.calibrated < CALIBRATED_MIN:
        return f"the reference has fewer than {CALIBRATED_MIN} labelled rows with a score"
    if not view.cells:
        return "no row came with a score"
    output, place, rows, chance, variance, slack = np.array([tuple(_numbers(cell)) for cell in view.cells]).T
    classes = np.arange(len(view.classes) + 1)
    found = Table(
        *(view, rows, chance, variance, slack),
        (output[:, np.newaxis] == classes).astype(float),
        (place[:, np.newaxis] == np.arange(64)).astype(float),
    )
    strange = float((rows * slack).sum() / rows.sum())
    if strange > STRANGE_MAX:
        return "the reference has next to no labelled rows with such scores"
    return found


def _numbers(cell: msgspec.Struct) -> tuple[float, ...]:
    return msgspec.structs.astuple(cell)[:6]


def expect(found: Table, figure: Figures, extra: float = 0.0, ties: float = 0.0) -> Estimate:
    """A figure in [0, 1] with its interval; `extra` variance and `ties`, on both sides, are the caller's."""
    value, variance, slack = spread(found, figure)
    low, high = _share_interval(min(1.0, max(0.0, value)), variance + extra)
    value = min(1.0, max(0.0, value))
    return Estimate(value, found.n, found.n, max(0.0, low - slack - ties), min(1.0, high + slack + ties))


def spread(found: Table, figure: Figures) -> tuple[float, float, float]:
    """The figure of the expected hits, its variance and its slack, as the design note says."""
    hits, rows, chance = found.hits, found.rows, found.chance
    steps = rows * 1e-4
    moved = figure(np.concatenate([hits + np.diag(steps), hits - np.diag(steps)]))
    slopes = (moved[: len(rows)] - moved[len(rows) :]) / (2 * steps)
    luck = rows * chance * (1 - chance) + rows**2 * found.variance
    return float(figure(hits)), float((slopes**2 * luck).sum()), float((abs(slopes) * rows * found.slack).sum())


def _share_interval(value: float, variance: float) -> tuple[float, float]:
    """Wilson's, with the rows at which a share of this value has this variance."""
    if variance <= 0 or not 0 < value < 1:
        half = Z95 * sqrt(max(variance, 0.0))
        return value - half, value + half
    rows = value * (1 - value) / variance
    square = Z95 * Z95
    centre, half = value * rows + square / 2, Z95 * sqrt(rows * value * (1 - value) + square / 4)
    return min((centre - half) / (rows + square), value), max((centre + half) / (rows + square), value)
