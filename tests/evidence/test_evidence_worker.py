"""The real worker: what comes back, what does not, and that it reaches for nothing."""

import re
from pathlib import Path

import numpy as np
import pytest
from evidenceworld import Desk, ask, job, sample

from monitor.evidence.jobs import Failure


def reasons(result) -> dict[str, Failure]:
    return {fault.name: fault.reason for fault in result.faults}


def values(result) -> dict[str, float]:
    return {value.name: value.value for value in result.values}


def test_a_metric_of_evidently_comes_back_as_a_number(desk: Desk, live: Path, reference: Path) -> None:
    asks = (ask("drift", "ValueDrift", column="distance", method="psi"), ask("rows", "RowCount"))
    result = desk.do(job(live, reference, asks=asks))
    assert values(result)["rows"] == 400
    assert values(result)["drift"] > 0.5
    assert {value.name: value.method for value in result.values} == {"drift": "psi", "rows": "RowCount"}


def test_one_metric_that_fails_takes_no_other_with_it(desk: Desk, live: Path, reference: Path) -> None:
    asks = (
        ask("unfit", "ValueDrift", column="distance", method="chisquare"),
        ask("gone", "MeanValue", column="nowhere"),
        ask("wrong", "MAE"),
        ask("rows", "RowCount"),
    )
    result = desk.do(job(live, reference, asks=asks))
    assert values(result) == {"rows": 400.0}
    assert reasons(result) == {
        "unfit": Failure.METRIC_FAILED,
        "gone": Failure.COLUMN_MISSING,
        "wrong": Failure.METRIC_INVALID,
    }


def test_a_sub_value_follows_a_dot(desk: Desk, tmp_path: Path, reference: Path) -> None:
    gaps = np.where(np.arange(400) < 100, np.nan, 1.0)
    live = sample(tmp_path / "gaps.parquet", **{"f:delay": gaps})
    result = desk.do(job(live, reference, asks=(ask("gaps", "MissingValueCount", column="delay"),)))
    assert values(result) == {"gaps.count": 100.0, "gaps.share": 0.25}


def test_accuracy_is_that_of_the_answers_and_not_of_the_scores_cut_at_one_half(
    desk: Desk, live: Path, reference: Path
) -> None:
    result = desk.do(job(live, reference, asks=(ask("accuracy", "Accuracy"), ask("auc", "RocAuc"))))
    assert values(result)["accuracy"] == pytest.approx(0.75, abs=0.1)  # 5 sd of a binomial of 400
    assert values(result)["auc"] == pytest.approx(0.5, abs=0.15)  # scores are noise; 5 sd


def test_what_is_not_finite_is_a_failure_and_no_value(desk: Desk, tmp_path: Path, reference: Path) -> None:
    live = sample(tmp_path / "constant.parquet", **{"f:delay": np.ones(400)})
    asks = (ask("related", "ColumnCorrelationMatrix", column_name="distance", kind="pearson"),)
    result = desk.do(job(live, reference, asks=asks))
    assert reasons(result)["related.delay"] is Failure.NOT_FINITE
    assert all(np.isfinite(value) for value in values(result).values())


def test_numbers_beyond_the_limit_are_a_failure(desk: Desk, live: Path, reference: Path) -> None:
    asked = job(live, reference, asks=(ask("f", "F1ByLabel"), ask("rows", "RowCount")))
    scope = type(asked.scope)(values_max=2)
    result = desk.do(job(live, reference, asks=asked.asks, scope=scope))
    assert set(values(result)) == {"f.on time", "f.late"}
    assert reasons(result) == {"rows": Failure.VALUES_TOO_MANY}


def test_too_few_rows_are_no_result(desk: Desk, live: Path, reference: Path) -> None:
    result = desk.do(job(live, reference, end=100.0, asks=(ask("rows", "RowCount"),)))
    assert (result.values, reasons(result)) == ((), {"job": Failure.ROWS_TOO_FEW})


def test_a_damaged_sample_is_named_and_the_others_are_used(desk: Desk, live: Path, reference: Path) -> None:
    broken = live.with_name("broken.parquet")
    broken.write_bytes(live.read_bytes()[:-20])
    result = desk.do(job(live, reference, samples=(str(broken), str(live)), asks=(ask("rows", "RowCount"),)))
    assert values(result) == {"rows": 400.0}
    assert reasons(result) == {"job": Failure.SAMPLE_UNREADABLE}


