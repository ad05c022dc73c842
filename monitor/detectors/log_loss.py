"""Log loss: minus the mean logarithm of the probability that was given to what came true.

    value = 1/n sum_i -ln(p_i)        in [0, inf), nats; ln(classes) is "I do not know"

Of the labelled rows of which that probability is known: with two classes those with a score, with more those that came
with the probabilities of all classes. Breach above the smaller of `limit` and the reference's loss +
`limit_over_reference`.

Source: Good 1952, J. R. Stat. Soc. B 14:107. No interval: the sum of squares is not kept, so the point decides; a few
sure and wrong answers are most of it, and one window differs from the next by them alone. Rather display it than page
on it; brier is bounded and has an interval. Probabilities are bounded away from 0 where they are counted (panes).
"""

from dataclasses import dataclass
from typing import ClassVar

from monitor.detectors.coverage import COVERAGE_MIN
from monitor.detectors.estimates import Estimate, Found, at_most
from monitor.detectors.protocol import CLASSIFICATION, NO_KIND
from monitor.facts import FIXED_POINT, FeatureKind, Outcomes, Reading, Subject, Task, View


@dataclass(frozen=True, slots=True)
class LogLoss:
    """Breach above the limit; UNKNOWN below `rows_min` or `coverage_min` of the rows."""

    subjects: ClassVar[frozenset[Subject]] = frozenset({Subject.OUTCOMES})
    kinds: ClassVar[frozenset[FeatureKind]] = NO_KIND
    tasks: ClassVar[frozenset[Task]] = CLASSIFICATION

    limit: float | None = None  # > 0, nats, absolute
    limit_over_reference: float | None = 0.1  # [0, 1], nats, added to the reference's
    rows_min: int = 200  # >= 1, labelled rows of known probability
    coverage_min: float = COVERAGE_MIN  # [0, 1], of the rows

    def __post_init__(self) -> None:
        at_most(self).demand()

    def read(self, reference: View, current: View) -> Reading:
        """Compare what labels say of two windows; ValueError for other views."""
        return at_most(self).read(Outcomes, reference, current, _mean, "nats")


def _mean(outcomes: Outcomes) -> Found:
    if not outcomes.likely:
        return "the probability of what came true is known of no row"
    return Estimate(outcomes.log_loss / FIXED_POINT / outcomes.likely, outcomes.likely, outcomes.likely)
