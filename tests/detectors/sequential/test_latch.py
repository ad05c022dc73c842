"""One page per cause, a group at a time; and who else is listed when one pages."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ticks import bands, plan_of, rows, run, share

from monitor.detectors.sequential import Latch, Tier, list_drifted
from monitor.detectors.sequential.latch import turn
from monitor.detectors.sequential.process import Step
from monitor.detectors.sequential.state import release

HOLD = 10.0  # minutes
KEY = (1, 0)


def pages(times: list[float]) -> list[bool]:
    """Whether a group that crosses at these minutes pages each time."""
    latches: tuple[Latch, ...] = ()
    found = []
    for minute in times:
        latches, paged = turn(latches, [KEY], 60.0 * minute, HOLD)
        found.append(KEY in paged)
    return found


def test_a_group_that_goes_on_crossing_pages_once() -> None:
    assert pages([0, 9, 18, 27]) == [True, False, False, False]


def test_a_group_that_was_calm_for_the_hold_time_pages_again() -> None:
    assert pages([0, 9, 19, 28.9]) == [True, False, True, False]


def test_a_latch_holds_its_own_group_and_tier_only() -> None:
    latches, _ = turn((), [(1, 0)], 0.0, HOLD)
    _, paged = turn(latches, [(1, 0), (1, 1), (2, 0)], 60.0, HOLD)
    assert paged == {(1, 1), (2, 0)}


def test_a_latch_remembers_its_page_and_its_last_crossing() -> None:
    latches, _ = turn((), [KEY], 0.0, HOLD)
    latches, _ = turn(latches, [KEY], 120.0, HOLD)
    assert latches == (Latch(1, 0, 0.0, 120.0),)


def test_what_was_calm_is_let_go_without_a_crossing() -> None:
    latches, _ = turn((), [KEY], 0.0, HOLD)
    assert turn(latches, [], 599.0, HOLD)[0] == latches
    assert turn(latches, [], 600.0, HOLD)[0] == ()


def test_virtual_crossings_go_on_resetting_and_say_that_they_page_nobody() -> None:
    plan = plan_of(share(), hold=HOLD)
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
    count = max((k for k in range(1, len(e) + 1) if k * ranked[k - 1] >= len(e) / q), default=0)
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
