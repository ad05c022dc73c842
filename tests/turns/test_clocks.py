"""A wall clock that jumps, over real turns and the real store: automation pauses, everything else goes on."""

import asyncio

import pytest
from labelworld import HOUR, hour, labelling
from structlog.testing import capture_logs
from tickworld import USUAL, armed, rows, ticking
from world import FOLD, MODEL, Consumer, Turns, acting, alive, control_of, label, many, prediction, rule

from monitor.audit.records import Kind
from monitor.errors import Transient
from monitor.facts import TRANSITION, UNREGISTERED, Subject
from monitor.turns import show
from monitor.turns.auditing import NoAudit
from monitor.turns.clocks import LiveClocks

DAY, MONTH = 86_400.0, 30 * 86_400.0
JUMPS = pytest.mark.parametrize("jump", [HOUR, -HOUR, MONTH])
NOW = 1e9  # before every moment of these tests lies a month


def moved(turns):
    """The world with the clock at NOW, as at a first start."""
    turns.clock.step(NOW)
    turns.restart()
    return turns


@pytest.fixture
def turns(tmp_path):
    yield from alive(moved(acting(tmp_path)))


def why(turns):
    """What the gate `mode` says of the last decision."""
    return next(gate.why for gate in turns.watched.state.decision.gates if gate.name == "mode")


# ---------------------------------------------------------------- automation


def test_without_a_jump_the_evidence_is_acted_on(turns):
    turns.live()
    turns.live()
    assert len(turns.switches) == 1


@JUMPS
def test_after_a_jump_it_is_proposed_and_the_gate_says_why(turns, jump):
    turns.live(1.0)
    turns.clock.leap(jump)
    for _ in range(5):
        turns.live()
    assert (turns.watched.rollbacks, turns.switches) == ({}, [])
    assert "auto is propose because the clock jumped" in why(turns)
    assert any(b"tocsin rollback start" in notice.body for notice in turns.outbox.every())


def test_when_the_pause_is_over_automation_acts(turns):
    turns.live(1.0)
    turns.clock.leap(HOUR)
    turns.live()
    with capture_logs() as logged:
        for _ in range(61):
            turns.live()
    assert len(turns.switches) == 1
    assert [line["event"] for line in logged].count("clock.pause_over") == 1


def test_a_person_lets_it_act_before(turns):
    turns.live(1.0)
    turns.clock.leap(HOUR)
    turns.live()
    assert turns.do(turns.clocks.go()) is True
    turns.live()
    assert len(turns.switches) == 1
    assert turns.do(turns.clocks.go()) is False


def test_letting_automation_go_is_what_the_person_says(turns):
    control = control_of(turns)
    turns.live(1.0)
    turns.clock.leap(HOUR)
    turns.live()
    turns.do(control.noticed())
    assert control.status()["models"][MODEL]["degraded"] == "auto is propose because the clock jumped ahead by 1 h"

    async def go():
        await asyncio.to_thread(control.let_automation_go, "ntp has set it", "ann")

    turns.do(go())
    told = [words for _, words in turns.watched.state.incident.timeline]
    assert control.status()["models"][MODEL]["degraded"] == ""
    assert "mode auto again: an operator is in touch, and the clock is believed" in told


# ---------------------------------------------------------------- restarts


@JUMPS
def test_a_restart_within_the_pause_stays_paused(turns, jump):
    turns.live(1.0)
    turns.clock.leap(jump)
    turns.live(1.0)
    turns.restart()
    for _ in range(5):
        turns.live()
    assert turns.switches == []
    assert turns.clocks.paused() == pytest.approx((jump, HOUR - 300.0))


@JUMPS
def test_a_jump_while_the_daemon_is_down_is_found_when_it_starts(turns, jump):
    turns.live(0.0)
    turns.clock.leap(jump)
    turns.restart()
    for _ in range(5):
        turns.live(1.0)
    assert (turns.switches, turns.clocks.jumps.total()) == ([], 1)


def test_a_pause_that_cannot_be_stored_holds_all_the_same(turns):
    turns.live(1.0)
    turns.clock.leap(HOUR)
    turns.dies("before", lambda document: type(document).__name__ == "Seen", Transient)
    turns.live(1.0)
    turns.die = None
    turns.live()
    assert (turns.switches, turns.clocks.paused()[0]) == ([], HOUR)


