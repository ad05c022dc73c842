"""The daemon tells of itself what its parts counted: nothing is lost on the way to the page."""

import pytest
from msgspec.structs import replace
from world import MODEL, Spy, Turns, label, many, rule

from monitor.alerts.retry import DeliveryState
from monitor.facts import RejectReason, RowKind, Severity, Verdict
from monitor.ingest.counters import AdmissionReason, Counters
from monitor.turns.self_view import REFUSED_AS, About, rss_bytes, self_view


@pytest.fixture
def turns(tmp_path):
    made = Turns(tmp_path / "state", rule("moved", detector=Spy(Verdict.BREACH), severity=Severity.CRITICAL))
    yield made
    made.close()


def view(turns, counters=None, receivers=("on-call",)):
    return self_view(
        counted=(counters or Counters()).snapshot(),
        health=turns.store.health(),
        wheel=turns.wheel,
        outbox=turns.outbox,
        receivers=receivers,
        about=About("1.2.3", 5.0, reload_ok=False, reloaded=6.0),
    )


def test_a_daemon_that_did_nothing_counts_nothing(turns):
    found = view(turns)
    assert found.accepted == {RowKind.PREDICTIONS: 0, RowKind.LABELS: 0}
    assert (found.duplicates, found.fold.count, found.look.count, found.journal_rows) == (0, 0, 0, 0)
    assert (found.version, found.started, found.reload_ok, found.reloaded) == ("1.2.3", 5.0, False, 6.0)


def test_what_intake_counted_is_added_up_over_models(turns):
    counters = Counters()
    counters.accepted[RowKind.LABELS, MODEL] += 3
    counters.accepted[RowKind.LABELS, "other"] += 4
    counters.rejected[RejectReason.TIME_INVALID] += 2
    found = view(turns, counters)
    assert found.accepted == {RowKind.PREDICTIONS: 0, RowKind.LABELS: 7}
    assert found.rejected[RejectReason.TIME_INVALID] == 2


def test_every_reason_to_refuse_a_request_has_the_status_it_is_answered_with(turns):
    assert REFUSED_AS.keys() == set(AdmissionReason)
    counters = Counters()
    counters.refused.update(dict.fromkeys(AdmissionReason, 1))
    assert sum(view(turns, counters).refused.values()) == len(AdmissionReason)
    assert view(turns, counters).refused[413] == 2


def test_the_backlog_shows_until_it_is_folded(turns):
    turns.send(many(10), [label("p1", 1)])
    assert view(turns).journal_rows == 11
    turns.settle(60.0)
    found = view(turns)
    assert (found.journal_rows, found.fold.count, found.look.count, found.clock) == (0, 1, 1, 60.0)
    assert found.fold.last_s > 0


def test_duplicates_and_late_rows_are_the_folds(turns):
    turns.send(many(10), many(12))
    turns.settle(600.0)
    assert (view(turns).duplicates, view(turns).late_rows) == (10, 12)


def test_deliveries_are_shown_by_receiver_with_those_that_nobody_got(turns):
    turns.settle(0.0)
    turns.settle(60.0)
    waiting, other = view(turns, receivers=("on-call", "nobody")).receivers
    assert (waiting.pending, waiting.dead, waiting.delivered, other.pending) == (1, 0, 0, 0)
    [delivery] = turns.outbox.every()
    turns.do(turns.outbox.record(replace(delivery, state=DeliveryState.DEAD)))
    [dead] = view(turns).receivers
    assert (dead.pending, dead.dead, dead.failed) == (0, 1, 1)


def test_a_store_that_failed_is_said(turns):
    assert not view(turns).store_failed
    turns.store._writer.fail(OSError("an fsync failed"))
    assert view(turns).store_failed


def test_memory_is_read_from_the_system_in_bytes():
    assert 10 << 20 < rss_bytes() < 4 << 30
