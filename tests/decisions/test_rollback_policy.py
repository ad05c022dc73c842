"""The policy beside the scripts: reasons with numbers, which effect a mode has, what is withheld."""

import pytest
from judged import DAY, HOUR, INDEX, V0, V1, V2, V3, make_bundle, make_case, make_epoch, make_rollback, make_signal
from msgspec.structs import replace

from monitor.decisions.case import known_bad, title
from monitor.decisions.choosing import find_target
from monitor.decisions.gates import GATES, GUARDS
from monitor.decisions.policy import EFFECT, Effect, decide, refusals, withheld
from monitor.facts import BundleId, BundleStatus, Gate, Mode, ModelName, Reading, RollbackStep, Ruling, Verdict

GONE = make_rollback(RollbackStep.COMMITTED, at=20 * DAY)


def gates(case) -> dict[str, Gate]:
    return {gate.name: gate for gate in decide(case).gates}


def test_every_gate_speaks_even_when_the_first_one_fails():
    decision = decide(replace(make_case(), kill_switch=True, signals=()))
    assert len(decision.gates) == len(GATES)
    assert all(gate.why for gate in decision.gates)


def test_gates_have_names_of_their_own_and_guards_are_gates():
    names = [gate.name for gate in decide(make_case()).gates]
    assert len(set(names)) == len(names)
    assert set(GUARDS) <= set(names)


def test_reasons_have_numbers():
    past = replace(GONE, source=V3, stepped=30 * DAY - 2 * HOUR)
    told = gates(replace(make_case(), history=(past,), signals=(make_signal("error", "bbo", n=60),)))
    assert told["cooldown"].why == "last switch 2 h ago, cooldown 6 h"
    assert told["budget"].why == "0 of 2 in 24 h, 0 of 3 in 7 days"
    assert told["held"].why == "error 2 of 3 (needs 2)"
    assert told["rows"].why == "error 120 rows, needs 200"
    assert told["independent"].why == "families that agree: none; needs two"


def test_a_failed_gate_outweighs_one_that_cannot_be_told():
    assert decide(replace(make_case(), asked=None)).ruling is Ruling.INCONCLUSIVE
    assert decide(replace(make_case(), asked=None, kill_switch=True)).ruling is Ruling.DENY


def test_no_epoch_is_inconclusive():
    assert decide(replace(make_case(), epoch=None)).ruling is Ruling.INCONCLUSIVE


def test_slots_of_another_epoch_are_not_evidence():
    old = tuple(make_signal(name, "bbb", epoch=1) for name in ("paired_error", "error"))
    assert gates(replace(make_case(), signals=old))["held"].held is None


def test_only_the_last_m_windows_count():
    case = replace(make_case(), signals=tuple(make_signal(name, "bbooo") for name in ("paired_error", "error")))
    assert decide(case).ruling is Ruling.DENY


def test_a_reading_without_a_limit_needs_an_interval_all_the_same():
    bare = make_signal("error", "bbo")
    slots = tuple(replace(slot, reading=replace(slot.reading, limit=None)) for slot in bare.slots)
    assert gates(replace(make_case(), signals=(replace(bare, slots=slots),)))["bound"].held


def test_a_low_end_below_the_limit_is_no_bound():
    assert gates(replace(make_case(), signals=(make_signal("error", "bbo", low=0.02),)))["bound"].held is False


@pytest.mark.parametrize(("low", "high", "held"), [(0.6, 0.7, True), (0.6, 0.9, False)])
def test_of_a_figure_that_should_be_large_the_upper_end_is_the_bound(low, high, held):
    signal = make_signal("error", "bbo")
    accuracy = Reading(Verdict.BREACH, 500, 0.65, 0.8, low, high, "share")
    slots = tuple(replace(slot, reading=accuracy) for slot in signal.slots[:2])
    alone = replace(make_case(), signals=(replace(signal, slots=slots),))
    paired = replace(make_case(), signals=(make_signal("paired_error", "bbo"), replace(signal, slots=slots)))
    assert gates(alone)["bound"].held is held
    assert (decide(paired).ruling is Ruling.ACT) is held


def test_the_newest_known_good_is_the_target():
    index = (make_bundle(V0), make_bundle(V1), make_bundle(V2, BundleStatus.CANDIDATE))
    assert find_target(replace(make_case(), bundles=index)).id == V1
    assert find_target(replace(make_case(), bundles=index[::-1])).id == V1


def test_the_order_of_the_index_says_which_is_newest():
    index = (replace(make_bundle(V0), order=2), replace(make_bundle(V1), order=1))
    assert find_target(replace(make_case(), bundles=index)).id == V0


@pytest.mark.parametrize("status", [BundleStatus.CANDIDATE, BundleStatus.QUARANTINED, BundleStatus.REVOKED])
def test_only_a_known_good_is_a_target(status):
    index = (make_bundle(V0), replace(make_bundle(V1), status=status))
    assert find_target(replace(make_case(), bundles=index)).id == V0


def test_what_is_below_the_floor_is_no_target():
    index = (replace(make_bundle(V0), security=2), replace(make_bundle(V1), security=1))
    assert find_target(replace(make_case(), bundles=index, floor=2)).id == V0
    assert find_target(replace(make_case(), bundles=index, floor=3)) is None


def test_a_bundle_of_another_schema_is_no_target():
    served = replace(make_bundle(V2, BundleStatus.CANDIDATE), schema_digest="one")
    index = (replace(make_bundle(V0), schema_digest="one"), replace(make_bundle(V1), schema_digest="other"), served)
    assert find_target(replace(make_case(), bundles=index)).id == V0
    assert find_target(replace(make_case(), bundles=index[1:])) is None


