"""Crossings become alerts with a beginning, an end and words: what moved, over the rows of the last hour.

An alert lasts from its page to the last crossing of its group and tier, plus the time that calm takes: as long as the
group is latched. A crossing of a latched group counts for that alert and pages nobody.
"""

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Final

import msgspec
import numpy as np

from monitor.backtest.betting import Betting, Parts
from monitor.backtest.report import EVENTS_MAX, Fired, Moved
from monitor.decisions.budget import rule_name
from monitor.decisions.rules import RulePack
from monitor.detectors.sequential import Crossing, Step, Tier
from monitor.facts import Severity
from monitor.panes.rhythm import Bounds
from monitor.panes.signals import Counted

SHOWN_S: Final = 3600.0
CALMS_S: Final = (43_200.0, 86_400.0, 2 * 86_400.0, 3 * 86_400.0, 7 * 86_400.0)  # that tuning asks about
TIER_OF: Final = {Severity.WARNING: Tier.WARN, Severity.CRITICAL: Tier.PAGE}


@dataclass(slots=True)
class Open:
    """An alert that is going on."""

    fired: Fired
    last: float  # its last crossing


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
    """Follows one e-detector; `hold_s` is how long calm takes."""

    betting: Betting
    pack: RulePack
    ledgered: Ledgered
    hold_s: float
    recent: "deque[tuple[float, Bounds, Counted]]" = field(default_factory=deque)
    going: dict[tuple[Tier, str], Open] = field(default_factory=dict)
    last: dict[tuple[Tier, str], float] = field(default_factory=dict)  # crossing of each group

    def advance(self, now: float, parts: Parts) -> None:
        """One tick of the replay."""
        self.recent.extend((now, bounds, counted) for bounds, counted in parts)
        while self.recent and now - self.recent[0][0] >= SHOWN_S:
            self.recent.popleft()
        for at, said in self.betting.bet(now, parts):
            self._hear(at, said)

    def close(self, end: float) -> None:
        """The replay, or the epoch, is over: alerts that are not calm by then have no end."""
        for one in self.going.values():
            self._put_away(one, end)
        self.going.clear()

    def _hear(self, at: float, said: Step) -> None:
        for crossing in said.crossings:
            key = crossing.tier, crossing.group
            family = self.betting.family(crossing.group)
            rule = self.pack.get(rule_name(family, crossing.tier))
            if rule is None:
                continue
            if crossing.pages or key not in self.going:
                if key in self.going:
                    self._put_away(self.going[key], at)
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
                self.going[key] = Open(fired, at)
                continue
            one = self.going[key]
            odds = max(one.fired.odds or 0.0, crossing.odds)
            one.last = self.last[key] = at
            one.fired = _replace(one.fired, odds=odds, crossings=one.fired.crossings + 1)

    def _put_away(self, one: Open, now: float) -> None:
        calm = one.last + self.hold_s
        self.ledgered.add(_replace(one.fired, end=calm if calm <= now else None))

    def _moved(self, crossing: Crossing) -> Moved:
        """What carries a crossing, over the rows of the last hour."""
        lane = crossing.lane
        signals = self.betting.lookout.signals
        direction = "fell" if lane.falls else "rose"
        bounds = self.recent[-1][1] if self.recent else None
        if lane.signal is None:
            at = signals.scored.index(lane.column)
            total, rows = 0.0, 0
            for _, own, counted in self.recent:
                total += float(counted.bins[at] @ own.score_z[at])
                rows += int(counted.bins[at].sum())
            low, high = (None, None) if bounds is None else (bounds.score_low[at], bounds.score_high[at])
            what, unit = "mean score", "sigma"
        else:
            at = signals.signals.index(lane.signal)
            total = float(sum(int(counted.x[at]) for _, _, counted in self.recent))
            rows = sum(int(counted.n[at]) for _, _, counted in self.recent)
            low, high = (None, None) if bounds is None else (bounds.low[at], bounds.high[at])
            what, unit = f"{lane.signal.what.value} {lane.signal.item}".strip(), "share"
        return Moved(
            column=lane.column,
            what=what,
            direction=direction,
            unit=unit,
            value=total / rows if rows else None,
            low=_known(low),
            high=_known(high),
            rows=rows,
        )


def in_words(moved: Moved) -> str:
    """One line for a person.

    >>> in_words(Moved(column="age", what="above 35", direction="rose", unit="share", value=0.52, low=0.39, high=0.42,
    ...     rows=3600))
    'age above 35 rose to 52% of 3600 rows in the hour before; 39% to 42% is usual'
    """
    name = moved.what if moved.column == moved.what else f"{moved.column} {moved.what}"
    if moved.value is None or moved.low is None or moved.high is None:
        return f"{name} {moved.direction}"
    said = [_said(value, moved.unit) for value in (moved.value, moved.low, moved.high)]
    of = "of" if moved.unit == "share" else "over"
    way = f"{name} {moved.direction} to {said[0]} {of} {moved.rows} rows in the hour before"
    return f"{way}; {said[1]} to {said[2]} is usual"


def _said(value: float, unit: str) -> str:
    return f"{100 * value:.3g}%" if unit == "share" else f"{value:.2g} sigma"


def _known(value: float | None) -> float | None:
    return None if value is None or np.isnan(value) else float(value)


def _replace(fired: Fired, **changes: object) -> Fired:
    return msgspec.structs.replace(fired, **changes)
