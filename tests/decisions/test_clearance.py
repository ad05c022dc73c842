"""Clearance: ok is earned, bad is shown, and everything else is unknown with its reason in words."""

from dataclasses import replace as changed

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judged import (
    BUDGETED,
    DAY,
    HOUR,
    INDEX,
    MODEL,
    PACK,
    V1,
    V2,
    make_bundle,
    make_epoch,
    make_rollback,
    make_slots,
    make_terms,
)
from msgspec.structs import replace

from monitor.decisions.clearance import WORDS_MAX, Asked, ClearanceState, Sight, clear
from monitor.decisions.state import ModelState
from monitor.facts import (
    TRANSITION,
    UNREGISTERED,
    Alert,
    AlertState,
    BundleId,
    BundleStatus,
    Family,
    Severity,
)

OK, BAD, UNKNOWN = ClearanceState
NOW = 10 * DAY
TERMS = make_terms(rules=BUDGETED)
FAMILIES = ("labels", "paired", "output", "quality", "volume", "features")
SEES = Sight(NOW, NOW - 30.0, 120.0, bet=dict.fromkeys(FAMILIES, 1000), log_odds={"output": -4.0, "labels": -5.0})
STATE = ModelState(MODEL, make_epoch(2, V2, start=NOW - HOUR))
WHATEVER = Asked()


def firing(rule="labels_page", segment="error", *, epoch=2, state=AlertState.FIRING):
    return Alert(MODEL, rule, segment, state, since=NOW - 60.0, fired=NOW - 60.0, epoch=epoch)


def told(*alerts, terms=TERMS, sight=SEES, asked=WHATEVER, slots=(), **state):
    return clear(replace(STATE, alerts=alerts, **state), terms, dict(slots), sight, asked)


def test_what_is_known_and_quiet_is_ok():
    answer = told()
    assert (answer.state, answer.bundle, answer.name, answer.since) == (OK, V2, "v2", NOW - HOUR)
    assert answer.value == pytest.approx(0.0183, rel=0.01)
    assert answer.why == "v2: nothing fires since 19700110T230000Z, and all that was asked for is known"


@pytest.mark.parametrize("rule", ["labels_page", "paired_page", "output_page", "unregistered", "redelivered"])
def test_what_speaks_against_the_model_is_bad(rule):
    answer = told(firing(rule))
    assert (answer.state, answer.since, answer.value) == (BAD, NOW - 60.0, 1.0)
    assert answer.firing[0].startswith(f"{rule}/error fires since 19700110T235900Z: ")
    assert answer.firing[0] in answer.why


@pytest.mark.parametrize("rule", ["features_page", "quality_page", "volume_page", "unproved", "unsteady"])
def test_what_moved_in_the_world_is_for_a_person_to_look_at(rule):
    answer = told(firing(rule))
    assert (answer.state, answer.firing, answer.value) == (UNKNOWN, (), None)
    assert answer.unknown[0].startswith(rule)


def test_a_rule_that_may_support_a_rollback_blames_whatever_its_family():
    [rule] = [rule for rule in PACK.rules if rule.name == "broken_schema"]
    for rollback, state in ((True, BAD), (False, UNKNOWN)):
        pack = changed(PACK, rules=(changed(rule, rollback=rollback),))
        assert told(firing("broken_schema", ""), terms=make_terms(rules=pack)).state is state


@pytest.mark.parametrize(
    "alert",
    [firing(epoch=1), firing(state=AlertState.RESOLVED), firing(state=AlertState.PENDING), firing("labels_warn")],
)
def test_what_another_bundle_did_is_over_or_is_a_warning_condemns_nobody(alert):
    assert told(alert).state is OK


def test_a_warning_counts_for_whoever_asks_for_warnings():
    assert told(firing("labels_warn"), asked=Asked(severity=Severity.WARNING)).state is BAD


def test_a_bundle_that_is_being_rolled_back_from_is_bad():
    answer = told(rollback=make_rollback())
    assert (answer.state, answer.firing) == (BAD, ("rollback r1 of it is planned",))
    assert told(rollback=make_rollback(source=V1)).state is OK


# ---------------------------------------------------------------- which bundle


@pytest.mark.parametrize(
    ("asked", "state"),
    [
        (Asked(bundle=V2), OK),
        (Asked(bundle="v2"), OK),
        (Asked(digest="sha256:bytes2"), OK),
        (Asked(bundle="v2", digest="sha256:bytes2"), OK),
        (Asked(bundle="v1"), UNKNOWN),
        (Asked(digest="sha256:bytes1"), UNKNOWN),
        (Asked(bundle="v2", digest="sha256:bytes1"), UNKNOWN),
        (Asked(bundle="nobody knows it"), UNKNOWN),
    ],
)
def test_a_canary_is_answered_about_its_own_bundle(asked, state):
    answer = told(asked=asked)
    assert answer.state is state
    assert (answer.unknown == ()) is (state is OK)


