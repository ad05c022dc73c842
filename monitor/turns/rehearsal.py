"""Trying the metrics of Evidently that the settings ask for: `tocsin check-config --deep`.

That a metric has such parameters is known without Evidently (`monitor.evidence.catalogue`); that it can be computed of
a model's columns is not. So the worker computes them once, of rows drawn from the edges and categories of the
reference that judges. Their values mean nothing; what fails is told. Cost: a worker, 5 s of CPU, and a second a model.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from monitor.clock import Clock
from monitor.errors import Problem
from monitor.evidence.history import PREFIX
from monitor.evidence.jobs import Fault, Job, Purpose
from monitor.evidence.office import Evidence
from monitor.facts import ModelName, Task
from monitor.panes.reference import NumericBins, Reference
from monitor.settings import MonitoredModel, Settings
from monitor.settings.advice import judging
from monitor.turns.bounds import evidence_limits

ROWS = 200
SEED = 1  # the same rows each time


async def rehearse(settings: Settings, clock: Clock) -> list[Problem]:
    """What fails of the metrics of all models; `settings` are those that `load` took."""
    office = Evidence(evidence_limits(settings), clock)
    try:
        return [problem async for problem in _problems(settings, office)]
    finally:
        await office.aclose()


async def _problems(settings: Settings, office: Evidence) -> AsyncIterator[Problem]:
    for name, model in settings.models.items():
        if not model.evidence.metrics:
            continue
        with TemporaryDirectory() as folder:
            sample = Path(folder, "rows.parquet")
            reference = judging(name, model)
            pq.write_table(drawn(reference), sample)
            result = await office.submit(job(name, model, reference, sample))
        for fault in result.faults:
            yield told(name, model, fault)


def job(name: ModelName, model: MonitoredModel, reference: Reference, sample: Path) -> Job:
    """The metrics alone."""
    return Job(
        id="rehearsal",
        model=name,
        purpose=Purpose.SCHEDULE,
        schema=reference.schema,
        start=0.0,
        end=float(ROWS),
        samples=(str(sample),),
        reference=reference,
        asks=model.evidence.asks,
    )


def drawn(reference: Reference) -> pa.Table:
    """Rows of this schema, as the store keeps them, of every class and category."""
    rng, schema = np.random.default_rng(SEED), reference.schema
    columns: dict[str, Any] = {
        "id_hash": np.arange(ROWS, dtype=np.uint64),
        "time": np.arange(ROWS, dtype=np.float64),
        "inclusion_probability": np.ones(ROWS),
    }
    if schema.task is Task.CLASSIFICATION:
        columns["output"] = rng.integers(0, len(schema.classes), ROWS).astype(np.uint8)
        columns["label"] = rng.integers(0, len(schema.classes), ROWS).astype(np.float64)
        columns["score"] = rng.uniform(0.0, 1.0, ROWS)
    else:
        columns["value"] = _numbers(reference.output, rng)
        columns["label"] = _numbers(reference.output, rng)
    for feature, bins in zip(schema.features, reference.columns, strict=True):
        if not feature.sensitive:
            known = _numbers(bins, rng) if isinstance(bins, NumericBins) else rng.choice(bins.top or ("a",), ROWS)
            columns[PREFIX + feature.name] = known
    return pa.table(columns)


def told(name: ModelName, model: MonitoredModel, fault: Fault) -> Problem:
    """What failed, at its place in the settings."""
    place = f"models.{name}.evidence" + (f".metrics.{fault.name}" if fault.name in model.evidence.metrics else "")
    why = f"{fault.reason.value.replace('_', ' ')}: {fault.why}" if fault.why else fault.reason.value.replace("_", " ")
    return Problem(place, f"failed on rows drawn from the reference ({why})", "see its parameters")


def _numbers(bins: NumericBins | None, rng: np.random.Generator) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Numbers in the range of the reference."""
    edges = bins.edges if bins is not None and bins.edges else (0.0, 1.0)
    return rng.uniform(edges[0], max(edges[-1], edges[0] + 1e-9), ROWS)
