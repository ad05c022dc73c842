"""Rules over windows, and rules that take ticks of their own, as a look reads them.

A window closes when simulated time has passed its end and grace; it is then read, its slot joins those of its rule, and
the alert is stepped: by the functions that the look and the judge call. A row that comes late revises the window it is
in while its counts are held (`HELD` windows of each length); later ones are counted in no window.

Labels of a history have no time of their own and are taken to have come at once; so what is said of `label_coverage`,
and of how soon a worse model is seen, is the best case.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import floor, gcd
from typing import Any, Final, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from monitor.backtest.report import Fired
from monitor.backtest.terms import NEEDS_LABELS, Terms
from monitor.backtest.told import TIER_OF, Ledgered
from monitor.decisions.alerts import step
from monitor.decisions.rules import Rule
from monitor.detectors.protocol import Sequential
from monitor.facts import Alert, AlertState, Arrivals, Epoch, Reading, Slot, Subject
from monitor.panes.views import Views
from monitor.turns.look import TICKS_KEPT
from monitor.turns.reading import advanced, due, read_all, read_groups, slot_of

WHOLE: Final = ""
HELD: Final = 2  # closed windows of each length whose counts are kept for late rows

Counts = NDArray[np.int64]
Doubles = NDArray[np.float64]


@dataclass(slots=True)
class Windows:
    """The windowed part of one replay, in one epoch."""

    terms: Terms
    epoch: Epoch
    ledgered: Ledgered
    rules: tuple[Rule, ...]
    counts: dict[tuple[float, int], dict[str, Counts]] = field(default_factory=dict)  # by length and number
    slots: dict[tuple[str, str], dict[float, Slot]] = field(default_factory=dict)  # by rule and segment, then start
    alerts: dict[tuple[str, str], Alert] = field(default_factory=dict)
    going: dict[tuple[str, str], Fired] = field(default_factory=dict)
    closed: dict[float, int] = field(default_factory=dict)  # by length: windows before this number were read
    states: dict[str, dict[str, Any] | None] = field(default_factory=dict)  # of rules that take ticks
    arrived: dict[tuple[float, int], int] = field(default_factory=dict)  # rows, by length of a tick and number
    reference: Views = field(init=False)

    def __post_init__(self) -> None:
        layout = self.terms.layout
        self.reference = Views(layout, layout.reference_pane())
        for width in {rule.window_s for rule in self.rules}:
            self.closed.setdefault(width, floor(self.epoch.start / width))

    @property
    def widths(self) -> list[float]:
        """Lengths of windows that are read."""
        return sorted({rule.window_s for rule in self.rules if not rule.sequential})

    def count(self, start: float, segment: str, counts: Counts) -> None:
        """Add the counts of rows that begin at `start`, and lie in one window of every length."""
        for width in self.widths:
            number = floor(start / width)
            if number < self.closed[width] - HELD:
                continue
            own = self.counts.setdefault((width, number), {})
            own[segment] = own[segment] + counts if segment in own else counts.copy()
            if number < self.closed[width]:
                self._forget(width, number * width)

    def arrive(self, times: Doubles) -> None:
        """Tell rules that take ticks of rows to come, in the order in which they do."""
        for width in {rule.window_s for rule in self.rules if rule.sequential}:
            numbers, rows = np.unique(
                np.floor(np.maximum.accumulate(times) / width).astype(np.int64), return_counts=True
            )
            for number, many in zip(numbers.tolist(), rows.tolist(), strict=True):
                self.arrived[width, number] = self.arrived.get((width, number), 0) + many

    def close(self, now: float) -> Iterator[tuple[float, str]]:
        """Read what is over by `now`; the time and rule of each alert that fired."""
        due_now: list[tuple[float, float]] = []
        for width, number in self.closed.items():
            grace = self.terms.grace_s if width in self.widths else 0.0
            last = floor((now - grace) / width)
            due_now += [((each + 1) * width + grace, width) for each in range(number, last)]
            self.closed[width] = max(number, last)
        for at, width in sorted(due_now):
            for rule in self.rules:
                if rule.window_s == width:
                    yield from self._read(rule, at)
        for width, number in [key for key in self.counts if key[1] < self.closed[key[0]] - HELD]:
            del self.counts[width, number]

    def finish(self) -> None:
        """The replay is over: what still goes on has no end."""
        for fired in self.going.values():
            self.ledgered.add(fired)
        self.going.clear()

    def fork(self) -> "Windows":
        """The same windows, to go on with by themselves; their alerts are counted nowhere."""
        other = copy.copy(self)
        other.ledgered = Ledgered()
        other.counts = {key: dict(by_segment) for key, by_segment in self.counts.items()}
        other.slots = {key: dict(slots) for key, slots in self.slots.items()}
        other.alerts, other.going, other.closed = dict(self.alerts), dict(self.going), dict(self.closed)
        other.states, other.arrived = dict(self.states), dict(self.arrived)
        return other

    # ------------------------------------------------------------ reading

    def _read(self, rule: Rule, at: float) -> Iterator[tuple[float, str]]:
        if rule.sequential:
            slot = self._tick(rule, at)
            yield from self._judge(rule, WHOLE, slot.start, slot, at, TICKS_KEPT)
            return
        for segment in self._segments(rule):
            newest = list(due(self.epoch, rule, at - self.terms.grace_s))[-HELD - 1 :]
            for start, end in newest:
                held = (rule.window_s, floor(start / rule.window_s)) in self.counts or start == newest[-1][0]
                if held and start not in self.slots.get((rule.name, segment), {}):
                    slot = self._window(rule, segment, start, end)
                    yield from self._judge(rule, segment, start, slot, at, rule.reach)

    def _window(self, rule: Rule, segment: str, start: float, end: float) -> Slot:
        own = self.counts.get((rule.window_s, floor(start / rule.window_s)), {})
        if rule.subject is Subject.GROUPS:
            readings = read_groups(rule, {name: self._views(own.get(name)) for name in self._names(rule)})
        else:
            readings = read_all(rule, self.reference, self._views(own.get(segment)))
        return slot_of(rule, segment, self.epoch, start, end, readings)

    def _tick(self, rule: Rule, at: float) -> Slot:
        number = round(at / rule.window_s) - 1
        rows = self.arrived.pop((rule.window_s, number), 0)
        reference, current = self.reference.of(Subject.ARRIVALS), Arrivals(rows)
        before = self.states.get(rule.name)
        reading, self.states[rule.name] = advanced(
            cast("Sequential", rule.detector), reference, current, rule.window_s, before
        )
        return Slot(rule.name, WHOLE, self.epoch.number, at - rule.window_s, at, reading)

    def _judge(  # noqa: PLR0917  # the coordinates of a slot
        self, rule: Rule, segment: str, start: float, slot: Slot, at: float, kept: int
    ) -> Iterator[tuple[float, str]]:
        key = (rule.name, segment)
        slots = self.slots.setdefault(key, {})
        slots[start] = slot
        for old in sorted(slots)[:-kept]:
            del slots[old]
        before = self.alerts.get(key) or Alert(self.terms.model, *key)
        after = step(before, tuple(slots[each] for each in sorted(slots)), rule, at)
        self.alerts[key] = after
        if after is before:
            return
        if after.state is AlertState.FIRING:
            self.going[key] = fired(rule, segment, slot, at)
            yield at, rule.name
        if after.state is AlertState.RESOLVED and key in self.going:
            self.ledgered.add(_ended(self.going.pop(key), at))

    def _forget(self, width: float, start: float) -> None:
        """A late row revised a window: it is read again."""
        for rule in self.rules:
            if rule.window_s == width and not rule.sequential:
                for segment in self._segments(rule):
                    self.slots.get((rule.name, segment), {}).pop(start, None)

    def _segments(self, rule: Rule) -> tuple[str, ...]:
        return self._names(rule) if rule.by and rule.subject is not Subject.GROUPS else (WHOLE,)

    def _names(self, rule: Rule) -> tuple[str, ...]:
        assert self.terms.segments is not None, "rules by segment are read where there are some"
        return next(each.names for each in self.terms.segments.columns if each.column == rule.by)

    def _views(self, counts: Counts | None) -> Views:
        layout = self.terms.layout
        return Views(layout, layout.empty() if counts is None else layout.pane(counts.copy()))


def readable(terms: Terms, *, labelled: bool, paired: bool) -> tuple[tuple[Rule, ...], tuple[str, ...]]:
    """Rules that a replay can read, and what it says of the others."""
    kept, left = [], []
    cut = () if terms.segments is None else terms.segments.columns
    for rule in terms.windowed:
        why = ""
        if rule.subject is Subject.PAIRS and not paired:
            why = "a history holds no answers of the known-good"
        elif rule.subject in NEEDS_LABELS and not labelled:
            why = "there are no labels: name their column as columns.label of the schema"
        elif rule.by and rule.by not in {each.column for each in cut if paired or each.feature is not None}:
            why = f"rows are not parted by {rule.by}: it is a segment of the settings, or what senders say"
        elif rule.sequential and rule.subject is not Subject.ARRIVALS:
            why = "it takes ticks of more than arrivals"
        if why:
            left.append(f"{rule.name}: {why}")
        else:
            kept.append(rule)
    return tuple(kept), tuple(left)


def fired(rule: Rule, segment: str, slot: Slot, at: float) -> Fired:
    """An alert of a windowed rule."""
    return Fired(
        rule=rule.name,
        tier=TIER_OF[rule.severity].value,
        family=rule.family.value,
        group=segment,
        start=at,
        end=None,
        odds=None,
        crossings=rule.breaches,
        moved=None,
        words=_words(slot.reading, slot.worst),
    )


def _words(reading: Reading, worst: tuple[str, ...]) -> str:
    value = "-" if reading.value is None else f"{reading.value:.4g}"
    limit = "" if reading.limit is None else f", limit {reading.limit:.4g}"
    columns = f" in {', '.join(worst)}" if worst else ""
    return f"{value}{limit} of {reading.n} rows{columns}"


def _ended(one: Fired, at: float) -> Fired:
    return msgspec.structs.replace(one, end=at)


def grain(rules: tuple[Rule, ...]) -> float:
    """Seconds that rows may be counted together and still lie in one window of every rule; an hour at most."""
    return float(gcd(3600, *(max(1, int(rule.window_s)) for rule in rules if not rule.sequential)))
