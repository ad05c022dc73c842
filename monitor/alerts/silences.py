"""What the Alertmanagers say is silenced, and what that means for a notice of ours.

An Alertmanager judges its own silences and inhibitions: it is asked for our alerts (`GET /api/v2/alerts`), whose status
names what suppresses them, so no matcher or regular expression is evaluated here. Only what it has been told can it
judge, and a silence may be a second old, so a
new notice waits until each was asked about its alerts, `ASK_S` at most.

    every alert of the notice suppressed in every Alertmanager that knows it   -> the receiver's `silences` decides
    otherwise, or an Alertmanager that does not answer, or an old answer       -> we speak

By default a warning is held and a critical notice is sent with a mark. A silence is somebody's "I know": for a warning
that is enough. What is critical is still said, because silences are written broadly (a maintenance of everything), and
because whoever can write to an Alertmanager could otherwise make this monitor say nothing at all. A notice that says
anything but that alerts fire (a rollback, a proposal, a latch) is never held, nor is what stands before it.

Held is not lost: it is said when the silence ends and it still fires. What was silenced from its first to its last
moment is withdrawn, with the notice that it is over: nobody was told that it began.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum

import msgspec

from monitor.alerts.retry import Delivery
from monitor.alerts.said import Key
from monitor.alerts.webhook import rfc3339
from monitor.facts import NoticeStatus, Severity

ASK_S = 5.0
FRESH_RESENDS = 3  # an answer that is older than so many resends is no answer
IDS_MAX = 5  # named in words


class Respect(Enum):
    """What a receiver does with a notice that is silenced."""

    HOLD = "hold"
    MARK = "mark"
    IGNORE = "ignore"


class Suppressed(msgspec.Struct, frozen=True):
    """Why an Alertmanager tells nobody of an alert; both empty: it does."""

    silenced: tuple[str, ...] = ()  # ids of silences
    inhibited: tuple[str, ...] = ()  # fingerprints of alerts
    until: float | None = None  # wall time when the last of the silences ends; None: not known

    @property
    def words(self) -> str:
        """For people: `silenced by <id> until <time>`."""
        if self.silenced:
            end = f" until {rfc3339(self.until)}" if self.until is not None else ""
            return f"silenced by {', '.join(self.silenced[:IDS_MAX])}{end}"
        return f"inhibited by {', '.join(self.inhibited[:IDS_MAX])}" if self.inhibited else ""


class Answer(msgspec.Struct, frozen=True):
    """What one Alertmanager said of our alerts; one that it does not know is not in it."""

    at: float  # monotonic; when it was asked
    valid_s: float
    alerts: Mapping[Key, Suppressed]


class Book:
    """The last answer of each Alertmanager. Nothing of it is stored: after a restart it is asked again."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        """`names` of the Alertmanagers that will answer."""
        self._answers: dict[str, Answer | None] = dict.fromkeys(names)
        self._failed: set[str] = set()

    def answered(self, name: str, answer: Answer) -> None:
        """It answered."""
        self._answers[name] = answer
        self._failed.discard(name)

    def failed(self, name: str) -> None:
        """It did not answer: what it said before stays until it is old."""
        self._failed.add(name)

    def suppressed(self, key: Key, now: float) -> Suppressed | None:
        """Why nobody hears of an alert, `now` monotonic; None where one tells of it, or none knows it."""
        told = [a.alerts[key] for a in self._fresh(now) if key in a.alerts]
        return told[0] if told and all(each.words for each in told) else None

    def words(self, key: Key, now: float) -> str:
        """`silenced by <id> until <time>`, or "": for status and API."""
        found = self.suppressed(key, now)
        return found.words if found else ""

    def asking(self, keys: Iterable[Key], since: float) -> bool:
        """Whether an Alertmanager within reach has not been asked about one of `keys` after `since`, monotonic."""
        for name, answer in self._answers.items():
            known = answer.alerts if answer is not None and answer.at >= since else {}
            if name not in self._failed and any(key not in known for key in keys):
                return True
        return False

    def _fresh(self, now: float) -> list[Answer]:
        return [a for a in self._answers.values() if a is not None and now - a.at <= a.valid_s]


class Way(Enum):
    """What becomes of the notices of one incident that wait for one receiver."""

    SAY = "say"
    MARK = "mark"  # say the first one, with words
    HOLD = "hold"
    WITHDRAW = "withdraw"  # the held ones: what they are about is over


class Passage(msgspec.Struct, frozen=True):
    """The way, its words, and how long until it may be another, in seconds."""

    way: Way
    words: str = ""
    again_s: float = 0.0


SAY = Passage(Way.SAY)
Gate = Callable[[Sequence[Delivery]], Passage]


def passage(
    queue: Sequence[Delivery], book: Book, respect: Mapping[Severity, Respect], wall: float, now: float
) -> Passage:
    """Decide about the first of `queue`: all that waits of one incident for one receiver, in order; `now` monotonic."""
    head = queue[0]
    if not head.holdable or not head.keys or head.attempts:
        return SAY  # once an attempt was made, the receiver may have it
    if head.status is NoticeStatus.RESOLVED:
        return SAY  # what began was told, or nothing of this incident would be left here
    way = respect.get(head.severity, Respect.IGNORE)
    if way is Respect.IGNORE:
        return SAY
    keys = [Key(*key) for key in head.keys]
    age_s = wall - head.created
    if 0 <= age_s < ASK_S and book.asking(keys, now - age_s):
        return Passage(Way.HOLD, "asking", ASK_S - age_s)
    found = [book.suppressed(key, now) for key in keys]
    if None in found:
        return SAY
    words = "; ".join(dict.fromkeys(each.words for each in found if each))
    if way is Respect.MARK:
        return Passage(Way.MARK, words)
    if not all(each.holdable for each in queue):
        return Passage(Way.MARK, words)  # what is never held waits behind it
    if queue[-1].status is NoticeStatus.RESOLVED:
        return Passage(Way.WITHDRAW, words)
    ends = [each.until for each in found if each and each.until is not None]
    return Passage(Way.HOLD, words, max(min(ends) - wall, 0.0) if ends else float("inf"))
