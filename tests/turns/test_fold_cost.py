"""What a fold costs a row, beside taking the same row in as a line, in one run; and what it holds of each row.

Measured 2026-11 (2 cores): a fold of 100,000 rows of 20 features takes 0.25 of the processor time of their lines, so
one core folds what three take in. The bound leaves twice that, for a machine that does other things as well.
"""

import asyncio
import time
import tracemalloc

import numpy as np
import pyarrow as pa
import pytest
from msgspec.structs import replace
from world import FOLD, MODEL, bundle, open_store, timeline, watched

from bench import rows as bench
from monitor.facts import Encoded, RowKind, Submission
from monitor.ingest.accept import Known, Setting
from monitor.ingest.arrow.judge import judge_stream
from monitor.ingest.columns import read_clean
from monitor.ingest.limits import Limits
from monitor.panes.batch import encode_columns
from monitor.panes.build import NO_LABEL, HistoryBatch, build_reference
from monitor.panes.concat import concat
from monitor.panes.decode import decode_predictions
from monitor.panes.layout import Layout
from monitor.turns.fold import Fold

SCHEMA = replace(bench.SCHEMA, model=MODEL)
ROWS, RECORDS, SHARE_MAX = 10_000, 5, 0.5
LIMITS = Limits()


def setting():
    return Setting.of({MODEL: Known.of(SCHEMA)}, "gateway", 1_000.0, LIMITS)


def record(number):
    """A journal record of rows that nobody else has."""
    batch = bench.columns(ROWS, number, [f"{number}-{i:05}" for i in range(ROWS)])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    return judge_stream(RowKind.PREDICTIONS, sink.getvalue().to_pybytes(), setting(), LIMITS)[0][MODEL].body


@pytest.fixture(scope="module")
def layout():
    found = bench.predictions(20_000, seed=1)
    history = HistoryBatch(found, np.full(found.n, NO_LABEL))
    return Layout.of(build_reference(lambda: iter([history]), SCHEMA, lambda _: None))


@pytest.fixture
def world(tmp_path, layout):
    """A store, and a fold of one model whose v1 serves."""
    bundles = (bundle("v1", layout),)
    store = open_store(tmp_path / "state", schema=SCHEMA)
    yield store, Fold(store, {MODEL: watched(bundles, (layout,), timeline(bundles, (0.0, "v1")))}, None, FOLD)
    store.close()


def line_s():
    """Processor time of a line, read, judged and made a record: the least of some."""
    pool = bench.bodies(1_000, seed=1)
    body = b"\n".join(b'{"id":"r%d"' % i + pool[i] for i in range(1_000))
    took = []
    for _ in range(7):
        began = time.thread_time()
        clean = read_clean(body, setting(), LIMITS)
        encode_columns(clean.columns, clean.schema)
        took.append(time.thread_time() - began)
    return min(took) / 1_000


def test_a_row_is_folded_in_half_of_what_its_line_takes_to_come_in(world):
    store, fold = world
    took = []

    async def run(number):
        bodies = [record(number * RECORDS + i) for i in range(RECORDS)]
        sent = [
            store.append(Submission(RowKind.PREDICTIONS, MODEL, [], len(b), None, Encoded(b, ROWS, 5.0)))
            for b in bodies
        ]
        await asyncio.gather(*sent)
        began = time.process_time()
        await fold.run(store.last_seq(), 1_000.0, lambda: None)
        took.append((time.process_time() - began) / ROWS / RECORDS)

    for number in range(4):
        asyncio.run(run(number))
    assert min(took) <= SHARE_MAX * line_s()


def test_records_put_end_to_end_are_held_once():
    bodies = [record(number) for number in range(RECORDS)]
    tracemalloc.start()
    try:
        rows = concat((decode_predictions(body) for body in bodies), ROWS * RECORDS)
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert rows.n == ROWS * RECORDS
    assert held <= 250 * rows.n
    assert peak <= 1.35 * held  # and a record of the five, as it is decoded
