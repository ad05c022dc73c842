"""The story's honesty: played against a scripted world, it says that the loop closed only when it did."""

from types import SimpleNamespace

import numpy as np
import pytest

from monitor.demo.receiver import Delivery
from monitor.demo.story import DAY_S, DEPLOY, START, Story
from monitor.demo.stream import Stream

HELD_S, CALM_S = 42 * 3600, 48 * 3600  # from delivery to rollback, from rollback to close


class World:
    """Model server, daemon and receiver in one: does what it is told to do, and misbehaves where asked to."""

    def __init__(self, **misbehaviour):
        self.does = {"rollback": True, "page": True, "signed": True, "parity": True, "close": True} | misbehaviour
        self.linked = self.loaded = "v1"
        self.now, self.epoch, self.delivered_at, self.deliveries = START, 1, None, []
        self.incident = self.rollback = None
        self.others = []

    @property
    def fired(self):
        """The evidence holds an hour before the rollback."""
        return self.incident is None and self.delivered_at and self.now >= self.delivered_at + HELD_S - 3600

    # the stage and the model server
    def link(self, name):
        self.linked = name

    def load(self):
        self.loaded = self.linked

    def served(self):
        return f"sha256:{'wrong' if self.does.get('lies') and self.rollback else self.loaded}"

    # the daemon
    def advance(self, now):
        self.now = now
        if self.loaded == "v2" and self.delivered_at is None:
            self._delivered()
        if self.fired and self.does.get("fires", True):
            self._fire()
        if self.delivered_at and self.rollback is None and now >= self.delivered_at + HELD_S and self.does["rollback"]:
            self._roll_back()
        if self.rollback and now >= self.rollback["stepped"] + CALM_S and self.does["close"] and not self.others:
            self._close()

    def _delivered(self):
        self.delivered_at, self.epoch = self.now, self.epoch + 1
        if self.rollback:
            self._send("firing", "i-2", "redelivered", self.does.get("redelivery_page", True))
            self.others = [self._rollback("r-2", "planned")] if self.does.get("fights") else []

    def _roll_back(self):
        self.linked = self.loaded = "v1"
        self.epoch, self.rollback, self.delivered_at = self.epoch + 1, self._rollback("r-1", "committed"), None
        self.incident["timeline"].append([self.now, "rolled back"])

    def _fire(self):
        alerts = ["paired_error", "score_moved"] if self.does.get("independent", True) else ["paired_error"]
        self.incident = {"id": "i-1", "opened": self.now, "closed": None, "alerts": alerts}
        self.incident["timeline"] = [[self.now, "score_moved: it moved"]]
        self._send("firing", "i-1", "paired_error", self.does["page"])

    def _close(self):
        if self.incident["closed"] is None:
            self.incident["closed"] = self.now
            self._send("resolved", "i-1", "paired_error", sent=True)

    def _rollback(self, ident, step):
        times = {"planned": self.now, "stepped": self.now}
        return {"id": ident, "incident": "i-1", "step": step, "target": "v1", **times}

    def _send(self, status, incident, rule, sent):
        body = {"status": status, "groupLabels": {"tocsin_incident": incident}}
        body["alerts"] = [{"labels": {"alertname": rule}}]
        if sent:
            self.deliveries.append(Delivery(f"{incident}.{status}", self.does["signed"], 0.0, body))

    def status(self):
        value = 0.0 if self.does["parity"] else 0.1
        paired = {"name": "paired_error", "column": "", "value": value, "verdict": "ok", "n": 900, "limit": 0.05}
        return {
            "served": {"name": self.loaded, "role": "known_good", "epoch": self.epoch, "since": self.now},
            "rollbacks": [*([self.rollback] if self.rollback else []), *self.others, *self.does.get("spring", [])],
            "readings": [paired | {"window_start": self.now - DAY_S, "window_end": self.now}],
            "alerts": [],
            "incident": self.incident if self.incident and self.incident["closed"] is None else None,
        }

    def incidents(self):
        return [self.incident]

    # the receiver
    def wait_for(self, wanted, _timeout_s):
        return next((d for d in self.deliveries if d.verified and wanted(d)), None)


