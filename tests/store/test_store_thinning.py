"""Receipts over their quota are sampled by hash: no bias, the old ones first, and nobody is left to guess."""

import apsw
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from storefaults import FaultyDisk, FaultyVfs, Plan
from storeworld import MODEL, RECEIPT, hashes, open_store

from monitor.errors import TocsinError
from monitor.store import Change, Quota, Receipts
from monitor.store.disk import Disk, SyncFailed
from monitor.store.keeper import Keeper
from monitor.store.parts import Limits
from monitor.store.receipts import ReceiptRuns

ROW = 8 + RECEIPT.itemsize
N = 1_000  # receipts of a fold


@pytest.fixture
def quiet(tmp_path, monkeypatch):
    """A store with a quota whose keeper only works when the test says so."""
    monkeypatch.setattr(Keeper, "kick", lambda self: None)
    monkeypatch.setattr(Keeper, "stop", lambda self: (self._stopping.set(), self._kick.set(), self._thread.join()))
    stores = []

    def opened(rows_max, **parts):
        for store in stores:
            store.close()
        stores.append(open_store(tmp_path, limits(rows_max), **parts))
        return stores[-1]

    yield opened
    stores[-1].close()


def limits(rows_max):
    return Limits(free_bytes_min=0, quotas={MODEL: Quota(receipts_bytes_max=rows_max * ROW)})


def random_keys(seed, n=N):
    return np.random.default_rng(seed).integers(0, 2**64 - 1, n, np.uint64, endpoint=True)


def fold(store, number, keys, start=None):
    """Receipts of one hour, the `number`-th unless told otherwise."""
    records = np.zeros(len(keys), RECEIPT)
    records["time"] = (3_600.0 * number if start is None else start) + np.linspace(0, 3_599, len(keys))
    store.commit(Change(fold=number, receipts=[Receipts(MODEL, keys, records)]))


def inclusions(store):
    return [entry.run.shape.inclusion for entry in store._opened.runs.files.of(MODEL)]


def test_under_the_quota_nothing_is_dropped(quiet):
    store = quiet(N)
    fold(store, 1, random_keys(1))
    store._keeper.tidy()
    assert store.health().receipts[MODEL] == (N, 0, N * ROW, 1.0)
    assert store.receipts_kept_share(MODEL, 0, 1e9) == 1.0


def test_over_the_quota_the_lower_half_of_the_hashes_stays(quiet):
    store, keys = quiet(N - 1), random_keys(1)
    fold(store, 1, keys)
    store._keeper.tidy()
    found, _ = store.find_receipts(MODEL, keys, RECEIPT)
    assert found.tolist() == (keys < np.uint64(2**63)).tolist()


def test_what_was_dropped_is_counted_and_said(quiet):
    store, keys = quiet(N - 1), random_keys(1)
    fold(store, 1, keys)
    store._keeper.tidy()
    kept = int(np.count_nonzero(keys < np.uint64(2**63)))
    assert store.health().receipts[MODEL] == (kept, N - kept, kept * ROW, 0.5)
    assert store.health().receipts_thinned == N - kept
    assert store.receipts_kept_share(MODEL, 0, 1e9) == kept / N
    assert store.receipts_kept_share(MODEL, 1e6, 1e9) is None


def test_thinning_outlives_a_restart(quiet):
    store = quiet(N - 1)
    fold(store, 1, random_keys(1))
    store._keeper.tidy()
    before = store.health().receipts
    assert quiet(N - 1).health().receipts == before


def test_old_receipts_are_thinned_most_and_the_newest_not_at_all(quiet):
    store = quiet(3 * N)
    for number in range(1, 8):
        fold(store, number, random_keys(number))
        store._keeper.tidy()
    assert inclusions(store) == sorted(inclusions(store))
    assert inclusions(store)[-1] == 1.0
    assert inclusions(store)[0] < 0.5


