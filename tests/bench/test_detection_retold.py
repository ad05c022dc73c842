"""Streams with labels, written as a history and replayed: the same rows come back, and more errors are paged."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from bench.detection.columns import categories, numbers, rows_of
from bench.detection.retold import retell, write
from monitor.facts import Feature, FeatureKind, ModelName, Schema
from monitor.ingest.history import open_history
from monitor.panes.build import HistoryBatch, build_reference

DAY = 86_400.0
SCHEMA = Schema(
    ModelName("m"), (Feature("n", FeatureKind.NUMERIC), Feature("c", FeatureKind.CATEGORICAL)), ("a", "b"), "b"
)


def batch(first: float, days: float, wrong: float, seed: int, late_s: float | None = None) -> HistoryBatch:
    """Four rows an hour, a share of the answers wrong, one label in ten never told."""
    rng, many = np.random.default_rng(seed), round(days * 96)
    times = first * DAY + (np.arange(many) + 0.5) * 900.0
    outputs, values = rng.integers(0, 2, many).astype(np.uint8), rng.normal(size=many)
    words = pa.array([("x", "y", None)[i] for i in rng.integers(0, 3, many)])
    rows = rows_of({"n": numbers(values), "c": categories(words)}, times, outputs, rng.random(many))
    labels = np.where(rng.random(many) < 0.1, np.nan, (outputs + (rng.random(many) < wrong)) % 2)
    return HistoryBatch(rows, labels, None if late_s is None else times + late_s)


@pytest.mark.parametrize("late_s", [None, 600.0])
def test_what_is_written_is_read_back(tmp_path: Path, late_s: float | None) -> None:
    parts = [batch(0, 2, 0.1, 1, late_s), batch(2, 2, 0.1, 2, late_s)]
    history = write(tmp_path / "live.parquet", SCHEMA, parts)
    (found,) = open_history(history.path, SCHEMA, history.names)()
    for name in ("times", "outputs", "scores"):
        wanted = np.concatenate([getattr(part.predictions, name) for part in parts])
        assert np.array_equal(getattr(found.predictions, name), wanted)
    assert np.array_equal(found.labels, np.concatenate([part.labels for part in parts]), equal_nan=True)
    assert (found.label_times is None) == (late_s is None)


def test_a_model_that_gets_worse_is_paged_by_its_labels_and_not_before() -> None:
    reference = build_reference(lambda: iter([batch(0, 20, 0.1, 1)]), SCHEMA, lambda _: None)
    live = [batch(20, 3, 0.1, 2, 600.0), batch(23, 3, 0.6, 3, 600.0)]
    found = retell(reference, live, ())
    assert found.before("labels", 23 * DAY) == 0
    assert 0 < found.first("labels", 23 * DAY) < 72
    assert found.pages("labels") >= found.spells("labels") == 1
    assert any("labels" in line for line in found.lines())
