"""What is a jump of the wall clock, how long automation pauses for it, and what is not believed meanwhile."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.decisions.clocks import AWAY_MAX_S, SLEW_SHARE, Bounds, Sighting, begin, released, see, while_paused
from monitor.facts import Mode

HOUR, DAY, MONTH = 3600.0, 86_400.0, 30 * 86_400.0
NOW = 1.76e9
BOUNDS = Bounds(jump_max_s=5.0, pause_s=HOUR)
JUMPS = pytest.mark.parametrize("jump", [-MONTH, -HOUR, -6.0, 6.0, HOUR, MONTH])


def at(seconds, off=0.0, boot="b1"):
    """What the clocks say after so many seconds, the wall clock `off` by some."""
    return Sighting(NOW + seconds + off, 100.0 + seconds, boot)


def history(*sightings, seen=None):
    """What is known at the end, and every jump that was told."""
    seen, told = seen or begin(at(0.0)), []
    for each in sightings:
        seen, jump = see(seen, each, BOUNDS)
        told += [jump] if jump else []
    return seen, told


@JUMPS
def test_a_jump_is_told_once_and_pauses(jump):
    seen, told = history(at(1), at(2, jump), at(3, jump), at(4, jump))
    assert told == pytest.approx([jump])
    assert seen.left(104.0) == HOUR - 2


@JUMPS
def test_coming_back_is_another_jump_and_begins_the_pause_anew(jump):
    seen, told = history(at(1, jump), at(2))
    assert told == pytest.approx([jump, -jump])
    assert seen.left_s == HOUR


def test_the_pause_lasts_by_the_monotonic_clock_and_ends():
    seen, _ = history(at(1, MONTH), at(HOUR, MONTH))
    assert seen.left_s == 1.0
    assert history(at(HOUR + 1, MONTH), seen=seen)[0].left_s == 0.0


def test_a_person_ends_it():
    seen = released(history(at(1, HOUR))[0])
    assert seen.left(101.0) == 0.0
    assert seen.believed(NOW + HOUR + 1, 101.0) == NOW + HOUR + 1
    assert history(at(2, HOUR), seen=seen)[1] == []


@given(st.floats(-0.0833, 0.0833), st.lists(st.floats(0.01, 600.0), max_size=30))
def test_a_clock_that_is_slewed_never_jumps(rate, waits):
    times = [sum(waits[:k]) for k in range(1, len(waits) + 1)]
    assert history(*[at(time, rate * time) for time in times])[1] == []


@given(st.floats(0.3, 5.0))
def test_steps_below_the_bound_add_up(step):
    _, told = history(*[at(k, step * k) for k in range(1, 120)])
    assert told
    assert all(jump > BOUNDS.jump_max_s for jump in told)


@given(st.lists(st.tuples(st.floats(0.0, 2 * HOUR), st.floats(-2 * MONTH, 2 * MONTH)), max_size=20))
def test_while_it_pauses_what_is_believed_goes_by_the_time_before_the_jump(steps):
    seen, monotonic = begin(at(0.0)), 0.0
    for wait, off in steps:
        before = seen
        monotonic += min(wait, 0.99 * HOUR)
        seen, _ = see(seen, at(monotonic, off), BOUNDS)
        believed = seen.believed(seen.at.wall, seen.at.monotonic)
        assert believed <= seen.at.wall
        if seen.left_s > 0 and before.left(seen.at.monotonic) > 0:
            assert seen.steady == before.steady
        if seen.left_s == 0:
            assert believed == seen.at.wall


def test_a_leap_ahead_and_back_is_never_believed():
    believed = []
    seen = begin(at(0.0))
    for second, off in enumerate([0.0, MONTH, MONTH, 0.0, 0.0]):
        seen, _ = see(seen, at(second, off), BOUNDS)
        believed.append(seen.believed(seen.at.wall, seen.at.monotonic) - NOW)
    assert believed == pytest.approx([0, 1, 2, 3, 4])


# ---------------------------------------------------------------- reboots


def test_after_a_reboot_a_clock_that_went_on_for_a_day_at_most_is_taken_for_right():
    seen, told = history(Sighting(NOW + AWAY_MAX_S, 3.0, "b2"))
    assert (told, seen.left_s, seen.anchor) == ([], 0.0, NOW + AWAY_MAX_S - 3.0)


@pytest.mark.parametrize("gap", [-MONTH, -6.0, AWAY_MAX_S + 1, MONTH])
def test_after_a_reboot_one_that_went_back_or_far_on_has_jumped(gap):
    seen, told = history(Sighting(NOW + gap, 3.0, "b2"))
    assert (told, seen.left_s) == ([gap], HOUR)
    assert seen.believed(NOW + gap + 10, 13.0) == NOW + min(gap, 0.0) + 10


def test_a_reboot_does_not_shorten_a_pause():
    paused = history(at(1, HOUR), at(601, HOUR))[0]
    seen, told = history(Sighting(NOW + HOUR + 700, 3.0, "b2"), seen=paused)
    assert (told, seen.left_s) == ([], HOUR - 600)
    assert seen.believed(NOW + HOUR + 700, 3.0) == NOW + 601


# ---------------------------------------------------------------- the mode


@given(st.sampled_from([mode for mode in Mode if mode is not Mode.AUTO]), st.floats(-MONTH, MONTH), st.floats(0, DAY))
def test_only_auto_pauses(mode, jump, left):
    assert while_paused(mode, jump, left) == (mode, "")


@pytest.mark.parametrize(("jump", "said"), [(-6.0, "back by 6 s"), (MONTH, "ahead by 720 h")])
def test_auto_proposes_and_says_why_in_words_that_stay_the_same(jump, said):
    for left in (HOUR, 1.0):
        assert while_paused(Mode.AUTO, jump, left) == (Mode.PROPOSE, f"auto is propose because the clock jumped {said}")


def test_the_anchor_follows_faster_than_ntp_slews():
    assert SLEW_SHARE > 0.083333


def test_a_monotonic_clock_that_went_back_is_another_boot_whatever_it_is_called():
    before = begin(Sighting(1_000.0, 500.0, "b"))
    assert see(before, Sighting(1_001.0, 0.5, "b"), Bounds())[1] == 0.0
    assert see(before, Sighting(900.0, 0.5, "b"), Bounds())[1] == -100.0
