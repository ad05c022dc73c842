"""Intervals of what a backtest counted: pages in some time, delays of which some were never seen, and shares missed.

Pages. Of k pages in m months the rate's exact 95 % interval is [chi2(.025; 2k) / 2m, chi2(.975; 2k + 2) / 2m] (Garwood
1936): the rates at which k or more, and k or fewer, come with probability .025. They are found by bisection on the
Poisson sum, so no table of chi2 is needed; of more than 500 pages by the cube of a normal (Wilson & Hilferty 1931),
which is right to four digits there. It takes pages as independent; pages of one cause come in runs, and the
interval is then too narrow. None in m months still allows 3.7 / m.

Delays. The median of n delays lies between the i-th and the (n + 1 - i)-th smallest with probability
1 - 2 P(Bin(n, 1/2) < i), whatever their law (Conover 1999, section 3.2); a shift that was missed is an infinite delay.
Fewer than six delays bound nothing at 95 %: the interval is then what was seen, from the least to the greatest.
"""

import math
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from monitor.panes.normal import normal_quantile

MONTH_S: Final = 30 * 86400.0
LEVEL: Final = 0.95
_STEPS: Final = 100  # of a bisection
_MANY: Final = 500


def poisson_interval(count: int, level: float = LEVEL) -> tuple[float, float]:
    """Exact interval of the mean of a Poisson number that came out as `count` >= 0.

    >>> [round(end, 3) for end in poisson_interval(0)], [round(end, 3) for end in poisson_interval(3)]
    ([0.0, 3.689], [0.619, 8.767])
    """
    tail = (1 - level) / 2
    if count > _MANY:
        z = float(normal_quantile(np.array([tail]))[0])
        return _hilferty(count, z), _hilferty(count + 1, -z)
    reach = count + 20 * math.sqrt(count + 1) + 20
    low = 0.0 if not count else _bisect(lambda mean: 1 - _at_most(count - 1, mean) < tail, reach)
    return low, _bisect(lambda mean: _at_most(count, mean) > tail, reach)


def median_interval(delays: Sequence[float]) -> tuple[float, float, float]:
    """Median and its interval of at least one delay, infinite ones included.

    >>> median_interval([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, math.inf])
    (4.0, 1.0, inf)
    """
    ordered = sorted(delays)
    n = len(ordered)
    middle = ordered[(n - 1) // 2], ordered[n // 2]
    median = middle[1] if middle[0] == middle[1] else sum(middle) / 2
    below, rank = 0.0, 0
    while rank < (n + 1) // 2:
        below += math.exp(math.lgamma(n + 1) - math.lgamma(rank + 1) - math.lgamma(n - rank + 1) - n * math.log(2))
        if below > (1 - LEVEL) / 2:
            break
        rank += 1
    rank = max(rank, 1)
    return median, ordered[rank - 1], ordered[n - rank]


def _hilferty(count: int, z: float) -> float:
    """Half of the chi2 quantile with 2 `count` degrees of freedom at the normal's point `z`."""
    return count * (1 - 1 / (9 * count) + z / (3 * math.sqrt(count))) ** 3


def _bisect(below: Callable[[float], bool], high: float) -> float:
    low = 0.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if below(middle) else (low, middle)
    return (low + high) / 2


def _at_most(count: int, mean: float) -> float:
    """P(at most `count`), summed in logarithms so that large means do not underflow."""
    if mean <= 0:
        return 1.0
    logs = [each * math.log(mean) - mean - math.lgamma(each + 1) for each in range(count + 1)]
    top = max(logs)
    return min(1.0, math.exp(top) * math.fsum(math.exp(each - top) for each in logs))
