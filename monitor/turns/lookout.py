"""Everything that is watched by one reference's bands under one budget: signals, bands by the hour, the plan of bets.

Made once per reference and budget, which takes 0.1 s for 500 features, and kept while it is asked for; holds nothing
but what can be made again.
"""

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.decisions.budget import Watch
from monitor.detectors.sequential import Crossing, Plan
from monitor.detectors.sequential.account import Account, explain
from monitor.facts import Family
from monitor.panes.carriers import carriers
from monitor.panes.layout import Layout
from monitor.panes.rhythm import Bounds, Rhythm
from monitor.panes.signals import Counted, Signals
from monitor.panes.window import sum_panes

HOUR_S: Final = 3600
ANSWERS: Final = ("output", "score")  # groups of which features may be the cause
CARRIED_MIN: Final = 0.1  # of the change: less is not worth a word
HOURS_MAX: Final = 8  # whose bands are kept: this one, and late rows' own; the plan keeps as many tables
LOOKOUTS_MAX: Final = 4  # of references and budgets: what is served, what was, for two models
NO_BANDS: Final = "the reference has no bands: build it again with tocsin reference build"
NOT_WATCHED: Final = "nothing of this family is watched"
NO_GROUP_BAND: Final = "its band is unknown: the reference says too little of it"


@dataclass(frozen=True, slots=True, eq=False)
class Kin:
    """What is watched of one family."""

    groups: tuple[str, ...]  # in the order of the plan
    places: NDArray[np.intp]  # of them in the plan
    known: frozenset[str]  # those of which at least one band is known
    signals: NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Lookout:
    """One reference under one budget. Holds caches only."""

    layout: Layout
    signals: Signals
    rhythm: Rhythm | None  # None: nothing can be bet on
    plan: Plan
    unknown: int  # signals and scores without a band
    families: Mapping[Family, Kin]  # those of which something is watched
    _hours: "OrderedDict[int, Bounds]" = field(default_factory=OrderedDict)

    @classmethod
    def of(cls, layout: Layout, watch: Watch) -> "Lookout":
        """Choose what is watched of this layout, and weigh it."""
        signals, rhythm = Signals.table(layout), layout.reference.rhythm
        groups = (*(each.group for each in signals.signals), *signals.scored_group)
        bands = () if rhythm is None else (*rhythm.signals, *(each.band for each in rhythm.scored))
        told = [group for group, band in zip(groups, bands, strict=rhythm is not None) if band.centre is not None]
        plan = Plan.of(signals, watch.ledger)
        kin = dict(_kin(signals, plan, frozenset(told)))
        return cls(layout, signals, rhythm, plan, len(groups) - len(told), kin)

    @property
    def size(self) -> int:
        """How many bands there could be."""
        return len(self.signals.signals) + len(self.signals.scored)

    def bounds(self, hour: int) -> Bounds:
        """The bands of one hour since 1970; the same object while it is kept."""
        assert self.rhythm is not None, "asked for where there are bands"
        place = hour % self.rhythm.period
        if place not in self._hours:
            self._hours[place] = self.rhythm.bounds(hour)
            if len(self._hours) > HOURS_MAX:
                self._hours.popitem(last=False)
        self._hours.move_to_end(place)
        return self._hours[place]

    def count(self, deltas: Sequence[tuple[int, bytes]]) -> list[tuple[Bounds, Counted]]:
        """Counts of the panes (start, body) that began in each hour, earliest first."""
        hours: dict[int, list[bytes]] = {}
        for start, body in deltas:
            hours.setdefault(start // HOUR_S, []).append(body)
        return [
            (self.bounds(hour), self.signals.count(sum_panes(bodies, self.layout.digest, self.layout.size).counts))
            for hour, bodies in sorted(hours.items())
        ]

    def account(
        self, crossing: Crossing, bodies: Sequence[bytes], since: float, now: float, others: tuple[str, ...]
    ) -> Account | None:
        """Account for a crossing by the stored panes since its evidence began, with the band of this hour."""
        pane = sum_panes(bodies, self.layout.digest, self.layout.size)
        reference = self.layout.reference_pane()
        moved = carriers(self.layout, reference, pane) if crossing.group in ANSWERS else ()
        return explain(
            self.plan,
            self.signals.signals,
            crossing,
            now=self.signals.count(pane.counts),
            then=self.signals.count(reference.counts),
            bounds=self.bounds(int(now // HOUR_S)),
            since=since,
            others=others,
            carried=tuple(f"{each.feature} ({each.explained:.0%})" for each in moved if each.explained > CARRIED_MIN),
        )

    def rows(self, parts: Sequence[Counted]) -> dict[str, int]:
        """How many rows these counts show of each family: those of the signal that had most."""
        return {
            family.value: sum(int(part.n[kin.signals].max(initial=0)) for part in parts)
            for family, kin in self.families.items()
        }

    def untold(self, family: Family, group: str = "") -> str:
        """Why nothing can be told of a family, or of one of its groups; "" where something can."""
        if self.rhythm is None:
            return NO_BANDS
        kin = self.families.get(family)
        if kin is None:
            return NOT_WATCHED
        return "" if (group in kin.known if group else kin.known) else NO_GROUP_BAND


def _kin(signals: Signals, plan: Plan, told: frozenset[str]) -> Iterator[tuple[Family, Kin]]:
    of = np.array([each.family.value for each in signals.signals])
    for family in dict.fromkeys(plan.families):
        places = np.flatnonzero(np.array([each is family for each in plan.families]))
        groups = tuple(plan.groups[place] for place in places)
        yield family, Kin(groups, places, told.intersection(groups), np.flatnonzero(of == family.value))


class Lookouts:
    """The ones asked for last."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, Watch], Lookout] = OrderedDict()

    def get(self, layout: Layout, watch: Watch) -> Lookout:
        """What is watched by these bands under this budget."""
        key = (layout.digest, watch)
        if key not in self._kept:
            self._kept[key] = Lookout.of(layout, watch)
            if len(self._kept) > LOOKOUTS_MAX:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]
