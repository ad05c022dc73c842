"""One turn: prove, fold, look, judge. What follows from a look is true as a whole or not at all, and is told once."""

from dataclasses import replace

import pytest
from world import MODEL, Consumer, Killed, Spy, Turns, evidence, many, rule

from monitor.alerts.retry import Delivery
from monitor.decisions.rules import RulePack
from monitor.decisions.state import ModelState
from monitor.errors import Transient
from monitor.facts import TRANSITION, Incident, NoticeStatus, RollbackStep, Severity, Subject, Verdict
from monitor.turns import wheel
from monitor.turns.look import Ticks
from monitor.turns.watched import ReplayTime, Timeline, Totals

LOUD = {"severity": Severity.CRITICAL}


def alarm(**changes):
    """A rule that breaches in every window, and a sequential one beside it."""
    return rule("moved", detector=Spy(Verdict.BREACH), **LOUD | changes), rule("ticks", Subject.ARRIVALS, Consumer())


@pytest.fixture
def turns(tmp_path):
    made = Turns(tmp_path / "state", *alarm())
    yield made
    made.close()


def kinds(change):
    return {type(document) for _, document in change.puts}


def looks(turns):
    """The commits that were looks."""
    return [change for change in turns.commits if ReplayTime in kinds(change)]


# ---------------------------------------------------------------- one transaction


def test_a_look_with_all_that_follows_is_one_transaction(turns):
    turns.settle(0.0)
    turns.send(many(10))
    turns.settle(60.0)
    [change] = looks(turns)[1:]
    assert kinds(change) >= {ModelState, Incident, Delivery, Ticks, Timeline, ReplayTime}
    assert (change.consumed, change.now) == (1, 60.0)
    assert (turns.watched.state.incident.notices, turns.rung) == (1, 1)


def stored(turns):
    """What a look leaves behind: alert, incident, delivery, tick, time."""
    state = turns.store.facts(ModelState)[MODEL]
    ticks = turns.store.facts(Ticks).values()
    return len(state.alerts), len(turns.store.facts(Incident)), len(turns.store.facts(Delivery)), len(ticks)


@pytest.mark.parametrize(("moment", "left"), [("before", (0, 0, 0, 1)), ("after", (1, 1, 1, 1))])
def test_a_look_that_dies_leaves_all_or_nothing_and_is_told_once_in_the_end(tmp_path, moment, left):
    turns = Turns(tmp_path / "state", *alarm())
    turns.settle(0.0)
    turns.send(many(10))
    turns.dies(moment, lambda put: isinstance(put, Incident))
    with pytest.raises(Killed):
        turns.settle(60.0)
    assert stored(turns) == left
    turns.restart()
    turns.settle(60.0)
    assert stored(turns) == (1, 1, 1, 1)
    assert [one.number for one in turns.outbox.every()] == [1]
    turns.close()


def test_memory_follows_the_store_and_never_leads_it(turns):
    turns.settle(0.0)
    turns.dies("before", lambda put: isinstance(put, Incident), Transient("the disk is full"))
    with pytest.raises(Transient):
        turns.settle(60.0)
    assert (turns.watched.state.incident, turns.watched.incidents, turns.outbox.every()) == (None, {}, [])
    turns.die = None
    turns.settle(60.0)
    assert turns.watched.state.incident is not None


def test_a_notice_is_queued_once_however_often_one_looks(turns):
    for now in (0.0, 60.0, 60.0, 61.0, 120.0):
        turns.settle(now)
    turns.restart()
    turns.settle(180.0)
    assert [(one.notice_id, one.receiver) for one in turns.outbox.every()] == [
        (f"{next(iter(turns.watched.incidents))}.1", "on-call")
    ]


def test_what_was_decided_survives_a_restart_as_it_was(turns):
    turns.settle(0.0)
    turns.settle(60.0)
    before = turns.watched.state, turns.watched.incidents, turns.watched.epochs, turns.watched.totals
    turns.restart()
    assert (turns.watched.state, turns.watched.incidents, turns.watched.epochs, turns.watched.totals) == before


# ---------------------------------------------------------------- the pace of live turns


def test_a_live_turn_folds_each_time_and_looks_when_it_is_time(turns):
    for now, rows in ((0.0, "a"), (1.0, "b"), (59.0, "c")):
        turns.send(many(2, prefix=rows))
        turns.turn(now)
    assert (turns.watched.totals.predictions, len(looks(turns))) == (6, 1)
    turns.turn(60.0)
    assert (len(looks(turns)), turns.wheel.folding.count, turns.wheel.looking.count) == (2, 3, 2)


@pytest.mark.parametrize(("rows_max", "counted"), [(4, 7), (6, 2)])
def test_a_turn_follows_at_once_only_while_a_whole_folds_rows_wait(turns, monkeypatch, rows_max, counted):
    turns.fold._settings = replace(turns.fold._settings, rows_max=rows_max)
    for prefix, rows in (("a", 2), ("b", 5)):
        turns.send(many(rows, prefix=prefix))
    newest = iter([1, 2])  # the second record comes while the first is folded
    monkeypatch.setattr(turns.store, "last_seq", lambda: next(newest))
    turns.turn(0.0)
    assert turns.watched.totals.predictions == counted


def test_a_turn_that_folds_nothing_is_not_followed_at_once_whatever_waits(turns, monkeypatch):
    turns.fold._settings = replace(turns.fold._settings, rows_max=1)
    turns.send(many(3))

    async def unproved(_):
        return False

    monkeypatch.setattr(wheel.Wheel, "_prove", unproved)
    turns.turn(0.0)
    assert turns.store.health().journal_rows == 3


