"""Demographic parity difference: how far apart groups are in the share that gets the positive answer.

    value = max_g s_g - min_g s_g,  s_g = rows of group g answered with the positive class / rows of g        in [0, 1]

Breach when two groups are surely farther apart than `limit`. It needs no label. Groups are the segments of the column
that the rule names.

Source: Calders, Kamiran & Pechenizkiy 2009, ICDM Workshops, 13; Dwork et al. 2012, ITCS, 214. Interval: Newcombe's for
every pair, all at once (groups.py). Failure mode: groups may differ in what they bring, and then equal shares are no
equal treatment. Whether this or equal_opportunity is the right question is for people to say; not both can be 0, save
in special cases (Kleinberg, Mullainathan & Raghavan 2017, ITCS, 43).
"""

from dataclasses import dataclass
from typing import ClassVar

from monitor.detectors.groups import rates, read_apart, selected
from monitor.detectors.parameters import demand_rows, demand_share_or_zero
from monitor.detectors.protocol import CLASSIFICATION, NO_KIND, take
from monitor.facts import FeatureKind, Groups, Reading, Subject, Task, View


@dataclass(frozen=True, slots=True)
class DemographicParity:
    """Breach when two groups' shares surely differ by more than `limit`; UNKNOWN with fewer than two groups."""

    subjects: ClassVar[frozenset[Subject]] = frozenset({Subject.GROUPS})
    kinds: ClassVar[frozenset[FeatureKind]] = NO_KIND
    tasks: ClassVar[frozenset[Task]] = CLASSIFICATION

    limit: float = 0.1  # [0, 1], share of the rows
    rows_min: int = 200  # >= 1, of a group; one with fewer is left out

    def __post_init__(self) -> None:
        demand_share_or_zero("limit", self.limit)
        demand_rows("rows_min", self.rows_min)

    def read(self, reference: View, current: View) -> Reading:
        """Compare the groups of one window; the reference says nothing here. ValueError for other views."""
        take(Groups, reference)
        found = take(Groups, current)
        return read_apart(found, rates(found, self.rows_min, selected), self.limit)
