"""Mean absolute error that is expected of a window before labels come, from features and predictions.

    value = mean over rows of e(row)        in [0, inf)
    e(row) = c + t_out[bin of the prediction] + sum_f t_f[bin of f] + u_f[bin of f, group of the prediction]

`e` is what |error| is expected to be; `t` and `u` are effects of the cells that a row lies in, `u` by about five groups
of the prediction, fitted on the reference's labelled rows by ridge least squares (monitor.panes.expected_fit). That is
NannyML's DLE with an additive model for its trees: so the mean over a window is a sum over counts that panes hold. Rows
without a finite prediction are left out, up to `coverage_min`. UNKNOWN where a tenth of a column lies in cells that the
reference next to never held.

Interval: of the figure that this window's labels will give: the rows' own luck and the fit's sampling error, by the
jackknife (expected_errors.py). Source: NannyML's DLE; Hastie & Tibshirani 1986, Stat. Sci. 1:297 (additive models).
Failure mode: interactions of two features are not seen (an error that is large only where both meet), nor is a change
inside one bin; it needs P(y|x) unchanged, so it cannot see a concept drift or a confident backdoored model. It is
displayed; no rule may alert or roll back by it.
"""

from dataclasses import dataclass
from typing import ClassVar

from monitor.detectors.coverage import COVERAGE_MIN
from monitor.detectors.estimates import times
from monitor.detectors.expected import read
from monitor.detectors.expected_errors import absolute_error
from monitor.detectors.protocol import NO_KIND, REGRESSION
from monitor.facts import ExpectedErrors, FeatureKind, Reading, Subject, Task, View


@dataclass(frozen=True, slots=True)
class EstimatedMeanAbsoluteError:
    """Breach when it is surely above the limit; UNKNOWN below the floors, or where the reference lacks labels."""

    subjects: ClassVar[frozenset[Subject]] = frozenset({Subject.EXPECTED})
    kinds: ClassVar[frozenset[FeatureKind]] = NO_KIND
    tasks: ClassVar[frozenset[Task]] = REGRESSION

    limit: float | None = None  # > 0, the target's unit
    limit_times_reference: float | None = 1.25  # >= 1, of the reference's
    rows_min: int = 200  # >= 1, rows with a finite prediction
    coverage_min: float = COVERAGE_MIN  # [0, 1], share of the rows with a finite prediction

    def __post_init__(self) -> None:
        times(self).demand()

    def read(self, reference: View, current: View) -> Reading:
        """Compare what is expected of two windows; ValueError for other views."""
        return read(times(self), ExpectedErrors, reference, current, figure=absolute_error, unit="")
