"""What is watched of rows beside their columns: pairs of numbers, copies, ids that come again, and how many there are.

- *concordant*: of the rows that have both numbers, those in which they lie on the same side of their halves; both ways.
- *content*: the share of a bucket of cells rises: copies.
- *repeated*: of all predictions that came, those whose id had come before. History has no second rows of an id, so
  nothing can be learned: up to 2 % are taken for honest retries (`Learning.repeats`). Requests that are sent again
  under their idempotency key are answered from memory and are not seen here.
- *rate*: minutes with more rows than usual at that hour, fewer, or none (volume.py).
- *stale*: minutes in which all values of a number are one and the same to the step (moments.py), where a minute has
  rows enough to make that news: the reference's largest bin to the power of the rows is below 1 in 10,000. A number
  that sticks also moves the shares of all cuts, at once; this says what it is. Counting rows that repeat the row before
  would depend on the order, and the share of one bin is a cut already: neither would add to what is known.
"""

import math
from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.facts import Family
from monitor.panes.layout import Layout
from monitor.panes.margins import Margins
from monitor.panes.shares import Counts, Placed, Signal, What
from monitor.panes.volume import ITEMS

STALE_CHANCE: Final = 1e-4
NOWHERE: Final = (0, 0)


def place_flow(margins: Margins) -> Iterator[Placed]:
    """Signals of what arrived."""
    features = margins.layout.reference.schema.features
    start = margins.concordance.start
    for first, second in margins.layout.reference.pairs:
        name = f"{features[first].name} & {features[second].name}"
        signal = Signal(Family.FEATURES, "features/pairs", name, What.CONCORDANT, "", rises=True, falls=True)
        yield Placed(signal, (start + 1, start + 2), (start, start + 2))
        start += 2
    rows = (margins.rows, margins.rows + 1)
    for bucket in range(margins.contents.stop - margins.contents.start):
        cell = margins.contents.start + bucket
        item = f"bucket {bucket}"
        signal = Signal(Family.QUALITY, "quality/contents", "contents", What.CONTENT, item, rises=True, falls=False)
        yield Placed(signal, (cell, cell + 1), rows)
    again = Signal(Family.QUALITY, "quality/id", "id", What.REPEATED, "", rises=True, falls=False)
    yield Placed(again, (margins.repeated, margins.repeated + 1), (margins.rows, margins.repeated + 1))


def place_minutes(layout: Layout) -> Iterator[Placed]:
    """Signals whose rows are minutes: they are in no cells."""
    for item in ITEMS:
        yield Placed(
            Signal(Family.VOLUME, "volume", "rows", What.RATE, item, rises=True, falls=False), NOWHERE, NOWHERE
        )
    for feature in layout.feature_cells:
        if feature.numbers is not None:
            group = f"quality/{feature.name}"
            stale = Signal(Family.QUALITY, group, feature.name, What.STALE, "", rises=True, falls=False)
            yield Placed(stale, NOWHERE, NOWHERE)


def stale_rows(margins: Margins, cells: Counts) -> list[float]:
    """How many rows of a minute each number needs, for one value in all of them to be news; inf: never.

    `cells` i8[margins.size] are those of the reference.
    """
    found = []
    for feature in margins.layout.feature_cells:
        if feature.numbers is None:
            continue
        bins = cells[feature.start : feature.start + feature.bins]
        largest, total = int(bins.max(initial=0)), int(bins.sum())
        chance = math.log(largest / total) if largest else 0.0
        found.append(max(2.0, math.ceil(math.log(STALE_CHANCE) / chance)) if chance < 0 else math.inf)
    return found


def is_stale(n: Counts, first: Counts, second: Counts) -> NDArray[np.bool_]:
    """Whether n rows with these sums of steps and of their squares are all the same: n second = first^2, exactly."""
    near = np.flatnonzero(
        np.abs(n.astype(float) * second - first.astype(float) ** 2) <= 1e-9 * (1.0 + n * 1.0 * second)
    )
    found = np.zeros(len(n), np.bool_)
    found[near] = [int(n[i]) * int(second[i]) == int(first[i]) ** 2 for i in near]  # products exceed 64 bits
    return found
