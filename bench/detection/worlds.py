"""False pages and delays in the four simulated worlds, each reference learned anew from a week of its own.

    python -m bench detection.worlds

One configuration: the product's defaults, every family at its weight in the ledger. A job is a reference with a month
of quiet minutes, a month at the edge of its bands, or a shift of all features at once (groups do not read one another:
50 trials of one shifted feature). Seeds are those of this file and were used for nothing else.

False pages are those of 30 days at 60 and at 600 rows a minute; delays are at 60, and begin at hours spread over the
day. What they stand beside is said in `worlds_page.py`, which writes `worlds.md`, anew after every job: it can be
stopped (Ctrl-C) and what is done is kept.

Cost: 40 minutes of CPU; jobs run on all cores.
"""

import math
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from bench.detection.edge import at_edge
from bench.detection.trial import DAY, MONTH, delays, learn, pages, quiet
from bench.detection.worlds_page import GOALS, Asked, figures, page
from bench.figure import Figure
from bench.worlds import W1, W2, W3, WORLDS, World

REFERENCES, LIVE, SHIFTED, EDGE = 21_000, 22_000, 23_000, 24_000  # seeds
MONTHS: Final = {60.0: 7, 600.0: 2}  # in each world, by rows a minute
EDGE_MONTHS: Final = 3  # in each world without a wander of days
TRIALS: Final = 8  # references, of 50 features each
TABLE: Final = Path(__file__).parent / "worlds.md"


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
            counts = at_edge(watched, self.world, EDGE + self.number, MONTH)
        else:
            counts = quiet(watched, self.world, LIVE + self.number)
        paged = pages(watched, counts)
        if paged:
            print(f"  {self}: {', '.join(paged)}", file=sys.stderr, flush=True)
        return [float(len(paged))]


def measure() -> list[Figure]:
    """Run all jobs and write the table; the figures of what was run."""
    found: dict[Job, list[float] | None] = dict.fromkeys(_jobs())
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        running = {pool.submit(job.run): job for job in found}
        try:
            for done in as_completed(running):
                job, result = running[done], done.result()
                found[job] = result
                print(f"  {job}: {_said(job, result)}", file=sys.stderr, flush=True)
                TABLE.write_text(page(gathered(found)))
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
    return list(figures(gathered(found)))


def _said(job: Job, result: Sequence[float]) -> str:
    return f"median {np.median(result):g} of {len(result)} delays" if job.size else f"{result[0]:.0f} false pages"


def _jobs() -> Iterator[Job]:
    """All of them, what matters most first."""
    for number in range(MONTHS[60.0]):
        for world in WORLDS:
            yield Job(world, number)
    for number in range(EDGE_MONTHS):
        for world in (W1, W2, W3):
            yield Job(world, number, edge=True)
    for number in range(TRIALS):
        for world, size in GOALS:
            yield Job(next(each for each in WORLDS if each.name == world), number, size)
    for number in range(MONTHS[600.0]):
        for world in WORLDS:
            yield Job(replace(world, rows=600.0), number)


def gathered(found: Mapping[Job, Sequence[float] | None]) -> dict[Asked, list[float]]:
    """The numbers of all references together, in the order of the jobs."""
    gathered: dict[Asked, list[float]] = {}
    for job, result in found.items():
        if result is not None:
            gathered.setdefault((job.world.name, job.world.rows, job.size, job.edge), []).extend(result)
    return gathered
