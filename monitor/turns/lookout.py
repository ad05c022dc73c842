"""Everything that is watched by one reference's bands under one budget: signals, bands by the hour, the plan of bets.

Errors of segments stand behind the signals of the whole, with bands of their own and a share of the budget that is
theirs; where none of them has a band, nothing is set apart.

Made once per reference and budget, which takes 0.1 s for 500 features, and kept while it is asked for; holds nothing
but what can be made again.
"""

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from monitor.decisions.budget import Watch
from monitor.detectors.sequential import Crossing, Plan
from monitor.detectors.sequential.account import Account, explain
from monitor.facts import Family
from monitor.panes.carriers import carriers
from monitor.panes.layout import Layout
from monitor.panes.rhythm import Bounds, Rhythm
from monitor.panes.segment_errors import Part, count_part, watch_segments
from monitor.panes.segments import Segments
from monitor.panes.signals import Counted, Signals
from monitor.panes.window import sum_panes

HOUR_S: Final = 3600
MINUTE_S: Final = 60
ANSWERS: Final = ("output", "score")  # groups of which features may be the cause
CARRIED_MIN: Final = 0.1  # of the change: less is not worth a word
HOURS_MAX: Final = 8  # whose bands are kept: this one, and late rows' own; the plan keeps as many tables
BAND_BYTES: Final = 512  # of memory, with its tables
BANDS_BYTES_MAX: Final = 32 << 20  # panes.bands_bytes_max: 64 models of 60 features, or 8 of 500
NO_BANDS: Final = "the reference has no bands: build it again with tocsin reference build"
NO_MINUTES: Final = "panes are no minutes (panes.length), so nobody knows how many rows a minute has"
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
    unknown: int  # signals and scores of the whole without a band
    families: Mapping[Family, Kin]  # those of which something is watched
    minutes: bool = True  # whether panes tell how many rows a minute had
    parts: tuple[Part, ...] = ()  # segments whose errors are watched: the last signals, in this order
    parted: int = 0  # segments that there are
    _hours: "OrderedDict[int, Bounds]" = field(default_factory=OrderedDict)

    @classmethod
    def of(cls, layout: Layout, watch: Watch, *, minutes: bool = True, segments: Segments | None = None) -> "Lookout":
        """Choose what is watched of this layout and of its `segments`, and weigh it."""
        signals, rhythm = Signals.table(layout), layout.reference.rhythm
        parts = _parts(signals, rhythm, segments, watch)
        if rhythm is not None and parts:
            bands = (*rhythm.signals, *(part.band for part in parts))
            signals = signals.beside(tuple(part.signal for part in parts))
            rhythm = msgspec.structs.replace(rhythm, signals=bands)
        groups = (*(each.group for each in signals.signals), *signals.scored_group)
        bands = () if rhythm is None else (*rhythm.signals, *(each.band for each in rhythm.scored))
        told = [group for group, band in zip(groups, bands, strict=rhythm is not None) if band.centre is not None]
        apart = _apart(parts, watch)
        plan = Plan.of(signals, watch.ledger, 1 - sum(apart.values()), apart)
        kin = dict(_kin(signals, plan, frozenset(told)))
        parted = 0 if segments is None else len(segments.names)
        unknown = len(groups) - len(told) - sum(part.band.centre is None for part in parts)
        return cls(layout, signals, rhythm, plan, unknown, kin, minutes, parts, parted)

    @property
    def size(self) -> int:
        """How many bands there could be, those of segments apart."""
        return len(self.signals.signals) - len(self.parts) + len(self.signals.scored)

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

    def sums(self, deltas: Sequence[tuple[int, bytes]]) -> dict[int, NDArray[np.int64]]:
        """Cells of the panes (start, body) that began in each hour, earliest first."""
        hours: dict[int, list[bytes]] = {}
        for start, body in deltas:
            hours.setdefault(start // HOUR_S, []).append(body)
        digest, size = self.layout.digest, self.layout.size
        return {hour: sum_panes(bodies, digest, size).counts for hour, bodies in sorted(hours.items())}

    def arrivals(self, sums: Mapping[int, NDArray[np.int64]]) -> list[tuple[Bounds, Counted]]:
        """What the rows of each hour are bet on when they arrive: everything but labels."""
        table = self.signals
        return [(self.bounds(hour), table.count(cells) + table.count_stale(cells)) for hour, cells in sums.items()]

    def segment_labels(self, part: Part, counts: NDArray[np.int64]) -> Counted:
        """The same of one segment: nothing but its errors."""
        return count_part(self.signals, self._place(part), part, counts)

    def part(self, group: str) -> Part | None:
        """The segment that a group is of; None: it is of the whole."""
        return next((part for part in self.parts if part.group == group), None)

    def waits(self, group: str) -> bool:
        """Whether it is bet on when windows of labels close, and not as rows arrive."""
        return self.part(group) is not None or any(
            signal.group == group for signal in self.signals.signals[self.signals.labels]
        )

    def _place(self, part: Part) -> int:
        return len(self.signals.signals) - len(self.parts) + self.parts.index(part)

    @property
    def counts_minutes(self) -> bool:
        """Whether anything can be told of how many rows a minute has."""
        return self.minutes and self.rhythm is not None and self.rhythm.volume is not None

    def count_minutes(self, hour: int, rows: NDArray[np.int64], refused: NDArray[np.int64] | None = None) -> Counted:
        """What whole minutes of one hour since 1970 say, which had so many `rows` i8[m] and perhaps the `refused`."""
        return self.signals.count_minutes(None if self.rhythm is None else self.rhythm.volume, hour, rows, refused)

    def account(  # noqa: PLR0917  # a crossing, and what there is to say of it
        self,
        crossing: Crossing,
        bodies: Sequence[bytes],
        since: float,
        now: float,
        others: tuple[str, ...],
        minutes: Sequence[Counted] = (),
    ) -> Account | None:
        """Account for a crossing by the stored panes since its evidence began, with the band of this hour.

        Of a segment's errors these are the segment's. `minutes` are what was judged of the volume since then: panes say
        nothing of it.
        """
        pane = sum_panes(bodies, self.layout.digest, self.layout.size)
        reference = self.layout.reference_pane()
        moved = carriers(self.layout, reference, pane) if crossing.group in ANSWERS else ()
        return explain(
            self.plan,
            self.signals.signals,
            crossing,
            now=sum(minutes, self._said(crossing.group, pane.counts)),
            then=self._usual(crossing.group, reference.counts),
            bounds=self.bounds(int(now // HOUR_S)),
            since=since,
            others=others,
            carried=tuple(f"{each.feature} ({each.explained:.0%})" for each in moved if each.explained > CARRIED_MIN),
        )

    def _said(self, group: str, counts: NDArray[np.int64]) -> Counted:
        part = self.part(group)
        if part is not None:
            return self.segment_labels(part, counts)
        return self.signals.count(counts) + self.signals.count_labels(counts)

    def _usual(self, group: str, counts: NDArray[np.int64]) -> Counted:
        part, found = self.part(group), self.signals.count(counts) + self.signals.count_labels(counts)
        if part is not None:
            found.x[self._place(part)], found.n[self._place(part)] = part.wrong, part.labelled
        return found

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
        if family is Family.VOLUME and not self.minutes:
            return NO_MINUTES
        if group in kin.known if group else kin.known:
            return ""
        part = self.part(group)
        return NO_GROUP_BAND if part is None else part.band.why


def _parts(signals: Signals, rhythm: Rhythm | None, segments: Segments | None, watch: Watch) -> tuple[Part, ...]:
    if rhythm is None or segments is None or not (watch.segments_share and watch.weight(Family.LABELS)):
        return ()
    return watch_segments(signals, rhythm, segments, watch.segments_max)


def _apart(parts: Sequence[Part], watch: Watch) -> dict[str, float]:
    """The weight of each segment: an equal part of what is set apart, and nothing where it cannot be bet on."""
    known = sum(part.band.centre is not None for part in parts)
    return {part.group: watch.segments_share / known if part.band.centre is not None else 0.0 for part in parts}


def _kin(signals: Signals, plan: Plan, told: frozenset[str]) -> Iterator[tuple[Family, Kin]]:
    of = np.array([each.family.value for each in signals.signals])
    for family in dict.fromkeys(plan.families):
        places = np.flatnonzero(np.array([each is family for each in plan.families]))
        groups = tuple(plan.groups[place] for place in places)
        yield family, Kin(groups, places, told.intersection(groups), np.flatnonzero(of == family.value))


class Lookouts:
    """The ones asked for last, as many as `bytes_max` holds, and always the last one.

    One that made room is counted, and made again when it is asked for.
    """

    def __init__(self, *, minutes: bool = True, bytes_max: int = BANDS_BYTES_MAX) -> None:
        """Of panes that are minutes, or not."""
        self.dropped = 0
        self._bands_max = bytes_max // BAND_BYTES
        self._minutes = minutes
        self._kept: OrderedDict[tuple[str, Watch, tuple[str, ...]], Lookout] = OrderedDict()

    def get(self, layout: Layout, watch: Watch, segments: Segments | None = None) -> Lookout:
        """What is watched by these bands under this budget, of the whole and of these segments."""
        key = (layout.digest, watch, () if segments is None else segments.names)
        if key not in self._kept:
            self._kept[key] = Lookout.of(layout, watch, minutes=self._minutes, segments=segments)
            held = sum(each.size for each in self._kept.values())
            while held > self._bands_max and len(self._kept) > 1:
                held -= self._kept.popitem(last=False)[1].size
                self.dropped += 1
        self._kept.move_to_end(key)
        return self._kept[key]
