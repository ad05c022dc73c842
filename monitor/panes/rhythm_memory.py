"""How long a wander lasts, and what a history that holds so many memories can say.

A wander with correlation e^(-t / m) gives panes of four hours and the ones after them the correlation

    r = (1 - e^-x)^2 / 2 (x - 1 + e^-x),  x = 4 h / m        m = 3 h: .45, 12 h: .81, 24 h: .90

so r, corrected for what the mean took away by (1 + 3 r) / K (Kendall 1954), says m. Of u = T / m memories that a
history of T hours holds,

- the mean takes the share q = 2 (u - 1 + e^-u) / u^2 of the wander's variance b^2: what is left is b^2 (1 - q), and the
  mean itself is off by b sqrt(q);
- an estimate of b^2 has about u degrees of freedom. Student's quantile at the level of 3 normal standard deviations is
  what such an estimate cannot exclude: 3.0 for a long history, 4.6 at u = 7 (a day's memory in a week).

A band that is reached by it widens without a switch as the memory grows, until it says nothing and is unknown. A
switch at a day's memory was tried: in a week it took every fifth column of 3 hours for slow, and missed some of a day.
"""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.panes.rhythm import Z

Doubles = NDArray[np.float64]

PANE_H: Final = 4.0
CORRELATION_MAX: Final = 0.97  # beyond it nothing is left of a history
REACH_MAX: Final = 100.0  # no band is known at it
_RATIOS: Final = np.geomspace(1e-2, 1e2, 400)  # of a pane to a memory
_CORRELATIONS: Final = np.expm1(-_RATIOS) ** 2 / (2 * (_RATIOS + np.expm1(-_RATIOS)))


def correlations(sums: Doubles, rows: Doubles) -> Doubles:
    """Correlation f8[s] of the shares of panes with those of the next ones; at most CORRELATION_MAX.

    `sums` f8[K, s] over `rows` f8[K], around their expectation. An estimate: it may be negative.
    """
    share = sums / np.maximum(rows, 1.0)[:, np.newaxis]
    pairs = np.minimum(rows[1:], rows[:-1])
    together = (pairs[:, np.newaxis] * share[1:] * share[:-1]).sum(axis=0) / max(float(pairs.sum()), 1.0)
    alone = (rows[:, np.newaxis] * share**2).sum(axis=0) / rows.sum()
    raw = np.clip(np.divide(together, alone, out=np.zeros_like(alone), where=alone > 0), -1.0, 1.0)
    found: Doubles = np.clip(raw + (1 + 3 * raw) / np.count_nonzero(rows), -1.0, CORRELATION_MAX)
    return found


def memory_hours(correlation: float) -> float:
    """The memory m, in hours, of a wander whose panes are so correlated.

    >>> round(memory_hours(0.454)), round(memory_hours(0.896))
    (3, 24)
    """
    return PANE_H / float(np.interp(-correlation, -_CORRELATIONS, _RATIOS))


def taken(memories: float) -> float:
    """The share q in (0, 1) of the wander's variance that the mean of a history of u > 0 `memories` takes."""
    return 2 * (memories - 1 + math.exp(-memories)) / memories**2


def student(freedom: float) -> float:
    """Student's two-sided quantile at the level of Z, within 1 % from 7 degrees of freedom on, wider below.

    Wallace 1959, solved for t. At most REACH_MAX.

    >>> round(student(7), 2), round(student(1e6), 2)
    (4.56, 3.0)
    """
    wide = Z * (8 * freedom + 3) / (8 * freedom + 1)
    exponent = min(wide * wide / freedom, 2 * math.log(REACH_MAX))
    return min(math.sqrt(freedom * math.expm1(exponent)), REACH_MAX)
