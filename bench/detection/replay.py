"""Rows with times, replayed through the product's own detector: reference, bands, one look in every minute with rows.

A look is what turns make of a minute: the rows that came in it, in the bands of its hour, and the minutes since the
look before. Minutes without rows are not looked at; they change nothing but a latch that runs out, and that is read
from the time. Rows are binned by the product and counted here into marginal cells, a thousand minutes at once: the same
counts as a pane's (a test holds them to it) at a fiftieth of the time.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from monitor.detectors.sequential import Crossing, Ledger, Plan, Tier, step
from monitor.detectors.sequential.state import State
from monitor.facts import Schema
from monitor.panes.binning import bin_rows
from monitor.panes.build import DEFAULT_LEARNING, HistoryBatch, Learning, build_reference
from monitor.panes.concordance import count_concordance
from monitor.panes.contents import bucket_rows
from monitor.panes.layout import Layout
from monitor.panes.reference import Reference
from monitor.panes.rhythm import Bounds, Rhythm
from monitor.panes.rows import Predictions
from monitor.panes.signals import Counted, Signals, What

MINUTE_S, HOUR_S, DAY_S = 60.0, 3600.0, 86_400.0
_TOGETHER = 1_000  # minutes counted at once


@dataclass(frozen=True, slots=True)
class Page:
    """A crossing that spoke: its tier, group and time, the lane that carried it, and odds."""

    tier: Tier
    group: str
    at: float  # seconds
    column: str
    what: What | None  # None: the mean
    about: str
    odds: float


@dataclass(slots=True, eq=False)
class Watch:
    """One reference with its bands, and the detector's state between looks."""

    reference: Reference
    ledger: Ledger = field(default_factory=Ledger)
    layout: Layout = field(init=False)
    signals: Signals = field(init=False)
    plan: Plan = field(init=False)
    state: State | None = None
    looks: int = 0
    pages: list[Page] = field(default_factory=list)
    crossings: dict[Tier, int] = field(default_factory=lambda: dict.fromkeys(Tier, 0))
    _bounds: dict[int, Bounds] = field(default_factory=dict)
    _last: float | None = None

    def __post_init__(self) -> None:
        self.layout = Layout.of(self.reference)
        self.signals = Signals.table(self.layout)
        self.plan = Plan.of(self.signals, self.ledger)

    @property
    def rhythm(self) -> Rhythm:
        found = self.reference.rhythm
        assert found is not None, "a reference of this version has its bands"
        return found

    def bounds(self, hour: int) -> Bounds:
        """The same object for the same place in the rhythm."""
        at = hour % self.rhythm.period
        if at not in self._bounds:
            self._bounds[at] = self.rhythm.bounds(at)
        return self._bounds[at]

    def look(self, minute: int, counted: Counted) -> None:
        """Bet on the rows of one minute, numbered since 1970."""
        now = (minute + 1) * MINUTE_S
        elapsed = 1.0 if self._last is None else (now - self._last) / MINUTE_S
        said, self.state = step(self.plan, [(self.bounds(minute // 60), counted)], elapsed, self.state, now)
        self._last, self.looks = now, self.looks + 1
        for crossing in said.crossings:
            self.crossings[crossing.tier] += 1
            if crossing.pages:
                self.pages.append(_page(crossing, now))

    def replay(self, rows: Predictions) -> None:
        """Look at every minute of these rows, which are in order of time."""
        for minute, counted in count_minutes(self.layout, self.signals, rows):
            self.look(minute, counted)

    def unknown(self) -> dict[str, str]:
        """Why a quantity has no band: by column and what."""
        found = {
            f"{signal.column} {signal.what.value} {signal.item}".strip(): band.why
            for signal, band in zip(self.signals.signals, self.rhythm.signals, strict=True)
            if band.centre is None
        }
        means = zip(self.signals.scored, self.rhythm.scored, strict=True)
        return found | {f"{name} mean": each.band.why for name, each in means if each.band.centre is None}

    def paged(self, tier: Tier = Tier.PAGE) -> list[Page]:
        """Its pages, in order of time."""
        return [page for page in self.pages if page.tier is tier]


def _page(crossing: Crossing, now: float) -> Page:
    lane, signal = crossing.lane, crossing.lane.signal
    words = "mean" if signal is None else f"{signal.what.value} {signal.item}".strip()
    about = f"{lane.column}: {words} {'falls' if lane.falls else 'rises'}"
    what = None if signal is None else signal.what
    return Page(crossing.tier, crossing.group, now, lane.column, what, about, crossing.odds)


def learn(batches: Sequence[HistoryBatch], schema: Schema, learning: Learning = DEFAULT_LEARNING) -> Watch:
    """Build the reference of these rows, its rhythm included, and watch from there."""
    return Watch(build_reference(lambda: iter(batches), schema, lambda _: None, learning))


def count_minutes(layout: Layout, signals: Signals, rows: Predictions) -> Iterator[tuple[int, Counted]]:
    """Yield each minute since 1970 that has rows, with what they say."""
    margins, binned = signals.margins, bin_rows(layout, rows)
    starts = [feature.start for feature in layout.feature_cells]
    places = [cells.astype(np.intp) + start for cells, start in zip(binned.cells.T, starts, strict=True)]
    places.append(binned.output_cells.astype(np.intp) + margins.output.start)
    if margins.score.stop > margins.score.start:
        places.append(binned.score_cells.astype(np.intp) + margins.score.start)
    places.append(np.full(rows.n, margins.rows, np.intp))
    by_feature = np.ascontiguousarray(binned.cells.T)
    if len(by_feature):
        places.append(bucket_rows(by_feature).astype(np.intp) + margins.contents.start)
    minutes = np.floor(rows.times / MINUTE_S).astype(np.int64)
    held, index = np.unique(minutes, return_inverse=True)
    for first in range(0, len(held), _TOGETHER):
        begin, end = np.searchsorted(index, (first, first + _TOGETHER))
        many = min(_TOGETHER, len(held) - first)
        cells = _count(places, slice(begin, end), index[begin:end] - first, many, margins.size)
        ends = np.searchsorted(index[begin:end], np.arange(many), side="right")
        for at, (start, stop) in enumerate(pairwise((0, *ends))):
            rows_of = slice(begin + start, begin + stop)
            cells[at, margins.concordance] = count_concordance(layout.pairing, by_feature[:, rows_of])
            yield int(held[first + at]), signals.read(cells[at])


def _count(
    places: list[NDArray[np.intp]], rows: slice, index: NDArray[np.intp], many: int, size: int
) -> NDArray[np.int64]:
    cells = np.zeros(many * size, np.int64)
    for column in places:
        cells += np.bincount(index * size + column[rows], minlength=many * size)
    return cells.reshape(many, size)
