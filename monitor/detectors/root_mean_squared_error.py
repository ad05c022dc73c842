"""Root mean squared error of the labelled predictions, in the target's unit.

    value = sqrt(1/n sum e^2),  e = predicted - label        in [0, inf)

Breach when the lower bound exceeds the smaller of `limit` and the reference's error times `limit_times_reference`.

Interval: the root of the normal one of the mean square, whose spread comes from the sum of fourth powers
(intervals.mean). Failure mode: few large errors are most of it, and of their spread too: with heavy tails the interval
is too narrow below some thousand rows (mean_absolute_error suffers less). Source: the central limit theorem.
"""

from dataclasses import dataclass
from math import sqrt
from typing import ClassVar

from monitor.detectors.coverage import COVERAGE_MIN
from monitor.detectors.estimates import Found, times
from monitor.detectors.losses import mean_loss
from monitor.detectors.protocol import NO_KIND, REGRESSION
from monitor.facts import Errors, FeatureKind, Reading, Subject, Task, View


@dataclass(frozen=True, slots=True)
class RootMeanSquaredError:
    """Breach when the error is surely above the limit; UNKNOWN below `rows_min` or `coverage_min` of the rows."""

    subjects: ClassVar[frozenset[Subject]] = frozenset({Subject.OUTCOMES})
    kinds: ClassVar[frozenset[FeatureKind]] = NO_KIND
    tasks: ClassVar[frozenset[Task]] = REGRESSION

    limit: float | None = None  # > 0, in the target's unit, absolute
    limit_times_reference: float | None = 1.25  # >= 1, multiplies the reference's error
    rows_min: int = 200  # >= 1, labelled rows
    coverage_min: float = COVERAGE_MIN  # [0, 1], labelled share of the rows

    def __post_init__(self) -> None:
        times(self).demand()

    def read(self, reference: View, current: View) -> Reading:
        """Compare what labels say of two windows; ValueError for other views."""
        return times(self).read(Errors, reference, current, _root)


def _root(errors: Errors) -> Found:
    found = mean_loss(errors, errors.squared, errors.fourth)
    if isinstance(found, str):
        return found
    low, high = (None if end is None else sqrt(end) for end in (found.low, found.high))
    return found._replace(value=sqrt(found.value), low=low, high=high)
