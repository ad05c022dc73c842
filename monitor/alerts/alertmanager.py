"""One Alertmanager: told of everything that fires, again and again, and asked what of it is silenced.

A round posts the alerts, then asks for their status, then for the end of each silence it has not asked about yet. It is
repeated every `resend_s`, at once when something was decided, and sooner after a failure. Each Alertmanager has a
pusher of its own, so one that hangs delays no other.

What survives a crash: nothing is stored here, because nothing needs to be. What fires is in the models' states and is
told in the first round. What resolved less than `RESOLVED_S` ago is there as well. Whatever else it was told of (a rule
that is gone, another severity) ends by itself there, `AHEAD` resends after it was last repeated. While we live, every
alert that we no longer say is told as resolved for `RESOLVED_S`, whatever the reason.

An empty round is sent, too: it costs nothing, and that nobody answers should be known before something fires.
"""

import base64
import re
from collections.abc import Awaitable, Callable, Collection, Container, Mapping, Sequence
from datetime import datetime
from typing import Protocol
from urllib.parse import quote

import msgspec
from msgspec.structs import replace

from monitor.alerts.retry import Outcome
from monitor.alerts.said import ALERTS_MAX, OURS, Identity, Key, Said, encode
from monitor.alerts.silences import FRESH_RESENDS, Answer, Book, Suppressed
from monitor.clock import Clock

AHEAD = 4  # resends until an alert ends by itself; Prometheus takes 4, too
RESOLVED_S = 300.0  # how long an end is repeated: a receiver of Alertmanager's may be away for a while
RETRY_FIRST_S = 1.0
ANSWER_BYTES_MIN = 1024 * 1024  # what it may answer about nothing: alerts of before. 25 bytes of it take 2 us to read
ANSWER_BYTES_EACH = 8 * 1024  # and for each alert it was told, with all that Alertmanager adds
SILENCES_MAX = 50  # asked about in one round, as long as half a resend lasts: their ends are words, repeating is not
SILENCE_BYTES_MAX = 64 * 1024
ALERTS_PATH = "/api/v2/alerts"
GONE = 404  # of a silence
IDS_MAX = 1_000  # of what suppresses one alert, that are looked at
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, OverflowError, RecursionError)  # an answer of a stranger
_ID = re.compile(r"[0-9A-Za-z-]{1,64}")


class Line(Protocol):
    """What is asked of `monitor.alerts.transport.Line`."""

    async def post(self, body: bytes, headers: Mapping[str, str], under: str = "") -> Outcome:
        """Make one attempt; never raises."""
        ...

    async def fetch(self, under: str, headers: Mapping[str, str], bytes_max: int) -> tuple[Outcome, bytes]:
        """Get what lies under the URL; never raises."""
        ...


class Told(msgspec.Struct, frozen=True):
    """What came of it so far, for the metrics page."""

    name: str
    sent: int = 0  # alerts, each time they were taken
    posts: int = 0  # requests that were answered 2xx
    failures: Mapping[str, int] = {}  # by what failed: `retry.Failure`, or the class of the status (4xx)
    left_out: int = 0  # alerts beyond `ALERTS_MAX`, now
    firing: int = 0  # alerts that fire, as last told
    suppressed: int = 0  # of these, how many it tells nobody of
    last: float | None = None  # wall time of the last 2xx


