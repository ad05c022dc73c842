"""Which signals are learned together, and their sums by slot and by minute.

Signals that are shares of the same rows go together, a column at a time, 256 at once: the rows are summed once, and
what one of them shows of the column helps the others. Mean normal scores go the same way, with sums of scores in the
place of counts, and a group is one column.

Memory: one column's slots in doubles, 2 MB at 10,000.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.panes.normal import mean_scores
from monitor.panes.rhythm_count import HOUR_S, Tally
from monitor.panes.rhythm_season import Slots
from monitor.panes.signals import Signals

Doubles = NDArray[np.float64]

_TOGETHER: Final = 256  # signals learned at once


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Signals learned together: their slots, the same of minutes (f8[H, 60, s] over f8[H, 60]), and their rows."""

    slots: Slots
    squares: Doubles  # f8[T, s], of the rows' values
    minute_sums: Doubles
    minute_rows: Doubles
    minute_squares: Doubles  # f8[H, s]
    variance: Doubles  # f8[s], of one row
    is_share: bool
    bins: Doubles | None = None  # f8[1, B], the column's shares, where sums are of their normal scores

    @classmethod
    def of_shares(cls, slots: Slots, minute_sums: Doubles, minute_rows: Doubles, share: Doubles) -> "Group":
        """Of rows that are 0 or 1, whose squares are themselves."""
        variance = share * (1 - share)
        return cls(slots, slots.sums, minute_sums, minute_rows, minute_sums.sum(axis=1), variance, is_share=True)


def share_groups(table: Signals, tally: Tally) -> Iterator[tuple[list[int], Group]]:
    """Signals of one column that are shares of the same rows, with their places in the table."""
    for (start, stop), together in _places_by_rows(table):
        rows, minute_rows = (_sums(each, start, stop) for each in (tally.by_slot, tally.by_minute))
        for first in range(0, len(together), _TOGETHER):
            places = together[first : first + _TOGETHER]
            hits = [(int(table.hits[0, place]), int(table.hits[1, place])) for place in places]
            sums, minutes = (
                np.stack([_sums(read, *each) for each in hits], axis=-1) for read in (tally.by_slot, tally.by_minute)
            )
            share = sums.sum(axis=0) / max(rows.sum(), 1.0)
            yield places, Group.of_shares(_slots(tally, sums, rows), minutes, minute_rows, share)


def _places_by_rows(table: Signals) -> Iterator[tuple[tuple[int, int], list[int]]]:
    """The cells of the rows that signals of one column are shares of, and the places of these signals."""
    found: dict[tuple[str, int, int], list[int]] = {}
    starts, stops = table.of.tolist()
    for place, signal in enumerate(table.signals[: table.minutes.start]):
        found.setdefault((signal.column, starts[place], stops[place]), []).append(place)
    return (((start, stop), places) for (_, start, stop), places in found.items())


def _sums(read: Callable[[int, int], NDArray[np.int64]], start: int, stop: int) -> Doubles:
    """What was counted in a range of cells."""
    sums: Doubles = read(start, stop).sum(axis=-1).astype(float)
    return sums


def score_group(table: Signals, tally: Tally, at: int, shares: Doubles) -> Group:
    """One ordered column's normal scores, of the `shares` f8[B] of its bins."""
    ends = table.starts[at]
    z = np.repeat(mean_scores(shares), np.diff(ends))
    slots, minutes = tally.by_slot(int(ends[0]), int(ends[-1])), tally.by_minute(int(ends[0]), int(ends[-1]))
    total = slots.sum(axis=0)
    many = max(int(total.sum()), 1)
    mean = float(total @ z) / many
    variance = max(float(total @ z**2) / many - mean**2, 0.0)
    return Group(
        _slots(tally, (slots @ z)[:, np.newaxis], slots.sum(axis=1).astype(float)),
        (slots @ z**2)[:, np.newaxis],
        (minutes @ z)[:, :, np.newaxis],
        minutes.sum(axis=-1).astype(float),
        (minutes.sum(axis=1) @ z**2)[:, np.newaxis],
        np.array([variance]),
        is_share=False,
        bins=shares[np.newaxis],
    )


def _slots(tally: Tally, sums: Doubles, rows: Doubles) -> Slots:
    slot_h = tally.plan.slot_s / HOUR_S
    hours = tally.plan.start / HOUR_S + (np.arange(len(rows), dtype=np.float64) + 0.5) * slot_h
    return Slots(sums, rows, hours, slot_h)
