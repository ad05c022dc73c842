"""Quantiles of a histogram, for people to look at: interpolated inside the bin that holds the rank.

A pane knows how many values lie in a bin and not where in it, so a quantile is known to within its bin. What is said
of it is the rank error: the value that we return has a share of the values below it that is off by at most that much.
It is read from the counts, not promised: about 2.5 % where live data looks like the reference (its bins hold 5 %, and a
rank in the middle of one is at most half of that off), nothing for a value with a bin of its own.

Below the first edge and above the last nothing is known but how many: a quantile there is None, never an edge.
A sketch (KLL, 1.3 % at 2.6 KB a column) would answer there too, but it does not subtract, and its merges depend on
their order; counts already stand in every pane.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from monitor.facts import Histogram


@dataclass(frozen=True, slots=True)
class Quantile:
    """The value that a `share` of the values in (0, 1) does not exceed, or None where it is not known.

    `rank_error`: the true share of values below `value` lies within this of `share`; None where value is None.
    """

    share: float
    value: float | None
    rank_error: float | None


def quantiles(histogram: Histogram, shares: Sequence[float]) -> tuple[Quantile, ...]:
    """Read quantiles of an ordered histogram with edges; all of them None where it has no values or no edges.

    >>> flat = Histogram("x", True, (0, 50, 50, 0), edges=(0.0, 1.0, 3.0))
    >>> [(q.value, q.rank_error) for q in quantiles(flat, [0.25, 0.75])]
    [(0.5, 0.25), (2.0, 0.25)]
    """
    edges, counts = histogram.edges, histogram.bins
    if len(counts) == len(edges) - 1:
        counts = (0, *counts, 0)  # a score: nothing lies outside
    inside = max(1, len(edges) - 1)
    if not histogram.ordered or not edges or histogram.n <= 0 or len(counts) != inside + 2:
        return tuple(Quantile(share, None, None) for share in shares)
    below = list(accumulate(counts, initial=0))
    return tuple(_quantile(edges, below, share) for share in shares)


def _quantile(edges: tuple[float, ...], below: list[int], share: float) -> Quantile:
    """`below[i]` values lie below bin i, where bin 0 is everything under the edges."""
    rank = share * below[-1]
    bin_ = next((i for i in range(1, len(below) - 2) if below[i] <= rank <= below[i + 1] > below[i]), None)
    if bin_ is None:
        return Quantile(share, None, None)
    low, high = edges[bin_ - 1], edges[min(bin_, len(edges) - 1)]
    before, held = below[bin_], below[bin_ + 1] - below[bin_]
    part = (rank - before) / held
    value = low * (1 - part) + high * part  # no difference of the edges, which may overflow
    error = max(rank - before, before + held - rank) / below[-1]
    return Quantile(share, value, error)