def test_alerts_about_the_served_bundle_say_nothing_of_another():
    assert told(firing(), asked=Asked(bundle="v1")).state is UNKNOWN


def test_what_was_asked_for_is_never_repeated():
    asked = Asked(bundle="zqxcanary", digest="zqxcanary")
    assert "zqxcanary" not in str(told(asked=asked))


@pytest.mark.parametrize("asked", [Asked(bundle="v3"), Asked(digest="sha256:bytes3"), Asked(bundle="sha256:bundle3")])
def test_a_bundle_that_the_index_refuses_is_bad_before_anybody_serves_it(asked):
    revoked = (*INDEX[:2], make_bundle(INDEX[2].id, BundleStatus.REVOKED))
    answer = told(terms=make_terms(rules=BUDGETED, bundles=revoked), asked=asked)
    assert (answer.state, answer.why) == (BAD, "the release index says that v3 is revoked")


def test_a_revoked_bundle_that_is_served_is_bad_without_being_named_even_by_a_monitor_that_stands_still():
    revoked = (INDEX[0], make_bundle(V2, BundleStatus.REVOKED), INDEX[2])
    answer = told(terms=make_terms(rules=BUDGETED, bundles=revoked), sight=changed(SEES, looked=None))
    assert answer.state is BAD


@pytest.mark.parametrize("asked", [WHATEVER, Asked(bundle="v2"), Asked(digest="sha256:bytes2")])
def test_between_two_bundles_nobody_knows(asked):
    answer = told(firing(), epoch=make_epoch(2, TRANSITION), asked=asked)
    assert (answer.state, answer.bundle) == (UNKNOWN, None)
    assert "nobody knows what is served" in answer.why


def test_a_checkpoint_that_nobody_registered_is_bad_when_it_pages_and_never_ok():
    epoch = make_epoch(2, UNREGISTERED)
    assert told(firing("unregistered", ""), epoch=epoch).state is BAD
    assert told(epoch=epoch, asked=Asked(digest="sha256:bytes2")).state is UNKNOWN


def test_before_anything_was_served_nobody_knows():
    assert clear(ModelState(MODEL), TERMS, {}, SEES, WHATEVER).why == "nobody knows what is served"


# ---------------------------------------------------------------- how well it sees


BLIND = {
    "no look yet": changed(SEES, looked=None),
    "an old look": changed(SEES, looked=NOW - 121.0),
    "a clock set back": changed(SEES, now=NOW - 3600.0),
    "rows that wait": changed(SEES, waiting=NOW - 121.0),
}


@pytest.mark.parametrize("alerts", [(), (firing(),)], ids=["quiet", "firing"])
@pytest.mark.parametrize("sight", BLIND.values(), ids=BLIND)
def test_a_monitor_that_does_not_see_condemns_nobody_and_clears_nobody(sight, alerts):
    assert told(*alerts, sight=sight).state is UNKNOWN


@pytest.mark.parametrize("changes", [{"unproved_s": 121.0}, {"unsteady": True}])
def test_nor_where_the_server_proves_nothing(changes):
    assert told(firing(), terms=make_terms(rules=BUDGETED, **changes)).state is UNKNOWN


def test_what_is_late_by_little_is_not_late():
    sight = changed(SEES, looked=NOW - 120.0, waiting=NOW - 120.0)
    assert told(sight=sight, terms=make_terms(rules=BUDGETED, unproved_s=120.0)).state is OK


# ---------------------------------------------------------------- what is known


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_of_which_too_little_came_is_unknown_unless_it_is_not_needed(family):
    little = 4 if family == "volume" else 199
    sight = changed(SEES, bet={**SEES.bet, family: little})
    answer = told(sight=sight)
    unit = "minutes" if family == "volume" else "rows"
    least = little + 1
    assert answer.unknown == (f"{family}: {little} {unit} were bet on in this activation, {least} are needed",)
    others = frozenset(Family(each) for each in FAMILIES if each != family)
    assert told(sight=sight, asked=Asked(needs=others)).state is OK
    assert told(sight=changed(SEES, bet={**SEES.bet, family: least})).state is OK


def test_a_family_that_cannot_be_told_says_why():
    answer = told(sight=changed(SEES, untold={"volume": "rows were refused"}))
    assert answer.unknown == ("volume: rows were refused",)


