"""One page per cause, a group at a time; and who else is listed when one pages."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from ticks import bands, plan_of, rows, run, share

from monitor.detectors.sequential import Latch, Tier, list_drifted
from monitor.detectors.sequential.latch import CALM, turn
from monitor.detectors.sequential.process import Step
from monitor.detectors.sequential.state import release
from monitor.facts import Family

HOLD = 10.0  # minutes
KEY = (1, 0)
LANE = 3
CROSSED = {KEY: LANE}
CALMED = {LANE: -math.log(CALM)}


def pages(times: list[float], said: float = -math.log(CALM)) -> list[bool]:
    """Whether a group that crosses at these minutes pages each time; its rows say so much between them."""
    latches: tuple[Latch, ...] = ()
    found = []
    for minute in times:
        latches, paged = turn(latches, CROSSED, {LANE: said}, 60.0 * minute, HOLD)
        found.append(KEY in paged)
    return found


def test_a_group_that_goes_on_crossing_pages_once() -> None:
    assert pages([0, 9, 18, 27]) == [True, False, False, False]


def test_a_group_that_was_calm_for_the_hold_time_pages_again() -> None:
    assert pages([0, 9, 19, 28.9]) == [True, False, True, False]


def test_a_group_whose_rows_are_not_calm_stays_latched_however_long_it_takes_to_cross() -> None:
    assert pages([0, 5_000, 20_000], said=0.5) == [True, False, False]


def test_silence_is_not_calm() -> None:
    latches, _ = turn((), CROSSED, {}, 0.0, HOLD)
    assert turn(latches, {}, {}, 1e9, HOLD)[0] == latches


def test_calm_is_what_rows_say_since_the_last_crossing() -> None:
    latches, _ = turn((), CROSSED, {}, 0.0, HOLD)
    latches, _ = turn(latches, {}, CALMED, 60.0, HOLD)
    latches, _ = turn(latches, CROSSED, {}, 120.0, HOLD)
    latches, paged = turn(latches, CROSSED, {LANE: -1.0}, 120.0 + 60 * HOLD, HOLD)
    assert not paged
    assert latches[0].odds == 0.0


def test_a_latch_holds_its_own_group_and_tier_only() -> None:
    latches, _ = turn((), {(1, 0): 0}, {}, 0.0, HOLD)
    _, paged = turn(latches, {(1, 0): 0, (1, 1): 4, (2, 0): 0}, {}, 60.0, HOLD)
    assert paged == {(1, 1), (2, 0)}


def test_a_latch_remembers_its_page_its_last_crossing_and_what_carried_it() -> None:
    latches, _ = turn((), CROSSED, {}, 0.0, HOLD)
    latches, _ = turn(latches, {KEY: 5}, CALMED, 120.0, HOLD)
    assert latches == (Latch(1, 0, 0.0, 120.0, 5),)


def test_what_was_calm_is_let_go_without_a_crossing() -> None:
    latches, _ = turn((), CROSSED, {}, 0.0, HOLD)
    assert turn(latches, {}, CALMED, 599.0, HOLD)[0][0].odds == CALMED[LANE]
    assert turn(latches, {}, CALMED, 600.0, HOLD)[0] == ()


@pytest.mark.parametrize("rows_a_tick", [60, 5])
def test_a_drift_that_goes_on_pages_once_and_again_after_a_calm(rows_a_tick: int) -> None:
    """.2 to .3 promised, .4 drawn, then .25, then .4; five rows a tick take hours to cross again, sixty minutes."""
    plan, rng = plan_of(share(falls=False), hold=HOLD), np.random.default_rng(1)
    shares = np.repeat([0.4, 0.25, 0.4], [6_000, 2_000, 2_000])
    said, _ = run(plan, bands(0.2, 0.3), [rows(x, rows_a_tick) for x in rng.binomial(rows_a_tick, shares)])
    found = [minute for minute, one in enumerate(said) for c in one.crossings if c.pages and c.tier is Tier.PAGE]
    assert len(found) == 2
    assert found[0] < 6_000
    assert found[1] >= 8_000


def test_virtual_crossings_go_on_resetting_and_say_that_they_page_nobody() -> None:
    plan = plan_of(share(family=Family.LABELS), hold=HOLD, features=0.0, labels=1.0)
    said, state = run(plan, bands(0.2, 0.3), [rows(50, 60)] * 6)
    found = [c.pages for one in said for c in one.crossings if c.tier is Tier.PAGE]
    assert found == [True] + [False] * (len(found) - 1)
    assert len(found) > 2
    assert said[-1].latched[1] == ("features/a",)
    assert [latch.tier for latch in release(state, 1, 0).latches] == [0, 2]


def told(evidence: list[float], weight: float) -> Step:
    odds = np.array([evidence] * 3) * weight
    return Step((), odds, np.zeros((3, 0), np.float32), ((), (), ()), 0, 0)


@given(st.lists(st.floats(0, 200), min_size=1, max_size=12), st.floats(0.05, 0.9))
def test_listed_are_the_most_groups_whose_weakest_is_strong_enough_for_their_number(e: list[float], q: float) -> None:
    plan = plan_of(*(share(f"features/{index}") for index in range(len(e))))
    listed = list_drifted(plan, told(e, 1 / len(e)), Tier.PAGE, q)
    ranked = sorted((value / len(e) / plan.group_weight[0] for value in e), reverse=True)
    strengths = [k * value for k, value in enumerate(ranked, start=1)]
    assume(not any(math.isclose(strength, len(e) / q, rel_tol=1e-9) for strength in strengths))  # rounding decides
    count = max((k for k, strength in enumerate(strengths, start=1) if strength >= len(e) / q), default=0)
    assert len(listed) == count
    assert set(listed) >= {f"features/{i}" for i, value in enumerate(e) if count and value > min(sorted(e)[-count:])}


def test_the_strongest_is_listed_first() -> None:
    plan = plan_of(*(share(f"features/{index}") for index in range(4)))
    assert list_drifted(plan, told([0.1, 500, 0.2, 900], 0.25)) == ("features/3", "features/1")


@pytest.mark.parametrize("q", [0.0, 1.0])
def test_the_share_of_the_listed_lies_between_0_and_1(q: float) -> None:
    with pytest.raises(ValueError, match="q is a share"):
        list_drifted(plan_of(share()), told([1.0], 1.0), Tier.PAGE, q)


def test_log_odds_of_what_was_never_bet_on_are_no_number_below_any_other() -> None:
    assert told([0.0, 1.0], 1.0).log_odds[0].tolist() == [-np.inf, 0.0]
