"""What every store promises. A second store passes the same tests: it adds one line to `STORES`."""

import msgspec
import numpy as np
import pytest
from storeworld import (
    MODEL,
    POISON,
    RECEIPT,
    WIDER,
    add,
    body,
    claim,
    encode,
    hashes,
    ids_in,
    key,
    open_store,
    receipts,
    send,
    submission,
    total,
)

from monitor.clock import ManualClock
from monitor.errors import Corrupt, Rejected
from monitor.facts import Alert, AlertState, Encoded, Epoch, RowKind, Submission
from monitor.store import Change, Position, Store, StoredLabel, WaitingLabel
from monitor.store.parts import Limits

STORES = {"sqlite": open_store}
DAY = 86_400


@pytest.fixture(params=STORES)
def opened(request, tmp_path):
    """Open the same state again and again; each opening closes the one before."""
    stores = []

    def again(**parts) -> Store:
        for store in stores:
            store.close()
        stores.append(STORES[request.param](tmp_path / "state", **parts))
        return stores[-1]

    yield again
    for store in stores:
        store.close()


@pytest.fixture
def store(opened):
    return opened()


def label(value, source="ops", said=1, time=100.0, model=MODEL):
    return StoredLabel(model, value, source, said, 1, 150.0, time)


def waiting(value, source="ops", *, said=1, arrival=10.0, expires=1_000.0, model=MODEL):
    return WaitingLabel(model, value, source, said, 5.0, arrival, expires)


def windows(store, start, end, **coordinates):
    at = key(**coordinates)
    return store.panes(at.model, at.epoch, at.segment, at.reference, start, end)


def counts(store, start, end, **coordinates):
    return total(each for _, each in windows(store, start, end, **coordinates))


# ---------------------------------------------------------------- journal


def test_a_new_store_is_empty(store):
    assert store.last_seq() == 0
    assert store.read_journal(10, 10) == []
    assert store.position() == Position()
    assert store.health().failed == ""


def test_appended_rows_are_in_the_journal_in_order(store):
    assert send(store, submission("a", "b")) == [None]
    assert send(store, submission("c")) == [None]
    assert ids_in(store.read_journal(store.last_seq(), 100)) == ["a", "b", "c"]


def test_rows_of_one_commit_are_one_record_per_kind_and_model(store):
    send(store, submission("a"), submission("b"), submission("l", kind=RowKind.LABELS), submission("c", model="n"))
    found = {(r.kind, r.model): (r.rows, ids_in([r])) for r in store.read_journal(9, 100)}
    assert found == {
        (RowKind.PREDICTIONS, "m"): (2, ["a", "b"]),
        (RowKind.LABELS, "m"): (1, ["l"]),
        (RowKind.PREDICTIONS, "n"): (1, ["c"]),
    }


def test_rows_that_are_encoded_already_are_a_record_of_their_own(store):
    body = encode(RowKind.PREDICTIONS, MODEL, submission("a", "b").rows)
    early = Submission(RowKind.PREDICTIONS, MODEL, [], 100, encoded=Encoded(body, 2, 5.0))
    send(store, submission("c"), early, submission("d"))
    records = store.read_journal(store.last_seq(), 100)
    assert sorted(ids_in(records)) == ["a", "b", "c", "d"]
    assert sorted(record.rows for record in records) == [2, 2]
    assert store.health().journal_rows == 4


def test_read_journal_stops_before_rows_max_and_at_upto_but_gives_one_record(store):
    for one in ("a", "b", "c"):
        send(store, submission(one, one + "2"))
    assert [r.seq for r in store.read_journal(3, 5)] == [1, 2]
    assert [r.seq for r in store.read_journal(2, 100)] == [1, 2]
    assert [r.seq for r in store.read_journal(3, 1)] == [1]
    assert [r.seq for r in store.read_journal(3, 5, 1)] == [2, 3]