def test_quotas_are_per_model(quiet):
    store = quiet(N)
    fold(store, 1, random_keys(1))
    other = np.zeros(5 * N, RECEIPT)
    store.commit(Change(fold=2, receipts=[Receipts("n", random_keys(2, 5 * N), other)]))
    store._keeper.tidy()
    assert {model: kept.dropped for model, kept in store.health().receipts.items()} == {MODEL: 0, "n": 0}


def test_thinning_waits_while_it_would_eat_into_the_reserve(quiet):
    free = [0]
    store = quiet(1, free_bytes=lambda: free[0])
    store._limits = limits(1)
    fold(store, 1, random_keys(1))
    store._keeper.tidy()
    assert store.health().receipts_thinned == 0
    free[0] = 1 << 40
    store._keeper.tidy()
    assert store.health().receipts[MODEL].rows <= 1


@settings(max_examples=25)
@given(
    folds=st.lists(st.integers(0, 300), min_size=1, max_size=12),
    rows_max=st.integers(1, 600),
    horizon=st.integers(0, 5),
)
def test_whatever_comes_the_quota_holds_and_what_is_kept_is_what_the_thresholds_say(
    tmp_path_factory, folds, rows_max, horizon
):
    runs = ReceiptRuns(tmp_path_factory.mktemp("r") / "receipts", Disk())
    keeper = TidyOnly(runs, limits(rows_max).quotas[MODEL].receipts_bytes_max, 3_600.0 * horizon)
    keys = [random_keys(number, n) for number, n in enumerate(folds)]
    for number, each in enumerate(keys):
        records = np.zeros(len(each), RECEIPT)
        records["time"] = 3_600.0 * number
        runs.files.replace((), [runs.write(Receipts(MODEL, each, records))] if len(each) else [])
        keeper.tidy()
    assert sum(entry.run.size for entry in runs.files.every()) <= rows_max * ROW
    whole = np.concatenate(keys)
    times = np.repeat(3_600.0 * np.arange(len(folds)), folds)
    alive = times >= 3_600.0 * horizon
    found, _ = runs.find(MODEL, whole, RECEIPT, 3_600.0 * horizon)
    assert not found[~alive].any()
    assert (runs.sampled_out(MODEL, whole, times) | found)[alive].all()  # nothing is dropped without being known
    assert not (runs.sampled_out(MODEL, whole, times) & found).any()


class TidyOnly(Keeper):
    """A keeper without a thread."""

    def __init__(self, runs, bytes_max, horizon):
        from threading import Event

        from monitor.store.keeper import Duties

        def rename(old, new):
            runs.files.replace(old, new)
            runs.files.remove(old)

        self._runs, self._stopping = runs, Event()
        self._duties = Duties(rename, lambda: horizon, lambda: 1 << 60, lambda _: True, lambda _: bytes_max)


def test_a_share_among_what_is_left_is_the_share_among_all(quiet):
    """Half of the records are marked; of the m that are left about half are: binomial, 4.5 standard errors, 7e-6."""
    store, keys = quiet(2_000), random_keys(3, 64_000)
    records = np.zeros(len(keys), RECEIPT)
    records["epoch"] = np.arange(len(keys)) % 2
    store.commit(Change(fold=1, receipts=[Receipts(MODEL, keys, records)]))
    store._keeper.tidy()
    found, left = store.find_receipts(MODEL, keys, RECEIPT)
    m = int(found.sum())
    assert 1_000 < m <= 2_000
    assert abs(left["epoch"][found].mean() - 0.5) < 4.5 * 0.5 / np.sqrt(m)


# ---------------------------------------------------------------- what a label without a receipt is


def test_a_label_of_a_dropped_prediction_is_known_to_be_sampled_out(quiet):
    store = quiet(N - 1)
    fold(store, 1, random_keys(1))
    store._keeper.tidy()
    keys = hashes(2**63, 2**63 - 1)  # neither has ever come
    assert store.sampled_out(MODEL, keys, np.full(2, 4_000.0)).tolist() == [True, False]


