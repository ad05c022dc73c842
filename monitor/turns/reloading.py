"""What a reload may change. Everything else is bound, open or built in at the start, and needs a restart.

A reload that touches anything else is refused as a whole: half of a change in force is worse than none.
"""

import re
from collections.abc import Iterator
from typing import Any

from monitor.errors import Problem
from monitor.settings import Settings

MAY_CHANGE = re.compile(  # parted by /, because the name of a model may hold dots
    r"receivers(/.*)?|alertmanagers(/.*)?|grouping/.*|external_url|look_every"
    r"|models/[^/]+/(rules|labels/trusted_sources(/.*)?|rollback/.*|known_good/(share|rows_max))"
)
HINT = "restart the daemon to change it"


def fixed(old: Settings, new: Settings) -> list[Problem]:
    """Name every setting that differs and that a running daemon cannot change."""
    before, after = dict(_leaves(old.model_dump(), "")), dict(_leaves(new.model_dump(), ""))
    differ = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
    refused = [path for path in differ if not MAY_CHANGE.fullmatch(path)]
    return [Problem(path.replace("/", "."), "cannot be changed by a reload", HINT) for path in refused]


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}/{key}" if path else str(key))
    elif isinstance(value, list | tuple):
        for place, inner in enumerate(value):
            yield from _leaves(inner, f"{path}/{place}")
    else:
        yield path, value
