"""A stream of a stranger is bounded before it is read: its rows, its columns, its messages, what it inflates to."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streams import stream

from monitor.ingest import stream as module
from monitor.ingest.limits import Limits
from monitor.ingest.problems import Refused
from monitor.ingest.stream import read_stream

LIMITS = Limits(body_bytes_max=1 << 20, rows_max=1_000)
FUZZ = Path(__file__).with_name("fuzz_stream.py")
COLUMNS = {"id": pa.array([f"f-{i}" for i in range(20)]), "c": pa.array(["a", "b"] * 10).dictionary_encode()}


def refused(body, limits=LIMITS):
    """Status and reason of the refusal; None if it was read."""
    try:
        read_stream(body, limits)
    except Refused as fault:
        return fault.status, fault.reason
    return None


def empty_of(schema, rows):
    """A stream of a batch of so many rows that has hardly a byte."""
    batch = pa.RecordBatch.from_arrays([pa.nulls(rows) for _ in schema], names=schema)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
@pytest.mark.parametrize("batch_rows", [None, 7])
def test_gives_back_what_was_written(compression, batch_rows):
    found = read_stream(stream(COLUMNS, batch_rows, compression=compression), LIMITS)
    assert {name: found.column(name).to_pylist() for name in COLUMNS} == {n: c.to_pylist() for n, c in COLUMNS.items()}


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_buffers_that_inflate_beyond_the_cap_are_refused_before_they_do(compression):
    body = stream({"id": pa.array(np.zeros(1_000_000))}, compression=compression)
    assert len(body) < 100_000
    before = pa.total_allocated_bytes()
    assert refused(body, Limits(body_bytes_max=1 << 20, rows_max=10**7)) == (413, "body_too_large")
    assert pa.total_allocated_bytes() - before < 1 << 20
    assert refused(body, Limits(body_bytes_max=9_000_000, rows_max=10**7)) is None


def test_dictionaries_that_inflate_beyond_the_cap_are_refused_too():
    words = pa.DictionaryArray.from_arrays(pa.array([0, 1]), pa.array(["x" * (1 << 20), "y"]))
    body = stream({"c": words}, compression="zstd")
    assert len(body) < 10_000
    assert refused(body) == (413, "body_too_large")


def test_a_promise_that_is_a_lie_is_400():
    body = stream({"id": pa.array(np.zeros(10_000))}, compression="zstd")
    promise = (80_000).to_bytes(8, "little")
    assert body.count(promise) == 1
    for lie in (0, 1, 79_999, 80_001, 500_000):
        assert refused(body.replace(promise, lie.to_bytes(8, "little")), Limits()) == (400, "arrow_invalid")
    huge = body.replace(promise, (1 << 62).to_bytes(8, "little"))
    assert refused(huge, Limits()) == (413, "body_too_large")
    assert refused(body.replace(promise, b"\xfe" + b"\xff" * 7), Limits()) == (400, "arrow_invalid")


@pytest.mark.parametrize("rows", [1_001, 2**31 - 1])
def test_rows_that_cost_no_bytes_are_counted_before_they_are_looked_at(rows):
    assert refused(empty_of(["id"], 1_000)) is None
    assert refused(empty_of(["id"], rows)) == (413, "too_many_rows")


@pytest.mark.parametrize("rows", [-1, 2**31, 2**62])
def test_a_number_of_rows_that_cannot_be_is_refused(rows):
    body = empty_of(["id"], 12_345_678)
    assert refused(body.replace((12_345_678).to_bytes(8, "little"), rows.to_bytes(8, "little", signed=True)))[0] in (
        400,
        413,
    )


def test_rows_are_counted_over_all_batches():
    columns = {"id": pa.array(range(1_001))}
    assert refused(stream(columns, 100)) == (413, "too_many_rows")
    assert refused(stream({"id": pa.array(range(1_000))}, 100)) is None


def test_messages_are_counted(monkeypatch):
    monkeypatch.setattr(module, "MESSAGES_MAX", 5)
    assert refused(stream({"id": pa.array(range(4))}, 1)) is None
    assert refused(stream({"id": pa.array(range(5))}, 1)) == (413, "too_many_rows")


def test_columns_are_counted(monkeypatch):
    monkeypatch.setattr(module, "COLUMNS_MAX", 2)
    assert refused(stream(dict.fromkeys("ab", pa.array([1])))) is None
    assert refused(stream(dict.fromkeys("abc", pa.array([1])))) == (413, "too_many_rows")


def test_two_columns_of_one_name_are_400():
    batch = pa.RecordBatch.from_arrays([pa.array([1]), pa.array([2])], names=["id", "id"])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    assert refused(sink.getvalue().to_pybytes()) == (400, "arrow_invalid")


def test_runs_of_any_length_are_not_written_out():
    runs = pa.RunEndEncodedArray.from_arrays(pa.array([1_000], pa.int32()), pa.array(["x" * 100_000]))
    found = read_stream(stream({"c": runs}), LIMITS)
    assert found.nbytes < 10_000


def test_text_that_is_no_unicode_is_400():
    bad = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"\xff\xff")])
    assert refused(stream({"id": bad})) == (400, "arrow_invalid")


def test_a_code_outside_of_its_dictionary_is_400():
    bad = pa.DictionaryArray.from_arrays(pa.array([7], pa.int8()), pa.array(["a"]), safe=False)
    assert refused(stream({"c": bad})) == (400, "arrow_invalid")


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=16))
def test_any_change_is_read_or_refused(at, noise):
    for body in (stream(COLUMNS), stream(COLUMNS, 7, compression="lz4")):
        changed = bytearray(body)
        at %= len(changed)
        changed[at : at + len(noise)] = noise
        assert refused(bytes(changed)) in (
            None,
            (400, "arrow_invalid"),
            (413, "too_many_rows"),
            (413, "body_too_large"),
        )


def test_mutated_streams_do_not_end_a_process():
    folder = str(FUZZ.parent)
    paths = os.pathsep.join([folder, str(Path(folder, "..", "..").resolve())])
    command = [sys.executable, str(FUZZ), "1", "3"]
    env = os.environ | {"PYTHONPATH": paths}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2_000:]
    assert "'read'" in done.stdout
