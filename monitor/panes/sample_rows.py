"""Chosen rows as a table: what a sample file holds. Format 1, Parquet, one row per prediction.

| column | type | |
|---|---|---|
| id_hash | uint64 | keyed hash of the prediction's id: labels are found by it (`Store.find_labels`) |
| time | double | of the prediction, seconds since 1970 |
| epoch | uint32 | who answered |
| bundle | string | the bundle of that epoch |
| output | string | classification: the class by name; `__other__`: one that the schema does not name |
| value | double | regression: the number predicted, as it came; ranking: how many items were ranked |
| score | double | classification: see `Schema.positive`; null: none was sent |
| probabilities | list<float> | more than two classes: in the order of `Schema.classes`; null: not all were sent |
| known_good_output | string | classification: what the known-good said; null: it was not asked |
| known_good_value | double | regression: the same |
| source | string | whose token sent it |
| segment | string | JSON object of text, keys sorted; null: none was sent |
| flags | uint32 | `monitor.panes.sampling.Flag` bits; 0: nothing is odd |
| invalid | list<string> | features whose value was of the wrong kind; the others that are null were missing |
| stratum | uint8 | class index, or prediction group |
| inclusion_probability | double | (0, 1]: how likely the row was to be in the sample; 1 / it is its weight |
| f:NAME | double or string | one per feature that may be kept, in the schema's order; null: missing or invalid |

Columns of other tasks are absent. Sensitive features (`Feature.sensitive`) never get a column, nor are they named in
`invalid`, and a segment key of such a name is taken out. The file's metadata hold `tocsin.sample` = the format and
`tocsin.schema` = the schema as JSON, so a sample is read without anything beside it. NaN and infinities of features
are as they came. Not encrypted: Parquet's modular encryption asks a key service for its keys, which a sidecar lacks;
put the state directory on an encrypted file system.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from monitor.facts import FeatureKind, Schema, Task
from monitor.panes.count import NOT_ASKED
from monitor.panes.rows import INVALID, CategoricalColumn, Column, NumericColumn, Predictions
from monitor.panes.sampling import Chosen

FORMAT: Final = b"1"
OTHER: Final = "__other__"
FEATURE: Final = "f:"  # before the name of a feature, so that none is taken for a column of ours
META_FORMAT, META_SCHEMA = b"tocsin.sample", b"tocsin.schema"


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What was said to n rows, by the model and by the known-good; None where the task has no such thing."""

    outputs: NDArray[np.uint8]  # class index; K and above: another
    scores: NDArray[np.float64]  # NaN: none
    known_good_outputs: NDArray[np.uint8]  # NOT_ASKED: not asked
    values: NDArray[np.float64] | None = None
    known_good_values: NDArray[np.float64] | None = None  # NaN: not asked
    probabilities: NDArray[np.float32] | None = None  # shape (n, K); NaN: not sent


@dataclass(frozen=True, slots=True, eq=False)
class Marks:
    """What the fold knows of n rows beside what came, one entry per row."""

    keys: NDArray[np.uint64]
    epochs: NDArray[np.uint32]
    flags: NDArray[np.uint32]
    strata: NDArray[np.uint8]


def sample_table(  # noqa: PLR0917  # rows, what was said, what is known of them, which: all of one length
    schema: Schema, rows: Predictions, answers: Answers, marks: Marks, chosen: Chosen, bundles: Mapping[int, str]
) -> pa.Table:
    """The chosen rows, in arrival order; `bundles` names the bundle of each epoch. No row: an empty table."""
    at, part = chosen.rows, rows.take(chosen.rows)
    epochs = marks.epochs[at]
    columns: dict[str, pa.Array] = {
        "id_hash": pa.array(marks.keys[at], pa.uint64()),
        "time": pa.array(part.times, pa.float64()),
        "epoch": pa.array(epochs, pa.uint32()),
        "bundle": pa.array([bundles[epoch] for epoch in epochs.tolist()], pa.string()),
        **_answered(schema, answers, at),
        "source": pa.array(list(part.sources), pa.string()),
        "segment": pa.array(_segments(schema, part.segments), pa.string()),
        "flags": pa.array(marks.flags[at], pa.uint32()),
        "invalid": pa.array(_invalid(schema, part), pa.list_(pa.string())),
        "stratum": pa.array(marks.strata[at], pa.uint8()),
        "inclusion_probability": pa.array(chosen.probability, pa.float64()),
    }
    for feature in schema.features:
        if not feature.sensitive:
            columns[FEATURE + feature.name] = _cells(part.columns.get(feature.name), feature.kind, part.n)
    return pa.table(columns).replace_schema_metadata({META_FORMAT: FORMAT, META_SCHEMA: msgspec.json.encode(schema)})


