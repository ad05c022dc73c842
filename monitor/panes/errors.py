"""Sums of a regression's errors that are exact integers, cannot overflow and can be taken back.

Each labelled row adds a few real numbers: with e = prediction - label in error scales and y = the label less the
output's centre in output scales (both powers of two of the reference), each clipped to +-256,

    e   |e|   e^2   e^4   y   y^2   and for each quantile t of .1, .5, .9   p = max(-t e, (1 - t) e)   and p^2

(p is the pinball loss of Koenker & Bassett 1978, of a prediction meant as the t-quantile). A number x goes into two
cells as hi = floor(x) and lo = round((x - hi) * 2^32): a function of the row alone, so the same row subtracts what it
added, and a sum is off by at most rows * 2^-33 units. hi is at most 256^4 = 2^32 and lo at most 2^32, so 2^31 rows fit
a count, each of them 256 scales away. A double would lose a row of 10^-6 among a million; one fixed-point cell that
holds e^4 of the worst row resolves nothing of the best.

What is beyond the clip counts as the bound, and is told (`clipped`): an error 256 times what nine in ten errors of the
reference stay below is a breach however large it is.
"""

import math
import sys
from fractions import Fraction
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from monitor.facts import FIXED_POINT
from monitor.panes.reference import NumericBins

Doubles: TypeAlias = NDArray[np.float64]
Signs: TypeAlias = NDArray[np.int64]

CLIP: Final = 256.0  # scales
QUANTILES: Final = (0.1, 0.5, 0.9)


def standardise(values: Doubles, centre: Doubles | float, scale: float) -> Doubles:
    """Shift by `centre` and divide by `scale`, a power of two, then clip to +-CLIP; finite for finite values."""
    with np.errstate(over="ignore", under="ignore"):
        found: Doubles = np.clip((values - centre) / scale, -CLIP, CLIP)
    return found


def error_terms(errors: Doubles, labels: Doubles) -> list[Doubles]:
    """The twelve numbers of each row, in the order of the section, given e and y."""
    with np.errstate(under="ignore"):
        squares = errors * errors
        losses = [np.maximum(-share * errors, (1 - share) * errors) for share in QUANTILES]
        pinball = [term for loss in losses for term in (loss, loss * loss)]
        return [errors, np.abs(errors), squares, squares * squares, labels, labels * labels, *pinball]


def paired_gap(scale: float, served: Doubles, known_good: Doubles) -> tuple[NDArray[np.bool_], Doubles]:
    """Which rows have two finite predictions, and how far apart these are, in units of `scale`."""
    asked = np.isfinite(served) & np.isfinite(known_good)
    return asked, np.abs(standardise(served[asked], known_good[asked], scale))


def split_sums(terms: list[Doubles], signs: Signs) -> NDArray[np.int64]:
    """Sum each term times `signs` into its two cells, hi then lo: i8[2 * terms]."""
    sums = np.empty(2 * len(terms), np.int64)
    for i, term in enumerate(terms):
        high = np.floor(term)
        sums[2 * i] = high.astype(np.int64) @ signs
        sums[2 * i + 1] = np.rint((term - high) * FIXED_POINT).astype(np.int64) @ signs
    return sums


def worse_rows(labelled: int, high: int, low: int) -> int:
    """How many of so many rows make up the sum of (1 + d) / 2, rounded down; d in [-1, 1] sums to `high` and `low`.

    0 to `labelled`: n where the served model's error is larger by a scale and more in every row, half of them where it
    is as large. Rounded down it never says more than the rows did, whoever bets that it rises.

    >>> worse_rows(10, 5, 0), worse_rows(10, -10, 0), worse_rows(3, 0, 1)
    (7, 0, 1)
    """
    found = (labelled + high) * FIXED_POINT + low
    return min(max(found // (2 * FIXED_POINT), 0), max(labelled, 0))


def joined(cells: list[int]) -> list[Fraction]:
    """Put hi and lo of each sum together again, in units of the scale."""
    return [Fraction(high * FIXED_POINT + low, FIXED_POINT) for high, low in zip(cells[::2], cells[1::2], strict=True)]


def real(sum_: Fraction, scale: float = 1.0, power: int = 1) -> float:
    """Give a sum in the target's unit, rounded once; the greatest double stands for what is greater."""
    try:
        return float(sum_ * Fraction(scale) ** power)
    except OverflowError:
        return math.copysign(sys.float_info.max, sum_)


def label_sums(output: NumericBins, rows: int, shifted: Fraction, squared: Fraction) -> tuple[float, float]:
    """Turn the sums of y and y^2 over so many rows into the sum of the labels and that of their squared deviations.

    The second is worked out in fractions: in doubles it would cancel where the labels are far from zero.
    """
    centre, scale = Fraction(output.centre), Fraction(output.scale)
    deviations = squared - shifted**2 / rows if rows > 0 else Fraction(0)
    return real(rows * centre + scale * shifted), real(max(deviations, Fraction(0)), output.scale, 2)
