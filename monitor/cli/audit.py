"""Commands for the audit log: whether it is what was written, and what it says. They read files, and ask no daemon."""

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from monitor.cli.exits import Exit, Stop
from monitor.cli.options import AsJson
from monitor.cli.output import say, show_json, show_table

if TYPE_CHECKING:
    from monitor.audit.records import Scalar
    from monitor.audit.verify import Anchor, Proof

app = typer.Typer(help="Verify, show and export the audit log.", no_args_is_help=True)

_CONFIG: Final = Path("tocsin.yaml")
_PARTS: Final = 5

Config = Annotated[Path, typer.Option("--config", metavar="FILE", help="The settings file, which names the log.")]
Directory = Annotated[
    Path | None, typer.Option("--dir", metavar="DIRECTORY", help="The log itself, as a copy elsewhere; no settings.")
]


@app.command()
def verify(
    anchors: Annotated[
        list[str],
        typer.Option(
            "--anchor",
            metavar="SEQ:DIGEST",
            help="A head that was kept elsewhere: from a notice, or SEQ:P0,P1,P2,P3,P4 from the metrics. Several.",
        ),
    ] = [],  # noqa: B006 - typer copies it
    keys: Annotated[
        list[Path],
        typer.Option("--key", metavar="FILE", help="A public key to believe; else those that lie with the log."),
    ] = [],  # noqa: B006 - typer copies it
    *,
    config: Config = _CONFIG,
    directory: Directory = None,
    as_json: AsJson = False,
) -> None:
    """Prove that the log is what was written, and from where to where.

    Exit codes: 0 it is, and something is proven; 1 something was changed, removed or added, or nothing is proven.
    """
    from monitor.audit.files import log_files
    from monitor.audit.verify import verify as walk
    from monitor.turns.audit_keys import AuditTrust, trusted_keys

    asked = [_anchor(text) for text in anchors]
    place = _place(directory, config)
    files = log_files(place)
    if not files:
        raise Stop(Exit.PROBLEMS, f"there is no audit log in {place}", "the daemon begins one at its first start")
    believed = keys or trusted_keys(place)
    if not believed:
        raise Stop(Exit.PROBLEMS, f"there is no public key in {place}", "name one with --key")
    size = sum(path.stat().st_size for path in files)
    with _progress(size, shown=not as_json) as told:
        proof = walk(place, AuditTrust.load(believed), asked, told)
    if as_json:
        show_json({"ok": proof.ok, **asdict(proof), "faults": [str(fault) for fault in proof.faults]})
    else:
        _tell(proof, given=bool(keys))
    raise typer.Exit(Exit.OK if proof.ok else Exit.PROBLEMS)


@app.command()
def show(
    *,
    last: Annotated[int, typer.Option("--last", metavar="N", min=1, max=100_000, help="So many of the newest.")] = 20,
    kind: Annotated[
        str, typer.Option("--kind", metavar="KIND", help="Of this kind, as rollback or token.create.")
    ] = "",
    config: Config = _CONFIG,
    directory: Directory = None,
    as_json: AsJson = False,
) -> None:
    """Show the newest records. Nothing is verified: see tocsin audit verify."""
    from collections import deque

    import msgspec

    found = deque(_records(_place(directory, config), kind), maxlen=last)
    rows = [msgspec.to_builtins(each) for each in found]
    if as_json:
        show_json(rows)
        return
    words = [{**row, "subject": _words(row["subject"])} for row in rows]
    show_table(words, ("seq", "time", "kind", "actor", "subject"), "There are no such records.")


@app.command()
def export(
    *,
    since: Annotated[int, typer.Option("--from", metavar="SEQ", min=1, help="The first record.")] = 1,
    until: Annotated[int, typer.Option("--to", metavar="SEQ", min=1, help="The last record.")] = 1 << 62,
    config: Config = _CONFIG,
    directory: Directory = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines, which is what they are in any case.")] = False,  # noqa: ARG001 - said for scripts
) -> None:
    """Write records to the standard output, byte for byte. They can be kept and verified elsewhere."""
    from monitor.audit.records import skim

    for line in _all_lines(_place(directory, config)):
        found = skim(line[:-1])
        if found is None:
            say("a line is not intact and is left out; tocsin audit verify says where")
        elif since <= found.seq <= until:
            sys.stdout.write(line.decode())


