"""Rows that came and were refused are no silence: what they may have changed is unknown, with its reason."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tickworld import USUAL, armed, latched, rows, ticking
from world import alive, rule

from monitor.clock import ManualClock
from monitor.detectors.silence import Silence
from monitor.detectors.volume import Volume
from monitor.facts import Subject, Verdict
from monitor.panes.volume import MANY
from monitor.turns.refusals import KEPT, REFUSED, Refusals, RefusedMinutes, rows_between

PAGES = ("volume_page", "volume")
RULES = (
    rule("low", Subject.ARRIVALS, Volume(rows_min=40), 60.0),
    rule("silence", Subject.ARRIVALS, Silence(limit_s=120.0), 60.0),
)


@pytest.fixture
def turns(tmp_path):
    yield from alive(ticking(tmp_path / "state", *RULES, volume=USUAL))


def live(turns, first, last, many=50, refused=0):
    """So many rows a minute, and the turn after it; `refused` more were turned away in each."""
    for minute in range(first, last):
        turns.clock.step(60.0 * minute + 30.0)
        if refused:
            turns.refusals.note(refused)
        if many:
            turns.send(rows(many, 60.0 * minute))
        turns.settle(60.0 * (minute + 1))
    return turns.watched.slots


def reading(slots, name):
    return slots[name, ""][-1].reading


@pytest.fixture
def used(turns):
    turns.settle(0.0)
    live(turns, 0, 10)
    return turns


def breaches(slots):
    return [key for key, found in slots.items() if found and found[-1].reading.verdict is Verdict.BREACH]


@pytest.mark.parametrize("refused", [50, MANY], ids=["rejected rows", "requests that nobody read"])
def test_a_journal_that_takes_nothing_is_no_silence(used, refused):
    for minute in range(10, 25):
        slots = live(used, minute, minute + 1, many=0, refused=refused)
        assert breaches(slots) == []
    for name in ("low", "volume_page"):
        assert (reading(slots, name).verdict, reading(slots, name).why) == (Verdict.UNKNOWN, REFUSED)


def test_the_same_silence_breaches_where_nothing_was_refused(used):
    assert {("low", ""), ("silence", ""), PAGES} <= set(breaches(live(used, 10, 16, many=0)))


def test_a_silence_that_follows_is_told_by_its_own_minutes(used):
    live(used, 10, 20, many=0, refused=MANY)
    assert ("silence", "") not in breaches(live(used, 20, 22, many=0))
    assert {("silence", ""), PAGES} <= set(breaches(live(used, 22, 27, many=0)))


def test_a_handful_of_broken_rows_hides_no_outage(used):
    assert {("low", ""), PAGES} <= set(breaches(live(used, 10, 18, many=0, refused=3)))


def test_a_flood_pages_although_rows_were_refused(used):
    assert PAGES in breaches(live(used, 10, 20, many=200, refused=MANY))


def test_ordinary_rows_beside_refused_ones_leave_nothing_in_doubt_but_a_flood(used):
    slots = live(used, 10, 12, refused=5)
    assert (breaches(slots), armed(used).in_doubt) == ([], False)
    live(used, 12, 13, refused=MANY)
    assert armed(used).in_doubt


def test_a_restart_forgets_no_refusal_that_a_look_has_seen(used):
    live(used, 10, 12, many=0, refused=MANY)
    used.restart()
    used.settle(720.5)
    assert reading(used.watched.slots, "low").why == REFUSED
    assert used.refusals.of(range(10, 13)).tolist() == [MANY, MANY, 0]


def test_a_look_without_news_writes_no_refusals(used):
    kinds = {type(document) for _, document in used.commits[-1].puts}
    assert RefusedMinutes not in kinds


def test_rows_refused_before_a_step_of_the_clock_are_missing_from_all_of_it(tmp_path):
    refusals = Refusals(lambda: 60.0, 0.0, stepped=True)
    refusals.note(7)
    assert refusals.of(range(5)).tolist() == [0] * 5
    refusals.spread(200.0)
    assert refusals.of(range(5)).tolist() == [0, 7, 7, 7, 0]


@given(st.lists(st.integers(0, 20), max_size=12), st.integers(0, 4), st.integers(0, 20), st.integers(0, 10))
def test_a_minute_may_miss_what_was_refused_in_it_and_in_its_grace(minutes, grace, first, length):
    times = iter(minutes)
    refusals = Refusals(lambda: 60.0 * next(times), 60.0 * grace)
    for _ in minutes:
        refusals.note(2)
    expected = [2 * sum(m <= minute <= m + grace for minute in minutes) for m in range(first, first + length)]
    assert refusals.of(range(first, first + length)).tolist() == expected


def test_what_is_remembered_is_bounded():
    clock = ManualClock(0.0)
    refusals = Refusals(clock.now, 0.0)
    for minute in range(KEPT + 10):
        clock.step(60.0 * minute)
        refusals.note()
        refusals.note()
    assert len(refusals.unstored().minutes) == KEPT
    assert refusals.of(range(9, 11)).tolist() == [0, MANY]
    assert rows_between(refusals.of, 0.0, clock.now()) == MANY


def test_what_was_stored_is_not_stored_again():
    refusals = Refusals(lambda: 0.0, 0.0, before=RefusedMinutes(((0, 3),)))
    assert refusals.unstored() is None
    refusals.note(1)
    kept = refusals.unstored()
    assert kept == refusals.unstored() == RefusedMinutes(((0, 4),))
    refusals.committed(kept)
    assert refusals.unstored() is None


def test_a_minute_in_doubt_is_not_latched(used):
    live(used, 10, 12, many=0, refused=MANY)
    assert latched(used.looked(725.0)) == []
