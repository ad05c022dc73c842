"""The plan of one model's e-detector: which processes there are, of what group, at what weight.

Processes are the bets of the lanes, laid out as [3 likelihood ratios][lanes] and then [3 tick bets][lanes of signals]:
57,000 for 500 numeric features. A group's weight is shared alike by its lanes, half of it by the scores where the group
has a scored column (a mean sees a shift in all bins at once; shares see what leaves the mean in place); the lanes of
one direction are as many as the quantity has. Groups with a weight `apart` (a segment's errors) have that, nothing of
their family's, and take nothing from it. At the tier `rollback` groups have other weights (ledger.py says why).

A lane bets by likelihood ratios where its design effect is known, by ticks where it is not, with all of its weight
either way: tick bets are exact whatever hangs together inside a tick, but only the design effect knows what hangs
together across ticks. Where a band leaves out a slow wander because the design effect makes up for it, tick bets paged
thirty times in a simulated month and the ratios never.
"""

import hashlib
import math
from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from monitor.detectors.sequential.bets import STAKES, Doubles, Flags, Table, tabulate
from monitor.detectors.sequential.ledger import PAIRS_SHARE, SUPPORTS, TIERS, Ledger, Tier
from monitor.facts import Family
from monitor.panes.rhythm import Bounds
from monitor.panes.signals import Signal, What
from monitor.panes.tilts import ETAS, SCORE_ETAS

ROWS_MIN: Final = 5  # of a lane, else its rows wait
SCORE_SHARE: Final = 0.5  # of the weight of a group that has a scored column
TABLES_MAX: Final = 8  # hours whose tables are kept: this one, and late rows' own
NOTHING_APART: Final[Mapping[str, float]] = MappingProxyType({})


class Watched(Protocol):
    """What is watched, in the order in which it is counted: a `Signals` is one."""

    @property
    def signals(self) -> tuple[Signal, ...]:
        """Shares."""

    @property
    def scored(self) -> tuple[str, ...]:
        """Columns whose mean normal score is watched too."""

    @property
    def scored_group(self) -> tuple[str, ...]:
        """Their groups, each that of some signal."""


class Lane(msgspec.Struct, frozen=True):
    """One direction of one quantity: what a crossing is said to be about. A score has no signal."""

    group: str
    column: str
    falls: bool
    signal: Signal | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Made once per reference and ledger; holds no state but tables that it can make again."""

    ledger: Ledger
    name: str  # digest of what is watched and weighed; a state of another plan is refused
    groups: tuple[str, ...]
    families: tuple[Family, ...]  # of the groups
    group_weight: Doubles  # [groups], at the tiers that alert
    signals: int
    columns: int
    lanes: tuple[Lane, ...]  # those of signals, then each column's mean rising, then falling
    lane_group: NDArray[np.intp]  # [lanes]
    lane_signal: NDArray[np.intp]  # [lanes of signals]
    falls: Flags  # [lanes of signals]
    weight: NDArray[np.float32]  # [tiers, lanes], the sum of a tier <= 1; its bets share alike
    eta: Doubles  # [bets, lanes]
    least: Doubles  # [lanes] rows to bet on; with fewer it waits
    _tables: "OrderedDict[int, tuple[Bounds, Table]]" = field(default_factory=OrderedDict)

    @classmethod
    def of(
        cls, signals: Watched, ledger: Ledger, share: float = 1.0, apart: Mapping[str, float] = NOTHING_APART
    ) -> "Plan":
        """Plan to watch `signals` on a `share` of the ledger's weights, and groups `apart` on their own.

        ValueError unless 0 < share <= 1 and the weights apart, none negative, leave as much.
        """
        if not 0 < share <= 1:
            msg = f"a share of the budget lies in (0, 1], not {share}"
            raise ValueError(msg)
        if any(weight < 0 for weight in apart.values()) or math.fsum(apart.values()) + share > 1 + 1e-9:
            msg = f"weights apart are what a share of {share} leaves of one budget: {dict(apart)}"
            raise ValueError(msg)
        families = _families(signals)
        groups = tuple(families)
        number = {group: index for index, group in enumerate(groups)}
        group_weight = _group_weights(families, ledger, share, apart)
        sides = [
            (index, falls)
            for index, signal in enumerate(signals.signals)
            for falls, watched in ((False, signal.rises), (True, signal.falls))
            if watched
        ]
        lanes = (
            *(_lane_of(signals.signals[index], falls) for index, falls in sides),
            *(Lane(group, column, False) for column, group in zip(signals.scored, signals.scored_group, strict=True)),
            *(Lane(group, column, True) for column, group in zip(signals.scored, signals.scored_group, strict=True)),
        )
        lane_group = np.array([number[lane.group] for lane in lanes], np.intp)
        lane_weight = _lane_weights(lane_group, group_weight, len(sides))
        acting = _acting(tuple(families.values()), group_weight, share + math.fsum(apart.values()))[lane_group]
        weight = np.array([lane_weight * (acting if tier is Tier.ROLLBACK else 1.0) for tier in TIERS], np.float32)
        eta = np.repeat(np.array(ETAS)[:, None], len(lanes), axis=1)
        eta[:, len(sides) :] = np.array(SCORE_ETAS)[:, None]
        return cls(
            ledger,
            _digest(signals, ledger, lane_weight.astype("<f4")),
            groups,
            tuple(families.values()),
            group_weight,
            len(signals.signals),
            len(signals.scored),
            lanes,
            lane_group,
            np.array([index for index, _ in sides], np.intp),
            np.array([falls for _, falls in sides], np.bool_),
            weight,
            eta,
            np.array([float(_least(lane)) for lane in lanes]),
        )

    @property
    def processes(self) -> int:
        """How many there are."""
        return len(ETAS) * len(self.lanes) + len(STAKES) * self.sides

    @property
    def sides(self) -> int:
        """How many lanes are signals'."""
        return len(self.lane_signal)

    def table(self, bounds: Bounds) -> Table:
        """The table of an hour's bands, made once while the same object is given; at most TABLES_MAX are kept."""
        if id(bounds) in self._tables:  # what is kept is held, so its id is no other object's
            self._tables.move_to_end(id(bounds))
            return self._tables[id(bounds)][1]
        made = tabulate(bounds, self.lane_signal, self.falls)
        self._tables[id(bounds)] = (bounds, made)
        if len(self._tables) > TABLES_MAX:
            self._tables.popitem(last=False)
        return made


