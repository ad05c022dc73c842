"""Crossings become alerts with a beginning, an end and words: what moved, from what to what, since when.

An alert lasts as long as its group is latched, as in the daemon: to the tick at which the time that calm takes has
passed since its last crossing and its rows have said calm too. A crossing of a latched group counts for that alert and
pages nobody.

Since when: of the ticks of the last hour those up to now over which the quantity stands farthest beyond its band, in
standard errors. It is what a person wants to know, and an estimate: the detector itself looks for no beginning.
"""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec
import numpy as np

from monitor.backtest.betting import Betting
from monitor.backtest.came import Parts
from monitor.backtest.report import EVENTS_MAX, Fired, Moved
from monitor.decisions.budget import rule_name
from monitor.decisions.rules import RulePack
from monitor.detectors.sequential import Crossing, Step, Tier
from monitor.facts import Severity
from monitor.panes.rhythm import Bounds
from monitor.panes.signals import Counted, Signal, What

SHOWN_S: Final = 3600.0
HOUR_S: Final = 3600.0
LABELS_SHOWN: Final = 168  # hours of closed label windows
LEAST: Final = 5  # rows of which a share is told, where there are so many
MINUTES: Final = {
    "more": "minutes with more rows than usual",
    "fewer": "minutes with fewer rows than usual",
    "none": "minutes with no row at all",
}
CALMS_S: Final = (43_200.0, 86_400.0, 2 * 86_400.0, 3 * 86_400.0, 7 * 86_400.0)  # that tuning asks about
TIER_OF: Final = {Severity.WARNING: Tier.WARN, Severity.CRITICAL: Tier.PAGE}


@dataclass(slots=True)
class Ledgered:
    """All alerts of a replay: counted for good, told one by one up to EVENTS_MAX."""

    counts: "Counter[tuple[str, str]]" = field(default_factory=Counter)  # by tier and family
    bets: "Counter[tuple[str, str]]" = field(default_factory=Counter)  # those of the e-detector, by tier and group
    told: list[Fired] = field(default_factory=list)
    joined: "Counter[tuple[str, float]]" = field(default_factory=Counter)  # by tier and a calm of CALMS_S

    def follow(self, tier: str, quiet_s: float) -> None:
        """Count an alert so long after the last crossing of its group: a longer calm would have joined both."""
        self.joined.update((tier, calm) for calm in CALMS_S if quiet_s < calm)

    def add(self, fired: Fired) -> None:
        """Count an alert that is over, or was cut by the end of the replay."""
        self.counts[fired.tier, fired.family] += 1
        if fired.odds is not None:
            self.bets[fired.tier, fired.group] += 1
        if len(self.told) < EVENTS_MAX:
            self.told.append(fired)

    @property
    def left_out(self) -> int:
        """How many are not told one by one."""
        return self.counts.total() - len(self.told)