def test_read_journal_goes_on_after_the_later_of_the_cursor_and_what_it_is_told(store):
    for one in ("a", "b", "c"):
        send(store, submission(one))
    store.commit(Change(fold=1, cursor=2))
    assert [[r.seq for r in store.read_journal(3, 100, after)] for after in (1, 2, 3)] == [[3], [3], []]


def test_folded_records_are_never_read_again_and_numbers_never_reused(opened):
    store = opened()
    send(store, submission("a"))
    store.commit(Change(fold=1, cursor=1))
    assert store.read_journal(9, 100) == []
    store = opened()
    send(store, submission("b"))
    assert [(r.seq, ids_in([r])) for r in store.read_journal(9, 100)] == [(2, ["b"])]


def test_the_journal_survives_a_restart(opened):
    send(opened(), submission("a"), submission("b"))
    store = opened()
    assert ids_in(store.read_journal(store.last_seq(), 100)) == ["a", "b"]
    assert store.health().journal_rows == 2


def test_a_submission_that_cannot_be_encoded_fails_alone(store):
    answers = send(store, submission("a"), submission(POISON), submission("b"))
    assert [type(answer) for answer in answers] == [type(None), ValueError, type(None)]
    assert sorted(ids_in(store.read_journal(9, 100))) == ["a", "b"]


def test_a_submission_without_rows_is_answered_and_writes_no_record(store):
    assert send(store, submission()) == [None]
    assert store.last_seq() == 0


# ---------------------------------------------------------------- idempotency


def test_the_same_key_again_gets_the_earlier_answer_and_counts_nothing(opened):
    assert send(opened(), submission("a", claim=claim("k", answer=b"first"))) == [None]
    store = opened()
    assert send(store, submission("a", claim=claim("k", answer=b"second"))) == [b"first"]
    assert ids_in(store.read_journal(9, 100)) == ["a"]


def test_the_same_key_twice_in_one_commit_counts_once(store):
    twice = [submission("a", claim=claim("k")), submission("a", claim=claim("k"))]
    assert send(store, *twice) == [None, b"answer"]
    assert ids_in(store.read_journal(9, 100)) == ["a"]


@pytest.mark.parametrize("together", [False, True])
def test_the_same_key_with_another_body_is_refused(store, together):
    both = [submission("a", claim=claim("k")), submission("b", claim=claim("k", digest=b"other"))]
    answers = send(store, *both) if together else [send(store, each)[0] for each in both]
    assert answers[0] is None
    assert isinstance(answers[1], Rejected)
    assert answers[1].reason == "idempotency_conflict"
    assert ids_in(store.read_journal(9, 100)) == ["a"]


def test_a_stored_key_rules_over_one_that_conflicts_beside_it(store):
    send(store, submission("a", claim=claim("k")))
    answers = send(store, submission("b", claim=claim("k", digest=b"other")), submission("a", claim=claim("k")))
    assert isinstance(answers[0], Rejected)
    assert answers[1] == b"answer"


def test_keys_of_other_tokens_are_other_keys(store):
    answers = send(store, submission("a", claim=claim("k")), submission("b", claim=claim("k", token="u")))
    assert answers == [None, None]


def test_a_key_is_forgotten_after_a_day(opened):
    clock = ManualClock(1_000.0)
    store = opened(clock=clock)
    send(store, submission("a", claim=claim("k")))
    clock.step(1_000.0 + DAY)
    assert send(store, submission("a", claim=claim("k"))) == [b"answer"]
    clock.step(1_001.0 + DAY)
    assert send(store, submission("a", claim=claim("k"))) == [None]


def test_a_key_whose_rows_could_not_be_encoded_is_not_remembered(store):
    bad = submission(POISON, claim=claim("k"))
    assert [type(answer) for answer in send(store, bad, bad)] == [ValueError, ValueError]
    assert send(store, submission("a", claim=claim("k"))) == [None]


def test_a_key_without_rows_is_remembered(store):
    assert send(store, submission(claim=claim("k"))) == [None]
    assert send(store, submission(claim=claim("k"))) == [b"answer"]


# ---------------------------------------------------------------- panes


