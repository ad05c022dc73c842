"""Mean errors of a regression that are expected of features and predictions, with their intervals (DLE).

The mean is linear in the window's shares of cells (monitor.panes.expected_read). What the labels will say differs from
it by the rows' own luck, (mean e^2 - mean |e| squared) / n, and of e^2 by the reference's kurtosis; and by the
reference's, a jackknife over 8 parts, hence weighted by the square of t with 7 degrees of freedom over that of z. That
the model is additive is in no interval.
"""

from math import hypot, isfinite, sqrt
from typing import Final

from monitor.detectors.estimates import Estimate, Found
from monitor.detectors.expected import STRANGE_MAX
from monitor.detectors.intervals import Z95
from monitor.facts import ExpectedErrors

T7: Final = 2.364624  # the 97.5 % point of Student's t with 7 degrees of freedom


def absolute_error(view: ExpectedErrors) -> Found:
    """Mean of |prediction - label|."""
    if why := _untold(view):
        return why
    value = max(0.0, view.absolute)
    return _estimate(view, value, sqrt(max(0.0, view.squared - value * value)), view.absolute_sd)


def root_squared_error(view: ExpectedErrors) -> Found:
    """Root of the mean of (prediction - label)^2."""
    if why := _untold(view):
        return why
    value = max(0.0, view.squared)
    square = _estimate(view, value, value * sqrt(view.kurtosis - 1), view.squared_sd)
    return square._replace(value=sqrt(value), low=sqrt(square.low or 0.0), high=sqrt(square.high or 0.0))


def _untold(view: ExpectedErrors) -> str:
    if not view.fitted:
        return "the reference has too few labels to expect errors from"
    if not view.told:
        return "no row has a finite prediction"
    if view.strange_share > STRANGE_MAX:
        return f"{view.strange_share:.0%} of {view.strange} lies where the reference has next to no rows"
    if not all(map(isfinite, (view.absolute, view.absolute_sd, view.squared, view.squared_sd))):
        return "the sums are beyond what a double holds"
    return ""


def _estimate(view: ExpectedErrors, value: float, sd: float, learned_sd: float) -> Estimate:
    """A mean of values of standard deviation `sd`, itself learned with an error of `learned_sd`."""
    half = hypot(Z95 * sd / sqrt(view.told), T7 * learned_sd)
    return Estimate(value, view.told, view.told, max(0.0, value - half), value + half)
