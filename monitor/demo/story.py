"""The story in four chapters, played against real processes.

    spring      1 March on: v1, the known-good, lives through a real spring; nothing may be rolled back
    poisoned    1 April 09:00 UTC: v2 is delivered; play until the rollback to v1 is committed
    parity      v1 again: play until the incident is closed
    redelivery  v2 once more, at the next 09:00: it must page and must not be fought over

Chapters end by what the daemon says, within a limit of event time. A chapter that runs into its limit ends the story;
the checks tell what was missing.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from monitor.demo.flights import HOUR_S
from monitor.demo.receiver import Delivery, Receiver
from monitor.demo.stage import Stage
from monitor.demo.stream import Stream
from monitor.demo.summary import Check, Chronicle, Moment, accuracy

START: Final = datetime(2013, 3, 1, 5, tzinfo=UTC).timestamp()  # midnight in New York
DEPLOY: Final = datetime(2013, 4, 1, 9, tzinfo=UTC).timestamp()  # before the first departure of the day
DAY_S: Final = 24 * HOUR_S
ROLLBACK_WITHIN_S: Final = 7 * DAY_S
CALM_WITHIN_S: Final = 7 * DAY_S
WATCHED_S: Final = 3 * DAY_S  # after the redelivery: long enough for the evidence to hold again
DELIVERY_WITHIN_S: Final = 120.0  # wall time for a webhook on loopback; this is for a machine that is busy
PAIRED_RULE: Final = "paired_error"  # of rules/demo.yaml
REDELIVERED_RULE: Final = "redelivered"  # built in
STRETCHES: Final = (  # what was served between which moments
    ("before", "v1", "begun", "deployed"),
    ("during", "v2", "deployed", "restored"),
    ("after", "v1", "restored", "redelivered"),
    ("again", "v2", "redelivered", "end"),
)


@dataclass(slots=True)
class Story:
    """Plays once. Everything it found out is in `chronicle`."""

    stage: Stage
    stream: Stream
    receiver: Receiver
    chronicle: Chronicle = field(default_factory=Chronicle)

    def play(self) -> Chronicle:
        """All chapters, as far as each ends as it must."""
        self._spring()
        if self._poisoned() and self._parity():
            self._redelivery()
        self._count_accuracy()
        unsigned = [delivery for delivery in self.receiver.deliveries if not delivery.verified]
        self._check("every delivery bore a good signature", not unsigned, f"{len(self.receiver.deliveries)} deliveries")
        self.chronicle.rows_per_s = self.stream.rows_per_s
        return self.chronicle

    def _spring(self) -> None:
        self.stream.chapter = "v1, the known-good, through a real spring"
        self.stream.begin(START)
        self._moment("begun", START)
        self.stream.play(DEPLOY)
        rollbacks = self.stream.status["rollbacks"]
        self._check("v1 alone caused no rollback in a month", not rollbacks, _plural(len(rollbacks), "rollback"))

    def _poisoned(self) -> bool:
        self.stream.chapter = "v2, trained on poisoned labels"
        good = self.stream.gateway.server.served()
        self._deliver("v2", "deployed")
        until = DEPLOY + ROLLBACK_WITHIN_S
        if not self.stream.play(until, lambda status: bool(_opened(status, since=DEPLOY))):
            self._check("an alert fired within a week", held=False)
            return False
        opened = _opened(self.stream.status, since=DEPLOY)
        self._moment("detected", opened["opened"], wall=self.stream.stepped)
        page = self._hear("firing", opened["id"])
        if page is not None:
            self._moment("notified", self.stream.now, wall=page.wall)
        self._check("a page arrived with a good signature", page is not None, page.id if page else "nothing")
        if not _committed(self.stream.status) and not self.stream.play(until, lambda status: bool(_committed(status))):
            self._check("a rollback was committed within a week", held=False)
            return False
        rollback = _committed(self.stream.status)[0]
        self._moment("proved", rollback["planned"], wall=self.stream.stepped)
        self._moment("restored", rollback["stepped"])
        incident = self.stream.incident(rollback["incident"])
        alerts = [alert.partition("/")[0] for alert in incident["alerts"]]
        served, now_good = self.stream.status["served"], self.stream.gateway.server.served()
        self._check("it fired on independent evidence", PAIRED_RULE in alerts and len(alerts) > 1, ", ".join(alerts))
        self._check("the rollback was committed", len(self.stream.status["rollbacks"]) == 1, rollback["id"])
        self._check("the daemon sees v1 served", served["name"] == "v1", f"{served['name']}, epoch {served['epoch']}")
        self._check("the server has loaded v1's bytes", now_good == good, now_good[:19])
        return True

    def _parity(self) -> bool:
        self.stream.chapter = "v1 again"
        rollback = _committed(self.stream.status)[0]
        restored = self.stream.now
        closed = self.stream.play(restored + CALM_WITHIN_S, lambda _: self._closed(rollback["incident"]) is not None)
        readings = self.stream.status["readings"]
        paired = [each for each in readings if each["name"] == PAIRED_RULE and each["window_end"] > restored]
        parity = any(reading["verdict"] == "ok" and reading["value"] == 0 for reading in paired)
        self._check("parity with the known-good returned", parity, _plural(sum(r["n"] for r in paired), "pair"))
        self._check("the incident closed", closed)
        if not closed:
            return False
        self._moment("resolved", self._closed(rollback["incident"]) or 0.0)
        resolved = self._hear("resolved", rollback["incident"])
        self._check("the resolved notice arrived", resolved is not None, resolved.id if resolved else "nothing")
        return True

    def _redelivery(self) -> None:
        days = (self.stream.now - DEPLOY) // DAY_S + 1
        self.stream.play(DEPLOY + days * DAY_S)
        self.stream.chapter = "v2 is delivered again"
        self._deliver("v2", "redelivered")
        page = self.receiver.wait_for(_names(REDELIVERED_RULE), DELIVERY_WITHIN_S)
        self._check("the redelivery paged", page is not None, page.id if page else "nothing")
        self.stream.play(self.stream.now + WATCHED_S)
        self._moment("end", self.stream.now)
        served, rollbacks = self.stream.status["served"]["name"], self.stream.status["rollbacks"]
        alone = served == "v2" and len(rollbacks) == 1
        self._check("and was not fought over", alone, f"{served} serves, {_plural(len(rollbacks), 'rollback')} in all")

    def _deliver(self, name: str, moment: str) -> None:
        """What a deployment script does: swap the link, make the server load. Then let the daemon look."""
        self.stage.link(name)
        self.stream.gateway.server.load()
        self.stream.tell(f"{name} is delivered")
        self._moment(moment, self.stream.now)
        self.stream.step(self.stream.now)

    def _hear(self, status: str, incident: str) -> Delivery | None:
        """Wait for the webhook of this incident."""

        def wanted(delivery: Delivery) -> bool:
            labels: dict[str, str] = delivery.body.get("groupLabels", {})
            return delivery.status == status and labels.get("tocsin_incident") == incident

        return self.receiver.wait_for(wanted, DELIVERY_WITHIN_S)

    def _closed(self, incident: str) -> float | None:
        closed: float | None = self.stream.incident(incident)["closed"]
        return closed

    def _moment(self, name: str, event: float, wall: float | None = None) -> None:
        rows = self.stream.gateway.rows
        self.chronicle.moments[name] = Moment(event, self.stream.wall() if wall is None else wall, rows)

    def _check(self, words: str, held: bool, found: str = "") -> None:  # noqa: FBT001  # the one thing it is about
        self.chronicle.checks.append(Check(words, held, found))

    def _count_accuracy(self) -> None:
        """Between the switches that happened, whatever happened."""
        for phase, serving, first, last in STRETCHES:
            if last in self._moments:
                start, end = self._moments[first].event, self._moments[last].event
                self.chronicle.accuracies.append(accuracy(self.stream.gateway, phase, serving, start, end))

    @property
    def _moments(self) -> dict[str, Moment]:
        return self.chronicle.moments


def _opened(status: dict[str, Any], since: float) -> dict[str, Any]:
    """The open incident, if it was opened at `since` or later; else nothing."""
    incident: dict[str, Any] | None = status["incident"]
    return incident if incident is not None and incident["opened"] >= since else {}


def _committed(status: dict[str, Any]) -> list[dict[str, Any]]:
    return [rollback for rollback in status["rollbacks"] if rollback["step"] == "committed"]


def _names(rule: str) -> Any:
    """Whether a delivery is about an alert of this rule."""
    return lambda delivery: any(alert["labels"]["alertname"] == rule for alert in delivery.body.get("alerts", ()))


def _plural(count: int, thing: str) -> str:
    """Count things in words.

    >>> _plural(1, "rollback"), _plural(0, "pair")
    ('1 rollback', '0 pairs')
    """
    return f"{count} {thing}{'' if count == 1 else 's'}"
