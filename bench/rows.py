"""The rows that everything is measured with: 16 numeric and 4 categorical features, two classes, seeded."""

import json

import numpy as np
import pyarrow as pa

from monitor.facts import Feature, FeatureKind, ModelName, Schema
from monitor.panes.rows import CategoricalColumn, Column, NumericColumn, Predictions

MODEL = ModelName("bench")
NUMERIC = tuple(f"number_{i:02}" for i in range(16))
CATEGORICAL = tuple(f"word_{i}" for i in range(4))
WORDS = tuple(f"value-{i:02}" for i in range(20))
CLASSES = ("no", "yes")
SCHEMA = Schema(
    MODEL,
    (*(Feature(n, FeatureKind.NUMERIC) for n in NUMERIC), *(Feature(n, FeatureKind.CATEGORICAL) for n in CATEGORICAL)),
    CLASSES,
    "yes",
)


def predictions(rows: int, seed: int, start: float = 0.0, length_s: float = 86_400.0) -> Predictions:
    """Rows by column, evenly spread over a stretch of time; two in a hundred cells are missing."""
    rng = np.random.default_rng(seed)
    columns: dict[str, Column] = {}
    for name in NUMERIC:
        missing = rng.random(rows) < 0.02
        columns[name] = NumericColumn(np.where(missing, np.nan, rng.normal(size=rows)), missing, np.zeros(rows, bool))
    for name in CATEGORICAL:
        codes = rng.geometric(0.2, rows).astype(np.int32) % (len(WORDS) + 1) - 1  # -1 is missing
        columns[name] = CategoricalColumn(codes, WORDS)
    scores = rng.random(rows)
    times = start + np.arange(rows) * (length_s / rows)
    outputs = (scores > 0.5).astype(np.uint8)
    return Predictions.unsent(columns, times=times, outputs=outputs, scores=scores)


def columns(count: int, seed: int, ids: list[str]) -> pa.RecordBatch:
    """The same rows as Arrow columns: doubles, and dictionaries of words."""
    found = predictions(count, seed)
    arrays: dict[str, pa.Array] = {"id": pa.array(ids)}
    for name, each in found.columns.items():
        if isinstance(each, CategoricalColumn):
            codes = pa.array(each.codes.astype(np.int8), mask=each.codes < 0)
            arrays[name] = pa.DictionaryArray.from_arrays(codes, pa.array(each.values))
        else:
            arrays[name] = pa.array(each.values, mask=each.missing)
    arrays["prediction"] = pa.DictionaryArray.from_arrays(pa.array(found.outputs.astype(np.int8)), pa.array(CLASSES))
    arrays["scores"] = pa.array(found.scores)
    return pa.RecordBatch.from_arrays(list(arrays.values()), names=list(arrays))


def bodies(count: int, seed: int) -> list[bytes]:
    """JSON objects of single rows but for their id, which is to be put in front: b'{"id":"17"' + body."""
    found = predictions(count, seed)
    words = {name: found.columns[name] for name in CATEGORICAL}
    numbers = {name: found.columns[name] for name in NUMERIC}
    made = []
    for i in range(count):
        features = {
            name: None if np.isnan(c.values[i]) else round(float(c.values[i]), 4) for name, c in numbers.items()
        }
        features |= {name: None if c.codes[i] < 0 else c.values[c.codes[i]] for name, c in words.items()}
        row = {
            "features": features,
            "prediction": CLASSES[found.outputs[i]],
            "scores": round(float(found.scores[i]), 4),
        }
        made.append(b"," + json.dumps(row, separators=(",", ":")).encode()[1:])
    return made
