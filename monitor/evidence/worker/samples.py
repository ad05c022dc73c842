"""The live side of a report: sampled rows from Parquet, made into a simple random sample again.

The store keeps rows by strata, odd ones more often, each with the probability it was kept with. Evidently knows no
weights, and a report of the rows as kept would show the odd ones a hundred times too often. So rows are thinned: one
that was kept with probability p stays with p0 / p, where p0 is the least p of the rows at hand; what stays was kept
with p0, whatever its stratum (rejection sampling, von Neumann 1951). Of these at most `rows_max` are taken. Both
choices hash the row's own id hash, so the same rows are chosen every time, and independently of each other: the lowest
of the hashes that thinned would favour the strata with a high p.

Columns of a file: `id_hash` u8 or 8 bytes, `time` f8, `epoch` u4, `output` text or u1, `value` f8, `score` f8 or f4,
`inclusion_probability` f8 or f4, `f:NAME` per feature; whatever else it has is not read. Two passes: ids, times and
probabilities of all rows (24 bytes each), then the features of the chosen.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from monitor.errors import Corrupt
from monitor.evidence.history import PREFIX, check_sample, hash_positions
from monitor.evidence.jobs import Failure, Fault, Job
from monitor.facts import FeatureKind, Schema, Task

PREDICTION, SCORE, LABEL = "prediction", "score", "label"
OTHER: Final = "__other__"  # a class that the schema does not name; as in a sample file
_BATCH_ROWS: Final = 16_384


@dataclass(slots=True)
class Side:
    """One side of the comparison: columns of `n` entries, doubles (NaN: missing) or objects (None: missing)."""

    n: int
    columns: dict[str, NDArray[Any]]
    how: str  # in words, how the rows were chosen
    faults: list[Fault] = field(default_factory=list)
    synthetic: bool = False  # drawn from counts, not read


@dataclass(frozen=True, slots=True, eq=False)
class _Index:
    """What pass one knows of the rows of the window: where they are, and how they were kept."""

    file: NDArray[np.int32]
    row: NDArray[np.int64]
    id_hash: NDArray[np.uint64]
    kept_with: NDArray[np.float64]


def reserved(schema: Schema, name: str) -> str:
    """Name the column of the prediction, score or label; beside a feature of that name it is `tocsin_<name>`."""
    return f"tocsin_{name}" if any(feature.name == name for feature in schema.features) else name


def read_live(job: Job) -> Side:
    """Read the sampled rows of the job's window; files that cannot be read are faults, the others are used."""
    faults: list[Fault] = []
    files = list(_opened(job, faults))
    index = _indexed(files, job, faults)
    chosen, how = choose(index.id_hash, index.kept_with, job.scope.rows_max)
    parts, read = [], []
    for number, file in enumerate(files):
        mine = chosen[index.file[chosen] == number]
        try:
            part = _rows(file, index.row[mine], job.schema)
        except (OSError, pa.ArrowException) as error:
            faults.append(Fault("job", Failure.SAMPLE_UNREADABLE, f"a sample: {type(error).__name__}"))
            continue
        if part:
            parts.append(part)
            read.append(mine)
    chosen = np.concatenate([*read, np.empty(0, np.intp)])
    hashes = index.id_hash[chosen]
    columns = _joined(parts)
    _add_labels(columns, hashes, job, faults)
    return Side(len(chosen), columns, how, faults)


def read_reference(job: Job) -> Side:
    """Read the kept sample of the history; Corrupt if it is none, or of another schema."""
    path = Path(job.reference_sample)
    check_sample(path, job.schema)
    try:
        file = pq.ParquetFile(path)
        rows = np.arange(min(file.metadata.num_rows, job.scope.rows_max))  # they are in the order of their hash
        columns = _rows(file, rows, job.schema)
    except (OSError, pa.ArrowException) as error:
        raise Corrupt(str(path), 0, "make it again with `tocsin reference build --sample`") from error
    return Side(len(rows), columns, f"{len(rows):,} of the history's rows, drawn at random")


