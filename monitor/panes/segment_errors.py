"""What is watched of each segment: that its answers are wrong more often than they were; and the band it is held to.

A segment's closed windows say how many of its labelled answers were wrong, as slices.py has it: of a classification
another class than the label, of a ranked list nothing relevant among the first ten, of a regression an error beyond
`Reference.large_error`. The band comes from the first of these that the reference knows:

- *its own*: a segment of a category whose errors the reference watches as a slice has that slice's band. It was learned
  from these very rows of the history.
- *what the others leave*: the pooled segment of a column all of whose named segments are slices. How many of its rows
  were wrong is counted (all less the named ones), so the centre is known. How it moves in time is not, so the worst of
  its kin is borrowed: of the named ones and the whole, the largest correlation of rows in a pane (b^2 and half of the
  squared waves, over p (1 - p)), design effect and reach; rows are worth as few as anybody's.
- *the whole's, wider*: a category too rare to be a slice. It is taken for one more of the slices: the standard
  deviation of their centres about the whole's, with Student's quantile at so many, is an error of prediction like a
  wander (`reach`). Fewer than SLICES_MIN known slices tell nothing of that.

Otherwise it is unknown, and `why` says so; a segment without a row in the history is. So is the band of what senders
say themselves (the row's `segment` map): no row of the history has one, and whoever names the segment chooses its rows.
And one wider than WIDTH_MAX: it would promise nothing.

Errors by class are not: of a category the history counts right and wrong alone, and what a class's errors are in a
segment follows neither from that nor from the class's errors everywhere.

How many are watched is bounded by the caller: known ones first, then by their rows in the reference.

Failure mode: a segment that was rare in the history and differs more from the rest than frequent ones do from each
other pages once, and rightly: nobody had seen how wrong it is there.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from msgspec.structs import replace

from monitor.facts import Family, Task
from monitor.panes.label_margins import ERROR, HIT_NAMES, SLICES
from monitor.panes.reference import Slice
from monitor.panes.rhythm import Band, Rhythm, share_band
from monitor.panes.rhythm_bands import ROWS_MIN, WIDTH_MAX
from monitor.panes.rhythm_labels import RIGHT
from monitor.panes.rhythm_memory import student
from monitor.panes.segments import Segmented, Segments
from monitor.panes.shares import Counts, Signal, What
from monitor.panes.signals import Counted, Signals

GROUP: Final = "labels/error@"  # of each segment
SLICES_MIN: Final = 8  # known ones, that tell how much slices differ
SAID: Final = "senders name it, so the history has no row of it"
NOT_APART: Final = "of a regression the errors of what has no slice are not told apart"
NO_LABELS: Final = "the history has no labels of it"
TOO_WIDE: Final = "the history says so little of its errors that its band would hold nearly everything"


@dataclass(frozen=True, slots=True)
class Part:
    """One segment as it is watched. Of its own pane's margins the cells `hits` are wrong, of all in `of`."""

    segment: str  # "origin=EWR"
    signal: Signal
    band: Band
    rows: int  # of the reference
    wrong: int  # of its labelled ones, as far as it knows them: what is usual
    labelled: int
    hits: tuple[int, int]
    of: tuple[int, int]

    @property
    def group(self) -> str:
        """Of it alone."""
        return self.signal.group


@dataclass(frozen=True, slots=True)
class _Known:
    """Wrong and labelled rows of the reference, and the band of these errors."""

    wrong: int
    labelled: int
    band: Band


def watch_segments(table: Signals, rhythm: Rhythm, segments: Segments, most: int) -> tuple[Part, ...]:
    """Choose at most `most` segments: those with a band first, then those with the most rows in the reference."""
    found = [part for column in segments.columns for part in _Column.of(table, rhythm, column).parts()]
    ranked = sorted(found, key=lambda part: (part.band.centre is None, -part.rows))  # stable: then as they are named
    return tuple(ranked[:most])


def count_part(table: Signals, at: int, part: Part, counts: Counts) -> Counted:
    """Read what the pane i8[layout.size] of one segment says of its labels; `at` is its place among the signals."""
    margins = table.margins
    cells = margins.sum(counts)
    found = table.read(np.zeros(margins.size, np.int64))
    found.x[at], found.n[at] = cells[slice(*part.hits)].sum(), cells[slice(*part.of)].sum()
    return found


