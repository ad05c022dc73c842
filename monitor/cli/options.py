"""Options that several commands share, so that each means the same everywhere."""

from pathlib import Path
from typing import Annotated, Final, TypeAlias

import typer

DEFAULT_URL: Final = "http://127.0.0.1:8470"  # http.host and http.port of settings that leave them out
DEFAULT_METRICS_URL: Final = "http://127.0.0.1:9470"  # metrics.host and metrics.port of settings that leave them out
URL_VARIABLE: Final = "TOCSIN_URL"  # so that the commands in a notice can be typed as they stand
TOKEN_FILE_VARIABLE: Final = "TOCSIN_TOKEN_FILE"  # noqa: S105 - the name of a variable that names a file

AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Url: TypeAlias = Annotated[
    str, typer.Option("--url", envvar=URL_VARIABLE, metavar="URL", help="Where the daemon listens.")
]
TokenFile: TypeAlias = Annotated[
    Path | None,
    typer.Option("--token-file", envvar=TOKEN_FILE_VARIABLE, metavar="FILE", help="A file that holds a token."),
]
Every: TypeAlias = Annotated[
    float, typer.Option("--every", metavar="SECONDS", min=0.2, max=3600.0, help="How often it is asked again.")
]
TokensFile: TypeAlias = Annotated[
    Path,
    typer.Option("--file", envvar="TOCSIN_TOKENS_FILE", metavar="FILE", help="The tokens file of the settings."),
]
StateDir: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--state-dir",
        envvar="TOCSIN_STATE_DIR",
        metavar="DIRECTORY",
        help="The daemon's: who does this is then written to its audit log first.",
    ),
]
IndexFile: TypeAlias = Annotated[
    Path, typer.Option("--index", metavar="FILE", help="The release index of the settings.")
]
