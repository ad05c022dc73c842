"""Commands about the data behind an incident: what is suspected, and what to keep out of the next training."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import compress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monitor.cli.completing import incident_ids
from monitor.cli.exits import Exit, Stop
from monitor.cli.options import DEFAULT_URL, AsJson, TokenFile, Url
from monitor.cli.output import say, show_facts, show_json
from monitor.cli.watch import incidents

if TYPE_CHECKING:
    import pyarrow as pa

    from monitor.decisions.exclusions import Exclusions

__all__ = ["incidents"]
ROWS = 65_536  # at a time
Ident = Annotated[
    str, typer.Argument(metavar="ID", help="As tocsin incidents list tells.", autocompletion=incident_ids)
]


@incidents.command()
def suspect(
    ident: Ident,
    *,
    source: Annotated[
        list[str] | None, typer.Option("--source", metavar="NAME", help="Whose data; crowd/* is all of a prefix.")
    ] = None,
    batch: Annotated[
        list[str] | None, typer.Option("--batch", metavar="DIGEST", help="A training batch, as lineages name it.")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="RFC 3339; else since the evidence begins.")
    ] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="TIME", help="RFC 3339; else it goes on.")] = None,
    url: Url = DEFAULT_URL,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Say whose data, or which batches, are suspected. Nothing trained on them is rolled back to."""
    body: dict[str, Any] = {"sources": source or [], "batches": batch or []}
    body |= {name: value for name, value in (("since", since), ("until", until)) if value is not None}
    _show(_api(url, token_file).post(_path(ident, "suspicions"), body), as_json=as_json)


@incidents.command()
def trust(ident: Ident, *, url: Url = DEFAULT_URL, token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """Take back what people suspect because of an incident."""
    _show(_api(url, token_file).post(_path(ident, "trust")), as_json=as_json)


@incidents.command()
def exclusions(ident: Ident, *, url: Url = DEFAULT_URL, token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """Show what to keep out of the next training: sources, times."""
    _show(_api(url, token_file).get(_path(ident, "exclusions")), as_json=as_json)


@incidents.command()
def exclude(
    ident: Ident,
    rows: Annotated[Path, typer.Option("--rows", metavar="FILE", help="Training data, Parquet.")],
    kept: Annotated[Path, typer.Option("--kept", metavar="FILE", help="What is left of them is written here.")],
    *,
    ids: Annotated[
        Path | None, typer.Option("--ids", metavar="FILE", help="The ids of what was kept out, one a line.")
    ] = None,
    time_column: Annotated[str, typer.Option("--time", metavar="COLUMN", help="Numbers are Unix seconds.")] = "time",
    source_column: Annotated[str, typer.Option("--source", metavar="COLUMN")] = "source",
    id_column: Annotated[str, typer.Option("--id", metavar="COLUMN")] = "id",
    url: Url = DEFAULT_URL,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Split training data: what an incident excludes is left out. Constant memory; what cannot be told is left out."""
    import msgspec

    from monitor.decisions.exclusions import Exclusions

    found = msgspec.convert(_api(url, token_file).get(_path(ident, "exclusions")), Exclusions)
    names = {"time": time_column, "source": source_column, "id": id_column}
    if kept.exists():
        raise Stop(Exit.PROBLEMS, f"{kept} is there already", "name another file")
    counts = _split(found, rows, kept, ids, names)
    if as_json:
        show_json(counts)
    else:
        say(f"{counts['kept']} rows are in {kept}, {counts['excluded']} are left out.")


def _split(found: "Exclusions", rows: Path, kept: Path, ids: Path | None, names: dict[str, str]) -> dict[str, int]:
    """Write what is kept of `rows`, and the ids of the rest; how many rows there were of each."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    counts = {"kept": 0, "excluded": 0, "undated": 0}
    try:
        with pq.ParquetFile(rows) as file, _lines(ids) as write_id:
            _demand_columns(rows, file.schema_arrow.names, [names["time"], *([names["id"]] if ids else [])])
            with pq.ParquetWriter(kept, file.schema_arrow) as writer:
                for batch in file.iter_batches(ROWS):
                    out = _out(found, batch, names, counts)
                    writer.write_batch(batch.filter(pa.array([not each for each in out])))
                    if ids is not None:
                        write_id(compress(batch[names["id"]].to_pylist(), out))
    except (OSError, pa.ArrowException) as error:
        kept.unlink(missing_ok=True)
        raise Stop(Exit.PROBLEMS, f"{rows} cannot be split: {error}", "it must be a Parquet file") from error
    return counts


def _demand_columns(rows: Path, names: list[str], wanted: list[str]) -> None:
    if missing := [name for name in wanted if name not in names]:
        raise Stop(Exit.PROBLEMS, f"{rows} has no column {missing[0]!r}", "--time, --source and --id name them")


def _out(found: "Exclusions", batch: "pa.RecordBatch", names: dict[str, str], counts: dict[str, int]) -> list[bool]:
    """Of each row whether it is left out, counted; one without a time cannot be told, and is."""
    from monitor.decisions.exclusions import excluded

    times = _seconds(batch[names["time"]])
    has = names["source"] in batch.schema.names
    sources = batch[names["source"]].to_pylist() if has else [None] * len(times)
    counts["undated"] += sum(time is None for time in times)
    out = [
        time is None or excluded(None if source is None else str(source), time, found)
        for source, time in zip(sources, times, strict=True)
    ]
    counts["kept"] += len(out) - sum(out)
    counts["excluded"] += sum(out)
    return out


def _seconds(column: "pa.Array") -> list[float | None]:
    """Times of a column as Unix seconds; text as RFC 3339."""
    import pyarrow as pa

    from monitor.ingest.times import parse_time

    if pa.types.is_timestamp(column.type):
        micros = column.cast(pa.timestamp("us", column.type.tz), safe=False).cast(pa.int64()).to_pylist()
        return [None if each is None else each / 1e6 for each in micros]
    return [None if each is None else parse_time(each) for each in column.to_pylist()]


@contextmanager
def _lines(path: Path | None) -> Iterator[Any]:
    """A function that writes values to a file, one a line; to none, if there is none."""
    if path is None:
        yield lambda _values: None
        return
    with path.open("w", encoding="utf-8") as file:
        yield lambda values: file.writelines(f"{value}\n" for value in values)


def _path(ident: str, what: str) -> str:
    from urllib.parse import quote

    return f"/v1/incidents/{quote(ident, safe='')}/{what}"


def _api(url: str, token_file: TokenFile) -> Any:
    from monitor.cli.api import Api

    return Api(url, token_file)


def _show(found: Any, *, as_json: bool) -> None:
    if as_json:
        show_json(found)
    else:
        show_facts(found)
