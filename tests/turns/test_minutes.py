"""Minutes over the real store: a silence and a flood page, what nobody listened to pages nobody."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tickworld import CALM_S, USUAL, armed, latched, rows, ticking
from world import alive

from monitor.facts import Family, Verdict
from monitor.store.protocol import Change
from monitor.turns.lookout import NO_MINUTES
from monitor.turns.minutes import Heard, Pace, minute_of, pace_of

PAGES = ("volume_page", "volume")
STEPPED = Pace(0.0, away_s=inf)


def world(directory, **more):
    turns = ticking(directory / "state", volume=USUAL, **more)
    turns.serve((0.0, "v1"))
    return turns


@pytest.fixture
def turns(tmp_path):
    yield from alive(world(tmp_path))


@pytest.fixture
def stepped(tmp_path):
    yield from alive(world(tmp_path, pace=STEPPED))


def pass_minutes(turns, first, last, many=50):
    """So many rows and a look each minute; what the last look found."""
    for minute in range(first, last):
        if many:
            turns.count(rows(many, 60.0 * minute))
        found = turns.looked(60.0 * (minute + 1))
    return found


def paged_after(turns, many, first=10):
    """Minutes until the volume pages; None within half an hour."""
    pass_minutes(turns, 0, first)
    for minute in range(first, first + 30):
        if PAGES in latched(pass_minutes(turns, minute, minute + 1, many)):
            return minute + 1 - first
    return None


@pytest.mark.parametrize(("many", "within"), [(0, 5), (200, 10), (5, 10)])
def test_silence_a_flood_and_a_trickle_page_within_minutes(turns, many, within):
    assert paged_after(turns, many) <= within


def test_ordinary_traffic_pages_nobody(turns):
    assert paged_after(turns, 50, first=60) is None


def test_a_page_says_in_how_many_minutes_rows_were_beyond_what_is_usual(turns):
    paged_after(turns, 200)
    [slot] = turns.looked(1e4).slots[PAGES]
    assert slot.reading.why.startswith("rows a minute: above the usual 98 % in ")
    assert " minutes, band 0 to " in slot.reading.why
    assert slot.start >= 540.0


def test_silence_says_that_there_was_no_row_at_all(turns):
    paged_after(turns, 0)
    [slot] = turns.looked(1e4).slots[PAGES]
    assert slot.reading.why.startswith("rows a minute: no row at all in ")


@pytest.mark.parametrize("hours", [1, 8, 24 * 40])
def test_a_daemon_that_was_away_pages_nobody(turns, hours):
    pass_minutes(turns, 0, 10)
    turns.restart()
    turns.serve((0.0, "v1"))
    first = 10 + 60 * hours
    assert PAGES not in latched(turns.looked(60.0 * first))
    assert PAGES not in latched(pass_minutes(turns, first, first + 10))
    assert armed(turns).rows["volume"] == 9 + 9


def test_a_process_that_stood_still_pages_nobody(turns):
    pass_minutes(turns, 0, 10)
    assert PAGES not in latched(pass_minutes(turns, 200, 210))
    assert armed(turns).rows["volume"] == 9 + 8


@pytest.mark.parametrize("calm", [10, 300])
def test_an_absence_too_short_to_be_seen_pages_nobody(turns, calm):
    pass_minutes(turns, 0, calm)
    assert PAGES not in latched(turns.looked(60.0 * (calm + 2)))
    assert armed(turns).rows["volume"] == calm + 1
    assert PAGES not in latched(pass_minutes(turns, calm + 2, calm + 12))


def test_an_absence_before_a_tick_is_due_is_remembered_until_then(turns):
    pass_minutes(turns, 0, 10)
    turns.looked(1000.0, commit=False)
    turns.looked(1000.0)
    assert armed(turns).heard == Heard(16, 16)


def test_the_minute_in_which_the_watch_began_is_not_judged(turns):
    pass_minutes(turns, 0, 3)
    assert armed(turns).heard == Heard(0, 2)


def test_a_step_of_hours_judges_every_minute_once(stepped):
    stepped.count(*(rows(50, 60.0 * minute) for minute in range(180)))
    for now in (60.0, 5400.0, 5430.0, 10_800.0):
        found = stepped.looked(now)
    assert (armed(stepped).rows["volume"], latched(found)) == (179, [])


def test_silence_pages_within_a_few_steps_of_hours(stepped):
    pass_minutes(stepped, 0, 10)
    steps = [latched(stepped.looked(3600.0 * hour)) for hour in range(1, 7)]
    assert (PAGES in steps[0], PAGES in steps[-1]) == (False, True)


def test_of_a_step_of_a_month_the_last_day_is_judged(stepped):
    pass_minutes(stepped, 0, 10)
    stepped.looked(30 * 86_400.0)
    assert armed(stepped).rows["volume"] == 9 + 1440


def test_minutes_wait_for_late_rows(tmp_path):
    turns = world(tmp_path, pace=Pace(60.0))
    pass_minutes(turns, 0, 10)
    assert armed(turns).heard == Heard(0, 8)
    turns.close()


def test_minutes_wait_until_what_came_is_counted(turns):
    pass_minutes(turns, 0, 3)
    turns.send(rows(50, 180.0))
    turns.looked(240.0)
    assert armed(turns).heard == Heard(0, 2)
    turns.count()
    turns.looked(300.0)
    assert armed(turns).heard == Heard(0, 4)


def test_minutes_that_the_store_has_forgotten_are_not_silent(stepped):
    stepped.store.commit(Change(horizon=86_400.0 + 60))
    stepped.looked(86_400.0 + 180)
    assert armed(stepped).rows["volume"] == 3


def test_of_panes_that_are_no_minutes_nothing_is_told(tmp_path):
    turns = world(tmp_path, pace=Pace(0.0, pane_s=300))
    found = pass_minutes(turns, 0, 20, many=0)
    [slot] = found.slots["volume_page", ""]
    assert (slot.reading.verdict, slot.reading.why) == (Verdict.UNKNOWN, NO_MINUTES)
    turns.close()


def test_minutes_alone_do_not_make_others_ok(turns):
    turns.looked(60.0)
    found = pass_minutes(turns, 1, int(CALM_S / 60) + 2, many=0)
    assert armed(turns).came(Family.VOLUME) > 0
    assert found.slots["features_page", ""][0].reading.verdict is Verdict.UNKNOWN


@given(st.integers(-5, 50), st.integers(0, 50), st.integers(0, 50))
def test_what_is_unknown_is_never_judged_and_what_was_judged_never_again(unknown, since, more):
    heard = Heard(since, since + more)
    after = heard.after(unknown)
    assert after.upto == max(heard.upto, unknown)
    assert heard.since <= after.since <= after.upto


@pytest.mark.parametrize(("look_every_s", "away_s"), [(1.0, 120.0), (60.0, 120.0), (600.0, 1200.0)])
def test_nobody_is_away_between_two_looks_that_come_in_time(look_every_s, away_s):
    assert pace_of(60.0, 60, look_every_s, stepped=False) == Pace(60.0, 60, away_s)
    assert pace_of(60.0, 60, look_every_s, stepped=True).away_s == inf
    assert minute_of(away_s) == away_s // 60


def test_looks_that_a_reload_makes_rarer_leave_the_volume_judged(turns):
    pass_minutes(turns, 0, 10)
    turns.look.ticking.renew(pace_of(0.0, 60, 600.0, stepped=False))
    for start in range(10, 60, 10):
        for minute in range(start, start + 10):
            turns.count(rows(50, 60.0 * minute))
        turns.looked(60.0 * (start + 10))
    assert armed(turns).rows["volume"] == 59


def test_looks_that_a_reload_makes_more_frequent_lose_no_minute(tmp_path):
    turns = world(tmp_path, pace=pace_of(0.0, 60, 600.0, stepped=False))
    pass_minutes(turns, 0, 1)
    turns.look.ticking.renew(pace_of(0.0, 60, 60.0, stepped=False))
    for minute in range(1, 11):
        turns.count(rows(50, 60.0 * minute))
    turns.looked(660.0)
    assert armed(turns).rows["volume"] == 10
    turns.close()
