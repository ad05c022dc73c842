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

import numpy as np
from numpy.typing import NDArray

from monitor.errors import Permanent, Transient
from monitor.panes.batch import Predictions
from monitor.panes.count import NOT_ASKED
from monitor.serving.open_inference import OpenInference
from monitor.turns.watched import Watched

HASHES = 1 << 64


@dataclass(frozen=True, slots=True)
class Opinion:
    """What the known-good said: an index into `Schema.classes` per row, `NOT_ASKED` where it did not say."""

    outputs: NDArray[np.uint8]  # shape (n,)
    asked: int = 0
    failed: int = 0


def silent(n: int, failed: int = 0) -> Opinion:
    """Nobody answered."""
    return Opinion(np.full(n, NOT_ASKED, np.uint8), failed=failed)


def sample(keys: NDArray[np.uint64], share: float, rows_max: int) -> NDArray[np.intp]:
    """Rows to ask, at most `rows_max`: those whose keyed hash lies in the lowest `share` of all hashes.

    >>> sample(np.array([0, 1 << 63, 5], dtype=np.uint64), 0.25, 10).tolist()
    [0, 2]
    """
    chosen = np.arange(len(keys)) if share >= 1 else np.flatnonzero(keys < np.uint64(int(share * HASHES)))
    return chosen[:rows_max]


async def ask(server: OpenInference, watched: Watched, rows: Predictions, keys: NDArray[np.uint64]) -> Opinion:
    """Ask `server` for a sample of `rows`, by the settings of the model; never raises for the server's sake."""
    known_good = watched.settings.known_good
    if known_good is None:
        return silent(rows.n)
    chosen = sample(keys, known_good.share, known_good.rows_max)
    if not len(chosen):
        return silent(rows.n)
    try:
        answer = await server.infer(rows if len(chosen) == rows.n else rows.take(chosen))
    except (Transient, Permanent):
        return silent(rows.n, failed=len(chosen))
    if answer.digest != watched.good.checkpoint_digest:
        return silent(rows.n, failed=len(chosen))
    index = {name: i for i, name in enumerate(watched.schema.classes)}
    opinion = Opinion(silent(rows.n).outputs, asked=len(chosen))
    opinion.outputs[chosen] = [index.get(output, len(index)) for output in answer.outputs]
    return opinion
