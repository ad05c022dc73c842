"""Files of samples: named with the fold, merged, dropped by age and quota, and no danger when they are lost."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from storeworld import MODEL, open_store

from monitor.clock import ManualClock
from monitor.store import Change, Quota, Samples
from monitor.store.keeper import Keeper
from monitor.store.parts import Limits
from monitor.store.samples import FAN_IN, RETIRED_S


@pytest.fixture
def clock():
    return ManualClock(1_000.0)


@pytest.fixture
def quiet(tmp_path, monkeypatch, clock):
    """A store whose keeper only works when the test says so, by `store._keeper.tidy()`."""
    monkeypatch.setattr(Keeper, "kick", lambda self: None)
    monkeypatch.setattr(Keeper, "stop", lambda self: (self._stopping.set(), self._kick.set(), self._thread.join()))
    stores = []

    def opened(quota=None, **parts):
        for store in stores:
            store.close()
        limits = Limits(free_bytes_min=1 << 20, quotas={MODEL: quota or Quota()})
        stores.append(open_store(tmp_path, limits, **({"clock": clock} | parts)))
        return stores[-1]

    yield opened
    stores[-1].close()


def rows(*times, column="x"):
    return pa.table({"time": pa.array(times, pa.float64()), column: pa.array(range(len(times)), pa.int64())})


def fold(store, *times, column="x", model=MODEL, now=None):
    number = store.position().fold + 1
    store.commit(Change(fold=number, samples=[Samples(model, rows(*times, column=column))], now=now))


def times_of(store, start=0.0, end=1e12, model=MODEL):
    return [one for file in store.samples(model, start, end) for one in pq.read_table(file.path)["time"].to_pylist()]


def on_disk(store):
    return {path.name for path in (store._opened.path.parent / "samples").iterdir()}


def test_a_sample_is_there_after_the_commit_and_after_a_restart(quiet):
    store = quiet()
    fold(store, 10.0, 20.0)
    (file,) = store.samples(MODEL, 0, 100)
    assert (file.start, file.end, file.rows, file.size) == (10.0, 20.0, 2, file.path.stat().st_size)
    assert times_of(store) == times_of(quiet()) == [10.0, 20.0]


@pytest.mark.parametrize(("start", "end", "found"), [(0, 10, False), (0, 11, True), (20, 30, True), (21, 30, False)])
def test_files_are_found_by_time(quiet, start, end, found):
    store = quiet()
    fold(store, 10.0, 20.0)
    assert bool(store.samples(MODEL, start, end)) == found


def test_a_fold_without_rows_writes_no_file(quiet):
    store = quiet()
    fold(store)
    assert on_disk(store) == set()


def test_models_and_schemas_get_files_of_their_own(quiet):
    store = quiet()
    samples = [Samples(MODEL, rows(1.0)), Samples("n", rows(2.0)), Samples(MODEL, rows(3.0, column="y"))]
    store.commit(Change(fold=1, samples=[*samples, Samples(MODEL, rows(4.0))]))
    assert sorted(times_of(store)) == [1.0, 3.0, 4.0]
    assert len(on_disk(store)) == store.health().samples[MODEL].files + store.health().samples["n"].files == 3


def test_many_folds_leave_few_files_and_lose_no_row(quiet):
    store = quiet()
    for number in range(FAN_IN * FAN_IN + 3):
        fold(store, float(number))
        store._keeper.tidy()
    assert store.health().samples[MODEL].files == 1 + 3
    assert sorted(times_of(store)) == [float(number) for number in range(FAN_IN * FAN_IN + 3)]


def test_files_of_another_schema_are_merged_apart(quiet):
    store = quiet()
    for number in range(2 * FAN_IN):
        fold(store, float(number), column="xy"[number % 2])
    store._keeper.tidy()
    assert store.health().samples[MODEL].files == 2


def test_a_merged_file_can_be_read_for_a_while_and_is_then_deleted(quiet, clock):
    store = quiet()
    for number in range(FAN_IN):
        fold(store, float(number))
    before = store.samples(MODEL, 0, 100)
    store._keeper.tidy()
    assert all(file.path.exists() for file in before)
    clock.step(clock.now() + RETIRED_S)
    store._keeper.tidy()
    assert on_disk(store) == {store.samples(MODEL, 0, 100)[0].path.name}


def test_rows_that_are_too_old_are_hidden_at_once_and_deleted_later(quiet):
    store = quiet(Quota(samples_age_max_s=100.0))
    fold(store, 10.0)
    fold(store, 50.0, now=115.0)
    assert times_of(store) == [50.0]
    store._keeper.tidy()
    assert len(on_disk(store)) == 1
    assert store.health().samples[MODEL].over_quota == 0
    assert times_of(quiet(Quota(samples_age_max_s=100.0))) == [50.0]


def test_over_the_quota_the_oldest_files_go_and_their_rows_are_counted(quiet):
    store = quiet()
    for number in range(4):
        fold(store, float(number), float(number))
    size = store.samples(MODEL, 0, 10)[0].size
    store = quiet(Quota(samples_bytes_max=2 * size + size // 2))
    store._keeper.tidy()
    assert times_of(store) == [2.0, 2.0, 3.0, 3.0]
    health = store.health().samples[MODEL]
    assert (health.rows, health.over_quota) == (4, 4)
    assert len(on_disk(store)) == 2


@pytest.mark.parametrize("quota", [Quota(samples_bytes_max=1 << 14), Quota(samples_age_max_s=16.0)])
def test_no_merge_makes_a_file_that_is_much_of_what_may_be_kept(quiet, quota):
    store = quiet(quota)
    for number in range(FAN_IN):
        fold(store, float(number))
    store._keeper._duties.also(store._keeper._stopping)
    assert not [file for file in store.samples(MODEL, 0, 100) if file.rows > 1]


def test_a_merge_waits_while_it_would_eat_into_the_reserve(quiet):
    free = [1 << 20]
    store = quiet(free_bytes=lambda: free[0])
    for number in range(FAN_IN):
        fold(store, float(number))
    store._keeper.tidy()
    assert store.health().samples[MODEL].files == FAN_IN
    free[0] = 1 << 40
    store._keeper.tidy()
    assert store.health().samples[MODEL].files == 1


def test_unnamed_files_are_swept_at_start(quiet):
    store = quiet()
    fold(store, 1.0)
    named = on_disk(store)
    (store._opened.path.parent / "samples" / "stray.parquet").write_bytes(b"unfinished")
    (store._opened.path.parent / "samples" / "stray.parquet.partial").touch()
    assert on_disk(quiet()) == named


@pytest.mark.parametrize("harm", [lambda path: path.unlink(), lambda path: path.write_bytes(b"short")])
def test_a_sample_that_was_lost_stops_nothing_and_is_counted(quiet, harm):
    store = quiet()
    fold(store, 1.0)
    fold(store, 2.0, 2.0)
    harm(store.samples(MODEL, 0, 10)[1].path)
    store = quiet()
    assert times_of(store) == [1.0]
    assert store.health().samples[MODEL].lost == 2
    assert quiet().health().samples[MODEL].lost == 0  # it was told once


def test_damage_gets_no_fresh_checksum_by_a_merge_and_stops_nothing(quiet):
    store = quiet()
    for number in range(FAN_IN + 1):
        fold(store, *(float(number) for _ in range(1_000)))
    path = store.samples(MODEL, 0, 0.5)[0].path
    data = bytearray(path.read_bytes())
    data[len(data) // 4 : len(data) // 3] = np.random.default_rng(0).bytes(len(data) // 3 - len(data) // 4)
    path.write_bytes(data)
    store._keeper.tidy()
    assert set(times_of(store)) == {float(number) for number in range(1, FAN_IN + 1)}
    assert store.health().samples[MODEL].lost == 1_000


def test_labels_of_kept_rows_are_found_by_their_hash(quiet):
    store = quiet()
    table = rows(1.0).append_column("id_hash", pa.array([2**64 - 1], pa.uint64()))
    store.commit(Change(fold=1, samples=[Samples(MODEL, table)]))
    (file,) = store.samples(MODEL, 0, 10)
    hashes = pq.read_table(file.path)["id_hash"].to_numpy()
    assert hashes.dtype == np.uint64
    assert store.find_labels(MODEL, hashes) == []
