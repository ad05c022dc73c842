"""What `worlds.py` found, as figures and as `worlds.md`: rates with exact intervals, medians with order statistics.

Numbers come by what was asked: (world, rows a minute, shift in sigma or 0, at the edge), a number of pages for each
month or a delay for each feature. What was not run is not told.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincinv

from bench.figure import Figure
from bench.worlds import W1
from monitor.detectors.sequential import Ledger

Doubles = NDArray[np.float64]
Asked: TypeAlias = tuple[str, float, float, bool]
Numbers: TypeAlias = Mapping[Asked, Sequence[float]]

GOALS: Final = {
    ("W1", 0.2): 40, ("W1", 0.5): 5, ("W1", 1.0): 2,
    ("W2", 0.2): 50, ("W2", 0.5): 6, ("W2", 1.0): 2,
    ("W3", 0.5): 99, ("W3", 1.0): 7,
}  # fmt: skip
BEYOND_KL: Final = 2.1
IGNORED: Final = 0.05  # sigma

HEAD: Final = """# Simulated worlds: false pages and delays

Written by `python -m bench detection.worlds`. Every month has a reference of its own, learned from a week of its
own; 50 features, a look a minute, the defaults, nothing changed for a world. Simulated time and fixed seeds: it does
not depend on the machine. Worlds are described in `bench/worlds.py`, jobs and seeds in `bench/detection/worlds.py`.
W1 stands still; in W2 means and traffic have a day; in W3 rows come in sessions and means wander for hours; in W4 means
wander for days.

Watched and simulated: features, data quality, the answer, correlation pairs, contents of rows, how many rows come.
Not simulated, so nothing is bet on them: labels, repeated ids, numbers that stand still.
"""
EDGE: Final = """## At the edge

Every probability at its band's edge at once, rows in copies: the least favourable of what the promise covers, which is
at most one page in 30 days on average.
"""
DELAYS: Final = """## Delays

Minutes from the shift of one feature's mean to its page at 60 rows a minute: medians over features and references.
Beside them log(A / w) / KL: w is the weight of one feature in the ledger, KL that of a minute's rows from the nearest
mean that the tolerance allows. It is asymptotic and no bound for medians. Other detectors on the same worlds stand in
`rivals.md`.
"""
_RATES: Final = ("| world | rows a minute | months | pages | in 30 days, 95 % |", "|---|---:|---:|---:|---|")


def page(found: Numbers) -> str:
    """The whole page, Markdown."""
    quiet = [_rate_row(asked, months) for asked, months in found.items() if not asked[2] and not asked[3]]
    every = [pages for asked, months in found.items() if not asked[2] and not asked[3] for pages in months]
    quiet.append(_rate_row(("all", math.nan, 0.0, False), every))
    edge = [_rate_row(asked, months) for asked, months in found.items() if asked[3]]
    delays = [_delay_row(world, size, np.array(each)) for (world, _, size, _), each in found.items() if size]
    lines = [HEAD, "## False pages while nothing changes\n", *_RATES, *quiet, ""]
    if edge:
        lines += [EDGE, *_RATES, *edge, ""]
    if delays:
        head = "| world | shift | trials | median, 95 % | quarter, three quarters | goal | log(A / w) / KL | times it |"
        lines += [DELAYS, head, "|---|---:|---:|---|---|---:|---:|---:|", *delays, ""]
    return "\n".join(lines)


def _rate_row(asked: Asked, months: Sequence[float]) -> str:
    world, rows, _, _ = asked
    rate, low, high = _rate(months)
    shown = "" if math.isnan(rows) else f"{rows:g}"
    return f"| {world} | {shown} | {len(months)} | {sum(months):g} | {rate:.3g} [{low:.3g}, {high:.3g}] |"


def _delay_row(world: str, size: float, found: Doubles) -> str:
    low, middle, high = median_interval(found)
    first, third = np.quantile(found, (0.25, 0.75), method="nearest")
    beside = f"{_bound(size):.3g} | {middle / _bound(size):.2g}" if world == W1.name else " | "
    shown = f"{middle:g} [{low:g}, {high:g}] | {first:g}, {third:g} | {GOALS[world, size]}"
    return f"| {world} | {size:g} sigma | {len(found)} | {shown} | {beside} |"


def figures(found: Numbers) -> Iterator[Figure]:
    """For the README's table, in the order of what was found."""
    every: list[float] = []
    for (world, rows, size, edge), numbers in found.items():
        if size:
            yield from _delay_figures(world, size, np.array(numbers))
            continue
        where = "at the edge of every band" if edge else f"{rows:g} rows a minute"
        yield _rate_figure(f"{world}, {where}: false pages in 30 days", numbers)
        every += [] if edge else numbers
    yield _rate_figure("all worlds: false pages in 30 days", every)


def _rate_figure(name: str, months: Sequence[float]) -> Figure:
    rate, low, high = _rate(months)
    said = f"{name}, {sum(months):g} in {len(months)} months [{low:.3g}, {high:.3g}]"
    return Figure(said, round(rate, 3), "", "<= 1")


def _delay_figures(world: str, size: float, found: Doubles) -> Iterator[Figure]:
    low, middle, high = median_interval(found)
    name = f"{world}, {size:g} sigma: median delay of {len(found)} [{low:g}, {high:g}]"
    yield Figure(name, middle, "minutes", f"<= {GOALS[world, size]}")
    if world == W1.name:
        bound = _bound(size)
        name = f"  beside log(A / w) / KL = {bound:.3g} minutes"
        yield Figure(name, round(middle / bound, 2), "x", f"<= {BEYOND_KL}")


def _bound(size: float) -> float:
    """Minutes, in W1: log(A / w) / KL."""
    weight = Ledger().features / W1.features
    return math.log(Ledger().page / weight) / (W1.rows * (size - IGNORED) ** 2 / 2)


def _rate(months: Sequence[float]) -> tuple[float, float, float]:
    """Pages in 30 days with their interval; of no months nothing is known."""
    many, count = len(months), int(sum(months))
    if not many:
        return math.nan, 0.0, math.inf
    low, high = poisson_interval(count)
    return count / many, low / many, high / many


def poisson_interval(count: int, error: float = 0.05) -> tuple[float, float]:
    """Exact interval of a Poisson mean of which `count` were seen (Garwood 1936).

    >>> [round(end, 2) for end in poisson_interval(0)]
    [0.0, 3.69]
    """
    low = float(gammaincinv(count, error / 2)) if count else 0.0
    return low, float(gammaincinv(count + 1, 1 - error / 2))


def median_interval(found: Doubles, sigmas: float = 1.96) -> tuple[float, float, float]:
    """The median between two order statistics that hold it with 95 % confidence; infinite delays count."""
    ordered = np.sort(found)
    many = len(ordered)
    reach = sigmas * math.sqrt(many) / 2
    low, high = max(0, math.floor(many / 2 - reach)), min(many - 1, math.ceil(many / 2 + reach))
    return float(ordered[low]), float(np.median(ordered)), float(ordered[high])
