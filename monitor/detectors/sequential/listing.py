"""Which groups to list when one of them pages: e-BH on their own evidence.

With e_g = sum_{j in g} w_j R_j / (w_g A), the k largest are listed for the largest k with k e_(k) / G >= 1 / q. Then
E[share of the listed that did not drift] <= q E[tau] / A, tau the minutes since the processes began (Wang & Ramdas
2022, e-values of mean at most tau / A). It ranks who else to look at; it is not a false discovery rate given a page.
"""

from typing import Final

import numpy as np

from monitor.detectors.sequential.ledger import TIERS, Tier
from monitor.detectors.sequential.plan import Plan
from monitor.detectors.sequential.process import Step

Q: Final = 0.1


def list_drifted(plan: Plan, said: Step, tier: Tier = Tier.PAGE, q: float = Q) -> tuple[str, ...]:
    """Groups that stand out at this tick, strongest first; empty where none does. ValueError unless 0 < q < 1."""
    if not 0 < q < 1:
        msg = f"q is a share in (0, 1), not {q}"
        raise ValueError(msg)
    odds = said.odds[TIERS.index(tier)]
    weighed = np.flatnonzero(plan.group_weight > 0)
    evidence = odds[weighed] / plan.group_weight[weighed]
    order = np.argsort(-evidence, kind="stable")
    ranks = np.arange(1, len(order) + 1)
    enough = np.flatnonzero(ranks * evidence[order] >= len(order) / q)
    count = int(enough[-1]) + 1 if len(enough) else 0
    return tuple(plan.groups[weighed[index]] for index in order[:count])
