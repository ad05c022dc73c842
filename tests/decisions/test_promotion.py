"""What a served candidate must have shown before people promote it; what nobody looked at earns nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judged import DAY, INDEX, PACK, V1, V2, make_epoch, make_incident, make_slot, make_state
from msgspec.structs import replace

from monitor.decisions.promotion import GATES, Candidacy, Needed, promotion
from monitor.facts import TRANSITION, Alert, AlertState, BundleStatus, Reading, Suspicion, Verdict

NOW = 30 * DAY


def window(rule, day, value, *, half=0.02, n=500, verdict=Verdict.OK, epoch=2):
    reading = Reading(verdict, n, value, 0.03, value - half, value + half, "share")
    return make_slot(rule, epoch, day, verdict, reading)


def windows(rule, *values, **about):
    return {(rule, ""): tuple(window(rule, 20 + day, value, **about) for day, value in enumerate(values))}


def candidacy(**changes):
    """v2 was served for a month, errs a little less than the known-good, and answers its probes."""
    slots = windows("error", *[0.1] * 8) | windows("paired_error", *[-0.01] * 8)
    made = Candidacy(make_state(), PACK, NOW, INDEX, slots, probes=Verdict.OK)
    return replace(made, **changes)


def held(case):
    return {gate.name: gate.held for gate in promotion(case).gates}


def test_a_candidate_that_shows_all_of_it_has_earned_it():
    found = promotion(candidacy())
    assert (found.earned, found.bundle, found.name) == (True, V2, "v2")
    assert all(gate.held and gate.why for gate in found.gates)


@pytest.mark.parametrize(
    ("gate", "answer", "changes"),
    [
        ("candidate", False, {"bundles": (INDEX[0], replace(INDEX[1], status=BundleStatus.QUARANTINED))}),
        ("candidate", False, {"floor": 1}),
        ("candidate", None, {"state": make_state(epoch=make_epoch(3, TRANSITION))}),
        ("candidate", None, {"bundles": INDEX[:1]}),
        ("candidate", False, {"state": make_state(epoch=make_epoch(2, V1))}),
        ("soak", False, {"now": 6 * DAY}),
        ("soak", None, {"state": make_state(epoch=None)}),
        ("calm", False, {"incidents": (replace(make_incident(), closed=25 * DAY),)}),
        ("calm", False, {"state": make_state(incident=make_incident())}),
        ("labels", None, {"needed": Needed(labels_min=4_001)}),
        ("not_worse", None, {"needed": Needed(labels_min=4_001)}),
        ("not_worse", None, {"slots": windows("error", *[0.1] * 8)}),
        ("probes", None, {"probes": None}),
        ("probes", None, {"probes": Verdict.UNKNOWN}),
        ("probes", False, {"probes": Verdict.BREACH}),
        ("untainted", False, {"suspicions": (Suspicion(-2e9, batches=("sha256:ab",), by="ann"),)}),
    ],
)
def test_what_is_lacking_is_said_and_nothing_is_earned(gate, answer, changes):
    case = candidacy(**changes)
    assert held(case)[gate] is answer
    assert promotion(case).earned is not True


def test_an_incident_that_was_over_before_does_not_count():
    assert held(candidacy(incidents=(replace(make_incident(), closed=20 * DAY),)))["calm"]


def test_nothing_critical_may_fire_even_before_it_is_an_incident():
    firing = Alert("delays", "broken_schema", "", AlertState.FIRING, since=NOW)
    assert held(candidacy(state=make_state(alerts=(firing,))))["calm"] is False
    warning = replace(firing, rule="drift")
    assert held(candidacy(state=make_state(alerts=(warning,))))["calm"]


def test_a_breach_of_labels_in_its_last_windows_speaks_against_it_and_an_old_one_does_not():
    def labelled(*verdicts):
        slots = tuple(window("error", 20 + day, 0.1, verdict=each) for day, each in enumerate(verdicts))
        return candidacy(slots=candidacy().slots | {("error", ""): slots})

    ok, bad = Verdict.OK, Verdict.BREACH
    assert held(labelled(ok, ok, ok, bad, ok))["labels"] is False
    assert held(labelled(bad, ok, ok, ok, ok))["labels"] is True


def test_a_model_that_is_surely_worse_has_not_earned_it_and_one_that_may_be_is_not_known_to():
    slots = candidacy().slots
    assert held(candidacy(slots=slots | windows("paired_error", *[0.05] * 8)))["not_worse"] is False
    assert held(candidacy(slots=slots | windows("paired_error", *[0.008] * 8)))["not_worse"] is None


def test_windows_of_another_activation_are_no_evidence():
    old = windows("error", *[0.1] * 8, epoch=1) | windows("paired_error", *[-0.01] * 8, epoch=1)
    found = held(candidacy(slots=old))
    assert (found["labels"], found["not_worse"]) == (None, None)


@given(st.lists(st.floats(-0.5, 0.5), min_size=1, max_size=20), st.floats(0.001, 0.2))
def test_more_windows_alike_are_never_less_sure(values, half):
    def highest(times):
        case = candidacy(slots=windows("paired_error", *(values * times), half=half), needed=Needed(labels_min=1))
        [why] = [gate.why for gate in promotion(case).gates if gate.name == "not_worse"]
        return float(why.rpartition("at most ")[2].partition(";")[0])

    assert highest(4) <= highest(1) + 2e-3  # three digits are told


def test_every_condition_is_told_even_when_nothing_is_known():
    found = promotion(Candidacy(make_state(epoch=None), PACK, NOW, (), {}))
    assert (len(found.gates), found.earned, found.bundle) == (len(GATES), None, "")
    assert all(gate.why for gate in found.gates)
