"""What a row of one lane costs, by bet: the halves of log L = (eta y - n b) / d that follow from a band's edge.

Shares: of rows that fall into a set with the share u at most, b = log(1 + u (e^eta - 1)).

Mean normal scores: with z the score of a row's bin, p the reference's shares and K(t) = log sum p e^(t z), the tilt
p e^(t z) has mean K'(t); at the tilt whose mean is the band's edge b = K(t + eta) - K(t). Found by Newton's steps.

Bets are made of these (detectors/sequential/bets.py says why they are fair), and a band that is learned is held to its
own history by them (rhythm_held.py).
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Flags = NDArray[np.bool_]

ETAS: Final = (0.25, 0.75, 2.0)  # logits: about 0.15, 0.45 and 1.2 sigma at the median
SCORE_ETAS: Final = (0.15, 0.45, 1.2)  # of the normal score, sigma: what ETAS are at the median
EDGE_MIN: Final = 1e-9  # a smaller u is raised to it: a category never seen is bet against at this share
_TILT_MAX: Final = 30.0  # sigma; a band edge that needs more is outside the bins
_NEWTON: Final = 60  # steps at most; about 5 are taken


def share_costs(edge: Doubles) -> Doubles:
    """The cost b f8[bets, ...] of a row whose share u in (0, 1) is `edge` f8[...]."""
    costs: Doubles = np.log1p(edge * np.expm1(np.array(ETAS)).reshape(-1, *(1,) * edge.ndim))
    return costs


def score_costs(shares: Doubles, z: Doubles, edge: Doubles) -> tuple[Flags, Doubles]:
    """Which columns have a tilt whose mean is `edge` f8[c], and its cost b f8[bets, c], 0 for those without.

    `shares` f8[c, B] of bins with the scores `z` f8[c, B].
    """
    total = shares.sum(axis=1, keepdims=True)
    usable = np.isfinite(edge) & (total[:, 0] > 0)
    weights = np.where(usable[:, None], shares / np.where(total > 0, total, 1.0), 0.0)
    aim = np.where(usable, edge, 0.0)
    tilt = np.zeros(len(edge))
    miss = np.full(len(edge), np.inf)
    for _ in range(_NEWTON):
        tilted = weights * np.exp(z * tilt[:, None])
        mass = np.maximum(tilted.sum(axis=1), 1e-300)
        mean = (tilted * z).sum(axis=1) / mass
        spread = np.maximum((tilted * z * z).sum(axis=1) / mass - mean * mean, 1e-12)
        miss = mean - aim
        if np.all((np.abs(miss) < 1e-12) | ~usable):
            break
        tilt = np.clip(tilt - np.clip(miss / spread, -1.0, 1.0), -_TILT_MAX, _TILT_MAX)
    known = usable & (np.abs(miss) < 1e-6)
    start = np.log(np.maximum((weights * np.exp(z * tilt[:, None])).sum(axis=1), 1e-300))
    ends = [np.log(np.maximum((weights * np.exp(z * (tilt[:, None] + eta))).sum(axis=1), 1e-300)) for eta in SCORE_ETAS]
    return known, np.where(known, np.array(ends).reshape(len(SCORE_ETAS), -1) - start, 0.0)
