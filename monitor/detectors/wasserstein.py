"""Wasserstein-1 (earth mover's) distance between two binned samples, in standard deviations of the reference.

    value = integral |P(x) - Q(x)| dx / std of the reference        in [0, inf);  P, Q cumulative shares

How far the average row has moved. No interval: the point decides. Bins: P and Q are known exactly at the bins' edges
and taken as straight between; rows in the outer bins stand at the outermost edge. So rows are moved by at most their
bin's width w, and the value is within

    sum over inner bins of (p_i + q_i) w_i / 2 / std

of the distance of the samples cut at the edges. In 20 quantile bins a shift of half a deviation reads .00 (uniform) to
.07 (normal, exponential: wide last bins) too large, no shift .00 (measured 2026-11). Beyond the edges distances are
lost, except in the means: where these are known, |mean - mean of the reference| is a lower bound of the distance
(Kantorovich), and the larger of both counts.

Source: Vallender 1974, Theory Probab. Appl. 18:784. UNKNOWN for a reference without spread: nothing to measure in.
Not a test: two samples of one normal source give about .7 sqrt(1/n + 1/m), .03 at 500 rows against many, plus the
error of the bins.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf, isfinite, sqrt
from typing import ClassVar

from monitor.detectors.parameters import demand_positive, demand_rows
from monitor.detectors.protocol import judge, take_histograms, too_few, unknown
from monitor.facts import EVERY_TASK, FeatureKind, Histogram, Reading, Subject, Task, View

UNIT = "std"


@dataclass(frozen=True, slots=True)
class Wasserstein:
    """Breach above `limit`, given `rows_min` binned rows on each side; UNKNOWN where bins have no order or no edges."""

    subjects: ClassVar[frozenset[Subject]] = frozenset({Subject.FEATURES, Subject.OUTPUT, Subject.SCORE})
    kinds: ClassVar[frozenset[FeatureKind]] = frozenset({FeatureKind.NUMERIC})
    tasks: ClassVar[frozenset[Task]] = EVERY_TASK

    limit: float = 0.25  # > 0, standard deviations of the reference
    rows_min: int = 500  # >= 1

    def __post_init__(self) -> None:
        demand_positive("limit", self.limit)
        demand_rows("rows_min", self.rows_min)

    def read(self, reference: View, current: View) -> Reading:
        """Compare two histograms of the same bins; ValueError if the bins or their edges differ.

        >>> from monitor.facts import Histogram
        >>> before = Histogram("x", True, (0, 100, 0), edges=(0.0, 1.0), std=0.5)
        >>> after = Histogram("x", True, (0, 0, 100), edges=(0.0, 1.0))
        >>> Wasserstein(rows_min=4).read(before, after).value
        1.0
        """
        expected, found = take_histograms(reference, current)
        if not expected.ordered:
            return unknown(found.n, "its bins have no order", UNIT)
        if expected.edges != found.edges:
            msg = f"the edges of {found.column} are not those of its reference"
            raise ValueError(msg)
        if min(expected.n, found.n) < self.rows_min:
            return too_few(found.n, self.rows_min, UNIT)
        if not expected.edges:
            return unknown(found.n, "the edges of its bins are not known", UNIT)
        unit = spread(expected)
        if not 0 < unit < inf:
            return unknown(found.n, "the reference does not vary, or beyond what a double holds", UNIT)
        value = distance(expected, found) / unit
        if expected.mean is not None and found.mean is not None:
            value = max(value, abs(found.mean - expected.mean) / unit)
        if not isfinite(value):
            return unknown(found.n, "it is beyond what a double holds", UNIT)
        return Reading(judge(value > self.limit), found.n, value, self.limit, unit=UNIT)


def distance(expected: Histogram, found: Histogram) -> float:
    """Integral of |P - Q| between the outermost edges; both with a row and with edges."""
    total, before, apart = 0.0, 0, 0
    for width, p, q in _steps(expected, found):
        before, apart = apart, apart + p * found.n - q * expected.n
        total += width * _area(before, apart)
    return total / (expected.n * found.n)


def error_bound(expected: Histogram, found: Histogram) -> float:
    """By how much `distance` may differ from that of the raw rows, cut at the outermost edges."""
    steps = _steps(expected, found)
    return sum(width * (p / expected.n + q / found.n) / 2 for width, p, q in steps)


def spread(reference: Histogram) -> float:
    """The standard deviation: as it was counted, else of the bins' masses, spread evenly inside each."""
    if reference.std is not None:
        return reference.std
    cuts = zip(reference.edges, reference.edges[1:], _inner(reference), strict=False)
    masses = [((low + high) / 2, (high - low) * (high - low) / 12, rows) for low, high, rows in cuts]
    if _outer(reference):
        masses += [(reference.edges[i], 0.0, reference.bins[i]) for i in (0, -1)]
    n = sum(rows for *_, rows in masses)
    middle = sum(centre * (rows / n) for centre, _, rows in masses)
    squares = [(centre - middle) * (centre - middle) + within for centre, within, _ in masses]
    return sqrt(sum(square * (rows / n) for square, (*_, rows) in zip(squares, masses, strict=True)))


def _steps(expected: Histogram, found: Histogram) -> Iterator[tuple[float, int, int]]:
    """Width and counts of each bin in order, those of no width included: the outer ones stand at their edge."""
    widths = [high - low for low, high in zip(expected.edges, expected.edges[1:], strict=False)] or [0.0]
    if _outer(expected):
        widths = [0.0, *widths, 0.0]
    return zip(widths, expected.bins, found.bins, strict=True)


def _area(before: int, after: int) -> float:
    """Integral over [0, 1] of |the straight line between two values|."""
    if (before < 0) == (after < 0) or not before or not after:
        return (abs(before) + abs(after)) / 2
    return (before * before + after * after) / (2 * (abs(before) + abs(after)))


def _outer(histogram: Histogram) -> bool:
    """Whether the first and the last bin lie outside the edges; those of a score do not."""
    return len(histogram.bins) != len(histogram.edges) - 1


def _inner(histogram: Histogram) -> tuple[int, ...]:
    return histogram.bins[1:-1] if _outer(histogram) else histogram.bins
