"""Golden probes: rows whose answers are recorded when a checkpoint is approved, and asked again while it serves.

The rows are a secret, because who knows them can make a model that answers just these right. Files are of mode 0600,
and no command prints a row or an answer.
"""

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monitor.cli.exits import Exit, Stop
from monitor.cli.options import AsJson
from monitor.cli.output import say, show_facts, show_json

if TYPE_CHECKING:
    from monitor.decisions.probes import Tolerance
    from monitor.facts import Schema
    from monitor.panes.build import OpenBatches
    from monitor.panes.rows import Predictions
    from monitor.serving.open_inference import OpenInference
    from monitor.serving.probe_set import ProbeSet
    from monitor.serving.probing import Round

app = typer.Typer(help="Record what a checkpoint answers; verify that it still does.", no_args_is_help=True)

TIMES = 3  # a checkpoint is asked this often before its answers are recorded: it has to say the same

ProbesFile = Annotated[Path, typer.Argument(metavar="FILE", help="The signed set of probes.")]
Server = Annotated[str, typer.Option("--server", metavar="URL", help="The model server, Open Inference Protocol.")]
ServedAs = Annotated[str, typer.Option("--served-as", metavar="NAME", help="The model's name there; else its own.")]
Trusted = Annotated[
    list[Path], typer.Option("--trust", metavar="FILE", help="A public key that may sign; may be given several times.")
]
Timeout = Annotated[float, typer.Option("--timeout", metavar="SECONDS", min=0.01, max=600.0, help="Of one answer.")]
Difference = Annotated[
    float, typer.Option("--difference", min=0.0, max=1.0, help="Of a score, or of a number: below it they are equal.")
]


