"""Large records of the journal lie in files: written before they are named, removed after nobody names them."""

from pathlib import Path

import descriptors
import pytest
from storeworld import MODEL, claim, encode, fold, ids_in, open_store, rows_of, send, settle, submission

from monitor.errors import Corrupt, Transient
from monitor.facts import Encoded, RowKind, Submission
from monitor.store import Change
from monitor.store.disk import Disk
from monitor.store.parts import Limits
from monitor.store.records import SPARES_MAX, RecordFiles
from monitor.store.writer import Pace

LARGE = 1_000


def limits(**changes):
    return Limits(**({"free_bytes_min": 0, "file_bytes_min": LARGE} | changes))


@pytest.fixture
def opened(tmp_path):
    """Opens the same state as often as it is called, and closes it each time before."""
    stores = []

    def again(**changes):
        for store in stores:
            store.close()
        stores.append(open_store(tmp_path, limits(**changes)))
        return stores[-1]

    yield again
    stores[-1].close()


def ready(*ids, key=None):
    """A submission that is encoded already, and large."""
    body = encode(RowKind.PREDICTIONS, MODEL, submission(*ids).rows).ljust(LARGE)
    promise = None if key is None else claim(key)
    return Submission(RowKind.PREDICTIONS, MODEL, [], len(body), promise, Encoded(body, len(ids), 5.0))


def files(path):
    return sorted((path / "journal").iterdir())


def everything(store):
    return ids_in(store.read_journal(store.last_seq(), 1_000_000))


def test_a_large_record_lies_in_a_file_and_is_read_as_it_was_written(opened, tmp_path):
    store = opened()
    send(store, ready("a", "b"))
    assert [path.stat().st_size for path in files(tmp_path)] == [LARGE]
    (record,) = store.read_journal(9, 100)
    assert (record.seq, record.rows, bytes(record.body)) == (1, 2, b'["a", "b"]'.ljust(LARGE))


def test_a_small_record_lies_in_the_table(opened, tmp_path):
    store = opened()
    send(store, submission("a"))
    assert (files(tmp_path), everything(store)) == ([], ["a"])


def test_the_records_of_one_commit_share_a_file(opened, tmp_path):
    store = opened()
    send(store, ready("a"), submission("b"), ready("c"))
    assert len(files(tmp_path)) == 1
    assert sorted(everything(store)) == ["a", "b", "c"]
    assert store.health().journal_bytes == 2 * LARGE + len('["b"]')


def test_large_records_survive_a_restart(opened):
    send(opened(), ready("a"), ready("b"))
    store = opened()
    assert everything(store) == ["a", "b"]
    assert store.health().journal_rows == 2


def folded(store, cursor):
    """Take records as counted, and wait until nothing names their files."""
    store.commit(Change(fold=store.position().fold + 1, cursor=cursor))
    settle(store)


def test_a_file_is_spare_when_none_of_its_records_is_left(opened, tmp_path):
    store = opened()
    send(store, ready("a"), ready("b"))
    folded(store, 1)
    assert (store._opened.records.spares, everything(store)) == (0, ["b"])
    folded(store, 2)
    assert (store._opened.records.spares, rows_of(store, "journal")) == (1, 0)


def test_a_spare_file_is_written_over_and_read_as_what_it_became(opened, tmp_path):
    store = opened()
    send(store, ready("a"))
    (before,) = files(tmp_path)
    folded(store, 1)
    send(store, ready("b", "c"))
    assert (files(tmp_path), everything(store)) == ([before], ["b", "c"])


def test_a_longer_record_than_the_file_had_is_read_whole(tmp_path):
    records = RecordFiles(tmp_path / "journal", Disk())
    records.remove([records.write([b"a" * 100])[0].name])
    (place,) = records.write([b"b" * 9_000])
    assert (records.spares, bytes(records.read(place, 9_000))) == (0, b"b" * 9_000)


def test_who_reads_a_record_keeps_its_bytes_though_the_file_is_spare(opened, tmp_path):
    store = opened()
    send(store, ready("a"))
    held = store.read_journal(9, 100)
    folded(store, 1)
    send(store, ready("b"))
    assert (len(files(tmp_path)), ids_in(held)) == (2, ["a"])
    del held
    folded(store, 2)
    send(store, ready("c"))
    assert (len(files(tmp_path)), everything(store)) == (2, ["c"])


def test_a_record_that_was_folded_while_it_was_read_is_left_out(opened, monkeypatch):
    store = opened()
    send(store, ready("a"))
    send(store, ready("b"))
    real = RecordFiles.read

    def slow(files, place, size):
        """Between asking for the first record and opening its file it was folded, and the file written over."""
        if store.position().cursor == 0:
            folded(store, 1)
            send(store, ready("c"))
        return real(files, place, size)

    monkeypatch.setattr(RecordFiles, "read", slow)
    assert ids_in(store.read_journal(2, 100)) == ["b"]


