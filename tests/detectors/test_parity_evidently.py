"""Readings agree with Evidently's metrics on the same rows, where Evidently computes what its metric is named for.

Its traps: PSI puts .0001 where a bin is empty (ours: half a row); numeric columns are cut into Sturges' bins of both
samples together, so the detectors are given those bins here; Jensen-Shannon is in nats; "TVD" answers a p-value in the
field of the distance. Importing it takes seconds, so it happens here alone, and its deprecations are its own.
"""

import os

import made
import numpy as np
import pytest

from monitor.detectors import DETECTORS
from monitor.facts import Histogram

os.environ["DO_NOT_TRACK"] = "1"  # before the import: it reports usage otherwise

pytestmark = pytest.mark.filterwarnings("ignore")
N = 3000


@pytest.fixture(scope="module")
def evidently():
    """Values of metrics, by their order, of current rows against reference rows."""
    import pandas as pd
    from evidently import BinaryClassification, DataDefinition, Dataset, Regression, Report, metrics

    tasks = {
        "classification": {"classification": [BinaryClassification(target="label", prediction_labels="output")]},
        "regression": {"regression": [Regression(target="label", prediction="value")]},
        "numeric": {"numerical_columns": ["x"]},
        "categorical": {"categorical_columns": ["x"]},
    }

    def run(task, named, current, reference=None):
        def dataset(rows):
            return Dataset.from_pandas(pd.DataFrame(rows), data_definition=DataDefinition(**tasks[task]))

        wanted = [getattr(metrics, name)(**given) for name, given in named]
        other = None if reference is None else dataset(reference)
        found = Report(wanted).run(dataset(current), other).dict()["metrics"]
        return [each["value"] for each in found]

    return run


def value(name, reference, current, **parameters):
    return DETECTORS[name](**parameters).read(reference, current).value


@pytest.mark.parametrize("seed", range(3))
def test_classification(evidently, seed):
    rng = np.random.default_rng(seed)
    labels = (rng.random(N) < 0.3).astype(int)
    outputs = np.where(rng.random(N) < 0.85, labels, 1 - labels)
    view = made.outcomes(outputs, labels)
    named = [(name, {}) for name in ("Accuracy", "Precision", "Recall", "F1Score")]
    found = evidently("classification", named, {"label": labels, "output": outputs})
    ours = [
        value("accuracy", view, view),
        *(value(name, view, view, of="yes") for name in ("precision", "recall", "f1")),
    ]
    assert ours == pytest.approx(found, abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_regression(evidently, seed):
    rng = np.random.default_rng(seed)
    labels = rng.normal(10, 3, N)
    values = labels + rng.normal(0.5, 1, N)
    view = made.errors(values, labels)
    named = [(name, {}) for name in ("MAE", "RMSE", "R2Score", "MeanError")]
    *found, error = evidently("regression", named, {"label": labels, "value": values})
    means = [each["mean"] if isinstance(each, dict) else each for each in (*found, error)]
    names = ("mean_absolute_error", "root_mean_squared_error", "r_squared", "bias")
    ours = [value(name, view, view) for name in names]
    assert ours[:3] == pytest.approx(means[:3], abs=1e-9)
    assert abs(ours[3]) == pytest.approx(abs(means[3]), abs=1e-9)  # its errors are label - predicted


def samples(seed: int):
    rng = np.random.default_rng(seed)
    return rng.normal(0, 1, N), rng.normal(0.3, 1.2, N)


def sturges(before, after) -> list[Histogram]:
    """Both samples in the bins that Evidently takes."""
    edges = np.histogram_bin_edges(np.concatenate([before, after]), bins="sturges")
    return [Histogram("x", True, tuple(np.histogram(rows, edges)[0].tolist())) for rows in (before, after)]


@pytest.mark.parametrize("seed", range(3))
def test_distances_of_numbers(evidently, seed):
    before, after = samples(seed)
    named = [("ValueDrift", {"column": "x", "method": method}) for method in ("jensenshannon", "hellinger")]
    apart, hellinger = evidently("numeric", named, {"x": after}, {"x": before})
    binned = sturges(before, after)
    assert value("jensen_shannon", *binned) * np.sqrt(np.log(2)) == pytest.approx(apart, abs=1e-9)
    assert value("hellinger", *binned) == pytest.approx(hellinger, abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_wasserstein_is_within_the_error_of_our_bins(evidently, seed):
    before, after = samples(seed)
    (found,) = evidently(
        "numeric", [("ValueDrift", {"column": "x", "method": "wasserstein"})], {"x": after}, {"x": before}
    )
    edges = made.quantile_edges(before)
    ours = value("wasserstein", made.numeric(before, edges), made.numeric(after, edges))
    assert ours == pytest.approx(found, abs=0.1)


def categories(seed: int):
    rng = np.random.default_rng(seed)
    return rng.choice(4, N, p=[0.4, 0.3, 0.2, 0.1]), rng.choice(4, N, p=[0.3, 0.3, 0.2, 0.2])


def counted(rows) -> Histogram:
    return Histogram("x", False, tuple(np.bincount(rows, minlength=4).tolist()))


@pytest.mark.parametrize("seed", range(3))
def test_distances_of_categories(evidently, seed):
    before, after = categories(seed)
    names = np.array(list("abcd"))
    methods = ("psi", "jensenshannon", "hellinger")
    named = [("ValueDrift", {"column": "x", "method": method}) for method in methods]
    psi, apart, hellinger = evidently("categorical", named, {"x": names[after]}, {"x": names[before]})
    ours = [value(name, counted(before), counted(after)) for name in ("psi", "jensen_shannon", "hellinger")]
    assert ours[0] == pytest.approx(psi, rel=0.01)  # half a row in every bin
    assert ours[1] * np.sqrt(np.log(2)) == pytest.approx(apart, abs=1e-9)
    assert ours[2] == pytest.approx(hellinger, abs=1e-9)


def test_total_variation_is_the_distance_whose_p_value_evidently_tells(evidently):
    import pandas as pd
    from evidently.legacy.calculations.stattests import tvd_stattest

    before, after = categories(0)
    expected = tvd_stattest._total_variation_distance(pd.Series(before), pd.Series(after))
    assert value("total_variation", counted(before), counted(after)) == pytest.approx(expected, abs=1e-12)
