"""Expected calibration error: how far stated probabilities are from what came true, bin by bin.

    value = sum_b n_b / n |share that came true in b - mean score in b|        in [0, 1]; 16 equal bins of the score

Bins: 64 of the score whose rows stand at the centre, so it is within 1/128 of the one from raw scores. `of` says which
scores: `top`, the one every row has (of two classes the positive class's), or classes one against the rest (curves.py).

Source: Naeini, Cooper & Hauskrecht 2015, AAAI, 2901; Guo et al. 2017, ICML, 1321. No interval, the point decides: the
absolute values make it too large by chance, by up to .4 sqrt(16 / n), .05 at 1,000 rows, for perfect scores too.
Failure mode: errors that cancel inside a bin do not show, and a model that scores every row with the base rate has 0.
"""

from dataclasses import dataclass
from typing import ClassVar

from monitor.detectors.coverage import COVERAGE_MIN
from monitor.detectors.curves import calibration_error, demand_of, estimate
from monitor.detectors.estimates import at_most
from monitor.detectors.protocol import CLASSIFICATION, NO_KIND
from monitor.facts import FeatureKind, Outcomes, Reading, Subject, Task, View


@dataclass(frozen=True, slots=True)
class CalibrationError:
    """Breach above the limit; UNKNOWN below `rows_min` or `coverage_min` of the rows."""

    subjects: ClassVar[frozenset[Subject]] = frozenset({Subject.OUTCOMES})
    kinds: ClassVar[frozenset[FeatureKind]] = NO_KIND
    tasks: ClassVar[frozenset[Task]] = CLASSIFICATION

    limit: float | None = None  # > 0, absolute
    limit_over_reference: float | None = 0.1  # [0, 1], added to the reference's
    of: str = "top"  # top, a class, macro or weighted
    rows_min: int = 1000  # >= 1, labelled rows with a score; chance is then about .05
    coverage_min: float = COVERAGE_MIN  # [0, 1], of the rows

    def __post_init__(self) -> None:
        demand_of(self.of)
        at_most(self).demand()

    def read(self, reference: View, current: View) -> Reading:
        """Compare what labels say of two windows; ValueError for other views."""
        return at_most(self).read(
            Outcomes, reference, current, lambda view: estimate(view, self.of, calibration_error), "share"
        )
