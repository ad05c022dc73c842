"""The latch: one page per cause.

A group that has paged stays latched at that tier while its virtual crossings go on; it may page again after it was
calm. Calm is two things: `hold` minutes without a crossing, and rows that say so, which is

    sum of log L over the ticks since the last crossing <= -log(CALM)       L: the smallest bet of the lane that crossed

a likelihood ratio of "still outside the band" against "back at its edge": inside the band log L falls with every row,
beyond it L rises, so that what goes on is taken for calm once in CALM crossings. Time alone would not do: at eight rows
an hour a drift takes a day to cross again, and every day would page. Nor would silence: without rows there is no calm,
and what drifts by day only is not calm for a night.

Latches are per group, never per model: a broken feature must not hide another. A crossing that does not page counts
against no budget: the promise is about crossings, and pages are fewer.

Source: Wald 1945 (sequential probability ratio test). Failure mode: a share that settles between its band's edge and
half of the smallest bet beyond it may be let go and page again.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

CALM: Final = 100.0
_SECONDS = 60.0


class Latch(msgspec.Struct, frozen=True, array_like=True):
    """Tier and group (indexes into TIERS and the plan's groups), the time of its page and of its last crossing.

    `lane` carried that crossing; `odds` is the logarithm of what it has said since.
    """

    tier: int
    group: int
    since: float
    last: float
    lane: int
    odds: float = 0.0


def turn(
    latches: Iterable[Latch],
    crossed: Mapping[tuple[int, int], int],
    said: Mapping[int, float],
    now: float,
    hold: float,
) -> tuple[tuple[Latch, ...], frozenset[tuple[int, int]]]:
    """Let go of what was calm, latch what `crossed`, by (tier, group) its lane; and which of those page.

    `said` is this tick's log L of the smallest bet of each latched lane; `hold` in minutes.
    """
    told = (msgspec.structs.replace(latch, odds=latch.odds + said.get(latch.lane, 0.0)) for latch in latches)
    held = {(latch.tier, latch.group): latch for latch in told if now < calm_from(latch, hold)}
    pages = frozenset(crossed.keys() - held.keys())
    for key, lane in crossed.items():
        held[key] = Latch(*key, held[key].since if key in held else now, now, lane)
    return tuple(held[key] for key in sorted(held)), pages


def calm_from(latch: Latch, hold: float) -> float:
    """From when on it is let go of if nothing more is said; inf where its rows have not said calm."""
    return latch.last + hold * _SECONDS if latch.odds <= -math.log(CALM) else math.inf
