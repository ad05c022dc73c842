"""Disparate impact ratio: the smallest share of positive answers of any group over the largest.

    value = min_g s_g / max_g s_g,  s_g = rows of group g answered with the positive class / rows of g        in [0, 1]

1 is equal; the four-fifths rule asks for .8. Breach when two groups are surely below `limit`. UNKNOWN where no group
gets the positive answer at all. Groups are the segments of the column that the rule names.

Source: EEOC, Uniform Guidelines on Employee Selection Procedures 1978, 29 CFR 1607.4 D; Feldman et al. 2015, KDD, 259.
Interval: Donner & Zou's for the ratio of every pair, all at once (groups.py, intervals.py). Failure mode: where
positive answers are rare, small differences are large ratios; read demographic_parity with it.
"""

from dataclasses import dataclass
from typing import ClassVar

from monitor.detectors.groups import UNIT, left_out, pairs, rates, ratio_below_one, selected
from monitor.detectors.intervals import ratio
from monitor.detectors.parameters import demand_rows, demand_share
from monitor.detectors.protocol import CLASSIFICATION, NO_KIND, judge, take, unknown
from monitor.facts import FeatureKind, Groups, Reading, Subject, Task, View


@dataclass(frozen=True, slots=True)
class DisparateImpact:
    """Breach when the ratio of two groups is surely below `limit`; UNKNOWN with fewer than two groups."""

    subjects: ClassVar[frozenset[Subject]] = frozenset({Subject.GROUPS})
    kinds: ClassVar[frozenset[FeatureKind]] = NO_KIND
    tasks: ClassVar[frozenset[Task]] = CLASSIFICATION

    limit: float = 0.8  # (0, 1]
    rows_min: int = 200  # >= 1, of a group; one with fewer is left out

    def __post_init__(self) -> None:
        demand_share("limit", self.limit)
        demand_rows("rows_min", self.rows_min)

    def read(self, reference: View, current: View) -> Reading:
        """Compare the groups of one window; the reference says nothing here. ValueError for other views."""
        take(Groups, reference)
        groups = take(Groups, current)
        found = rates(groups, self.rows_min, selected)
        if isinstance(found, str):
            return unknown(sum(group.rows for group in groups.groups), found, UNIT)
        kept, left = found
        n, shares = sum(rate.n for rate in kept), [rate.hits / rate.n for rate in kept]
        if not max(shares):
            return unknown(n, "no group has a positive answer", UNIT)
        value, low, high = min(shares) / max(shares), 1.0, 1.0
        for first, second, z in pairs(kept):
            less, more = sorted((first, second), key=lambda rate: rate.hits / rate.n)
            if not more.hits:  # neither has a positive answer: that pair says nothing
                low = 0.0
                continue
            least, most = ratio_below_one(ratio(*less, *more, z))
            low, high = min(low, least), min(high, most)
        reading_low, reading_high = min(low, value), max(high, value)
        return Reading(judge(high < self.limit), n, value, self.limit, reading_low, reading_high, UNIT, left_out(left))
