"""`tocsin top`: every model on one screen, the one in trouble first."""

import sys
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from monitor.cli.exits import Exit, Stop
from monitor.cli.lines import SORTS, model_lines, reading_lines, sort_lines
from monitor.cli.live import Seen
from monitor.cli.options import DEFAULT_URL, AsJson, Every, TokenFile, Url
from monitor.cli.output import show_json

if TYPE_CHECKING:
    from rich.console import RenderableType

KEYS: Final = "q quit  s sort"
PLAIN_WIDTH: Final = 120
READINGS_MAX: Final = 10  # of one plain page
NOT_READINGS: Final = 6  # lines of a screen: the heading, both tables' heads, empty lines between


def top(
    *,
    url: Url = DEFAULT_URL,
    token_file: TokenFile = None,
    every: Every = 2.0,
    sort: Annotated[
        str, typer.Option("--sort", metavar="ORDER", help=f"What comes first: {', '.join(SORTS)}.")
    ] = "trouble",
    once: Annotated[bool, typer.Option("--once", help="Print one page, and end.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show all models live: what serves, worst readings, alerts. Keys: q quits, s sorts differently."""
    from monitor.cli.api import Api

    if sort not in SORTS:
        raise Stop(Exit.USAGE, f"models cannot be sorted by {sort!r}", f"by one of {', '.join(SORTS)}")
    api = Api(url, token_file)

    def ask() -> Any:
        return api.get("/v1/status")

    if as_json:
        show_json(_document(ask(), sort))
    elif once or not sys.stdout.isatty():
        _print(_frame(Seen(ask()), url, sort, READINGS_MAX, _plain_width()))
    else:
        _live(ask, url, every, sort)


def _live(ask: Any, url: str, every: float, sort: str) -> None:
    from monitor.cli.live import screen

    orders = list(SORTS)
    chosen = orders.index(sort)

    def press(key: str) -> bool:
        nonlocal chosen
        chosen += key == "s"
        return key not in {"q", "Q", "\x1b"}

    def draw(seen: Seen, width: int, height: int) -> "RenderableType":
        order = orders[chosen % len(orders)]
        room = height - NOT_READINGS - 3 * len(seen.status.get("models", {})) - bool(seen.problem)
        return _frame(seen, url, order, max(3, room), width, keys=f"{KEYS}: {order}")

    screen(ask, every, draw, press)


def _frame(seen: Seen, url: str, sort: str, most: int, width: int, *, keys: str = "") -> "RenderableType":
    from rich.console import Group
    from rich.text import Text

    from monitor.cli import screen as show

    lines = sort_lines(model_lines(seen.status, seen.before), sort)
    found = reading_lines(seen.status)
    parts: list[RenderableType] = [
        show.heading(url, seen.status, seen.problem, keys),
        Text(),
        show.models(lines, width),
    ]
    if any(line.rollback or line.incident or line.latch for line in lines):
        parts += [Text(), show.notices(lines)]
    return Group(*parts, Text(), show.readings(found, most, named=len(lines) > 1))


def _document(status: Any, sort: str) -> dict[str, Any]:
    from dataclasses import asdict

    lines = [asdict(line) for line in sort_lines(model_lines(status), sort)]
    return {"now": status["now"], "models": lines, "readings": [asdict(line) for line in reading_lines(status)]}


def _plain_width() -> int:
    import shutil

    return shutil.get_terminal_size((PLAIN_WIDTH, 24)).columns


def _print(frame: "RenderableType") -> None:
    from rich.console import Console

    Console(width=_plain_width(), highlight=False).print(frame)