class Pusher:
    """Tells one Alertmanager."""

    def __init__(
        self,
        name: str,
        line: Line,
        say: Callable[[], Sequence[Said]],
        book: Book,
        *,
        clock: Clock,
        wait: Callable[[float], Awaitable[None]],
        resend_s: float,
        replica: str = "0",
        credentials: Callable[[], Mapping[str, str]] = dict,
        answered: Callable[[], None] = lambda: None,
    ) -> None:
        """`say` returns all alerts as they stand; `answered` is called after each round, as a notice may wait for it.

        `credentials` returns the headers that prove who we are; OSError or ValueError if that cannot be told now.
        """
        self.name = name
        self.told = Told(name)
        self._line, self._say, self._book = line, say, book
        self._clock, self._wait, self._resend_s = clock, wait, resend_s
        self._credentials, self._answered = credentials, answered
        self._firing: dict[Identity, Said] = {}  # by identity, as last said
        self._over: dict[Identity, tuple[Said, float]] = {}  # resolved, and the monotonic time to stop saying so
        self._ends: dict[str, float | None] = {}  # of silences, by id
        self._failed = 0  # rounds in a row
        matchers = (f'{label}="{value}"' for label, value in {**OURS, "replica": replica}.items())
        self._ours = f"{ALERTS_PATH}?" + "&".join(f"filter={quote(matcher)}" for matcher in matchers)

    async def run(self) -> None:
        """Tell until cancelled."""
        while True:
            await self._wait(await self.round())

    async def round(self) -> float:
        """Tell and ask, once; return the seconds until the next round is due."""
        wall = self._clock.wall()
        alerts = self._alerts(wall)
        outcome = await self._post(alerts, wall)
        if outcome is None or not outcome.delivered:
            return self._failure(outcome)
        firing = sum(one.ended is None for one in alerts)
        told = self.told
        told = replace(told, sent=told.sent + len(alerts), posts=told.posts + 1, firing=firing, last=wall)
        self.told = told
        asked = self._clock.monotonic()
        outcome, suppressed = await self._ask({one.key for one in alerts})
        if suppressed is None:
            return self._failure(outcome)
        self._failed = 0
        hidden = sum(bool(suppressed[one.key].words) for one in alerts if one.ended is None and one.key in suppressed)
        self.told = replace(self.told, suppressed=hidden)
        valid_s = FRESH_RESENDS * self._resend_s
        self._book.answered(self.name, Answer(asked, valid_s, suppressed))
        self._answered()
        return self._resend_s

    def _alerts(self, wall: float) -> list[Said]:
        """Return what is to be told: all that fires, and what ended lately."""
        now, said = self._clock.monotonic(), self._say()
        firing = {one.identity: one for one in said if one.ended is None}
        for one in said:
            age_s = None if one.ended is None else self._clock.now() - one.ended
            if age_s is not None and 0 <= age_s < RESOLVED_S and one.identity not in self._over:
                self._over[one.identity] = (one, now + RESOLVED_S - age_s)
        for identity, one in self._firing.items():
            if identity not in firing:
                self._over[identity] = (replace(one, ended=wall), now + RESOLVED_S)
        self._firing = firing
        self._over = {i: (one, end) for i, (one, end) in self._over.items() if i not in firing and now < end}
        alerts = [*firing.values(), *(one for one, _ in self._over.values())]
        self.told = replace(self.told, left_out=max(len(alerts) - ALERTS_MAX, 0))
        return alerts[:ALERTS_MAX]

    async def _post(self, alerts: Sequence[Said], wall: float) -> Outcome | None:
        """Post them; None where the credentials cannot be read."""
        headers = self._headers()
        if headers is None:
            return None
        body = encode(alerts, wall, AHEAD * self._resend_s)
        return await self._line.post(body, headers | {"content-type": "application/json"}, ALERTS_PATH)

    async def _ask(self, told: Collection[Key]) -> tuple[Outcome | None, dict[Key, Suppressed] | None]:
        """Ask what it thinks of the alerts it was told; no dict where it gave no answer that can be read."""
        headers = self._headers()
        if headers is None:
            return None, None
        bytes_max = ANSWER_BYTES_MIN + ANSWER_BYTES_EACH * len(told)
        outcome, body = await self._line.fetch(self._ours, headers, bytes_max)
        if not outcome.delivered:
            return outcome, None
        try:
            found = parse_status(body, told)
        except UNREADABLE:
            return outcome, None
        await self._ask_ends(headers, sorted({ident for each in found.values() for ident in each.silenced}))
        return outcome, {key: self._with_end(each) for key, each in found.items()}

    async def _ask_ends(self, headers: Mapping[str, str], idents: Sequence[str]) -> None:
        """Learn when silences end. One that was made longer has kept its id, so each is asked about in every round.

        One that has just gone (404) has no end. Any other failure is counted and ends the asking, as does half a
        resend: an Alertmanager that answers slowly would otherwise keep what fires from being repeated in time.
        """
        self._ends, began = {}, self._clock.monotonic()
        for ident in idents[:SILENCES_MAX]:
            if self._clock.monotonic() - began > self._resend_s / 2:
                break
            outcome, body = await self._line.fetch(f"/api/v2/silence/{ident}", headers, SILENCE_BYTES_MAX)
            if outcome.delivered:
                self._ends[ident] = parse_end(body)
            elif outcome.status != GONE:
                self._count(failure_reason(outcome))
                return

    def _with_end(self, found: Suppressed) -> Suppressed:
        ends = [self._ends.get(ident) for ident in found.silenced]
        known = [end for end in ends if end is not None]
        return replace(found, until=max(known)) if known and len(known) == len(ends) else found

    def _headers(self) -> dict[str, str] | None:
        try:
            return {"user-agent": "tocsin", **self._credentials()}
        except (OSError, ValueError):
            return None

    def _failure(self, outcome: Outcome | None) -> float:
        """Count it, and return the seconds until it is tried again: 1, 2, 4 .. up to `resend_s`."""
        self._count("credentials" if outcome is None else failure_reason(outcome))
        self._book.failed(self.name)
        self._answered()
        self._failed = min(self._failed + 1, 16)
        return min(RETRY_FIRST_S * 2.0 ** (self._failed - 1), self._resend_s)

    def _count(self, reason: str) -> None:
        self.told = replace(self.told, failures={**self.told.failures, reason: self.told.failures.get(reason, 0) + 1})


