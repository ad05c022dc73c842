"""Mutates Arrow streams against the reader and the judge, in a process of its own that may die.

    python tests/ingest/fuzz_stream.py SEED SECONDS      # prints how many streams were read, refused and why

Each stream is a good one with a few bytes changed, cut, copied or moved; half of the changes hit the first 2 KB and the
metadata, where lengths and types are. Any error but Refused ends it with a traceback, a crash with a signal.
"""

import collections
import random
import resource
import sys
import time

import numpy as np
import pyarrow as pa
from ingest_service import DELAYS, DIGITS, NOW
from streams import stream

from monitor.facts import Feature, FeatureKind, ModelName, RowKind, Schema, Task
from monitor.ingest.accept import Known, Setting
from monitor.ingest.arrow.judge import judge_stream
from monitor.ingest.limits import Limits
from monitor.ingest.problems import Refused
from monitor.panes.decode import decode_labels, decode_predictions

SEARCH = Schema(ModelName("search"), (Feature("carrier", FeatureKind.CATEGORICAL),), task=Task.RANKING)
LIMITS = Limits(body_bytes_max=1 << 20, rows_max=1_000)
MEMORY_MAX = 4 << 30  # of addresses: what a lie about a length asks for fails at once


def streams() -> list[bytes]:
    """Good streams of every type that is looked at, and of some that are not."""
    n = 40
    words = pa.array(["UA", None, "AA", "x"] * (n // 4))
    base = {
        "id": pa.array([f"f-{i}" for i in range(n)]),
        "hour": pa.array(np.arange(n) / 3, mask=np.arange(n) % 7 == 0),
        "carrier": words.dictionary_encode(),
        "prediction": pa.array(["late", "on_time"] * (n // 2)),
        "label": pa.array(["late"] * n),
        "scores": pa.array([0.5] * n),
    }
    rich = base | {
        "time": pa.array([int(NOW * 1e6)] * n, pa.timestamp("us", "UTC")),
        "scores": pa.array([{"late": 0.5}] * n, pa.struct([("late", pa.float64())])),
        "segment": pa.array([[("o", "EWR")], None] * (n // 2), pa.map_(pa.string(), pa.string())),
        "model": pa.array(["delays", "digits", "nobody", None] * (n // 4)).dictionary_encode(),
        "source": pa.array(["gateway-1"] * n, pa.large_string()),
        "hour": pa.array(range(n), pa.int16()),
    }
    lists = base | {
        "prediction": pa.array([["a", "b"], []] * (n // 2)),
        "label": pa.array([[0, 1.0], [2]] * (n // 2), pa.large_list(pa.float64())),
        "scores": pa.array([[0.25, 0.75]] * n, pa.list_(pa.float32(), 2)),
        "model": pa.array(["search"] * n),
        "odd": pa.array([None] * n),
        "view": pa.array(["a long text that is out of line", "b"] * (n // 2), pa.string_view()),
        "runs": pa.RunEndEncodedArray.from_arrays([10, n], ["a", "b"]),
    }
    made = [stream(each, rows) for each in (base, rich, lists) for rows in (None, 7)]
    return made + [stream(base, compression=each) for each in ("lz4", "zstd")]


def mutate(body: bytes, rng: random.Random) -> bytes:
    """A few changes."""
    found = bytearray(body)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        at = rng.randrange(min(len(found), 2_048) if rng.random() < 0.5 else len(found))
        match rng.randrange(6):
            case 0:
                found[at] = rng.randrange(256)
            case 1:
                found[at] ^= 1 << rng.randrange(8)
            case 2:
                value = rng.choice((0, 1, -1, 2**31 - 1, 2**63 - 1, -(2**63), 2**40, rng.randrange(1 << 20)))
                at -= at % 8
                found[at : at + 8] = value.to_bytes(8, "little", signed=True)
            case 3:
                found[at : at + 4] = rng.choice((0, 1, -1, 7, 2**31 - 1)).to_bytes(4, "little", signed=True)
            case 4:
                to, size = rng.randrange(len(found)), rng.randrange(1, 64)
                found[to : to + size] = found[at : at + size]
            case _:
                del found[at : at + rng.randrange(1, 32)]
        if not found:
            return b""
    return bytes(found)


def main() -> None:
    """Mutate until the time is up."""
    seed, seconds = int(sys.argv[1]), float(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MAX, MEMORY_MAX))
    rng, seeds = random.Random(seed), streams()  # a seed to repeat it by
    known = {schema.model: Known.of(schema) for schema in (DELAYS, DIGITS, SEARCH)}
    where = Setting.of(known, "gateway-1", NOW, LIMITS)
    tally: collections.Counter[str] = collections.Counter()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        body = mutate(rng.choice(seeds), rng)
        for kind, decode in ((RowKind.PREDICTIONS, decode_predictions), (RowKind.LABELS, decode_labels)):
            try:
                found, _ = judge_stream(kind, body, where, LIMITS)
            except Refused as refused:
                tally[f"{refused.status} {refused.reason}"] += 1
            else:
                tally["read"] += 1
                for ready in found.values():
                    decode(ready.body)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    sys.stdout.write(f"{dict(tally)} peak {peak} MiB\n")


if __name__ == "__main__":
    main()
