"""Commands that build a reference profile from history, and show what one holds."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monitor.cli.exits import Exit, Stop
from monitor.cli.options import AsJson
from monitor.cli.output import say, show_facts, show_json, show_table

if TYPE_CHECKING:
    from collections.abc import Callable

    from monitor.panes.reference import NumericBins, Reference

app = typer.Typer(help="Build a reference profile from history, or show one.", no_args_is_help=True)


@app.command()
def build(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="History: .csv, .csv.gz, .parquet or .ndjson")],
    schema: Annotated[Path, typer.Option("--schema", metavar="FILE", help="YAML: model, features, classes, columns.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Where the profile is written.")],
    *,
    sample: Annotated[
        Path | None,
        typer.Option("--sample", metavar="FILE", help="Keep up to 5,000 rows of the history here, for reports."),
    ] = None,
    tolerance: Annotated[
        float,
        typer.Option("--tolerance", min=0.0, max=0.5, help="Ignore shifts below about 1.25 times this many sigma."),
    ] = 0.04,
    design: Annotated[
        float,
        typer.Option("--design", min=1.0, max=1e6, help="How many rows count as one where that cannot be measured."),
    ] = 4.0,
    memory: Annotated[
        int, typer.Option("--memory", metavar="MIB", min=1, max=65_536, help="For counting by time, at most.")
    ] = 64,
    whole: Annotated[
        bool,
        typer.Option("--whole/--part", help="Whether FILES are all of the traffic: then they tell how much to expect."),
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Freeze the history a model was approved on. It takes two passes, a sample one more, in constant memory."""
    from monitor.errors import SettingsError
    from monitor.evidence.history import keep_sample
    from monitor.ingest.history import history_rows, open_history
    from monitor.panes.build import build_reference
    from monitor.panes.reference import digest, encode_reference
    from monitor.panes.rhythm_bands import Learning
    from monitor.panes.schema import parse_schema
    from monitor.settings.document import read_document

    document = read_document(schema)
    if document.problems:
        raise SettingsError(document.problems)
    facts, names = parse_schema(document.value)
    batches = open_history(data, facts, names)
    with read_progress("reference", history_rows(data), 2, shown=not as_json) as progress:
        reference = build_reference(batches, facts, progress, Learning(tolerance, design, memory << 20, whole=whole))
    body = encode_reference(reference)
    _write(out, body)
    _warn(reference)
    kept = None
    if sample is not None:
        with read_progress("reference", history_rows(data), 1, shown=not as_json) as progress:
            kept = _keep(sample, lambda: keep_sample(batches, facts, sample, progress=progress))
    if as_json:
        file = {"file": str(out), "digest": digest(body)}
        more = {} if sample is None else {"sample": {"file": str(sample), "rows": kept}}
        show_json({**file, **_summary(reference), **more})
        return
    typer.echo(digest(body))
    say(f"{out}: {reference.rows} rows, {len(reference.columns)} features, {len(body)} bytes.")
    if sample is not None:
        say(f"{sample}: {kept} rows; name it as evidence.reference_sample of the model in tocsin.yaml.")


@app.command()
def show(file: Annotated[Path, typer.Argument(metavar="FILE")], *, as_json: AsJson = False) -> None:
    """Show what a reference profile holds; its bytes are checked first."""
    reference, name = read_reference(file)
    summary = {"file": str(file), "digest": name, **_summary(reference)}
    if as_json:
        show_json(summary)
        return
    show_facts({name: value for name, value in summary.items() if name != "features"})
    show_table(summary["features"], ("name", "kind", "bins", "missing", "invalid", "non_finite", "range"), "")


def read_reference(file: Path) -> "tuple[Reference, str]":
    """Read a profile and name its bytes, which are checked first."""
    from monitor.panes.reference import decode_reference, digest

    try:
        body = file.read_bytes()
    except OSError as error:
        hint = "tocsin reference build makes one"
        raise Stop(Exit.PROBLEMS, f"{file} cannot be read: {error.strerror}", hint) from error
    if not body.startswith(b"{"):
        raise Stop(Exit.PROBLEMS, f"{file} is no reference profile", "tocsin reference build makes one from a history")
    return decode_reference(body), digest(body)


@contextmanager
def read_progress(words: str, rows: int | None, passes: int, *, shown: bool) -> "Iterator[Callable[[int], None]]":
    """Show rows read in all passes on stderr; where their number is unknown, without an end."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:>12,.0f} rows read" + (", twice each" if passes > 1 else "")),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not (shown and console.is_terminal), transient=True) as bar:
        task = bar.add_task(words, total=None if rows is None else passes * rows)
        yield lambda done: bar.update(task, completed=done)


def _warn(reference: "Reference") -> None:
    """Say loudly what the bands of this profile cannot know."""
    rhythm = reference.rhythm
    if rhythm is None:
        return
    if not rhythm.timed:
        say(f"WARNING: {rhythm.why}.")
        say(
            "WARNING: an ordinary day may page. Name the column of times as columns.time of the schema and give a week."
        )
    unknown = sum(band.centre is None for band in (*rhythm.signals, *(each.band for each in rhythm.scored)))
    if unknown:
        whole = len(rhythm.signals) + len(rhythm.scored)
        say(f"{unknown} of {whole} monitored quantities have no band and never page; `tocsin bands` says why.")


def _write(out: Path, body: bytes) -> None:
    """Write beside and rename. A profile is immutable: another one is never written over."""
    import os

    beside = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        if out.exists() and out.read_bytes() != body:
            hint = "profiles never change: choose another --out, or remove the file if no bundle names it"
            raise Stop(Exit.PROBLEMS, f"{out} holds another profile", hint)
        with beside.open("xb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(out)
    except OSError as error:
        raise Stop(Exit.PROBLEMS, f"{out} cannot be written: {error.strerror}", "choose another --out") from error
    finally:
        beside.unlink(missing_ok=True)


def _keep(out: Path, keep: "Callable[[], int]") -> int:
    """Write a sample; what stood there is replaced, for it decides nothing."""
    try:
        return keep()
    except OSError as error:
        raise Stop(Exit.PROBLEMS, f"{out} cannot be written: {error.strerror}", "choose another --sample") from error


def _summary(reference: "Reference") -> dict[str, Any]:
    """Say what is in a profile, without its counts."""
    from monitor.panes.layout import Layout

    layout = Layout.of(reference)
    histograms = layout.features(layout.reference_pane())
    pairs = zip(reference.columns, histograms, strict=True)
    return {
        "model": reference.schema.model,
        "task": reference.schema.task.value,
        "classes": list(reference.schema.classes),
        "positive": reference.schema.positive,
        "rows": reference.rows,
        "labelled": reference.labelled,
        "start": reference.start,
        "end": reference.end,
        "output": None if reference.output is None else _range(reference.output),
        "features": [_feature(column, histogram) for column, histogram in pairs],
    }


def _feature(column: Any, histogram: Any) -> dict[str, Any]:
    from monitor.panes.reference import NumericBins

    numeric = isinstance(column, NumericBins)
    known = [] if numeric else [*column.top[:3], *(["..."] if len(column.top) > 3 else [])]
    return {
        "name": column.name,
        "kind": "numeric" if numeric else "categorical",
        "bins": column.bins if numeric else len(column.top),
        "missing": histogram.missing,
        "invalid": histogram.invalid,
        "non_finite": histogram.non_finite,
        "range": _range(column) if numeric else known,
    }


def _range(column: "NumericBins") -> list[float]:
    """The least and the greatest value of the reference; empty if there was none."""
    return [column.edges[0], column.edges[-1]] if column.edges else []
