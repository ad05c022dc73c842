"""Labels before the horizon are deleted by walking through all of them, now and then, a chunk at a time."""

import numpy as np
import pytest
from storeworld import MODEL, hashes, open_store, rows_of, settle

from monitor.store import Change, StoredLabel, labels
from monitor.store.labels import WALK_EVERY_S, WALKED, LabelWalk, prepared

HOUR = WALK_EVERY_S


@pytest.fixture
def store(tmp_path):
    opened = open_store(tmp_path)
    yield opened
    opened.close()


def stored(key, time, source="ops", said=1.0):
    return StoredLabel(MODEL, key, source, said, 1, 150.0, time)


def put(store, count, time, seed=0):
    keys = np.random.default_rng(seed).integers(0, 2**64 - 1, count, np.uint64).tolist()
    store.commit(Change(labels=[stored(key, time) for key in keys]))


def move(store, horizon):
    store.commit(Change(horizon=horizon))
    settle(store)


def test_labels_from_before_the_horizon_are_deleted_whatever_their_number(store):
    put(store, 2 * WALKED + 7, 10.0, seed=1)
    put(store, 5, 30.0, seed=2)
    move(store, 20.0)
    assert rows_of(store, "labels") == 5


def test_a_walk_looks_at_no_more_than_a_chunk_at_a_time(store):
    put(store, 3 * WALKED, 10.0)
    walk = LabelWalk(store._opened.db)
    assert walk.due(20.0)
    left = []
    while store._writer.run(walk.step):
        left.append(rows_of(store, "labels"))
    assert left == [2 * WALKED, WALKED, 0]


def test_small_moves_of_the_horizon_begin_no_walk_of_their_own(store):
    move(store, 20.0)
    put(store, 3, 25.0)
    move(store, 30.0)
    assert rows_of(store, "labels") == 3
    move(store, 20.0 + HOUR)
    assert rows_of(store, "labels") == 0


def test_after_a_restart_the_first_commit_walks(tmp_path):
    first = open_store(tmp_path)
    put(first, 3, 10.0)
    first._opened.walk._begun = 1e12  # no walk in this life
    first.commit(Change(horizon=20.0))
    first.close()
    again = open_store(tmp_path)
    settle(again)
    assert rows_of(again, "labels") == 0
    again.close()


def test_labels_are_written_in_the_order_of_their_keys_and_the_last_of_equal_ones_wins(store):
    said = [stored(2**64 - 1, 10.0), stored(1, 10.0, said=0.5), stored(7, 10.0), stored(1, 10.0, said=2.0)]
    keys = [row[1] for row in prepared(said, ()).labels]
    assert keys == sorted(keys)
    store.commit(Change(labels=said))
    assert [each.label for each in store.find_labels(MODEL, hashes(1))] == [2.0]


def test_every_hash_survives_the_way_to_sqlite_and_back():
    for value in (0, 1, 2**63 - 1, 2**63, 2**64 - 1):
        assert labels.unsigned(labels.signed(value)) == value
