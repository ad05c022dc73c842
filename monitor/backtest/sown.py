"""Planted shifts on their way: what each changes of a tick, beside which everything is as it came.

| plant | counted anew | its groups |
|---|---|---|
| a column moves | the cells of that column | of the column: `features/age`, `quality/age` |
| labels are another class | labels of rows from the onset on, in windows of its own | all of `labels/` |
| fewer rows come, or more | how many rows each minute has | `volume` |

Pairs, contents and numbers that stand still bet on what really came: a plant is not found by them.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from monitor.backtest.betting import Betting
from monitor.backtest.came import Arrival, Open, Parts
from monitor.backtest.following import Following
from monitor.backtest.labelling import Labelling
from monitor.backtest.minutely import Minutely
from monitor.backtest.plants import Change, Plant, sigma, touched
from monitor.backtest.tick import Tick, hear
from monitor.facts import Family
from monitor.panes.binning import bin_rows
from monitor.panes.layout import Layout
from monitor.panes.rows import MISSING, CategoricalColumn, Column, NumericColumn, Predictions
from monitor.panes.sections import FeatureCells

Cells = NDArray[np.uint8]
Counts = NDArray[np.int64]


@dataclass(slots=True)
class Replaying:
    """What a plant may take over at its onset: the parts of a replay, before the tick."""

    betting: Betting
    labels: Labelling | None
    minutes: Minutely


class Sowing(Protocol):
    """A plant that the e-detector looks for."""

    follow: Following

    def begin(self, before: Replaying) -> None:
        """Take over what is needed of a replay: the next tick is the first that is changed."""
        ...

    def tick(self, tick: Tick) -> None:
        """Bet on a tick; nothing before `begin`."""
        ...


@dataclass(slots=True)
class SownColumn:
    """A column that moves."""

    plant: Plant
    layout: Layout
    within_s: float
    follow: Following = field(init=False)
    column: "OneColumn" = field(init=False)
    told: dict[int, Counts] = field(default_factory=dict)  # this tick's cells of the column, by hour
    by: float = 0.0  # what a number is moved by

    def __post_init__(self) -> None:
        groups = (f"features/{self.plant.column}", f"quality/{self.plant.column}")
        self.follow = Following(self.plant, self.within_s, groups.__contains__)
        self.column = OneColumn(self.layout, self.plant.column)
        if self.plant.change is Change.MOVE:
            self.by = self.plant.size * sigma(self.layout, self.plant.column)

    def cells(self, rows: Predictions, first: int) -> Cells:
        """The column's cells u1[n] of a batch whose first row is the `first` of the file, changed from the onset on."""
        return self.column.cells(self.changed(rows, first))

    def changed(self, rows: Predictions, first: int) -> Column:
        """The column of a batch as the plant leaves it."""
        found = rows.columns[self.plant.column]
        chosen = rows.times >= self.follow.onset
        if self.plant.change is not Change.MOVE:
            chosen &= touched(first + np.arange(rows.n), self.plant.size)
        if isinstance(found, NumericColumn):
            if self.plant.change is Change.DROP:
                return NumericColumn(
                    np.where(chosen, np.nan, found.values), found.missing | chosen, found.invalid & ~chosen
                )
            return NumericColumn(found.values + self.by * chosen, found.missing, found.invalid)
        if self.plant.change is Change.DROP:
            return CategoricalColumn(np.where(chosen, np.int32(MISSING), found.codes), found.values)
        values = (*found.values, self.plant.value)
        return CategoricalColumn(np.where(chosen, np.int32(len(values) - 1), found.codes), values)

    def add(self, hour: int, cells: Cells) -> None:
        """Count rows of the open tick."""
        counts = np.bincount(cells, minlength=self.column.place.size).astype(np.int64)
        self.told[hour] = self.told[hour] + counts if hour in self.told else counts

    def begin(self, before: Replaying) -> None:
        """As `Sowing` has it."""
        self.follow.take_over(before.betting)

    def tick(self, tick: Tick) -> None:
        """As `Sowing` has it."""
        if self.follow.betting is not None:
            self.follow.step(tick.now, (*self._arrived(tick), *tick.labelled, *tick.minutely))
        self.told.clear()

    def _arrived(self, tick: Tick) -> Parts:
        assert self.follow.betting is not None, "asked for from the onset on"
        signals, place = self.follow.betting.lookout.signals, self.column.place
        changed = Open(signals)
        for hour, arrival in tick.came.items():
            cells = arrival.cells.copy()
            cells[place.start : place.start + place.size] = self.told.get(hour, 0)
            changed.came[hour] = Arrival(cells, arrival.moments)
        return changed.arrived()


