"""`tocsin status --watch`: one model after the other with its readings; without a terminal, a line a model."""

import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from monitor.cli.lines import ModelLine, model_lines, reading_lines
from monitor.cli.live import Seen
from monitor.cli.output import cell, say

if TYPE_CHECKING:
    from rich.console import RenderableType

NOT_READINGS: Final = 7  # lines of a model beside its readings: facts, notices, heads and empty lines


def watch_status(url: str, ask: Callable[[], Any], every: float, *, as_json: bool) -> None:
    """Show the status until Ctrl-C: as a screen, as lines where stdout is no terminal, or as a JSON document a line."""
    from monitor.cli import live

    if as_json:
        live.watch(ask, every, _show_document)
    elif sys.stdout.isatty():
        live.screen(ask, every, lambda seen, width, height: frame(seen, url, width, height), lambda key: key != "q")
    else:
        live.watch(ask, every, _show_lines)


def frame(seen: Seen, url: str, width: int, height: int) -> "RenderableType":
    """Every model with as many of its readings as there is room for, the worst first."""
    from rich.console import Group
    from rich.text import Text

    from monitor.cli import screen

    lines = model_lines(seen.status, seen.before)
    room = max(3, (height - 2) // max(1, len(lines)) - NOT_READINGS)
    parts: list[RenderableType] = [screen.heading(url, seen.status, seen.problem, "q quit")]
    for line in lines:
        parts += [Text(), screen.models([line], width), screen.notices([line])]
        parts += [screen.readings(reading_lines(seen.status, line.model), room, named=False)]
    return Group(*parts)


def plain(line: ModelLine, now: float) -> str:
    """One model on one line, `name=value` as in a log."""
    worst = line.worst
    facts = {
        "model": line.model,
        "served": line.served,
        "role": line.role,
        "rows": line.rows,
        "rows_per_s": None if line.rate is None else round(line.rate, 1),
        "firing": ",".join(line.firing),
        "pending": ",".join(line.pending),
        "worst": f"{worst.what.replace(' ', '/')}:{worst.verdict}" if worst else None,
        "value": worst.value if worst else None,
        "limit": worst.limit if worst else None,
        "incident": line.incident,
        "rollback": f"{line.rollback}:{line.rollback_step}" if line.rollback else None,
    }
    return f"{cell(now, 'now')} " + " ".join(f"{name}={cell(value)}" for name, value in facts.items())


def _show_lines(seen: Seen) -> None:
    if seen.problem:
        say(f"{seen.problem}; trying again")
        return
    for line in model_lines(seen.status, seen.before):
        sys.stdout.write(plain(line, seen.status["now"]) + "\n")
    sys.stdout.flush()


def _show_document(seen: Seen) -> None:
    if seen.problem:
        say(f"{seen.problem}; trying again")
        return
    sys.stdout.write(json.dumps(seen.status, ensure_ascii=False, default=str) + "\n")
    sys.stdout.flush()
