"""How many rows a token may send: a token bucket each, so that one sender cannot take the intake from the others.

    level = min(burst, level + rate * (now - then))        a request of n rows is let in if n <= level, and takes n

Over any span of t seconds a token gets at most rate * t + burst rows in (the bound of the leaky bucket as a meter,
ITU-T I.371 annex A). Rows are charged once they are decoded, refused ones too: it is the work that is metered, and what
a body costs before that is bounded in bytes by admission.py. A sender whose bucket holds not one row is turned away
unread. Nothing is given back when the journal cannot write: the rows were decoded.

A request that is let in is let in whole. One of more rows than the burst could never be, so it is too large (413), not
early (429). The wait that a 429 tells is when the same request would pass if nothing else came.

Cost (2 cores, CPython 3.11, 2026-11): 1.6 us a request of a token with a rate, 0.1 us of one without; 300 bytes a
token. A bucket that is full again is forgotten, for a new one is full: what is kept
is bounded by the tokens that sent something within the last burst / rate seconds.
"""

import math
from dataclasses import dataclass
from typing import Final

from monitor.clock import Clock
from monitor.ingest.counters import AdmissionReason
from monitor.ingest.problems import Refused, retry_after

BURST_S: Final = 10.0  # the burst of a token that names none, in seconds of its rate: one late flush of a buffer
ROUNDING: Final = 0.01  # rows: so that who waits as told is not refused by the last bit of a double
BUCKETS_MAX: Final = 4_096  # before full ones are looked for; a tokens file holds about as many


@dataclass(frozen=True, slots=True)
class Rate:
    """What one token may send."""

    rows_per_second: float  # > 0
    burst_rows: float  # >= 1, the most at once

    @classmethod
    def of(cls, rows_per_second: float, burst_rows: int | None = None) -> "Rate":
        """Fill in the burst: ten seconds of the rate, and one row at least."""
        return cls(rows_per_second, max(1.0, rows_per_second * BURST_S) if burst_rows is None else burst_rows)


@dataclass(slots=True)
class _Bucket:
    rate: Rate
    level: float  # rows, at `at`
    at: float  # monotonic seconds

    def filled(self, now: float) -> float:
        """The level now."""
        return min(self.rate.burst_rows, self.level + self.rate.rows_per_second * (now - self.at))


class Rates:
    """The buckets of all tokens. Only the event loop touches them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}

    def __len__(self) -> int:
        """How many buckets are kept."""
        return len(self._buckets)

    def check(self, token: str, rate: Rate | None) -> None:
        """Refused with 429 if not one row of this token would be let in now; before its body is read."""
        if rate is not None:
            self._demand(rate, self._level(token, rate, self._clock.monotonic()), 1)

    def charge(self, token: str, rate: Rate | None, rows: int) -> None:
        """Take `rows` from the token's bucket; Refused with 413 or 429 takes nothing. None: without a bound."""
        if rate is None:
            return
        if rows > rate.burst_rows:
            detail = f"a request of this token may hold {math.floor(rate.burst_rows)} rows; send several"
            raise Refused(413, AdmissionReason.TOO_MANY_ROWS.value, detail)
        now = self._clock.monotonic()
        level = self._level(token, rate, now)
        self._demand(rate, level, rows)
        if token not in self._buckets and len(self._buckets) >= BUCKETS_MAX:
            self._forget_full(now)
        self._buckets[token] = _Bucket(rate, level - rows, now)

    def _level(self, token: str, rate: Rate, now: float) -> float:
        bucket = self._buckets.get(token)
        return rate.burst_rows if bucket is None else min(rate.burst_rows, bucket.filled(now))

    @staticmethod
    def _demand(rate: Rate, level: float, rows: int) -> None:
        if rows > level + ROUNDING:
            wait = math.ceil((rows - level) / rate.rows_per_second)
            detail = "this token sends more rows than it may; come again when Retry-After says"
            raise Refused(429, AdmissionReason.ROWS_PER_SECOND.value, detail, retry_after(wait))

    def _forget_full(self, now: float) -> None:
        buckets = self._buckets.items()
        self._buckets = {token: each for token, each in buckets if each.filled(now) < each.rate.burst_rows}
