"""How much more often the served model is wrong than the known-good, on the same rows.

    value = (only the served wrong - only the known-good wrong) / labelled pairs  =  error(served) - error(known-good)

in [-1, 1]; breach when the lower bound exceeds `limit`. A change of the world hits both models and cancels: what stays
is what a rollback would gain. That makes it the evidence a rollback rests on.

Pairs on which both are right or both are wrong carry no sign, only size. Interval: that of paired shares, Agresti & Min
2005, Stat. Med. 24:729 (intervals.py); coverage is simulated in the tests. Labels must be trusted: whoever writes them
decides this number.
"""

from dataclasses import dataclass
from typing import ClassVar

from monitor.detectors.coverage import COVERAGE_MIN, demand_floors, lacking
from monitor.detectors.intervals import agresti_min
from monitor.detectors.parameters import demand_share_or_zero
from monitor.detectors.protocol import CLASSIFICATION, NO_KIND, judge, take, unknown
from monitor.facts import FeatureKind, Pairs, Reading, Subject, Task, View


@dataclass(frozen=True, slots=True)
class PairedError:
    """Breach when the served is surely worse by `limit`; UNKNOWN below `rows_min` or `coverage_min` of the asked."""

    subjects: ClassVar[frozenset[Subject]] = frozenset({Subject.PAIRS})
    kinds: ClassVar[frozenset[FeatureKind]] = NO_KIND
    tasks: ClassVar[frozenset[Task]] = CLASSIFICATION

    limit: float = 0.02  # [0, 1], share of the pairs
    rows_min: int = 200  # >= 1, labelled pairs
    coverage_min: float = COVERAGE_MIN  # [0, 1], labelled share of the asked rows

    def __post_init__(self) -> None:
        demand_share_or_zero("limit", self.limit)
        demand_floors(self.rows_min, self.coverage_min)

    def read(self, reference: View, current: View) -> Reading:
        """Read the pairs; the reference has none. ValueError for other views.

        >>> from monitor.facts import Pairs
        >>> none = Pairs(0, 0, 0, 0, 0, 0, 0)
        >>> PairedError().read(none, Pairs(4000, 400, 80, 300, 60, 20, 20)).value
        0.1
        """
        take(Pairs, reference)
        found = take(Pairs, current)
        if why := lacking(found.labelled, found.asked, self.rows_min, self.coverage_min):
            return unknown(found.labelled, f"of the pairs, {why}", "share")
        low, high = agresti_min(found.only_serving_wrong, found.only_known_good_wrong, found.labelled)
        value = (found.only_serving_wrong - found.only_known_good_wrong) / found.labelled
        return Reading(judge(low > self.limit), found.labelled, value, self.limit, low, high, "share")
