from monitor.facts import ModelName, RejectReason
from monitor.ingest.counters import UNKNOWN_NAMES_MAX, AdmissionReason, Claim, Counters

MODEL = ModelName("delays")


def test_every_reason_starts_at_zero():
    snapshot = Counters().snapshot()
    assert snapshot.rejected == dict.fromkeys(RejectReason, 0)
    assert snapshot.refused == dict.fromkeys(AdmissionReason, 0)
    assert snapshot.dropped == dict.fromkeys(Claim, 0)


def test_a_snapshot_does_not_move():
    counters = Counters()
    snapshot = counters.snapshot()
    counters.answered("/v1/labels", 422)
    counters.saw_unknown(MODEL, {1})
    counters.rejected[RejectReason.MALFORMED] += 1
    assert (snapshot.requests, snapshot.unknown_features) == ({}, {})
    assert snapshot.rejected[RejectReason.MALFORMED] == 0
    assert counters.snapshot().requests == {("/v1/labels", "4xx"): 1}


def test_unknown_names_count_once_each_up_to_the_cap():
    counters = Counters()
    counters.saw_unknown(MODEL, {1, 2})
    counters.saw_unknown(MODEL, {2, 3})
    assert counters.snapshot().unknown_features == {MODEL: 3}
    counters.saw_unknown(MODEL, set(range(10 * UNKNOWN_NAMES_MAX)))
    assert counters.snapshot().unknown_features == {MODEL: UNKNOWN_NAMES_MAX}
