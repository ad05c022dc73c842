"""How a figure made from labels becomes a reading: floors first, then the limit, then what is sure.

    at least:  breach when  high < limit       of figures that should be large (accuracy, R squared)
    at most:   breach when  low > limit        of figures that should be small (losses)

`low` and `high` are the ends of the figure's 95 % interval; where it has none that is sound, the point decides. The
limit is the stricter of an absolute one and one made of the reference's own figure, which counts only when that rests
on `rows_min` rows itself. Without either limit the reading is UNKNOWN: nothing says what would be good.

A detector's parameters become one `Limit`, by `at_least`, `at_most` or `times`; it checks them and it judges by them.

A breach of a figure with an interval is wrong about once in forty at the limit, and less often on its better side. One
without is wrong every second time there, so it belongs among the readings, or wants a wide margin.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, Protocol, TypeAlias, TypeVar

from monitor.detectors.coverage import demand_floors, lacking
from monitor.detectors.parameters import demand_finite, demand_given, demand_positive, demand_share_or_zero
from monitor.detectors.protocol import judge, take, unknown
from monitor.facts import Errors, Outcomes, Ranks, Reading, View


class Estimate(NamedTuple):
    """A figure of one window."""

    value: float
    n: int  # rows it rests on
    covered: int  # labelled rows that could have counted: what the floor of coverage is about
    low: float | None = None
    high: float | None = None
    why: str = ""  # what must be said beside it


Found: TypeAlias = Estimate | str  # or why there is none

_T = TypeVar("_T", Outcomes, Errors, Ranks)


class Relation(Enum):
    """How the reference's own figure makes a limit; the value is the parameter that says by how much."""

    UNDER = "limit_under_reference"  # subtracted: the figure should be large
    OVER = "limit_over_reference"  # added: it should be small, in a known unit
    TIMES = "limit_times_reference"  # multiplied: it should be small, in the target's unit

    def limit(self, before: float, by: float) -> float:
        """Where the figure ends to be good."""
        return before * by if self is Relation.TIMES else before - by if self is Relation.UNDER else before + by


@dataclass(frozen=True, slots=True)
class Limit:
    """What a figure is held against: the stricter of two limits, above the floors. None: that one is not asked for."""

    relation: Relation
    absolute: float | None
    by: float | None
    rows_min: int
    coverage_min: float

    def demand(self) -> None:
        """At least one limit, each in its range, and the floors; ValueError."""
        name, large = self.relation.value, self.relation is Relation.UNDER
        demand_given(**{"limit": self.absolute, name: self.by})
        if self.absolute is not None:
            (demand_share_or_zero if large else demand_positive)("limit", self.absolute)
        if self.by is not None and self.relation is Relation.TIMES:
            demand_finite(name, self.by, 1)
        elif self.by is not None:
            demand_share_or_zero(name, self.by)
        demand_floors(self.rows_min, self.coverage_min)

    def read(
        self, truth: type[_T], reference: View, current: View, figure: Callable[[_T], Found], unit: str = ""
    ) -> Reading:
        """Read the current figure against the reference's; ValueError for other views."""
        before, view = figure(take(truth, reference)), take(truth, current)
        now = figure(view)
        found = floored(now, view.labelled, view.rows, self.rows_min, self.coverage_min)
        if isinstance(found, str):
            return unknown(view.labelled if isinstance(now, str) else now.n, found, unit)
        return self.judge(before, found, unit)

    def judge(self, before: Found, found: Estimate, unit: str = "") -> Reading:
        """Hold a figure that is above the floors against the limit; `before` is the reference's own."""
        limit = self._stricter(before)
        if limit is None:
            return unknown(found.n, f"the reference has fewer than {self.rows_min} labels that say it", unit)
        breach = self._beyond(found, limit)
        if found.why and not breach:
            return unknown(found.n, found.why, unit)
        return Reading(judge(breach), found.n, found.value, limit, found.low, found.high, unit, found.why)

    def _stricter(self, before: Found) -> float | None:
        """The limit that holds. The reference makes one where it has a figure that rests on enough rows."""
        if self.by is None or isinstance(before, str) or before.n < self.rows_min:
            return self.absolute
        relative = self.relation.limit(before.value, self.by)
        if self.absolute is None:
            return relative
        return (max if self.relation is Relation.UNDER else min)(self.absolute, relative)

    def _beyond(self, found: Estimate, limit: float) -> bool:
        """Whether the figure is surely on the wrong side."""
        large = self.relation is Relation.UNDER
        surest = found.high if large else found.low
        decides = found.value if surest is None else surest
        return decides < limit if large else decides > limit


class Floors(Protocol):
    """Parameters that all of them have."""

    @property
    def limit(self) -> float | None:
        """Absolute."""

    @property
    def rows_min(self) -> int:
        """Of rows that the figure rests on."""

    @property
    def coverage_min(self) -> float:
        """Labelled share of the rows."""


class AtLeast(Floors, Protocol):
    """Parameters of a figure that should be large."""

    @property
    def limit_under_reference(self) -> float | None:
        """Subtracted from the reference's figure."""


class AtMost(Floors, Protocol):
    """Parameters of a figure in a known unit that should be small."""

    @property
    def limit_over_reference(self) -> float | None:
        """Added to the reference's figure."""


class Times(Floors, Protocol):
    """Parameters of a figure in the target's unit that should be small."""

    @property
    def limit_times_reference(self) -> float | None:
        """Multiplies the reference's figure."""


def at_least(given: AtLeast) -> Limit:
    """Of a figure that should be large: limits in [0, 1]."""
    return Limit(Relation.UNDER, given.limit, given.limit_under_reference, given.rows_min, given.coverage_min)


def at_most(given: AtMost) -> Limit:
    """Of a loss in a known unit: above 0, or the reference's and up to 1 more."""
    return Limit(Relation.OVER, given.limit, given.limit_over_reference, given.rows_min, given.coverage_min)


def times(given: Times) -> Limit:
    """Of an error in the target's unit: above 0, or the reference's at least once."""
    return Limit(Relation.TIMES, given.limit, given.limit_times_reference, given.rows_min, given.coverage_min)


def floored(now: Found, labelled: int, rows: int, rows_min: int, coverage_min: float) -> Found:
    """The figure, or why it cannot be told: too few rows, too few of them labelled, or what it says itself."""
    if isinstance(now, str):
        return lacking(labelled, rows, rows_min, coverage_min) or now
    why = lacking(now.n, 0, rows_min, 0) or lacking(now.covered, rows, 0, coverage_min)
    return why or now
