"""All columns at once, by the real worker: what no column alone shows, and what cannot be told."""

from pathlib import Path

import numpy as np
import pytest
from evidenceworld import Desk, ask, job, sample
from test_evidence_worker import reasons, values

from monitor.evidence.archive import Archive
from monitor.evidence.jobs import Failure, Scope

BOTH = (ask("told", "domain_classifier"), ask("apart", "multivariate_mmd"))


def related(path: Path, sign: float, pairs: int = 400) -> Path:
    """Rows of which distance and delay correlate by .7 `sign`; each column has the very same values for both signs."""
    draw = np.random.default_rng(11)
    x = draw.normal(size=pairs)
    y = 0.7 * x + np.sqrt(1 - 0.7**2) * draw.normal(size=pairs)
    columns = {"f:distance": np.concatenate([x, -x]), "f:delay": sign * np.concatenate([y, -y])}
    return sample(path, 2 * pairs, **columns)


def again(path: Path) -> Path:
    """Other rows of the same source as `sample`; none of them is in both, or a classifier learns it by heart."""
    draw = np.random.default_rng(8)
    numbers = {"f:distance": draw.normal(1000, 100, 400), "f:delay": draw.exponential(10, 400)}
    return sample(path, **numbers, **{"f:origin": draw.choice(["EWR", "JFK", "LGA"], 400)})


