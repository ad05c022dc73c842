"""Label windows: each closes once, on coverage or at its deadline, and what comes later is only counted."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import json

from monitor.turns.closing import SETTLED_MIN, Closing, Coverage, Terms, begin, due

HOUR = 3600
TERMS = Terms(window_s=HOUR, coverage=0.9, deadline_s=24.0 * HOUR, grace_s=60.0)


class Feed:
    """Rows and labels of windows as they come, and what closed."""

    def __init__(self, terms=TERMS, since=0.0):
        self.terms, self.state = terms, begin(terms, since)
        self.kept, self.labelled, self.came, self.bets = {}, {}, {}, []

    def rows(self, start, kept=0, labelled=0):
        self.kept[start] = self.kept.get(start, 0) + kept
        self.labelled[start] = self.labelled.get(start, 0) + labelled
        self.came[start] = self.came.get(start, 0) + labelled

    def read(self, start):
        return Coverage(self.kept.get(start, 0), self.labelled.get(start, 0))

    def look(self, now):
        found = due(self.terms, self.state, self.came, now, self.read)
        self.state, self.came = json.decode(json.encode(found.after), type=Closing), {}
        self.bets += [(start, self.labelled.get(start, 0)) for start in found.starts]
        return found.starts


@pytest.fixture
def feed():
    return Feed()


def test_a_window_closes_when_enough_is_labelled_and_once(feed):
    feed.rows(0, 100, 89)
    assert feed.look(2 * HOUR) == ()
    feed.rows(0, labelled=1)
    assert feed.look(3 * HOUR) == (0,)
    feed.rows(0, labelled=10)
    assert [feed.look(now * HOUR) for now in range(4, 40)] == [()] * 36


def test_it_does_not_close_before_it_is_over_and_its_grace(feed):
    feed.rows(0, 100, 100)
    assert feed.look(HOUR) == feed.look(HOUR + 59) == ()
    assert feed.look(HOUR + 60) == (0,)


def test_at_its_deadline_it_closes_with_what_is_there(feed):
    feed.rows(0, 100, 20)
    assert feed.look(25 * HOUR - 1) == ()
    assert feed.look(25 * HOUR) == (0,)
    assert (feed.state.by_coverage, feed.state.by_deadline, feed.state.settled) == (0, 1, ((100, 20),))


def test_rows_that_nobody_labels_close_nothing_before_the_deadline(feed):
    feed.rows(0, 100, 95)
    feed.rows(0, 1_000_000)
    assert [feed.look(now * HOUR) for now in range(2, 25)] == [()] * 23


def test_labels_that_come_later_are_counted_and_not_bet_on(feed):
    feed.rows(0, 100, 95)
    feed.look(2 * HOUR)
    feed.rows(0, labelled=5)
    feed.look(3 * HOUR)
    feed.look(30 * HOUR)
    feed.rows(0, labelled=2)
    feed.look(31 * HOUR)
    assert (feed.bets, feed.state.revised) == ([(0, 95)], 7)


def test_labels_taken_back_revise_nothing_to_count(feed):
    feed.rows(0, 100, 95)
    feed.look(2 * HOUR)
    feed.rows(0, labelled=-5)
    feed.look(3 * HOUR)
    assert feed.state.revised == 0


def test_where_few_rows_are_ever_labelled_that_many_are_enough(feed):
    for hour in range(SETTLED_MIN):
        feed.rows(hour * HOUR, 100, 10)
    feed.look(40 * HOUR)
    assert feed.state.expected_share == pytest.approx(0.1)
    feed.rows(40 * HOUR, 100, 8)
    assert feed.look(42 * HOUR) == ()
    feed.rows(40 * HOUR, labelled=1)
    assert feed.look(43 * HOUR) == (40 * HOUR,)


def test_a_window_without_a_label_is_never_enough(feed):
    for hour in range(SETTLED_MIN):
        feed.rows(hour * HOUR, 100)
    feed.look(40 * HOUR)
    feed.rows(40 * HOUR, 100)
    assert feed.look(42 * HOUR) == ()


def test_an_epoch_watched_since_later_does_not_bet_on_windows_that_were_over():
    feed = Feed(since=5.5 * HOUR)
    feed.rows(4 * HOUR, 100, 100)
    feed.rows(5 * HOUR, 100, 100)
    assert feed.look(7 * HOUR) == (5 * HOUR,)


def test_a_window_that_nobody_saw_until_its_deadline_had_passed_is_over(feed):
    feed.look(30 * HOUR)
    feed.rows(0, 100, 100)
    assert feed.look(31 * HOUR) == ()
    assert feed.state.revised == 100


def test_a_backlog_closes_at_once_and_in_order(feed):
    for hour in (7, 3, 5):
        feed.rows(hour * HOUR, 10, 10)
    assert feed.look(100 * HOUR) == (3 * HOUR, 5 * HOUR, 7 * HOUR)


def test_a_clock_set_back_closes_nothing_twice(feed):
    feed.rows(0, 10, 10)
    assert feed.look(30 * HOUR) == (0,)
    feed.rows(0, labelled=1)
    assert [feed.look(now * HOUR) for now in (2, 20, 31)] == [(), (), ()]


def test_only_windows_to_which_something_came_are_read(feed):
    for hour in range(10):
        feed.rows(hour * HOUR, 10, 1)
    feed.look(12 * HOUR)
    asked = []
    due(TERMS, feed.state, {3 * HOUR: 1}, 12 * HOUR + 60.0, lambda start: asked.append(start) or Coverage(10, 2))
    assert asked == [3 * HOUR]


EVENTS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 20), st.integers(0, 20)), max_size=30)


@given(EVENTS, st.lists(st.integers(0, 60 * 40), max_size=40))
def test_every_window_with_rows_is_bet_on_exactly_once_whatever_comes_and_whenever_one_looks(events, looks):
    feed = Feed()
    arrivals = [(120 * place, event) for place, event in enumerate(events)]
    for at, event in sorted([*arrivals, *((at, None) for at in looks)], key=lambda each: each[0]):
        if event is None:
            feed.look(60.0 * at)
        elif event[0] * HOUR >= feed.state.first:
            feed.rows(event[0] * HOUR, event[1] + event[2], event[2])
    feed.look(50.0 * HOUR)
    assert sorted(start for start, _ in feed.bets) == sorted(feed.kept)


@settings(max_examples=50)
@given(st.lists(st.integers(61, 24 * 60), min_size=1, max_size=30))
def test_labels_that_are_complete_give_the_same_bets_whatever_the_look_times(minutes):
    feed = Feed()
    for hour in range(4):
        feed.rows(hour * HOUR, 100, 90 + hour)
    for minute in sorted(minutes):
        feed.look(60.0 * minute)
    feed.look(28.0 * HOUR)
    assert sorted(feed.bets) == [(hour * HOUR, 90 + hour) for hour in range(4)]


def test_the_state_is_as_small_as_the_deadline(feed):
    for hour in range(200):
        feed.rows(hour * HOUR, 10, 9)
        feed.look((hour + 1) * HOUR + 60.0)
    assert len(feed.state.open) + len(feed.state.closed) <= 26
    assert len(json.encode(feed.state)) < 1000


def test_after_a_clock_that_was_years_ahead_is_set_back_windows_close_as_they_end(feed):
    feed.look(9_000.0 * HOUR)
    feed.look(5.0 * HOUR)
    feed.rows(6 * HOUR, kept=100, labelled=95)
    feed.look(6.5 * HOUR)
    assert feed.look(7 * HOUR + 60.0) == (6 * HOUR,)


def test_a_window_that_closed_is_not_closed_again_when_the_clock_is_set_back(feed):
    feed.rows(0, kept=100, labelled=95)
    assert feed.look(HOUR + 60.0) == (0,)
    feed.look(0.5 * HOUR)
    feed.rows(0, labelled=5)
    assert feed.look(HOUR + 60.0) == ()
