"""The set of runs: bounded by merging, swept at start, never half seen."""

import errno
import threading

import descriptors
import numpy as np
import pytest
from storeworld import MODEL, RECEIPT, WIDER, hashes, open_store, receipts

from monitor.errors import Corrupt, Transient
from monitor.store import Change
from monitor.store.disk import Disk
from monitor.store.keeper import Duties, Keeper
from monitor.store.receipts import FAN_IN, ReceiptRuns, Stopped, together


@pytest.fixture
def quiet(tmp_path, monkeypatch):
    """A store whose keeper only works when the test says so, by `store._keeper.tidy()`."""
    monkeypatch.setattr(Keeper, "kick", lambda self: None)
    stores = []

    def opened(**parts):
        for store in stores:
            store.close()
        stores.append(open_store(tmp_path, **parts))
        return stores[-1]

    monkeypatch.setattr(Keeper, "stop", lambda self: (self._stopping.set(), self._kick.set(), self._thread.join()))
    yield opened
    stores[-1].close()


def files(store):
    return {path.name for path in (store._opened.path.parent / "receipts").iterdir()}


def fold(store, number, *values, time=100.0, dtype=RECEIPT):
    store.commit(Change(fold=number, receipts=[receipts(*values, time=time, dtype=dtype)]))


def test_many_folds_leave_few_files_and_lose_nothing(quiet):
    store = quiet()
    for number in range(1, 8 * FAN_IN + 4):
        fold(store, number, number, 1_000 + number)
        store._keeper.tidy()
    assert len(files(store)) == store.health().run_files == 1 + 3
    found, _ = store.find_receipts(MODEL, hashes(*range(1, 68), *range(1_001, 1_068)), RECEIPT)
    assert found.all()


def test_merged_runs_survive_a_restart_and_the_newest_still_wins(quiet):
    store = quiet()
    for number in range(1, FAN_IN + 1):
        fold(store, number, 7, time=float(number))
    store._keeper.tidy()
    fold(store, 20, 7, time=2.5)
    store = quiet()
    assert store.find_receipts(MODEL, hashes(7), RECEIPT)[1]["time"].tolist() == [2.5]
    assert store.health().run_files == 2


def test_runs_of_another_dtype_are_merged_apart(quiet):
    store = quiet()
    for number in range(1, 2 * FAN_IN + 1):
        fold(store, number, number, dtype=RECEIPT if number % 2 else WIDER)
    store._keeper.tidy()
    assert store.health().run_files == 2
    assert store.find_receipts(MODEL, hashes(*range(1, 17)), RECEIPT)[0].all()


def test_expired_runs_are_deleted(quiet):
    store = quiet()
    fold(store, 1, 1, time=10.0)
    fold(store, 2, 2, time=20.0)
    store.commit(Change(horizon=15.0))
    store._keeper.tidy()
    assert store.health().run_files == len(files(store)) == 1
    assert quiet().find_receipts(MODEL, hashes(1, 2), RECEIPT)[0].tolist() == [False, True]


def test_receipts_of_one_fold_are_one_run_per_model_and_dtype(quiet):
    store = quiet()
    many = [receipts(1), receipts(), receipts(2), receipts(3, dtype=WIDER), receipts(4, model="n")]
    store.commit(Change(fold=1, receipts=many))
    assert store.health().run_files == 3
    assert [each.hashes.tolist() for each in together(many)] == [[1, 2], [3], [4]]


def test_unnamed_files_are_swept_at_start(quiet):
    store = quiet()
    fold(store, 1, 1)
    named = files(store)
    (store._opened.path.parent / "receipts" / "stray.run").write_bytes(b"unfinished")
    (store._opened.path.parent / "receipts" / "stray.run.partial").touch()
    store = quiet()
    assert files(store) == named
    assert store.find_receipts(MODEL, hashes(1), RECEIPT)[0].all()


def test_a_missing_run_stops_the_start(quiet, tmp_path):
    store = quiet()
    fold(store, 1, 1)
    store.close()
    (tmp_path / "receipts" / next(iter(files(store)))).unlink()
    with pytest.raises(Corrupt):
        open_store(tmp_path)


