"""The keys that sign bundles, release indexes and probes: each person makes one; the daemon is told whom to trust."""

from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.options import AsJson
from monitor.cli.output import say, show_json
from monitor.cli.signing import KEY

app = typer.Typer(help="Make and show Ed25519 signing keys.", no_args_is_help=True)


@app.command()
def generate(
    private: Annotated[
        Path, typer.Argument(metavar="[FILE]", help="Where the private key goes; the public one beside it, as .pub.")
    ] = KEY,
    *,
    public: Annotated[
        Path | None, typer.Option("--public", metavar="FILE", help="Where the public key goes instead.")
    ] = None,
    passphrase_file: Annotated[
        Path | None, typer.Option("--passphrase-file", metavar="FILE", help="Encrypt it with what this file holds.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key pair, overwriting nothing, and print its id.

    The files are release.key (mode 0600) and release.pub, or as named.
    """
    from monitor.rollback.keys import keygen, passphrase_of

    if public is None:
        public = private.with_suffix(".pub") if private.suffix == ".key" else private.with_name(f"{private.name}.pub")
    made = keygen(private, public, None if passphrase_file is None else passphrase_of(passphrase_file))
    if as_json:
        show_json({"keyid": made, "private": str(private), "public": str(public)})
        return
    typer.echo(made)
    say(f"{private} stays with who signs; give {public} to who verifies.")


@app.command()
def show(
    public: Annotated[Path, typer.Argument(metavar="FILE", help="A public key.")], *, as_json: AsJson = False
) -> None:
    """Print the id of a public key."""
    from monitor.rollback.keys import key_id, read_public

    found = key_id(read_public(public))
    if as_json:
        show_json({"keyid": found, "public": str(public)})
    else:
        typer.echo(found)
