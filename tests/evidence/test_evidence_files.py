"""What is kept on disk: reports under a quota, and the sample of the history."""

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from evidenceworld import SCHEMA
from hypothesis import given
from hypothesis import strategies as st

from monitor.evidence.archive import SAID_MAX, Archive, said_in_head, write_report
from monitor.evidence.history import hash_positions, keep_sample
from monitor.evidence.worker.clean import CATEGORIES_MAX, POOLED, clean, tidy
from monitor.evidence.worker.samples import Side
from monitor.ingest.history import open_history
from monitor.panes.schema import ColumnNames


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """Three reports of 100 bytes, a day apart."""
    archive = Archive(tmp_path / "evidence")
    archive.prepare("delays")
    for day in (1, 2, 3):
        path = archive.path("delays", f"report-{day}")
        write_report(path, b"x" * 100)
        os.utime(path, (day * 86_400, day * 86_400))
    return archive


@given(st.lists(st.text(min_size=1, max_size=80), min_size=1, max_size=4))
def test_what_was_said_is_found_in_the_head_of_a_page(tmp_path_factory, sentences: list[str]) -> None:
    archive = Archive(tmp_path_factory.mktemp("said"))
    archive.prepare("delays")
    write_report(archive.path("delays", "one"), f"<head>{said_in_head(sentences)}".encode("utf-8", "replace"))
    words = "\n".join(" ".join(each.split()) for each in sentences)
    assert "\n".join(archive.said("delays", "one")) == words.encode("utf-8", "replace").decode()


def test_what_was_said_is_cut_and_ends_no_tag() -> None:
    head = said_in_head(['"><script>'] * 1_000)
    assert (head.count("<"), head.count(">"), head.count('"')) == (1, 1, 4)
    assert len(head) < 6 * SAID_MAX


def test_a_report_without_sentences_says_nothing(archive: Archive) -> None:
    assert (said_in_head(()), archive.said("delays", "report-1"), archive.said("delays", "none")) == ("", (), ())


def test_reports_are_listed_the_newest_first(archive: Archive) -> None:
    assert [(report.id, report.bytes) for report in archive.reports("delays")] == [
        ("report-3", 100),
        ("report-2", 100),
        ("report-1", 100),
    ]
    assert archive.reports("other") == ()


@pytest.mark.parametrize(
    ("age_max_s", "bytes_max", "by_age", "by_quota"),
    [(1e9, 1_000, 0, 0), (1.5 * 86_400, 1_000, 1, 0), (1e9, 250, 0, 1), (1.5 * 86_400, 150, 1, 1), (1e9, 0, 0, 3)],
)
def test_a_sweep_removes_what_is_old_and_then_the_oldest(archive, age_max_s, bytes_max, by_age, by_quota) -> None:
    swept = archive.sweep(3 * 86_400, age_max_s, bytes_max)
    assert (swept.by_age, swept.by_quota) == (by_age, by_quota)
    assert len(archive.reports()) == swept.reports == 3 - by_age - by_quota
    assert swept.bytes == 100 * swept.reports


@pytest.mark.parametrize("name", ["../delays/report-1", "..", "", "a/b", ".hidden", "a\0b", "x" * 200])
def test_no_name_leads_elsewhere(archive: Archive, name: str) -> None:
    assert archive.read("delays", name) is None
    assert archive.read(name, "report-1") is None


def test_a_report_is_read_as_written_and_a_link_is_not(archive: Archive, tmp_path: Path) -> None:
    assert archive.read("delays", "report-1") == b"x" * 100
    archive.path("delays", "link").symlink_to(archive.path("delays", "report-1"))
    assert archive.read("delays", "link") is None


