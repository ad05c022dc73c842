"""Delay of labels, the median or another quantile: the upper edge of the bin that holds it.

    value = the least edge e such that `share` of the labels came less than e after their prediction

No interval: the point decides. Bins: lags are counted in the 16 of panes.layout.LAG_EDGES_S, so a quantile can be
compared exactly with an edge and with nothing between: `limit_s` must be one. One beyond the last edge (30 days)
reads as that edge, and breaches. Only labels that came are counted, so while labels are still out it is too
small; read label_coverage with it.
"""

from dataclasses import dataclass
from itertools import accumulate
from typing import ClassVar

from monitor.detectors.parameters import demand_rows, demand_share
from monitor.detectors.protocol import NO_KIND, judge, take_truth, too_few
from monitor.facts import EVERY_TASK, FeatureKind, Reading, Subject, Task, View
from monitor.panes.layout import LAG_EDGES_S


@dataclass(frozen=True, slots=True)
class LabelLag:
    """Breach when `share` of the labels are not there before `limit_s`, given `rows_min` labels."""

    subjects: ClassVar[frozenset[Subject]] = frozenset({Subject.OUTCOMES})
    kinds: ClassVar[frozenset[FeatureKind]] = NO_KIND
    tasks: ClassVar[frozenset[Task]] = EVERY_TASK

    limit_s: float = 86_400.0  # one of LAG_EDGES_S
    rows_min: int = 100  # >= 1, labelled rows
    share: float = 0.5  # (0, 1]; 0.9: how long nine in ten labels take

    def __post_init__(self) -> None:
        if self.limit_s not in LAG_EDGES_S:
            msg = f"limit_s must be one of {', '.join(f'{edge:g}' for edge in LAG_EDGES_S)}, not {self.limit_s!r}"
            raise ValueError(msg)
        demand_rows("rows_min", self.rows_min)
        demand_share("share", self.share)

    def read(self, reference: View, current: View) -> Reading:
        """Read the delays; the reference says nothing here. ValueError for other views."""
        take_truth(reference)
        lag = take_truth(current).lag
        n = sum(lag)
        if n < self.rows_min:
            return too_few(n, self.rows_min, "s")
        found = next(i for i, below in enumerate(accumulate(lag)) if below > self.share * n or below == n)
        value = LAG_EDGES_S[min(found, len(LAG_EDGES_S) - 1)]
        return Reading(judge(found > LAG_EDGES_S.index(self.limit_s)), n, value, self.limit_s, unit="s")