def test_deltas_of_several_folds_add_up(store):
    for fold in (1, 2, 5):
        store.commit(Change(fold=fold, deltas=[(key(60), body(fold, 0)), (key(120), body(0, 1))]))
    assert [np.frombuffer(each, np.int64).tolist() for _, each in windows(store, 60, 120)] == [[8, 0]]
    assert counts(store, 0, 180) == 11


def test_panes_of_other_coordinates_do_not_mix(store):
    others = [{"epoch": 2}, {"segment": "s"}, {"reference": "other"}, {"model": "n"}]
    store.commit(Change(fold=1, deltas=[(key(60), body(1)), *((key(60, **other), body(10)) for other in others)]))
    assert counts(store, 0, 100) == 1
    assert [counts(store, 0, 100, **other) for other in others] == [10, 10, 10, 10]


def test_panes_of_all_replicas_are_given_with_their_keys(store):
    store.commit(Change(fold=1, deltas=[(key(60), body(1)), (key(60, replica="1"), body(2))]))
    assert sorted(windows(store, 0, 100)) == [(key(60), body(1)), (key(60, replica="1"), body(2))]


def test_a_window_begins_inclusive_and_ends_exclusive(store):
    store.commit(Change(fold=1, deltas=[(key(start), body(1)) for start in (0, 60, 120)]))
    assert [counts(store, 60, 120), counts(store, 61, 121), counts(store, 59.5, 60)] == [1, 1, 0]


def test_a_day_of_minutes_at_any_offset_is_at_most_a_hundred_rows(store):
    starts = range(0, 3 * DAY, 60)
    store.commit(Change(fold=1, deltas=[(key(start), body(1)) for start in starts]))
    for offset in (0, 60, 3_540, 3_600, 45_000, 86_340):
        found = windows(store, offset, offset + DAY)
        assert total(each for _, each in found) == 1_440
        assert len(found) <= 100


def test_late_panes_show_up_as_touched(store):
    store.commit(Change(fold=1, deltas=[(key(60), body(1)), (key(120), body(1))]))
    store.commit(Change(fold=2, deltas=[(key(180), body(1))]))
    store.commit(Change(fold=3, deltas=[(key(60), body(1))]))
    assert store.touched(0) == [(key(60), 3), (key(120), 1), (key(180), 2)]
    assert store.touched(2) == [(key(60), 3)]
    assert store.touched(3) == []


def test_deltas_come_by_arrival_with_the_start_of_their_pane_and_only_of_the_folds_asked_for(store):
    for fold in (1, 2, 3):
        store.commit(Change(fold=fold, deltas=[(key(60 * (4 - fold)), body(fold)), (key(epoch=2), body(9))]))
    assert store.delta(MODEL, 1, "", "ref", 0, 3) == [(180, body(1)), (120, body(2)), (60, body(3))]
    assert store.delta(MODEL, 1, "", "ref", 1, 2) == [(120, body(2))]
    assert store.delta(MODEL, 1, "", "other", 0, 3) == []


def test_consumed_deltas_are_forgotten_and_their_sums_kept(opened):
    store = opened()
    for fold in (1, 2, 3):
        store.commit(Change(fold=fold, deltas=[(key(60), body(fold))], consumed=fold - 1))
    store = opened()
    assert store.delta(MODEL, 1, "", "ref", 2, 3) == [(60, body(3))]
    assert counts(store, 0, 100) == 6
    with pytest.raises(AssertionError):
        store.delta(MODEL, 1, "", "ref", 1, 3)
    with pytest.raises(AssertionError):
        store.touched(1)


def test_on_days_before_the_horizon_only_whole_days_are_known(store):
    starts = [0, 3_600, DAY, DAY + 60, 2 * DAY]
    store.commit(Change(fold=1, deltas=[(key(start), body(1)) for start in starts]))
    store.commit(Change(horizon=2.0 * DAY + 500, fold=2, deltas=[(key(DAY + 120), body(1))]))  # late, still counted
    assert counts(store, 0, 3 * DAY) == 6
    assert counts(store, 60, 2 * DAY) == 3  # the cut day counts as nothing
    assert counts(store, DAY, DAY + 3_600) == 0
    assert counts(store, 2 * DAY, 2 * DAY + 60) == 1  # the day of the horizon itself is still known in detail