@pytest.fixture(scope="module")
def flipped(desk: Desk, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(live, reference): a correlation changed its sign and nothing else."""
    there = tmp_path_factory.mktemp("flipped")
    return related(there / "live.parquet", -1), related(there / "reference.parquet", 1)


def test_a_flipped_correlation_is_seen_by_both_and_by_no_distance_of_a_column(desk: Desk, flipped) -> None:
    distances = [ask(f"d{n}", "ValueDrift", column=name, method="psi") for n, name in enumerate(("distance", "delay"))]
    found = values(desk.do(job(*flipped, asks=(*BOTH, *distances))))
    assert found["told.low"] > 0.7
    assert (found["apart"] > 5 * found["apart.shuffled_95"], found["apart.p_value"]) == (True, 0.005)  # 1 in 200
    assert found["d0"] == found["d1"] == pytest.approx(0, abs=1e-9)
    assert [found[f"{name}.{side}"] for name in ("told", "apart") for side in ("rows", "reference_rows")] == [800] * 4


def test_where_nothing_changed_neither_says_so(desk: Desk, tmp_path: Path, reference: Path) -> None:
    found = values(desk.do(job(again(tmp_path / "same.parquet"), reference, asks=BOTH)))
    assert found["told.low"] <= 0.5 <= found["told.high"]
    assert found["apart"] <= found["apart.shuffled_95"]


def test_the_same_rows_give_the_same_numbers(desk: Desk, flipped) -> None:
    first, second = (desk.do(job(*flipped, id=name, asks=BOTH)) for name in ("one", "two"))
    assert first.values == second.values


def test_columns_that_are_named_are_looked_at_alone(desk: Desk, flipped) -> None:
    alone = ask("alone", "domain_classifier", columns=["delay"])
    found = values(desk.do(job(*flipped, asks=(*BOTH, alone))))
    assert found["alone.low"] <= 0.5 < found["told.low"]


@pytest.mark.parametrize("columns", [["nowhere"], ["secret"]])
def test_a_column_that_a_sample_has_not_is_missing_be_it_sensitive(desk: Desk, flipped, columns: list[str]) -> None:
    result = desk.do(job(*flipped, asks=(ask("told", "domain_classifier", columns=columns),)))
    assert (result.values, reasons(result)) == ((), {"told": Failure.COLUMN_MISSING})


def test_a_sensitive_column_that_lies_in_a_file_tells_nothing(desk: Desk, tmp_path: Path) -> None:
    live = sample(tmp_path / "live.parquet", **{"f:secret": np.ones(400)})
    reference = sample(tmp_path / "reference.parquet", **{"f:secret": np.zeros(400)})
    assert values(desk.do(job(live, reference, asks=BOTH)))["told"] < 0.6


def test_too_few_rows_are_no_number_and_a_named_failure(desk: Desk, tmp_path: Path, reference: Path) -> None:
    few = sample(tmp_path / "few.parquet", rows=99)
    result = desk.do(job(few, reference, asks=BOTH))
    assert (result.values, set(reasons(result).values())) == ((), {Failure.ROWS_TOO_FEW})


def test_one_of_ours_that_fails_takes_no_metric_with_it(desk: Desk, live: Path, reference: Path) -> None:
    asks = (ask("bad", "multivariate_mmd", kernel="rbf"), ask("rows", "RowCount"))
    result = desk.do(job(live, reference, asks=asks))
    assert (values(result), reasons(result)) == ({"rows": 400.0}, {"bad": Failure.METRIC_INVALID})


def test_numbers_of_ours_are_bounded_like_all_others(desk: Desk, live: Path, reference: Path) -> None:
    result = desk.do(job(live, reference, asks=BOTH, scope=Scope(values_max=3)))
    assert list(values(result)) == ["told", "told.low", "told.high"]
    assert reasons(result) == {"told": Failure.VALUES_TOO_MANY, "apart": Failure.VALUES_TOO_MANY}


HOSTILE = {
    "infinite": {"f:delay": np.where(np.arange(400) % 2, np.inf, -np.inf)},
    "huge": {"f:delay": np.where(np.arange(400) % 2, 1.7e308, -1.7e308)},
    "tiny": {"f:delay": np.full(400, 5e-324)},
    "nothing": {"f:delay": np.full(400, np.nan)},
    "gone": {"f:delay": None},
    "constant": {"f:delay": np.zeros(400), "f:distance": np.zeros(400)},
    "half missing": {"f:delay": np.where(np.arange(400) % 2, np.nan, 1.0)},
    "all new": {"f:origin": np.array([f"</script>{n}" for n in range(400)])},
}


@pytest.mark.parametrize("columns", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("side", ["live", "reference"])
def test_hostile_columns_leave_finite_numbers(desk: Desk, tmp_path: Path, columns, side: str) -> None:
    paths = {name: sample(tmp_path / f"{name}.parquet") for name in ("live", "reference")}
    sample(paths[side], **columns)
    result = desk.do(job(paths["live"], paths["reference"], asks=BOTH))
    found = values(result)
    assert {"told", "apart"} <= found.keys()
    assert 0 <= found["told.low"] <= found["told"] <= found["told.high"] <= 1
    assert reasons(result) == {}


def test_a_hundred_thousand_rows_a_side_stay_in_memory_and_time(desk: Desk, tmp_path: Path) -> None:
    paths = [sample(tmp_path / f"{n}.parquet", 100_000) for n in range(2)]
    result = desk.do(job(*paths, asks=BOTH, scope=Scope(rows_max=100_000)))
    assert (result.rows, reasons(result)) == (100_000, {})
    assert result.rss_bytes < 900 << 20  # of the gibibyte it may have; 300 MiB are Evidently's import
    # It came before its time was up, five minutes: 10 s on an idle machine.


# ---------------------------------------------------------------- what a report says


@pytest.fixture(scope="module")
def told(desk: Desk, flipped, tmp_path_factory: pytest.TempPathFactory) -> tuple[Archive, str]:
    """The archive with a report of the flipped correlation, and its page."""
    archive = Archive(tmp_path_factory.mktemp("archive"))
    archive.prepare("delays")
    result = desk.do(job(*flipped, report=str(archive.path("delays", "delays-1"))))
    assert reasons(result) == {}
    return archive, archive.path("delays", "delays-1").read_text()


def test_a_report_says_whether_a_classifier_could_tell_and_by_what(told) -> None:
    header = told[1].partition("<footer>")[0]
    assert "A classifier can tell these rows from the reference&#x27;s: AUC 0." in header
    table = header.partition("It looks at</th>")[2].partition("</table>")[0]
    assert all(f"<code>{column}</code>" in table for column in ("delay", "distance"))


def test_the_daemon_finds_what_was_said_without_reading_the_page(told) -> None:
    said = told[0].said("delays", "delays-1")
    assert [sentence.split(":")[0] for sentence in said] == [
        "A classifier can tell these rows from the reference's",
        "In all columns at once the two lie further apart than 95 of 100 shuffles of their rows",
    ]
    assert "It looks at: " in said[0]


def test_a_report_of_rows_that_are_alike_names_no_column(desk: Desk, tmp_path: Path, reference: Path) -> None:
    archive = Archive(tmp_path)
    archive.prepare("delays")
    same = again(tmp_path / "same.parquet")
    desk.do(job(same, reference, report=str(archive.path("delays", "delays-2"))))
    first, second = archive.said("delays", "delays-2")
    assert first.startswith("A classifier cannot tell")
    assert "It looks at" not in first
    assert "no further apart than in 95 of 100" in second


def test_a_report_says_why_it_says_nothing(desk: Desk, tmp_path: Path, reference: Path) -> None:
    archive = Archive(tmp_path)
    archive.prepare("delays")
    few = sample(tmp_path / "few.parquet", rows=60)
    result = desk.do(job(few, reference, report=str(archive.path("delays", "delays-3"))))
    assert reasons(result) == {}
    assert archive.said("delays", "delays-3") == (
        "Nothing can be said of the columns together: too few rows on a side (60 and 400 of 100).",
    )
