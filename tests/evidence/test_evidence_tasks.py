"""What Evidently says of a regression, of more than two classes, and of a ranking: by the real worker."""

from pathlib import Path

import numpy as np
import pytest
from evidenceworld import MODEL, NUMERIC, Desk, ask, job, sample
from test_evidence_worker import reasons, values

from monitor.evidence.jobs import Failure
from monitor.facts import Feature, Schema, Task

ROWS = 400
PRICES = Schema(MODEL, (Feature("distance", NUMERIC),), task=Task.REGRESSION)
BANDS = Schema(MODEL, (Feature("distance", NUMERIC),), ("early", "on time", "late"))
LISTS = Schema(MODEL, (Feature("distance", NUMERIC),), task=Task.RANKING)


def kept(path: Path, schema: Schema, **columns: object) -> Path:
    """A sample of 400 rows of a schema, whose labels may be read too."""
    gone = dict.fromkeys(("output", "score", "f:delay", "f:origin", "f:secret", "label"))
    return sample(path, ROWS, schema=schema, **(gone | columns))


@pytest.fixture
def prices(tmp_path: Path) -> tuple[Path, Path, np.ndarray]:
    """(live, reference, errors): numbers that are off by what is known."""
    draw = np.random.default_rng(1)
    truth, off = draw.normal(300, 50, ROWS), draw.normal(4, 10, ROWS)
    live = kept(tmp_path / "live.parquet", PRICES, value=truth + off, label=truth)
    before = kept(tmp_path / "before.parquet", PRICES, value=truth, label=truth + draw.normal(0, 5, ROWS))
    return live, before, off


def test_the_measures_of_a_regression_are_those_of_its_labelled_rows(desk: Desk, prices) -> None:
    live, before, off = prices
    asks = (ask("mae", "MAE"), ask("rmse", "RMSE"), ask("bias", "MeanError"), ask("r_squared", "R2Score"))
    found = values(desk.do(job(live, before, schema=PRICES, asks=asks)))
    assert found["mae.mean"] == pytest.approx(np.abs(off).mean())
    assert found["rmse"] == pytest.approx(np.sqrt((off**2).mean()))
    assert abs(found["bias.mean"]) == pytest.approx(abs(off.mean()))
    assert 0.9 < found["r_squared"] < 1


def test_a_report_of_a_regression_shows_its_errors(desk: Desk, prices, tmp_path: Path) -> None:
    live, before, _ = prices
    result = desk.do(job(live, before, schema=PRICES, report=str(tmp_path / "r.html")))
    page = (tmp_path / "r.html").read_text()
    assert reasons(result) == {}
    assert "Quality, by the labels that came" in page
    assert "Regression" in page


@pytest.fixture
def bands(tmp_path: Path) -> tuple[Path, Path, np.ndarray]:
    """(live, reference, right): answers of three classes, each with the probability of what was answered."""
    draw = np.random.default_rng(2)
    said = draw.integers(0, 3, ROWS)
    label = np.where(draw.random(ROWS) < 0.7, said, (said + 1) % 3).astype(float)
    columns = {"output": np.array(BANDS.classes)[said], "score": draw.uniform(0.4, 1, ROWS), "label": label}
    live = kept(tmp_path / "live.parquet", BANDS, **columns)
    return live, kept(tmp_path / "before.parquet", BANDS, **columns), said == label


def test_measures_of_three_classes_come_for_each(desk: Desk, bands) -> None:
    live, before, right = bands
    asks = (ask("accuracy", "Accuracy"), ask("f1", "F1ByLabel"))
    found = values(desk.do(job(live, before, schema=BANDS, asks=asks)))
    assert found["accuracy"] == pytest.approx(right.mean())
    assert set(found) == {"accuracy", *(f"f1.{name}" for name in BANDS.classes)}


def test_what_needs_every_class_s_probability_is_a_named_failure(desk: Desk, bands) -> None:
    live, before, _ = bands
    result = desk.do(job(live, before, schema=BANDS, asks=(ask("auc", "RocAuc"), ask("rows", "RowCount"))))
    assert values(result) == {"rows": ROWS}
    assert reasons(result) == {"auc": Failure.METRIC_INVALID}


def test_a_report_of_three_classes_shows_its_mistakes(desk: Desk, bands, tmp_path: Path) -> None:
    live, before, _ = bands
    result = desk.do(job(live, before, schema=BANDS, report=str(tmp_path / "r.html")))
    page = (tmp_path / "r.html").read_text()
    assert reasons(result) == {}
    assert "Quality, by the labels that came" in page
    assert "Confusion Matrix" in page


@pytest.fixture
def lists(tmp_path: Path) -> tuple[Path, Path]:
    """(live, reference): lengths of lists, and the places that labels told."""
    columns = {"value": np.random.default_rng(3).integers(3, 9, ROWS).astype(float)}
    return kept(tmp_path / "live.parquet", LISTS, **columns), kept(tmp_path / "before.parquet", LISTS, **columns)


def test_of_a_ranking_features_and_lengths_are_compared_and_no_order(desk: Desk, lists) -> None:
    asks = (ask("drift", "ValueDrift", column="distance"), ask("order", "NDCG"), ask("rmse", "RMSE"))
    result = desk.do(job(*lists, schema=LISTS, asks=asks))
    assert set(values(result)) == {"drift"}
    assert reasons(result) == {"order": Failure.METRIC_INVALID, "rmse": Failure.METRIC_INVALID}


def test_a_report_of_a_ranking_says_that_it_holds_no_order(desk: Desk, lists, tmp_path: Path) -> None:
    result = desk.do(job(*lists, schema=LISTS, report=str(tmp_path / "r.html")))
    page = (tmp_path / "r.html").read_text()
    assert reasons(result) == {}
    assert "How good the order of the lists was is not in here" in page
    assert "Quality, by the labels that came" not in page