def test_a_report_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "r.html").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_report(tmp_path / "r.html", b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["r.html"]


def test_the_reserve_of_the_disk_is_no_place_for_a_report(tmp_path: Path) -> None:
    free = os.statvfs(tmp_path).f_bavail * os.statvfs(tmp_path).f_frsize
    with pytest.raises(OSError, match="nearly full"):
        write_report(tmp_path / "r.html", b"x" * 1000, free_bytes_min=free)
    assert list(tmp_path.iterdir()) == []
    write_report(tmp_path / "r.html", b"x" * 1000, free_bytes_min=free // 2)


def test_a_sweep_removes_what_a_killed_worker_left(archive: Archive, tmp_path: Path) -> None:
    part = tmp_path / "evidence" / "delays" / "r.html.1.part"
    part.touch()
    os.utime(part, (0, 0))
    archive.sweep(86_400, 1e9, 10**9)
    assert not part.exists()


@pytest.fixture
def history(tmp_path: Path):
    """30,000 rows that are told apart by their distance."""
    rows = 30_000
    columns = {"distance": np.arange(float(rows)), "delay": np.ones(rows), "origin": ["EWR"] * rows}
    columns |= {"secret": np.ones(rows), "out": ["late"] * rows, "truth": ["late", None] * (rows // 2)}
    pq.write_table(pa.table(columns), tmp_path / "history.parquet", row_group_size=7_000)
    names = ColumnNames(prediction="out", label="truth")
    return open_history(tmp_path / "history.parquet", SCHEMA, names)


def test_the_sample_of_a_history_is_the_same_every_time_and_holds_nothing_sensitive(history, tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert keep_sample(history, SCHEMA, tmp_path / name, 1_000) == 1_000
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert "f:secret" not in pq.read_schema(tmp_path / "a").names


def test_the_sample_of_a_history_is_drawn_from_all_of_it(history, tmp_path: Path) -> None:
    keep_sample(history, SCHEMA, tmp_path / "s", 1_000)
    drawn = np.sort(pq.read_table(tmp_path / "s").column("f:distance").to_numpy())
    assert len(np.unique(drawn)) == 1_000
    ecdf = np.abs(drawn / 30_000 - np.arange(1_000) / 1_000).max()
    assert ecdf < 0.0617  # Kolmogorov: exceeded with probability .001 at 1,000 rows


def test_a_short_history_is_kept_whole(history, tmp_path: Path) -> None:
    assert keep_sample(history, SCHEMA, tmp_path / "s", 100_000) == 30_000


def test_the_hash_of_positions_is_a_bijection() -> None:
    assert len(np.unique(hash_positions(np.arange(100_000, dtype=np.uint64)))) == 100_000


def side(**columns) -> Side:
    return Side(4, {name: np.array(column, object if None in column else None) for name, column in columns.items()}, "")


def test_columns_are_left_out_by_name_with_a_reason() -> None:
    live = side(a=[1.0, 2, 3, 4], new=[1.0] * 4, empty=[np.nan] * 4, same=[5.0] * 4)
    reference = side(a=[1.0, 2, 3, 4], gone=[1.0] * 4, empty=[1.0] * 4, same=[5.0] * 4)
    cleaned = clean(live, reference, "label")
    assert set(cleaned.left_out) == {"new", "gone", "empty"}
    assert cleaned.constant == ["same"]
    assert cleaned.numeric == ["a", "same"]


def test_infinities_and_integers_beyond_doubles_are_counted() -> None:
    live = side(a=[np.inf, -np.inf, 2.0**53, np.nan])
    note = clean(live, side(a=[1.0, 2, 3, 4]), "label").notes[0]
    assert (note.live.non_finite, note.live.inexact, note.live.missing) == (2, 1, 1)


def test_a_flood_of_new_categories_is_pooled_and_some_of_it_shown() -> None:
    new = np.array([f"new{i}" for i in range(500)], object)
    known = np.array([f"old{i % 60}" for i in range(500)], object)
    cleaned = clean(Side(500, {"c": new}, ""), Side(500, {"c": known}, ""), "label")
    live, reference = cleaned.pooled()
    assert len({*live["c"], *reference["c"]} - {POOLED}) == CATEGORIES_MAX
    assert sum(word.startswith("new") for word in {*live["c"]}) == 10


@given(st.text(max_size=200))
def test_a_tidy_text_can_leave_no_script(text: str) -> None:
    assert not set(tidy(text)) & set("<>&`\\\n\0")
    assert len(tidy(text)) <= 64
    assert tidy(tidy(text)) == tidy(text)
