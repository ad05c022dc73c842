"""What a courier does with what is silenced: in order, not twice, and never lost while it still fires."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from said import KEY
from test_outbox import HOUR, SENT, WITHDRAWN, World, _delivery

from monitor.alerts.outbox import address, redundant
from monitor.alerts.retry import Outcome
from monitor.alerts.silences import Answer, Book, Respect, Suppressed, passage
from monitor.alerts.webhook import body
from monitor.facts import AlertState, NoticeStatus, Severity

POLICY = {Severity.WARNING: Respect.HOLD, Severity.CRITICAL: Respect.MARK}


class Silenced:
    """A gate before which KEY is silenced until some time of the world's clock."""

    def __init__(self, until):
        self.until, self.world = until, None

    def __call__(self, queue):
        now, book = self.world.clock.wall(), Book(["main"])
        by = Suppressed(("s-1",), until=self.until) if now < self.until else Suppressed()
        book.answered("main", Answer(now, 180.0, {KEY: by}))
        return passage(queue, book, POLICY, now, now)


BODY = b'{"commonAnnotations": {}, "alerts": []}'


def notice(number, severity=Severity.WARNING, **changes):
    made = _delivery(number=number)
    return replace(made, keys=(tuple(KEY),), severity=severity, **{"holdable": True, "body": BODY} | changes)


def over(number):
    return notice(number, status=NoticeStatus.RESOLVED)


def run(*deliveries, silenced_s=HOUR, until=10 * HOUR, **about):
    gate = Silenced(silenced_s)
    world = gate.world = World(*deliveries, gate=gate, until=until, **about)
    return world.run()


def test_what_still_fires_when_the_silence_ends_is_told_then():
    world = run(notice(1))
    assert [round(at) for at, _ in world.posted] == [3600]


def test_what_is_over_before_the_silence_ends_is_never_told_nor_escalated():
    world = run(notice(1), notice(2), over(3))
    assert (world.posted, world.escalated) == ([], [])
    assert set(world.states().values()) == {WITHDRAWN}


def test_the_end_of_what_was_told_before_the_silence_is_told():
    world = run(notice(2), over(3))
    assert world.ids() == ["i-1.3"]
    assert world.states() == {"i-1.2": WITHDRAWN, "i-1.3": SENT}


def test_a_rollback_is_told_at_once_and_all_that_stands_before_it():
    world = run(notice(1), notice(2), notice(3, holdable=False))
    assert world.posted == [(0.0, "i-1.1"), (0.0, "i-1.2"), (0.0, "i-1.3")]


def test_another_incident_does_not_wait():
    world = run(notice(1), _delivery("i-2"))
    assert world.ids() == ["i-2.1", "i-1.1"]


def test_a_critical_notice_is_told_at_once_with_a_mark_that_stays_over_retries(notice_body):
    sent, answers = [], iter([Outcome(503), Outcome(503)])
    gate = Silenced(1.0)
    world = gate.world = World(notice(1, Severity.CRITICAL, body=notice_body), gate=gate)
    post = world.post

    async def posting(bytes_, headers):
        sent.append(bytes_)
        return await post(bytes_, headers) and next(answers, Outcome(200))

    world.post = posting
    world.run()
    assert len(sent) == 3
    assert len(set(sent)) == 1, "a retry is the same message, whatever the silence does meanwhile"
    assert json.loads(sent[0])["commonAnnotations"]["silenced"].startswith("silenced by s-1 until")


@pytest.fixture(name="notice_body")
def _notice_body(notice):
    return body(notice(), "ops", "http://tocsin")


def test_a_repeat_of_what_still_waits_is_withdrawn():
    assert [d.number for d in redundant([notice(1), notice(2, repeat=True), notice(3)])] == [2]
    assert redundant([notice(2, repeat=True)]) == []
    world = run(notice(1), notice(2, repeat=True))
    assert world.states() == {"i-1.1": SENT, "i-1.2": WITHDRAWN}


def test_a_receiver_is_addressed_where_the_notice_is_for_it(request):
    made = request.getfixturevalue("notice")(receivers=("chat",), repeat=True)
    [one] = address(made, ["ops", "chat"], "", 5.0)
    assert (one.receiver, one.repeat) == ("chat", True)


def test_a_delivery_knows_which_alerts_it_is_about(request):
    alert = request.getfixturevalue("alert")
    alerts = (alert("drift"), alert("error", state=AlertState.RESOLVED))
    [one] = address(request.getfixturevalue("notice")(alerts=alerts, holdable=True), ["ops"], "", 5.0)
    assert (one.keys, one.holdable, one.severity) == ((("delays", "drift", ""),), True, Severity.CRITICAL)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=6), st.booleans(), st.floats(1, 2 * HOUR))
def test_nothing_is_lost_and_order_holds_however_it_is_silenced(notices, ends, silenced_s):
    queue = [replace(notice(n), holdable=h, repeat=r and n > 1) for n, (h, r) in enumerate(notices, start=1)]
    world = run(*queue, *([over(len(queue) + 1)] if ends else []), silenced_s=silenced_s)
    assert set(world.states().values()) <= {SENT, WITHDRAWN}
    assert world.ids() == sorted(world.ids(), key=lambda ident: int(ident.rpartition(".")[2]))
    told = {int(ident.rpartition(".")[2]) for ident in world.ids()}
    assert all(n in told for n, each in enumerate(queue, start=1) if not each.holdable and not each.repeat)
    assert ends or not queue or 1 in told