def test_no_reference_at_all_is_a_named_failure(desk: Desk, live: Path) -> None:
    assert reasons(desk.do(job(live))) == {"reference": Failure.REFERENCE_UNREADABLE}


@pytest.fixture(scope="module")
def page(desk: Desk, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A report of the worst there is: hostile words, infinities, empty, constant, gone and new columns."""
    there = tmp_path_factory.mktemp("page")
    words = np.array(["</script><script>alert(1)</script>", "EWR"] * 200)
    delay = np.where(np.arange(400) < 5, np.inf, np.arange(400.0))
    live = sample(there / "live.parquet", **{"f:origin": words, "f:delay": delay})
    reference = sample(there / "reference.parquet", **{"f:distance": np.full(400, np.nan)})
    report = there / "report.html"
    asks = (ask("nothing", "MeanValue", column="<b>nowhere</b>"),)
    result = desk.do(job(live, reference, report=str(report), title="<b>bold</b>", asks=asks))
    assert result.report_bytes == report.stat().st_size
    assert result.left_out == ("distance",)
    assert set(reasons(result).values()) == {Failure.COLUMN_MISSING}
    return report.read_text()


def test_a_report_loads_nothing(page: str) -> None:
    assert "default-src 'none'" in page[:1_000]
    assert not re.findall(r"<(?:script|link|img|iframe)[^>]+(?:src|href)\s*=\s*[\"']?(?:https?:)?//", page)


def test_a_hostile_category_stays_text(page: str) -> None:
    assert "<script>alert(1)" not in page
    assert "<b>" not in page.partition("<footer>")[0].partition("<body>")[2]


def test_a_report_says_what_evidently_does_not_show(page: str) -> None:
    header = page.partition("<footer>")[0]
    assert "no value in the reference" in header
    assert '<td><code>delay</code></td><td class="n">·</td><td class="n">5</td>' in header


def test_a_report_shows_quality_where_labels_came(page: str) -> None:
    assert "Quality, by the labels that came" in page


def test_a_report_is_for_its_owner_alone(desk: Desk, live: Path, reference: Path, tmp_path: Path) -> None:
    desk.do(job(live, reference, report=str(tmp_path / "r.html")))
    assert (tmp_path / "r.html").stat().st_mode & 0o777 == 0o600


def test_a_sensitive_feature_is_never_read(desk: Desk, tmp_path: Path, reference: Path) -> None:
    live = sample(tmp_path / "live.parquet", **{"f:secret": np.ones(400)})
    result = desk.do(job(live, reference, asks=(ask("mean", "MeanValue", column="secret"),)))
    assert reasons(result) == {"mean": Failure.COLUMN_MISSING}


def test_nothing_in_the_worker_reached_for_the_network(desk: Desk, live: Path, reference: Path, tmp_path: Path) -> None:
    """From outside: of its descriptors only asyncio's own pair of Unix sockets, and none that leads anywhere."""
    desk.do(job(live, reference, report=str(tmp_path / "r.html")))
    pid = desk.office._worker._process.pid
    links = [leads_to(entry) for entry in Path(f"/proc/{pid}/fd").iterdir()]
    inodes = {link.removeprefix("socket:[").rstrip("]") for link in links if link.startswith("socket:")}
    assert inodes
    tables = [Path(f"/proc/{pid}/net/{kind}").read_text() for kind in ("tcp", "udp", "raw")]
    assert not {line.split()[9] for table in tables for line in table.splitlines()[1:]} & inodes
    assert Failure.NETWORK not in {reason for reason, _, _ in desk.office.state().failures}


def leads_to(descriptor: Path) -> str:
    """Where a descriptor of a worker that lives leads to; nowhere, if it was closed since it was listed."""
    try:
        return str(descriptor.readlink())
    except FileNotFoundError:
        return ""


def test_the_worker_knows_no_secret_and_no_home(desk: Desk, live: Path, reference: Path) -> None:
    desk.do(job(live, reference))
    environment = Path(f"/proc/{desk.office._worker._process.pid}/environ").read_text()
    assert "DO_NOT_TRACK=1" in environment
    assert "HOME=/nonexistent" in environment
    assert "TOCSIN" not in environment
