"""`docs/settings.md`: every setting with its bounds, its default and whether a reload may change it.

    python -m monitor.settings.describe examples/tocsin.yaml > docs/settings.md

Bounds and defaults come from the classes, so they cannot be wrong; the words come from the comments of the example,
which is the documentation an operator has at hand while editing. A comment that ends a line speaks of that setting, a
block above a setting speaks of it or, above a section, of all of it.
"""

import sys
import textwrap
from collections.abc import Iterable, Iterator
from enum import Enum
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import annotated_types
from pydantic import AfterValidator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from monitor.settings.document import Document, Plain, read_document
from monitor.settings.structure import sections
from monitor.settings.units import Bounds, Duration, Size

RELOAD = "(reload)"
WIDTH = 120
_KINDS = {  # a duration is a float, a size an int: the finer one first
    Duration: "duration",
    Size: "size",
    bool: "true or false",
    int: "whole number",
    float: "number",
    str: "text",
    Path: "path",
}
_HEAD = """\
# Settings

Every setting there is. Made by `python -m monitor.settings.describe examples/tocsin.yaml`; the words are those of
[`examples/tocsin.yaml`](../examples/tocsin.yaml), which shows all of them in place. `*` stands for a name of yours, or
for the place in a list. Durations are written like `500ms 90s 5m 1h30m 14d`, sizes like `512KiB 16MiB 1GiB`. *Reload*
says whether `kill -HUP` or `POST /-/reload` may change it while the daemon runs; a reload that changes anything else is
refused as a whole. `tocsin check-config` tells every problem of a file at once, with its line and what to do.
"""


def markdown(example: Path) -> str:
    """Write the whole document from the classes and the comments of `example`."""
    words = _Words(example)
    settings = dict(sections())
    tops = dict.fromkeys(path.partition(".")[0] for path in settings)
    plain = [top for top in tops if not any(path.startswith(f"{top}.") for path in settings)]
    parts = [_HEAD, _table("The daemon", "", plain, settings, words)]
    for path in settings:
        inside = [other for other in settings if other.rpartition(".")[0] in {path, f"{path}.*"}]
        leaves = [other for other in inside if not any(each.startswith(f"{other}.") for each in settings)]
        if leaves:
            parts.append(_table(f"`{path}`", words.of(path), leaves, settings, words))
    return "\n".join(parts)


def _table(title: str, text: str, paths: Iterable[str], settings: dict[str, FieldInfo], words: "_Words") -> str:
    words_above = textwrap.wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False)
    head = [f"## {title}", "", *([*words_above, ""] if text else [])]
    rows = [
        f"| `{path}` | {_kind(settings[path])} | {_default(settings[path])} | {'yes' if words.reload(path) else ''} "
        f"| {words.of(path)} |"
        for path in paths
    ]
    return "\n".join([*head, "| setting | is | default | reload | |", "|---|---|---|---|---|", *rows, ""])


def _kind(info: FieldInfo) -> str:
    """Say what a value is, with its bounds."""
    bounds = [bound for each in info.metadata if (bound := _bound(each))]
    return ", ".join([_noun(info.annotation), *bounds])


def _noun(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{each}`" for each in get_args(annotation))
    if isinstance(annotation, type):
        if issubclass(annotation, Enum):
            return ", ".join(f"`{each.value}`" for each in annotation)
        return next((word for kind, word in _KINDS.items() if issubclass(annotation, kind)), "settings")
    inner = [each for each in get_args(annotation) if each not in {type(None), Ellipsis}]
    many = getattr(annotation, "__origin__", None)
    noun = _noun(inner[-1]) if inner else "text"
    return f"list of {noun}" if many in {tuple, list} else f"map of {noun}" if many is dict else noun


def _bound(constraint: object) -> str:
    match constraint:
        case AfterValidator(func=Bounds(low=low, high=high)):
            return f"{low} to {high}"
        case annotated_types.Ge(ge=least):
            return f">= {least:,}"
        case annotated_types.Gt(gt=above):
            return f"> {above:,}"
        case annotated_types.Le(le=most):
            return f"<= {most:,}"
        case annotated_types.MaxLen(max_length=most):
            return f"at most {most:,}"
        case _:
            return ""


def _default(info: FieldInfo) -> str:
    value = info.default
    if value is PydanticUndefined:
        return "required"
    if value is None:
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return f"`[{', '.join(map(str, value))}]`"
    if isinstance(value, dict):
        return "`{}`"
    return f"`{getattr(value, 'value', value)}`" if str(value) else "empty"


class _Words:
    """What the comments of the example say, by the path of a setting with `*` for names."""

    def __init__(self, example: Path) -> None:
        self._lines = example.read_text(encoding="utf-8").splitlines()
        self._document: Document = read_document(example)

    def of(self, path: str) -> str:
        """Return the comment of one setting or section, as one line; empty if there is none."""
        return " ".join(" ".join(self._comment(path)).replace(RELOAD, "").replace("|", "\\|").split())

    def reload(self, path: str) -> bool:
        """Whether the setting, or a section around it, bears the mark."""
        parts = path.split(".")
        return any(RELOAD in " ".join(self._comment(".".join(parts[: i + 1]))) for i in range(len(parts)))

    def _comment(self, path: str) -> Iterator[str]:
        number = self._document.line(self._concrete(path))
        if number is None or path.endswith(".*"):
            return
        line, above = self._lines[number - 1], number - 2
        if line.lstrip().startswith("- "):  # the first of a list of sections: what stands above speaks of the list
            above = -1
        block = []
        while above >= 0 and self._lines[above].lstrip().startswith("#"):
            block.append(self._lines[above].lstrip(" #"))
            above -= 1
        yield from reversed(block)
        if "  # " in line:
            yield line.partition("  # ")[2]

    def _concrete(self, path: str) -> str:
        """Put the first name, or place, of the example in the place of each `*`."""
        value: Plain = self._document.value
        found = []
        for part in path.split("."):
            name = part
            if part == "*":
                name = next(iter(value)) if isinstance(value, dict) and value else "0"
            found.append(name)
            if isinstance(value, dict):
                value = value.get(name)
            elif isinstance(value, list):
                value = value[int(name)] if name.isdigit() and int(name) < len(value) else None
        return ".".join(found)


if __name__ == "__main__":
    sys.stdout.write(markdown(Path(sys.argv[1])))
