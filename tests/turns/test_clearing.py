"""A deployer asks the real turns: about its own bundle, from before the first row until the page."""

import asyncio

import pytest
from snapshots import NOW, daemon
from tickworld import PAGED, USUAL, rows, ticking
from world import control_of

from monitor.decisions.budget import Watch
from monitor.decisions.clearance import Asked, ClearanceState
from monitor.detectors.sequential import Ledger
from monitor.export.collector import Collector
from monitor.export.snapshot import Snapshot
from monitor.facts import Family, Mode
from monitor.turns import show
from monitor.turns.clearing import cleared

OK, BAD, UNKNOWN = ClearanceState
OUTPUT = Asked(needs=frozenset({Family.OUTPUT, Family.QUALITY}))
ABOUT_V1 = Asked(bundle="v1", needs=OUTPUT.needs)


@pytest.fixture
def turns(tmp_path):
    made = ticking(tmp_path / "state", mode=Mode.OBSERVE, volume=USUAL)
    made.settle(0.0)
    yield made
    made.close()


def minutes(turns, first, last, low=0.0, high=1.0):
    for minute in range(first, last):
        turns.send(rows(60, 60.0 * minute, low, high))
        turns.settle(60.0 * (minute + 1))


def told(turns, asked=OUTPUT):
    return cleared(turns.wheel, turns.watched, asked)


def test_it_is_unknown_until_enough_came_and_ok_from_then_on(turns):
    states = []
    for minute in range(5):
        states.append(told(turns).state)
        minutes(turns, minute, minute + 1)
    assert states == [UNKNOWN] * 4 + [OK]
    assert 0.0 < told(turns).value < 1.0


def test_without_labels_nobody_knows_whether_it_is_right(turns):
    minutes(turns, 0, 6)
    answer = told(turns, Asked())
    assert answer.state is UNKNOWN
    assert [words.partition(":")[0] for words in answer.unknown] == ["labels"]


def test_a_model_whose_answers_moved_is_bad_and_says_since_when(turns):
    minutes(turns, 0, 5)
    minutes(turns, 5, 7, *PAGED)
    answer = told(turns)
    assert (answer.state, answer.since, answer.value >= 1.0) == (BAD, 360.0, True)
    assert any(words.startswith("output_page/output fires since 19700101T000600Z") for words in answer.firing)


def test_the_next_bundle_is_not_condemned_for_it_nor_cleared_by_it(turns):
    minutes(turns, 0, 5)
    minutes(turns, 5, 7, *PAGED)
    turns.server.name = "v2"
    turns.settle(430.0)
    about = Asked(bundle="v2", needs=OUTPUT.needs)
    assert (told(turns, ABOUT_V1).state, told(turns, about).state) == (UNKNOWN, UNKNOWN)
    minutes(turns, 8, 13)
    assert (told(turns, ABOUT_V1).state, told(turns, about).state) == (UNKNOWN, OK)


def test_a_server_that_stops_proving_leaves_it_unknown(turns):
    minutes(turns, 0, 5)
    turns.server.name = None
    turns.settle(360.0)
    assert (told(turns).state, told(turns).bundle) == (UNKNOWN, None)


def test_a_monitor_that_stands_still_is_unknown(turns):
    minutes(turns, 0, 5)
    turns.clock.step(420.0)
    assert told(turns).state is OK
    turns.clock.step(421.0)
    assert told(turns).why == "nobody has looked for 121 s"


def test_looks_that_are_far_apart_by_the_settings_are_not_late(turns):
    minutes(turns, 0, 5)
    turns.wheel.bounds.look_every_s = 600.0
    turns.clock.step(1500.0)
    assert told(turns).state is OK


def test_rows_that_wait_to_be_counted_leave_it_unknown(turns):
    minutes(turns, 0, 5)
    turns.send(rows(60, 300.0))
    waiting = turns.store.health().oldest_arrival
    turns.clock.step(waiting + 121.0)
    turns.watched.looked = turns.clock.now()
    assert told(turns).unknown[0] == "rows have waited to be counted for 121 s"


def test_after_a_restart_it_is_unknown_until_somebody_looks(turns):
    minutes(turns, 0, 5)
    turns.restart()
    assert told(turns).state is UNKNOWN
    turns.settle(301.0)
    assert told(turns).state is OK


def test_a_person_who_lets_go_of_all_that_speaks_against_it_clears_it(turns):
    minutes(turns, 0, 5)
    minutes(turns, 5, 7, *PAGED)
    for alert in ("output_page/output", "output_page/score"):
        turns.do(turns.wheel.release(turns.watched, alert, "ann", "as wanted"))
    assert told(turns).state is OK


def test_a_family_without_weight_is_not_needed(tmp_path):
    watch = Watch(Ledger(labels=0.0, hold=60.0), 60.0)
    turns = ticking(tmp_path / "state", watch=watch, volume=USUAL)
    turns.settle(0.0)
    minutes(turns, 0, 6)
    assert told(turns, Asked()).state is OK
    turns.close()


def test_the_api_knows_its_models_and_nothing_is_written(turns):
    minutes(turns, 0, 5)
    made, commits = control_of(turns), len(turns.commits)
    assert made.gate("m", OUTPUT)["data"]["ok"] is True
    with pytest.raises(LookupError):
        made.gate("other", OUTPUT)
    assert len(turns.commits) == commits


def test_asking_while_the_turns_go_on_breaks_nothing(turns):
    made = control_of(turns)

    async def both():
        for minute in range(3):
            turns.clock.step(60.0 * (minute + 1))
            asked = [asyncio.to_thread(made.gate, "m", Asked()) for _ in range(5)]
            await asyncio.gather(turns.wheel.settle(60.0 * (minute + 1)), *asked)

    turns.do(both())
    assert turns.watched.looked == 180.0


@pytest.mark.parametrize("state", ClearanceState)
def test_the_metrics_page_says_what_a_deployer_is_told(turns, state):
    page = Collector().collect(Snapshot(NOW, (show.model_view(turns.watched, gate=state),), daemon())).collect()
    found = {s.labels["state"]: s.value for f in page for s in f.samples if s.name == "tocsin_gate_state"}
    assert found == {each.value: float(each is state) for each in ClearanceState}
