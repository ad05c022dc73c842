"""Intervals of estimates hold what labels then say about 95 times in 100, while P(y|x) is what it was.

Each run draws a reference and a window of rows that are easier, harder or as before; the figure that the window's own
labels give must lie in the interval. Of 300 runs with 95 in 100 in truth fewer than 272 hold it 6 times in 10,000
(binomial): the floor is .905. Where the interval also holds every order of rows inside score bins it may hold all.
"""

import made
import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from monitor.detectors import DETECTORS
from monitor.facts import Feature, FeatureKind, ModelName, Schema, Subject, Task
from monitor.panes.build import HistoryBatch, build_reference
from monitor.panes.count import bin_rows, count_rows
from monitor.panes.layout import Layout
from monitor.panes.rows import CategoricalColumn, NumericColumn, Predictions

RUNS = 300
FLOOR = 0.905
WORLDS = {  # rows of the reference, of the window; where the window lies; how rare the class is
    "as before": (3_000, 1_000, 0.0, 0.0),
    "easier rows": (3_000, 1_000, 0.7, 0.0),
    "a small reference": (1_000, 5_000, -0.5, 0.0),
    "a rare class": (20_000, 400, 0.4, 2.5),
}
FIGURES = [("precision", {"of": "yes"}), ("recall", {}), ("recall", {"of": "yes"}), ("f1", {}), ("f1", {"of": "yes"})]
FIGURES += [(name, {}) for name in ("accuracy", "roc_auc", "average_precision", "brier", "log_loss")]


def window(rng, n, middle, rare):
    """A model that is too sure of itself, and right about the order; (outputs, scores, labels)."""
    logit = 1.6 * rng.normal(middle, 1, n) - rare
    scores = 1 / (1 + np.exp(-0.9 * logit - 0.2))
    return (scores > 0.5).astype(int), scores, (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(int)


@pytest.fixture(scope="module", params=WORLDS)
def runs(request):
    """Pairs of views: what is expected, and what labels say."""
    m, n, middle, rare = WORLDS[request.param]
    found = []
    for seed in range(RUNS):
        rng = np.random.default_rng(seed)
        reference, (outputs, scores, labels) = window(rng, m, 0.0, rare), window(rng, n, middle, rare)
        found.append((made.chances(reference, outputs, scores), made.outcomes(outputs, labels, scores=scores)))
    return found


def held(runs, name, **parameters):
    """The share of the runs in which the measured figure lies in the estimate's interval."""
    inside = []
    for expected, truth in runs:
        ours = DETECTORS[f"estimated_{name}"](rows_min=1, **parameters).read(expected, expected)
        theirs = DETECTORS[name](rows_min=1, **parameters).read(truth, truth)
        if ours.value is not None and theirs.value is not None:
            inside.append(ours.low <= theirs.value <= ours.high)
    assert len(inside) > 0.9 * RUNS
    return np.mean(inside)


@pytest.mark.parametrize(("name", "parameters"), FIGURES, ids=str)
def test_what_labels_say_lies_in_the_interval(runs, name, parameters):
    assert held(runs, name, **parameters) >= FLOOR


# ---------------------------------------------------------------- errors

FEATURES = (Feature("x", FeatureKind.NUMERIC), Feature("c", FeatureKind.CATEGORICAL))
NUMBER = Schema(ModelName("m"), FEATURES, task=Task.REGRESSION)
FITS = {"as before": (4_000, 1_000, 0.0), "harder rows": (4_000, 1_000, 0.5), "a small reference": (2_000, 4_000, -0.4)}
FIT_RUNS, FIT_FLOOR = 100, 0.87  # of 100 runs with 95 in truth fewer than 87 hold it 4 times in 10,000


def guesses(rng, n, middle):
    """Errors of heavy tails whose spread is additive in two features and the prediction; (rows, labels)."""
    x, nothing = rng.normal(middle, 1, n), np.zeros(n, bool)
    c, values = (rng.random(n) < 0.4 + 0.2 * (middle > 0)).astype(np.int32), x + rng.normal(0, 1, n)
    errors = (1 + 0.5 * np.tanh(x) + 0.8 * c + 0.3 * np.tanh(values)) * rng.standard_t(6, n)
    columns = {"x": NumericColumn(x, nothing, nothing), "c": CategoricalColumn(c, ("a", "b"))}
    unknown, outputs = np.full(n, np.nan), np.zeros(n, np.uint8)
    rows = Predictions.unsent(columns, times=unknown, outputs=outputs, scores=unknown, values=values)
    return rows, values - errors


@pytest.fixture(scope="module", params=FITS)
def fits(request):
    """What is expected of a window, and its absolute errors."""
    m, n, middle = FITS[request.param]
    with threadpool_limits(1):  # small matrices: threads of a solver would wait for each other
        return [fitted(np.random.default_rng(seed), m, n, middle) for seed in range(FIT_RUNS)]


def fitted(rng, m, n, middle):
    batch, (rows, labels) = HistoryBatch(*guesses(rng, m, 0.0)), guesses(rng, n, middle)
    layout = Layout.of(build_reference(lambda: iter([batch]), NUMBER, lambda _: None))
    view = layout.view(count_rows(layout, bin_rows(layout, rows)), Subject.EXPECTED)
    return view, np.abs(rows.values - labels)


@pytest.mark.parametrize("name", ["mean_absolute_error", "root_mean_squared_error"])
def test_the_errors_that_come_lie_in_the_interval(fits, name):
    power = 1 if name == "mean_absolute_error" else 2
    readings = [
        (DETECTORS[f"estimated_{name}"]().read(view, view), np.mean(e**power) ** (1 / power)) for view, e in fits
    ]
    assert np.mean([reading.low <= truth <= reading.high for reading, truth in readings]) >= FIT_FLOOR
