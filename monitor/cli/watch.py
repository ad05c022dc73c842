"""Commands that ask the daemon what it sees."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from monitor.cli.completing import incident_ids, model_names
from monitor.cli.options import DEFAULT_URL, AsJson, Every, TokenFile, Url
from monitor.cli.output import show_facts, show_json, show_table

incidents = typer.Typer(help="Incidents: list, show with evidence, let go, suspect data.", no_args_is_help=True)


def status(
    *,
    url: Url = DEFAULT_URL,
    token_file: TokenFile = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Show it again and again, until Ctrl-C.")] = False,
    every: Every = 2.0,
    whole: Annotated[bool, typer.Option("--all", help="Show all there is, also what is well.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what is served and what the monitor makes of it."""
    if watch:
        from monitor.cli.watching import watch_status

        watch_status(url, lambda: _get(url, token_file, "/v1/status"), every, as_json=as_json)
        return
    found = _get(url, token_file, "/v1/status")
    if as_json:
        show_json(found)
    elif whole:
        show_facts(found)
    else:
        _show_brief(found)


@incidents.command("list")
def list_(*, url: Url = DEFAULT_URL, token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """List the incidents, newest first."""
    found = _get(url, token_file, "/v1/incidents")
    if as_json:
        show_json(found)
    else:
        columns = ("id", "model", "cause", "opened", "closed", "rollback", "alerts")
        show_table(rows_of(found), columns, "There are no incidents.")


@incidents.command()
def show(
    ident: Annotated[
        str, typer.Argument(metavar="ID", help="As tocsin incidents list tells.", autocompletion=incident_ids)
    ],
    *,
    url: Url = DEFAULT_URL,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Show one incident: its alerts, its evidence, what was done."""
    from urllib.parse import quote

    found = _get(url, token_file, f"/v1/incidents/{quote(ident, safe='')}")
    if as_json:
        show_json(found)
    else:
        show_facts(found)


@incidents.command()
def release(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="The monitored model.", autocompletion=model_names)],
    alert: Annotated[
        str, typer.Argument(metavar="ALERT", help="What is latched, as the incident lists it: features_page/age.")
    ],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is kept with the incident.")],
    *,
    url: Url = DEFAULT_URL,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Let go of what the e-detector has latched. Its alert is over, and fires anew if the evidence crosses anew."""
    from monitor.cli.api import Api

    body = {"model": model, "alert": alert, "reason": reason}
    found = Api(url, token_file).post("/v1/incidents/release", body)
    if as_json:
        show_json(found)
    else:
        show_facts(found)


def _show_brief(found: Mapping[str, Any]) -> None:
    from monitor.cli import brief

    show_facts(brief.daemon(found))
    for name, (facts, readings) in brief.models(found).items():
        show_facts({name: facts})
        if readings:
            show_table(readings, brief.COLUMNS, "", indent=2)


def rows_of(found: object) -> list[dict[str, Any]]:
    """Return the facts of a list, whether the API answers it bare or as the one list of an object."""
    if isinstance(found, dict):
        found = next((value for value in found.values() if isinstance(value, list)), [])
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


def _get(url: str, token_file: TokenFile, path: str) -> Any:
    from monitor.cli.api import Api

    return Api(url, token_file).get(path)
