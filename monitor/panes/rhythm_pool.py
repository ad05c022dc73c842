"""What columns say together of a number that each of them alone estimates poorly (empirical Bayes).

Estimates y_i of variance s_i^2 scatter around a mean mu by s_i^2 + t^2, t^2 what columns truly differ by:

    t^2 = max(0, (sum w_i (y_i - mu)^2 - (C - 1)) / (sum w - sum w^2 / sum w)),  w_i = 1 / s_i^2
    drawn y_i = (t^2 y_i + s_i^2 mu) / (t^2 + s_i^2)

Columns that are alike share one number; where they differ by more than their noise each keeps its own.

Sources: DerSimonian & Laird 1986 (t^2 by moments); Efron & Morris 1975 (drawing to the mean).
Failure mode: one column that is unlike many others is drawn towards them by as much as its own noise allows.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Pool:
    """The columns' mean, its variance, and t^2; infinite variances where there is nothing to compare with."""

    mean: float
    error: float
    spread: float

    @classmethod
    def of(cls, found: Doubles, noise: Doubles) -> "Pool":
        """Pool estimates f8[C] of variance `noise` f8[C] > 0; fewer than two stand for themselves."""
        if len(found) < 2:  # nothing to compare with
            return cls(0.0, math.inf, math.inf)
        weights = 1 / noise
        mean = float(np.average(found, weights=weights))
        beyond = float((weights * (found - mean) ** 2).sum()) - (len(found) - 1)
        room = float(weights.sum() - (weights**2).sum() / weights.sum())
        spread = max(beyond / room, 0.0)
        return cls(mean, 1 / float((1 / (noise + spread)).sum()), spread)

    @property
    def stands(self) -> bool:
        """Whether there is a mean."""
        return math.isfinite(self.spread)

    def trust(self, noise: Doubles) -> Doubles:
        """Weight in [0, 1] of a column's own estimate."""
        if not self.stands:
            return np.ones_like(noise)
        total = self.spread + noise
        return np.divide(self.spread, total, out=np.ones_like(total), where=total > 0)

    def drawn(self, own: Doubles, noise: Doubles) -> Doubles:
        """Estimates drawn to the mean."""
        trust = self.trust(noise)
        return trust * own + (1 - trust) * self.mean