def _answered(schema: Schema, answers: Answers, at: NDArray[np.intp]) -> dict[str, pa.Array]:
    """The columns that depend on the task."""
    if schema.task is not Task.CLASSIFICATION:
        said = {"value": _numbers(answers.values, at, null=False)}
        if schema.task is Task.REGRESSION:
            said["known_good_value"] = _numbers(answers.known_good_values, at)
        return said
    names = pa.array([*schema.classes, OTHER], pa.string())
    outputs, known_good = answers.outputs[at], answers.known_good_outputs[at]
    classes = {
        "output": names.take(pa.array(np.minimum(outputs, len(schema.classes)))),
        "score": _numbers(answers.scores, at),
    }
    if len(schema.classes) > 2:
        classes["probabilities"] = _probabilities(answers.probabilities, at)
    asked = np.minimum(known_good, len(schema.classes))
    classes["known_good_output"] = names.take(pa.array(asked, mask=known_good == NOT_ASKED))
    return classes


def _numbers(values: NDArray[np.float64] | None, at: NDArray[np.intp], *, null: bool = True) -> pa.Array:
    """Doubles; NaN becomes null unless told otherwise."""
    chosen = np.full(len(at), np.nan) if values is None else values[at]
    return pa.array(chosen, pa.float64(), mask=np.isnan(chosen) if null or values is None else None)


def _probabilities(given: NDArray[np.float32] | None, at: NDArray[np.intp]) -> pa.Array:
    """A list per row; null where not all classes got one."""
    rows: list[Any] = [None] * len(at)
    if given is not None:
        rows = [None if any(map(math.isnan, row)) else row for row in given[at].tolist()]
    return pa.array(rows, pa.list_(pa.float32()))


def _segments(schema: Schema, segments: Iterable[dict[str, str] | None]) -> list[str | None]:
    """As JSON, without what names a sensitive feature."""
    hidden = {feature.name for feature in schema.features if feature.sensitive}
    shown = ({k: v for k, v in sorted(one.items()) if k not in hidden} if one else None for one in segments)
    return [msgspec.json.encode(one).decode() if one else None for one in shown]


def _invalid(schema: Schema, rows: Predictions) -> list[list[str]]:
    """Names of the features of each row that were of the wrong kind, sensitive ones left out."""
    names: list[list[str]] = [[] for _ in range(rows.n)]
    for feature in schema.features:
        column = rows.columns.get(feature.name)
        if feature.sensitive or column is None:
            continue
        wrong = column.codes == INVALID if isinstance(column, CategoricalColumn) else column.invalid
        for row in np.flatnonzero(wrong).tolist():
            names[row].append(feature.name)
    return names


def _cells(column: Column | None, kind: FeatureKind, n: int) -> pa.Array:
    """One feature; of the wrong kind for the schema, or not there: null."""
    if kind is FeatureKind.NUMERIC:
        if not isinstance(column, NumericColumn):
            return pa.nulls(n, pa.float64())
        return pa.array(column.values, pa.float64(), mask=column.missing | column.invalid)
    if not isinstance(column, CategoricalColumn):
        return pa.nulls(n, pa.string())
    codes = pa.array(column.codes, mask=column.codes < 0)
    return pa.array(column.values, pa.string()).take(codes)
