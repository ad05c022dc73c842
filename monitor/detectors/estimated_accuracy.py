"""Accuracy that is expected of a window before its labels come, from calibrated scores.

    value = 1/n sum over rows of P(the answer is right | output, score)        in [0, 1]

The chances come from the reference's labelled rows, counted by output and score bin and made to rise with the score
(monitor.panes.expected_read). Rows without a score are left out, up to `coverage_min`.

Interval: of the figure that this window's labels will give: the rows' own luck and the reference's sampling error
(expected.py, where both are written out). Source: Kivimaki et al. 2025; NannyML's CBPE. Failure mode: it needs P(y|x)
unchanged and calibration given x, so it cannot see a concept drift or a confident backdoored model, and a reference
made of rows that the model was trained on flatters it. It is displayed; no rule may alert or roll back by it.
"""

from dataclasses import dataclass
from typing import ClassVar

from monitor.detectors.coverage import COVERAGE_MIN
from monitor.detectors.estimates import at_least
from monitor.detectors.expected import read
from monitor.detectors.expected_figures import accuracy
from monitor.detectors.protocol import CLASSIFICATION, NO_KIND
from monitor.facts import Chances, FeatureKind, Reading, Subject, Task, View


@dataclass(frozen=True, slots=True)
class EstimatedAccuracy:
    """Breach when it is surely below the limit; UNKNOWN below the floors, or where the reference lacks labels."""

    subjects: ClassVar[frozenset[Subject]] = frozenset({Subject.EXPECTED})
    kinds: ClassVar[frozenset[FeatureKind]] = NO_KIND
    tasks: ClassVar[frozenset[Task]] = CLASSIFICATION

    limit: float | None = None  # [0, 1], absolute
    limit_under_reference: float | None = 0.05  # [0, 1], subtracted from the reference's
    rows_min: int = 200  # >= 1, rows with a score
    coverage_min: float = COVERAGE_MIN  # [0, 1], share of the rows that came with a score

    def __post_init__(self) -> None:
        at_least(self).demand()

    def read(self, reference: View, current: View) -> Reading:
        """Compare what is expected of two windows; ValueError for other views."""
        return read(at_least(self), Chances, reference, current, figure=accuracy, unit="share")
