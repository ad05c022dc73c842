"""How a figure made from labels becomes a reading: floors first, then the limit, then what is sure.

    at least:  breach when  high < limit       of figures that should be large (accuracy, R squared)
    at most:   breach when  low > limit        of figures that should be small (losses)

`low` and `high` are the ends of the figure's 95 % interval; where it has none that is sound, the point decides. The
limit is the stricter of an absolute one and one made of the reference's own figure, which counts only when that rests
on `rows_min` rows itself. Without either limit the reading is UNKNOWN: nothing says what would be good.

A breach of a figure with an interval is wrong about once in forty at the limit, and less often on its better side. One
without is wrong every second time there, so it belongs among the readings, or wants a wide margin.
"""

from typing import NamedTuple, Protocol, TypeAlias

from monitor.detectors.coverage import demand_floors, lacking
from monitor.detectors.parameters import demand_finite, demand_given, demand_positive, demand_share_or_zero
from monitor.detectors.protocol import judge, unknown
from monitor.facts import Reading, Truth


class Estimate(NamedTuple):
    """A figure of one window."""

    value: float
    n: int  # rows it rests on
    covered: int  # labelled rows that could have counted: what the floor of coverage is about
    low: float | None = None
    high: float | None = None
    why: str = ""  # what must be said beside it


Found: TypeAlias = Estimate | str  # or why there is none


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


def demand_at_least(given: AtLeast) -> None:
    """Both limits, in [0, 1], and the floors; ValueError."""
    demand_given(limit=given.limit, limit_under_reference=given.limit_under_reference)
    if given.limit is not None:
        demand_share_or_zero("limit", given.limit)
    if given.limit_under_reference is not None:
        demand_share_or_zero("limit_under_reference", given.limit_under_reference)
    demand_floors(given.rows_min, given.coverage_min)


def demand_at_most(given: AtMost) -> None:
    """Both limits and floors of a loss; ValueError."""
    demand_given(limit=given.limit, limit_over_reference=given.limit_over_reference)
    if given.limit is not None:
        demand_positive("limit", given.limit)
    if given.limit_over_reference is not None:
        demand_share_or_zero("limit_over_reference", given.limit_over_reference)
    demand_floors(given.rows_min, given.coverage_min)


def demand_times(given: Times) -> None:
    """Both limits and floors of an error in the target's unit; ValueError."""
    demand_given(limit=given.limit, limit_times_reference=given.limit_times_reference)
    if given.limit is not None:
        demand_positive("limit", given.limit)
    if given.limit_times_reference is not None:
        demand_finite("limit_times_reference", given.limit_times_reference, 1)
    demand_floors(given.rows_min, given.coverage_min)


def read_at_least(given: AtLeast, view: Truth, now: Found, before: Found, unit: str = "share") -> Reading:
    """Read a figure that should be large; `view` is the window that `now` was made of."""
    under = given.limit_under_reference
    relative = None if under is None else _told(before, given.rows_min, 1.0, -under)
    limits = [limit for limit in (given.limit, relative) if limit is not None]
    return _read(given, view, now, max(limits, default=None), unit, large=True)


def read_at_most(given: AtMost, view: Truth, now: Found, before: Found, unit: str = "") -> Reading:
    """Read a loss against a limit, or the reference's loss and some more."""
    over = given.limit_over_reference
    relative = None if over is None else _told(before, given.rows_min, 1.0, over)
    limits = [limit for limit in (given.limit, relative) if limit is not None]
    return _read(given, view, now, min(limits, default=None), unit, large=False)


def read_times(given: Times, view: Truth, now: Found, before: Found, unit: str = "") -> Reading:
    """Read an error against a limit, or a multiple of the reference's error."""
    times = given.limit_times_reference
    relative = None if times is None else _told(before, given.rows_min, times, 0.0)
    limits = [limit for limit in (given.limit, relative) if limit is not None]
    return _read(given, view, now, min(limits, default=None), unit, large=False)


def floored(now: Found, labelled: int, rows: int, rows_min: int, coverage_min: float) -> Found:
    """The figure, or why it cannot be told: too few rows, too few of them labelled, or what it says itself."""
    if isinstance(now, str):
        return lacking(labelled, rows, rows_min, coverage_min) or now
    why = lacking(now.n, 0, rows_min, 0) or lacking(now.covered, rows, 0, coverage_min)
    return why or now


def _told(before: Found, rows_min: int, times: float, plus: float) -> float | None:
    """The limit that the reference's own figure makes, where it has one that rests on enough rows."""
    if isinstance(before, str) or before.n < rows_min:
        return None
    return before.value * times + plus


def _read(given: Floors, view: Truth, now: Found, limit: float | None, unit: str, *, large: bool) -> Reading:
    found = floored(now, view.labelled, view.rows, given.rows_min, given.coverage_min)
    if isinstance(found, str):
        return unknown(view.labelled if isinstance(now, str) else now.n, found, unit)
    if limit is None:
        return unknown(found.n, f"the reference has fewer than {given.rows_min} labels that say it", unit)
    surest = found.high if large else found.low
    decides = found.value if surest is None else surest
    breach = decides < limit if large else decides > limit
    if found.why and not breach:
        return unknown(found.n, found.why, unit)
    return Reading(judge(breach), found.n, found.value, limit, found.low, found.high, unit, found.why)