@pytest.mark.parametrize("bet", [None, {}])
def test_where_nothing_was_bet_on_nothing_is_ok(bet):
    answer = told(sight=changed(SEES, bet=bet, untold=dict.fromkeys(FAMILIES, "no bands")))
    assert (answer.state, len(answer.unknown)) == (UNKNOWN, len(FAMILIES))


def test_pairs_are_needed_where_a_known_good_answers_or_they_are_named():
    sight = changed(SEES, paired=False, bet={**SEES.bet, "paired": 0})
    assert told(sight=sight).state is OK
    assert told(sight=sight, asked=Asked(needs=frozenset({Family.PAIRED}))).state is UNKNOWN


def test_what_a_task_has_not_is_needed_only_by_name():
    sight = changed(SEES, bet={name: rows for name, rows in SEES.bet.items() if name != "paired"})
    assert told(sight=sight).state is OK
    assert told(sight=sight, asked=Asked(needs=frozenset({Family.PAIRED}))).state is UNKNOWN


def test_what_is_not_watched_cannot_be_cleared():
    assert told(asked=Asked(needs=frozenset({Family.FAIRNESS}))).state is UNKNOWN
    assert told(terms=make_terms(rules=changed(PACK, rules=()))).why == "nothing that was asked for is watched"


def test_drift_that_is_not_asked_for_stops_nobody():
    assert told(firing("features_page"), asked=Asked(needs=frozenset({Family.OUTPUT}))).state is OK
    assert told(firing("labels_page"), asked=Asked(needs=frozenset({Family.OUTPUT}))).state is BAD


CRITICAL = ("paired_error", "error", "broken_schema")


def windows(**verdicts):
    return {(name, ""): make_slots(name, 2, verdicts.get(name, "ooo")) for name in CRITICAL}


def by_rules(**verdicts):
    return told(terms=make_terms(), slots=windows(**verdicts))


def test_without_a_budget_the_rules_say_it_and_there_is_no_value():
    answer = told(terms=make_terms(), slots=windows(), sight=Sight(NOW, NOW, 120.0))
    assert (answer.state, answer.value) == (OK, None)


@pytest.mark.parametrize(
    ("error", "why"),
    [
        ("", "no window of this activation"),
        ("uu", "error: too little is known"),
        ("ob", "error: it breaches"),
        ("xx", "error"),
    ],
)
def test_a_rule_that_has_not_spoken_leaves_it_unknown(error, why):
    answer = by_rules(error=error)
    assert (answer.state, len(answer.unknown)) == (UNKNOWN, 1)
    assert why in answer.unknown[0]


def test_windows_of_another_activation_say_nothing():
    slots = windows() | {("error", ""): make_slots("error", 1, "ooo")}
    assert told(terms=make_terms(), slots=slots).unknown == ("error: no window of this activation was read yet",)


def test_reasons_are_bounded():
    answer = told(*(firing("labels_page", f"s{i}") for i in range(50)))
    assert len(answer.firing) == WORDS_MAX


STATES = st.sampled_from(AlertState)
RULES = st.sampled_from(["labels_page", "output_page", "features_page", "labels_warn", "unproved", "unregistered"])
ALERTS = st.lists(st.tuples(RULES, STATES, st.integers(1, 2)), max_size=4)
ASKED = st.builds(
    Asked,
    bundle=st.sampled_from(["", "v1", "v2", "no such"]),
    severity=st.sampled_from([Severity.WARNING, Severity.CRITICAL]),
    needs=st.none() | st.frozensets(st.sampled_from(list(Family))),
)


@given(
    ALERTS,
    ASKED,
    st.sampled_from([V1, V2, TRANSITION, UNREGISTERED, BundleId("x")]),
    st.booleans(),
    st.integers(0, 400),
)
def test_whatever_happens_ok_is_complete_bad_is_shown_and_unknown_is_neither(found, asked, served, stale, rows):
    alerts = [firing(rule, epoch=epoch, state=state) for rule, state, epoch in found]
    sight = changed(SEES, looked=NOW - 500.0 if stale else NOW, bet=dict.fromkeys(FAMILIES, rows))
    answer = told(*alerts, epoch=make_epoch(2, served), sight=sight, asked=asked)
    assert (answer.state is BAD) is bool(answer.firing)
    assert (answer.state is UNKNOWN) is bool(answer.unknown) is (answer.value is None)
    assert answer.why
    if stale or served == TRANSITION or (asked.bundle and asked.bundle != "v2" and served == V2):
        assert answer.state is UNKNOWN
    if answer.state is OK and asked.needs is None:
        assert rows >= TERMS.limits.rows_min