def test_spare_files_are_few_and_small(tmp_path, monkeypatch):
    records = RecordFiles(tmp_path / "journal", Disk())
    names = [records.write([b"x"])[0].name for _ in range(SPARES_MAX + 2)]
    records.remove(names)
    assert (records.spares, len(files(tmp_path))) == (SPARES_MAX, SPARES_MAX)
    monkeypatch.setattr("monitor.store.records.SPARE_BYTES_MAX", 10)
    (place,) = records.write([b"x" * 11])
    records.remove([place.name])
    assert records.spares == len(files(tmp_path)) == SPARES_MAX - 1


def test_spare_files_are_swept_at_the_next_start(opened, tmp_path):
    store = opened()
    send(store, ready("a"))
    folded(store, 1)
    opened()
    assert files(tmp_path) == []


def test_files_that_no_row_names_are_swept_at_the_next_start(opened, tmp_path):
    send(opened(), ready("a"))
    (tmp_path / "journal" / "stray.rows").write_bytes(b"of a commit that never came")
    assert everything(opened()) == ["a"]
    assert len(files(tmp_path)) == 1


def test_a_file_of_a_failed_transaction_waits_for_a_later_success(opened, tmp_path):
    store = opened()
    journal = store._opened.journal
    clock, journal._clock = journal._clock, None  # its time is asked for inside the transaction
    assert isinstance(send(store, ready("a"))[0], AttributeError)
    assert (len(files(tmp_path)), store._opened.records.spares) == (1, 0)
    journal._clock = clock
    assert send(store, ready("b")) == [None]
    assert (len(files(tmp_path)), store._opened.records.spares, everything(store)) == (2, 1, ["b"])


@pytest.mark.parametrize("harm", [lambda path: path.unlink(), lambda path: path.write_bytes(b"short")])
def test_a_record_whose_file_was_harmed_is_corrupt(opened, tmp_path, harm):
    store = opened()
    send(store, ready("a"))
    harm(files(tmp_path)[0])
    with pytest.raises(Corrupt, match="acknowledged rows are lost"):
        store.read_journal(9, 100)


def test_records_that_are_read_hold_no_descriptor(opened):
    store = opened()
    for _ in range(3):
        send(store, *(ready(f"{number}") for number in range(20)))
    everything(store)  # the connection that reads is there from now on
    before = descriptors.held()
    records = store.read_journal(99, 100)
    assert (len(records), descriptors.held()) == (60, before)


def test_a_file_is_mapped_once_for_all_of_its_records(opened, tmp_path):
    store = opened()
    send(store, *(ready(f"{number}") for number in range(20)))
    records = store.read_journal(99, 100)
    mappings = [line for line in Path("/proc/self/maps").read_text().splitlines() if str(tmp_path / "journal") in line]
    assert (len(mappings), ids_in(records)) == (1, [f"{number}" for number in range(20)])


def test_of_a_file_only_what_is_asked_for_is_mapped(opened, monkeypatch):
    asked = []
    real = RecordFiles.read
    monkeypatch.setattr(RecordFiles, "read", lambda *given: (asked.append(given[1:]), real(*given))[1])
    store = opened()
    send(store, *(ready(one, "same") for one in "abcd"))
    assert ids_in(store.read_journal(3, 4, 1)) == ["b", "same", "c", "same"]
    [(place, size)] = asked
    assert (place.at, size) == (1_024, 1_024 + LARGE)


def test_a_reading_stops_before_it_maps_more_files_than_it_may(opened, monkeypatch):
    monkeypatch.setattr("monitor.store.journal.FILES_MAX", 2)
    store = opened(pace=Pace(gather_s=0.0))
    for one in (ready("a"), submission("b"), ready("c"), submission("d"), ready("e")):
        send(store, one)
    assert ids_in(store.read_journal(9, 100)) == ["a", "b", "c", "d"]
    assert ids_in(store.read_journal(9, 100, 4)) == ["e"]


def test_where_no_descriptor_is_left_for_a_moment_records_are_read_later(opened):
    store = opened()
    send(store, ready("a"))
    everything(store)
    with descriptors.none_left(), pytest.raises(Transient, match="open files"):
        everything(store)
    assert everything(store) == ["a"]


def test_a_repeated_request_writes_no_file(opened, tmp_path):
    store = opened()
    assert send(store, ready("a", key="k")) == [None]
    assert send(store, ready("a", key="k")) == [b"answer"]
    assert len(files(tmp_path)) == 1


def test_a_fold_counts_records_of_both_kinds(opened):
    store = opened(pace=Pace(gather_s=0.0))
    for one in (ready("a"), submission("b"), ready("c")):
        send(store, one)
    while fold(store):
        pass
    assert sum(entry.run.shape.rows for entry in store._opened.runs.files.every()) == 3


def test_a_record_begins_where_its_columns_are_aligned(tmp_path):
    records = RecordFiles(tmp_path / "journal", Disk())
    bodies = [b"a" * 65, b"b", b"c" * 5_000, b"d" * 3]
    places = records.write(bodies)
    assert [place.at % 64 for place in places] == [0] * 4
    assert [bytes(records.read(place, len(body))) for place, body in zip(places, bodies, strict=True)] == bodies
