"""The multipliers, and what a band makes of them.

A *lane* is one direction of one signal: "more than u of the rows fall into the set", or, looked at in the mirror,
"more than u = 1 - low fall outside it"; or one direction of a column's mean normal score. A tick shows y of n rows.

Likelihood ratio, tempered by 1/d (d: design effect, the variance of a tick's share over the binomial one):

    log L = (eta y - n log(1 + u (e^eta - 1))) / d          q = logistic(logit u + eta), eta in ETAS

is ((q/u)^y ((1-q)/(1-u))^(n-y))^(1/d), the logit of q being that of u moved by eta. E[L | past] <= 1 for rows that are
independent given the past with a share <= u each, at any d >= 1 (Jensen), and for rows that come in clusters of at most
d (Hoelder). Otherwise it rests on d as measured. No finite design known: no such bet.

Tick bet: L = 1 + c (y / (n u) - 1), c in STAKES. E[L] <= 1 for any dependence inside the tick, exactly.
Made where no design effect is known (plan.py says why).

Scores: with z the normal score of a row's bin, p the reference's shares and K(t) = log sum p e^(t z), the tilt p e^(tz)
has mean K'(t). At the tilt t whose mean is the band's edge,

    log L = (eta sum z - n (K(t + eta) - K(t))) / d          eta in SCORE_ETAS

has E[L] <= 1 for every tilt with a mean inside the band, as K is convex; another shape of the same mean is not covered
exactly (a variance larger by v gives a factor of about 1 + n eta^2 v / 2d), which is why d is raised by a tenth.

Values s in [0, 1] of rows may stand where rows are or are not in a set: y is their sum, and all that is used is
e^(eta s) <= 1 + s (e^eta - 1) (Hoeffding 1963). So a mean is bet on as a share (paired loss, panes/label_signals.py).

All are of the form (eta y - n b) / d, so counts of other hours, with bands of their own, add up in the logarithm; and
tick bets add as sum(y / u) / sum(n): each row keeps its own hour's u.

Sources: Waudby-Smith & Ramdas 2024 (betting); Shin, Ramdas & Rinaldo 2024 (e-detectors).
Cost: a table is 48 bytes a lane, 0.4 MB for 500 features; it is made once per hour of the rhythm and kept by the plan.
"""

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from monitor.panes.rhythm import Bounds
from monitor.panes.tilts import EDGE_MIN, score_costs, share_costs

Doubles: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.bool_]

STAKES: Final = (0.1, 0.35, 0.9)  # below 1, so that no multiplier is 0


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """What one hour's bands make of the lanes. Lanes of signals stand first, then those of scored columns."""

    keep: Doubles  # [lanes] 1 where the band is known and leaves room, else 0
    rate: Doubles  # [lanes] 1/d, 0 where no likelihood ratio can be bet
    cost: Doubles  # [bets, lanes] b, what a row costs
    inverse: Doubles  # [lanes of signals] 1/u, 0 where unknown
    z: Doubles  # [columns, bins]


def tabulate(bounds: Bounds, signal: NDArray[np.intp], falls: Flags) -> Table:
    """The table of lanes `signal`, looked at in the mirror where `falls`, and of both directions of every score."""
    edge = np.where(falls, 1.0 - bounds.low[signal], bounds.high[signal])
    known = edge < 1.0 - EDGE_MIN  # False for NaN
    u = np.where(known, np.maximum(edge, EDGE_MIN), 0.5)
    rate = _rates(bounds.design[signal], known)
    cost = share_costs(u)
    z = np.where(bounds.score_shares > 0, bounds.score_z, 0.0)
    up = score_costs(bounds.score_shares, z, bounds.score_high)
    down = score_costs(bounds.score_shares, -z, -bounds.score_low)
    scores_known = np.concatenate((up[0], down[0]))
    return Table(
        keep=np.concatenate((known, scores_known)).astype(np.float64),
        rate=np.concatenate((rate, _rates(np.tile(bounds.score_design, 2), scores_known))),
        cost=np.concatenate((cost, up[1], down[1]), axis=1),
        inverse=np.where(known, 1.0 / u, 0.0),
        z=z,
    )


def _rates(design: Doubles, known: Flags) -> Doubles:
    """1/d where something can be bet, else 0; a design below 1 is taken as 1."""
    usable = known & np.isfinite(design)
    return np.where(usable, 1.0 / np.maximum(np.where(usable, design, 1.0), 1.0), 0.0)
