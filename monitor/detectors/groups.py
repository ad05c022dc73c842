"""How far shares lie apart over the segments of a column: what the three fairness detectors have in common.

Every pair of groups is looked at, and the pair that is farthest apart is the value. Each pair's interval is one at
confidence 1 - .05 / pairs (Bonferroni), so that all of them hold at once with 95 %: the interval of the farthest pair
that one would take alone is too narrow, because it was chosen for being far.

A group with fewer rows than the floor says nothing of itself: it is left out and named in `why`. With fewer than two
groups left there is nothing to compare, and the reading is UNKNOWN. Cost: 4 us a pair; groups are few by setting.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import combinations
from statistics import NormalDist
from typing import NamedTuple, TypeAlias

from monitor.detectors.coverage import lacking
from monitor.detectors.intervals import Interval, newcombe
from monitor.detectors.protocol import judge, unknown
from monitor.facts import Group, Groups, Reading

UNIT = "share"
NAMED_MAX = 5  # groups that `why` names


class Rate(NamedTuple):
    """One group's share, hits / n."""

    hits: int
    n: int


Left: TypeAlias = list[str]  # out of the comparison


def rates(groups: Groups, rows_min: int, rate: Callable[[Group, int], Rate | None]) -> tuple[list[Rate], Left] | str:
    """The groups' shares of at least `rows_min` rows and the names of the others; or why there are fewer than two."""
    if groups.positive is None:
        return "the model has not two classes, so none is the one wished for"
    kept: list[Rate] = []
    left: Left = []
    for group in groups.groups:
        found = rate(group, groups.positive)
        if found is None or found.n < rows_min:
            left.append(group.segment)
        else:
            kept.append(found)
    if len(kept) < 2:
        return "; ".join(filter(None, (f"fewer than two groups have {rows_min} rows", left_out(left))))
    return kept, left


def selected(group: Group, positive: int) -> Rate:
    """Of the group's rows, those answered with the positive class."""
    return Rate(group.outputs[positive], sum(group.outputs))


def recognised(group: Group, positive: int, coverage_min: float) -> Rate | None:
    """Of the group's rows labelled positive, those answered so; None where too few of its rows are labelled."""
    outcomes = group.outcomes
    if lacking(outcomes.labelled, outcomes.rows, 0, coverage_min):
        return None
    return Rate(outcomes.confusion[positive][positive], sum(row[positive] for row in outcomes.confusion))


def read_apart(groups: Groups, found: tuple[list[Rate], Left] | str, limit: float) -> Reading:
    """Largest difference of two groups' shares; breach when some pair is surely farther apart than `limit`."""
    if isinstance(found, str):
        return unknown(_rows(groups), found, UNIT)
    kept, left = found
    shares = [rate.hits / rate.n for rate in kept]
    value, low, high = max(shares) - min(shares), 0.0, 0.0
    for first, second, z in pairs(kept):
        least, most = newcombe(*first, *second, z)
        low, high = max(low, least, -most), max(high, most, -least)
    n = sum(rate.n for rate in kept)
    return Reading(judge(low > limit), n, value, limit, min(low, value), max(high, value), UNIT, left_out(left))


def pairs(kept: Iterable[Rate]) -> Iterator[tuple[Rate, Rate, float]]:
    """Every two groups, and the z at which the intervals of all pairs hold at once with 95 %."""
    found = list(combinations(kept, 2))
    z = NormalDist().inv_cdf(1 - 0.05 / 2 / len(found))
    return ((first, second, z) for first, second in found)


def ratio_below_one(ends: Interval) -> Interval:
    """The interval of min(r, 1 / r), given that of r in [0, inf]."""
    low, high = ends
    if high <= 1:
        return low, high
    return min(low, 1 / high), 1 / low if low > 1 else 1.0


def left_out(left: Left) -> str:
    """Which groups have too few rows, in words; nothing where none has."""
    if not left:
        return ""
    more = f" and {len(left) - NAMED_MAX} more" if len(left) > NAMED_MAX else ""
    return f"too few rows in {', '.join(left[:NAMED_MAX])}{more}"


def _rows(groups: Groups) -> int:
    return sum(group.rows for group in groups.groups)
