"""Coefficient of determination: what share of the labels' variance the predictions explain.

    value = 1 - sum e^2 / sum (label - mean label)^2        at most 1; 0 is as good as the mean, below 0 worse

Breach below the larger of `limit` and the reference's own - `limit_under_reference`. UNKNOWN where the labels do not
vary.

No interval: the sums that are kept do not say how errors and labels vary together, so the point decides; prefer
mean_absolute_error for an alert. Errors beyond what the sums hold count as the bound, which makes it too large: then it
can breach and is otherwise UNKNOWN. Source: Wright 1921, J. Agric. Res. 20:557. Failure mode: a window in which the
labels vary less has a lower one from the same errors.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

from monitor.detectors.coverage import COVERAGE_MIN
from monitor.detectors.estimates import Estimate, Found, at_least
from monitor.detectors.losses import clipped
from monitor.detectors.protocol import NO_KIND, REGRESSION
from monitor.facts import Errors, FeatureKind, Reading, Subject, Task, View


@dataclass(frozen=True, slots=True)
class RSquared:
    """Breach below the limit; UNKNOWN below the floors or where labels do not vary."""

    subjects: ClassVar[frozenset[Subject]] = frozenset({Subject.OUTCOMES})
    kinds: ClassVar[frozenset[FeatureKind]] = NO_KIND
    tasks: ClassVar[frozenset[Task]] = REGRESSION

    limit: float | None = None  # [0, 1], absolute
    limit_under_reference: float | None = 0.1  # [0, 1], subtracted from the reference's
    rows_min: int = 200  # >= 1, labelled rows
    coverage_min: float = COVERAGE_MIN  # [0, 1], labelled share of the rows

    def __post_init__(self) -> None:
        at_least(self).demand()

    def read(self, reference: View, current: View) -> Reading:
        """Compare what labels say of two windows; ValueError for other views."""
        return at_least(self).read(Errors, reference, current, _explained)


def _explained(errors: Errors) -> Found:
    n = errors.labelled
    if not n:
        return "no row is labelled"
    if not errors.variation > 0:
        return "the labels do not vary"
    value = 1 - errors.squared / errors.variation
    if not math.isfinite(value):
        return "the labels do not vary beside the errors"
    return Estimate(value, n, n, why=clipped(errors))
