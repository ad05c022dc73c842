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
_A = (-3.969683028665376e01, 2.209460984245205e02, -2.759285104469687e02, 1.383577518672690e02, -3.066479806614716e01, 2.506628277459239e00)  # fmt: skip
_B = (-5.447609879822406e01, 1.615858368580409e02, -1.556989798598866e02, 6.680131188771972e01, -1.328068155288572e01, 1.0)  # fmt: skip
_C = (-7.784894002430293e-03, -3.223964580411365e-01, -2.400758277161838e00, -2.549732539343734e00, 4.374664141464968e00, 2.938163982698783e00)  # fmt: skip
_D = (7.784695709041462e-03, 3.224671290700398e-01, 2.445134137142996e00, 3.754408661907416e00, 1.0)
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
    return np.exp(-0.5 * point * point) / np.sqrt(2 * np.pi)


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
