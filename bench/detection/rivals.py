"""Beside others: false pages per 30 days and delays on the same simulated streams, ours on the product's own way.

    python -m bench detection --rivals

One month of 50 quiet features for the false pages: a model's pages, each silences the next hour for those who know no
latch (so 720 are the most there can be). Delays: a day of quiet minutes, then all features shift at once, every other
one down; features do not know of each other, so each is one run of "one feature of 50". A delay of who pages all the
time says nothing, and is not shown above 30 false pages.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.detection.alarms import (
    Alarmed,
    Alarms,
    HourKs,
    HourPsi,
    MinuteKs,
    delays,
    means,
    muted,
    read_all,
    river,
    sample,
)
from bench.detection.replay import Watch
from bench.figure import Figure
from bench.peers.venvs import Absent
from bench.worlds import W1, W2, W3, W4, Block, World, draw
from bench.worlds_panes import MONDAY, history, live, schema
from monitor.detectors.sequential import Tier
from monitor.panes.build import build_reference

TABLE = Path(__file__).parent / "rivals.md"
WORLDS = (W1, W2, W3, W4)
SHIFTS = (0.2, 0.5, 1.0)
HISTORY_SEED, QUIET_SEED, SHIFTED_SEED = 7_000, 8_000, 9_000
DAYS, QUIET, HORIZON = 30, 1440, 3 * 1440
OURS = "Tocsin"
FALSE_MAX = 30  # above it a delay says nothing
Streams = dict[float, Callable[[], Iterator[Block]]]
SHIFTED_AT = 6 * 60  # minutes after the quiet day: another hour than midnight


@dataclass(slots=True, eq=False)
class Measured:
    """Of one detector in one world: pages in `days`, and delays in minutes by shift."""

    name: str
    world: str
    pages: float = 0.0
    delays: dict[float, NDArray[np.float64]] = field(default_factory=dict)
    why: str = ""


def measure() -> list[Figure]:
    """Measure all, write the table, and return its lines."""
    found = list(chain.from_iterable(compare(world) for world in WORLDS))
    text = table(found)
    TABLE.write_text(text)
    print(text)
    return [_figure(each) for each in found]


def compare(world: World, days: int = DAYS, horizon: int = HORIZON) -> list[Measured]:
    """Everybody in one world."""
    streams: Streams = {0.0: lambda: draw(world, QUIET_SEED, days * 1440)}
    for shift in SHIFTS:
        streams[shift] = partial(draw, world, SHIFTED_SEED, QUIET + SHIFTED_AT + horizon, _moves(world, shift))
    reference = sample(world, HISTORY_SEED)
    readers: dict[str, Callable[[Iterator[Block]], Alarms]] = {
        "KS p < .05": lambda blocks: _read(MinuteKs(reference), blocks),
        "KS, Bonferroni": lambda blocks: _read(HourKs(reference), blocks),
        "PSI > .2": lambda blocks: _read(HourPsi(reference), blocks),
    }
    found = [_measure(name, world, read, streams, days) for name, read in readers.items()]
    found += _river(world, streams, days)
    return [_ours(world, streams, days), *found]


def _moves(world: World, shift: float) -> Callable[[NDArray[np.int64]], NDArray[np.float64]]:
    sign = np.where(np.arange(world.features) % 2 == 0, 1.0, -1.0) * shift
    return lambda minutes: np.where((minutes >= QUIET + SHIFTED_AT)[:, np.newaxis], sign, 0.0)


def _read(reader: Alarmed, blocks: Iterator[Block]) -> Alarms:
    return np.concatenate(list(read_all(reader, blocks)))


def _measure(
    name: str, world: World, read: Callable[[Iterator[Block]], Alarms], streams: Streams, days: int
) -> Measured:
    found = Measured(name, world.name)
    for shift, blocks in streams.items():
        alarms = read(blocks())
        if shift:
            found.delays[shift] = delays(alarms, QUIET + SHIFTED_AT)
        else:
            found.pages = muted(alarms) * DAYS / days
    return found


def _river(world: World, streams: Streams, days: int) -> list[Measured]:
    try:
        alarms = {shift: river(means(blocks())) for shift, blocks in streams.items()}
    except Absent as absent:
        return [Measured("river", world.name, why=str(absent))]
    return [
        Measured(
            name,
            world.name,
            muted(alarms[0.0][name]) * DAYS / days,
            {shift: delays(alarms[shift][name], QUIET + SHIFTED_AT) for shift in SHIFTS},
        )
        for name in alarms[0.0]
    ]


def _ours(world: World, streams: Streams, days: int) -> Measured:
    reference = build_reference(lambda: history(world, HISTORY_SEED), schema(world), lambda _: None)
    found = Measured(OURS, world.name)
    for shift, blocks in streams.items():
        watch = Watch(reference)
        for minute, (_, counted) in enumerate(live(watch.layout, watch.signals, blocks())):
            watch.look(MONDAY + minute, counted)
        if not shift:
            found.pages = len(watch.paged()) * DAYS / days
            continue
        first = np.full(world.features, np.inf)
        for page in watch.paged(Tier.PAGE):
            after = page.at / 60 - MONDAY - QUIET - SHIFTED_AT
            if page.group.startswith("features/f") and after > 0:
                feature = int(page.group.removeprefix("features/f"))
                first[feature] = min(first[feature], after)
        found.delays[shift] = first
    return found


def table(found: Sequence[Measured]) -> str:
    """Markdown."""
    lines = [
        "# Pages and delays beside others\n",
        "Written by `python -m bench detection --rivals`; who is compared stands in `bench/detection/alarms.py`, how",
        f"in `bench/detection/rivals.py`. Seeds {HISTORY_SEED}, {QUIET_SEED}, {SHIFTED_SEED}; simulated time. Delays",
        "are medians over 50 features, in minutes, their quartiles in brackets.\n",
        "| world | detector | false pages in 30 days | " + " | ".join(f"{shift} sigma" for shift in SHIFTS) + " |",
        "|---|---|---:|" + "---:|" * len(SHIFTS),
    ]
    for each in found:
        if each.why:
            lines.append(f"| {each.world} | {each.name} | not measured: {each.why} |" + " |" * len(SHIFTS))
            continue
        shown = [_delay(each, shift) for shift in SHIFTS]
        lines.append(f"| {each.world} | {each.name} | {each.pages:.3g} | " + " | ".join(shown) + " |")
    return "\n".join(lines) + "\n"


def _delay(each: Measured, shift: float) -> str:
    if each.pages > FALSE_MAX:
        return "-"
    low, middle, high = (
        "never" if np.isinf(value) else f"{value:.0f}"
        for value in np.quantile(each.delays[shift], (0.25, 0.5, 0.75), method="nearest")
    )
    return f"{middle} ({low} to {high})"


def _figure(each: Measured) -> Figure:
    name = f"{each.name} in {each.world}: false pages in 30 days"
    if each.why:
        return Figure(name, "not measured:", each.why)
    shown = ", ".join(f"{shift} sigma {_delay(each, shift)}" for shift in SHIFTS)
    goal = "<= 1" if each.name == OURS else ""
    return Figure(f"{name}; minutes to a page: {shown}", round(each.pages, 2), "pages", goal)
