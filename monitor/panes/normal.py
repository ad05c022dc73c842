"""The normal distribution on arrays, and the normal scores of bins.

A bin that holds the quantiles a to b of a distribution gets the mean of the normal quantiles between them,

    z = (phi(q(a)) - phi(q(b))) / (b - a)        (van der Waerden scores, averaged over ties)

so the scores of the reference itself have mean 0, and standard deviation near 1 where bins are fine: a shift of the
column by d standard deviations moves its mean score by about d, whatever its shape. An empty bin gets the quantile of
its place, no farther than 3 out.

q is Acklam's rational approximation (relative error below 1.2e-9), in closed form for arrays.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

FARTHEST: Final = 3.0  # of an empty bin
_A: Final = (
    *(-39.69683028665376, 220.9460984245205, -275.9285104469687),
    *(138.357751867269, -30.66479806614716, 2.506628277459239),
)
_B: Final = (-54.47609879822406, 161.5858368580409, -155.6989798598866, 66.80131188771972, -13.28068155288572, 1.0)
_C: Final = (
    *(-7.784894002430293e-03, -0.3223964580411365, -2.400758277161838),
    *(-2.549732539343734, 4.374664141464968, 2.938163982698783),
)
_D: Final = (7.784695709041462e-03, 0.3224671290700398, 2.445134137142996, 3.754408661907416, 1.0)
_TAIL: Final = 0.02425


def normal_quantile(share: Doubles) -> Doubles:
    """Points of the standard normal below which `share` in [0, 1] lies; infinite at the ends.

    >>> round(float(normal_quantile(np.array([0.975]))[0]), 6)
    1.959964
    """
    near = np.minimum(share, 1 - share)
    with np.errstate(divide="ignore", invalid="ignore"):
        tail = np.sqrt(-2 * np.log(near))
        outer = np.polyval(_C, tail) / np.polyval(_D, tail)
    centred = share - 0.5
    square = centred * centred
    inner = centred * np.polyval(_A, square) / np.polyval(_B, square)
    outer = np.where(near <= 0, -np.inf, outer)
    return np.where(near < _TAIL, np.where(share < 0.5, outer, -outer), inner)


def normal_density(point: Doubles) -> Doubles:
    """Density of the standard normal; 0 at infinity."""
    density: Doubles = np.exp(-0.5 * point * point) / np.sqrt(2 * np.pi)
    return density


def mean_scores(shares: Doubles) -> Doubles:
    """Normal scores of bins f8[..., B] whose `shares` sum to 1 along the last axis."""
    ends = np.clip(np.cumsum(shares, axis=-1), 0.0, 1.0)
    ends[..., -1] = 1.0
    starts = np.concatenate([np.zeros_like(ends[..., :1]), ends[..., :-1]], axis=-1)
    low, high = normal_quantile(starts), normal_quantile(ends)
    place = np.clip(normal_quantile((starts + ends) / 2), -FARTHEST, FARTHEST)
    held = shares > 0
    mean = (normal_density(low) - normal_density(high)) / np.where(held, shares, 1.0)
    return np.where(held, mean, place)