def test_a_fold_needs_a_greater_number_than_the_one_before(store):
    store.commit(Change(fold=3))
    with pytest.raises(AssertionError):
        store.commit(Change(fold=3, deltas=[(key(), body(1))]))
    assert counts(store, 0, 100) == 0


@pytest.mark.parametrize(
    "change",
    [
        Change(cursor=0),
        Change(cursor=2),  # there is no such record
        Change(horizon=1.0),
        Change(consumed=9),
        Change(deltas=[(key(), body(1))]),
    ],
    ids=["cursor back", "cursor ahead", "horizon back", "consumed ahead", "deltas without a fold"],
)
def test_nothing_goes_back_or_ahead_of_what_there_is(store, change):
    send(store, submission("a"))
    before = Change(fold=1, cursor=1, horizon=5.0)
    store.commit(before)
    with pytest.raises(AssertionError):
        store.commit(change)
    assert store.position() == Position(fold=1, cursor=1, horizon=5.0)


def test_the_position_survives_a_restart(opened):
    store = opened()
    send(store, submission("a"))
    store.commit(Change(fold=4, cursor=1, consumed=3, horizon=77.5))
    assert opened().position() == Position(fold=4, cursor=1, consumed=3, horizon=77.5)


# ---------------------------------------------------------------- receipts


def test_receipts_are_found_after_a_restart(opened):
    opened().commit(Change(receipts=[receipts(5, 3, 2**64 - 1)]))
    found, records = opened().find_receipts(MODEL, hashes(2**64 - 1, 4, 3), RECEIPT)
    assert found.tolist() == [True, False, True]
    assert records["epoch"].tolist() == [2, 0, 1]
    assert records["time"].tolist() == [100.0, 0.0, 100.0]


def test_receipts_of_other_models_are_not_found(store):
    store.commit(Change(receipts=[receipts(5, model="n")]))
    assert store.find_receipts(MODEL, hashes(5), RECEIPT)[0].tolist() == [False]


def test_no_hashes_find_nothing(store):
    found, records = store.find_receipts(MODEL, hashes(), RECEIPT)
    assert (len(found), len(records)) == (0, 0)
    assert store.find_labels(MODEL, hashes()) == []


def test_the_newest_receipt_of_a_hash_is_found(store):
    store.commit(Change(receipts=[receipts(5, time=1.0)]))
    store.commit(Change(receipts=[receipts(5, time=2.0)]))
    assert store.find_receipts(MODEL, hashes(5, 5), RECEIPT)[1]["time"].tolist() == [2.0, 2.0]


def test_receipts_before_the_horizon_are_forgotten_at_once(store):
    store.commit(Change(receipts=[receipts(1, time=10.0), receipts(2, time=20.0)]))
    store.commit(Change(horizon=20.0))
    assert store.find_receipts(MODEL, hashes(1, 2), RECEIPT)[0].tolist() == [False, True]


def test_receipts_are_read_in_the_dtype_asked_for(store):
    wide = receipts(1, dtype=WIDER)
    wide.records["bins"] = [[1, 2, 3, 4, 5]]
    short = receipts(2)
    short.records["bins"] = [[6, 7, 8]]
    store.commit(Change(receipts=[wide, short]))
    assert store.find_receipts(MODEL, hashes(1, 2), RECEIPT)[1]["bins"].tolist() == [[1, 2, 3], [6, 7, 8]]
    assert store.find_receipts(MODEL, hashes(1, 2), WIDER)[1]["bins"].tolist() == [[1, 2, 3, 4, 5], [6, 7, 8, 255, 255]]


