"""The second opinion: the known-good model answers a sample of the live rows, too.

A change of the world hits the serving model and the known-good alike and cancels in the paired difference; what
remains says "the target would do better". The sample is chosen by the keyed hash of the row's id, so that a client
cannot choose to be, or not to be, in it; and the same rows are asked again if a fold is repeated.

The answers count only while the known-good proves, in the same response, that it is the bytes of the bundle that
judges. When it does not answer in time the rows are folded without: a monitor must not fall behind because the
model beside it is slow. Both are counted.

Cost: one request per fold and model, at most `known_good.rows_max` rows.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from monitor.errors import Permanent, Transient
from monitor.facts import Task
from monitor.panes.count import NOT_ASKED
from monitor.panes.rows import Predictions
from monitor.serving.open_inference import OpenInference
from monitor.turns.watched import Watched

HASHES = 1 << 64


Said: TypeAlias = NDArray[np.uint8] | NDArray[np.float64]  # classes, NOT_ASKED; or numbers, NaN where it was not asked


@dataclass(frozen=True, slots=True)
class Opinion:
    """What the known-good said, an entry per row: an index into `Schema.classes`, or a number."""

    said: Said
    asked: int = 0  # rows that it answered
    failed: int = 0  # rows that it was asked and did not answer


def silent(n: int, task: Task = Task.CLASSIFICATION, failed: int = 0) -> Opinion:
    """Nobody answered."""
    nothing: Said = np.full(n, NOT_ASKED, np.uint8) if task is Task.CLASSIFICATION else np.full(n, np.nan)
    return Opinion(nothing, failed=failed)


def heard(said: Said) -> NDArray[np.bool_]:
    """Which rows the known-good answered, too."""
    found: NDArray[np.bool_] = said != NOT_ASKED if said.dtype == np.uint8 else ~np.isnan(said)
    return found


def fitting(said: Said, task: Task) -> Said:
    """`said`, or silence where it answers another task than this one."""
    return said if (said.dtype == np.uint8) == (task is Task.CLASSIFICATION) else silent(len(said), task).said


def sample(keys: NDArray[np.uint64], share: float, rows_max: int) -> NDArray[np.intp]:
    """Rows to ask, at most `rows_max`: those whose keyed hash lies in the lowest `share` of all hashes.

    >>> sample(np.array([0, 1 << 63, 5], dtype=np.uint64), 0.25, 10).tolist()
    [0, 2]
    """
    chosen = np.arange(len(keys)) if share >= 1 else np.flatnonzero(keys < np.uint64(int(share * HASHES)))
    return chosen[:rows_max]


async def ask(server: OpenInference, watched: Watched, rows: Predictions, keys: NDArray[np.uint64]) -> Opinion:
    """Ask `server` for a sample of `rows`, by the settings of the model; never raises for the server's sake."""
    known_good, schema = watched.settings.known_good, watched.schema
    nothing = silent(rows.n, schema.task)
    if known_good is None or schema.task is Task.RANKING:  # lists are not compared
        return nothing
    chosen = sample(keys, known_good.share, known_good.rows_max)
    if not len(chosen):
        return nothing
    try:
        answer = await server.infer(rows if len(chosen) == rows.n else rows.take(chosen), schema.task)
    except (Transient, Permanent):
        return silent(rows.n, schema.task, failed=len(chosen))
    if answer.digest != watched.good.checkpoint_digest:
        return silent(rows.n, schema.task, failed=len(chosen))
    index = {name: i for i, name in enumerate(schema.classes)}
    numbers = schema.task is Task.REGRESSION
    nothing.said[chosen] = answer.values if numbers else [index.get(each, len(index)) for each in answer.outputs]
    return Opinion(nothing.said, asked=len(chosen))
