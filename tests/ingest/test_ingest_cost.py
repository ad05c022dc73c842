"""What an Arrow row costs beside the same row as a line, in one run: seconds would only say which machine it was.

Measured 2026-11 (2 cores): taking in an Arrow row takes 0.06 of the processor time of a line, both clean and with 20
features, and one with odd cells no more. The bound is four times that, and a Python object a row would be above it: the
line's own reading costs one. The least of some runs counts, as whatever else the machine does only adds.
"""

import time

import pyarrow as pa
import pytest

from bench.rows import NUMERIC, SCHEMA, bodies, columns
from monitor.facts import RowKind
from monitor.ingest.accept import Known, Setting
from monitor.ingest.arrow.judge import judge_stream
from monitor.ingest.columns import read_clean
from monitor.ingest.limits import Limits
from monitor.panes.batch import encode_columns

ROWS, RUNS, SHARE_MAX = 10_000, 7, 0.25
LIMITS = Limits()


def setting():
    return Setting.of({SCHEMA.model: Known.of(SCHEMA)}, "gateway", 1_000.0, LIMITS)


def cpu_s(work):
    """The least processor time of some runs."""
    took = []
    for _ in range(RUNS):
        began = time.thread_time()
        work()
        took.append(time.thread_time() - began)
    return min(took)


@pytest.fixture(scope="module")
def line_s():
    """Processor time of a line, read, judged and made a record."""
    pool = bodies(1_000, seed=1)
    body = b"\n".join(b'{"id":"r%d"' % i + pool[i] for i in range(1_000))

    def work():
        clean = read_clean(body, setting(), LIMITS)
        assert len(encode_columns(clean.columns, clean.schema)) > len(body) // 10

    return cpu_s(work) / 1_000


def stream(batch):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


def clean():
    return columns(ROWS, 1, [f"r{i}" for i in range(ROWS)])


def of_many_ids():
    return columns(ROWS, 1, [f"r{i}" * (1 + i % 3) for i in range(ROWS)])


def of_times():
    return clean().append_column("time", pa.array([1_000.0 - i % 60 for i in range(ROWS)]))


def with_refused_rows():
    return columns(ROWS, 1, [f"r{i}" if i % 10 else "" for i in range(ROWS)])


def with_a_column_of_the_wrong_kind():
    batch = clean()
    return batch.set_column(batch.schema.get_field_index(NUMERIC[0]), NUMERIC[0], pa.array(["x"] * ROWS))


@pytest.mark.parametrize(
    "make", [clean, of_many_ids, of_times, with_refused_rows, with_a_column_of_the_wrong_kind], ids=lambda f: f.__name__
)
def test_an_arrow_row_takes_a_small_part_of_what_a_line_takes(line_s, make):
    body = stream(make())

    def work():
        found, tally = judge_stream(RowKind.PREDICTIONS, body, setting(), LIMITS)
        assert len(found[SCHEMA.model].ids) + tally.rejected.total() == ROWS

    assert cpu_s(work) / ROWS <= SHARE_MAX * line_s
