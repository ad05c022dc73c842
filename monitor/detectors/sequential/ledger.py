"""The budget: how many false pages are bought, and which family may spend what share of them.

    if every null holds, E[crossings of tier t by time T] <= T / minutes_t     (process.py says why)

so a tier is a number of minutes, and a family's weight is its share of the false pages. Weights sum to at most 1 over
everything that is bet on: a family of which nothing is watched leaves its share unspent, and families that are added
later take nothing from those that are there. Inside a fund the families present share alike, inside a family the
groups: another hundred features make each of them log(100) slower to page, and the sum of false pages no larger.

At the tier `rollback` crossings of a family that can never support one decide nothing, and would spend what others may
use. So that budget belongs to SUPPORTS: half of it to the pairs, without which nothing is rolled back, and the rest to
the others as their weights are.
"""

import math
from enum import Enum
from typing import Final

import msgspec

from monitor.facts import Family

DAY: Final = 1440.0  # minutes


class Tier(Enum):
    """How loud a crossing is. Each tier keeps processes of its own, so that a warning never resets a page."""

    WARN = "warn"
    PAGE = "page"
    ROLLBACK = "rollback"


TIERS: Final = tuple(Tier)

FUNDS: Final[dict[Family, str]] = {
    Family.LABELS: "labels",
    Family.PAIRED: "labels",
    Family.FAIRNESS: "labels",
    Family.OUTPUT: "output",
    Family.QUALITY: "quality",
    Family.VOLUME: "quality",
    Family.IDENTITY: "quality",
    Family.FEATURES: "features",
}

SUPPORTS: Final = (Family.LABELS, Family.PAIRED, Family.OUTPUT)  # a rollback, the last one never without another
PAIRS_SHARE: Final = 0.5  # of the budget of the tier `rollback`, where pairs and others are watched


class Ledger(msgspec.Struct, frozen=True):
    """Minutes per false crossing of each tier, and the weight of each fund; ValueError if they promise too much."""

    warn: float = DAY  # one a day
    page: float = 30 * DAY  # one in 30 days
    rollback: float = 1000 * DAY  # one in 1,000 days
    labels: float = 0.30
    output: float = 0.15
    quality: float = 0.15
    features: float = 0.20
    poisoning: float = 0.20  # kept for what looks for poison, whether or not it is watched for yet
    hold: float = 30 * 60.0  # minutes without a crossing, at least, before a latched group may page again (latch.py):
    # over a day, because what leaves its band every afternoon would page every afternoon

    def __post_init__(self) -> None:
        weights = (self.labels, self.output, self.quality, self.features, self.poisoning)
        if not all(0 <= weight <= 1 for weight in weights) or math.fsum(weights) > 1 + 1e-9:
            msg = f"the families' weights are shares of one budget, in [0, 1] and at most 1 in all: {weights}"
            raise ValueError(msg)
        if not 0 < self.warn <= self.page <= self.rollback < math.inf:
            msg = f"a budget is in minutes, and a louder tier is rarer: {self.warn}, {self.page}, {self.rollback}"
            raise ValueError(msg)
        if not 0 <= self.hold < math.inf:
            msg = f"hold is in minutes, at least 0: {self.hold}"
            raise ValueError(msg)

    @property
    def minutes(self) -> tuple[float, float, float]:
        """The budget of each tier, in the order of TIERS."""
        return self.warn, self.page, self.rollback

    def weight(self, family: Family, present: frozenset[Family]) -> float:
        """The share of one family when those `present` are watched."""
        fund = FUNDS[family]
        total: float = getattr(self, fund)
        return total / sum(1 for other in present if FUNDS[other] == fund)
