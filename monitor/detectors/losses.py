"""Means of errors in the target's unit, with their intervals: what the regression detectors have in common.

Errors so large that the sums cannot hold them count as the bound (`Errors.clipped`), which makes a loss too small: it
may still breach, but that it is within its limit cannot be told.
"""

from math import isfinite

from monitor.detectors.estimates import Estimate, Found
from monitor.detectors.intervals import mean
from monitor.facts import Errors


def clipped(errors: Errors) -> str:
    """What must be said where errors were cut, or nothing."""
    return f"{errors.clipped} errors are beyond what the sums hold: the truth is worse" if errors.clipped else ""


def mean_loss(errors: Errors, total: float, squares: float) -> Found:
    """The mean of a loss >= 0 over the labelled rows, from its sum and its sum of squares; normal interval."""
    n = errors.labelled
    if not n:
        return "no row is labelled"
    if not isfinite(total):
        return "the sums are beyond what a double holds"
    ends = mean(total, squares, n)
    low, high = (None, None) if ends is None else (max(0.0, ends[0]), ends[1])
    return Estimate(max(0.0, total / n), n, n, low, high, clipped(errors))
