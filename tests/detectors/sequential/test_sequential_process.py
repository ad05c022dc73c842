"""One tick: what is bet on, what waits, what is refused."""

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ticks import bands, evidence, multipliers, plan_of, rows, run, share

from monitor.detectors.sequential import State, Tier, step
from monitor.detectors.sequential.state import demand

HUGE = 10**9
NAN = math.nan


def test_a_band_that_is_unknown_is_never_bet_on_and_never_pages() -> None:
    plan = plan_of(share(), scored=("features/a",), warn=2.0, page=2.0, rollback=2.0)
    bounds = bands(NAN, NAN, 1.0, ((NAN, NAN),))
    said, state = run(plan, bounds, [rows(60, 60, [60] * 7)] * 100)
    assert not evidence(plan, state).any()
    assert not any(one.crossings or one.bet for one in said)


def test_of_a_band_with_one_end_known_only_that_direction_is_bet_on() -> None:
    plan = plan_of(share())
    _, state = run(plan, bands(NAN, 0.4), [rows(20, 60)] * 3)
    assert (evidence(plan, state).reshape(6, 2) > 0).tolist() == [[True, False]] * 3 + [[False, False]] * 3


@pytest.mark.parametrize(("low", "high", "lane"), [(0.0, 0.4, 1), (0.4, 1.0, 0)])
def test_beyond_0_and_1_there_is_nothing_to_bet_on(low: float, high: float, lane: int) -> None:
    plan = plan_of(share())
    _, state = run(plan, bands(low, high), [rows(20, 60)] * 3)
    assert not evidence(plan, state).reshape(6, 2)[:, lane].any()


@pytest.mark.parametrize("design", [NAN, math.inf])
def test_where_no_design_effect_is_known_only_tick_bets_are_made(design: float) -> None:
    plan = plan_of(share())
    _, state = run(plan, bands(0.2, 0.4, design), [rows(20, 60)] * 3)
    ratios, ticks = np.split(evidence(plan, state), 2)
    assert not ratios.any()
    assert (ticks > 0).all()


def test_where_a_design_effect_is_known_no_tick_bet_is_made() -> None:
    plan = plan_of(share())
    _, state = run(plan, bands(0.2, 0.4, 200.0), [rows(20, 60)] * 3)
    assert not state.ticks


@pytest.mark.parametrize("design", [NAN, 1.0])
def test_a_minute_is_given_whole_to_whichever_bets_are_made(design: float) -> None:
    plan = plan_of(share())
    _, state = run(plan, bands(0.2, 0.4, design), [rows(20, 60)])
    assert evidence(plan, state).sum() == pytest.approx(1.0)


def test_a_direction_that_is_not_watched_has_no_process() -> None:
    assert plan_of(share(falls=False)).processes == 6
    assert plan_of(share()).processes == 12


def test_fewer_than_five_rows_wait_for_more_and_say_the_same_then() -> None:
    plan, bounds = plan_of(share()), bands(0.2, 0.4)
    _, state = step(plan, [(bounds, rows(5, 10))], 1.0, None, 0.0)
    said, waiting = step(plan, [(bounds, rows(3, 3))], 0.0, state, 60.0)
    assert (said.bet, said.waiting) == (0, 2)
    _, apart = step(plan, [(bounds, rows(1, 4))], 0.0, waiting, 120.0)
    _, at_once = step(plan, [(bounds, rows(4, 7))], 0.0, state, 60.0)
    assert evidence(plan, apart) == pytest.approx(evidence(plan, at_once), rel=1e-6)


def test_minutes_of_waiting_are_given_with_the_bet() -> None:
    plan, bounds = plan_of(share()), bands(0.2, 0.4)
    _, state = run(plan, bounds, [rows(1, 2)] * 3)
    assert evidence(plan, state).sum() == pytest.approx(3.0)
    assert state.minutes == 3.0


def test_two_parts_of_one_hour_are_their_sum() -> None:
    plan, bounds = plan_of(share()), bands(0.2, 0.4)
    parts = multipliers(plan, (bounds, rows(9, 20)), (bounds, rows(20, 30)))
    assert parts == pytest.approx(multipliers(plan, (bounds, rows(29, 50))), rel=1e-4)


