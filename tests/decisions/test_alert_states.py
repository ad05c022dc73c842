"""What the scripts do not show: frozen evidence, reach, gaps of ticks, slots that are put in order."""

from dataclasses import replace as changed

import pytest
from judged import DAY, MODEL, PACK, make_slot, make_slots
from msgspec.structs import replace

from monitor.decisions.alerts import NEXT, Standing, put, recent, standing, step
from monitor.decisions.rules import REACH_LATE
from monitor.facts import Alert, AlertState, Verdict

RULE = PACK.get("paired_error")
FIRED = step(Alert(MODEL, RULE.name, ""), make_slots(RULE.name, 2, "bob"), RULE, 3 * DAY)


def test_evidence_is_frozen_when_it_fires():
    revised = put(FIRED.evidence, make_slot(RULE.name, 2, 1, Verdict.OK), RULE)
    assert step(FIRED, revised, RULE, 4 * DAY) is FIRED
    assert FIRED.evidence == make_slots(RULE.name, 2, "bob")


def test_firing_says_when_and_about_which_epoch():
    assert (FIRED.state, FIRED.since, FIRED.fired, FIRED.epoch) == (AlertState.FIRING, 3 * DAY, 3 * DAY, 2)


def test_a_new_epoch_that_breaches_as_well_brings_new_evidence():
    again = step(FIRED, make_slots(RULE.name, 3, "bb"), RULE, 9 * DAY)
    assert (again.state, again.fired, again.epoch) == (AlertState.FIRING, 9 * DAY, 3)
    assert {slot.epoch for slot in again.evidence} == {3}


def test_the_epoch_that_it_fired_about_brings_no_new_evidence():
    assert step(FIRED, make_slots(RULE.name, 2, "bobb"), RULE, 9 * DAY) is FIRED


def test_resolving_keeps_what_it_fired_about():
    resolved = step(FIRED, make_slots(RULE.name, 3, "oo"), RULE, 9 * DAY)
    assert (resolved.state, resolved.since, resolved.fired) == (AlertState.RESOLVED, 9 * DAY, 3 * DAY)
    assert resolved.evidence == FIRED.evidence


def test_no_windows_change_nothing():
    assert step(FIRED, (), RULE, 9 * DAY) is FIRED


def test_windows_of_two_epochs_never_meet():
    mixed = (*make_slots(RULE.name, 2, "b"), make_slot(RULE.name, 3, 2, Verdict.BREACH))
    with pytest.raises(AssertionError):
        step(Alert(MODEL, RULE.name, ""), mixed, RULE, 2 * DAY)


def test_what_is_held_stays_held_however_calm_it_was_before():
    eager = changed(RULE, calm=1)
    assert standing(make_slots(RULE.name, 2, "bbo"), eager) is Standing.HELD


def test_unknown_is_in_no_row_of_the_table():
    assert not any(cell[1] is Standing.NOTHING for cell in NEXT)


def test_windows_that_were_never_scheduled_leave_gaps():
    slots = tuple(make_slot(RULE.name, 2, day, Verdict.BREACH) for day in (1, 2, 9))
    assert [slot.end / DAY for slot in recent(slots, RULE)] == [9]


def test_ticks_are_counted_not_timed():
    rule = changed(RULE, detector=type("Ticking", (), {"step": None})())
    slots = tuple(make_slot(RULE.name, 2, day, Verdict.BREACH) for day in (1, 5, 9))
    assert len(recent(slots, rule)) == 3


def test_slots_are_kept_in_order_and_replaced_by_their_window():
    slots = ()
    for day, verdict in ((2, "ok"), (1, "breach"), (3, "unknown"), (2, "breach")):
        slots = put(slots, make_slot(RULE.name, 2, day, Verdict(verdict)), RULE)
    assert slots == make_slots(RULE.name, 2, "bbu")


def test_a_newer_epoch_drops_the_slots_of_the_older():
    slots = put(make_slots(RULE.name, 2, "bb"), make_slot(RULE.name, 3, 1, Verdict.OK), RULE)
    assert slots == (make_slot(RULE.name, 3, 1, Verdict.OK),)


def test_a_late_revision_of_an_older_epoch_is_dropped():
    slots = make_slots(RULE.name, 3, "bb")
    assert put(slots, make_slot(RULE.name, 2, 1, Verdict.OK), RULE) == slots


def test_slots_beyond_the_reach_are_dropped_and_not_looked_at():
    slots = ()
    for day in range(1, 200):
        slots = put(slots, make_slot(RULE.name, 2, day, Verdict.UNKNOWN), RULE)
    assert len(slots) == RULE.reach == RULE.of + REACH_LATE
    early = (make_slot(RULE.name, 2, -1, Verdict.OK), make_slot(RULE.name, 2, 0, Verdict.OK), *slots)
    assert step(FIRED, early, RULE, 0.0) is FIRED


def test_an_alert_is_about_a_segment_too():
    alert = step(Alert(MODEL, RULE.name, "origin=EWR"), make_slots(RULE.name, 2, "bb"), RULE, 2 * DAY)
    assert (alert.segment, alert.state) == ("origin=EWR", AlertState.FIRING)
    assert replace(alert, segment="") != alert
