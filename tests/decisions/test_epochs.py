"""The serving timeline says which bundle answered when, and admits when it does not know."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.decisions.epochs import EPOCHS_MAX, forget, identify, lose, prove, waver
from monitor.facts import TRANSITION, UNREGISTERED, Bundle, BundleId, BundleStatus, ModelName
from monitor.panes.attribution import attribute

MODEL = ModelName("m")


def bundle(name, digest, status=BundleStatus.CANDIDATE, registered=0.0):
    return Bundle(BundleId(name), MODEL, "c", digest, "r", f"ref-{name}", status, registered)


V1 = bundle("v1", "d1", BundleStatus.KNOWN_GOOD, 1.0)
V2 = bundle("v2", "d2", registered=2.0)


def timeline(*proofs):
    """Prove a sequence of (time, digest) against a release index of v1 (known-good) and v2."""
    epochs = ()
    for now, digest in proofs:
        epochs = prove(epochs, MODEL, identify(digest, (V1, V2), epochs), now)
    return epochs


def bundles_at(epochs, *times):
    starts = np.array([epoch.start for epoch in epochs])
    return [epochs[i].bundle for i in attribute(starts, np.array(times, dtype=np.float64))]


def numbers_at(epochs, times):
    at = attribute(np.array([epoch.start for epoch in epochs]), np.array(times, dtype=np.float64))
    return [epochs[i].number if i >= 0 else 0 for i in at]


def test_rows_between_two_proofs_of_different_bundles_are_a_transition():
    epochs = timeline((10, "d1"), (20, "d1"), (30, "d2"))
    assert bundles_at(epochs, 10, 19.9, 20, 29.9, 30, 99) == ["v1", "v1", TRANSITION, TRANSITION, "v2", "v2"]


def test_rows_before_the_first_proof_are_a_transition():
    assert bundles_at(timeline((10, "d1")), 0, 9.9) == [TRANSITION] * 2


def test_a_repeated_proof_opens_no_epoch():
    epochs = timeline((10, "d1"), (20, "d1"), (30, "d1"))
    assert [e.number for e in epochs] == [1, 2]
    assert epochs[-1].proved == 30


def test_the_same_bundle_after_another_is_a_new_epoch():
    epochs = timeline((10, "d1"), (20, "d2"), (30, "d1"))
    v1 = [e.number for e in epochs if e.bundle == "v1"]
    assert len(v1) == 2


def test_a_switch_proved_at_the_time_of_the_last_proof_needs_no_transition():
    epochs = timeline((10, "d1"), (20, "d1"), (20, "d2"))
    assert [e.bundle for e in epochs] == [TRANSITION, "v1", "v2"]
    assert bundles_at(epochs, 19.9, 20) == ["v1", "v2"]


def test_a_bundle_that_is_not_known_good_is_judged_by_the_last_known_good():
    epochs = timeline((10, "d2"))
    assert (epochs[-1].judge, epochs[-1].own, epochs[-1].known_good) == ("ref-v1", "ref-v2", False)


def test_a_known_good_bundle_is_judged_by_its_own_reference():
    assert timeline((10, "d1"))[-1].judge == "ref-v1"


def test_an_unknown_digest_is_unregistered_and_judged_by_the_known_good():
    last = timeline((10, "d1"), (20, "dx"))[-1]
    assert (last.bundle, last.judge, last.own) == (UNREGISTERED, "ref-v1", "")


def test_promotion_opens_a_new_epoch_without_a_transition():
    epochs = timeline((10, "d2"))
    promoted = bundle("v2", "d2", BundleStatus.KNOWN_GOOD, 2.0)
    epochs = prove(epochs, MODEL, identify("d2", (V1, promoted), epochs), 20)
    assert [e.bundle for e in epochs] == [TRANSITION, "v2", "v2"]
    assert epochs[-1].judge == "ref-v2"


def test_of_two_bundles_with_the_same_bytes_the_last_activated_is_meant():
    twin = bundle("twin", "d1", BundleStatus.KNOWN_GOOD, 5.0)
    epochs = timeline((10, "d1"))
    assert identify("d1", (V1, V2, twin), epochs).bundle == "v1"
    assert identify("d1", (V1, V2, twin), ()).bundle == "twin"


def test_without_a_known_good_bundle_nothing_can_be_judged():
    with pytest.raises(ValueError, match="no known-good"):
        identify("d2", (V2,), ())


def test_a_server_that_stops_proving_opens_a_transition_at_its_last_proof():
    epochs = lose(timeline((10, "d1"), (20, "d1")), MODEL, "ref-v1")
    assert bundles_at(epochs, 19.9, 20, 50) == ["v1", TRANSITION, TRANSITION]
    assert lose(epochs, MODEL, "ref-v1") == epochs


def test_a_server_that_never_proved_anything_leaves_a_transition_only():
    epochs = lose((), MODEL, "ref-v1")
    assert [(e.bundle, e.judge) for e in epochs] == [(TRANSITION, "ref-v1")]
    assert bundles_at(prove(epochs, MODEL, identify("d1", (V1,), ()), 5), 4, 5) == [TRANSITION, "v1"]


def test_the_same_digest_proved_after_a_loss_is_a_new_epoch():
    epochs = lose(timeline((10, "d1")), MODEL, "ref-v1")
    epochs = prove(epochs, MODEL, identify("d1", (V1, V2), epochs), 30)
    assert bundles_at(epochs, 10, 29.9, 30) == [TRANSITION, TRANSITION, "v1"]


@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["d1", "d2", "dx"])), min_size=1, max_size=30))
def test_any_history_of_proofs_numbers_epochs_in_order_and_covers_time(steps):
    now, proofs = 0, []
    for wait, digest in steps:
        now += wait
        proofs.append((now, digest))
    epochs = timeline(*proofs)
    assert [e.number for e in epochs] == list(range(1, len(epochs) + 1))
    assert all(a.start <= b.start for a, b in itertools.pairwise(epochs))
    assert epochs[-1].digest == proofs[-1][1]


@given(st.lists(st.tuples(st.integers(-50, 50), st.sampled_from(["d1", "d2", "dx"])), min_size=1, max_size=30))
def test_a_clock_that_is_set_back_leaves_the_epochs_in_order(steps):
    now, proofs = 100, []
    for wait, digest in steps:
        now += wait
        proofs.append((now, digest))
    epochs = timeline(*proofs)
    assert all(a.start <= b.start for a, b in itertools.pairwise(epochs))
    assert all(epoch.start <= epoch.proved for epoch in epochs)


def test_a_proof_by_a_clock_that_stands_a_day_back_moves_no_epoch():
    switched = timeline((10, "d1"), (5000, "d1"), (5010, "d2"), (6000, "d2"))
    epochs = switched
    for now in (6001 - 86400, 6060):
        epochs = prove(epochs, MODEL, identify("d2", (V1, V2), epochs), now)
    assert [each.start for each in epochs] == [each.start for each in switched]
    assert bundles_at(epochs, 9, 4000, 5005, 5010) == [TRANSITION, "v1", TRANSITION, "v2"]
    assert epochs[-1].proved == 6060


def test_what_was_switched_by_a_clock_that_stood_ahead_begins_now_where_what_it_followed_had_begun():
    epochs = timeline((10, "d1"), (20, "d1"), (9000, "d2"), (9010, "d2"), (30, "d2"))
    assert bundles_at(epochs, 19, 29, 30) == ["v1", TRANSITION, "v2"]
    assert epochs[-1].proved == 30


def test_a_clock_that_stood_ahead_leaves_no_proof_of_what_comes():
    epochs = timeline((10, "d1"), (9000, "d1"), (30, "d1"), (40, "d2"))
    assert bundles_at(epochs, 29, 39, 40) == ["v1", TRANSITION, "v2"]


def test_what_is_switched_when_the_clock_has_just_been_set_back_begins_after_the_last_proof():
    epochs = timeline((10, "d1"), (5000, "d1"), (4997, "d2"))
    assert bundles_at(epochs, 4996, 4999, 5000) == ["v1", "v1", "v2"]


PROOFS = ["d1", "d2", "dx", "wavers", "is lost"]
STEPS = st.tuples(st.integers(-50, 50), st.sampled_from([0, 0, 7, 40]), st.sampled_from(PROOFS))


def proved_once_more(epochs, said, now, believed):
    if said == "is lost":
        return lose(epochs, MODEL, "ref-v1", believed)
    if said == "wavers":
        return waver(epochs, MODEL, "ref-v1", now, believed)
    return prove(epochs, MODEL, identify(said, (V1, V2), epochs), now, believed)


@given(st.lists(STEPS, min_size=1, max_size=30))
def test_whatever_the_clock_does_closed_epochs_stay_where_they_are(steps):
    now, epochs, times = 100, (), range(-500, 1700)
    for wait, ahead, said in steps:
        now += wait
        before, epochs = epochs, proved_once_more(epochs, said, now, now - ahead)
        starts = [each.start for each in epochs]
        assert starts == sorted(starts)
        assert all(each.start <= each.proved for each in epochs)
        if before[1:]:
            closed, opened = before[:-1], before[-1].start
            assert epochs[: len(closed)] == closed
            passed = [t for t in times if t < closed[-1].start or t < min(now - ahead, opened)]
            assert numbers_at(epochs, passed) == numbers_at(before, passed)


@given(st.lists(STEPS, min_size=1, max_size=30))
def test_a_leap_ahead_in_doubt_leaves_nothing_closed_that_lies_ahead(steps):
    believed, epochs = 100, ()
    for wait, ahead, said in steps:
        believed += abs(wait)
        epochs = proved_once_more(epochs, said, believed + ahead, believed)
        assert all(each.start <= believed for each in epochs[:-1])


@given(st.lists(st.tuples(st.integers(-50, 50), st.sampled_from(["d1", "d2", "dx"])), min_size=1, max_size=30))
def test_what_is_served_is_judged_as_soon_as_the_clock_has_come_where_it_was(steps):
    now, proofs = 100, []
    for wait, digest in steps:
        now += wait
        proofs.append((now, digest))
    at = max(time for time, _ in proofs) + 1
    epochs = timeline(*proofs, (at, "d1"))
    assert numbers_at(epochs, [at]) == [epochs[-1].number]


def test_what_ended_by_the_horizon_is_forgotten_and_nobody_knows_it_any_more():
    epochs = forget(timeline((10, "d1"), (19, "d1"), (20, "d2"), (29, "d2"), (30, "d1")), 25.0)
    assert bundles_at(epochs, 9, 12, 20, 28, 30) == [TRANSITION, TRANSITION, "v2", "v2", "v1"]


@given(st.integers(0, 9), st.floats(0, 100))
def test_forgetting_keeps_the_first_and_the_open_epoch_and_every_answer_after_the_horizon(count, horizon):
    epochs = timeline(*((10 * (k + 1), f"d{1 + k % 2}") for k in range(count + 1)))
    kept = forget(epochs, horizon)
    assert (kept[0], kept[-1]) == (epochs[0], epochs[-1])
    times = [t for t in range(120) if t > horizon]
    assert bundles_at(kept, *times) == bundles_at(epochs, *times)


def test_a_server_that_flips_at_every_proof_does_not_make_the_timeline_grow_for_ever():
    epochs = ()
    for now in range(3 * EPOCHS_MAX):
        epochs = forget(prove(epochs, MODEL, identify(f"d{1 + now % 2}", (V1, V2), epochs), now), 0.0)
    assert len(epochs) == EPOCHS_MAX
    assert epochs[0].bundle == TRANSITION
    assert bundles_at(epochs, 0, 1, now) == [TRANSITION, TRANSITION, "v2"]
