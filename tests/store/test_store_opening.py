"""What the store refuses to open, and why."""

from pathlib import Path

import apsw
import numpy as np
import pytest
from storeworld import add, open_store, receipts, send, submission

from monitor.errors import Corrupt, Permanent
from monitor.store.disk import free_bytes, reserve_bytes
from monitor.store.looking import look_at
from monitor.store.parts import Limits
from monitor.store.protocol import Change, WaitingLabel
from monitor.store.tables import APPLICATION_ID, STEPS


def test_a_second_process_is_refused_and_the_first_harmed_by_nothing(tmp_path):
    store = open_store(tmp_path)
    with pytest.raises(Permanent, match="in use"):
        open_store(tmp_path)
    assert send(store, submission("a")) == [None]
    store.close()
    open_store(tmp_path).close()


def test_a_later_format_is_refused_by_name(tmp_path):
    open_store(tmp_path).close()
    db = apsw.Connection(str(tmp_path / "state.db"))
    db.pragma("user_version", len(STEPS) + 1)
    db.close()
    with pytest.raises(Permanent, match=f"format {len(STEPS) + 1}.*upgrade"):
        open_store(tmp_path)


def before_places(directory):
    """A state as format 3 left it, two labels of two folds waiting for one prediction."""
    db = apsw.Connection(str(directory / "state.db"))
    for step in STEPS[:3]:
        db.execute(step)
    rows = [("m", 1, "audit", 0.0, 5.0, 20.0, 1e9, 1), ("m", 1, "ops", 1.0, 5.0, 10.0, 1e9, 1)]
    db.executemany("INSERT INTO waiting VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
    db.execute("INSERT INTO meta VALUES ('secret', ?)", (b"s" * 32,))
    db.pragma("application_id", APPLICATION_ID)
    db.pragma("user_version", 3)
    db.close()


def test_labels_that_waited_in_a_state_of_the_format_before_go_on_waiting_oldest_fold_first(tmp_path):
    before_places(tmp_path)
    store = open_store(tmp_path)
    store.commit(Change(waiting=[WaitingLabel("m", 1, "crowd", 0.0, 5.0, 1.0, 1e9, place=1 << 32)]))
    found = store.find_waiting("m", np.array([1], np.uint64))
    assert [(label.source, label.place) for label in found] == [("ops", 0), ("audit", 0), ("crowd", 1 << 32)]
    store.close()


def test_a_state_of_the_format_before_can_be_looked_at(tmp_path):
    before_places(tmp_path)
    with look_at(tmp_path) as looking:
        assert looking.detail_start() <= 0


@pytest.mark.parametrize("version", [2, len(STEPS) + 1])
def test_a_state_of_any_other_format_cannot_be_looked_at(tmp_path, version):
    open_store(tmp_path).close()
    db = apsw.Connection(str(tmp_path / "state.db"))
    db.pragma("user_version", version)
    db.close()
    with pytest.raises(Permanent, match=f"format {version}; this version"), look_at(tmp_path):
        pass


def test_a_database_of_somebody_else_is_refused_untouched(tmp_path):
    db = apsw.Connection(str(tmp_path / "state.db"))
    db.execute("CREATE TABLE theirs (a)")
    db.close()
    with pytest.raises(Permanent, match="not of tocsin"):
        open_store(tmp_path)
    db = apsw.Connection(str(tmp_path / "state.db"))
    assert db.execute("SELECT name FROM sqlite_schema").fetchall() == [("theirs",)]
    db.close()


def test_a_file_that_is_no_database_is_corrupt(tmp_path):
    (tmp_path / "state.db").write_bytes(b"something else entirely, and long enough to be read" * 100)
    with pytest.raises(Corrupt) as damage:
        open_store(tmp_path)
    assert damage.value.path == str(tmp_path / "state.db")
    assert damage.value.hint


def test_a_refused_directory_can_be_opened_once_it_is_mended(tmp_path):
    (tmp_path / "state.db").write_bytes(b"x" * 5_000)
    with pytest.raises(Corrupt):
        open_store(tmp_path)
    (tmp_path / "state.db").unlink()
    open_store(tmp_path).close()


@pytest.mark.parametrize("table", ["waiting", "meta", "runs", "samples", "series", "journal"])
def test_whatever_table_an_opening_stops_at_nothing_stays_open(tmp_path, table):
    open_store(tmp_path).close()
    db = apsw.Connection(str(tmp_path / "state.db"))
    db.execute(f"ALTER TABLE {table} RENAME TO away")
    with pytest.raises(apsw.SQLError, match=table):
        open_store(tmp_path)
    db.execute(f"ALTER TABLE away RENAME TO {table}")
    db.close()
    open_store(tmp_path).close()


def test_damage_met_while_running_fails_the_store(tmp_path):
    fatal = []
    store = open_store(tmp_path, on_fatal=fatal.append)
    store._writer.run(lambda: store._opened.db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE))
    data = bytearray((tmp_path / "state.db").read_bytes())
    data[4_096:] = b"\xff" * (len(data) - 4_096)
    (tmp_path / "state.db").write_bytes(data)
    with pytest.raises((Corrupt, Permanent)):
        store.read_journal(5, 5)
    assert isinstance(fatal[0], Corrupt)
    assert "damaged" in store.health().failed
    store.close()


@pytest.mark.parametrize("name", ["receipts", "journal", "lock/", "state.db/"])
def test_something_in_the_way_is_told_of(tmp_path, name):
    (tmp_path / name).mkdir() if name.endswith("/") else (tmp_path / name).touch()
    with pytest.raises(Permanent):
        open_store(tmp_path)
    (tmp_path / name).rmdir() if name.endswith("/") else (tmp_path / name).unlink()
    open_store(tmp_path).close()


def test_the_reserve_is_256_mib_or_a_twentieth(tmp_path):
    assert reserve_bytes(tmp_path) >= 256 << 20
    assert free_bytes(tmp_path) > 0


def test_bodies_add():
    assert add([b"\1" + b"\0" * 7, b"\2" + b"\0" * 7]) == b"\3" + b"\0" * 7


def test_a_database_that_was_lost_beside_its_records_is_not_begun_anew(tmp_path):
    store = open_store(tmp_path, Limits(free_bytes_min=0, file_bytes_min=1))
    send(store, submission("a"))
    store.close()
    (tmp_path / "state.db").unlink()
    with pytest.raises(Corrupt, match="records are there"):
        open_store(tmp_path)
    assert list((tmp_path / "journal").iterdir())


@pytest.mark.parametrize("lose", [Path.unlink, lambda path: path.write_bytes(b"")], ids=["gone", "empty"])
def test_a_database_that_was_lost_beside_its_receipts_is_not_begun_anew(tmp_path, lose):
    store = open_store(tmp_path)
    store.commit(Change(fold=1, receipts=[receipts(1, 2)]))
    store.close()
    lose(tmp_path / "state.db")
    with pytest.raises(Corrupt, match="receipts are there"):
        open_store(tmp_path)
    assert list((tmp_path / "receipts").glob("*.run"))
