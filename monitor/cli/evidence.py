"""Commands about reports of evidence: list them, fetch one, and end all links to them."""

import os
import secrets
import sys
from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.completing import incident_ids
from monitor.cli.exits import Exit, Stop
from monitor.cli.options import DEFAULT_URL, AsJson, TokenFile, Url
from monitor.cli.output import say, show_json, show_table
from monitor.cli.watch import rows_of

app = typer.Typer(help="Reports of evidence: list, fetch one, end all links to them.", no_args_is_help=True)


@app.command("list")
def list_(*, url: Url = DEFAULT_URL, token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """List the reports, newest first: of incidents, and on schedule."""
    from monitor.cli.api import Api

    found = Api(url, token_file).get("/v1/evidence")
    if as_json:
        show_json(found)
    else:
        show_table(rows_of(found), ("id", "model", "bytes", "written"), "There are no reports.")


@app.command()
def fetch(
    ident: Annotated[
        str,
        typer.Argument(metavar="INCIDENT", help="As tocsin incidents list tells.", autocompletion=incident_ids),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="Where the page goes; - is the standard output.")
    ],
    *,
    url: Url = DEFAULT_URL,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Fetch the report of an incident as one page of HTML. It may hold values of rows: the file is yours alone."""
    from urllib.parse import quote

    from monitor.cli.api import Api

    api = Api(url, token_file)
    incident = api.get(f"/v1/incidents/{quote(ident, safe='')}")
    report = incident.get("report") if isinstance(incident, dict) else None
    if not isinstance(report, str) or not report.startswith("/v1/evidence/"):
        hint = "it is made when the incident opens, if its model's evidence.incidents is on and rows were kept"
        raise Stop(Exit.PROBLEMS, f"incident {ident} has no report, or not yet", hint)
    page = api.page(report)
    if str(out) == "-":
        sys.stdout.buffer.write(page)
        return
    _write(out, page)
    if as_json:
        show_json({"incident": ident, "file": str(out), "bytes": len(page)})
        return
    say(f"{out}: {len(page):,} bytes. Open it in a browser; it loads nothing from anywhere.")


@app.command()
def rotate(
    config: Annotated[Path, typer.Option("--config", metavar="FILE", help="The settings file.")] = Path("tocsin.yaml"),
    *,
    as_json: AsJson = False,
) -> None:
    """Replace the key of links to reports. Every link that was ever sent opens nothing from now on."""
    from monitor.evidence.links import KEY_FILE
    from monitor.evidence.links import rotate as replace_key
    from monitor.settings import load

    path = load(config).state_dir / KEY_FILE
    try:
        replace_key(path)
    except OSError as error:
        hint = "run it as the user of the daemon, where its state directory is"
        raise Stop(Exit.PROBLEMS, f"{path} cannot be written: {error.strerror}", hint) from error
    if as_json:
        show_json({"key_file": str(path)})
        return
    say(f"{path} is new; a running daemon refuses the links of before within a second.")


def _write(path: Path, body: bytes) -> None:
    """Write beside and rename, for the owner alone; Stop if it cannot be written."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(body)
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise Stop(Exit.PROBLEMS, f"{path} cannot be written: {error.strerror}", "name another with -o") from error
