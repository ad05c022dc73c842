"""Share of predictions that have a trusted label.

    value = labelled / rows        in [0, 1]; breach when Wilson's upper bound is below the limit

Interval: Wilson 1927 (intervals.py).

Ask it of windows whose labels are due: a rule on fresh windows would only measure the delay. It is what tells "the
model is fine" from "nobody checks any more", because every reading of error is UNKNOWN below its own floor.
"""

from dataclasses import dataclass
from typing import ClassVar

from monitor.detectors.coverage import COVERAGE_MIN
from monitor.detectors.intervals import wilson
from monitor.detectors.parameters import demand_rows, demand_share
from monitor.detectors.protocol import NO_KIND, judge, take_truth, too_few
from monitor.facts import EVERY_TASK, FeatureKind, Reading, Subject, Task, View


@dataclass(frozen=True, slots=True)
class LabelCoverage:
    """Breach when coverage is surely below `limit`, given `rows_min` predictions."""

    subjects: ClassVar[frozenset[Subject]] = frozenset({Subject.OUTCOMES})
    kinds: ClassVar[frozenset[FeatureKind]] = NO_KIND
    tasks: ClassVar[frozenset[Task]] = EVERY_TASK

    limit: float = COVERAGE_MIN  # (0, 1]
    rows_min: int = 100  # >= 1, labelled or not

    def __post_init__(self) -> None:
        demand_share("limit", self.limit)
        demand_rows("rows_min", self.rows_min)

    def read(self, reference: View, current: View) -> Reading:
        """Read how much is labelled; the reference says nothing here. ValueError for other views."""
        take_truth(reference)
        found = take_truth(current)
        if found.rows < self.rows_min:
            return too_few(found.rows, self.rows_min, "share")
        labelled = min(found.labelled, found.rows)  # a label may be counted before its row arrives from a replica
        low, high = wilson(labelled, found.rows)
        return Reading(judge(high < self.limit), found.rows, labelled / found.rows, self.limit, low, high, "share")
