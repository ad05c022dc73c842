"""Mean absolute error of the labelled predictions, in the target's unit.

    value = 1/n sum |e|,  e = predicted - label        in [0, inf)

Breach when the lower bound exceeds the smaller of `limit` and the reference's error times `limit_times_reference`: a
factor, since nobody here knows the unit.

Interval: normal, from the sum of squares (intervals.mean). Source: the central limit theorem; Willmott & Matsuura 2005,
Clim. Res. 30:79, for this error rather than the squared. Failure mode: a window of larger targets has larger errors
from the same model, which paired_absolute_error tells apart.
"""

from dataclasses import dataclass
from typing import ClassVar

from monitor.detectors.coverage import COVERAGE_MIN
from monitor.detectors.estimates import Found, times
from monitor.detectors.losses import mean_loss
from monitor.detectors.protocol import NO_KIND, REGRESSION
from monitor.facts import Errors, FeatureKind, Reading, Subject, Task, View


@dataclass(frozen=True, slots=True)
class MeanAbsoluteError:
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
        return times(self).read(Errors, reference, current, _mean)


def _mean(errors: Errors) -> Found:
    return mean_loss(errors, errors.absolute, errors.squared)
