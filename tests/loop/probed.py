"""Golden probes of the loop's model, recorded as its owner would."""

import asyncio

import numpy as np
import probe_sets
from loopworld import MODEL

from monitor.facts import Task
from monitor.panes.rows import NumericColumn, Predictions
from monitor.serving import probe_set
from monitor.serving.open_inference import OpenInference
from monitor.serving.probing import ask

CELLS = [round(0.0123456 + i / 131, 7) for i in range(120)]


def record(url, file):
    """What the model server answers the probes now, signed; the digest of what it has loaded."""
    return asyncio.run(_record(url, file))


async def _record(url, file):
    cells, no = np.array(CELLS), np.zeros(len(CELLS), np.bool_)
    rows = Predictions.unsent(
        {"x": NumericColumn(cells, no, no)}, times=cells, outputs=no.astype(np.uint8), scores=cells
    )
    probes = probe_set.make(MODEL, Task.CLASSIFICATION, rows, 1.0)
    server = OpenInference(url, MODEL, 60.0)
    try:
        digest = await server.served()
        [said] = (await ask(server, probes, digest, 1)).given
    finally:
        await server.aclose()
    probe_sets.write(file, probes.with_answers(digest, said, 1.0))
    return digest