@dataclass(slots=True)
class SownLabels:
    """Labels of which some are another class."""

    plant: Plant
    within_s: float
    follow: Following = field(init=False)
    labels: Labelling | None = None

    def __post_init__(self) -> None:
        self.follow = Following(self.plant, self.within_s, lambda group: group.startswith(f"{Family.LABELS.value}/"))

    def begin(self, before: Replaying) -> None:
        """As `Sowing` has it."""
        assert before.labels is not None, "labels are planted where there are some"
        self.follow.take_over(before.betting)
        self.labels = before.labels.fork()

    def tick(self, tick: Tick) -> None:
        """As `Sowing` has it."""
        if self.labels is None or self.follow.betting is None:
            return
        flipped = self.plant.size, self.follow.onset
        labelled = hear(self.labels, tick.came, tick.fresh, tick.now, flipped)
        self.follow.step(tick.now, (*tick.arrived, *labelled, *tick.minutely))


@dataclass(slots=True)
class SownRows:
    """Fewer rows, or more: of a share of the rows each is left out, or comes twice."""

    plant: Plant
    within_s: float
    follow: Following = field(init=False)
    minutes: Minutely | None = None
    open: list[NDArray[np.float64]] = field(default_factory=list)  # times of the rows that come less or more

    def __post_init__(self) -> None:
        self.follow = Following(self.plant, self.within_s, Family.VOLUME.value.__eq__)

    def add(self, times: NDArray[np.float64], places: NDArray[np.intp]) -> None:
        """Rows of the open tick, by their times and places in the file."""
        self.open.append(times[touched(places, abs(self.plant.size)) & (times >= self.follow.onset)])

    def begin(self, before: Replaying) -> None:
        """As `Sowing` has it."""
        self.follow.take_over(before.betting)
        self.minutes = before.minutes.fork()

    def tick(self, tick: Tick) -> None:
        """As `Sowing` has it."""
        if self.minutes is not None and self.follow.betting is not None:
            for times in tick.times:
                self.minutes.add(times)
            for times in self.open:
                self.minutes.add(times, -1 if self.plant.size < 0 else 1)
            self.follow.step(tick.now, (*tick.arrived, *tick.labelled, *self.minutes.judge(tick.now)))
        self.open.clear()


class OneColumn:
    """Bins one column alone, by the code that bins all of them: a reference of that column only."""

    def __init__(self, layout: Layout, column: str) -> None:
        """KeyError if the reference has no such feature."""
        at = [bins.name for bins in layout.reference.columns].index(column)
        self.place: FeatureCells = layout.feature_cells[at]
        reference, schema = layout.reference, layout.reference.schema
        alone = msgspec.structs.replace(schema, features=(schema.features[at],))
        self._reference = msgspec.structs.replace(
            reference, schema=alone, columns=(reference.columns[at],), pairs=(), halves=(), slices=()
        )
        self._name = column

    @cached_property
    def _layout(self) -> Layout:
        return Layout.draft(self._reference)

    def cells(self, column: Column) -> Cells:
        """Cells u1[n] of a column's values."""
        n = len(column.codes if isinstance(column, CategoricalColumn) else column.values)
        none, outputs = np.full(n, np.nan), np.zeros(n, np.uint8)
        rows = Predictions.unsent({self._name: column}, times=none, outputs=outputs, scores=none, values=none)
        return bin_rows(self._layout, rows).cells[:, 0]
