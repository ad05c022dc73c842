"""A pusher repeats what fires, ends what is over, asks what is silenced, and counts what fails; time is the test's."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from said import KEY, MODEL, Mouth

from monitor.alerts.alertmanager import (
    AHEAD,
    IDS_MAX,
    RESOLVED_S,
    SILENCES_MAX,
    Pusher,
    basic,
    bearer,
    failure_reason,
    parse_end,
    parse_status,
)
from monitor.alerts.retry import Failure, Outcome
from monitor.alerts.said import ALERTS_MAX, Key
from monitor.alerts.silences import Book, Suppressed
from monitor.clock import ManualClock
from monitor.facts import AlertState

RESEND_S = 60.0
DEEP = b'[{"labels": {}, "status": {}, "more": ' + b"[" * 100_000  # what is skipped nests too deeply
OK = Outcome(200)


class Line:
    """Takes everything, and says of each alert what the test says; `down` is what happens instead."""

    def __init__(self):
        self.bodies, self.asked, self.headers, self.down, self.silenced, self.ends = [], [], [], None, {}, {}
        self.clock, self.took_s, self.no_ends = None, 0.0, None

    async def post(self, body, headers, under=""):
        assert under == "/api/v2/alerts"
        self.headers.append(headers)
        if self.down is None:
            self.bodies.append(json.loads(body))
        return self.down or OK

    async def fetch(self, under, headers, bytes_max):
        self.asked.append(under)
        if self.down is not None:
            return self.down, b""
        if under.startswith("/api/v2/silence/"):
            self.clock.step(self.clock.now() + self.took_s)
            if self.no_ends is not None:
                return self.no_ends, b""
            return OK, json.dumps({"endsAt": self.ends[under.rpartition("/")[2]]}).encode()
        return OK, json.dumps([self._known(alert) for alert in self.bodies[-1]]).encode()

    def _known(self, alert):
        by = self.silenced.get(alert["labels"]["alertname"], [])
        return {"labels": alert["labels"], "status": {"state": "active", "silencedBy": by, "inhibitedBy": []}}


class World:
    def __init__(self, *rules, **about):
        self.clock, self.line, self.mouth = ManualClock(2000.0), Line(), Mouth(*rules)
        self.book, self.rings, self.about, self.line.clock = Book(["main"]), [], about, self.clock
        self.restart()

    def restart(self):
        about = {"clock": self.clock, "wait": asyncio.sleep, "resend_s": RESEND_S} | self.about
        ring = lambda: self.rings.append(self.clock.now())  # noqa: E731 - the whole of it
        self.pusher = Pusher("main", self.line, self.mouth.say, self.book, answered=ring, **about)

    def round(self, after=0.0):
        self.clock.step(self.clock.now() + after)
        return asyncio.run(self.pusher.round())

    def ends(self):
        """What was told last: how many seconds from now each alert ends."""
        return {a["labels"]["alertname"]: seconds(a["endsAt"]) - self.clock.now() for a in self.line.bodies[-1]}


def seconds(text):
    from datetime import datetime

    return datetime.fromisoformat(text).timestamp()


def test_what_fires_is_repeated_with_its_end_ahead():
    world = World("drift")
    assert [world.round(), world.round(60.0)] == [RESEND_S, RESEND_S]
    assert world.ends() == {"drift": AHEAD * RESEND_S}


def test_what_is_over_is_repeated_for_five_minutes():
    world = World("drift")
    world.round()
    world.mouth.over("drift")
    told = [world.round(60.0) and world.ends() for _ in range(7)]
    assert told[:5] == [{"drift": -60.0 * n} for n in range(5)]
    assert told[5:] == [{}, {}]


def test_what_was_resolved_before_a_restart_is_told_for_the_rest_of_the_time():
    world = World()
    world.mouth.states["drift"], world.mouth.start = AlertState.RESOLVED, world.clock.now() - 200.0
    assert world.round()
    assert world.ends() == {"drift": -200.0}
    assert world.round(99.0)
    assert world.ends() == {"drift": -299.0}
    assert world.round(1.0)
    assert world.ends() == {}


def test_what_fires_again_is_over_no_more():
    world = World("drift")
    world.round()
    world.mouth.over("drift")
    world.round(60.0)
    world.mouth.states["drift"] = AlertState.FIRING
    assert world.round(60.0)
    assert world.ends() == {"drift": AHEAD * RESEND_S}


def test_another_identity_ends_the_one_before():
    world = World("drift")
    world.round()
    world.mouth.replica = "7"
    world.round(60.0)
    assert sorted(seconds(a["endsAt"]) - world.clock.now() for a in world.line.bodies[-1]) == [0.0, 240.0]


def test_a_restart_of_ours_goes_on_from_what_is_stored():
    world = World("drift")
    world.round()
    before = world.line.bodies[-1]
    world.restart()
    world.round()
    assert world.line.bodies[-1] == before


def test_an_empty_round_asks_whether_anybody_is_there():
    world = World()
    assert (world.round(), world.line.bodies) == (RESEND_S, [[]])


def test_only_our_alerts_are_asked_about():
    world = World("drift", replica="7")
    world.round()
    assert world.line.asked == ["/api/v2/alerts?filter=monitor%3D%22tocsin%22&filter=replica%3D%227%22"]


def test_a_silence_is_told_with_its_end_and_rings():
    world = World("drift")
    world.line.silenced, world.line.ends = {"drift": ["s-1"]}, {"s-1": "1970-01-01T01:00:00.000Z"}
    world.round()
    assert world.book.words(KEY, 2000.0) == "silenced by s-1 until 1970-01-01T01:00:00.000Z"
    world.round(60.0)
    assert world.rings == [2000.0, 2060.0]
    assert world.pusher.told.suppressed == 1


def test_no_more_silences_are_asked_about_than_that():
    world = World("drift")
    many = [f"s-{n:03}" for n in range(SILENCES_MAX + 9)]
    world.line.silenced, world.line.ends = {"drift": many}, dict.fromkeys(many, "1970-01-01T01:00:00Z")
    world.round()
    assert len(world.line.asked) == 1 + SILENCES_MAX
    assert world.book.words(KEY, 2000.0) == f"silenced by {', '.join(many[:5])}"


FAILURES = [
    (Outcome(failure=Failure.TIMEOUT), "timeout"),
    (Outcome(500), "5xx"),
    (Outcome(401), "4xx"),
    (Outcome(failure=Failure.REFUSED), "refused"),
]


@pytest.mark.parametrize(("outcome", "reason"), FAILURES)
def test_a_failure_is_counted_and_tried_again_sooner(outcome, reason):
    world = World("drift")
    world.line.down = outcome
    assert [world.round() for _ in range(8)] == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
    assert world.pusher.told.failures == {reason: 8}
    world.line.down = None
    assert (world.round(), world.pusher.told.failures) == (RESEND_S, {reason: 8})


def test_an_alertmanager_that_fails_silences_nothing_any_more():
    world = World("drift")
    world.line.silenced, world.line.ends = {"drift": ["s-1"]}, {"s-1": "1970-01-01T09:00:00Z"}
    world.round()
    world.line.down = Outcome(failure=Failure.CONNECT)
    for _ in range(4):
        world.round(60.0)
    assert world.book.words(KEY, world.clock.now()) == ""


def test_credentials_are_read_each_time_and_their_loss_is_a_failure():
    tokens = iter(["one", "one", "two", "two"])
    world = World("drift", credentials=lambda: bearer(next(tokens, "")))
    assert [world.round(), world.round(), world.round()] == [RESEND_S, RESEND_S, 1.0]
    assert [headers["authorization"] for headers in world.line.headers] == ["Bearer one", "Bearer two"]
    assert world.pusher.told.failures == {"credentials": 1}


def test_more_than_can_be_told_at_once_is_counted():
    world = World(*(f"rule_{n}" for n in range(ALERTS_MAX + 3)))
    world.round()
    assert (len(world.line.bodies[-1]), world.pusher.told.left_out) == (ALERTS_MAX, 3)


@pytest.mark.parametrize("answer", [b"", b"{}", b"[{}]", b'[{"labels": 1}]', b"\xff", b"[" * 100_000, DEEP])
def test_an_answer_that_cannot_be_read_is_a_failure(answer):
    world = World("drift")

    async def fetch(under, headers, bytes_max):
        return OK, answer

    world.line.fetch = fetch
    assert world.round() == 1.0
    assert world.pusher.told.failures == {"answer": 1}


@pytest.mark.parametrize("body", [b'{"more": ' + b"[" * 100_000, b'{"endsAt": "9999-12-31T23:59:59-23:59"}', b"\xff"])
def test_a_silence_that_cannot_be_read_has_no_end(body):
    assert parse_end(body) is None or parse_end(body) > 0


def test_what_is_said_of_alerts_that_nobody_told_is_not_kept():
    strangers = [{"labels": {"model": f"m{n}"}, "status": {"silencedBy": ["s-1"]}} for n in range(9)]
    assert parse_status(json.dumps(strangers).encode(), {KEY}) == {}


def test_no_more_ids_are_kept_of_one_alert_than_that():
    many = {"labels": {"model": MODEL, "alertname": "drift"}, "status": {"silencedBy": ["s-1"] * 100_000}}
    assert len(parse_status(json.dumps([many]).encode(), {KEY})[KEY].silenced) == IDS_MAX


def test_the_ends_of_silences_are_asked_for_half_a_resend_at_most():
    world = World("drift")
    many = [f"s-{n:03}" for n in range(SILENCES_MAX)]
    world.line.silenced, world.line.ends = {"drift": many}, dict.fromkeys(many, "1970-01-01T01:00:00Z")
    world.line.took_s = 7.0
    assert world.round() == RESEND_S
    assert 1 + RESEND_S / 2 / 7 < len(world.line.asked) < 3 + RESEND_S / 2 / 7


@pytest.mark.parametrize(("outcome", "asked", "failures"), [(Outcome(500), 2, {"5xx": 1}), (Outcome(404), 4, {})])
def test_a_failure_to_tell_the_end_of_a_silence_is_counted_and_one_that_is_gone_is_not(outcome, asked, failures):
    world = World("drift")
    world.line.silenced, world.line.no_ends = {"drift": ["s-1", "s-2", "s-3"]}, outcome
    assert world.round() == RESEND_S
    assert (len(world.line.asked), world.pusher.told.failures) == (asked, failures)
    assert world.book.words(KEY, 2000.0) == "silenced by s-1, s-2, s-3"


def test_an_id_that_could_be_a_path_is_no_id():
    hostile = ["../../-/quit", "a/b", "", "x" * 65, "s?x"]
    status = {"labels": {"model": MODEL, "alertname": "drift"}, "status": {"silencedBy": [*hostile, "s-1"]}}
    assert parse_status(json.dumps([status]).encode(), {KEY}) == {KEY: Suppressed(("s-1",))}


def test_two_alerts_of_one_rule_are_silenced_where_both_are():
    def status(by):
        return {"labels": {"model": MODEL, "alertname": "drift"}, "status": {"silencedBy": by}}

    for first, second in [(["s-1"], []), ([], ["s-1"])]:
        assert not parse_status(json.dumps([status(first), status(second)]).encode(), {KEY})[KEY].words


@given(st.binary(max_size=200))
def test_no_answer_about_a_silence_breaks_anything(body):
    assert parse_end(body) is None or isinstance(parse_end(body), float)


def test_credentials_are_one_line_of_printable_ascii():
    assert bearer(" t0ken\n") == {"authorization": "Bearer t0ken"}
    assert basic("me:secret\n") == {"authorization": "Basic bWU6c2VjcmV0"}
    for read, text in [(bearer, ""), (bearer, "a\nb"), (bearer, "é"), (basic, "nobody")]:
        with pytest.raises(ValueError, match="is not"):
            read(text)


def test_the_words_for_a_failure_are_few():
    outcomes = [
        *(Outcome(failure=each) for each in Failure),
        *(Outcome(status) for status in range(100, 600)),
        Outcome(),
    ]
    assert {failure_reason(each) for each in outcomes} == {
        *(each.value for each in Failure), "1xx", "3xx", "4xx", "5xx", "answer"
    }  # fmt: skip


def test_a_key_says_which_alert():
    assert Key("delays", "drift", "") == KEY
    assert RESOLVED_S == 300.0
