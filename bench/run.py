"""Runs the measurements, writes bench/results.json and the table of figures in the README.

    python -m bench [NAME ...] [--long] [--rivals]

Names are files or packages of this folder; without any, all but the long ones. Figures of what was not run are kept
as they are.
The exit code is 1 when a goal was missed: the numbers are written all the same.
"""

import argparse
import importlib
import json
import os
import platform
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench.figure import Figure

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "bench" / "results.json"
README = ROOT / "README.md"
SHORT = ("counting", "look", "idle", "scrape", "labels", "audit", "intake", "safety")
LONG = ("growth", "rollback", "peers", "detection", "detection.worlds")
RIVALS = "detection --rivals"  # as a command; bench/detection/rivals.py
BEGIN, END = "<!-- bench -->", "<!-- /bench -->"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write, and say what was missed."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure the figures of the README.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join((*SHORT, *LONG)))
    parser.add_argument("--long", action="store_true", help="also those that take ten minutes")
    parser.add_argument("--rivals", action="store_true", help="with detection: others on the same streams, too")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - {*SHORT, *LONG}:
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    names = options.names or (*SHORT, *(LONG if options.long else ()))
    if options.rivals and "detection" in names:
        names = (*names, RIVALS)
    found = machine()
    for name in names:
        print(f"{name} ...", file=sys.stderr, flush=True)
        command = f"python -m bench {name}"
        module = "bench." + name.replace(" --", ".")
        found += [replace(figure, command=command) for figure in importlib.import_module(module).measure()]
    figures = merged(read(RESULTS), found)
    RESULTS.write_text(json.dumps([figure.document() for figure in figures], indent=1, ensure_ascii=False) + "\n")
    refresh(README, figures)
    print(table(found))
    return int(any(figure.reached is False for figure in found))


def machine() -> list[Figure]:
    """What it was measured on; the first line of the results."""
    cpus = Path("/proc/cpuinfo")
    model = re.search(r"model name\s*: (.*)", cpus.read_text()) if cpus.exists() else None
    name = model[1].strip() if model else platform.processor() or platform.machine()
    text = f"{os.cpu_count()} cores, {name}, {platform.system()}, Python {platform.python_version()}"
    return [Figure("machine", text, "", command="python -m bench")]


def read(path: Path) -> list[Figure]:
    """The figures of earlier runs."""
    return [Figure(**entry) for entry in json.loads(path.read_text())] if path.exists() else []


def merged(old: Sequence[Figure], new: Sequence[Figure]) -> list[Figure]:
    """The new figures, and those of commands that were not run; in the order of the files above."""
    again = {figure.command for figure in new}
    order = ["python -m bench", *(f"python -m bench {name}" for name in (*SHORT, *LONG, RIVALS))]
    kept = [figure for figure in old if figure.command not in again and figure.command in order]
    return sorted([*kept, *new], key=lambda figure: order.index(figure.command))


def table(figures: Sequence[Figure]) -> str:
    """The figures as Markdown."""
    lines = ["| figure | value | goal | measured by |", "|---|---|---|---|"]
    for figure in figures:
        goal = f"{figure.goal} {figure.unit}".strip() if figure.goal else ""
        missed = " **missed**" if figure.reached is False else ""
        value = figure.value if isinstance(figure.value, str) else f"{figure.value:,.6g}"
        lines.append(f"| {figure.figure} | {value} {figure.unit}{missed} | {goal} | `{figure.command}` |")
    return "\n".join(lines)


def refresh(readme: Path, figures: Sequence[Figure]) -> None:
    """Put the table between the markers of the README; without markers it is left alone."""
    if not readme.exists():
        return
    text = readme.read_text()
    if BEGIN in text and END in text:
        before, after = text.partition(BEGIN)[0], text.partition(END)[2]
        readme.write_text(f"{before}{BEGIN}\n{table(figures)}\n{END}{after}")
