"""One planted shift on its way: the rows it changed, counted beside those that came, and when it was found.

At its onset it takes over the state of the replay as it is (a state is a value, so that costs nothing) and from then on
is stepped with the same ticks, in which the cells of its one column are counted anew. Other columns' groups bet on what
really came; their pages are nobody's merit here and are not looked at.

Found: the first page of the tier `page` of a group of its column. A group that was latched at the onset could not page
again: the outcome is then `already`, and nothing is said of the delay.

Cost: a step a tick until it is found or missed, 0.2 ms at 20 features.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import msgspec
import numpy as np
from numpy.typing import NDArray

from monitor.backtest.betting import Betting
from monitor.backtest.plants import Change, Plant, sigma, touched
from monitor.backtest.report import Planted
from monitor.decisions.budget import rule_name
from monitor.detectors.sequential import Step, Tier
from monitor.panes.binning import bin_rows
from monitor.panes.layout import Layout
from monitor.panes.rows import MISSING, CategoricalColumn, Column, NumericColumn, Predictions
from monitor.panes.sections import FeatureCells

Cells = NDArray[np.uint8]
Counts = NDArray[np.int64]


@dataclass(slots=True)
class Sown:
    """A plant of a feature while it is looked for. `betting` is None before its onset."""

    plant: Plant
    layout: Layout
    within_s: float
    betting: Betting | None = None
    done: Planted | None = None
    warned_s: float | None = None
    told: dict[int, Counts] = field(default_factory=dict)  # this tick's cells of the column, by hour
    column: "OneColumn" = field(init=False)
    by: float = 0.0  # what a number is moved by

    def __post_init__(self) -> None:
        self.column = OneColumn(self.layout, self.plant.column)
        if self.plant.change is Change.MOVE:
            self.by = self.plant.size * sigma(self.layout, self.plant.column)

    @property
    def onset(self) -> float:
        """When it begins; plants are placed before they are sown."""
        assert self.plant.onset is not None, "a plant without an onset is placed first"
        return self.plant.onset

    def cells(self, rows: Predictions, first: int) -> Cells:
        """The column's cells u1[n] of a batch whose first row is the `first` of the file, changed from the onset on."""
        return self.column.cells(self.changed(rows, first))

    def changed(self, rows: Predictions, first: int) -> Column:
        """The column of a batch as the plant leaves it."""
        found = rows.columns[self.plant.column]
        chosen = rows.times >= self.onset
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

    def tick(self, before: Betting, now: float, came: Mapping[int, Counts]) -> None:
        """Bet on a tick that ends at `now`, in which cells `came` by hour; `before` is the replay's betting."""
        if self.betting is None:
            self.betting = before.fork()
            if self._latched(self.betting):
                self._end("already")
        place = self.column.place
        parts: dict[int, Counts] = {}
        for hour, marginal in came.items():
            cells = marginal.copy()
            cells[place.start : place.start + place.size] = self.told.get(hour, 0)
            parts[hour] = cells
        self.told.clear()
        if self.done is None:
            for at, said in self.betting.advance(now, parts):
                self._hear(at, said)
        if self.done is None and now - self.onset >= self.within_s:
            self._end("missed")

    def close(self) -> Planted:
        """What became of it, the replay being over."""
        if self.done is None:
            self._end("ended")
        assert self.done is not None, "it has just ended"
        return self.done

    def _hear(self, at: float, said: Step) -> None:
        for crossing in said.crossings:
            if not crossing.pages or not self._mine(crossing.group) or self.done is not None:
                continue
            if crossing.tier is Tier.WARN and self.warned_s is None:
                self.warned_s = at - self.onset
            if crossing.tier is Tier.PAGE:
                assert self.betting is not None, "who crossed has bet"
                self._end("found", at - self.onset, rule_name(self.betting.family(crossing.group), Tier.PAGE))

    def _latched(self, betting: Betting) -> bool:
        return any(tier is Tier.PAGE and self._mine(group) for tier, group in betting.latched())

    def _mine(self, group: str) -> bool:
        return group.partition("/")[2].partition("@")[0] == self.plant.column

    def _end(self, outcome: str, delay_s: float | None = None, rule: str = "") -> None:
        plant = self.plant
        self.done = Planted(
            plant=plant.text,
            column=plant.column,
            size=plant.told,
            onset=self.onset,
            outcome=outcome,
            delay_s=delay_s,
            rule=rule,
            warned_s=self.warned_s,
        )


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
