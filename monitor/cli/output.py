"""What commands print: one JSON document, or text for a person. Data goes to stdout, all else to stderr."""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeAlias

Row: TypeAlias = Mapping[str, Any]

# Fields of facts that hold a time; rendered for people, left alone in JSON.
_TIMES = {"closed", "created", "fired", "now", "opened", "planned", "proved", "registered", "revoked", "since"}
_TIMES |= {"expires", "issued", "written", "start", "end", "started", "stepped", "at", "time", "timeline"}
_TIMES |= {"last_label", "last_prediction", "window_end", "window_start"}
_EARLIEST = 86_400.0 * 365  # smaller numbers are durations or nothing
_LATEST = 253_402_300_800.0  # the year 10000, where calendars end


def show_json(value: object) -> None:
    """Print one JSON document: the same keys whatever the terminal."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")


def show_table(rows: Sequence[Row], columns: Sequence[str], empty: str, indent: int = 0) -> None:
    """Print rows under a header, or say what it means that there are none. Lines are never cut: scripts grep them."""
    if not rows:
        sys.stdout.write(empty + "\n")
        return
    cells = [list(columns), *([cell(row.get(name), name) for name in columns] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    for line in cells:
        text = "  ".join(part.ljust(width) for part, width in zip(line, widths, strict=True))
        sys.stdout.write(" " * indent + text.rstrip() + "\n")


def show_facts(value: object, depth: int = 0, name: str = "") -> None:
    """Print nested facts as indented `name: value` lines, in their own order."""
    pad = "  " * depth
    if isinstance(value, Mapping):
        for key, inner in value.items():
            _show_named(str(key), inner, depth)
    elif isinstance(value, list | tuple):
        for inner in value:
            if isinstance(inner, Mapping):
                sys.stdout.write(f"{pad}-\n")
                show_facts(inner, depth + 1)
            else:
                sys.stdout.write(f"{pad}- {cell(inner, name)}\n")
    else:
        sys.stdout.write(f"{pad}{cell(value, name)}\n")


def say(text: str) -> None:
    """Tell a person something that is not the answer."""
    sys.stderr.write(text + "\n")


def cell(value: object, name: str = "") -> str:
    """Render one value on one line; nothing that a terminal would obey comes through."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float) and name in _TIMES and _EARLIEST < value < _LATEST:
        return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        return " ".join(cell(inner, name) for inner in value) or "-"
    if isinstance(value, Mapping):
        return json.dumps(value, default=str)
    return "".join(letter if letter.isprintable() else "?" for letter in str(value))


def _show_named(key: str, value: object, depth: int) -> None:
    pad = "  " * depth
    nested = isinstance(value, Mapping) or (isinstance(value, list | tuple) and any(map(_is_nested, value)))
    if nested and value:
        sys.stdout.write(f"{pad}{cell(key)}:\n")
        show_facts(value, depth + 1, key)
    else:
        sys.stdout.write(f"{pad}{cell(key)}: {cell(value, key) if value != {} else '-'}\n")


def _is_nested(value: object) -> bool:
    return isinstance(value, Mapping | list | tuple)
