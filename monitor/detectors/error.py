"""Share of labelled predictions that were wrong, against the reference's share or an absolute limit.

    value = wrong / labelled        in [0, 1]; breach when Wilson's lower bound exceeds the limit

Labels are those of trusted sources, counted at their prediction's time. The limit is the smaller of `limit` and the
reference's error + `limit_over_reference`; the latter counts only when the reference has `rows_min` labels itself.

Interval: Wilson 1927 (intervals.py). Failure mode: the world may have become harder for every model; that is what
paired_error tells apart.
"""

from dataclasses import dataclass
from typing import ClassVar

from monitor.detectors.coverage import COVERAGE_MIN
from monitor.detectors.estimates import Estimate, Found, at_most
from monitor.detectors.intervals import wilson
from monitor.detectors.parameters import demand_share
from monitor.detectors.protocol import CLASSIFICATION, NO_KIND
from monitor.facts import FeatureKind, Outcomes, Reading, Subject, Task, View


@dataclass(frozen=True, slots=True)
class Error:
    """Breach when the error is surely above the limit; UNKNOWN below `rows_min` or `coverage_min` of the rows."""

    subjects: ClassVar[frozenset[Subject]] = frozenset({Subject.OUTCOMES})
    kinds: ClassVar[frozenset[FeatureKind]] = NO_KIND
    tasks: ClassVar[frozenset[Task]] = CLASSIFICATION

    limit: float | None = None  # (0, 1], absolute
    limit_over_reference: float | None = 0.05  # [0, 1], added to the reference's error
    rows_min: int = 200  # >= 1, labelled rows
    coverage_min: float = COVERAGE_MIN  # [0, 1], labelled share of the rows

    def __post_init__(self) -> None:
        at_most(self).demand()
        if self.limit is not None:
            demand_share("limit", self.limit)

    def read(self, reference: View, current: View) -> Reading:
        """Compare what labels say of two windows; ValueError for other views."""
        return at_most(self).read(Outcomes, reference, current, _error, "share")


def _error(outcomes: Outcomes) -> Found:
    labelled, wrong = outcomes.labelled, outcomes.wrong
    if not labelled:
        return "no row is labelled"
    return Estimate(wrong / labelled, labelled, labelled, *wilson(wrong, labelled))
