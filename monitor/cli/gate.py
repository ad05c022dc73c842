"""The command of a script that deploys: may it go on? The exit code says it, the words say why."""

from typing import Annotated, Final

import typer

from monitor.cli.completing import model_names
from monitor.cli.exits import Exit
from monitor.cli.options import DEFAULT_URL, AsJson, TokenFile, Url
from monitor.cli.output import show_facts, show_json

ENDS: Final = {"ok": Exit.OK, "bad": Exit.BAD}  # whatever else is answered, nobody may go on or roll back by it


def gate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="The monitored model.", autocompletion=model_names)],
    *,
    bundle: Annotated[
        str, typer.Option("--bundle", metavar="ID|NAME", help="The bundle that is deployed; else what is served.")
    ] = "",
    digest: Annotated[
        str, typer.Option("--digest", metavar="DIGEST", help="Of its checkpoint, as the model server proves it.")
    ] = "",
    severity: Annotated[
        str, typer.Option("--severity", metavar="LEAST", help="The least that counts: critical or warning.")
    ] = "critical",
    needs: Annotated[
        str, typer.Option("--needs", metavar="FAMILIES", help="What must be known, by commas: labels,output ...")
    ] = "",
    url: Url = DEFAULT_URL,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Ask whether a deployment may go on. Exit code 0 ok, 6 bad, 7 unknown; any other is no answer."""
    from urllib.parse import quote

    from monitor.cli.api import Api

    asked = {"bundle": bundle, "digest": digest, "severity": severity, "needs": needs}
    query = {name: value for name, value in asked.items() if value}
    found = Api(url, token_file).get(f"/v1/gate/{quote(model, safe='')}", query)
    if as_json:
        show_json(found)
    else:
        data = found.pop("data")
        show_facts({"state": data["state"], "value": data["value"], **found})
        found["data"] = data
    raise typer.Exit(ENDS.get(found["data"]["state"], Exit.UNKNOWN))