def test_an_expired_index_has_no_target_and_says_so():
    decision = decide(replace(make_case(), expired=True))
    assert decision.target is None
    assert decision.ruling is not Ruling.ACT
    assert gates(replace(make_case(), expired=True))["target"].why == "the release index has expired"


def test_bundles_of_another_model_are_no_target():
    foreign = tuple(replace(bundle, model=ModelName("other")) for bundle in INDEX)
    assert find_target(replace(make_case(), bundles=foreign)) is None


def test_the_same_bytes_under_another_name_are_no_target():
    copy = replace(make_bundle(V1), id=BundleId("sha256:copy"), checkpoint_digest="sha256:bytes2")
    decision = decide(replace(make_case(), bundles=(copy, INDEX[1]), asked=copy.id))
    assert [gate.name for gate in refusals(decision)] == ["differs"]


def test_the_same_bytes_under_another_name_are_still_known_bad():
    copy = replace(make_bundle(V2, BundleStatus.CANDIDATE), id=BundleId("sha256:copy"))
    case = replace(
        make_case(), bundles=(*INDEX, copy), epoch=replace(make_epoch(2, V2), bundle=copy.id), history=(GONE,)
    )
    assert [gate.name for gate in refusals(decide(case))] == ["new"]


def test_known_bad_holds_ids_and_bytes_of_what_was_left():
    assert known_bad(INDEX, (GONE,)) == {V2, "sha256:bytes2"}
    assert known_bad(INDEX, (replace(GONE, step=RollbackStep.REFUSED),)) == frozenset()


@pytest.mark.parametrize(
    "guard", [{"kill_switch": True}, {"latch": "x"}, {"history": (GONE,)}, {"once": "r9"}], ids=str
)
def test_complete_evidence_behind_a_guard_is_withheld(guard):
    assert withheld(decide(replace(make_case(), **guard)))


def test_incomplete_evidence_is_not_withheld():
    assert not withheld(decide(replace(make_case(), signals=())))
    assert not withheld(decide(make_case()))
    assert not withheld(decide(replace(make_case(), kill_switch=True, asked=V3)))
    assert not withheld(decide(replace(make_case(), kill_switch=True, asked=None)))


@pytest.mark.parametrize("mode", Mode)
def test_the_mode_changes_what_is_done_and_not_what_is_ruled(mode):
    decision = decide(replace(make_case(), mode=mode))
    assert decision.ruling is Ruling.ACT
    assert mode.value in decision.gates[0].why


def test_only_auto_switches():
    assert EFFECT == {
        Mode.OBSERVE: Effect.RECORD,
        Mode.PROPOSE: Effect.TELL,
        Mode.APPROVE: Effect.ASK,
        Mode.AUTO: Effect.SWITCH,
    }


def test_bundles_are_called_by_name_where_they_have_one():
    assert title(V1, INDEX) == "v1"
    assert title(V0, INDEX) == V0
    assert title(V1, (replace(INDEX[0], name=""),)) == V1


def test_failed_gates_are_told_before_those_that_cannot_be_told():
    told = refusals(decide(replace(make_case(), signals=(make_signal("error", "uuu"),), kill_switch=True)))
    assert told[0].name == "kill_switch"
    assert told[0].held is False


def chosen(verdict: Verdict) -> Reading:
    return Reading(verdict, 500, 0.23, 0.1, 0.18, 0.28, "share")


def test_no_rollback_rests_on_labels_of_chosen_rows():
    case = replace(make_case(), selection=(chosen(Verdict.OK), chosen(Verdict.BREACH)))
    assert decide(case).ruling is Ruling.DENY
    assert gates(case)["selection"] == Gate(
        "selection", False, "labelled rows differ from all rows by 0.23 (0.18 to 0.28)"
    )


@pytest.mark.parametrize("selection", [(), (chosen(Verdict.OK),)])
def test_labels_that_nothing_speaks_against_may_support_one(selection):
    assert decide(replace(make_case(), selection=selection)).ruling is Ruling.ACT


def erring(error: float, paired: float, **changes):
    """Evidence by which the served model errs so often, and so much more than the known-good; .2 was allowed."""
    found = []
    for signal, value, limit in zip(make_case().signals, (paired, error), (0.03, 0.2), strict=True):
        reading = Reading(Verdict.BREACH, 500, value, limit, limit + 0.001, 1.0)
        slots = tuple(replace(slot, reading=reading) for slot in signal.slots)
        found.append(replace(signal, slots=slots, mean_error=signal.rule == "error"))
    return replace(make_case(), signals=tuple(found), **changes)


def test_a_known_good_that_would_be_right_may_be_rolled_back_to():
    assert decide(erring(0.3, 0.15)).ruling is Ruling.ACT
    assert (
        gates(erring(0.3, 0.15))["plausible"].why
        == "by these labels the known-good errs by 0.15, at most 0.2 was allowed"
    )


def test_labels_by_which_the_known_good_fails_too_begin_nothing():
    assert gates(erring(1.0, 0.44))["plausible"].held is False
    assert decide(erring(1.0, 0.44)).ruling is Ruling.DENY


def test_only_errors_of_the_same_windows_are_compared_with_the_pairs():
    case = erring(1.0, 0.44)
    later = tuple(replace(slot, start=slot.start + HOUR) for slot in case.signals[1].slots)
    apart = replace(case, signals=(case.signals[0], replace(case.signals[1], slots=later)))
    assert gates(apart)["plausible"].held