def choose(id_hash: NDArray[np.uint64], kept_with: NDArray[np.float64], rows_max: int) -> tuple[NDArray[np.intp], str]:
    """Choose rows that are a simple random sample of all traffic, at most `rows_max`, in ascending position."""
    usable = np.flatnonzero((kept_with > 0) & (kept_with <= 1))
    unknown = len(id_hash) - len(usable)
    if not len(usable):
        return usable, "no row"
    least = float(kept_with[usable].min())
    drawn = hash_positions(id_hash[usable] ^ np.uint64(0x7468696E)).astype(np.float64) / 2.0**64
    thinned = usable[drawn < least / kept_with[usable]]
    chosen = thinned
    if len(thinned) > rows_max:
        order = hash_positions(id_hash[thinned] ^ np.uint64(0x74616B65))
        chosen = np.sort(thinned[np.argpartition(order, rows_max)[:rows_max]])
    how = f"{len(chosen):,} of {len(id_hash):,} sampled rows"
    if len(thinned) < len(usable):
        how += f", thinned to an even {least:.2%} of the traffic"
    elif least < 1:
        how += f", an even {least:.2%} of the traffic"
    if unknown:
        how += f"; {unknown:,} of unknown probability left out"
    return chosen, how


def _opened(job: Job, faults: list[Fault]) -> Iterator[pq.ParquetFile]:
    for name in job.samples:
        try:
            yield pq.ParquetFile(name)
        except (OSError, pa.ArrowException) as error:
            faults.append(Fault("job", Failure.SAMPLE_UNREADABLE, f"{Path(name).name}: {type(error).__name__}"))


def _indexed(files: list[pq.ParquetFile], job: Job, faults: list[Fault]) -> _Index:
    parts = []
    for number, file in enumerate(files):
        try:
            parts.append(_index(file, number, job))
        except (OSError, KeyError, pa.ArrowException) as error:
            faults.append(Fault("job", Failure.SAMPLE_UNREADABLE, f"a sample: {type(error).__name__}"))
    if not parts:
        none = np.empty(0)
        return _Index(none.astype(np.int32), none.astype(np.int64), none.astype(np.uint64), none)
    ids = np.concatenate([part.id_hash for part in parts])
    _, first = np.unique(ids, return_index=True)  # a row that two strata kept is one row
    first.sort()
    return _Index(
        np.concatenate([part.file for part in parts])[first],
        np.concatenate([part.row for part in parts])[first],
        ids[first],
        np.concatenate([part.kept_with for part in parts])[first],
    )


def _index(file: pq.ParquetFile, number: int, job: Job) -> _Index:
    present = set(file.schema_arrow.names)
    wanted = [name for name in ("id_hash", "time", "epoch", "inclusion_probability") if name in present]
    table = file.read(columns=wanted)
    times = _doubles(table.column("time"))
    inside = (times >= job.start) & (times < job.end)
    if job.epoch is not None and "epoch" in present:
        inside &= table.column("epoch").to_numpy() == job.epoch
    rows = np.flatnonzero(inside)
    kept_with = np.ones(len(times))
    if "inclusion_probability" in present:
        kept_with = _doubles(table.column("inclusion_probability"))
    return _Index(np.full(len(rows), number, np.int32), rows, _hashes(table.column("id_hash"))[rows], kept_with[rows])


def _hashes(column: pa.ChunkedArray) -> NDArray[np.uint64]:
    if pa.types.is_fixed_size_binary(column.type) or pa.types.is_binary(column.type):
        return np.frombuffer(b"".join(column.to_pylist()), "<u8").astype(np.uint64)
    return np.asarray(column.to_numpy(), np.uint64)


def _doubles(column: pa.ChunkedArray) -> NDArray[np.float64]:
    return np.asarray(column.cast(pa.float64(), safe=False).to_numpy(), np.float64)


