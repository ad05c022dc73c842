"""The daemon tells of itself what its parts counted: nothing is lost on the way to the page."""

import pytest
from msgspec.structs import replace
from world import MODEL, Spy, Turns, label, many, rule

from monitor.alerts.alertmanager import Told
from monitor.alerts.retry import DeliveryState
from monitor.decisions.clearance import ClearanceState
from monitor.evidence.archive import Swept
from monitor.evidence.jobs import Failure
from monitor.evidence.office import EvidenceState
from monitor.facts import RejectReason, RowKind, Severity, Verdict
from monitor.ingest.counters import AdmissionReason, Claim, Counters
from monitor.store.protocol import Kept, Sampled
from monitor.turns.self_view import REFUSED_AS, About, kept, rss_bytes, self_view


@pytest.fixture
def turns(tmp_path):
    made = Turns(tmp_path / "state", rule("moved", detector=Spy(Verdict.BREACH), severity=Severity.CRITICAL))
    yield made
    made.close()


def view(turns, counters=None, receivers=("on-call",), **edges):
    return self_view(
        counted=(counters or Counters()).snapshot(),
        health=turns.store.health(),
        wheel=turns.wheel,
        outbox=turns.outbox,
        receivers=receivers,
        about=About("1.2.3", 5.0, reload_ok=False, reloaded=6.0),
        **edges,
    )


def test_a_daemon_that_did_nothing_counts_nothing(turns):
    found = view(turns)
    assert found.intake.accepted == {RowKind.PREDICTIONS: 0, RowKind.LABELS: 0}
    assert (found.duplicates, found.fold.count, found.look.count, found.store.journal_rows) == (0, 0, 0, 0)
    assert (found.version, found.started, found.reload_ok, found.reloaded) == ("1.2.3", 5.0, False, 6.0)


def test_what_intake_counted_is_added_up_over_models(turns):
    counters = Counters()
    counters.accepted[RowKind.LABELS, MODEL] += 3
    counters.accepted[RowKind.LABELS, "other"] += 4
    counters.rejected[RejectReason.TIME_INVALID] += 2
    found = view(turns, counters)
    assert found.intake.accepted == {RowKind.PREDICTIONS: 0, RowKind.LABELS: 7}
    assert found.intake.rejected[RejectReason.TIME_INVALID] == 2


def test_every_reason_to_refuse_a_request_has_the_status_it_is_answered_with(turns):
    assert REFUSED_AS.keys() == set(AdmissionReason)
    counters = Counters()
    counters.refused.update(dict.fromkeys(AdmissionReason, 1))
    found = view(turns, counters).intake.refused
    assert sum(found.values()) == len(found) == len(AdmissionReason)
    assert {reason for code, reason in found if code == 413} == {"body_too_large", "too_many_rows"}


def test_the_backlog_shows_until_it_is_folded(turns):
    turns.send(many(10), [label("p1", 1)])
    assert view(turns).store.journal_rows == 11
    turns.settle(60.0)
    found = view(turns)
    assert (found.store.journal_rows, found.fold.count, found.look.count, found.clock) == (0, 1, 1, 60.0)
    assert found.fold.last_s > 0


def test_duplicates_and_late_rows_are_the_folds(turns):
    turns.send(many(10, arrival=600.0), many(12, arrival=600.0))
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
    assert (dead.pending, dead.dead, dead.buried, dead.failed) == (0, 1, 1, 1)


def test_what_waits_for_a_silence_is_shown_by_receiver(turns):
    one, other = view(turns, receivers=("on-call", "nobody"), held={"on-call": 2}).receivers
    assert (one.held, other.held) == (2, 0)


def test_a_notice_that_was_never_sent_is_withdrawn_and_not_failed(turns):
    turns.settle(0.0)
    turns.settle(60.0)
    [delivery] = turns.outbox.every()
    turns.do(turns.outbox.record(replace(delivery, state=DeliveryState.WITHDRAWN)))
    [found] = view(turns).receivers
    assert (found.withdrawn, found.failed, found.pending) == (1, 0, 0)


