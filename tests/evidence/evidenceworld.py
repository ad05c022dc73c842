"""Samples as the store writes them, jobs about them, and an office of a loop of its own."""

import asyncio
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from monitor.evidence.history import schema_digest
from monitor.evidence.jobs import Ask, Job, Purpose, Result
from monitor.evidence.office import Evidence
from monitor.facts import Feature, FeatureKind, ModelName, Schema, Task

NUMERIC, CATEGORICAL = FeatureKind.NUMERIC, FeatureKind.CATEGORICAL
MODEL = ModelName("delays")
SCHEMA = Schema(
    MODEL,
    (
        Feature("distance", NUMERIC),
        Feature("delay", NUMERIC),
        Feature("origin", CATEGORICAL),
        Feature("secret", NUMERIC, sensitive=True),
    ),
    ("on time", "late"),
    "late",
)
PRICES = Schema(MODEL, (Feature("distance", NUMERIC),), task=Task.REGRESSION)


def sample(path: Path, rows: int = 400, shift: float = 0.0, schema: Schema = SCHEMA, **changes: object) -> Path:
    """Write a sample of `schema`; `changes` replace columns, None takes one out."""
    draw = np.random.default_rng(7)
    output = draw.integers(0, 2, rows)
    columns: dict[str, object] = {
        "id_hash": draw.integers(0, 2**63, rows).astype(np.uint64),
        "time": np.linspace(0, 3599, rows),
        "epoch": np.full(rows, 3, np.uint32),
        "output": np.array(SCHEMA.classes)[output],
        "score": draw.random(rows),
        "label": np.where(draw.random(rows) < 0.75, output, 1 - output).astype(float),
        "inclusion_probability": np.ones(rows),
        "f:distance": draw.normal(1000 + shift, 100, rows),
        "f:delay": draw.exponential(10, rows),
        "f:origin": draw.choice(["EWR", "JFK", "LGA"], rows),
    } | changes
    table = pa.table({name: column for name, column in columns.items() if column is not None})
    metadata = {"tocsin.reference_sample": schema_digest(schema)}
    pq.write_table(table.replace_schema_metadata(metadata), path)
    return path


def job(live: Path, reference: Path | None = None, **changes: object) -> Job:
    """Ask for nothing but what `changes` say, of the whole hour."""
    values: dict[str, object] = {
        "id": "delays-1",
        "model": MODEL,
        "purpose": Purpose.SCHEDULE,
        "schema": SCHEMA,
        "start": 0.0,
        "end": 3600.0,
        "samples": (str(live),),
        "reference_sample": str(reference or ""),
    }
    return Job(**(values | changes))  # type: ignore[arg-type]


def ask(name: str, metric: str, **parameters: object) -> Ask:
    return Ask(name, metric, parameters)  # type: ignore[arg-type]


class Desk:
    """An office on a loop of its own, for tests that are not asynchronous."""

    def __init__(self, runner: asyncio.Runner, office: Evidence) -> None:
        self.runner, self.office = runner, office

    def do(self, asked: Job) -> Result:
        async def run() -> Result:
            return await self.office.submit(asked)

        return self.runner.run(run())
