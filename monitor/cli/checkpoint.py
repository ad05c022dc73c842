"""OpenSSF model signatures of a checkpoint: the format other tools check, too. Needs the extra `signing`."""

from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.options import AsJson
from monitor.cli.output import say, show_json, show_table

app = typer.Typer(help="Sign or verify a checkpoint as OpenSSF model signing does.", no_args_is_help=True)

Checkpoint = Annotated[Path, typer.Argument(metavar="PATH", help="The model's directory, or its one file.")]
SignatureFile = Annotated[
    Path | None, typer.Option("--signature", metavar="FILE", help="The signature; else PATH with .sig after it.")
]


@app.command()
def sign(
    checkpoint: Checkpoint,
    private_key: Annotated[
        Path, typer.Option("--private-key", metavar="FILE", help="An EC P-256 key in PEM, of mode 0600.")
    ],
    *,
    signature: SignatureFile = None,
    passphrase_file: Annotated[
        Path | None, typer.Option("--passphrase-file", metavar="FILE", help="What the key is encrypted with.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Sign the files of a checkpoint. The signature is written beside it."""
    from monitor.rollback import openssf

    written = signature or _beside(checkpoint)
    openssf.sign(checkpoint, written, private_key, passphrase_file)
    if as_json:
        show_json({"signature": str(written)})
    else:
        typer.echo(written)


@app.command()
def verify(
    checkpoint: Checkpoint,
    public_key: Annotated[Path, typer.Option("--public-key", metavar="FILE", help="The key it must be signed by.")],
    *,
    signature: SignatureFile = None,
    as_json: AsJson = False,
) -> None:
    """Check that a checkpoint's files are the signed ones. None may be missing, and none be there besides."""
    from monitor.rollback import openssf

    listed = openssf.verify(checkpoint, signature or _beside(checkpoint), public_key)
    rows = [{"file": name, "digest": digest} for name, digest in sorted(listed.items())]
    if as_json:
        show_json(rows)
    else:
        show_table(rows, ("file", "digest"), "The checkpoint has no files.")
        say(f"All {len(rows)} files are the signed ones.")


def _beside(checkpoint: Path) -> Path:
    return checkpoint.with_name(f"{checkpoint.name}.sig")