@pytest.mark.parametrize(("x", "n"), [(0, HUGE), (HUGE, HUGE), (1, HUGE), (HUGE - 1, HUGE), (HUGE // 2, HUGE), (0, 5)])
@pytest.mark.parametrize(("low", "high"), [(0.0, 0.0), (0.0, 1e-300), (0.3, 0.3), (1.0, 1.0), (1e-12, 1 - 1e-12)])
def test_whatever_the_counts_nothing_overflows(x: int, n: int, low: float, high: float) -> None:
    plan = plan_of(share(), scored=("features/a",))
    bounds = bands(low, high, 1.0, ((-0.1, 0.1),))
    said, state = run(plan, bounds, [rows(x, n, [0, 0, 0, 0, 0, 0, n])] * 4)
    assert np.isfinite(evidence(plan, state)).all()
    assert all(np.isfinite(one.odds).all() for one in said)


@pytest.mark.parametrize("counted", [rows(-1, 5), rows(6, 5), rows([1, 1], 5), rows(1, 5, [1] * 7)])
def test_impossible_counts_are_refused(counted: object) -> None:
    with pytest.raises(ValueError, match=r"x fell into a set|are planned"):
        step(plan_of(share()), [(bands(0.2, 0.4), counted)], 1.0, None, 0.0)


@pytest.mark.parametrize("minutes", [-1.0, NAN, math.inf])
def test_impossible_minutes_are_refused(minutes: float) -> None:
    with pytest.raises(ValueError, match="minutes elapsed"):
        step(plan_of(share()), [], minutes, None, 0.0)


def test_a_state_of_another_plan_is_refused() -> None:
    _, state = step(plan_of(share()), [], 1.0, None, 0.0)
    with pytest.raises(ValueError, match="was handed to plan"):
        demand(plan_of(share(), page=50_000.0), state)


def test_one_sigma_is_paged_within_three_ticks_and_half_a_sigma_within_ten() -> None:
    """log(A/w) is 14 here; a share of .84 where at most .52 may be gives .2 nats a row at 60 rows, .69 gives .06."""
    plan = plan_of(*(share(f"features/{index}") for index in range(10)))
    bounds = bands([0.48] * 10, 0.52, 1.1)
    for moved, within in ((0.84, 3), (0.69, 10)):
        x = np.full(10, 30)
        x[3] = round(60 * moved)
        said, _ = run(plan, bounds, [rows(x, 60)] * within)
        pages = {crossing.group for one in said for crossing in one.crossings if crossing.tier is Tier.PAGE}
        assert pages == {"features/3"}


def test_a_crossing_names_the_lane_that_carries_it() -> None:
    plan = plan_of(share("features/a"), share("features/a", falls=False), share("features/b"))
    said, _ = run(plan, bands([0.4, 0.4, 0.4], 0.5, 1.0), [rows([2, 25, 26], 60)] * 4)
    crossing = next(c for one in said for c in one.crossings if c.tier is Tier.PAGE)
    assert (crossing.lane.group, crossing.lane.falls, crossing.lane.signal) == ("features/a", True, share("features/a"))
    assert crossing.lane_share > 0.9
    assert crossing.odds >= 1


def test_a_warning_resets_no_page() -> None:
    ticks = [rows(25, 60)] * 60
    loud, _ = run(plan_of(share(), warn=10.0), bands(0.2, 0.3), ticks)
    quiet, _ = run(plan_of(share(), warn=43_200.0), bands(0.2, 0.3), ticks)
    assert sum(c.tier is Tier.WARN for one in loud for c in one.crossings) > 3
    assert [one.odds[1] for one in loud] == [one.odds[1] for one in quiet]


counts = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30), st.booleans()), min_size=1, max_size=25)


@settings(max_examples=60, deadline=None)
@given(counts, st.integers(0, 2**25 - 1))
def test_any_number_of_restarts_gives_the_same_pages_and_the_same_bytes(ticks: list, stops: int) -> None:
    ledger = {"warn": 5.0, "page": 20.0, "rollback": 40.0, "hold": 3.0}
    made = [plan_of(share("features/a"), share("features/b"), **ledger) for _ in range(2)]
    hours = [bands([0.2, 0.3], 0.5), bands([0.1, NAN], 0.3, 1.5)]
    straight = stopped = None
    for minute, (x, more, night) in enumerate(ticks):
        part = [(hours[night], rows([x, x // 2], x + more // 8))]
        said, straight = step(made[0], part, 1.0, straight, 60.0 * minute)
        again, stopped = step(made[1], part, 1.0, stopped, 60.0 * minute)
        if stops >> minute & 1:
            stopped = msgspec.msgpack.decode(msgspec.msgpack.encode(stopped), type=State)
            made[1] = plan_of(share("features/a"), share("features/b"), **ledger)
        assert said.crossings == again.crossings
        assert msgspec.msgpack.encode(straight) == msgspec.msgpack.encode(stopped)


@pytest.mark.parametrize("n", [60, 4])
def test_the_state_of_500_features_in_three_tiers_is_below_a_mebibyte_even_while_all_of_it_waits(n: int) -> None:
    groups = [f"features/{index}" for index in range(500)]
    plan = plan_of(*(share(group) for group in groups for _ in range(9)), scored=tuple(groups))
    assert plan.processes == 500 * 114
    bounds = bands([0.4] * 4500, 0.6, 1.0, ((-0.1, 0.1),) * 500)
    _, state = run(plan, bounds, [rows([n // 2] * 4500, n, np.tile([0, 0, 0, n, 0, 0, 0], (500, 1)))])
    assert len(msgspec.msgpack.encode(state)) <= 1 << 20


def test_what_crosses_resets_no_other_group_and_no_other_tier() -> None:
    plan = plan_of(share("features/a"), share("features/b"), warn=3.0)
    quiet, _ = run(plan, bands([0.2, 0.2], 0.3), [rows([15, 23], 60)] * 40)
    loud, _ = run(plan, bands([0.2, 0.2], 0.3), [rows([40, 23], 60)] * 40)
    warned = [{(c.tier, c.group) for c in one.crossings} for one in loud]
    both = [w for w in warned if {(Tier.PAGE, "features/a"), (Tier.WARN, "features/b")} <= w]
    assert both, "a pages while b warns"
    assert [one.odds[:, 1].tolist() for one in quiet] == [one.odds[:, 1].tolist() for one in loud]
