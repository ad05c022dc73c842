"""How much larger a share is than in the reference: what the five data-quality detectors have in common.

    breach when  low > r + limit        low: Wilson's lower bound of x / n;  r: the share in the reference

The bound, not the point: at 100 rows three bad ones are a share of .03 and still no evidence for .01. The reference is
taken as exact, since it is many times larger than a window. A share that was r in the reference cannot breach when
r + limit >= 1.

False alarms: at a true share of exactly r + limit one window in forty breaches; below it, fewer.
"""

from typing import Protocol

from monitor.detectors.intervals import wilson
from monitor.detectors.parameters import demand_rows, demand_share_or_zero
from monitor.detectors.protocol import judge, too_few, unknown
from monitor.facts import Reading

UNIT = "share"


class Limits(Protocol):
    """Parameters that all of them have."""

    @property
    def limit(self) -> float:
        """Added to the reference's share."""

    @property
    def rows_min(self) -> int:
        """Of the window."""


def demand_limits(given: Limits) -> None:
    """`limit` in [0, 1], `rows_min` at least 1; ValueError."""
    demand_share_or_zero("limit", given.limit)
    demand_rows("rows_min", given.rows_min)


def read_excess(given: Limits, hits: int, n: int, before_hits: int, before_n: int) -> Reading:
    """Read the share hits / n against the reference's, which may have no rows to say it, plus `limit`."""
    if n < given.rows_min:
        return too_few(n, given.rows_min, UNIT)
    if not before_n:
        return unknown(n, "the reference has no such rows", UNIT)
    allowed = before_hits / before_n + given.limit
    low, high = wilson(hits, n)
    return Reading(judge(low > allowed), n, hits / n, allowed, low, high, UNIT)