def test_where_nobody_says_which_boot_it_is_a_life_knows_its_own_jumps(turns):
    clocks = LiveClocks(turns.store, turns.clock, "")
    turns.clock.leap(HOUR)
    turns.do(clocks.look())
    assert clocks.paused() == (HOUR, HOUR)


# ---------------------------------------------------------------- who is told


class Audit(NoAudit):
    def __init__(self):
        self.deeds = []

    async def record(self, deeds, *, must=False):
        self.deeds += deeds


@pytest.mark.parametrize(("jump", "direction"), [(HOUR, "ahead"), (-HOUR, "back")])
def test_a_jump_is_logged_counted_and_written_down_once(turns, jump, direction):
    turns.clocks.audit = Audit()
    turns.live(1.0)
    turns.clock.leap(jump)
    with capture_logs() as logged:
        turns.live(1.0)
        turns.live(1.0)
    [line] = [line for line in logged if line["event"] == "clock.jumped"]
    assert (line["seconds"], line["pause_s"]) == (jump, HOUR)
    assert turns.clocks.jumps == {"ahead": int(jump > 0), "back": int(jump < 0)}
    assert [(deed.kind, deed.subject["seconds"]) for deed in turns.clocks.audit.deeds] == [(Kind.CLOCK_JUMPED, jump)]
    assert direction in line["words"]


# ---------------------------------------------------------------- nothing is lost


def counting(directory):
    """Rows and labels of an hour before NOW, one label that waits for its row."""
    turns = moved(Turns(directory, rule("output")))
    turns.serve((NOW - DAY, "v1"))
    turns.send(many(50, NOW - 600.0))
    turns.send([label("p3", 1.0, NOW - 300.0), label("never", 1.0, NOW - 300.0)])
    return turns


def kept(turns):
    """What of that is there: panes with detail, labels that wait, receipts."""
    panes = turns.store.panes(MODEL, turns.watched.epoch.number, "", turns.v1.digest, NOW - 600.0, NOW - 60.0)
    health = turns.store.health()
    return len(panes), health.waiting_labels, health.waiting_expired, health.run_rows


@pytest.fixture
def counted(tmp_path):
    yield from alive(counting(tmp_path / "state"))


def leap_and_come_back(turns, jump=MONTH):
    """One look by a clock that is wrong."""
    turns.live(60.0)
    turns.clock.leap(jump)
    turns.live(60.0)
    turns.clock.leap(-jump)
    turns.live(60.0)


def test_a_look_a_month_ahead_forgets_nothing(counted):
    counted.live(0.0)
    before = kept(counted)
    leap_and_come_back(counted)
    assert kept(counted) == before == (1, 1, 0, 50)
    assert counted.store.position().horizon == NOW + 180.0 - FOLD.horizon_s


def test_rows_that_come_after_it_are_counted_and_looked_at(counted):
    leap_and_come_back(counted)
    minute = counted.clock.now() // 60.0 * 60.0 + 60.0
    counted.send([prediction(f"later{i}", minute + i) for i in range(40)])
    counted.live(120.0)
    slots = counted.watched.slots["output", ""]
    assert [slot.reading.value for slot in slots if slot.start == minute] == [40.0]
    assert slots[-1].end <= counted.clock.now()


def test_a_clock_that_stays_ahead_is_believed_after_the_pause(counted):
    counted.live(60.0)
    counted.clock.leap(MONTH)
    counted.live(1.0)
    held = counted.store.position().horizon
    counted.live(HOUR)
    counted.live(60.0)
    assert held < NOW
    assert counted.store.position().horizon == counted.clock.now() - FOLD.horizon_s


def test_what_waits_to_be_counted_is_still_known_by_its_id_however_late_the_fold(counted):
    counted.live(0.0)
    accepted = counted.clock.now()
    counted.send([prediction("waits", accepted - FOLD.horizon_s, arrival=accepted)])
    counted.clock.step(accepted + 600.0)
    counted.do(counted.wheel._look(counted.clock.now()))
    assert counted.store.position().horizon == accepted - FOLD.horizon_s


def switched(turns, *names):
    """One look by each bundle."""
    for name in names:
        turns.server.name = name
        turns.live(60.0)


