"""Durations and sizes as people write them: `90s`, `1h30m`, `16MiB`.

A bare number is refused: `every: 5` leaves the reader to guess the unit, and YAML reads `1:30` as 90 and `1e3` as text.
A `Duration` is a float of seconds and a `Size` an int of bytes, so nothing downstream converts; printed, both turn
back into the shortest text that parses to the same value.
"""

import re
from dataclasses import dataclass
from typing import Any, Self

from pydantic import AfterValidator, GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

_SECONDS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_BYTES = {"TiB": 1 << 40, "GiB": 1 << 30, "MiB": 1 << 20, "KiB": 1 << 10, "B": 1}

# Nine digits of the finest unit are 11 days, of seconds 31 years; what is longer is a slip of the finger.
_DURATION_PARTS = re.compile(r"([0-9]{1,9})(ms|[dhms])")
_DURATION = re.compile(r"(?:[0-9]{1,9}d)?(?:[0-9]{1,9}h)?(?:[0-9]{1,9}m(?!s))?(?:[0-9]{1,9}s)?(?:[0-9]{1,9}ms)?")
_SIZE = re.compile(r"([0-9]{1,9})(TiB|GiB|MiB|KiB|B)")


class Duration(float):
    """A span of time in seconds, >= 0."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read text such as `500ms`, `90s`, `1h30m` or `14d`; ValueError for anything else.

        >>> Duration.parse("1h30m") / 60
        90.0
        """
        if not text or not _DURATION.fullmatch(text):
            msg = "a duration is whole numbers with a unit, largest first: 500ms, 90s, 5m, 1h30m, 14d"
            raise ValueError(msg)
        parts = _DURATION_PARTS.findall(text)
        return cls(sum(int(count) * 1000 * _SECONDS[unit] for count, unit in parts) / 1000)

    def __str__(self) -> str:
        rest = round(self * 1000)
        text = ""
        for unit, seconds in _SECONDS.items():
            count, rest = divmod(rest, round(seconds * 1000))
            text += f"{count}{unit}" if count else ""
        return text or "0s"

    def __repr__(self) -> str:
        return f"Duration({str(self)!r})"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Accept the text form, and values made in code."""
        return core_schema.no_info_plain_validator_function(lambda value: _read(cls, value, "90s, 5m, 6h, 1d"))


class Size(int):
    """A number of bytes, >= 0."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read text such as `512KiB` or `16MiB`; ValueError for anything else.

        >>> Size.parse("16MiB") == 16 * 1024 * 1024
        True
        """
        match = _SIZE.fullmatch(text)
        if match is None:
            msg = "a size is a whole number with a unit: 512KiB, 16MiB, 1GiB"
            raise ValueError(msg)
        return cls(int(match[1]) * _BYTES[match[2]])

    def __str__(self) -> str:
        unit = next(unit for unit, factor in _BYTES.items() if int(self) % factor == 0 and (self or factor == 1))
        return f"{int(self) // _BYTES[unit]}{unit}"

    def __repr__(self) -> str:
        return f"Size({str(self)!r})"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Accept the text form, and values made in code."""
        return core_schema.no_info_plain_validator_function(lambda value: _read(cls, value, "512KiB, 16MiB, 1GiB"))


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a `Duration` or `Size` lies within: [low, high], both as people write them."""

    low: str
    high: str

    def __call__(self, value: Duration | Size) -> Duration | Size:
        """Pass on a value inside the bounds; PydanticCustomError, in words, for one outside."""
        unit: type[Duration | Size] = Size if self.low.endswith("B") else Duration
        if unit.parse(self.low) <= value <= unit.parse(self.high):
            return value
        raise PydanticCustomError("out_of_range", "must be {low} to {high}", {"low": self.low, "high": self.high})


def between(low: str, high: str) -> AfterValidator:
    """Bound a `Duration` or `Size` to [low, high], and say so in words when it is outside."""
    return AfterValidator(Bounds(low, high))


def _read(unit: type[Duration | Size], value: object, examples: str) -> Duration | Size:
    if isinstance(value, unit):
        return value
    if not isinstance(value, str):
        raise PydanticCustomError("unit_missing", "needs a unit: {examples}", {"examples": examples})
    try:
        return unit.parse(value)
    except ValueError as error:
        raise PydanticCustomError("unit_invalid", "{why}", {"why": str(error)}) from None