def write_down(state_dir: Path | None, kind: str, subject: "Mapping[str, Scalar]") -> None:
    """Write to a daemon's audit log what this person is about to do; nothing without a state directory.

    Stop if that cannot be done: then it is not done. The daemon writes down what it sees of it either way.
    """
    if state_dir is None:
        return
    import getpass

    from monitor.audit.log import Log
    from monitor.clock import WallClock
    from monitor.turns.audit_start import DIRECTORY

    place = state_dir / DIRECTORY
    if not place.is_dir():
        hint = "the daemon begins one at its first start; leave --state-dir out until then"
        raise Stop(Exit.PROBLEMS, f"there is no audit log in {place}", hint)
    Log(place, WallClock()).append(kind, f"cli:{getpass.getuser()}", subject)


def _place(directory: Path | None, config: Path) -> Path:
    """The directory of the log."""
    if directory is not None:
        return directory
    from monitor.settings import load
    from monitor.turns.audit_start import DIRECTORY

    return load(config).state_dir / DIRECTORY


def _anchor(text: str) -> "Anchor":
    """Read SEQ:DIGEST, or SEQ and the five numbers of the metrics, which Prometheus may show as 1.2e+15."""
    from monitor.audit.records import digest_of
    from monitor.audit.verify import Anchor

    seq, _, rest = text.partition(":")
    try:
        if re.fullmatch(r"[1-9][0-9]{0,17}", seq) and re.fullmatch(r"[0-9a-f]{64}", rest):
            return Anchor(int(seq), rest)
        if re.fullmatch(r"[1-9][0-9]{0,17}", seq) and rest.count(",") == _PARTS - 1:
            return Anchor(int(seq), digest_of(tuple(int(float(part)) for part in rest.split(","))))
    except (ValueError, OverflowError):
        pass
    raise Stop(Exit.USAGE, f"{text!r} is no anchor", "as in --anchor 1234:<64 hex digits>")


def _tell(proof: "Proof", *, given: bool) -> None:
    for fault in proof.faults:
        say(f"FAULT {fault}")
    if proof.faults_more:
        say(f"FAULT and {proof.faults_more} more")
    if proof.proven:
        span = f"records {proof.first} to {proof.proven} are proven"
        met = f"{proof.heads} signed head{'s' * (proof.heads != 1)}"
        anchored = f" and {proof.anchors} anchor{'s' * (proof.anchors != 1)}" if proof.anchors else ""
        typer.echo(f"{span}, by {met}{anchored}, from {_time(proof.since)} to {_time(proof.proven_at)}.")
    else:
        typer.echo("Nothing is proven: no signed head and no anchor was met before the first fault.")
    if proof.last > proof.proven > 0 and not proof.faults:
        typer.echo(f"Records {proof.proven + 1} to {proof.last} hang together and are not signed yet.")
    for key in proof.keys:
        say(
            f"signed by {key}" + ("" if given else ", whose public key lies with the log: compare it with one you kept")
        )
    if proof.torn:
        say(f"{proof.torn} times a crash tore what was not acknowledged; it was set aside and recorded (audit.torn)")
    if proof.ok and not proof.anchors:
        say("What was cut off at the end together with its heads is seen with --anchor alone.")


def _time(seconds: float | None) -> str:
    return "?" if not seconds else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _all_lines(place: Path) -> Iterator[bytes]:
    from monitor.audit.files import log_files
    from monitor.audit.verify import read_lines

    for path in log_files(place):
        yield from read_lines(path)


def _records(place: Path, kind: str) -> Iterator[Any]:
    from monitor.audit.records import read, skim

    for line in _all_lines(place):
        if skim(line[:-1]) is None:
            continue
        record = read(line[:-1])
        if not kind or record.kind == kind or record.kind.startswith(f"{kind}."):
            yield record


def _words(subject: dict[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in subject.items() if value not in {None, ""})


@contextmanager
def _progress(size: int, *, shown: bool) -> Iterator[Callable[[int], None]]:
    """Show the bytes read on stderr."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not (shown and console.is_terminal), transient=True) as bar:
        task = bar.add_task("audit log", total=size)
        yield lambda done: bar.update(task, completed=done)