@dataclass(slots=True)
class Crossings:
    """Follows one e-detector."""

    betting: Betting
    pack: RulePack
    ledgered: Ledgered
    recent: "deque[tuple[float, Bounds, Counted]]" = field(default_factory=deque)  # by the end of the tick
    labelled: "deque[tuple[float, Bounds, Counted]]" = field(default_factory=lambda: deque(maxlen=LABELS_SHOWN))
    going: dict[tuple[Tier, str], Fired] = field(default_factory=dict)  # no end yet
    last: dict[tuple[Tier, str], float] = field(default_factory=dict)  # crossing of each group

    def advance(self, now: float, parts: Parts) -> None:
        """One tick of the replay."""
        self._remember(now, parts)
        while self.recent and now - self.recent[0][0] >= SHOWN_S:
            self.recent.popleft()
        for at, said in self.betting.advance(now, parts):
            self.hear(at, said)

    def close(self, end: float) -> None:
        """The replay, or the epoch, is over: alerts that are not calm by then have no end."""
        for at, said in self.betting.rest(end):
            self.hear(at, said)
        for one in self.going.values():
            self.ledgered.add(one)
        self.going.clear()

    def hear(self, at: float, said: Step) -> None:
        """What a step at `at` said."""
        self._let_go(at, said)
        for crossing in said.crossings:
            key = crossing.tier, crossing.group
            family = self.betting.family(crossing.group)
            rule = self.pack.get(rule_name(family, crossing.tier))
            if rule is None:
                continue
            if crossing.pages or key not in self.going:
                if key in self.last:
                    self.ledgered.follow(crossing.tier.value, at - self.last[key])
                self.last[key] = at
                moved = self._moved(crossing)
                fired = Fired(
                    rule=rule.name,
                    tier=crossing.tier.value,
                    family=family.value,
                    group=crossing.group,
                    start=at,
                    end=None,
                    odds=crossing.odds,
                    crossings=1,
                    moved=moved,
                    words=in_words(moved),
                )
                self.going[key] = fired
                continue
            one = self.going[key]
            odds = max(one.odds or 0.0, crossing.odds)
            self.last[key] = at
            self.going[key] = _replace(one, odds=odds, crossings=one.crossings + 1)

    def _let_go(self, at: float, said: Step) -> None:
        """Put away what is latched no more, or anew."""
        latched = {(tier, group) for tier, groups in zip(Tier, said.latched, strict=True) for group in groups}
        anew = {(crossing.tier, crossing.group) for crossing in said.crossings if crossing.pages}
        for key in [key for key in self.going if key in anew or key not in latched]:
            self.ledgered.add(_replace(self.going.pop(key), end=at))

    def _remember(self, now: float, parts: Parts) -> None:
        labels = self.betting.lookout.signals.labels
        for hour, counted in parts:
            bounds = self.betting.lookout.bounds(hour)
            if counted.n[labels].any():  # a window of labels: what it says began with its hour
                self.labelled.append((hour * HOUR_S + self.betting.every_s, bounds, counted))
            else:
                self.recent.append((now, bounds, counted))

    def _moved(self, crossing: Crossing) -> Moved:
        """What carries a crossing."""
        lane = crossing.lane
        signals = self.betting.lookout.signals
        recent = self.recent
        if lane.signal is None:
            at, what, unit = signals.scored.index(lane.column), "mean score", "sigma"
            told = [
                (now, float(part.bins[at] @ own.score_z[at]), int(part.bins[at].sum()))
                for now, own, part in self.recent
            ]
        else:
            at, unit = signals.signals.index(lane.signal), "share"
            what = _what(lane.signal)
            if signals.labels.start <= at < signals.labels.stop:
                recent = self.labelled
            told = [(now, float(part.x[at]), int(part.n[at])) for now, _, part in recent]
        low, high = _band(recent[-1][1], at, score=lane.signal is None) if recent else (None, None)
        since, value, rows = _stretch(told, high if not lane.falls else low, falls=lane.falls)
        return Moved(
            column=lane.column,
            what=what,
            direction="fell" if lane.falls else "rose",
            unit=unit,
            since=None if since is None else since - self.betting.every_s,
            value=value,
            low=low,
            high=high,
            rows=rows,
        )


def _what(signal: Signal) -> str:
    """What of a column moved; of the volume in which minutes."""
    if signal.what is What.RATE:
        return MINUTES[signal.item]
    if signal.what is What.STALE:
        return "minutes with one value"
    return f"{signal.what.value.replace('_', ' ')} {signal.item}".strip()


def _band(bounds: Bounds, at: int, *, score: bool) -> tuple[float | None, float | None]:
    low, high = (bounds.score_low, bounds.score_high) if score else (bounds.low, bounds.high)
    return tuple(None if np.isnan(end[at]) else float(end[at]) for end in (low, high))  # type: ignore[return-value]


def _stretch(
    told: Sequence[tuple[float, float, int]], edge: float | None, *, falls: bool
) -> tuple[float | None, float | None, int]:
    """Of ticks (end, sum, rows), oldest first: the first of those that say most, their mean and rows."""
    best, total, rows = -np.inf, 0.0, 0
    found: tuple[float | None, float | None, int] = None, None, 0
    for now, more, many in reversed(told):
        total, rows = total + more, rows + many
        if not rows or (found[2] and rows < LEAST):
            continue
        if found[2] < LEAST <= rows:
            best = -np.inf
        beyond = (total / rows - (edge or 0.0)) * (-1 if falls else 1) * np.sqrt(rows)
        if beyond > best:
            best, found = beyond, (now, total / rows, rows)
    return found


def in_words(moved: Moved) -> str:
    """One line for a person.

    >>> in_words(Moved(column="age", what="above 35", direction="rose", unit="share", since=None, value=0.52, low=0.39,
    ...     high=0.42, rows=3600))
    'age above 35 rose to 52% of 3600 rows; 39% to 42% is usual'
    """
    name = moved.what if moved.what in (moved.column, *MINUTES.values()) else f"{moved.column} {moved.what}"
    if moved.value is None or (moved.low is None and moved.high is None):
        return f"{name} {moved.direction}"
    value, low, high = (None if each is None else _said(each, moved.unit) for each in _numbers(moved))
    of = "of" if moved.unit == "share" else "over"
    rows = "minutes" if moved.what.startswith("minutes ") else "rows"
    usual = f"up to {high}" if low is None else f"{low} or more" if high is None else f"{low} to {high}"
    return f"{name} {moved.direction} to {value} {of} {moved.rows} {rows}; {usual} is usual"


def _numbers(moved: Moved) -> tuple[float | None, float | None, float | None]:
    return moved.value, moved.low, moved.high


def _said(value: float, unit: str) -> str:
    return f"{100 * value:.3g}%" if unit == "share" else f"{value:.2g} sigma"


def _replace(fired: Fired, **changes: object) -> Fired:
    return msgspec.structs.replace(fired, **changes)
