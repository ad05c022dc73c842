"""ROC AUC, average precision and calibration error of labelled rows in score bins, and how far binning may move them.

Rows of one bin are told apart by nothing, so each figure comes with the range it must lie in whatever their order
inside the bins; an interval adds this to the sampling error. Where scores crowd into few bins (a rare positive class
scored below 1/64) the range is wide, and the reading says so by its interval rather than by a false number.

`of`: with two classes there is one curve, the positive class's, and that of the other class is its mirror. With more,
`top` is the top label's score (was the predicted class right?), and a class, `macro` or `weighted` (by labelled rows)
need the probabilities of all classes, each class against the rest.
"""

from collections.abc import Callable
from itertools import pairwise
from math import log
from typing import Final, TypeAlias

from monitor.detectors.estimates import Estimate, Found
from monitor.detectors.intervals import rank_probability, wilson
from monitor.detectors.parameters import demand_text
from monitor.facts import Curve, Outcomes

TOP: Final = "top"
MACRO: Final = "macro"
WEIGHTED: Final = "weighted"
MERGED: Final = 4  # score bins to one calibration bin: 16 of them; Guo et al. 2017 took 15

Measure: TypeAlias = Callable[[Curve], Found]


def demand_of(of: str) -> None:
    """`top`, a class or an average; ValueError."""
    demand_text("of", of, "micro")


def estimate(outcomes: Outcomes, of: str, measure: Measure) -> Found:
    """The measure of one curve, or the mean over classes of those that have it; or why there is none.

    The ends of a mean's interval are the means of the ends: as if all classes erred together, never too narrow.
    """
    curves = pick(outcomes, of)
    if isinstance(curves, str):
        return curves
    measured = [(measure(curve), sum(curve.hits) if of == WEIGHTED else 1) for curve in curves]
    known = [(found, weight) for found, weight in measured if isinstance(found, Estimate) and weight]
    if not known:
        return next((found for found, _ in measured if isinstance(found, str)), "no row is labelled")
    total, rows = sum(weight for _, weight in known), min(found.n for found, _ in known)
    value = sum(found.value * weight for found, weight in known) / total
    ends = [(found.low, found.high, weight / total) for found, weight in known]
    lows = [low * weight for low, _, weight in ends if low is not None]
    highs = [high * weight for _, high, weight in ends if high is not None]
    if len(lows) < len(known) or len(highs) < len(known):
        return Estimate(value, rows, rows)
    return Estimate(value, rows, rows, min(sum(lows), value), max(sum(highs), value))


def pick(outcomes: Outcomes, of: str) -> tuple[Curve, ...] | str:
    """The curves that `of` names, at least one; or why there are none."""
    if not outcomes.curves:
        return "no row came with a score"
    first, rest = outcomes.curves[0], outcomes.curves[1:]
    by_class = rest if first.outcome == "" else (first,)
    if of == TOP:
        return (first,)
    if of in (MACRO, WEIGHTED):
        return by_class or "the probabilities of all classes were not sent"
    if of not in outcomes.classes:
        return f"the model has no class {of!r}"
    found = tuple(curve for curve in by_class if curve.outcome == of)
    if not found and by_class and len(outcomes.classes) == 2:
        return (Curve(of, first.misses[::-1], first.hits[::-1]),)
    return found or "the probabilities of all classes were not sent"


def roc_auc(curve: Curve) -> Found:
    """P(a row that came true has a higher score than one that did not), rows of one bin counting one half.

    Rows of one bin in any order move it by at most half the share of such pairs; the interval is wider by that.
    """
    hits, misses = sum(curve.hits), sum(curve.misses)
    if not hits or not misses:
        return _one_sided(hits)
    twice = tied = below = 0
    for h, m in zip(curve.hits, curve.misses, strict=True):
        twice += h * (2 * below + m)
        tied += h * m
        below += m
    value, slack = twice / (2 * hits * misses), tied / (2 * hits * misses)
    low, high = rank_probability(value, hits, misses)
    return Estimate(value, curve.n, curve.n, max(0.0, low - slack), min(1.0, high + slack))


def average_precision(curve: Curve) -> Found:
    """Mean, over rows that came true, of the precision down to their score; hits and misses of a bin evenly mixed.

    The ends take the bins' rows in the worst and in the best order, then Wilson's interval of as many rows as came
    true (the binomial interval of Boyd, Eng & Page 2013, ECML PKDD, LNCS 8190:451, with a score interval for Wald's).
    """
    hits = sum(curve.hits)
    if not hits:
        return _one_sided(hits)
    worst, even, best = average_precision_range(curve)
    low, high = wilson(worst * hits, hits)[0], wilson(best * hits, hits)[1]
    return Estimate(even, curve.n, curve.n, min(low, even), max(high, even))


def average_precision_range(curve: Curve) -> tuple[float, float, float]:
    """Average precision with the rows of each bin in the worst order, evenly mixed, and in the best; one hit or more.

    The i-th hit of a bin of h hits and m misses stands after i - 1 hits of it and m, m i / h or none of its misses.
    """
    worst = even = best = 0.0
    true = false = 0
    for h, m in zip(reversed(curve.hits), reversed(curve.misses), strict=True):
        if h:
            worst += _precisions(true, true + false + m, 1.0, h)
            even += _precisions(true, true + false, 1 + m / h, h)
            best += _precisions(true, true + false, 1.0, h)
        true, false = true + h, false + m
    return min(worst, even) / true, min(1.0, even / true), min(1.0, max(best, even) / true)


def calibration_error(curve: Curve) -> Found:
    """Mean over rows of |share that came true - mean score| of their bin of sixteen; rows stand at their bin's centre.

    That moves each mean score, hence the whole, by at most 1/128. No interval: it is a mean of absolute differences,
    too large by chance in every bin.
    """
    if not curve.n:
        return "no row came with a score"
    bins, total = len(curve.hits), 0.0
    for start, end in pairwise(range(0, bins + 1, MERGED)):
        hits, misses = curve.hits[start:end], curve.misses[start:end]
        scores = sum((start + i + 0.5) * (h + m) for i, (h, m) in enumerate(zip(hits, misses, strict=True))) / bins
        total += abs(sum(hits) - scores)
    return Estimate(min(1.0, total / curve.n), curve.n, curve.n)


def _one_sided(hits: int) -> str:
    return "it came true of every row" if hits else "it came true of no row"


def _precisions(true: int, above: int, step: float, h: int) -> float:
    """Sum over i = 1 .. h of (true + i) / (above + step i), in closed form: counts may be too large to loop over."""
    x = above / step
    return h / step + (true - x) / step * (_digamma(x + h + 1) - _digamma(x + 1))


def _digamma(x: float) -> float:
    """The logarithmic derivative of the gamma function for x >= 1, within 1e-12: Abramowitz & Stegun 1964, 6.3.18."""
    shift = 0.0
    while x < 10:
        shift, x = shift - 1 / x, x + 1
    square = 1 / (x * x)
    series = square * (1 / 12 - square * (1 / 120 - square * (1 / 252 - square * (1 / 240 - square / 132))))
    return shift + log(x) - 0.5 / x - series
