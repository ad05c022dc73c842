"""When a delivery is tried again, and when it is given up: pure, one function.

    delay = max(FLOOR_S, jitter * min(FIRST_S * 2^attempts, LONGEST_S)),   jitter uniform in [0, 1)

Full jitter spreads the receivers of a fleet best (Brooker, "Exponential Backoff And Jitter", AWS 2015). An attempt is
made hourly at the latest, for 72 hours, then the delivery is a dead letter. A wall clock that jumps three days ahead
must not bury what was tried once, hence the least number of attempts; one that jumps back must not put the next attempt
off by days, hence `due`.
"""

from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import Enum

import msgspec
from msgspec.structs import replace

from monitor.facts import NoticeStatus, Severity

FIRST_S = 1.0
LONGEST_S = 3600.0
FLOOR_S = 0.1  # a jitter of 0 is no busy loop
GIVE_UP_S = 72 * 3600.0
ATTEMPTS_MIN = 20  # reached after about four hours of back-off

OK, GONE, TOO_MANY, UNAVAILABLE = range(200, 300), 410, 429, 503


class Failure(Enum):
    """Why an attempt did not deliver. The whole list: it is a metric label."""

    STATUS = "status"
    TIMEOUT = "timeout"
    DNS = "dns"
    REFUSED = "refused"  # by us: the address is not one a webhook may reach
    CONNECT = "connect"
    TLS = "tls"
    PROTOCOL = "protocol"


class Outcome(msgspec.Struct, frozen=True):
    """What one attempt met: a status, or a failure before there was one."""

    status: int | None = None
    failure: Failure | None = None
    retry_after_s: float | None = None  # what the receiver asked for

    @property
    def delivered(self) -> bool:
        """The receiver said 2xx."""
        return self.status in OK

    @property
    def why(self) -> str:
        """One clause for people; never what the receiver wrote."""
        if self.status is not None:
            return f"answered {self.status}"
        return self.failure.value if self.failure else "no answer"


class DeliveryState(Enum):
    """How far a delivery came."""

    WAITING = "waiting"
    SENT = "sent"
    DEAD = "dead"
    WITHDRAWN = "withdrawn"  # never sent: silenced from its first to its last moment, or it repeats what still waits


class Delivery(msgspec.Struct, frozen=True):
    """One notice on its way to one receiver. Stored with the incident, in the same transaction."""

    id: str  # "<notice id>@<receiver>"
    notice_id: str  # signed as webhook-id: the same over every retry
    incident: str
    number: int  # of the notice in its incident: the order of delivery
    receiver: str
    body: bytes
    created: float  # wall time
    state: DeliveryState = DeliveryState.WAITING
    attempts: int = 0
    next_at: float = 0.0  # wall time; not tried before
    ended: float | None = None  # wall time of SENT or DEAD
    why: str = ""  # of the last attempt that failed
    status: NoticeStatus = NoticeStatus.FIRING
    severity: Severity = Severity.CRITICAL
    keys: tuple[tuple[str, str, str], ...] = ()  # model, rule and segment of the alerts it is about
    holdable: bool = False  # whether it says nothing but that these fire, or that it is over
    repeat: bool = False  # whether it says again what was said


def next_attempt(delivery: Delivery, outcome: Outcome, wall: float, jitter: float) -> Delivery:
    """Return the delivery after one more attempt at `wall`; `jitter` in [0, 1).

    2xx is SENT; 410 is DEAD at once; anything else waits, honouring Retry-After of 429 and 503, until 72 h are over.
    """
    attempts = delivery.attempts + 1
    if outcome.delivered:
        return replace(delivery, state=DeliveryState.SENT, attempts=attempts, ended=wall, why="")
    old = wall - delivery.created >= GIVE_UP_S and attempts >= ATTEMPTS_MIN
    if old or outcome.status == GONE:
        return replace(delivery, state=DeliveryState.DEAD, attempts=attempts, ended=wall, why=outcome.why)
    next_at = wall + max(_back_off_s(delivery.attempts, jitter), _asked_s(outcome))
    return replace(delivery, attempts=attempts, next_at=next_at, why=outcome.why)


def _back_off_s(attempts: int, jitter: float) -> float:
    ceiling = min(FIRST_S * 2.0 ** min(attempts, 32), LONGEST_S)  # 2^32 s is past any cap, and no float overflows
    return max(FLOOR_S, jitter * ceiling)


def _asked_s(outcome: Outcome) -> float:
    if outcome.status not in {TOO_MANY, UNAVAILABLE} or outcome.retry_after_s is None:
        return 0.0
    return min(max(outcome.retry_after_s, 0.0), LONGEST_S)


def due(delivery: Delivery, wall: float) -> bool:
    """Whether it is time; a `next_at` further off than any back-off means that the wall clock was set back."""
    return delivery.next_at <= wall or delivery.next_at - wall > LONGEST_S


def parse_retry_after(value: str, wall: float) -> float | None:
    """Read both forms of Retry-After (RFC 9110, 10.2.3) as seconds from `wall`, >= 0; None if it is neither.

    >>> parse_retry_after("120", 0.0), parse_retry_after("Thu, 01 Jan 1970 00:01:00 GMT", 50.0)
    (120.0, 10.0)
    """
    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])  # 31 years: past any cap
    try:
        at = parsedate_to_datetime(text)
        return max(at.replace(tzinfo=at.tzinfo or UTC).timestamp() - wall, 0.0)
    except (ValueError, OverflowError):
        return None
