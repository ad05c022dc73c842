"""A mapping of a parsed document, being read: keys are taken out, every problem is noted, what is left is unknown.

Reading never stops at the first problem: a wrong value is noted with its path and replaced by its default, and whoever
started the reading raises `SettingsError` at the end if anything was noted.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import Enum
from typing import TypeVar

from monitor.errors import Problem

UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}

E = TypeVar("E", bound=Enum)


def seconds(text: object) -> float:
    """Read a duration such as `90s`, `5m`, `6h` or `1d`; ValueError for anything else.

    >>> seconds("6h")
    21600.0
    """
    match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)([smhd])", text) if isinstance(text, str) else None
    if match is None or float(match[1]) == 0:
        msg = "is not a duration above zero"
        raise ValueError(msg)
    return float(match[1]) * UNITS_S[match[2]]


@dataclass(slots=True)
class Entry:
    """A mapping being read: keys are taken out, what is left over at the end is unknown."""

    path: str
    source: object
    problems: list[Problem]
    left: dict[object, object] = field(init=False)

    def __post_init__(self) -> None:
        self.left = dict(self.source) if isinstance(self.source, Mapping) else {}
        if not isinstance(self.source, Mapping):
            self.problem("", "is not a mapping", "write `key: value` pairs")

    def problem(self, key: object, message: str, hint: str = "") -> None:
        """Note what is wrong with `key`, or with the mapping itself where `key` is empty."""
        path = ".".join(part for part in (self.path, str(key)) if part)
        self.problems.append(Problem(path or "rules", message, hint))

    def take(self, key: str) -> object:
        """Take a key out; None when it is not there."""
        return self.left.pop(key, None)

    def sequence(self, key: str) -> Sequence[object]:
        """A list, empty when the key is not there."""
        value = self.take(key)
        if value is None or isinstance(value, list):
            return value or ()
        self.problem(key, "is not a list", "start each entry with `- `")
        return ()

    def one_of(self, key: str, choices: Iterable[str], default: str | None = None) -> str | None:
        """One of the names, with the nearest as a hint; None after a problem."""
        value = self.left.pop(key, default)
        names = list(choices)
        if isinstance(value, str) and value in names:
            return value
        self.problem(key, "is missing" if value is None else "is not known", nearest(value, names))
        return None

    def enum(self, key: str, choices: Iterable[E], default: E | None = None) -> E | None:
        """One of the members, written by value; None after a problem."""
        by_name = {str(choice.value): choice for choice in choices}
        value = self.one_of(key, by_name, str(default.value) if default else None)
        return None if value is None else by_name[value]

    def integer(self, key: str, default: int, low: int, high: int) -> int:
        """An integer from `low` to `high`, both included."""
        value = self.left.pop(key, default)
        if type(value) is int and low <= value <= high:
            return value
        self.problem(key, f"is not an integer from {low} to {high}")
        return default

    def boolean(self, key: str) -> bool:
        """`true` or `false`, false when the key is not there."""
        value = self.left.pop(key, False)
        if not isinstance(value, bool):
            self.problem(key, "is not true or false")
        return value is True

    def text(self, key: str) -> str:
        """A text, empty when the key is not there."""
        value = self.left.pop(key, "")
        if not isinstance(value, str):
            self.problem(key, "is not a text")
        return value if isinstance(value, str) else ""

    def duration(self, key: str) -> float:
        """Seconds, from a text such as `6h`; there is no default."""
        try:
            return seconds(self.take(key))
        except ValueError as error:
            self.problem(key, str(error), "write 90s, 5m, 6h or 1d")
            return 1.0

    def refuse_rest(self, known: Iterable[str]) -> None:
        """Note every key that nobody took; `known` is what hints are taken from."""
        names = sorted(known)
        for key in self.left:
            self.problem(key, "is not known", nearest(key, names))


def nearest(value: object, names: Sequence[str]) -> str:
    """The name that was probably meant, or the list of all."""
    near = get_close_matches(str(value), names, n=1)
    return f"did you mean {near[0]}?" if near else f"one of: {', '.join(names)}"
