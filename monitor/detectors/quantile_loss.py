"""Mean pinball loss at one quantile: the error of a prediction that is meant to be that quantile.

    value = 1/n sum max(q (label - predicted), (1 - q) (predicted - label))        in [0, inf), the target's unit

At .9 predicting too low costs nine times as much as predicting too high; at .5 it is half the mean absolute error.
`quantile` is one of those that are counted: .1, .5, .9. Breach when the lower bound exceeds the smaller of `limit` and
the reference's loss times `limit_times_reference`.

Source: Koenker & Bassett 1978, Econometrica 46:33. Interval: normal, from the sum of squares (intervals.mean).
"""

from dataclasses import dataclass
from typing import ClassVar

from monitor.detectors.coverage import COVERAGE_MIN
from monitor.detectors.estimates import Found, times
from monitor.detectors.losses import mean_loss
from monitor.detectors.parameters import demand_one_of
from monitor.detectors.protocol import NO_KIND, REGRESSION
from monitor.facts import Errors, FeatureKind, Reading, Subject, Task, View
from monitor.panes.errors import QUANTILES


@dataclass(frozen=True, slots=True)
class QuantileLoss:
    """Breach when the loss is surely above the limit; UNKNOWN below `rows_min` or `coverage_min` of the rows."""

    subjects: ClassVar[frozenset[Subject]] = frozenset({Subject.OUTCOMES})
    kinds: ClassVar[frozenset[FeatureKind]] = NO_KIND
    tasks: ClassVar[frozenset[Task]] = REGRESSION

    limit: float | None = None  # > 0, in the target's unit, absolute
    limit_times_reference: float | None = 1.25  # >= 1, multiplies the reference's loss
    quantile: float = 0.5  # one of panes.errors.QUANTILES
    rows_min: int = 200  # >= 1, labelled rows
    coverage_min: float = COVERAGE_MIN  # [0, 1], labelled share of the rows

    def __post_init__(self) -> None:
        demand_one_of("quantile", self.quantile, QUANTILES)
        times(self).demand()

    def read(self, reference: View, current: View) -> Reading:
        """Compare what labels say of two windows; ValueError for other views."""
        return times(self).read(Errors, reference, current, lambda view: _mean(view, self.quantile))


def _mean(errors: Errors, quantile: float) -> Found:
    for counted, loss, squares in errors.pinball:
        if counted == quantile:
            return mean_loss(errors, loss, squares)
    return f"the loss at {quantile:g} is not counted"