@pytest.mark.parametrize("dtype", [np.dtype([("epoch", "u4")]), np.dtype("f8"), np.dtype([("time", "O")])])
def test_records_that_are_no_receipts_are_refused(store, dtype):
    wrong = msgspec.structs.replace(receipts(1), records=np.zeros(1, dtype))
    with pytest.raises(ValueError, match="receipts are structured"):
        store.commit(Change(fold=1, receipts=[wrong]))
    assert store.position().fold == 0


# ---------------------------------------------------------------- labels


def test_a_label_is_found_by_its_hash(store):
    labels = [label(2**64 - 1), label(7, "ops"), label(7, "crowd", said=0), label(8, model="n")]
    store.commit(Change(labels=labels))
    assert store.find_labels(MODEL, hashes(7, 8, 2**64 - 1)) == [labels[0], labels[2], labels[1]]


def test_a_correction_replaces_the_label_of_its_source_alone(store):
    store.commit(Change(labels=[label(7, "ops"), label(7, "crowd")]))
    corrected = label(7, "ops", said=0)._replace(weight=2, labelled=160.0, time=101.0)
    store.commit(Change(labels=[corrected]))
    assert store.find_labels(MODEL, hashes(7)) == [label(7, "crowd"), corrected]


def test_labels_are_forgotten_with_their_receipts(opened):
    store = opened()
    store.commit(Change(labels=[label(1, time=10.0), label(2, time=20.0)]))
    store.commit(Change(horizon=20.0))
    assert store.find_labels(MODEL, hashes(1, 2)) == [label(2, time=20.0)]
    assert opened().find_labels(MODEL, hashes(1, 2)) == [label(2, time=20.0)]


def test_a_waiting_label_waits_until_it_is_done(opened):
    opened().commit(Change(waiting=[waiting(1), waiting(1, "crowd"), waiting(2)]))
    store = opened()
    store.commit(Change(waiting_done=[(MODEL, 1, "ops")]))
    assert store.find_waiting(MODEL, hashes(1, 2, 3)) == [waiting(1, "crowd"), waiting(2)]
    assert store.health().waiting_labels == opened().health().waiting_labels == 2


def test_a_later_waiting_label_replaces_the_earlier_of_its_source(store):
    store.commit(Change(waiting=[waiting(1, said=0)]))
    store.commit(Change(waiting=[waiting(1, said=1)], waiting_done=[(MODEL, 1, "ops")]))
    assert store.find_waiting(MODEL, hashes(1)) == [waiting(1, said=1)]


def test_labels_that_wait_for_one_prediction_are_found_in_the_order_they_came(opened):
    first, second, third = (waiting(1, name)._replace(place=at) for at, name in enumerate(("ops", "crowd", "audit")))
    opened().commit(Change(waiting=[third, waiting(2), first]))
    store = opened()
    store.commit(Change(waiting=[second]))
    assert store.find_waiting(MODEL, hashes(1)) == [first, second, third]


def test_a_waiting_label_that_is_replaced_keeps_its_place_and_its_time(store):
    store.commit(Change(waiting=[waiting(1, "ops"), waiting(1, "audit")._replace(place=1)]))
    store.commit(Change(waiting=[waiting(1, "ops", said=0, arrival=20.0, expires=2e3)._replace(place=2, time=9.0)]))
    assert store.find_waiting(MODEL, hashes(1)) == [
        waiting(1, "ops", said=0, arrival=20.0, expires=2e3),
        waiting(1, "audit")._replace(place=1),
    ]


def test_over_the_bound_labels_of_untrusted_sources_are_dropped_first(opened):
    store = opened(limits=Limits(waiting_max=2, free_bytes_min=1 << 20))
    store.commit(Change(waiting=[waiting(1, arrival=1.0), waiting(2, arrival=2.0)]))
    store.commit(Change(waiting=[waiting(each, "crowd", arrival=3.0)._replace(trusted=False) for each in range(3, 9)]))
    assert [label.hash for label in store.find_waiting(MODEL, hashes(*range(9)))] == [1, 2]
    store.commit(Change(waiting=[waiting(9, arrival=4.0)]))
    assert [label.hash for label in store.find_waiting(MODEL, hashes(*range(10)))] == [2, 9]


