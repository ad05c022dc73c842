"""A store with the smallest possible rows and panes: a record is a JSON list of ids, a pane is a few int64."""

import asyncio
import hashlib
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from monitor.clock import ManualClock
from monitor.facts import Idempotency, Label, ModelName, PaneKey, Prediction, RowKind, Submission
from monitor.store import Change, Receipts, Samples, SqliteStore
from monitor.store.parts import Limits, Parts

MODEL = ModelName("m")
RECEIPT = np.dtype([("time", "<f8"), ("epoch", "<u4"), ("bins", "u1", (3,))])
WIDER = np.dtype([("time", "<f8"), ("epoch", "<u4"), ("bins", "u1", (5,))])
POISON = "poison"  # a row of this id cannot be encoded


def encode(kind, model, rows):
    ids = [row.id for row in rows]
    if POISON in ids:
        msg = "this row cannot be encoded"
        raise ValueError(msg)
    return json.dumps(ids).encode()


def ids_in(records):
    return [one for record in records for one in json.loads(bytes(record.body))]


def body(*counts):
    return np.array(counts, np.int64).tobytes()


def add(bodies):
    return np.sum([np.frombuffer(each, np.int64) for each in bodies], axis=0).tobytes()


def total(bodies):
    return int(sum(np.frombuffer(each, np.int64).sum() for each in bodies))


def parts(**changes):
    made = {"encode": encode, "sum_bodies": add, "clock": ManualClock(1_000.0), "free_bytes": lambda: 1 << 40}
    return Parts(**(made | changes))


def open_store(path: Path, limits=None, **changes):
    return SqliteStore(path, parts(**changes), limits or Limits(free_bytes_min=1 << 20))


def submission(*ids, kind=RowKind.PREDICTIONS, model=MODEL, claim=None, size=100):
    if kind is RowKind.LABELS:
        rows = [Label(one, 10.0, 0, "ops", 10.0) for one in ids]
    else:
        rows = [Prediction(one, 10.0, 0, 0.5, {}, "gw", 10.0) for one in ids]
    return Submission(kind, model, rows, size, claim)


def claim(key, digest=b"digest", answer=b"answer", token="token"):
    return Idempotency(token, key, digest, answer)


def send(store, *submissions):
    """Append all at once, as concurrent requests do; answers or errors, in order."""

    async def gathered():
        return await asyncio.gather(*(store.append(each) for each in submissions), return_exceptions=True)

    return asyncio.run(gathered())


def settle(store):
    """Wait until the writer has no deletions left; each question lets one step go by."""
    while store._writer.run(lambda: bool(store._writer._chores)):
        pass


def rows_of(store, table):
    return store._writer.run(lambda: store._opened.db.execute(f"SELECT count(*) FROM {table}").get)


def key(start=0, *, epoch=1, segment="", reference="ref", replica="0", model=MODEL):
    return PaneKey(model, epoch, segment, reference, start, replica)


def hashes(*values):
    return np.array(values, np.uint64)


def hash_id(one):
    return int.from_bytes(hashlib.blake2b(one.encode(), digest_size=8).digest(), "little")


def receipts(*values, time=100.0, dtype=RECEIPT, model=MODEL):
    """Receipts of these hashes; the epoch of each is its position, so that records can be told apart."""
    records = np.zeros(len(values), dtype)
    records["time"] = time
    records["epoch"] = np.arange(len(values))
    return Receipts(model, hashes(*values), records)


def samples(*ids, time=100.0, model=MODEL):
    """A sample of all of these rows."""
    table = {"time": pa.array([time] * len(ids), pa.float64()), "id": pa.array(ids, pa.string())}
    return Samples(model, pa.table(table))


def sampled(store):
    """The ids of all kept rows, in no order; each file is read to its last byte, whose checksum must be right."""
    files = store.samples(MODEL, 0, 1e6)
    return [
        one for file in files for one in pq.read_table(file.path, page_checksum_verification=True)["id"].to_pylist()
    ]


def fold(store, rows_max=1_000_000):
    """What a turn does, in small: count each id once, whatever was appended, and remember it by a receipt."""
    records = store.read_journal(store.last_seq(), rows_max)
    if not records:
        return False
    fresh = list(dict.fromkeys(ids_in(records)))
    known, _ = store.find_receipts(MODEL, hashes(*map(hash_id, fresh)), RECEIPT)
    fresh = [one for one, old in zip(fresh, known, strict=True) if not old]
    number = store.position().fold + 1
    counted = {}
    for one in fresh:
        counted.setdefault(key(60 * (hash_id(one) % 100)), []).append(one)
    store.commit(
        Change(
            fold=number,
            cursor=records[-1].seq,
            deltas=[(at, body(len(ids))) for at, ids in counted.items()],
            receipts=[receipts(*map(hash_id, fresh))],
            samples=[samples(*fresh)],
        )
    )
    return True


def counted(store, sent):
    """Of the ids sent, those with a receipt; and how many rows all panes together count."""
    known, _ = store.find_receipts(MODEL, hashes(*map(hash_id, sent)), RECEIPT)
    rows = total(each for _, each in store.panes(MODEL, 1, "", "ref", 0, 1e6))
    return {one for one, here in zip(sent, known, strict=True) if here}, rows
