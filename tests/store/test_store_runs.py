"""The file of receipts: what is written is found, what is damaged is said to be."""

import errno
from dataclasses import replace

import descriptors
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from storeworld import RECEIPT, hashes, receipts

from monitor.errors import Corrupt
from monitor.store.disk import Disk
from monitor.store.runs import FORMAT, merged, merged_shape, open_run, shape_of, sorted_chunk, write_run
from monitor.store.sieve import Sieve

values = st.lists(st.integers(0, 2**64 - 1), max_size=60)


def written(path, of):
    write_run(Disk(), path, shape_of(of.hashes, of.records), [sorted_chunk(of.hashes, of.records)])
    return open_run(path)


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


def fresh(directory):
    return directory / f"{len(list(directory.iterdir()))}.run"


@given(here=values, other=values)
def test_exactly_what_was_written_is_found(directory, here, other):
    run = written(fresh(directory), receipts(*here))
    wanted = np.sort(hashes(*here, *other))
    found, at = run.find(wanted)
    assert found.tolist() == [int(value) in here for value in wanted]
    newest = {value: position for position, value in enumerate(here)}  # of equal hashes the last
    assert run.records["epoch"][at[found]].tolist() == [newest[int(value)] for value in wanted[found]]


@given(here=values, halvings=st.integers(0, 64))
def test_whatever_is_there_passes_the_sieve(here, halvings):
    keys = np.sort(hashes(*(value >> halvings for value in here)))
    assert Sieve.of(keys, halvings).passes(keys).all()


@given(here=values, other=values, halvings=st.integers(0, 64), crowd=st.integers(0, 200))
def test_a_sieve_finds_the_last_key_that_is_not_larger(here, other, halvings, crowd):
    keys, wanted = (np.sort(hashes(*(value >> halvings for value in each))) for each in (here, other + here))
    keys = np.sort(np.append(keys, np.full(crowd, 2**63 >> halvings, np.uint64)))  # many equal ones in one block
    found = Sieve.of(keys, halvings).last(keys, wanted)
    assert found.tolist() == (np.searchsorted(keys, wanted, side="right") - 1).tolist()


def test_blocks_of_a_sieve_are_short_however_many_keys_there_are():
    rng = np.random.default_rng(4)
    for count in (1_000, 300_000, 524_288):
        keys, wanted = (np.sort(rng.integers(0, 2**64, n, np.uint64)) for n in (count, 5_000))
        sieve = Sieve.of(keys, 0)
        assert (sieve.last(keys, wanted) == np.searchsorted(keys, wanted, side="right") - 1).all()
        assert (sieve.steps, sieve.starts.nbytes / count) <= (8, 1 / 8)


def test_keys_beyond_their_threshold_are_damage(tmp_path):
    run = written(tmp_path / "r", receipts(1, 2**62))
    with pytest.raises(Corrupt, match=r"r"):
        replace(run, shape=run.shape._replace(halvings=30)).possible(hashes(1))


def test_few_pass_the_sieve_that_are_not_there():
    rng = np.random.default_rng(3)
    for count in (1_000, 300_000, 524_288):  # one chunk and two; 4 to 8 bits a key
        keys, others = (np.sort(rng.integers(0, 2**64, n, np.uint64)) for n in (count, 50_000))
        assert 0.1 < Sieve.of(keys, 0).passes(others).mean() < 0.24


def test_keys_out_of_order_are_damage(tmp_path):
    run = written(tmp_path / "r", receipts(*range(0, 2**64, 2**58)))
    with pytest.raises(Corrupt, match=r"r"):
        replace(run, keys=run.keys[::-1]).possible(hashes(1))


def test_a_run_knows_its_times_and_dtype(tmp_path):
    run = written(tmp_path / "r", receipts(3, 1, 2, time=[30.0, 10.0, 20.0]))
    assert (run.shape.rows, run.shape.start, run.shape.end, run.shape.dtype) == (3, 10.0, 30.0, RECEIPT)
    assert run.keys.tolist() == [1, 2, 3]
    run.verify()


def test_a_run_is_as_long_as_its_note_says(tmp_path):
    run = written(tmp_path / "r", receipts(1, 2, 3))
    data = run.path.read_bytes()
    assert int.from_bytes(data[12:16], "little") % 64 == 0
    assert len(data) == int.from_bytes(data[12:16], "little") + 3 * (8 + RECEIPT.itemsize)


def test_a_run_cannot_be_overwritten(tmp_path):
    (tmp_path / "r.partial").touch()
    with pytest.raises(FileExistsError):
        written(tmp_path / "r", receipts(1))


def test_no_partial_file_is_left_when_writing_fails(tmp_path):
    class Full(Disk):
        def write(self, descriptor, data, offset):
            raise OSError(28, "no space")

    of = receipts(1)
    with pytest.raises(OSError, match="no space"):
        write_run(Full(), tmp_path / "r", shape_of(of.hashes, of.records), [(of.hashes, of.records)])
    assert list(tmp_path.iterdir()) == []


