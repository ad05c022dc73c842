"""Precision, recall and F1 from counts of (predicted, label), of one class or averaged, with intervals.

    precision = hits / predicted     recall = hits / labelled     F1 = 2 hits / (predicted + labelled)

`of` is a class, or `macro` (the mean over classes), `weighted` (weighted by labelled rows) or `micro` (all rows
together, which with one label a row is the accuracy). "Any other class" counts as one where it was predicted or
labelled. A class of which a figure is 0 / 0 (the precision of what was never predicted) is left out of an average, as
scikit-learn does with `zero_division=np.nan`: it is not known, hence not 0.

Intervals. Of a class: Wilson's. For F1 it is taken of hits / (hits + wrong either way) = J, a share, and F1 =
2 J / (1 + J) rises with J. Of averages, by square-and-add of Wilson's (Zou & Donner 2008, Stat. Med. 27:1693) where the
classes' figures are independent given the denominators (macro precision, macro recall); else by adding the distances
themselves, as if all classes erred together: never too narrow, up to sqrt(classes) too wide.
"""

from collections.abc import Callable
from enum import Enum
from math import sqrt
from typing import Final, NamedTuple

from monitor.detectors.estimates import Estimate, Found
from monitor.detectors.intervals import Interval, wilson
from monitor.detectors.parameters import demand_text
from monitor.facts import Outcomes

MACRO: Final = "macro"
WEIGHTED: Final = "weighted"
MICRO: Final = "micro"


class Tally(NamedTuple):
    """One class: the diagonal, the row's sum and the column's."""

    hits: int
    predicted: int
    labelled: int


class Figure(Enum):
    """What is made of a tally: the rows it is a share of, and whether classes are independent given these."""

    PRECISION = "predicted"
    RECALL = "labelled"
    F1 = "predicted or labelled"

    def rows(self, tally: Tally) -> int:
        """The denominator of the share; 0 where the figure is not known."""
        match self:
            case Figure.PRECISION:
                return tally.predicted
            case Figure.RECALL:
                return tally.labelled
            case Figure.F1:
                return tally.predicted + tally.labelled - tally.hits

    def scale(self, share: float) -> float:
        """The figure as a rising function of the share."""
        return 2 * share / (1 + share) if self is Figure.F1 else share


def demand_of(of: str) -> None:
    """A class or an average; ValueError."""
    demand_text("of", of)


def tallies(outcomes: Outcomes) -> list[Tally]:
    """One per class in order, then that of any other class."""
    columns = list(zip(*outcomes.confusion, strict=True))
    pairs = enumerate(zip(outcomes.confusion, columns, strict=True))
    return [Tally(row[i], sum(row), sum(column)) for i, (row, column) in pairs]


def estimate(outcomes: Outcomes, of: str, figure: Figure) -> Found:
    """The figure of a class or an average, or why it is not known."""
    if of not in (MACRO, WEIGHTED, MICRO):
        return _of_class(outcomes, of, figure)
    labelled = outcomes.labelled
    if not labelled:
        return "no row is labelled"
    if of == MICRO or (of == WEIGHTED and figure is Figure.RECALL):  # sum of hits over sum of labelled: the accuracy
        right = labelled - outcomes.wrong
        return Estimate(right / labelled, labelled, labelled, *wilson(right, labelled))
    weight: Callable[[Tally], int] = (lambda tally: tally.labelled) if of == WEIGHTED else (lambda _: 1)
    known = [(tally, weight(tally)) for tally in tallies(outcomes) if figure.rows(tally) and weight(tally)]
    if not known:
        return f"no class was {figure.value}"
    value, low, high = _average([(*_share(tally, figure), w) for tally, w in known], figure, of)
    return Estimate(value, labelled, labelled, max(0.0, low), min(1.0, high))


def _of_class(outcomes: Outcomes, of: str, figure: Figure) -> Found:
    if of not in outcomes.classes:
        return f"the model has no class {of!r}"
    tally = tallies(outcomes)[outcomes.classes.index(of)]
    rows = figure.rows(tally)
    if not rows:
        return f"no row was {figure.value} {of!r}"
    value, (low, high) = _share(tally, figure)
    return Estimate(value, rows, outcomes.labelled, low, high)


def _share(tally: Tally, figure: Figure) -> tuple[float, Interval]:
    rows = figure.rows(tally)
    low, high = wilson(tally.hits, rows)
    return figure.scale(tally.hits / rows), (figure.scale(low), figure.scale(high))


def _average(parts: list[tuple[float, Interval, int]], figure: Figure, of: str) -> tuple[float, float, float]:
    total = sum(weight for *_, weight in parts)
    value = sum(share * weight for share, _, weight in parts) / total
    below = [(share - low) * weight / total for share, (low, _), weight in parts]
    above = [(high - share) * weight / total for share, (_, high), weight in parts]
    independent = of == MACRO and figure is not Figure.F1
    add = (lambda ends: sqrt(sum(end * end for end in ends))) if independent else sum
    return value, value - add(below), value + add(above)
