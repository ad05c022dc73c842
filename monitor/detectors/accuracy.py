"""Share of labelled predictions that were right, against the reference's share or an absolute limit.

    value = right / labelled        in [0, 1]; breach when Wilson's upper bound is below the limit

`error` read from the other end, for those who think in accuracy. Any other class counts: predicted and labelled as
another class than the schema's is right. The limit is the larger of `limit` and the reference's accuracy -
`limit_under_reference`.

Interval: Wilson 1927 (intervals.py). Failure mode: with one class in a hundred rows it is .99 for a model that never
says it; that is what balanced_accuracy, f1 and mcc are for.
"""

from dataclasses import dataclass
from typing import ClassVar

from monitor.detectors.coverage import COVERAGE_MIN
from monitor.detectors.estimates import Estimate, Found, at_least
from monitor.detectors.intervals import wilson
from monitor.detectors.protocol import CLASSIFICATION, NO_KIND
from monitor.facts import FeatureKind, Outcomes, Reading, Subject, Task, View


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Breach when the accuracy is surely below the limit; UNKNOWN below `rows_min` or `coverage_min` of the rows."""

    subjects: ClassVar[frozenset[Subject]] = frozenset({Subject.OUTCOMES})
    kinds: ClassVar[frozenset[FeatureKind]] = NO_KIND
    tasks: ClassVar[frozenset[Task]] = CLASSIFICATION

    limit: float | None = None  # [0, 1], absolute
    limit_under_reference: float | None = 0.05  # [0, 1], subtracted from the reference's
    rows_min: int = 200  # >= 1, labelled rows
    coverage_min: float = COVERAGE_MIN  # [0, 1], labelled share of the rows

    def __post_init__(self) -> None:
        at_least(self).demand()

    def read(self, reference: View, current: View) -> Reading:
        """Compare what labels say of two windows; ValueError for other views."""
        return at_least(self).read(Outcomes, reference, current, _accuracy, "share")


def _accuracy(outcomes: Outcomes) -> Found:
    labelled = outcomes.labelled
    if not labelled:
        return "no row is labelled"
    right = labelled - outcomes.wrong
    return Estimate(right / labelled, labelled, labelled, *wilson(right, labelled))
