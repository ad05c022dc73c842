"""What the demo shows while it runs: a live screen on a terminal, plain lines anywhere else.

Both are fed by the same two calls: `tell` for something that happened, `show` for how things stand. `render` is a pure
function of a frame, so that a test can look at a screen without a terminal.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

FEATURES_SHOWN: Final = 6
LINES_ELSEWHERE: Final = 2 + 7 + 8 + 2 + 1  # head, two panels, the borders of the third, the line below
LINES_MIN: Final = 3
COLOURS: Final = {"ok": "green", "breach": "bold red", "unknown": "yellow", "broken": "magenta"}
NUMBERS: Final = {  # readings of rules/demo.yaml that tell the story, in the order shown
    "error": "error",
    "paired_error": "error against known-good, same rows",
    "score_moved": "score moved",
    "output_moved": "output moved",
    "label_coverage": "labelled share",
}
FEATURE_READING: Final = "feature_distance"
NOON_S: Final = 12 * 3600


@dataclass(frozen=True, slots=True)
class Frame:
    """How things stand at one moment of event time."""

    now: float
    chapter: str
    status: dict[str, Any]  # the daemon's, of the one model
    rows: int
    labels: int
    rows_per_s: float  # of wall time
    happened: tuple[tuple[float, str], ...] = ()  # newest last


class View(Protocol):
    """Where the story is told."""

    def tell(self, at: float | None, words: str) -> None:
        """Something happened; `at` is event time, None before the stream has begun."""
        ...

    def show(self, frame: Frame) -> None:
        """Things stand like this now."""
        ...


def clock(at: float) -> str:
    """Event time for people.

    >>> clock(1364806800)
    '2013-04-01 09:00'
    """
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M")


def number(reading: dict[str, Any]) -> str:
    """Value with its interval, or why there is none.

    >>> number({"value": 0.2134, "low": 0.19, "high": 0.24, "verdict": "ok"})
    '.213 (.190 to .240)'
    """
    if reading.get("value") is None:
        return str(reading.get("why") or reading["verdict"])
    text = _short(reading["value"])
    if reading.get("low") is not None and reading.get("high") is not None:
        text += f" ({_short(reading['low'])} to {_short(reading['high'])})"
    return text


def render(frame: Frame, height: int = 40) -> RenderableType:
    """Draw the whole screen in `height` lines, at the cost of what happened long ago."""
    head = Text.assemble(
        (f" {clock(frame.now)} UTC ", "bold reverse"),
        f"  {frame.chapter}   ",
        (f"{frame.rows:,} rows, {frame.labels:,} labels, {frame.rows_per_s:,.0f} rows/s", "dim"),
    )
    return Group(
        head,
        _served(frame.status),
        Panel(_numbers(frame.status), title="over the last day", title_align="left"),
        Panel(_features(frame.status), title="features that moved most", title_align="left"),
        Panel(_happened(frame, max(LINES_MIN, height - LINES_ELSEWHERE)), title="what happened", title_align="left"),
    )


def _served(status: dict[str, Any]) -> Text:
    served = status.get("served") or {}
    role = str(served.get("role", "nothing proved yet"))
    firing = [alert["rule"] for alert in status.get("alerts", ()) if alert["state"] == "firing"]
    return Text.assemble(
        " serving ",
        (str(served.get("name") or "?"), "bold green" if role == "known_good" else "bold red"),
        f" ({role}), epoch {served.get('epoch', '?')}",
        ("   firing: " + ", ".join(firing) if firing else "   no alert", "bold red" if firing else "dim"),
    )


def _numbers(status: dict[str, Any]) -> Table:
    table = Table.grid(padding=(0, 2))
    for name, words in NUMBERS.items():
        for reading in _named(status, name):
            limit = "" if reading.get("limit") is None else f"limit {_short(reading['limit'])}"
            verdict = Text(reading["verdict"], COLOURS.get(reading["verdict"], ""))
            table.add_row(words, number(reading), limit, f"n={reading['n']:,}", verdict)
    return table


def _features(status: dict[str, Any]) -> Table:
    table = Table.grid(padding=(0, 2))
    moved = sorted(_named(status, FEATURE_READING), key=lambda reading: -(reading.get("value") or 0.0))
    for reading in moved[:FEATURES_SHOWN]:
        value = reading.get("value") or 0.0
        table.add_row(str(reading["column"]), "█" * round(40 * min(value, 1.0)), _short(value))
    return table


def _happened(frame: Frame, lines_max: int) -> Text:
    lines = [f"{clock(at)}  {words}" for at, words in frame.happened[-lines_max:]]
    return Text("\n".join(lines) or "nothing yet", no_wrap=True, overflow="ellipsis")


def _named(status: dict[str, Any], name: str) -> Iterator[dict[str, Any]]:
    return (each for each in status.get("readings", ()) if each["name"] == name and each["reference"] == "judge")


def _short(value: float) -> str:
    return f"{value:.3f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.2f}"


@dataclass(slots=True)
class Lines:
    """One line per event, and one a day, at noon, when the labels of the day before are in: for logs and pipes."""

    console: Console
    _day: str = ""

    def tell(self, at: float | None, words: str) -> None:
        """Print it with its event time."""
        when = clock(at) if at is not None else "-" * 16
        self.console.print(f"{when}  {words}", highlight=False, markup=False, soft_wrap=True)

    def show(self, frame: Frame) -> None:
        """Print once a day of event time."""
        day = clock(frame.now - NOON_S)[:10]
        if day == self._day:
            return
        self._day = day
        named = {name: next(_named(frame.status, name), None) for name in ("error", "paired_error", "score_moved")}
        words = "  ".join(f"{name} {number(reading)}" for name, reading in named.items() if reading)
        served = (frame.status.get("served") or {}).get("name", "?")
        self.tell(frame.now, f"{served} serves, {frame.rows:,} rows, {frame.rows_per_s:,.0f} rows/s  {words}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Nothing to take down."""


@dataclass(slots=True)
class Screen:
    """A live screen; what happened before the stream is printed above it."""

    console: Console
    _live: Live = field(init=False)

    def __post_init__(self) -> None:
        """Draw nothing yet."""
        self._live = Live(console=self.console, refresh_per_second=8)

    def tell(self, at: float | None, words: str) -> None:
        """Print above the screen what no frame will show."""
        if at is None:
            self.console.print(words, highlight=False, markup=False, soft_wrap=True)

    def show(self, frame: Frame) -> None:
        """Redraw at the next refresh."""
        self._live.update(render(frame, self.console.height))

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._live.stop()


def choose(console: Console) -> Screen | Lines:
    """Pick the screen on a terminal, lines elsewhere."""
    return Screen(console) if console.is_terminal else Lines(console)
