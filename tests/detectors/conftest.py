"""Views as detectors are given them: of a reference of 4,000 rows, of the same rows live, and of nothing."""

from collections.abc import Iterator

import numpy as np
import pytest

from monitor.facts import Feature, FeatureKind, ModelName, Pane, Schema, Subject, View
from monitor.panes.build import HistoryBatch, build_reference
from monitor.panes.count import bin_rows, count_pairs, count_rows
from monitor.panes.layout import Layout
from monitor.panes.outcomes import count_outcomes
from monitor.panes.receipts import write_receipts
from monitor.panes.rows import CategoricalColumn, NumericColumn, Predictions

N = 4000
SCHEMA = Schema(
    ModelName("m"),
    (Feature("x", FeatureKind.NUMERIC), Feature("flag", FeatureKind.NUMERIC), Feature("c", FeatureKind.CATEGORICAL)),
    ("no", "yes"),
    "yes",
)


class World:
    """One stream of rows with scores, outputs, labels and a known-good's answers, and its reference."""

    def __init__(self, seed: int = 11) -> None:
        rng = np.random.default_rng(seed)
        self.scores = rng.beta(1, 3, N).astype(np.float32).astype(float)
        self.labels = (rng.random(N) < self.scores).astype(np.uint8)
        self.outputs = (self.scores > 0.5).astype(np.uint8)
        self.known_good = np.where(rng.random(N) < 0.97, self.outputs, 1 - self.outputs).astype(np.uint8)
        self.x, self.flag, self.c = rng.normal(size=N), rng.random(N) < 0.02, rng.integers(0, 5, N)
        batch = HistoryBatch(self.predictions(), self.labels.astype(float))
        self.layout = Layout.of(build_reference(lambda: iter([batch]), SCHEMA, lambda _: None))

    def predictions(self) -> Predictions:
        nothing = np.zeros(N, bool)
        columns = {
            "x": NumericColumn(self.x, nothing, nothing),
            "flag": NumericColumn(self.flag.astype(float), nothing, nothing),
            "c": CategoricalColumn(self.c.astype(np.int32), tuple("vwxyz")),
        }
        return Predictions.unsent(columns, times=np.zeros(N), outputs=self.outputs, scores=self.scores)

    def pane(self) -> Pane:
        """The same rows as they would be counted live, an hour before their labels."""
        rows, layout = self.predictions(), self.layout
        binned, zeros = bin_rows(layout, rows), np.zeros(N, np.uint32)
        receipts = write_receipts(
            layout, rows, binned, epochs=zeros, known_good=self.known_good, segments=zeros, sources=zeros
        )
        labels, ones = self.labels.astype(float), np.ones(N, np.int8)
        outcomes = count_outcomes(layout, receipts=receipts, labels=labels, lags_s=np.full(N, 3600.0), sign=ones)
        return count_rows(layout, binned) + count_pairs(layout, binned, self.known_good) + outcomes

    def views(self, pane: Pane, subject: Subject) -> Iterator[View]:
        if subject is Subject.FEATURES:
            yield from self.layout.features(pane)
        else:
            yield self.layout.view(pane, subject)


@pytest.fixture(scope="session")
def world() -> World:
    return World()
