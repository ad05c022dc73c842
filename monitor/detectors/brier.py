"""Brier score of the labelled predictions that came with a score: how wrong the probabilities are.

    value = 1/n sum_i (s_i - o_i)^2        in [0, 1]; 0 certain and right, .25 always "one half"

With two classes s is the probability of the positive class and o says whether the label is it; with more, s is the
probability of the predicted class and o says whether it was right (top-label Brier). Breach when the lower bound
exceeds the smaller of `limit` and the reference's score + `limit_over_reference`.

Interval: Wilson's with the sum in place of the hits. Values in [0, 1] of mean m vary by at most m (1 - m) (Bhatia &
Davis 2000, Am. Math. Mon. 107:353), a share's variance, so it covers at least as often as it says and needs no sum of
fourth powers. It is two to three times wider than need be where scores are mild: slow rather than jumpy.

Source: Brier 1950, Mon. Weather Rev. 78:1. Sums are fixed point and exact (panes/outcomes.py).
"""

from dataclasses import dataclass
from typing import ClassVar

from monitor.detectors.coverage import COVERAGE_MIN
from monitor.detectors.estimates import Estimate, Found, at_most
from monitor.detectors.intervals import wilson
from monitor.detectors.parameters import demand_share
from monitor.detectors.protocol import CLASSIFICATION, NO_KIND
from monitor.facts import FIXED_POINT, FeatureKind, Outcomes, Reading, Subject, Task, View


@dataclass(frozen=True, slots=True)
class Brier:
    """Breach when the score is surely above the limit; UNKNOWN below `rows_min` or `coverage_min` of the rows."""

    subjects: ClassVar[frozenset[Subject]] = frozenset({Subject.OUTCOMES})
    kinds: ClassVar[frozenset[FeatureKind]] = NO_KIND
    tasks: ClassVar[frozenset[Task]] = CLASSIFICATION

    limit: float | None = None  # (0, 1], absolute
    limit_over_reference: float | None = 0.05  # [0, 1], added to the reference's score
    rows_min: int = 200  # >= 1, labelled rows with a score
    coverage_min: float = COVERAGE_MIN  # [0, 1], of the rows

    def __post_init__(self) -> None:
        at_most(self).demand()
        if self.limit is not None:
            demand_share("limit", self.limit)

    def read(self, reference: View, current: View) -> Reading:
        """Compare what labels say of two windows; ValueError for other views."""
        return at_most(self).read(Outcomes, reference, current, _score)


def _score(outcomes: Outcomes) -> Found:
    scored, total = outcomes.scored, outcomes.squared_error / FIXED_POINT
    if not scored:
        return "no labelled row came with a score"
    return Estimate(total / scored, scored, scored, *wilson(total, scored))
