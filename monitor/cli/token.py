"""Tokens are made and revoked in the file that the settings name; a running daemon follows it within a second."""

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from monitor.cli.audit import write_down
from monitor.cli.exits import Exit, Stop
from monitor.cli.options import AsJson, StateDir, TokensFile
from monitor.cli.output import say, show_json, show_table

app = typer.Typer(help="Create, list and revoke the tokens of the API.", no_args_is_help=True)

_FILE = Path("tokens.json")


@app.command()
def create(
    scope: Annotated[
        list[str], typer.Option("--scope", metavar="SCOPE", help="What it may do; may be given several times.")
    ],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who it is for: a-z 0-9 . _ -; else the source.")] = "",
    source: Annotated[
        str,
        typer.Option("--source", metavar="SOURCE", help="Whom its rows count for, `crowd/*` for any below; else NAME."),
    ] = "",
    *,
    rows_per_second: Annotated[
        int | None,
        typer.Option(metavar="N", help="Rows that it may send, on the long run; else the settings' default."),
    ] = None,
    burst_rows: Annotated[
        int | None, typer.Option(metavar="N", help="Rows it may send at once; else ten seconds of the rate.")
    ] = None,
    expires: Annotated[str, typer.Option(metavar="SPAN", help="When it ends: 90d, 12h; else never.")] = "",
    state_dir: StateDir = None,
    file: TokensFile = _FILE,
    as_json: AsJson = False,
) -> None:
    """Make a token and print it, this once.

    Scopes: ingest:predictions ingest:labels read operate approve admin clock. None implies another.
    """
    from monitor.ingest.tokens import Bounds, Scope, create_token

    known = [each.value for each in Scope]
    for each in scope:
        if each not in known:
            raise Stop(Exit.USAGE, f"there is no scope {each!r}", f"scopes are {', '.join(known)}")
    if not (name or source):
        raise Stop(Exit.USAGE, "a token needs a name", "as in tocsin token create gateway-1 --scope ingest:predictions")
    now = time.time()
    bounds = Bounds(now + _span_s(expires) if expires else None, rows_per_second, burst_rows)
    asked = {"name": name or source, "source": source or name, "scopes": " ".join(scope), "expires": bounds.expires}
    write_down(state_dir, "token.create", asked)
    token, text = create_token(file, name or source, [Scope(each) for each in scope], source, now, bounds=bounds)
    if as_json:
        show_json({**_shown(token), "token": text})
    else:
        typer.echo(text)
        say(f"Written to {file}, hashed. This is the only time the token is shown: keep it in a file of mode 600.")


@app.command("list")
def list_(*, file: TokensFile = _FILE, as_json: AsJson = False) -> None:
    """List the tokens, revoked ones too; never the tokens themselves."""
    from monitor.ingest.tokens import read_tokens

    if not file.exists():
        raise Stop(Exit.PROBLEMS, f"there is no tokens file {file}", "tocsin token create writes one; see --file")
    rows = [_shown(token) for token in read_tokens(file)]
    if as_json:
        show_json(rows)
    else:
        columns = ("name", "id", "source", "scopes", "rows_per_second", "created", "expires", "revoked")
        show_table(rows, columns, "There are no tokens: tocsin token create NAME --scope SCOPE makes one.")


@app.command()
def revoke(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name or id.")],
    *,
    state_dir: StateDir = None,
    file: TokensFile = _FILE,
    as_json: AsJson = False,
) -> None:
    """Revoke a token. It stays in the list."""
    from monitor.ingest.tokens import revoke_token

    if not file.exists():
        raise Stop(Exit.PROBLEMS, f"there is no tokens file {file}", "name it with --file")
    write_down(state_dir, "token.revoke", {"name": name})
    token = revoke_token(file, name, time.time())
    if as_json:
        show_json(_shown(token))
    else:
        say(f"{token.name} ({token.id}) is revoked; a running daemon refuses it within a second.")


def _span_s(text: str) -> float:
    from monitor.settings.units import Duration

    try:
        return Duration.parse(text)
    except ValueError as error:
        raise Stop(Exit.USAGE, str(error), "as in --expires 90d") from error


def _shown(token: Any) -> dict[str, object]:
    """Leave out the digest: it is no secret, and nobody's business."""
    return {
        "name": token.name,
        "id": token.id,
        "source": token.source,
        "scopes": [scope.value for scope in token.scopes],
        "rows_per_second": token.rows_per_second,
        "burst_rows": token.burst_rows,
        "created": token.created,
        "expires": token.expires,
        "revoked": token.revoked,
    }