def test_every_flipped_byte_is_seen(tmp_path):
    run = written(tmp_path / "r", receipts(*range(5)))
    data = run.path.read_bytes()
    for at in range(len(data)):
        run.path.write_bytes(data[:at] + bytes([data[at] ^ 0x40]) + data[at + 1 :])
        with pytest.raises(Corrupt) as damage:
            open_run(run.path).verify()
        assert damage.value.path == str(run.path)
        assert damage.value.hint


@pytest.mark.parametrize("cut", [0, 4, 60, 200, -1])
def test_every_truncation_is_seen_on_opening(tmp_path, cut):
    run = written(tmp_path / "r", receipts(*range(9)))
    run.path.write_bytes(run.path.read_bytes()[:cut])
    with pytest.raises(Corrupt):
        open_run(run.path)


def test_a_run_that_is_gone_is_corrupt(tmp_path):
    with pytest.raises(Corrupt, match=r"gone\.run"):
        open_run(tmp_path / "gone.run")


def test_an_open_run_holds_no_descriptor(tmp_path):
    before = descriptors.held()
    runs = [written(tmp_path / f"{number}.run", receipts(number)) for number in range(20)]
    assert (len(runs), descriptors.held()) == (20, before)


def test_a_run_is_not_damaged_where_no_descriptor_is_left_to_open_it(tmp_path):
    run = written(tmp_path / "r", receipts(1))
    with descriptors.none_left(), pytest.raises(OSError, match="open files") as refused:
        open_run(run.path)
    assert refused.value.errno == errno.EMFILE
    assert open_run(run.path).keys.tolist() == [1]


@pytest.mark.parametrize("number", [errno.ENFILE, errno.ENOMEM, errno.EIO])
def test_a_run_is_not_damaged_where_the_kernel_cannot_map_it(tmp_path, monkeypatch, number):
    run = written(tmp_path / "r", receipts(1))

    def refuse(*_):
        raise OSError(number, "not now")

    monkeypatch.setattr("monitor.store.runs.Mapped", refuse)
    with pytest.raises(OSError, match="not now") as refused:
        open_run(run.path)
    assert refused.value.errno == number


def test_a_later_format_asks_for_an_upgrade(tmp_path):
    run = written(tmp_path / "r", receipts(1))
    data = bytearray(run.path.read_bytes())
    data[8] = FORMAT + 1
    run.path.write_bytes(data)
    with pytest.raises(Corrupt, match="upgrade"):
        open_run(run.path)


def test_the_format_before_asks_for_a_new_state(tmp_path):
    run = written(tmp_path / "r", receipts(1))
    data = bytearray(run.path.read_bytes())
    data[8] = FORMAT - 1
    run.path.write_bytes(data)
    with pytest.raises(Corrupt, match="new state directory"):
        open_run(run.path)


@given(here=st.lists(st.integers(0, 2**64 - 1), max_size=60), halvings=st.lists(st.integers(0, 64), max_size=3))
def test_a_sample_of_a_sample_is_the_sample(directory, here, halvings):
    run = written(fresh(directory), receipts(*here))
    for each in sorted(halvings):
        path = fresh(directory)
        write_run(Disk(), path, merged_shape([run], 0.0, each), merged([run], 0.0, each, 7))
        run = open_run(path)
        run.verify()
    most = max(halvings, default=0)
    assert run.keys.tolist() == sorted(value for value in here if value < 2 ** (64 - most))
    assert (run.shape.halvings, run.shape.rows + run.shape.dropped) == (most, len(here))


def test_a_thinned_run_still_stands_for_all_of_its_time(tmp_path):
    run = written(tmp_path / "r", receipts(2**64 - 1, 1, 2**63, time=[30.0, 20.0, 10.0]))
    shape = merged_shape([run], 0.0, 1)
    assert (shape.rows, shape.dropped, shape.start, shape.end, shape.inclusion) == (1, 2, 10.0, 30.0, 0.5)


@given(parts=st.lists(st.lists(st.integers(0, 40), max_size=25), min_size=1, max_size=4), chunk=st.integers(1, 30))
def test_a_merge_is_the_sorted_union_with_newer_last(directory, parts, chunk):
    runs = []
    for age, part in enumerate(parts):
        of = receipts(*part, time=float(age))
        of.records["epoch"] = age
        runs.append(written(fresh(directory), of))
    write_run(Disk(), path := fresh(directory), merged_shape(runs, 0.0), merged(runs, 0.0, 0, chunk))
    result = open_run(path)
    result.verify()
    pairs = list(zip(result.keys.tolist(), result.records["epoch"].tolist(), strict=True))
    assert pairs == sorted((value, age) for age, part in enumerate(parts) for value in part)


def test_a_merge_drops_what_is_before_the_horizon(tmp_path):
    runs = [written(tmp_path / "a", receipts(1, 2, time=[5.0, 15.0])), written(tmp_path / "b", receipts(3, time=10.0))]
    write_run(Disk(), tmp_path / "c", merged_shape(runs, 10.0), merged(runs, 10.0))
    result = open_run(tmp_path / "c")
    assert result.keys.tolist() == [2, 3]
    assert (result.shape.start, result.shape.end) == (10.0, 15.0)


def test_a_search_goes_on_while_its_file_is_deleted(tmp_path):
    run = written(tmp_path / "r", receipts(*range(1_000)))
    run.path.unlink()
    assert run.find(hashes(500))[0].tolist() == [True]
