"""`tocsin healthy`: the question a container's health check asks, without a shell, a token or the API.

It asks the listener of the metrics, which has a thread of its own and says what it knows of the others. Standard
library only, as it runs every few seconds beside the daemon: 0.2 s of a processor each time, most of it Python's start.
"""

from http import HTTPStatus
from typing import Annotated, Final
from urllib.parse import urlsplit

import typer

from monitor.cli.exits import Exit, Stop, in_words
from monitor.cli.options import DEFAULT_METRICS_URL, AsJson
from monitor.cli.output import show_json

TIMEOUT_S: Final = 4.0  # below the 5 s that the image allows a check
BODY_BYTES_MAX: Final = 4096  # what we answer is one line


def healthy(
    url: Annotated[
        str,
        typer.Option(
            "--url",
            envvar="TOCSIN_METRICS_URL",
            metavar="URL",
            help="Where the daemon shows its metrics; a URL with a path is asked as it is.",
        ),
    ] = DEFAULT_METRICS_URL,
    *,
    as_json: AsJson = False,
) -> None:
    """Ask whether the daemon lives, for health checks. Exit 0, or 1 with the part that stands still."""
    status, said = _asked(url)
    alive = status == HTTPStatus.OK
    if as_json:
        show_json({"healthy": alive, "why": said})
    elif alive:
        typer.echo(said)
    if not alive:
        raise Stop(Exit.PROBLEMS, f"not healthy: {said}", "look at its log, and at the disk under state_dir")


def _asked(url: str) -> tuple[int, str]:
    """Ask once; Stop if nothing answers there, or no URL is given."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:  # an address of IPv6 in parts; a port that is no number
        parts, host, port = urlsplit(""), None, None
    if parts.scheme != "http" or not host:
        raise Stop(Exit.USAGE, f"--url {url!r} is no address of the metrics", f"as in --url {DEFAULT_METRICS_URL}")
    import http.client

    connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", parts.path.rstrip("/") or "/-/healthy")
        answer = connection.getresponse()
        return answer.status, answer.read(BODY_BYTES_MAX).decode("ascii", "replace").strip()
    except (OSError, http.client.HTTPException) as error:
        hint = "is `tocsin run` running, and is this its metrics.host and metrics.port? See --url"
        raise Stop(Exit.UNREACHABLE, f"{url} does not answer: {in_words(error)}", hint) from error
    finally:
        connection.close()