def test_a_clock_that_jumps_back_does_not_stop_the_looks(turns):
    turns.turn(86_400.0)
    turns.turn(3600.0)
    turns.turn(3660.0)
    assert len(looks(turns)) == 3


# ---------------------------------------------------------------- what is served


def test_the_first_proof_opens_an_epoch_and_is_stored(turns):
    turns.settle(100.0)
    assert [epoch.bundle for epoch in turns.watched.epochs] == [TRANSITION, "v1"]
    assert turns.store.facts(Timeline)[MODEL].epochs == turns.watched.epochs
    assert turns.watched.state.epoch == turns.watched.epoch


def test_a_switch_opens_a_transition_and_an_epoch_and_is_written_into_the_incident(turns):
    turns.settle(0.0)
    turns.settle(60.0)
    turns.server.name = "v2"
    turns.settle(120.0)
    assert [epoch.bundle for epoch in turns.watched.epochs] == [TRANSITION, "v1", TRANSITION, "v2"]
    assert turns.watched.state.epoch.bundle == "v2"
    assert any("epoch 4 serves v2" in words for _, words in turns.watched.state.incident.timeline)


def test_an_unknown_checkpoint_pages_at_once_and_again_only_when_it_comes_again(turns):
    turns.settle(0.0)
    turns.server.name = "unheard of"
    turns.settle(30.0)
    turns.settle(31.0)
    [page] = turns.outbox.every()
    assert b"unregistered" in page.body


def dies_opening(turns, at):
    """Let the process die after the `at`-th commit that opens an epoch."""
    opened = []

    def die(when, change):
        if when == "after" and Timeline in kinds(change) and ReplayTime not in kinds(change):
            opened.append(change)
            if len(opened) == at:
                raise Killed

    turns.die = die


@pytest.mark.parametrize("at", [1, 2])
def test_a_crash_between_a_transition_and_its_end_does_not_leave_us_in_the_transition(turns, at):
    turns.settle(0.0)
    turns.server.name = "v2"
    dies_opening(turns, at)
    with pytest.raises(Killed):
        turns.settle(30.0)
    turns.restart()
    turns.settle(60.0)
    assert turns.watched.state.epoch.bundle == turns.watched.epoch.bundle == "v2"
    turns.settle(120.0)
    assert turns.watched.state.incident is not None


# ---------------------------------------------------------------- a server that does not answer


def test_without_a_proof_folding_waits_and_then_the_rows_go_to_the_transition(tmp_path):
    turns = Turns(tmp_path / "state", *alarm(), served=None, proof_wait_s=30.0)
    turns.send(many(10))
    turns.turn(0.0)
    turns.turn(29.0)
    assert turns.watched.totals == Totals()
    turns.turn(30.0)
    assert (turns.watched.totals.predictions, turns.watched.totals.unattributed) == (10, 10)
    assert turns.watched.state.alerts == ()
    turns.close()


def test_a_server_that_falls_silent_leaves_the_rows_waiting_and_comes_back_in_time(tmp_path):
    turns = Turns(tmp_path / "state", *alarm(), proof_wait_s=30.0)
    turns.turn(0.0)
    turns.server.name = None
    turns.send(many(10, start=1.0))
    turns.turn(20.0)
    turns.server.name = "v1"
    turns.turn(40.0)
    assert (turns.watched.totals.predictions, turns.watched.totals.unattributed) == (10, 0)
    assert turns.watched.epoch.number == 2
    turns.close()


def test_while_nobody_knows_what_is_served_no_alert_moves(tmp_path):
    turns = Turns(tmp_path / "state", *alarm(), proof_wait_s=30.0)
    turns.turn(0.0)
    turns.server.name = None
    turns.turn(10.0)
    turns.turn(50.0)
    turns.turn(170.0)
    assert (turns.watched.epoch.bundle, turns.watched.state.alerts) == (TRANSITION, ())
    assert turns.watched.state.incident is None
    turns.close()


# ---------------------------------------------------------------- an incident ends


def test_when_windows_are_calm_again_the_incident_closes_and_that_is_told(turns):
    turns.settle(0.0)
    turns.settle(60.0)
    object.__setattr__(turns.watched.pack.rules[0].detector, "verdict", Verdict.OK)
    turns.settle(120.0)
    [incident] = turns.watched.incidents.values()
    assert incident.closed == 120.0
    told = sorted(turns.outbox.every(), key=lambda one: one.number)
    assert [NoticeStatus.RESOLVED.value.encode() in one.body[:80] for one in told] == [False, True]
    assert RollbackStep.PLANNED not in {one.step for one in turns.watched.rollbacks.values()}


def test_rules_that_may_roll_back_only_record_it_in_mode_observe(tmp_path):
    turns = Turns(tmp_path / "state", *evidence(), served="v2")
    turns.settle(0.0)
    turns.settle(60.0)
    assert "would roll back to v1" in str(turns.watched.state.incident.timeline)
    assert (turns.watched.rollbacks, turns.switches) == ({}, [])
    turns.close()


def test_incidents_that_are_remembered_are_bounded_and_the_open_one_stays(turns, monkeypatch):
    monkeypatch.setattr(wheel, "INCIDENTS_MAX", 2)
    detector = turns.watched.pack.rules[0].detector
    turns.settle(0.0)
    for minute in range(1, 9):
        object.__setattr__(detector, "verdict", Verdict.BREACH if minute % 2 else Verdict.OK)
        turns.watched.pack = RulePack(1, turns.watched.pack.rules)
        turns.settle(60.0 * minute)
    assert turns.watched.state.incidents == 4
    assert turns.watched.incidents == turns.store.facts(Incident)
    assert sorted(one.opened for one in turns.watched.incidents.values()) == [300.0, 420.0]
