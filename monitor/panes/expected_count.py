"""Learns from the second pass over the history what labels are expected to say (expected.py).

A classification's labelled rows are counted, all of them. Of a regression's at most 50,000 are kept, as cells of one
byte, and 20,000,000 bytes in all: which ones follows from their place in the history, spread evenly by the fractional
parts of i times the golden ratio (Weyl 1916), so no period of the stream is met at one phase, and the same history
gives the same rows. Cost: 0.02 s for a million rows of a classification; the fit of 50,000 x 20 cells in expected_fit.
"""

from typing import Final

import numpy as np

from monitor.facts import Task
from monitor.panes.binning import Binned, Cells, Doubles
from monitor.panes.errors import standardise
from monitor.panes.expected import BINS, Calibration, Expected, ScoreBin
from monitor.panes.expected_fit import fit_errors
from monitor.panes.layout import Layout

SAMPLE_MAX: Final = 50_000  # rows
BYTES_MAX: Final = 20_000_000  # their cells
EPS: Final = float(np.finfo(np.float32).eps)  # as measured log losses are clipped
_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio
_MOMENTS: Final = 7  # sums kept of a score bin


class Expecting:
    """Hears every row of the history once, in order."""

    def __init__(self, layout: Layout, rows: int) -> None:
        """`rows` is how many will come."""
        self._layout = layout
        outputs = layout.classes + 1
        self._counts = np.zeros((outputs * BINS, 2), np.int64)
        self._sums = np.zeros((_MOMENTS, BINS + 1))
        features = len(layout.feature_cells)
        self._share = min(1.0, min(SAMPLE_MAX, BYTES_MAX // (features + 1)) / max(rows, 1))
        self._seen = 0
        self._kept: list[tuple[Cells, Cells, Doubles]] = []

    def update(self, binned: Binned, scores: Doubles, labels: Doubles) -> None:
        """Count a batch: `scores` f8[n] as they came, `labels` f8[n] as of `Label`, NaN where none came.

        A batch without labels has none: f8[0].
        """
        if not len(labels):
            return
        match self._layout.task:
            case Task.CLASSIFICATION:
                self._calibrate(binned, scores, labels)
            case Task.REGRESSION:
                self._keep(binned, labels)
            case Task.RANKING:
                pass

    def complete(self) -> Expected | None:
        """What was learned; None where too few labels came, or of a ranking."""
        if self._layout.task is Task.CLASSIFICATION:
            return self._calibration() if self._counts.any() else None
        if not self._kept:
            return None
        cells, outputs, errors = (np.concatenate(parts) for parts in zip(*self._kept, strict=True))
        return fit_errors(self._layout, cells, outputs, errors)

    def _calibrate(self, binned: Binned, scores: Doubles, labels: Doubles) -> None:
        layout, bins = self._layout, binned.score_cells.astype(np.intp)
        known = ~np.isnan(labels) & (bins < BINS)
        truth, outputs = np.minimum(labels[known], layout.classes), binned.output_cells[known].astype(np.intp)
        came_true = (truth == outputs) if layout.positive is None else truth == layout.positive
        index = (outputs * BINS + bins[known]) * 2 + ~came_true
        self._counts += np.bincount(index, minlength=self._counts.size).reshape(-1, 2)
        given = np.where(bins < BINS, scores, 0.5).astype(np.float32).astype(np.float64)
        one, zero = (-np.log(np.clip(chance, EPS, 1 - EPS)) for chance in (given, 1 - given))
        rest = 1 - given
        terms = (np.ones_like(given), given, given * one, given * one**2, rest, rest * zero, rest * zero**2)
        self._sums += np.stack([np.bincount(bins, term, BINS + 1) for term in terms])

    def _calibration(self) -> Calibration:
        cells = [(place, hits, misses) for place, (hits, misses) in enumerate(self._counts.tolist()) if hits or misses]
        return Calibration(
            tuple(cells), tuple(_describe(i, *self._sums[:, i]) for i in range(BINS) if self._sums[0, i])
        )

    def _keep(self, binned: Binned, labels: Doubles) -> None:
        places = np.arange(self._seen, self._seen + len(labels), dtype=np.uint64)
        self._seen += len(labels)
        chosen = (places * _GOLDEN) >> np.uint64(11) < np.uint64(self._share * 2.0**53)
        rows = np.flatnonzero(chosen & np.isfinite(labels) & np.isfinite(binned.values))
        errors = np.abs(standardise(binned.values[rows], labels[rows], self._layout.reference.error_scale))
        if len(rows):
            self._kept.append((binned.cells[rows], binned.output_cells[rows], errors))


def _describe(place: int, *sums: float) -> ScoreBin:
    """Means from sums, of six digits: sums in doubles depend on their order in the last ones."""
    rows, score, one, one_squared, rest, zero, zero_squared = map(float, sums)
    means = (score / rows, *_means(score, one, one_squared), *_means(rest, zero, zero_squared))
    return ScoreBin(place, *(float(f"{mean:.6g}") for mean in means))


def _means(weight: float, first: float, second: float) -> tuple[float, float]:
    return (first / weight, second / weight) if weight > 0 else (0.0, 0.0)