@pytest.mark.parametrize("time", [0.0, 1e9, float("nan")])
def test_where_no_receipts_are_known_a_label_waits(quiet, time):
    store = quiet(N - 1)
    fold(store, 1, random_keys(1))
    store._keeper.tidy()
    assert store.sampled_out(MODEL, hashes(2**64 - 1), np.array([time])).tolist() == [False]


def test_where_a_younger_run_stands_for_the_same_time_a_label_waits(quiet):
    store = quiet(N + 10)
    fold(store, 1, random_keys(1))
    store._keeper.tidy()
    fold(store, 2, random_keys(2, 20), start=3_600.0)  # late rows of the same hour
    store._opened.runs.files.replace((), ())
    assert store.sampled_out(MODEL, hashes(2**64 - 1), np.array([4_000.0])).tolist() == [False]


# ---------------------------------------------------------------- hints


@pytest.mark.parametrize("near", [None, [3_700.0], [1e9], [float("nan")], [0.0]])
def test_a_hint_changes_no_answer(quiet, near):
    store = quiet(100 * N)
    for number in (1, 2, 3):
        fold(store, number, hashes(number))
    hint = None if near is None else np.array(near * 3)
    found, records = store.find_receipts(MODEL, hashes(3, 1, 9), RECEIPT, hint)
    assert found.tolist() == [True, True, False]
    assert records["time"].tolist() == [3 * 3_600.0, 3_600.0, 0.0]


def test_a_right_hint_spares_the_other_runs(quiet, monkeypatch):
    store = quiet(100 * N)
    for number in range(1, 6):
        fold(store, number, random_keys(number))
    looked = []
    real = type(store._opened.runs.files.of(MODEL)[0].run).find
    monkeypatch.setattr("monitor.store.runs.Run.find", lambda run, keys: (looked.append(len(keys)), real(run, keys))[1])
    store.find_receipts(MODEL, random_keys(2), RECEIPT, 7_200.0 + np.linspace(0, 3_599, N))
    assert looked == [N]


# ---------------------------------------------------------------- crashes


def thinning_life(path, plan):
    """Fold twice over a quota of one fold, thin, and again; errors end it."""
    vfs = FaultyVfs(plan)
    store = None
    try:
        store = open_store(path, limits(N), vfs=vfs.name, disk=FaultyDisk(plan))
        for number in (1, 2):
            fold(store, number, random_keys(number))
            store._keeper.tidy()
    except (TocsinError, OSError, SyncFailed, apsw.Error):
        pass
    finally:
        if store:
            store.close()
        vfs.unregister()


def test_a_power_cut_while_thinning_leaves_the_run_before_or_after_it(tmp_path, monkeypatch):
    monkeypatch.setattr(Keeper, "kick", lambda self: None)
    monkeypatch.setattr(Keeper, "stop", lambda self: (self._stopping.set(), self._kick.set(), self._thread.join()))
    everything = frozenset({"write", "sync", "truncate", "delete", "create", "rename", "remove"})
    for at in range(1, 400, 2):
        plan = Plan(at, everything, apsw.SQLITE_IOERR_WRITE)
        thinning_life(tmp_path / str(at), plan)
        if not plan.struck:
            break
        plan.cut(seed=at)
        check_thinned(tmp_path / str(at))
    assert at > 50


def check_thinned(path):
    """Every receipt of a committed fold is there, or its run says that it was sampled out."""
    store = open_store(path, limits(N))
    try:
        for number in range(1, store.position().fold + 1):
            keys = random_keys(number)
            store._opened.runs.verify(store._keeper._stopping)
            found, _ = store.find_receipts(MODEL, keys, RECEIPT)
            out = store.sampled_out(MODEL, keys, 3_600.0 * number + np.linspace(0, 3_599, N))
            assert (found ^ out).all()
    finally:
        store.close()
