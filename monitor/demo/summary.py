"""What the demo claims at its end, and whether the loop closed.

Times are told three ways: in event time (what an operator would have waited), in rows and windows (what the decision
rested on), and in wall seconds of this replay. Accuracy is counted here from what the models answered and what the
flights did, not taken from the daemon.
"""

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from monitor.demo.flights import NEVER, Ints
from monitor.demo.gateway import NOT_ASKED, Gateway

WINDOW_S: Final = 86_400
REACTIONS: Final = {  # wall time of the daemon's own work, from the step of the clock that brought the evidence
    "alert fired to page received": ("detected", "notified"),
    "evidence complete to v1 proved served": ("proved", "restored"),
}


@dataclass(frozen=True, slots=True)
class Moment:
    """When something happened."""

    event: float  # event time, seconds
    wall: float  # time of day, seconds
    rows: int  # predictions handed in by then


@dataclass(frozen=True, slots=True)
class Check:
    """One condition of success, in words, and whether it held."""

    words: str
    held: bool
    found: str = ""


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Share of right answers over the flights of one stretch that have a truth; the known-good's on the same ones."""

    phase: str
    serving: str
    rows: int
    share: float
    known_good_share: float


@dataclass(slots=True)
class Chronicle:
    """Everything the summary is made of."""

    moments: dict[str, Moment] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)
    accuracies: list[Accuracy] = field(default_factory=list)
    rows_per_s: float = 0.0

    @property
    def closed(self) -> bool:
        """Whether the loop closed: every check was made, and held."""
        return bool(self.checks) and all(check.held for check in self.checks)


def accuracy(gateway: Gateway, phase: str, serving: str, start: float, end: float) -> Accuracy:
    """Count one stretch of departures. ValueError if none of them has a truth."""
    rows: Ints = gateway.flights.departing(start, end)
    rows = rows[(gateway.predicted[rows] != NOT_ASKED) & (gateway.flights.late[rows] != NEVER)]
    if not len(rows):
        msg = f"no flight of the stretch {phase} has a truth"
        raise ValueError(msg)
    late = gateway.flights.late[rows]
    known_good = gateway.known_good(rows)
    right, would_be_right = np.mean(gateway.predicted[rows] == late), np.mean(known_good == late)
    return Accuracy(phase, serving, len(rows), float(right), float(would_be_right))


def since(chronicle: Chronicle, name: str, origin: str) -> dict[str, float]:
    """How long from one moment to another: event seconds, windows, rows, wall seconds."""
    first, last = chronicle.moments[origin], chronicle.moments[name]
    event_s = last.event - first.event
    return {
        "event_s": event_s,
        "windows": event_s / WINDOW_S,
        "rows": last.rows - first.rows,
        "wall_s": last.wall - first.wall,
    }


def document(chronicle: Chronicle) -> dict[str, Any]:
    """The summary for programs; the same figures as on the screen."""
    spans = {
        name: since(chronicle, name, "deployed")
        for name in ("detected", "notified", "restored", "resolved")
        if name in chronicle.moments
    }
    reactions = {
        name: chronicle.moments[last].wall - chronicle.moments[first].wall
        for name, (first, last) in REACTIONS.items()
        if first in chronicle.moments and last in chronicle.moments
    }
    return {
        "closed": chronicle.closed,
        "since_deployment": spans,
        "reaction_s": reactions,
        "accuracy": [
            {
                "phase": each.phase,
                "serving": each.serving,
                "rows": each.rows,
                "accuracy": each.share,
                "known_good_accuracy": each.known_good_share,
            }
            for each in chronicle.accuracies
        ],
        "checks": [{"check": each.words, "held": each.held, "found": each.found} for each in chronicle.checks],
        "rows_per_s": chronicle.rows_per_s,
    }


def render(chronicle: Chronicle) -> RenderableType:
    """Draw the summary."""
    return Group(
        _times(chronicle), _reactions(chronicle), _accuracies(chronicle), _checks(chronicle), _verdict(chronicle)
    )


def _times(chronicle: Chronicle) -> Table:
    table = Table(title="from the deployment of v2", title_justify="left")
    for head in ("until", "event time", "windows of a day", "rows", "wall time of the replay"):
        table.add_column(head, justify="left" if head == "until" else "right")
    for name, span in document(chronicle)["since_deployment"].items():
        hours = f"{span['event_s'] / 3600:.1f} h"
        table.add_row(name, hours, f"{span['windows']:.2f}", f"{span['rows']:,}", f"{span['wall_s']:.2f} s")
    return table


def _reactions(chronicle: Chronicle) -> Table:
    table = Table.grid(padding=(0, 2))
    for name, reaction_s in document(chronicle)["reaction_s"].items():
        table.add_row(name, f"{1000 * reaction_s:,.0f} ms")
    return table


def _accuracies(chronicle: Chronicle) -> Table:
    table = Table(title="accuracy, counted from the flights", title_justify="left")
    for head in ("stretch", "serving", "flights", "accuracy", "known-good on the same flights"):
        table.add_column(head, justify="left" if head in {"stretch", "serving"} else "right")
    for each in chronicle.accuracies:
        shares = (f"{each.share:.3f}", f"{each.known_good_share:.3f}")
        table.add_row(each.phase, each.serving, f"{each.rows:,}", *shares)
    return table


def _checks(chronicle: Chronicle) -> Table:
    table = Table.grid(padding=(0, 2))
    for check in chronicle.checks:
        mark = Text("yes", "green") if check.held else Text("NO", "bold red")
        table.add_row(mark, check.words, Text(check.found, "dim"))
    return table


def _verdict(chronicle: Chronicle) -> Text:
    if chronicle.closed:
        return Text("The loop closed.", "bold green")
    return Text("The loop did not close.", "bold red")
