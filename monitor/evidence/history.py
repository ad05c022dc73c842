"""A sample of the history a reference was built from, kept beside the profile: the other side of a report.

The daemon holds the profile, which is counts; Evidently compares rows. `keep_sample` reads the history once more and
keeps at most `ROWS_MAX` rows, the same ones every time: those whose position in the history hashes lowest, which is a
simple random sample without replacement for every order of rows that does not know the hash (Cohen & Kaplan 2007,
bottom-k). Cost: one more pass, and memory for twice the rows kept and a batch.

Columns: `id_hash` u8 (of the position) · `output` u1 · `value`, `score` f8 · `label` f8 (null: none) · `f:NAME` f8 or
dictionary<utf8>, null: missing or invalid. Sensitive features are not kept: their values are never evidence. The
file's metadata says which schema it is of, so that a sample of another model is refused.
"""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from monitor.errors import Corrupt
from monitor.facts import Schema
from monitor.panes.build import NO_LABEL, HistoryBatch, OpenBatches
from monitor.panes.rows import CategoricalColumn, Column

ROWS_MAX: Final = 5_000  # 20 features of it are 0.5 MB; psi of two samples of 5,000 wanders by .004 at 20 bins
PREFIX: Final = "f:"  # before the name of a feature, as in a journal record
_META: Final = b"tocsin.reference_sample"


def keep_sample(
    open_batches: OpenBatches,
    schema: Schema,
    out: Path,
    rows_max: int = ROWS_MAX,
    progress: Callable[[int], None] = lambda _: None,
) -> int:
    """Write the sample of a history to `out` and return its rows; whatever stood there is replaced by a rename.

    `open_batches` is what `build_reference` reads; `progress` hears the rows read. OSError where it cannot be written.
    """
    kept: list[tuple[NDArray[np.uint64], pa.Table]] = []
    done = 0
    for batch in open_batches():
        hashes = hash_positions(np.arange(done, done + batch.predictions.n, dtype=np.uint64))
        chosen = _lowest(hashes, rows_max)
        kept.append((hashes[chosen], _table(batch, schema, hashes, chosen)))
        if sum(len(part) for part, _ in kept) > 2 * rows_max:
            kept = [_merged(kept, rows_max)]
        done += batch.predictions.n
        progress(done)
    hashes, table = _merged(kept, rows_max)
    _write(table.take(np.argsort(hashes)).replace_schema_metadata({_META: schema_digest(schema)}), out)
    return int(table.num_rows)


def check_sample(path: Path, schema: Schema) -> None:
    """Refuse, as Corrupt, a file that is no reference sample of this schema."""
    try:
        metadata = pq.read_schema(path).metadata or {}
    except (OSError, pa.ArrowException) as error:
        raise Corrupt(str(path), 0, "no Parquet file; make it with `tocsin reference build --sample`") from error
    if metadata.get(_META) != schema_digest(schema):
        raise Corrupt(str(path), 0, "a sample of another schema; make it with `tocsin reference build --sample`")


def schema_digest(schema: Schema) -> bytes:
    """Name a schema: BLAKE2b-128 of its JSON, in hexadecimal."""
    return hashlib.blake2b(msgspec.json.encode(schema), digest_size=16).hexdigest().encode()


def hash_positions(positions: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Mix whole numbers into 64 bits that look random: splitmix64 (Steele, Lea & Flood 2014), a bijection.

    >>> int(hash_positions(np.array([0], np.uint64))[0]) == 0xE220A8397B1DCDAF
    True
    """
    with np.errstate(over="ignore"):
        mixed = positions + np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def _lowest(hashes: NDArray[np.uint64], rows_max: int) -> NDArray[np.intp]:
    """Where the lowest hashes are; hashes of different positions never tie."""
    if len(hashes) <= rows_max:
        return np.arange(len(hashes))
    return np.argpartition(hashes, rows_max)[:rows_max]


def _merged(kept: list[tuple[NDArray[np.uint64], pa.Table]], rows_max: int) -> tuple[NDArray[np.uint64], pa.Table]:
    hashes = np.concatenate([part for part, _ in kept])
    chosen = _lowest(hashes, rows_max)
    table = pa.concat_tables([table for _, table in kept]).unify_dictionaries()
    return hashes[chosen], table.take(chosen)


def _table(batch: HistoryBatch, schema: Schema, hashes: NDArray[np.uint64], chosen: NDArray[np.intp]) -> pa.Table:
    rows = batch.predictions
    columns: dict[str, Any] = {
        "id_hash": pa.array(hashes[chosen]),
        "output": pa.array(rows.outputs[chosen]),
        "score": pa.array(rows.scores[chosen]),
        "label": _labels(batch.labels[chosen]),
    }
    if (values := getattr(rows, "values", None)) is not None:
        columns["value"] = pa.array(values[chosen])
    for feature in schema.features:
        if not feature.sensitive:
            columns[PREFIX + feature.name] = arrow_column(rows.columns[feature.name].take(chosen))
    return pa.table(columns)


def _labels(labels: NDArray[Any]) -> pa.Array:
    """Labels as doubles, null where none came: NO_LABEL among class indices, NaN among numbers."""
    none = labels == NO_LABEL if labels.dtype == np.uint8 else np.isnan(labels)
    return pa.array(labels.astype(np.float64), mask=none)


def arrow_column(column: Column) -> pa.Array:
    """Turn a feature into Arrow; null where the cell was missing or invalid."""
    if isinstance(column, CategoricalColumn):
        codes = pa.array(column.codes, mask=column.codes < 0)
        return pa.DictionaryArray.from_arrays(codes, pa.array(column.values, pa.string())).cast(pa.string())
    return pa.array(column.values, mask=column.missing | column.invalid)


def _write(table: pa.Table, out: Path) -> None:
    beside = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        with beside.open("xb") as file:
            pq.write_table(table, file, compression="zstd")
            file.flush()
            os.fsync(file.fileno())
        beside.replace(out)
    finally:
        beside.unlink(missing_ok=True)
