"""What a reload may change. Everything else is bound, open or built in at the start, and waits for a restart.

A reload that touches anything else is refused as a whole: half of a change in force is worse than none, because what
was checked together (a rule's window against the length of panes) would not be what is in force together. What waits
is named, setting by setting, in the answer and the log, and counted by section on the metrics page.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from monitor.errors import NeedsRestart, Problem
from monitor.settings import Settings
from monitor.turns.watched import Watched

MAY_CHANGE = re.compile(  # parted by /, because the name of a model may hold dots
    r"receivers(/.*)?|alertmanagers(/.*)?|grouping/.*|external_url|look_every|time/jump_(max|pause)|evidence/.*"
    r"|models/[^/]+/(rules|labels/trusted_sources(/.*)?|rollback/.*|promotion/.*|known_good/(share|rows_max)"
    r"|probes/(every|connections|difference|mismatches_max)"
    r"|segments(/.*)?|evidence(/.*)?|samples/(share|per_stratum_min|flagged_max))"
)
HINT = "restart the daemon to change it; until then nothing else that changed in the file is in force"


def fixed(old: Settings, new: Settings) -> list[NeedsRestart]:
    """Name every setting that differs and that a running daemon cannot change."""
    before, after = dict(_leaves(old.model_dump(), "")), dict(_leaves(new.model_dump(), ""))
    differ = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
    refused = [path for path in differ if not MAY_CHANGE.fullmatch(path)]
    return [NeedsRestart(path.replace("/", "."), "waits for a restart", HINT) for path in refused]


def changed(old: Settings, new: Settings) -> list[str]:
    """Name every setting that differs, never its value."""
    before, after = dict(_leaves(old.model_dump(), "")), dict(_leaves(new.model_dump(), ""))
    return sorted(
        path.replace("/", ".") for path in before.keys() | after.keys() if before.get(path) != after.get(path)
    )


def waiting(problems: Sequence[Problem]) -> dict[str, int]:
    """How many settings wait for a restart, by section of the file."""
    return dict(Counter(each.path.partition(".")[0] for each in problems if isinstance(each, NeedsRestart)))


def renewed(watched: Watched) -> None:
    """Take from what is shown of a model what its new settings no longer name: segments, metrics of evidence."""
    judge = watched.epochs[-1].judge if watched.epochs else ""
    names = {"", *(watched.segments(judge).names if judge in watched.layouts else ())}
    for key, shown in list(watched.shown.items()):
        if shown.segment not in names:
            watched.shown.pop(key, None)
    watched.tell_evidence(watched.evidence_values, watched.evidence_end)


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every value with its path; what holds none is one itself."""
    if not value:
        yield path, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}/{key}" if path else str(key))
    elif isinstance(value, list | tuple):
        for place, inner in enumerate(value):
            yield from _leaves(inner, f"{path}/{place}")
    else:
        yield path, value
