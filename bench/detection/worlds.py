"""False pages and delays in the four simulated worlds, each reference learned anew from a week of its own.

    python -m bench detection

One configuration: the product's defaults, every family at its weight in the ledger. A job is a reference with a month
of quiet minutes, a month at the edge of its bands, or a shift of all features at once (groups do not read one another:
50 trials of one shifted feature). Seeds are those of this file and were used for nothing else.

False pages: their rate in 30 days with Poisson's exact interval (Garwood 1936), at 60 and at 600 rows a minute. Delays:
medians over features and references with an interval of order statistics, at 60 rows a minute, beginning at hours
spread over the day. Beside those of W1 stands log(A / w) / KL, w the weight of one feature in the ledger and KL of a
minute from the nearest mean that the tolerance allows, tau / density at the median = .05 sigma.

Cost: 25 minutes of CPU; jobs run on all cores.
"""

import math
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincinv

from bench.detection.edge import at_edge
from bench.detection.trial import DAY, MONTH, delays, learn, pages, quiet
from bench.figure import Figure
from bench.worlds import W1, W2, W3, WORLDS, World
from monitor.detectors.sequential import Ledger

REFERENCES, LIVE, SHIFTED, EDGE = 21_000, 22_000, 23_000, 24_000  # seeds
MONTHS: Final = {60.0: 7, 600.0: 2}  # in each world, by rows a minute
EDGE_MONTHS: Final = 3  # in each world without a wander of days
TRIALS: Final = 8  # references, of 50 features each
SIZES: Final = (0.2, 0.5, 1.0)  # sigma
GOALS: Final = {
    ("W1", 0.2): 40, ("W1", 0.5): 5, ("W1", 1.0): 2,
    ("W2", 0.2): 50, ("W2", 0.5): 6, ("W2", 1.0): 2,
    ("W3", 0.5): 99, ("W3", 1.0): 7,
}  # fmt: skip
BEYOND_KL: Final = 2.1
IGNORED: Final = 0.05  # sigma
Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Job:
    """One reference and what is asked of it; a `size` of 0 is a quiet month, or one at the edge."""

    world: World
    number: int
    size: float = 0.0
    edge: bool = False

    def __str__(self) -> str:
        """World, rows a minute, what is asked, and the number that is added to the seeds."""
        asked = f"{self.size:g} sigma" if self.size else "edge" if self.edge else "quiet"
        return f"{self.world.name} {self.world.rows:g}/min {asked} {self.number}"

    def run(self) -> list[float]:
        """False pages (one number), or the delays of all features."""
        watched = learn(self.world, REFERENCES + self.number)
        if self.size:
            hour = self.number * 24 // TRIALS
            found = delays(watched, self.world, SHIFTED + self.number, self.size, hour=hour, before=DAY // 2)
            return [delay for delay in found.tolist() if not math.isnan(delay)]
        if self.edge:
            return [float(len(pages(watched, at_edge(watched, self.world, EDGE + self.number, MONTH))))]
        return [float(len(pages(watched, quiet(watched, self.world, LIVE + self.number))))]


def measure() -> list[Figure]:
    """Run all jobs; the figures in the order of the worlds."""
    jobs = list(_jobs())
    found: dict[tuple[str, float, float, bool], list[float]] = {}
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for job, result in zip(jobs, pool.map(Job.run, jobs), strict=True):
            found.setdefault((job.world.name, job.world.rows, job.size, job.edge), []).extend(result)
            told = (
                f"median {np.median(result):g} of {len(result)} delays" if job.size else f"{result[0]:.0f} false pages"
            )
            print(f"  {job}: {told}", file=sys.stderr, flush=True)
    return list(_figures(found))


def _jobs() -> Iterator[Job]:
    for world, size in [(world, size) for world in WORLDS for size in SIZES]:
        for number in range(TRIALS):
            if (world.name, size) in GOALS:
                yield Job(world, number, size)
    for rows, months in MONTHS.items():
        for number in range(months):
            for world in WORLDS:
                yield Job(replace(world, rows=rows), number)
    for number in range(EDGE_MONTHS):
        for world in (W1, W2, W3):
            yield Job(world, number, edge=True)


def _figures(found: dict[tuple[str, float, float, bool], list[float]]) -> Iterator[Figure]:
    every: list[float] = []
    for (world, rows, size, edge), numbers in found.items():
        if size:
            yield from _delay(world, size, np.array(numbers))
            continue
        where = "at the edge of every band" if edge else f"{rows:g} rows a minute"
        yield _rate(f"{world}, {where}: false pages in 30 days", numbers)
        every += [] if edge else numbers
    yield _rate("all worlds: false pages in 30 days", every)


def _rate(name: str, numbers: Sequence[float]) -> Figure:
    months, count = len(numbers), int(sum(numbers))
    low, high = poisson_interval(count)
    said = f"{name}, {count} in {months} months [{low / months:.2g}, {high / months:.2g}]"
    return Figure(said, round(count / months, 3), "", "<= 1")


def _delay(world: str, size: float, found: Doubles) -> Iterator[Figure]:
    low, middle, high = median_interval(found)
    name = f"{world}, {size:g} sigma: median delay of {len(found)} [{low:g}, {high:g}]"
    yield Figure(name, middle, "minutes", f"<= {GOALS[world, size]}")
    if world == W1.name:
        weight = Ledger().features / W1.features
        bound = math.log(Ledger().page / weight) / (W1.rows * (size - IGNORED) ** 2 / 2)
        yield Figure(
            f"  beside log(A / w) / KL = {bound:.3g} minutes", round(middle / bound, 2), "x", f"<= {BEYOND_KL}"
        )


def poisson_interval(count: int, error: float = 0.05) -> tuple[float, float]:
    """Exact interval of a Poisson mean of which `count` were seen.

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