class Flights:
    late = np.zeros(10, np.int8)

    def departing(self, _start, _end):
        return np.arange(10)


def play(**misbehaviour):
    return play_in(World(**misbehaviour))


def play_in(world):
    gateway = SimpleNamespace(server=world, daemon=world, rows=0, labels=0, flights=Flights())
    gateway.predicted, gateway.known_good = np.zeros(10, np.int8), lambda rows: np.zeros(len(rows), np.int8)
    gateway.is_idle, gateway.carry = lambda _start, _end: False, lambda _start, _end: None
    told = []
    view = SimpleNamespace(tell=lambda at, words: told.append((at, words)), show=lambda _frame: None)
    chronicle = Story(world, Stream(gateway, view), world).play()
    return chronicle, told, world


def failed(chronicle):
    return [check.words for check in chronicle.checks if not check.held]


def test_a_loop_that_closed_is_told_as_closed():
    chronicle, _, _ = play()
    assert failed(chronicle) == []
    assert chronicle.closed
    assert [each.phase for each in chronicle.accuracies] == ["before", "during", "after", "again"]


def test_moments_are_told_in_event_time():
    chronicle, _, _ = play()
    moments = chronicle.moments
    assert moments["deployed"].event == DEPLOY
    assert moments["restored"].event == DEPLOY + HELD_S
    assert moments["detected"].event == DEPLOY + HELD_S - 3600
    assert moments["proved"].wall <= moments["restored"].wall
    assert moments["resolved"].event == DEPLOY + HELD_S + CALM_S
    assert moments["redelivered"].event % DAY_S == DEPLOY % DAY_S


def test_what_happened_is_told_once_each():
    _, told, _ = play()
    words = [each for _, each in told]
    assert words.count("v2 is delivered") == 2
    assert words.count("rolled back") == 1


@pytest.mark.parametrize(
    ("misbehaviour", "words"),
    [
        ({"fires": False, "rollback": False}, "an alert fired within a week"),
        ({"rollback": False}, "a rollback was committed within a week"),
        ({"page": False}, "a page arrived with a good signature"),
        ({"signed": False}, "every delivery bore a good signature"),
        ({"parity": False}, "parity with the known-good returned"),
        ({"close": False}, "the incident closed"),
        ({"independent": False}, "it fired on independent evidence"),
        ({"lies": True}, "the server has loaded v1's bytes"),
        ({"redelivery_page": False}, "the redelivery paged"),
        ({"fights": True}, "and was not fought over"),
    ],
)
def test_a_loop_that_did_not_close_is_told_as_open(misbehaviour, words):
    chronicle, _, _ = play(**misbehaviour)
    assert words in failed(chronicle)
    assert not chronicle.closed


def test_a_rollback_of_v1_in_spring_fails_the_demo():
    spring = [{"id": "r-0", "incident": "i-0", "step": "refused", "stepped": START, "target": "v1"}]
    chronicle, _, _ = play(spring=spring)
    assert "v1 alone caused no rollback in a month" in failed(chronicle)


def test_an_incident_from_before_the_delivery_is_not_taken_for_its_detection():
    world = World(fires=False, rollback=False)
    world.incident = {"id": "i-0", "opened": START, "closed": None, "alerts": ["error"], "timeline": []}
    chronicle = play_in(world)[0]
    assert "an alert fired within a week" in failed(chronicle)
    assert "detected" not in chronicle.moments


def test_a_story_that_ends_early_still_tells_the_accuracy_it_knows():
    chronicle, _, _ = play(rollback=False)
    assert [each.phase for each in chronicle.accuracies] == ["before"]