def _rows(file: pq.ParquetFile, rows: NDArray[np.int64], schema: Schema) -> dict[str, NDArray[Any]]:
    """Read the wanted columns of some rows, batch by batch; `rows` ascend."""
    present = set(file.schema_arrow.names)
    features = [PREFIX + feature.name for feature in schema.features if not feature.sensitive]
    wanted = [name for name in (*features, "output", "value", "score", "label", "id_hash") if name in present]
    tables, start = [], 0
    for batch in file.iter_batches(_BATCH_ROWS, columns=wanted):
        inside = rows[(rows >= start) & (rows < start + batch.num_rows)] - start
        if len(inside):
            tables.append(pa.Table.from_batches([batch]).take(inside))
        start += batch.num_rows
    if not tables:
        return {}
    table = pa.concat_tables(tables, promote_options="default")
    return _columns(table, schema)


def _columns(table: pa.Table, schema: Schema) -> dict[str, NDArray[Any]]:
    present = set(table.column_names)
    columns: dict[str, NDArray[Any]] = {}
    for feature in schema.features:
        if not feature.sensitive and PREFIX + feature.name in present:
            column = table.column(PREFIX + feature.name)
            columns[feature.name] = _doubles(column) if feature.kind is FeatureKind.NUMERIC else _words(column)
    if schema.task is Task.CLASSIFICATION and "output" in present:
        columns[reserved(schema, PREDICTION)] = _classes(table.column("output"), schema)
    elif schema.task is not Task.CLASSIFICATION and "value" in present:
        columns[reserved(schema, PREDICTION)] = _doubles(table.column("value"))
    if schema.task is Task.CLASSIFICATION and "score" in present:
        columns[reserved(schema, SCORE)] = _doubles(table.column("score"))
    if schema.task is not Task.RANKING and "label" in present:
        columns[reserved(schema, LABEL)] = _label(_doubles(table.column("label")), schema)
    return columns


def _words(column: pa.ChunkedArray) -> NDArray[Any]:
    if pa.types.is_dictionary(column.type):
        column = pc.cast(column, pa.string())
    words = np.empty(len(column), object)
    words[:] = column.cast(pa.string()).to_pylist()
    return words


def _classes(column: pa.ChunkedArray, schema: Schema) -> NDArray[Any]:
    """Names of classes, however a file holds them: as text or as indices."""
    return _named(_doubles(column), schema) if pa.types.is_integer(column.type) else _words(column)


def _label(labels: NDArray[np.float64], schema: Schema) -> NDArray[Any]:
    return labels if schema.task is Task.REGRESSION else _named(labels, schema)


def _named(codes: NDArray[np.float64], schema: Schema) -> NDArray[Any]:
    """Turn indices of classes into their names, K into OTHER, null into None."""
    names = np.array([*schema.classes, OTHER, None], object)
    known = np.where(np.isfinite(codes), np.clip(codes, 0, len(schema.classes)), len(schema.classes) + 1)
    return np.asarray(names[known.astype(np.intp)])


def _joined(parts: list[dict[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    """Put files below each other; a column that one of them lacks is missing there."""
    joined = {}
    for name in dict.fromkeys(name for part in parts for name in part):
        kind = next(part[name].dtype for part in parts if name in part)
        gap: Any = None if kind.kind == "O" else np.nan
        joined[name] = np.concatenate([part.get(name, np.full(_length(part), gap, kind)) for part in parts])
    return joined


def _length(part: dict[str, NDArray[Any]]) -> int:
    return len(next(iter(part.values())))


def _add_labels(columns: dict[str, NDArray[Any]], hashes: NDArray[np.uint64], job: Job, faults: list[Fault]) -> None:
    """Join the labels by id hash, where a file of them is given."""
    if not job.labels or job.schema.task is Task.RANKING or not len(hashes):
        return
    try:
        table = pq.read_table(job.labels, columns=["id_hash", "label"])
    except (OSError, pa.ArrowException) as error:
        faults.append(Fault("labels", Failure.SAMPLE_UNREADABLE, type(error).__name__))
        return
    known, labels = _hashes(table.column("id_hash")), _doubles(table.column("label"))
    if not len(known):
        return
    order = np.argsort(known, kind="stable")
    at = np.minimum(np.searchsorted(known, hashes, sorter=order), len(known) - 1)
    found = known[order[at]] == hashes
    columns[reserved(job.schema, LABEL)] = _label(np.where(found, labels[order[at]], np.nan), job.schema)