def test_a_label_is_kept_to_the_last_bit(opened):
    said = [0.1, -1e300, 5e-324, 2.0**40 + 2.0**-12]
    opened().commit(Change(labels=[label(i, said=each) for i, each in enumerate(said)]))
    assert [each.label for each in opened().find_labels(MODEL, hashes(*range(4)))] == said


def test_labels_that_waited_long_enough_are_given_up_and_counted(store):
    store.commit(Change(waiting=[waiting(1, expires=50.0), waiting(2, expires=51.0)]))
    store.commit(Change(now=50.0))
    assert store.find_waiting(MODEL, hashes(1, 2)) == [waiting(2, expires=51.0)]
    assert (store.health().waiting_expired, store.health().waiting_labels) == (1, 1)


def test_over_the_bound_the_longest_waiting_labels_are_dropped_and_counted(opened):
    store = opened(limits=Limits(waiting_max=2))
    store.commit(Change(waiting=[waiting(value, arrival=10.0 - value) for value in (1, 2, 3, 4)]))
    store.commit(Change(waiting=[waiting(1, model="n")]))  # a bound of its own
    assert store.find_waiting(MODEL, hashes(1, 2, 3, 4)) == [
        waiting(1, arrival=9.0),
        waiting(2, arrival=8.0),
    ]
    assert store.health().waiting_dropped == 2


# ---------------------------------------------------------------- documents


def test_facts_are_kept_by_type_and_key_in_the_order_of_keys(opened):
    one = Alert(MODEL, "rule", "", AlertState.FIRING, since=0.1 + 0.2)
    other = Epoch(1, MODEL, "sha256:b", "sha256:d", 1.0, 2.0)
    opened().commit(Change(puts=[("b", one), ("a", one), ("a", other)]))
    store = opened()
    assert store.facts(Alert) == {"a": one, "b": one}
    assert list(store.facts(Alert)) == ["a", "b"]
    assert store.facts(Epoch) == {"a": other}


def test_a_put_replaces_and_a_delete_removes_whatever_was_there(store):
    first, second = Alert(MODEL, "first", ""), Alert(MODEL, "second", "")
    store.commit(Change(puts=[("a", first), ("b", first)]))
    store.commit(Change(puts=[("a", second)], deletes=[(Alert, "a"), (Alert, "b"), (Alert, "never")]))
    assert store.facts(Alert) == {"a": second}


def test_a_stored_fact_that_cannot_be_read_is_corrupt(store):
    class Alert(msgspec.Struct):
        rule: int

    store.commit(Change(puts=[("a", Alert(5))]))
    from monitor.facts import Alert as Real

    with pytest.raises(Corrupt):
        store.facts(Real)


# ---------------------------------------------------------------- the whole


def test_a_change_that_fails_changes_nothing(store):
    send(store, submission("a"))

    class Unstorable(msgspec.Struct):
        what: object

    with pytest.raises(TypeError):
        store.commit(
            Change(fold=1, cursor=1, deltas=[(key(), body(1))], receipts=[receipts(1)], puts=[("a", Unstorable(add))])
        )
    assert store.position() == Position()
    assert counts(store, 0, 100) == 0
    assert not store.find_receipts(MODEL, hashes(1), RECEIPT)[0].any()
    store.commit(Change(fold=1, cursor=1, deltas=[(key(), body(1))], receipts=[receipts(1)]))
    assert counts(store, 0, 100) == 1


def test_the_secret_is_made_once(opened):
    secret = opened().secret()
    assert len(secret) == 32
    assert opened().secret() == secret


def test_a_closed_store_refuses_everything_and_closes_again(store):
    store.close()
    store.close()
    assert type(send(store, submission("a"))[0]).__name__ == "Transient"
    for call in (lambda: store.commit(Change()), lambda: store.facts(Alert), lambda: store.read_journal(1, 1)):
        with pytest.raises(Exception, match="stopping"):
            call()