def _families(signals: Watched) -> dict[str, Family]:
    """Each group's family, in the order of first mention; ValueError if a group has two, or a score's has none."""
    families: dict[str, Family] = {}
    for signal in signals.signals:
        if families.setdefault(signal.group, signal.family) is not signal.family:
            msg = f"group {signal.group} is of family {families[signal.group].value} and of {signal.family.value}"
            raise ValueError(msg)
    for group in signals.scored_group:
        if group not in families:
            msg = f"the scored group {group} has no signal"
            raise ValueError(msg)
    return families


def _group_weights(families: Mapping[str, Family], ledger: Ledger, share: float, apart: Mapping[str, float]) -> Doubles:
    """What each group may spend: its own where it has one, else its part of its family's."""
    common = [family for group, family in families.items() if group not in apart]
    present, counts = frozenset(common), Counter(common)
    return np.array(
        [
            apart[group] if group in apart else share * ledger.weight(family, present) / counts[family]
            for group, family in families.items()
        ]
    )


def _acting(families: Sequence[Family], group_weight: Doubles, whole: float) -> Doubles:
    """By how much a group weighs more where a crossing may act; 0 for those that cannot support a rollback.

    Those that can share the `whole` of what there is to spend.
    """
    factor = np.zeros(len(families))
    pairs = np.array([family is Family.PAIRED for family in families], np.bool_)
    others = np.array([family in SUPPORTS for family in families], np.bool_) & ~pairs
    of_pairs, of_others = float(group_weight[pairs].sum()), float(group_weight[others].sum())
    share = max(PAIRS_SHARE, of_pairs / (of_pairs + of_others)) if of_pairs > 0 else 0.0
    for mine, weight, part in ((pairs, of_pairs, share), (others, of_others, 1.0 - share)):
        if weight > 0:
            factor[mine] = whole * part / weight
    return factor


def _lane_of(signal: Signal, falls: bool) -> Lane:  # noqa: FBT001  # a direction, as everywhere here
    return Lane(signal.group, signal.column, falls, signal)


def _least(lane: Lane) -> int:
    """How many rows a lane waits for; of minutes one."""
    return 1 if lane.signal is not None and lane.signal.what in {What.RATE, What.STALE} else ROWS_MIN


def _lane_weights(lane_group: NDArray[np.intp], group_weight: Doubles, sides: int) -> Doubles:
    """Each group's weight over its lanes; what a group without a score would give it goes to its signals."""
    groups = len(group_weight)
    of_sides = np.bincount(lane_group[:sides], minlength=groups)
    of_scores = np.bincount(lane_group[sides:], minlength=groups)
    to_scores = np.where(of_scores > 0, np.where(of_sides > 0, SCORE_SHARE, 1.0), 0.0) * group_weight
    weight = np.empty(len(lane_group))
    weight[:sides] = ((group_weight - to_scores) / np.maximum(of_sides, 1))[lane_group[:sides]]
    weight[sides:] = (to_scores / np.maximum(of_scores, 1))[lane_group[sides:]]
    return weight


def _digest(signals: Watched, ledger: Ledger, weight: NDArray[np.float32]) -> str:
    """Names what a state's processes mean. Weights at `rollback` follow from the others."""
    said: Sequence[object] = (signals.signals, signals.scored, signals.scored_group, ledger, ETAS, STAKES, SCORE_ETAS)
    return hashlib.sha256(msgspec.msgpack.encode(said) + weight.tobytes()).hexdigest()[:16]
