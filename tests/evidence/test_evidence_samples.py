"""What is chosen of a sample is a simple random sample again; what is drawn from a profile has its marginals."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from evidenceworld import PRICES, SCHEMA, job, sample
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import Corrupt
from monitor.evidence.worker.samples import LABEL, PREDICTION, choose, read_live, read_reference, reserved
from monitor.evidence.worker.synthetic import apportion, spread
from monitor.facts import Feature, FeatureKind, Schema

IDS = np.arange(20_000, dtype=np.uint64)


def test_rows_that_were_always_kept_weigh_no_more_than_the_others() -> None:
    """Of 10,000 rows kept with 1 and 10,000 with .1 (100,000 before) thinning keeps the first at .1: 1 in 11."""
    kept_with = np.where(IDS < 10_000, 1.0, 0.1)
    chosen, how = choose(IDS, kept_with, 20_000)
    assert (chosen < 10_000).sum() == pytest.approx(1_000, abs=150)  # binomial, sd 30: five of them
    assert (chosen >= 10_000).sum() == 10_000
    assert "thinned to an even 10.00%" in how


def test_a_cut_to_rows_max_favours_no_stratum() -> None:
    kept_with = np.where(IDS < 10_000, 1.0, 0.1)
    chosen, _ = choose(IDS, kept_with, 1_100)
    assert len(chosen) == 1_100
    assert (chosen < 10_000).sum() == pytest.approx(100, abs=60)  # sd at most 10, and that of thinning: 5 of them


def test_the_same_rows_are_chosen_every_time_and_in_their_order() -> None:
    first, _ = choose(IDS, np.full(20_000, 0.5), 500)
    second, _ = choose(IDS, np.full(20_000, 0.5), 500)
    assert first.tolist() == second.tolist() == sorted(first)


def test_a_row_of_unknown_probability_is_left_out_and_said() -> None:
    chosen, how = choose(IDS[:5], np.array([0.5, np.nan, 0.0, 2.0, 0.5]), 10)
    assert chosen.tolist() == [0, 4]
    assert "3 of unknown probability left out" in how


def test_only_rows_of_the_window_and_the_epoch_are_read(tmp_path: Path) -> None:
    epochs = np.where(np.arange(400) < 300, 3, 4).astype(np.uint32)
    path = sample(tmp_path / "s.parquet", time=np.arange(400.0), epoch=epochs)
    assert read_live(job(path, start=100.0, end=350.0, epoch=3)).n == 200


def test_a_row_that_is_in_two_files_is_one_row(tmp_path: Path) -> None:
    path = sample(tmp_path / "s.parquet")
    assert read_live(job(path, samples=(str(path), str(path)))).n == 400


def test_columns_that_one_file_lacks_are_missing_there(tmp_path: Path) -> None:
    ids = np.arange(400, dtype=np.uint64)
    one = sample(tmp_path / "1.parquet", **{"f:delay": None, "f:origin": None})
    two = sample(tmp_path / "2.parquet", id_hash=ids)
    side = read_live(job(one, samples=(str(one), str(two))))
    assert side.n == 800
    assert np.isnan(side.columns["delay"]).sum() == 400
    assert sum(word is None for word in side.columns["origin"]) == 400


def test_labels_of_a_file_of_their_own_are_joined_by_id(tmp_path: Path) -> None:
    path = sample(tmp_path / "s.parquet", label=None, id_hash=np.arange(400, dtype=np.uint64))
    labels = sample(tmp_path / "l.parquet", 3, id_hash=np.array([7, 5, 900], np.uint64), label=np.array([1.0, 0, 1]))
    side = read_live(job(path, labels=str(labels)))
    assert side.columns[LABEL][[5, 7]].tolist() == ["on time", "late"]
    assert sum(label is not None for label in side.columns[LABEL]) == 2


def test_a_feature_keeps_its_name_beside_ours() -> None:
    schema = Schema(SCHEMA.model, (Feature("score", FeatureKind.NUMERIC),), ("a", "b"), "b")
    assert (reserved(schema, "score"), reserved(schema, PREDICTION)) == ("tocsin_score", "prediction")


def test_a_reference_sample_of_another_schema_is_refused(tmp_path: Path) -> None:
    path = sample(tmp_path / "r.parquet")
    assert read_reference(job(path, path)).n == 400
    with pytest.raises(Corrupt, match="another schema"):
        read_reference(job(path, path, schema=PRICES))


def test_an_id_hash_of_eight_bytes_is_the_same_number(tmp_path: Path) -> None:
    ids = np.arange(400, dtype=np.uint64)
    packed = [int(each).to_bytes(8, "little") for each in ids]
    path = sample(tmp_path / "s.parquet", id_hash=packed)
    assert pq.read_schema(path).field("id_hash").type == "binary"
    assert read_live(job(path)).n == 400


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=30), st.integers(0, 5_000))
def test_rows_are_apportioned_exactly_and_within_one_of_their_share(counts: list[int], n: int) -> None:
    parts = apportion(tuple(counts), n)
    assert sum(parts) == n
    total = sum(counts)
    if total:
        assert all(abs(part - count * n / total) < 1 for part, count in zip(parts, counts, strict=True))


def test_drawn_values_fill_their_bins_evenly_and_gaps_stay_gaps() -> None:
    drawn = spread((0.0, 1.0, 3.0), (30, 10), 10, 100)
    assert np.isnan(drawn).sum() == 20
    assert (drawn < 1).sum() == 60
    assert np.nanmean(drawn[drawn < 1]) == pytest.approx(0.5)
    assert np.nanmax(drawn) < 3