@pytest.mark.parametrize("believed", [False, True])
def test_an_epoch_that_began_by_a_clock_that_was_wrong_begins_now(counted, believed):
    counted.live(60.0)
    counted.clock.leap(MONTH)
    if believed:
        counted.do(counted.clocks.go())
    switched(counted, "v2")
    assert counted.watched.epoch.start > NOW + MONTH / 2
    counted.clock.leap(-MONTH)
    counted.live(60.0)
    assert counted.watched.epoch.start == counted.clock.now()


def test_so_does_one_that_followed_another_of_that_clock(counted):
    counted.live(60.0)
    counted.clock.leap(MONTH)
    switched(counted, "v2", "v3", "v3", "v3")  # a server that kept to none would not be believed
    counted.clock.leap(-MONTH)
    counted.live(60.0)
    assert (counted.watched.epoch.bundle, counted.watched.epoch.start) == (UNREGISTERED, counted.clock.now())


def test_rows_of_the_time_that_a_host_slept_through_are_nobodys(counted):
    counted.live(60.0)
    counted.clock.leap(8 * HOUR)
    counted.send([prediction("asleep", NOW + 4 * HOUR)])
    switched(counted, "v2", "v2")
    found = [(epoch.bundle, counted.pane(epoch=epoch.number).counts[0]) for epoch in counted.watched.epochs[1:]]
    assert [bundle == TRANSITION for bundle, _ in found] == [False, True, False]
    assert [rows for _, rows in found] == [50, 1, 0]


def test_what_is_served_since_the_start_is_looked_at_though_the_clock_was_set_back_behind_it(counted):
    counted.clock.leap(-2 * DAY)
    counted.live(60.0)
    assert counted.watched.epoch.start == counted.clock.now()


@pytest.mark.parametrize("minutes", [1, 70], ids=["for a minute", "for longer than the pause"])
def test_late_rows_of_the_bundle_of_before_stay_its_own_after_a_clock_stood_a_day_back(counted, minutes):
    counted.live(60.0)
    switched(counted, "v2")
    starts = [epoch.start for epoch in counted.watched.epochs]
    counted.clock.leap(-DAY)
    for _ in range(minutes):
        counted.live(60.0)
    counted.clock.leap(DAY)
    counted.send(late := [prediction(f"late{i}", NOW - 300.0) for i in range(10)])
    counted.live(60.0)
    assert [epoch.start for epoch in counted.watched.epochs] == starts
    assert [counted.pane(epoch=number).counts[0] for number in (2, 4)] == [50 + len(late), 0]


@pytest.mark.parametrize("jump", [MONTH, -DAY, HOUR])
def test_how_old_the_last_proof_is_goes_by_the_clock_as_it_is(counted, jump):
    counted.live(60.0)
    counted.clock.leap(jump)
    counted.live(60.0)
    assert show.model_view(counted.watched).proved == counted.clock.now()


# ---------------------------------------------------------------- the e-detector


def test_label_windows_are_not_closed_by_a_clock_that_is_wrong(tmp_path):
    turns = labelling(tmp_path / "state")
    rows_of_now, said = hour(0)
    turns.count(rows_of_now)
    turns.clock.step(HOUR + 60.0)
    turns.live(0.0)
    assert armed(turns).closing.open == (0,)
    leap_and_come_back(turns)
    assert (armed(turns).closing.open, armed(turns).closing.by_deadline) == ((0,), 0)
    turns.send(said)
    turns.live(60.0)
    assert armed(turns).rows["labels"] == len(said)
    turns.close()


def test_minutes_are_judged_again_after_a_clock_that_was_wrong(tmp_path):
    turns = ticking(tmp_path / "state", volume=USUAL)
    turns.live(0.0)
    leap_and_come_back(turns)
    for _ in range(10):
        turns.send(rows(50, turns.clock.now()))
        turns.live(60.0)
    judged = armed(turns).judged
    assert judged.upto <= turns.clock.now() / 60.0
    assert judged.upto - judged.since >= 9
    turns.close()


def test_a_sequential_rule_ticks_on_after_a_clock_that_was_wrong(tmp_path):
    turns = moved(Turns(tmp_path / "state", rule("flow", Subject.ARRIVALS, Consumer())))
    leap_and_come_back(turns)
    for _ in range(5):
        turns.live(60.0)
    ends = [slot.end for slot in turns.watched.slots["flow", ""]]
    assert ends[-1] == turns.clock.now()
    turns.close()
