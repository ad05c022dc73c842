"""The ten lines for the README, and the whole table in `measured.md`."""

from collections.abc import Sequence
from pathlib import Path
from statistics import median

from bench.figure import Figure
from bench.peers.rivals import EVIDENTLY, EVIDENTLY_LARGE, RIVALS, ROUNDS, ROUNDS_SLOW, ROWS_REFERENCE, US
from bench.peers.turns import Measured, measure_all

TABLE = Path(__file__).parent / "measured.md"
BINS, PANE, LOOK, LOOK_PSI = "feature bins, PSI", "whole pane, PSI", "50 looks", "50 looks, PSI"
LOOKS = 50  # in each of these two
AT_QUERY = (EVIDENTLY, EVIDENTLY_LARGE)  # whose work at query time a look stands beside
PRESET = "DataDriftPreset"
GOAL, GOAL_EVIDENTLY, GOAL_LOOK = ">= 4", ">= 150", ">= 10000"


def measure() -> list[Figure]:
    """Measure all, write the table, and return the lines."""
    ours, *theirs = measure_all((US, *RIVALS))
    if ours.why:
        raise RuntimeError(f"our own side failed: {ours.why}")
    text = table(ours, theirs)
    TABLE.write_text(text)
    print(text)
    return figures(ours, theirs)


def figures(ours: Measured, theirs: Sequence[Measured]) -> list[Figure]:
    """Ours, a line for each of them, and a look beside what Evidently does at query time."""
    bins, pane = ours.best_s(BINS), ours.best_s(PANE)
    return [
        Figure("a row of 20 doubles into the feature bins, with a PSI each", round(1e9 * bins, 1), "ns CPU"),
        Figure("  the same, a whole pane", round(1e9 * pane, 1), "ns CPU"),
        *[_line(each, bins, pane) for each in theirs if each.rival != EVIDENTLY_LARGE],
        *[_look(ours, each) for each in theirs if each.rival in AT_QUERY],
    ]


def _line(their: Measured, bins: float, pane: float) -> Figure:
    rival = their.rival
    name, goal = f"{rival.shown} {rival.version}", GOAL_EVIDENTLY if rival == EVIDENTLY else GOAL
    if their.why:
        return Figure(f"  {name}", "not measured:", their.why)
    took = their.best_s(their.fastest)
    what = f"  {name} ({their.fastest}), {1e9 * took:,.0f} ns CPU: so many of our bins; of our panes {took / pane:.1f}"
    return Figure(what, round(took / bins, 1), "x", goal)


def _look(ours: Measured, their: Measured) -> Figure:
    if their.why:
        return Figure(f"  a look beside Evidently, {their.rival.rows:,} rows", "not measured:", their.why)
    rows, look_s = their.rival.rows, _look_s(ours, LOOK)
    again = their.best_s(PRESET) * rows
    what = f"  Evidently's {PRESET} of {rows:,} x 20, {again:.3g} s CPU: so many looks ({1e3 * look_s:.2g} ms CPU)"
    return Figure(what, round(again / look_s), "x", GOAL_LOOK)


def _look_s(ours: Measured, name: str) -> float:
    return min(ours.rounds[name]) / LOOKS


def table(ours: Measured, theirs: Sequence[Measured]) -> str:
    """Markdown: every variant, best and median round, per row and beside ours."""
    bins, pane = ours.best_s(BINS), ours.best_s(PANE)
    lines = [
        "# CPU time of counting and comparing 20 columns of doubles\n",
        f"Written by `python -m bench peers`: the best and the median of {ROUNDS} rounds in turns ({ROUNDS_SLOW} of",
        f"{EVIDENTLY.shown} with {EVIDENTLY_LARGE.rows:,} rows), one thread each.",
        "What is compared, and where it is unfair to whom, stands in the note of `bench/peers/__init__.py` and in each",
        f"file of `bench/peers/runs/`. The reference has {ROWS_REFERENCE:,} rows.\n",
        "| library | what | rows | best, ns/row | median, ns/row | times our bins | times our pane |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for each in (ours, *theirs):
        shown = f"{each.rival.shown} {each.rival.version}".strip()
        for name in each.rounds:
            if name not in (LOOK, LOOK_PSI):
                best, middle = each.best_s(name), each.median_s(name)
                numbers = f"{1e9 * best:,.0f} | {1e9 * middle:,.0f} | {best / bins:,.1f} | {best / pane:,.1f}"
                lines.append(f"| {shown} | {name} | {each.rival.rows:,} | {numbers} |")
        if each.why:
            lines.append(f"| {shown} | not measured: {each.why} | | | | | |")
    return "\n".join([*lines, "", *_looks(ours, theirs), "", *_versions((ours, *theirs))]) + "\n"


def _looks(ours: Measured, theirs: Sequence[Measured]) -> list[str]:
    """At query time: what a look costs, and how many of it every variant of Evidently."""
    rows = ours.rival.rows
    looks = {f"a look{name.removeprefix(LOOK)}": name for name in (LOOK_PSI, LOOK)}
    lines = [
        f"A look at a day of 1,440 panes with {rows:,} rows, best (median):\n",
        *[
            f"- {shown}: {1e3 * _look_s(ours, name):.2f} ({1e3 * median(ours.rounds[name]) / LOOKS:.2f}) ms CPU"
            for shown, name in looks.items()
        ],
    ]
    for each in theirs:
        for name in each.rounds if each.rival in AT_QUERY else ():
            took = each.best_s(name) * each.rival.rows
            ratios = ", ".join(f"{took / _look_s(ours, look):,.0f} times '{shown}'" for shown, look in looks.items())
            lines.append(f"- Evidently, {name}, {each.rival.rows:,} rows: {took:.2f} s CPU, {ratios}")
    return lines


def _versions(measured: Sequence[Measured]) -> list[str]:
    found = [
        f"{each.rival.shown}: " + " ".join(f"{name} {version}" for name, version in each.versions.items())
        for each in measured
        if each.versions
    ]
    return ["With " + "; ".join(found) + "."]
