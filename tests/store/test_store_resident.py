"""Receipts are mapped files: what has been read of them is let go, so that it is no memory of the daemon."""

from pathlib import Path

import numpy as np
import pytest

from monitor.store import runs
from monitor.store.disk import Disk
from monitor.store.runs import Run, merged, merged_shape, open_run, shape_of, sorted_chunk, write_run

ROWS = 600_000
RECORD = np.dtype([("time", "<f8"), ("bins", "u1", (44,))])  # as wide as one of 20 features: 36 MB with the keys
KEPT_BYTES = 1 << 20
AROUND_BYTES = 8 << 20  # the kernel maps folios, of up to 2 MB, at both ends of what is read of keys and of records


def resident(path):
    """Bytes of the file that are memory of this process now."""
    mine, size = False, 0
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if "-" in line.split(" ", 1)[0] and ":" not in line.split(" ", 1)[0]:
            mine = line.endswith(str(path))
        elif mine and line.startswith("Rss:"):
            size += int(line.split()[1]) * 1024
    return size


def written(path, seed=1):
    rng = np.random.default_rng(seed)
    records = np.zeros(ROWS, RECORD)
    records["time"] = rng.random(ROWS)
    keys = rng.integers(0, 1 << 64, ROWS, np.uint64)
    write_run(Disk(), path, shape_of(keys, records), [sorted_chunk(keys, records)])
    run = open_run(path)
    run.release()
    return run


@pytest.fixture
def most(monkeypatch):
    """The most of each run that was resident when it was let go."""
    seen, real = {}, Run.release

    def release(run):
        seen[run.path] = max(seen.get(run.path, 0), resident(run.path))
        real(run)

    monkeypatch.setattr(Run, "release", release)
    monkeypatch.setattr(runs, "RELEASED_BYTES", KEPT_BYTES)
    monkeypatch.setattr(runs, "CHUNK", KEPT_BYTES // (RECORD.itemsize + 8))
    return seen


def test_a_whole_run_counts_as_memory_while_it_is_read_and_none_of_it_once_it_is_let_go(tmp_path):
    run = written(tmp_path / "r")
    int(run.keys.sum()) + int(run.records["bins"].sum())
    assert resident(run.path) >= run.size
    run.release()
    assert resident(run.path) == 0


def test_a_check_of_a_run_holds_a_piece_of_it_at_a_time(tmp_path, most):
    run = written(tmp_path / "r")
    run.verify()
    assert 0 < most[run.path] <= KEPT_BYTES + AROUND_BYTES < run.size // 3
    assert resident(run.path) == 0


@pytest.mark.parametrize("horizon", [-1.0, 0.5])
def test_a_merge_holds_a_piece_of_each_run_at_a_time(tmp_path, most, horizon):
    some = [written(tmp_path / str(seed), seed) for seed in (1, 2)]
    shape = merged_shape(some, horizon)
    write_run(Disk(), tmp_path / "m", shape, merged(some, horizon, chunk=runs.CHUNK))
    for run in some:
        run.release()
    assert max(most[run.path] for run in some) <= KEPT_BYTES + AROUND_BYTES
    assert open_run(tmp_path / "m").shape.rows == shape.rows


def test_a_search_for_many_holds_a_piece_of_the_keys_at_a_time(tmp_path, most):
    run = written(tmp_path / "r")
    wanted = np.sort(np.concatenate([run.keys[::7], ~run.keys[::7]]))
    assert run.possible(wanted).sum() >= len(run.keys[::7])
    here, at = run.find(wanted)
    assert (run.keys[at[here]] == wanted[here]).all()
    assert here.sum() == len(run.keys[::7])
    run.release()
    assert most[run.path] <= KEPT_BYTES + AROUND_BYTES