@app.command()
def record(
    file: ProbesFile,
    server: Server,
    private_key: Annotated[Path, typer.Option("--private-key", metavar="FILE", help="tocsin key generate makes one.")],
    *,
    rows: Annotated[
        Path | None, typer.Option("--rows", metavar="DATA", help="Rows to draw from: .csv, .csv.gz, .parquet, .ndjson.")
    ] = None,
    schema: Annotated[
        Path | None, typer.Option("--schema", metavar="FILE", help="Of DATA, as for tocsin reference build.")
    ] = None,
    count: Annotated[int, typer.Option("--count", min=1, max=1_000, help="How many rows are drawn.")] = 64,
    trust: Annotated[
        list[Path] | None, typer.Option("--trust", metavar="FILE", help="Whose set it is that gets more answers.")
    ] = None,
    served_as: ServedAs = "",
    timeout: Timeout = 10.0,
    difference: Difference = 1e-6,
    passphrase_file: Annotated[
        Path | None, typer.Option("--passphrase-file", metavar="FILE", help="What the key is encrypted with.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Record the answers of what a server has loaded. Of rows of DATA, or those that FILE holds already."""
    from monitor.decisions.probes import Tolerance
    from monitor.rollback.signing import Purpose, Signer
    from monitor.serving import probe_set

    signer = Signer.load(private_key, passphrase_file)
    found = _drawn(file, rows, schema, count) if rows is not None else _opened(file, trust or [])
    digest, said = asyncio.run(_asked(_server(server, served_as or found.model, timeout), found, TIMES))
    _check_complete(said)
    _check_steady(said, Tolerance(difference))
    made = found.with_answers(digest, said.given[0], time.time())
    _write(file, signer.sign(Purpose.PROBES, probe_set.write(made)))
    if as_json:
        show_json({"file": str(file), "digest": digest, **_shown(made)})
        return
    typer.echo(digest)
    say(f"{file}: {made.n} rows, the answers of {len(made.recorded)} checkpoints. Keep it secret.")


@app.command()
def verify(
    file: ProbesFile,
    server: Server,
    trust: Trusted,
    *,
    served_as: ServedAs = "",
    connections: Annotated[int, typer.Option("--connections", min=1, max=16, help="How many are asked at once.")] = 3,
    timeout: Timeout = 10.0,
    difference: Difference = 1e-6,
    mismatches_max: Annotated[int, typer.Option("--mismatches-max", min=0, help="Rows that may differ.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Ask a server once, and compare with what was recorded. It should answer as its checkpoint did."""
    import msgspec

    from monitor.decisions.probes import Tolerance, read
    from monitor.facts import Verdict

    found = _opened(file, trust)
    digest, said = asyncio.run(_asked(_server(server, served_as or found.model, timeout), found, connections))
    tolerance = Tolerance(difference, mismatches_max)
    reading, worst = read(found.recorded.get(digest), said.given, tolerance, silent=said.silent, others=said.others)
    shown: dict[str, Any] = {"digest": digest, "verdict": reading.verdict.value, "why": reading.why}
    shown |= {} if worst is None else msgspec.to_builtins(worst)
    if as_json:
        show_json(shown)
    else:
        show_facts(shown)
    if reading.verdict is Verdict.BREACH:
        raise Stop(
            Exit.PROBLEMS, f"{digest} answers otherwise than it did when it was recorded", "is it that checkpoint?"
        )
    if reading.verdict is Verdict.UNKNOWN:
        raise Stop(Exit.PROBLEMS, f"nothing is known: {reading.why}")


@app.command()
def show(file: ProbesFile, trust: Trusted, *, as_json: AsJson = False) -> None:
    """Show what a set holds, but for its rows and answers."""
    shown = _shown(_opened(file, trust))
    if as_json:
        show_json(shown)
    else:
        show_facts(shown)


def _opened(file: Path, trust: list[Path]) -> "ProbeSet":
    from monitor.rollback.signing import Purpose, Trust
    from monitor.serving.probe_set import parse

    if not trust:
        raise Stop(Exit.USAGE, "nobody is trusted to have signed these probes", "name a public key with --trust")
    return parse(Trust.load(dict.fromkeys(trust, frozenset({Purpose.PROBES}))).open_file(Purpose.PROBES, file).payload)


def _drawn(file: Path, rows: Path, schema: Path | None, count: int) -> "ProbeSet":
    """Draw rows nobody can foresee; a set that is there is not replaced by another."""
    from monitor.errors import SettingsError
    from monitor.ingest.history import open_history
    from monitor.panes.schema import parse_schema
    from monitor.serving.probe_set import make
    from monitor.settings.document import read_document

    if file.exists():
        hint = "leave --rows out to record one more checkpoint, or name another file"
        raise Stop(Exit.PROBLEMS, f"{file} is there already", hint)
    if schema is None:
        raise Stop(Exit.USAGE, "the columns of --rows are unknown", "name their --schema")
    document = read_document(schema)
    if document.problems:
        raise SettingsError(document.problems)
    facts, names = parse_schema(document.value)
    return make(facts.model, facts.task, _draw(open_history(rows, facts, names), facts, count), time.time())


def _draw(batches: "OpenBatches", schema: "Schema", count: int) -> "Predictions":
    """Choose `count` rows of all, each as likely, in two passes."""
    import secrets

    import numpy as np

    from monitor.panes.concat import concat

    total = sum(batch.predictions.n for batch in batches())
    if not total:
        raise Stop(Exit.PROBLEMS, f"there are no rows of {schema.model}")
    chosen = np.array(sorted(secrets.SystemRandom().sample(range(total), min(count, total))))
    parts, start = [], 0
    for batch in batches():
        end = start + batch.predictions.n
        mine = chosen[(chosen >= start) & (chosen < end)] - start
        if len(mine):
            parts.append(batch.predictions.take(mine))
        start = end
    return concat(parts, len(chosen))


def _server(url: str, name: str, timeout_s: float) -> "OpenInference":
    from monitor.serving.open_inference import OpenInference

    return OpenInference(url, name, timeout_s)


async def _asked(server: "OpenInference", probes: "ProbeSet", times: int) -> "tuple[str, Round]":
    from monitor.serving.probing import ask

    try:
        digest = await server.served()
        return digest, await ask(server, probes, digest, times)
    finally:
        await server.aclose()


def _check_complete(said: "Round") -> None:
    if said.silent or said.others:
        why = "does not answer" if said.silent else "has more than one checkpoint"
        raise Stop(Exit.PROBLEMS, f"the model server {why}: nothing is recorded", "ask one worker, with more --timeout")


def _check_steady(said: "Round", tolerance: "Tolerance") -> None:
    from monitor.decisions.probes import compare

    if any(compare(said.given[0], each, tolerance).mismatches for each in said.given[1:]):
        hint = "raise --difference, and probes.difference with it, if that is rounding"
        raise Stop(Exit.PROBLEMS, "the model does not answer the same rows alike: nothing is recorded", hint)


def _shown(probes: "ProbeSet") -> dict[str, Any]:
    return {
        "model": probes.model,
        "task": probes.task.value,
        "rows": probes.n,
        "features": len(probes.inputs),
        "created": probes.created,
        "recorded": sorted(probes.recorded),
    }


def _write(file: Path, body: bytes) -> None:
    """Write beside and rename, for its owner alone from the first byte on."""
    import os

    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as out:
            out.write(body)
            out.flush()
            os.fsync(handle)
        beside.replace(file)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise Stop(Exit.PROBLEMS, f"{file} cannot be written: {error.strerror}") from error
