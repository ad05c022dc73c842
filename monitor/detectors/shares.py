"""How much larger a share is than in the reference: what the five data-quality detectors have in common.

    breach when  low > r + limit        low: Wilson's lower bound of x / n;  r: the share in the reference

The bound, not the point: at 100 rows three bad ones are a share of .03 and still no evidence for .01. The reference is
taken as exact, since it is many times larger than a window. A share that was r in the reference cannot breach when
r + limit >= 1.

False alarms: at a true share of exactly r + limit one window in forty breaches; below it, fewer.
"""

from monitor.detectors.intervals import wilson
from monitor.detectors.parameters import demand_rows, demand_share_or_zero
from monitor.detectors.protocol import judge, too_few, unknown
from monitor.facts import Reading

UNIT = "share"


def demand_limits(limit: float, rows_min: int) -> None:
    """`limit` in [0, 1], `rows_min` at least 1; ValueError."""
    demand_share_or_zero("limit", limit)
    demand_rows("rows_min", rows_min)


def read_excess(hits: int, n: int, reference_share: float | None, limit: float, rows_min: int) -> Reading:
    """Read hits / n against the reference's share plus `limit`; None: the reference has no rows to say it."""
    if n < rows_min:
        return too_few(n, rows_min, UNIT)
    if reference_share is None:
        return unknown(n, "the reference has no such rows", UNIT)
    allowed = reference_share + limit
    low, high = wilson(hits, n)
    return Reading(judge(low > allowed), n, hits / n, allowed, low, high, UNIT)


def share(hits: int, n: int) -> float | None:
    """The share hits / n, None for no rows."""
    return hits / n if n else None
