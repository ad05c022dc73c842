"""What a shell offers when a name or an id is begun: those the running daemon knows, where it answers at once.

A key press waits for this, so one request with a short timeout is all, and whatever goes wrong offers nothing and says
nothing: the command itself, once typed, tells what is the matter.
"""

import os
from pathlib import Path
from typing import Any, Final

import typer

from monitor.cli.options import DEFAULT_URL, TOKEN_FILE_VARIABLE, URL_VARIABLE
from monitor.errors import TocsinError

TIMEOUT_S: Final = 0.7
OFFERED_MAX: Final = 100


def model_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of the monitored models."""
    found = _asked(ctx, "/v1/status")
    return _offered(found.get("models", {}) if isinstance(found, dict) else (), incomplete)


def incident_ids(ctx: typer.Context, incomplete: str) -> list[str]:
    """Ids of the incidents that are remembered, newest first."""
    return _offered(_ids(_asked(ctx, "/v1/incidents")), incomplete)


def rollback_ids(ctx: typer.Context, incomplete: str) -> list[str]:
    """Ids of the rollbacks that wait for a person; of all, where none waits."""
    found = _asked(ctx, "/v1/rollbacks")
    waiting = [each for each in found if each.get("step") == "proposed"] if isinstance(found, list) else []
    return _offered(_ids(waiting or found), incomplete)


def _ids(found: Any) -> list[str]:
    return [str(each.get("id")) for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _offered(names: Any, incomplete: str) -> list[str]:
    """Those that begin so and that a shell can take as they are."""
    fit = [name for name in names if name.startswith(incomplete) and name.isprintable() and " " not in name]
    return fit[:OFFERED_MAX]


def _asked(ctx: typer.Context, path: str) -> Any:
    from monitor.cli.api import Api

    url = ctx.params.get("url") or os.environ.get(URL_VARIABLE) or DEFAULT_URL
    token = ctx.params.get("token_file") or os.environ.get(TOKEN_FILE_VARIABLE)
    try:
        return Api(str(url), Path(token) if token else None, TIMEOUT_S).get(path)
    except TocsinError:
        return None
