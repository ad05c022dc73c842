"""How far the rows that are labelled differ from all rows: whether labels can speak for those they do not reach.

    value = the largest of  max over s |F_labelled(s) - F_all(s)|   of the scores, F the share with a score up to s
                            max over c |p_labelled(c) - p_all(c)|   of the answers, p the share of class c

in [0, 1 - coverage]: what is labelled is a part of all. Labels that are drawn without looking are a sample without
replacement of n of N rows; then P(distance > d) <= 2 e^(-2 d^2 n / (1 - (n - 1) / N)) for any one set (Hoeffding 1963;
Serfling 1974), which is taken for all scores at once, as Massart 1990 shows with replacement.

Interval: for scores and all k classes together, value -+ sqrt((1 - (n - 1) / N) ln(2 (k + 1) / .05) / (2 n)).

Failure mode: it sees what shows in scores and answers. Labels that come for wrong answers only, at every score alike,
it does not see. Nor does it judge windows of which little is labelled as yet (`coverage_min`): labels that come within
the hour are never a sample of the day.

A rollback that rests on labels is blocked while this breaches (`monitor.decisions.gates`).
"""

from dataclasses import dataclass
from math import log, sqrt
from typing import ClassVar, Final

import numpy as np

from monitor.detectors.coverage import demand_floors, lacking
from monitor.detectors.parameters import demand_share
from monitor.detectors.protocol import CLASSIFICATION, NO_KIND, judge, take, unknown
from monitor.facts import FeatureKind, Outcomes, Reading, Subject, Task, View

ERROR_SHARE: Final = 0.05  # of intervals that may miss


@dataclass(frozen=True, slots=True)
class LabelSelection:
    """Breach when labelled rows surely differ by more than `limit`, given `rows_min` labels of `coverage_min` rows."""

    subjects: ClassVar[frozenset[Subject]] = frozenset({Subject.OUTCOMES})
    kinds: ClassVar[frozenset[FeatureKind]] = NO_KIND
    tasks: ClassVar[frozenset[Task]] = CLASSIFICATION

    limit: float = 0.1  # (0, 1]
    rows_min: int = 200  # >= 1, labelled rows: half an interval is then at most .12
    coverage_min: float = 0.5  # [0, 1]

    def __post_init__(self) -> None:
        demand_share("limit", self.limit)
        demand_floors(self.rows_min, self.coverage_min)

    def read(self, reference: View, current: View) -> Reading:
        """Compare the window with itself; the reference says nothing here. ValueError for other views."""
        take(Outcomes, reference)
        found = take(Outcomes, current)
        labelled = found.labelled
        if why := lacking(labelled, found.rows, self.rows_min, self.coverage_min):
            return unknown(labelled, why, "share")
        answered = sum(found.all_outputs)
        if len(found.all_outputs) != len(found.confusion) or not answered:
            return unknown(labelled, "nothing is known of the rows without labels", "share")
        rows = max(answered, labelled)  # a label may be counted before its row arrives from a replica
        sets = [(sum(row), every) for row, every in zip(found.confusion, found.all_outputs, strict=True)]
        answers = max(abs(mine / labelled - every / answered) for mine, every in sets)
        value = max(answers, _apart(found))
        half = sqrt((1 - (labelled - 1) / rows) * log(2 * (len(sets) + 1) / ERROR_SHARE) / (2 * labelled))
        low, high = max(0.0, value - half), min(1.0, value + half)
        return Reading(judge(low > self.limit), labelled, value, self.limit, low, high, "share")


def _apart(found: Outcomes) -> float:
    """Kolmogorov's distance of the scores; 0 where none were sent."""
    if not found.curves or not found.curves[0].n or not sum(found.all_scores):
        return 0.0
    mine = np.cumsum(np.add(np.array(found.curves[0].hits, float), np.array(found.curves[0].misses, float)))
    every = np.cumsum(np.array(found.all_scores, float))
    return float(np.abs(mine / mine[-1] - every / every[-1]).max())