def failure_reason(outcome: Outcome) -> str:
    """Return a word of a short list: a failure of ours, `4xx`, or `answer` for one that cannot be read."""
    if outcome.failure is not None:
        return outcome.failure.value
    return "answer" if outcome.delivered or outcome.status is None else f"{outcome.status // 100}xx"


class _Status(msgspec.Struct):
    silenced: list[str] = msgspec.field(name="silencedBy", default_factory=list)
    inhibited: list[str] = msgspec.field(name="inhibitedBy", default_factory=list)


class _Alert(msgspec.Struct):
    labels: dict[str, str]
    status: _Status


class _Silence(msgspec.Struct):
    ends: str = msgspec.field(name="endsAt")


def parse_status(body: bytes, told: Container[Key]) -> dict[Key, Suppressed]:
    """Read the answer of `GET /api/v2/alerts` about alerts it was `told`; one of UNREADABLE if it is none.

    What it says of others is not kept: it may be megabytes. Two alerts of one key differ in another label (a replica, a
    severity of before): it is suppressed where both are.
    """
    found: dict[Key, Suppressed] = {}
    for alert in msgspec.json.decode(body, type=list[_Alert]):
        labels = alert.labels
        key = Key(labels.get("model", ""), labels.get("alertname", ""), labels.get("segment", ""))
        if key not in told:
            continue
        now = Suppressed(_ids(alert.status.silenced), _ids(alert.status.inhibited))
        found[key] = now if found.get(key, now).words else Suppressed()
    return found


def _ids(found: Sequence[str]) -> tuple[str, ...]:
    return tuple(ident for ident in found[:IDS_MAX] if _ID.fullmatch(ident))


def parse_end(body: bytes) -> float | None:
    """Read when a silence ends, wall time; None if it does not say."""
    try:
        ends = msgspec.json.decode(body, type=_Silence).ends
        return float(msgspec.convert(ends, type=datetime).timestamp())
    except UNREADABLE:
        return None


def bearer(token: str) -> dict[str, str]:
    """Return the header of a bearer token; ValueError if it could not stand in one."""
    return {"authorization": f"Bearer {_printable(token)}"}


def basic(pair: str) -> dict[str, str]:
    """Return the header of `user:password`; ValueError if it is not that."""
    if ":" not in _printable(pair):
        msg = "is not user:password"
        raise ValueError(msg)
    return {"authorization": f"Basic {base64.b64encode(pair.strip().encode()).decode()}"}


def _printable(text: str) -> str:
    text = text.strip()
    if not text or not text.isascii() or not text.isprintable():
        msg = "is not one line of printable ASCII"
        raise ValueError(msg)
    return text