def test_what_is_kept_is_told_by_model_even_where_only_one_kind_is(turns):
    samples = {"b": Sampled(2, 90, 4096, 5, 1)}
    health = replace(turns.store.health(), receipts={"a": Kept(80, 20, 1024, 0.25)}, samples=samples)
    a, b = kept(health)
    assert (a.model, a.receipt_rows, a.receipts_dropped, a.receipt_bytes, a.inclusion_min) == ("a", 80, 20, 1024, 0.25)
    assert (a.sample_rows, b.receipt_rows, b.inclusion_min) == (0, 0, 1.0)
    assert (b.sample_files, b.sample_rows, b.sample_bytes, b.samples_over_quota, b.samples_lost) == (2, 90, 4096, 5, 1)


def test_receipts_of_folded_rows_are_told(turns):
    turns.send(many(10))
    turns.settle(60.0)
    [found] = view(turns).store.kept
    assert (found.model, found.receipt_rows, found.inclusion_min) == (MODEL, 10, 1.0)


def test_what_alertmanagers_were_told_is_shown_by_name(turns):
    told = Told("main", sent=7, posts=3, failures={"4xx": 2}, firing=1, suppressed=1, last=9.0)
    [found] = view(turns, told=[told]).alertmanagers
    assert (found.name, found.sent, found.posts, found.failures) == ("main", 7, 3, {"4xx": 2})
    assert (found.firing, found.suppressed, found.left_out, found.last) == (1, 1, 0, 9.0)


def test_the_evidence_worker_is_shown_with_its_failures_by_model(turns):
    assert view(turns).evidence is None
    failures = ((Failure.TIMEOUT, MODEL, 2), (Failure.DISK, MODEL, 1))
    state = EvidenceState(1, True, 9, 2.5, failures, 3, (("idle", 1), ("jobs", 1)), 1 << 28, 1 << 29)
    found = view(turns, evidence=state, swept=Swept(1, 2, reports=7, bytes=900), removed=3).evidence
    assert (found.report_files, found.report_bytes, found.reports_removed) == (7, 900, 3)
    assert found.failures == {(MODEL, "timeout"): 2, (MODEL, "disk"): 1}
    assert (found.queued, found.running, found.jobs, found.starts, found.ends) == (
        1,
        True,
        9,
        3,
        {"idle": 1, "jobs": 1},
    )
    assert (found.last_s, found.rss_bytes, found.rss_bytes_peak) == (2.5, 1 << 28, 1 << 29)


def test_what_intake_saw_of_requests_is_told(turns):
    counters = Counters(body_bytes=99, repeated_requests=2, in_flight_requests=1, in_flight_bytes=50)
    counters.answered("/v1/predictions", 202)
    counters.dropped[Claim.BUNDLE] += 3
    counters.saw_unknown(MODEL, {1, 2})
    found = view(turns, counters)
    assert (found.intake.requests, found.intake.requests_repeated) == ({("/v1/predictions", "2xx"): 1}, 2)
    assert (found.intake.body_bytes, found.intake.in_flight_requests, found.intake.in_flight_bytes) == (99, 1, 50)
    assert (found.intake.parts_dropped["bundle"], found.intake.unknown_features) == (3, {MODEL: 2})
    assert found.intake.parts_dropped.keys() == {claim.value for claim in Claim}


def test_what_deployers_were_told_is_counted_from_zero(turns):
    counters = Counters()
    counters.gates[MODEL, ClearanceState.UNKNOWN.value] += 2
    assert view(turns, counters).intake.gates == {
        (MODEL, ClearanceState.OK): 0,
        (MODEL, ClearanceState.BAD): 0,
        (MODEL, ClearanceState.UNKNOWN): 2,
    }


def test_a_store_that_failed_is_said(turns):
    assert not view(turns).store.failed
    turns.store._writer.fail(OSError("an fsync failed"))
    assert view(turns).store.failed


def test_memory_is_read_from_the_system_in_bytes():
    assert 10 << 20 < rss_bytes() < 4 << 30
