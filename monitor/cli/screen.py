"""`tocsin top` and `tocsin status --watch` as they look: facts in, rich's tables out. 80 columns suffice.

Whatever comes from the daemon goes through `cell`, so that no name can move the cursor, and into `Text`, so that none
is taken for markup. Columns that a narrow terminal has no room for are left out.
"""

from collections.abc import Sequence
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from monitor.cli.lines import UNITS, ModelLine, ReadingLine, span
from monitor.cli.output import cell

COLOURS: Final = {"breach": "bold red", "broken": "magenta", "ok": "green", "unknown": "bright_black"}
ELASTIC: Final = {"model": 14, "served": 14, "reading": 40, "worst reading": 60, "why": 60}  # and their most
WIDE = 100  # columns from which on rows and roles are shown too


def models(lines: Sequence[ModelLine], width: int) -> Table:
    """One line a model: what is served, how it does, how fast rows come."""
    table = _table("model", "served", "worst reading", "alerts", ">rows/s", ">last row")
    if width >= WIDE:
        table = _table(
            "model", "task", "served", ">for", "worst reading", "alerts", ">rows", ">labels", ">rows/s", ">last row"
        )
    for line in lines:
        served = Text(cell(line.served), style="" if line.role == "known_good" else "yellow")
        parts: list[RenderableType] = [_text(line.model, "bold")]
        parts += [_text(line.task or "-"), served, _text(span(line.serving_for_s))] if width >= WIDE else [served]
        parts += [worst(line.worst), alerts(line)]
        parts += [_text(f"{line.rows:,}"), _text(f"{line.labels:,}")] if width >= WIDE else []
        parts += [_text(rate(line.rate)), _text(span(line.last_row_age_s))]
        table.add_row(*parts)
    return table


def readings(lines: Sequence[ReadingLine], most: int, *, named: bool) -> Table:
    """The worst readings, at most `most`; `named` says of which model."""
    head = (*(("model",) if named else ()), "reading", "verdict", ">value", ">limit", ">n", "why")
    table = _table(*head)
    for line in lines[:most]:
        colour = COLOURS.get(line.verdict, "")
        parts = [_text(line.what), _text(line.verdict, colour), _text(measure(line.value, line.unit))]
        parts += [_text(measure(line.limit, line.unit))]
        parts += [
            _text("-" if line.n is None else f"{line.n:,}"),
            Text(cell(line.why) if line.why else "", no_wrap=True, overflow="ellipsis"),
        ]
        table.add_row(*([_text(line.model)] if named else []), *parts)
    return table


def notices(lines: Sequence[ModelLine]) -> Group:
    """What waits for a person, with the command to type."""
    said: list[RenderableType] = []
    for line in lines:
        if line.rollback_step == "proposed":
            said.append(
                _text(f"{line.model}: a rollback waits: tocsin rollback approve {line.rollback}", "bold yellow")
            )
        elif line.rollback:
            said.append(_text(f"{line.model}: rollback {line.rollback}: {line.rollback_step}", "yellow"))
        if line.incident:
            said.append(_text(f"{line.model}: incident: tocsin incidents show {line.incident}", "red"))
        if line.latch:
            said.append(_text(f"{line.model}: latched, {line.latch}: tocsin rollback unlatch {line.model}", "yellow"))
    return Group(*said)


def heading(url: str, status: dict[str, Any], problem: str, keys: str) -> Text:
    """Who answers, and when it last did."""
    text = Text(f"tocsin  {cell(url)}  {cell(status.get('now'), 'now')}  ", no_wrap=True, overflow="ellipsis")
    text.append(keys, style="bright_black")
    if problem:
        text.append(f"\n{cell(problem)}; trying again", style="bold red")
    return text


def worst(line: ReadingLine | None) -> Text:
    """The worst reading in a few words."""
    if line is None:
        return _text("no reading yet", "bright_black")
    if line.verdict in {"ok", "breach"} and line.limit is not None:
        text = f"{line.what} {measure(line.value, line.unit)} of {measure(line.limit, line.unit)}"
    else:
        text = f"{line.what} {line.verdict}"
    return _text(text, COLOURS.get(line.verdict, ""))


def alerts(line: ModelLine) -> Text:
    """How many fire, and behind the plus how many are pending."""
    text = Text(no_wrap=True)
    text.append(f"{len(line.firing)} firing", style="bold red" if line.firing else "green")
    if line.pending:
        text.append(f" +{len(line.pending)}", style="yellow")
    return text


def number(value: float | None) -> str:
    """A value in four digits; `-` where there is none."""
    return "-" if value is None else f"{value:.4g}"


def measure(value: float | None, unit: str) -> str:
    """A value, in its unit where that is a time; what a target is counted in nobody knows here."""
    if unit != "s" or value is None:
        return number(value)
    name, size = next((each for each in UNITS if abs(value) >= each[1]), ("s", 1))
    return f"{value / size:.3g}{name}"


def rate(value: float | None) -> str:
    """Rows a second."""
    return "-" if value is None else f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def _table(*head: str) -> Table:
    """A table whose ELASTIC columns give way, as rich takes width from columns that may wrap; `>` is to the right."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold underline")
    for text in head:
        name = text.removeprefix(">")
        widest = ELASTIC.get(name)
        table.add_column(
            Text(name, no_wrap=True, overflow="ellipsis"),
            justify="left" if text == name else "right",
            no_wrap=widest is None,
            overflow="ellipsis",
            max_width=widest,
        )
    return table


def _text(value: str, style: str = "") -> Text:
    return Text(cell(value), style=style, no_wrap=True, overflow="ellipsis")
