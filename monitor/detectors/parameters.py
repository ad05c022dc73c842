"""Checks of detectors' parameters, which come from a rule pack: ValueError says which one and what it must be."""

import math


def demand_share(name: str, value: float) -> None:
    """In (0, 1]."""
    _demand(name, value, 0 < _number(value) <= 1, "a share in (0, 1]")


def demand_share_or_zero(name: str, value: float) -> None:
    """In [0, 1]."""
    _demand(name, value, 0 <= _number(value) <= 1, "a share in [0, 1]")


def demand_positive(name: str, value: float) -> None:
    """Above 0 and finite."""
    _demand(name, value, 0 < _number(value) < math.inf, "a number above 0")


def demand_finite(name: str, value: float, low: float = -math.inf, high: float = math.inf) -> None:
    """A finite number in [low, high]."""
    held = low <= _number(value) <= high and math.isfinite(_number(value))
    _demand(name, value, held, f"a number from {low:g} to {high:g}")


def demand_one_of(name: str, value: float, allowed: tuple[float, ...]) -> None:
    """One of a few numbers."""
    _demand(name, value, _number(value) in allowed, f"one of {', '.join(f'{each:g}' for each in allowed)}")


def demand_text(name: str, value: str, *refused: str) -> None:
    """A word, not empty, and none of `refused`."""
    held = isinstance(value, str) and 0 < len(value) <= 256 and value not in refused
    _demand(name, value, held, f"a word{f', not {refused[0]}' if refused else ''}")


def demand_rows(name: str, value: int) -> None:
    """A whole number of rows, at least 1."""
    _demand(name, value, isinstance(value, int) and _number(value) >= 1, "a whole number of rows, at least 1")


def demand_given(**values: float | None) -> None:
    """At least one is not None."""
    if all(value is None for value in values.values()):
        msg = f"one of {', '.join(values)} must be given"
        raise ValueError(msg)


def _number(value: object) -> float:
    """The value, or NaN, which no range holds, for anything that is not a number; bool is not one here."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else math.nan


def _demand(name: str, value: object, held: bool, what: str) -> None:  # noqa: FBT001  # the condition itself
    if not held:
        msg = f"{name} must be {what}, not {value!r}"
        raise ValueError(msg)
