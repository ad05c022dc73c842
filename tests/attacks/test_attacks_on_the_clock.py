"""Whoever can set the clock, and forge evidence that is complete, makes hours in seconds: automation does not act.

Without the pause each of these attacks begins a rollback: cooldowns, budgets and windows are counted in event time.
"""

import pytest
from battle import HOUR, Battle
from msgspec.structs import replace
from world import MODEL

from monitor.decisions import clocks
from monitor.facts import BundleId, Mode, Rollback, RollbackStep
from monitor.turns import watched

MONTH_H = 30 * 24
SECONDS = 5.0  # of real time, between two hours that are made


@pytest.fixture
def battle(tmp_path):
    """At noon of the fifth day, an hour after a rollback: the cooldown has five more to go."""
    made = Battle(tmp_path / "state")
    made.turns.clock.step(108 * HOUR)
    made.turns.live(0.0)
    done = Rollback("i0.r1", "i0", MODEL, BundleId("v0"), BundleId("v1"), Mode.AUTO, RollbackStep.COMMITTED, 0.0, 0.0)
    done = replace(done, planned=107 * HOUR, stepped=107 * HOUR)
    made.remember(replace(made.turns.watched.state, history=(done,)))
    yield made
    made.turns.close()


def forge(battle, hours, then_h=0):
    """Three hours of complete evidence from the hour the clock shows on, each in seconds of real time."""
    first = int(battle.turns.clock.now() // HOUR)
    for at in range(first, first + hours):
        rows, truth = battle.rows(at, wrong=0.65)
        battle.send(rows, battle.labels(rows, truth))
        battle.turns.clock.leap(HOUR)
        battle.turns.live(SECONDS)
    battle.turns.clock.leap(then_h * HOUR)
    battle.turns.live(SECONDS)


def an_hour_ahead_again_and_again(battle):
    forge(battle, 8)


def a_month_ahead(battle):
    battle.turns.clock.leap(MONTH_H * HOUR)
    battle.turns.live(SECONDS)
    forge(battle, 4)


def back_and_ahead_again(battle):
    battle.turns.clock.leap(-HOUR)
    battle.turns.live(SECONDS)
    forge(battle, 9)


def over_a_restart(battle):
    battle.turns.live(SECONDS)
    battle.turns.clock.leap(MONTH_H * HOUR)
    battle.turns.restart()
    battle.turns.live(SECONDS)
    forge(battle, 4)


ATTACKS = pytest.mark.parametrize(
    "attack",
    [an_hour_ahead_again_and_again, a_month_ahead, back_and_ahead_again, over_a_restart],
    ids=lambda each: each.__name__,
)


@ATTACKS
def test_a_clock_that_is_set_makes_no_rollback(battle, attack):
    attack(battle)
    assert (battle.rollbacks, battle.turns.switches) == ([], [])
    assert battle.turns.watched.state.incident is not None  # people are told all the same


@ATTACKS
def test_it_would_if_automation_did_not_pause(battle, attack, monkeypatch):
    monkeypatch.setattr(watched, "while_paused", lambda mode, jump_s, left_s: (mode, ""))
    attack(battle)
    assert battle.rollbacks


@ATTACKS
def test_it_would_if_no_jump_were_seen(battle, attack, monkeypatch):
    monkeypatch.setattr(clocks, "SLEW_SHARE", 1e9)
    attack(battle)
    assert battle.rollbacks


def test_the_same_hours_lived_through_are_acted_on(battle):
    """The pause is about the clock: what comes in its time is acted on when the cooldown is over."""
    for at in range(108, 116):
        rows, truth = battle.rows(at, wrong=0.65)
        battle.send(rows, battle.labels(rows, truth))
        battle.turns.live(HOUR)
    assert [one.step for one in battle.rollbacks] == [RollbackStep.COMMITTED]
