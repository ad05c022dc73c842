"""Commands of the person who decides about a rollback. The daemon decides whether it may: nothing is switched here."""

from typing import Annotated, Any

import typer

from monitor.cli.completing import model_names, rollback_ids
from monitor.cli.options import DEFAULT_URL, AsJson, TokenFile, Url
from monitor.cli.output import say, show_facts, show_json, show_table
from monitor.cli.watch import rows_of

app = typer.Typer(
    help="Rollbacks: list, start, approve, decline; stop automation.",
    no_args_is_help=True,
)

Ident = Annotated[
    str,
    typer.Argument(metavar="ID", help="As tocsin rollback list and the notice tell.", autocompletion=rollback_ids),
]


@app.command("list")
def list_(*, url: Url = DEFAULT_URL, token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """List the rollbacks, newest first, and how far each came."""
    from monitor.cli.api import Api

    found = Api(url, token_file).get("/v1/rollbacks")
    if as_json:
        show_json(found)
    else:
        columns = ("id", "model", "mode", "step", "planned", "stepped", "approved_by", "reason")
        show_table(rows_of(found), columns, "There are no rollbacks.")


@app.command()
def start(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="The monitored model to roll back to its known-good.", autocompletion=model_names
        ),
    ],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is kept with the rollback.")],
    *,
    url: Url = DEFAULT_URL,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Roll a model back by hand. The target is verified as in any rollback."""
    _post(url, token_file, "/v1/rollbacks", {"model": model, "reason": reason}, as_json=as_json)


@app.command()
def approve(ident: Ident, *, url: Url = DEFAULT_URL, token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """Agree to a proposed rollback. The evidence is looked at again first."""
    _post(url, token_file, f"/v1/rollbacks/{_quoted(ident)}/approve", None, as_json=as_json)


@app.command()
def decline(ident: Ident, *, url: Url = DEFAULT_URL, token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """Refuse a proposed rollback."""
    _post(url, token_file, f"/v1/rollbacks/{_quoted(ident)}/decline", None, as_json=as_json)


@app.command()
def unlatch(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="The model whose automation is latched.", autocompletion=model_names)
    ],
    *,
    url: Url = DEFAULT_URL,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Let automation act again. A failed rollback or a spent budget has latched it."""
    _post(
        url,
        token_file,
        "/v1/rollbacks/unlatch",
        {"model": model},
        as_json=as_json,
        then="Rollbacks may start by themselves again, as far as rollback.mode permits.",
    )


Why = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; incidents are told.")]


@app.command()
def stop(reason: Why, *, url: Url = DEFAULT_URL, token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """Set the kill switch. Nothing is rolled back by itself until somebody lets it go."""
    then = "Nothing is rolled back by itself until tocsin rollback go."
    _post(url, token_file, "/v1/rollbacks/stop", {"reason": reason}, as_json=as_json, then=then)


@app.command()
def go(reason: Why, *, url: Url = DEFAULT_URL, token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """Unset the kill switch, whoever set it and however."""
    then = "Rollbacks may start by themselves again, as far as rollback.mode permits."
    _post(url, token_file, "/v1/rollbacks/go", {"reason": reason}, as_json=as_json, then=then)


def _post(
    url: str,
    token_file: TokenFile,
    path: str,
    body: dict[str, Any] | None,
    *,
    as_json: bool,
    then: str = "tocsin rollback list shows how far it came.",
) -> None:
    from monitor.cli.api import Api

    found = Api(url, token_file).post(path, body)
    if as_json:
        show_json(found)
    else:
        show_facts(found)
        say(then)


def _quoted(ident: str) -> str:
    from urllib.parse import quote

    return quote(ident, safe="")
