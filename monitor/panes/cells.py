"""What a cell of a row means: a number, a category, or neither.

This is decided here and nowhere else. Numeric: int, float and bool count as numbers; NaN and inf stay as they are (the
panes count them); integers beyond 2**53 become the nearest double, beyond the doubles +-inf. Categorical: str as it is,
int and bool by their JSON text, integral floats like ints. null is missing. Everything else is invalid.
"""

from typing import Final

from monitor.facts import Cell

_INTEGER_MAX: Final = 10**400  # longer ones are no category, and CPython refuses to print 4,301 digits


def number(cell: Cell) -> float | None:
    """Read a cell of a numeric feature; None if it is invalid (and for a missing one, which callers see first).

    >>> number(True), number(2**53 + 1), number(-10**400), number("5")
    (1.0, 9007199254740992.0, -inf, None)
    """
    if not isinstance(cell, (int, float)):
        return None
    try:
        return float(cell)
    except OverflowError:
        return float("inf") if cell > 0 else float("-inf")


def word(cell: Cell) -> str | None:
    """Read a cell of a categorical feature, or a class name; None if it is invalid.

    >>> word("UA"), word(5), word(True), word(5.0), word(5.5), word(float("nan"))
    ('UA', '5', 'true', '5', None, None)
    """
    if isinstance(cell, str):
        return cell if is_unicode(cell) else None
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() else None
    return str(cell) if isinstance(cell, int) and abs(cell) <= _INTEGER_MAX else None


def is_unicode(text: str) -> bool:
    """Whether the text can be written as UTF-8; a lone surrogate, which JSON can spell, cannot."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
