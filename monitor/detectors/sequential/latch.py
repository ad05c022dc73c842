"""The latch: one page per cause.

A group that has paged stays latched at that tier while its virtual crossings go on; it may page again after `hold`
minutes without one, or when a person lets go. Latches are per group, never per model: a broken feature must not hide
another. A crossing that does not page counts against no budget: the promise is about crossings, and pages are fewer.
"""

from collections.abc import Iterable

import msgspec

_SECONDS = 60.0


class Latch(msgspec.Struct, frozen=True, array_like=True):
    """Tier and group (indexes into TIERS and the plan's groups), the time of its page and of its last crossing."""

    tier: int
    group: int
    since: float
    last: float


def turn(
    latches: Iterable[Latch], crossed: Iterable[tuple[int, int]], now: float, hold: float
) -> tuple[tuple[Latch, ...], frozenset[tuple[int, int]]]:
    """Let go of what was calm for `hold` minutes, latch what `crossed`; and which of those (tier, group) page."""
    held = {(latch.tier, latch.group): latch for latch in latches if now - latch.last < hold * _SECONDS}
    pages = set()
    for key in crossed:
        if key not in held:
            pages.add(key)
        held[key] = Latch(*key, held[key].since if key in held else now, now)
    return tuple(held[key] for key in sorted(held)), frozenset(pages)
