"""The keys that sign bundles, release indexes and probes: each person makes one; the daemon is told whom to trust."""

from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.output import say

app = typer.Typer(help="Make and show Ed25519 signing keys.", no_args_is_help=True)


@app.command()
def generate(
    private: Annotated[Path, typer.Argument(metavar="FILE", help="Where the private key goes; the public one: .pub.")],
    *,
    passphrase_file: Annotated[
        Path | None, typer.Option("--passphrase-file", metavar="FILE", help="Encrypt it with what this file holds.")
    ] = None,
) -> None:
    """Make a key pair in FILE (mode 0600) and FILE.pub, overwriting nothing, and print its id."""
    from monitor.rollback.keys import keygen, passphrase_of

    public = private.with_name(f"{private.name}.pub")
    typer.echo(keygen(private, public, None if passphrase_file is None else passphrase_of(passphrase_file)))
    say(f"{private} stays with who signs; give {public} to who verifies.")


@app.command()
def show(public: Annotated[Path, typer.Argument(metavar="FILE", help="A public key.")]) -> None:
    """Print the id of a public key."""
    from monitor.rollback.keys import key_id, read_public

    typer.echo(key_id(read_public(public)))
