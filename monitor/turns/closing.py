"""Windows of labels by the time of the prediction: when each closes, and is bet on once.

A label says something of the hour in which its row was scored, however late it comes, so labels are not bet on as they
arrive. A window [k W, (k + 1) W) closes

- when enough of its rows are labelled by trusted sources: `coverage` of those that a label can reach, or of as many as
  windows before it had in the end, where that is less (labels of a tenth of the rows are all there will be);
- or at its deadline, with what is there.

It never closes before it is over and its grace, too. Which rows are labelled by then is taken to have nothing to do
with whether they are wrong; `monitor.detectors.label_selection` watches that. Labels that come later revise what is
shown and are counted; they are not bet on. Nothing that an untrusted source sends closes a window.

State is a list of these windows: one number each, bounded by the deadline over W. It is committed with the
bets, so a window that was lost is bet on later, with the same counts or more, and none is bet on twice.

Failure mode: a flood of rows that nobody labels keeps windows open until their deadline, and no longer.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import floor
from typing import Final, NamedTuple

import msgspec

SETTLED_MAX: Final = 24  # windows that were seen to their deadline: a day of hours
SETTLED_MIN: Final = 6  # of them that tell how many labels there will be


class Coverage(NamedTuple):
    """Rows of a window that a label can reach, and those with one by a trusted source."""

    kept: int
    labelled: int


@dataclass(frozen=True, slots=True)
class Terms:
    """When windows close; seconds, and a share in (0, 1]."""

    window_s: int
    coverage: float
    deadline_s: float
    grace_s: float

    def start(self, time: float) -> int:
        """The start of the window that holds `time`."""
        return floor(time / self.window_s) * self.window_s

    def ended(self, start: int) -> float:
        """When a window is over, and its grace."""
        return start + self.window_s + self.grace_s

    def deadline(self, start: int) -> float:
        """When it closes at the latest."""
        return start + self.window_s + max(self.deadline_s, self.grace_s)


class Closing(msgspec.Struct, frozen=True):
    """The label windows of one epoch; starts ascend."""

    at: float  # when they were looked at last
    first: int  # windows that begin before it are over for good
    open: tuple[int, ...] = ()  # have rows, and are not bet on
    closed: tuple[int, ...] = ()  # bet on before their deadline, which is still to come
    settled: tuple[tuple[int, int], ...] = ()  # kept and labelled of the last windows at their deadline
    by_coverage: int = 0  # how many closed for which reason
    by_deadline: int = 0
    revised: int = 0  # labels that came after their window had closed

    @property
    def expected_share(self) -> float:
        """The share of rows that is labelled in the end; 1 while too few windows tell."""
        kept = sum(rows for rows, _ in self.settled)
        if len(self.settled) < SETTLED_MIN or not kept:
            return 1.0
        return min(1.0, sum(labelled for _, labelled in self.settled) / kept)


@dataclass(frozen=True, slots=True)
class Due:
    """Starts of the windows that close now, ascending, and the state after that."""

    starts: tuple[int, ...]
    after: Closing


def begin(terms: Terms, since: float) -> Closing:
    """The state of what is watched from `since` on: windows that were over by then are not bet on."""
    return Closing(since, terms.start(since))


def due(terms: Terms, before: Closing, came: Mapping[int, int], now: float, read: Callable[[int], Coverage]) -> Due:
    """Which windows close at `now`.

    `came` says for which windows rows or labels came since the last look, and how many more labels; `read` how much of
    a window is labelled by now. A window is read when something came for it, when it has just ended, and at its
    deadline: a look costs what changed.
    """
    known = {*before.open, *(start for start in came if start >= before.first)} - {*before.closed}
    share = terms.coverage * before.expected_share
    enough: list[int] = []
    late: list[int] = []
    still: list[int] = []
    for start in sorted(known):
        if terms.deadline(start) <= now:
            late.append(start)
        elif terms.ended(start) <= now and (start in came or terms.ended(start) > before.at):
            (enough if _is_enough(read(start), share) else still).append(start)
        else:
            still.append(start)
    over = [start for start in (*before.closed, *late) if terms.deadline(start) <= now]
    settled = [(coverage.kept, coverage.labelled) for start in sorted(over) if (coverage := read(start)).kept > 0]
    shut = {start for start in came if start < before.first} | {*before.closed}
    after = Closing(
        at=now,
        first=min(
            max(
                before.first, terms.start(now - terms.window_s - max(terms.deadline_s, terms.grace_s)) + terms.window_s
            ),
            terms.start(now) + terms.window_s,  # a clock that was set back: windows that begin from now on are not over
        ),
        open=tuple(still),
        closed=tuple(sorted({*before.closed, *enough} - {*over})),
        settled=(*before.settled, *settled)[-SETTLED_MAX:],
        by_coverage=before.by_coverage + len(enough),
        by_deadline=before.by_deadline + len(late),
        revised=before.revised + sum(max(0, came[start]) for start in came if start in shut),
    )
    return Due(tuple(sorted((*enough, *late))), after)


def _is_enough(coverage: Coverage, share: float) -> bool:
    return coverage.labelled > 0 and coverage.labelled >= share * coverage.kept - 1e-6