def test_a_damaged_run_is_found_after_a_start_and_named_by_every_search(tmp_path, quiet):
    store = quiet()
    fold(store, 1, 1, 2, 3)
    path = tmp_path / "receipts" / next(iter(files(store)))
    store.close()
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    store = quiet()
    store._opened.runs.verify(threading.Event())
    with pytest.raises(Corrupt) as damage:
        store.find_receipts(MODEL, hashes(1), RECEIPT)
    assert damage.value.path == str(path)


def test_damage_gets_no_fresh_checksum_by_a_merge(quiet, tmp_path):
    store = quiet()
    for number in range(1, FAN_IN + 1):
        fold(store, number, number)
    path = tmp_path / "receipts" / min(files(store))
    with path.open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\xff")
    with pytest.raises(Corrupt):
        store._keeper.tidy()
    assert store.health().run_files == FAN_IN


def test_a_fold_that_finds_no_descriptor_left_fails_for_now_and_leaves_no_file(quiet):
    disk, fatal = descriptors.TakenByOthers(), []
    store = quiet(disk=disk, on_fatal=fatal.append)
    fold(store, 1, 1)
    before = files(store)
    with disk.greedy(), pytest.raises(Transient, match="open files"):
        fold(store, 2, 2)
    assert (files(store), fatal, store.health().failed) == (before, [], "")
    fold(store, 2, 2)
    assert store.find_receipts(MODEL, hashes(1, 2), RECEIPT)[0].all()


def test_a_merge_that_finds_no_descriptor_left_is_made_later_and_searches_go_on(quiet):
    disk = descriptors.TakenByOthers()
    store = quiet(disk=disk)
    for number in range(1, FAN_IN + 1):
        fold(store, number, number)
    before = files(store)
    with disk.greedy(), pytest.raises(OSError, match="open files") as refused:
        store._keeper.tidy()
    store._keeper._stopping.set()  # or it would rest
    store._keeper._handle(refused.value)
    store._keeper._stopping.clear()
    assert (refused.value.errno, files(store), store._keeper.failures) == (errno.EMFILE, before, 1)
    assert store.find_receipts(MODEL, hashes(*range(1, FAN_IN + 1)), RECEIPT)[0].all()
    store._keeper.tidy()
    assert store.health().run_files == len(files(store)) == 1


def test_a_merge_waits_while_it_would_eat_into_the_reserve(quiet):
    free = [1 << 40]
    store = quiet(free_bytes=lambda: free[0])
    for number in range(1, FAN_IN + 1):
        fold(store, number, number)
    free[0] = 1 << 20
    store._keeper.tidy()
    assert store.health().run_files == FAN_IN
    free[0] = 1 << 40
    store._keeper.tidy()
    assert store.health().run_files == 1


def test_a_merge_is_given_up_when_the_store_closes(tmp_path):
    runs = ReceiptRuns(tmp_path / "receipts", Disk())
    entries = [runs.write(receipts(value)) for value in (1, 2)]
    stopping = threading.Event()
    stopping.set()
    with pytest.raises(Stopped):
        runs.merge(entries, 0.0, stopping)
    assert len(list((tmp_path / "receipts").iterdir())) == 2


def test_an_error_of_the_keeper_is_counted_and_the_next_kick_tries_again(tmp_path):
    runs = ReceiptRuns(tmp_path / "receipts", Disk())
    runs.files.replace((), [runs.write(receipts(value)) for value in range(FAN_IN)])
    renamed, told = threading.Event(), threading.Event()
    results = [OSError(28, "no space"), None]

    def rename(old, new):
        error = results.pop(0)
        if error:
            raise error
        runs.files.replace(old, new)
        renamed.set()

    keeper = Keeper(runs, Duties(rename, lambda: 0.0, lambda: 1 << 40, lambda error: told.set()))
    keeper._stopping.wait = lambda timeout=None: False  # no rest between the two
    keeper.kick()
    assert told.wait(60)
    keeper.kick()
    assert renamed.wait(60)
    keeper.stop()
    assert keeper.failures == 1


def test_searches_see_all_receipts_while_runs_are_merged(tmp_path):
    store = open_store(tmp_path)
    expected = np.arange(1, 400, dtype=np.uint64)
    fold(store, 1, *expected.tolist())
    for number in range(2, 120):
        fold(store, number, 1_000 + number)
        assert store.find_receipts(MODEL, expected, RECEIPT)[0].all()
    store.close()
