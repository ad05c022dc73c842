"""The command that shows the bands: inside which shares we promise silence, and how each came about."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monitor.cli.options import AsJson
from monitor.cli.output import say, show_json, show_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from monitor.panes.reference import Reference
    from monitor.panes.rhythm import Band, Bounds, Rhythm

_SCORE = "mean score"
_DAYS = ("Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed")
_SHOWN = (
    *("group", "watched", "usual", "low", "high", "sigma", "rhythm"),
    *("sampling", "tolerance", "wander", "design", "rows", "why"),
)


def bands(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A reference profile.")],
    *,
    column: Annotated[
        str | None,
        typer.Option("--column", metavar="NAME", help="Only this column, hour by hour where it has a rhythm."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show the band of every monitored quantity. What stays inside it pages at most once in 30 days, on average.

    low and high are shares of the rows, over all hours unless --column is given; sigma is by how many standard
    deviations the column may shift before it leaves the band. sampling is three standard errors of the history,
    tolerance what is ignored by choice, wander three standard deviations of what comes and goes by itself; rows are
    worth as many as `rows` independent ones, and a minute's rows count as 1 / design of their number.
    """
    from monitor.cli.reference import read_reference

    reference, name = read_reference(file)
    rhythm = reference.rhythm
    rows = [] if rhythm is None else list(_rows(reference, rhythm, column))
    if as_json:
        known = {} if rhythm is None else {"timed": rhythm.timed, "why": rhythm.why, "tolerance": rhythm.tolerance}
        show_json({"file": str(file), "digest": name, "model": reference.schema.model, **known, "bands": rows})
        return
    if rhythm is not None and rhythm.why:
        say(f"WARNING: {rhythm.why}.")
    show_table([_shown(row) for row in rows], _SHOWN, "Nothing has a band.")
    if column is not None:
        hourly = [{"watched": row["watched"], **hour} for row in rows for hour in row["hours"] if len(row["hours"]) > 1]
        if hourly:
            show_table(hourly, ("watched", "hour", "low", "high"), "")


def _rows(reference: "Reference", rhythm: "Rhythm", column: str | None) -> "Iterator[dict[str, Any]]":
    """Every band with what it is made of."""
    from monitor.panes.layout import Layout
    from monitor.panes.signals import Signals

    layout = Layout.of(reference)
    table = Signals.table(layout)
    counted = table.read(table.margins.sum(layout.reference_pane().counts))
    hours = [rhythm.bounds(hour) for hour in range(rhythm.period)]
    for at, signal in enumerate(table.signals):
        if column in (None, signal.column):
            watched = f"{signal.what.value} {signal.item}".strip()
            ends = [_ends(bounds, at, score=False) for bounds in hours]
            named = {"group": signal.group, "watched": watched, "unit": "share"}
            told = _told(rhythm.signals[at], ends, rhythm.tolerance, watched)
            x, n = int(counted.x[at]), int(counted.n[at])  # no rows: of minutes, which are in no pane
            yield named | told | ({"usual": x / n} if "usual" in told and n else {})
    for at, (name, group) in enumerate(zip(table.scored, table.scored_group, strict=True)):
        if column in (None, name):
            ends = [_ends(bounds, at, score=True) for bounds in hours]
            named = {"group": group, "watched": _SCORE, "unit": "sigma"}
            yield named | _told(rhythm.scored[at].band, ends, rhythm.tolerance, _SCORE)


def _ends(bounds: "Bounds", at: int, *, score: bool) -> tuple[float, float]:
    low, high = (bounds.score_low, bounds.score_high) if score else (bounds.low, bounds.high)
    return float(low[at]), float(high[at])


def _told(band: "Band", ends: list[tuple[float, float]], tolerance: float, watched: str) -> dict[str, Any]:
    from monitor.panes.rhythm import DAILY, Z

    if band.centre is None:
        return {"low": None, "high": None, "hours": [], "why": band.why}
    moving = any(band.waves)
    weekly = moving and any(band.waves[2 * len(DAILY) :])
    period = 1 if not moving else len(ends) if weekly else 24
    known = [(hour, each) for hour, each in enumerate(ends[:period]) if each[0] <= each[1]]  # NaN: no such hour
    hourly = [{"hour": _hour(hour, period), "low": low, "high": high} for hour, (low, high) in known]
    kept = [each for _, each in known]
    return {
        "usual": band.centre,
        "low": min(low for low, _ in kept),
        "high": max(high for _, high in kept),
        "sigma": _sigma(watched, band.centre, kept),
        "rhythm": ("hour of the week" if weekly else "hour of the day") if moving else "none",
        "sampling": Z * band.error,
        "tolerance": tolerance * band.spread,
        "wander": band.reach * band.wander,
        "design": band.design or None,
        "rows": band.rows,
        "memory_h": band.memory_h,
        "hours": hourly,
        "why": "",
    }


def _hour(hour: int, period: int) -> str:
    """Name an hour of the rhythm, UTC; 1970 began on a Thursday."""
    if period == 1:
        return "any"
    clock = f"{hour % 24:02}:00"
    return clock if period == 24 else f"{_DAYS[hour // 24]} {clock}"


def _sigma(watched: str, centre: float, ends: list[tuple[float, float]]) -> float | None:
    """Half of the mean width of the band in standard deviations of the column; None where that has no meaning."""
    import numpy as np

    from monitor.panes.normal import normal_quantile

    if watched == _SCORE:
        return float(np.mean([high - low for low, high in ends]) / 2)
    if not watched.startswith("above") or not 0 < centre < 1:
        return None
    points = normal_quantile(np.clip(np.array(ends), 1e-6, 1 - 1e-6))
    return float((points[:, 1] - points[:, 0]).mean() / 2)


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    """Round for people: a share to four digits, rows to whole ones."""
    rounded = {name: round(value, 4) if isinstance(value, float) else value for name, value in row.items()}
    return rounded | {"rows": None if "rows" not in row else int(row["rows"])}
