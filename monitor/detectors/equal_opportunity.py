"""Equal opportunity difference: how far apart groups are in the share of true positives that is recognised.

    value = max_g t_g - min_g t_g,  t_g = rows of g labelled and answered positive / rows of g labelled positive

in [0, 1]. Breach when two groups are surely farther apart than `limit`. Groups are the segments of the column that the
rule names.

Source: Hardt, Price & Srebro 2016, NeurIPS, 3315. Interval: Newcombe's for every pair, all at once (groups.py). Failure
mode: labels themselves may be unfair, or come only for those who were chosen (a loan that was refused is never repaid);
a group of which less than `coverage_min` is labelled is left out.
"""

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from monitor.detectors.coverage import COVERAGE_MIN, demand_floors
from monitor.detectors.groups import rates, read_apart, recognised
from monitor.detectors.parameters import demand_share_or_zero
from monitor.detectors.protocol import CLASSIFICATION, NO_KIND, take
from monitor.facts import FeatureKind, Groups, Reading, Subject, Task, View


@dataclass(frozen=True, slots=True)
class EqualOpportunity:
    """Breach when two groups' recall surely differs by more than `limit`; UNKNOWN with fewer than two groups."""

    subjects: ClassVar[frozenset[Subject]] = frozenset({Subject.GROUPS})
    kinds: ClassVar[frozenset[FeatureKind]] = NO_KIND
    tasks: ClassVar[frozenset[Task]] = CLASSIFICATION

    limit: float = 0.1  # [0, 1], share of the rows labelled positive
    rows_min: int = 100  # >= 1, labelled positive, of a group; one with fewer is left out
    coverage_min: float = COVERAGE_MIN  # [0, 1], labelled share of a group's rows

    def __post_init__(self) -> None:
        demand_share_or_zero("limit", self.limit)
        demand_floors(self.rows_min, self.coverage_min)

    def read(self, reference: View, current: View) -> Reading:
        """Compare the groups of one window; the reference says nothing here. ValueError for other views."""
        take(Groups, reference)
        found = take(Groups, current)
        kept = rates(found, self.rows_min, partial(recognised, coverage_min=self.coverage_min))
        return read_apart(found, kept, self.limit)