@dataclass(frozen=True, slots=True, eq=False)
class _Column:
    """One column of segments, in the bins and bands of one reference."""

    table: Signals
    rhythm: Rhythm
    column: Segmented
    whole: _Known | None
    slices: tuple[_Known, ...]  # by their place in the reference; a band without a centre is unknown

    @classmethod
    def of(cls, table: Signals, rhythm: Rhythm, column: Segmented) -> "_Column":
        margins = table.margins
        cells = margins.sum(np.array(margins.layout.reference.counts, np.int64))
        places = [at for at, signal in enumerate(table.signals) if signal.what is What.SLICE_ERROR]
        counted = table.read(cells)
        slices = [_Known(int(counted.x[at]), int(counted.n[at]), rhythm.signals[at]) for at in places]
        return cls(table, rhythm, column, _whole(table, rhythm, counted), tuple(slices))

    def parts(self) -> Iterator[Part]:
        """Each segment of the column, the pooled one last."""
        for code, (segment, rows) in enumerate(zip(self.column.names, self._rows(), strict=True)):
            known, (hits, of) = self._known(code, rows), self._cells(code)
            column, what = self.column.column, What.SEGMENT_ERROR
            signal = Signal(Family.LABELS, GROUP + segment, column, what, segment, rises=True, falls=False)
            yield Part(segment, signal, self._told(known.band), rows, known.wrong, known.labelled, hits, of)

    def _told(self, band: Band) -> Band:
        """The band, or that it is too wide to mean anything."""
        if band.centre is None:
            return band
        numbers = (min(max(band.centre, 0.0), 1.0), max(band.rows, 1.0), band.wander, band.reach)
        centre, rows, wander, reach = (np.array([number]) for number in numbers)
        low, high = share_band(centre, rows, wander, reach, self.rhythm.tolerance)
        return band if float((high - low)[0]) <= WIDTH_MAX else replace(band, centre=None, why=TOO_WIDE)

    def _rows(self) -> list[int]:
        """Rows of the reference in each segment; 0 where it cannot know."""
        layout, many = self.table.margins.layout, len(self.column.values) + 1
        if self.column.feature is None:
            return [0] * many
        feature = layout.feature_cells[self.column.feature]
        cells = self.table.margins.sum(np.array(layout.reference.counts, np.int64))
        mine = cells[feature.start : feature.start + feature.size]
        found = np.zeros(many, np.int64)
        np.add.at(found, self.column.by_cell[: feature.size], mine)
        return [int(rows) for rows in found]

    def _slice(self, code: int) -> int | None:
        """The place of the slice that holds the rows of this named segment, and no others."""
        if self.column.feature is None or code == len(self.column.values):
            return None
        cells = np.flatnonzero(self.column.by_cell == code).tolist()
        if len(cells) != 1:
            return None
        wanted, found = Slice(self.column.feature, cells[0], cells[0] + 1), self.table.margins.layout.reference.slices
        return found.index(wanted) if wanted in found else None

    def _cells(self, code: int) -> tuple[tuple[int, int], tuple[int, int]]:
        margins = self.table.margins
        if margins.layout.task is Task.CLASSIFICATION:
            start = margins.part(ERROR).start
            return (start + 1, start + 2), (start, start + 2)
        if margins.layout.task is Task.RANKING:
            start = margins.part(HIT_NAMES[-1]).start
            return (start, start + 1), (start, start + 2)
        if (place := self._slice(code)) is None:
            return (0, 0), (0, 0)
        start = margins.part(SLICES).start + 2 * place
        return (start + 1, start + 2), (start, start + 2)

    def _known(self, code: int, rows: int) -> _Known:
        if self.column.feature is None:
            return _unknown(SAID)
        if (place := self._slice(code)) is not None and self.slices[place].band.centre is not None:
            return self.slices[place]
        if self.table.margins.layout.task is Task.REGRESSION:
            return _unknown(NOT_APART if place is None else self.slices[place].band.why)
        if self.whole is None or not rows:
            return _unknown(NO_LABELS)
        return self._left(code, self.whole) or self._borrowed(self.whole) or _unknown(NO_LABELS)

    def _left(self, code: int, whole: _Known) -> _Known | None:
        """The pooled segment: what the named ones leave of the whole; None where that cannot be told."""
        named = [self._slice(other) for other in range(len(self.column.values))]
        if code < len(named):
            return None
        kin = [self.slices[place] for place in named if place is not None]
        if len(kin) < len(named) or any(each.band.centre is None for each in kin):
            return None
        wrong, labelled = (getattr(whole, name) - sum(getattr(e, name) for e in kin) for name in ("wrong", "labelled"))
        if labelled < ROWS_MIN:
            return None
        share = wrong / labelled
        family = (*kin, whole)
        spread = share * (1 - share)
        correlation = max(min(_moves(each.band) / max(each.band.spread**2, 1e-9), 1.0) for each in family)
        alike = max(each.labelled / max(each.band.rows, 1.0) for each in family)
        band = Band(
            centre=share,
            rows=labelled / max(alike, 1.0),
            spread=spread**0.5,
            wander=(correlation * max(spread, 1 / (labelled + 1))) ** 0.5,
            design=0.0 if any(not each.band.design for each in family) else max(each.band.design for each in family),
            reach=max(each.band.reach for each in family),
        )
        return _Known(wrong, labelled, band)

    def _borrowed(self, whole: _Known) -> _Known | None:
        """One more of the slices: about the whole's error, as far as they are from it."""
        known = [each for each in self.slices if each.band.centre is not None]
        if len(known) < SLICES_MIN:
            return None
        centre = whole.wrong / whole.labelled
        between = float(np.mean([(each.wrong / max(each.labelled, 1) - centre) ** 2 for each in known]))
        moves = max(_moves(each.band) for each in (*known, whole))
        reach = max(student(len(known) - 1), *(each.band.reach for each in known), whole.band.reach)
        design = max(each.band.design for each in known) if all(each.band.design for each in known) else 0.0
        band = replace(whole.band, centre=centre, wander=(moves + between) ** 0.5, reach=reach, design=design, waves=())
        return _Known(0, 0, band)


def _moves(band: Band) -> float:
    """How far a share moves in time, as a variance: its wander, and its rhythm."""
    return band.wander**2 + sum(wave**2 for wave in band.waves) / 2


def _unknown(why: str) -> _Known:
    return _Known(0, 0, Band(None, 0.0, 0.0, 0.0, 1.0, why=why or NO_LABELS))


def _whole(table: Signals, rhythm: Rhythm, counted: Counted) -> _Known | None:
    """All labels of the reference, and the band of their errors; None where it has none."""
    task = table.margins.layout.task
    for at, signal in enumerate(table.signals[: table.minutes.start]):
        band = rhythm.signals[at]
        if band.centre is None or not counted.n[at]:
            continue
        if task is Task.CLASSIFICATION and signal.what is What.ERROR:
            return _Known(int(counted.x[at]), int(counted.n[at]), band)
        if task is Task.RANKING and signal.what is What.HIT and signal.item == RIGHT:
            return _Known(int(counted.n[at] - counted.x[at]), int(counted.n[at]), band)
    return None
