"""However deltas are split into folds, late, repeated, restarted and forgotten: sums are those of a dict."""

import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from storeworld import MODEL, body, key, open_store, rows_of, settle, total

from monitor.store import Change
from monitor.store.panes import DAY, HOUR, cover, detail_start
from monitor.store.parts import Limits

minutes = st.integers(-2 * 24 * 60, 4 * 24 * 60).map(lambda minute: minute * 60)
times = st.one_of(minutes, st.integers(-2 * DAY, 4 * DAY), st.sampled_from([0, HOUR, DAY, 2 * DAY]))


@given(start=times, end=times, pane=times)
def test_cover_counts_each_pane_of_the_window_exactly_once(start, end, pane):
    begins = {0: pane, HOUR: pane // HOUR * HOUR, DAY: pane // DAY * DAY}
    hits = sum(piece.start <= begins[piece.span] < piece.end for piece in cover(start, end, -2.0 * DAY))
    assert hits == (start <= pane < end)


@given(start=times, end=times, pane=times, horizon=times)
def test_cover_counts_a_day_before_the_horizon_whole_or_not_at_all(start, end, pane, horizon):
    begins = {0: pane, HOUR: pane // HOUR * HOUR, DAY: pane // DAY * DAY}
    pieces = cover(start, end, horizon)
    hits = [piece.span for piece in pieces if piece.start <= begins[piece.span] < piece.end]
    if pane >= detail_start(horizon):
        assert len(hits) == (start <= pane < end)
    else:
        day = pane // DAY * DAY
        assert hits == ([DAY] if start <= day and day + DAY <= min(end, detail_start(horizon)) else [])


def rows_needed(start, end):
    return sum((piece.end - piece.start) / (piece.span or 60) for piece in cover(start, end, -1e9))


@given(start=minutes, length=st.integers(0, 90 * 24 * 60).map(lambda minute: minute * 60))
def test_a_window_of_minutes_needs_few_rows(start, length):
    assert rows_needed(start, start + DAY) <= 83
    assert rows_needed(start, start + length) <= 2 * 59 + 2 * 23 + length / DAY


class PanesAreADict(RuleBasedStateMachine):
    """Folds, restarts, consumption, a moving horizon; after each step windows equal those of a Counter."""

    @initialize()
    def begin(self):
        self.directory = tempfile.TemporaryDirectory()
        self.store = open_store(Path(self.directory.name))
        self.panes, self.folds, self.number, self.horizon, self.consumed = Counter(), {}, 0, 0.0, 0

    @rule(
        starts=st.lists(st.integers(0, 3 * 24 * 60).map(lambda m: m * 60), min_size=1, max_size=4),
        counts=st.integers(-3, 9),
        epoch=st.integers(1, 2),
        replica=st.sampled_from("ab"),
        skip=st.integers(1, 3),
    )
    def fold(self, starts, counts, epoch, replica, skip):
        self.number += skip
        deltas = [(key(start, epoch=epoch, replica=replica), body(counts, 1)) for start in starts]
        self.store.commit(Change(fold=self.number, deltas=deltas))
        self.folds[self.number] = [(at, counts + 1) for at, _ in deltas]
        self.panes.update({at: (counts + 1) * starts.count(at.start) for at, _ in dict(deltas).items()})

    @rule(hours=st.integers(0, 40))
    def forget(self, hours):
        self.horizon += hours * HOUR
        self.store.commit(Change(horizon=self.horizon))

    @rule(back=st.integers(0, 3))
    def consume(self, back):
        self.consumed = max(self.consumed, self.number - back)
        self.store.commit(Change(consumed=self.consumed))

    @rule()
    def restart(self):
        self.store.close()
        self.store = open_store(Path(self.directory.name))

    @invariant()
    def windows_are_right(self):
        detail = detail_start(self.horizon)
        for start, end in [(0, 4 * DAY), (detail, 4 * DAY), (detail + 5_430, detail + DAY + 120), (0, detail)]:
            expected = sum(n for at, n in self.panes.items() if at.epoch == 1 and start <= at.start < end)
            assert total(each for _, each in self.store.panes(MODEL, 1, "", "ref", start, end)) == expected

    @invariant()
    def deltas_are_right(self):
        kept = {fold: deltas for fold, deltas in self.folds.items() if fold > self.consumed}
        touched = {at: fold for fold in sorted(kept) for at, _ in kept[fold]}
        assert self.store.touched(self.consumed) == sorted(touched.items())
        expected = sum(n for deltas in kept.values() for at, n in deltas if at.epoch == 2)
        assert (
            total([body for _, body in self.store.delta(MODEL, 2, "", "ref", self.consumed, self.number)]) == expected
        )

    def teardown(self):
        self.store.close()
        self.directory.cleanup()


PanesAreADict.TestCase.settings = settings(max_examples=15, stateful_step_count=12, deadline=None)
TestPanesAreADict = PanesAreADict.TestCase


@pytest.fixture
def store(tmp_path):
    opened = open_store(tmp_path)
    yield opened
    opened.close()


def test_forgotten_detail_and_consumed_deltas_free_their_space(store):
    store.commit(Change(fold=1, deltas=[(key(minute * 60), body(1)) for minute in range(2 * 24 * 60)]))
    store.commit(Change(horizon=1.0 * DAY, consumed=1))
    settle(store)
    assert rows_of(store, "deltas") == 0
    assert rows_of(store, "panes") == 24 * 60 + 24 + 2


def test_a_late_pane_before_the_horizon_is_added_to_its_day_alone(store):
    store.commit(Change(horizon=2.0 * DAY))
    store.commit(Change(fold=1, deltas=[(key(60), body(5))]))
    assert rows_of(store, "panes") == 1
    assert total(each for _, each in store.panes(MODEL, 1, "", "ref", 0, DAY)) == 5


def test_a_window_of_days_needs_none_that_is_too_old():
    assert cover(0, 9 * DAY, 5.0 * DAY, 2.0 * DAY) == [(DAY, 2 * DAY, 5 * DAY), (DAY, 5 * DAY, 9 * DAY)]
    assert cover(0, 2 * DAY, 5.0 * DAY, 2.0 * DAY) == []


AGE_DAYS = 10


@pytest.fixture
def aged(tmp_path):
    """A store that keeps sums of days for ten days; it opens a state again, as after a restart."""
    stores = []

    def opened():
        if stores:
            stores[-1].close()
        stores.append(open_store(tmp_path, Limits(free_bytes_min=1 << 20, panes_age_max_s=AGE_DAYS * DAY)))
        return stores[-1]

    yield opened
    stores[-1].close()


def live(store, days, **which):
    """A pane a day, and a look at the end of each that remembers two days in detail."""
    for day in days:
        fold = store.position().fold + 1
        store.commit(Change(fold=fold, deltas=[(key(day * DAY, **which), body(1))]))
        now = (day + 1.0) * DAY
        store.commit(Change(horizon=max(0.0, now - 2 * DAY), now=now, consumed=fold))
    settle(store)


def days_of(store, **which):
    at = key(**which)
    found = store.panes(at.model, at.epoch, at.segment, at.reference, 0, 1_000 * DAY)
    return [each.start // DAY for each, _ in sorted(found, key=lambda one: one[0].start)]


def test_sums_of_days_that_are_too_old_are_forgotten_and_those_within_stay(aged):
    store = aged()
    live(store, range(30))
    assert days_of(store) == list(range(20, 30))
    assert rows_of(store, "panes") == AGE_DAYS + 2 + 2  # two days in detail
    assert days_of(aged()) == list(range(20, 30))


def test_what_is_too_old_is_hidden_before_it_is_deleted(aged):
    store = aged()
    live(store, range(12))
    store._commits.chores = lambda before: {}  # nothing is ever deleted
    live(store, range(12, 30))
    assert days_of(store) == list(range(20, 30))
    assert rows_of(store, "panes") > 18


def test_a_pane_that_is_too_old_when_it_comes_is_in_no_sum(aged):
    store = aged()
    live(store, range(30))
    store.commit(Change(fold=31, deltas=[(key(19 * DAY + 60), body(5)), (key(20 * DAY + 60), body(5))]))
    assert total(each for _, each in store.panes(MODEL, 1, "", "ref", 0, 30 * DAY)) == 10 + 5


def test_a_series_without_panes_is_dropped_and_counted_right_when_it_comes_again(aged):
    store = aged()
    live(store, range(2), segment="old")
    live(store, range(2, 4), segment="other")
    live(store, range(4, 20))
    assert rows_of(store, "series") == 1
    live(store, range(20, 22), segment="old")
    live(store, range(22, 24), segment="new")
    assert [days_of(store, segment=each) for each in ("old", "new", "other")] == [[20, 21], [22, 23], []]
    assert days_of(store) == list(range(14, 20))
    store = aged()
    live(store, range(24, 25), segment="other")
    assert [days_of(store, segment=each) for each in ("old", "new", "other")] == [[20, 21], [22, 23], [24]]


def test_a_series_whose_deltas_are_still_wanted_stays(aged):
    store = aged()
    store.commit(Change(fold=1, deltas=[(key(60), body(7))]))
    store.commit(Change(horizon=28.0 * DAY, now=30.0 * DAY))
    settle(store)
    assert rows_of(store, "panes") == 0
    assert store.touched(0) == [(key(60), 1)]
    assert store.delta(MODEL, 1, "", "ref", 0, 1) == [(60, body(7))]


def test_a_series_that_is_dropped_while_a_fold_is_prepared_is_written_again(aged):
    store = aged()
    live(store, range(1), segment="old")
    commits = store._commits
    prepare = commits.prepare

    def dropped_meanwhile(change):
        prepared = prepare(change)
        if change.deltas:
            assert store._writer.run(lambda: store._opened.db.execute("DELETE FROM panes").get) is None
            store._writer.run(lambda: store._opened.series.drop(store._opened.db, 100))
            assert rows_of(store, "series") == 0
        return prepared

    commits.prepare = dropped_meanwhile
    live(store, range(1, 2), segment="old")
    commits.prepare = prepare
    live(store, range(2, 3), segment="new")
    assert [days_of(store, segment=each) for each in ("old", "new")] == [[1], [2]]
    assert [days_of(aged(), segment="old"), rows_of(aged(), "series")] == [[1], 2]


def test_numbers_of_series_are_never_those_of_others(aged):
    store = aged()
    for day in range(40):
        live(store, range(day, day + 1), epoch=day + 1)
        if day % 7 == 0:
            store = aged()
    assert [days_of(store, epoch=day + 1) for day in range(40)] == [[]] * 30 + [[day] for day in range(30, 40)]
    assert rows_of(store, "series") == AGE_DAYS


def test_windows_are_of_one_moment_while_folds_go_on(store):
    """Every fold adds one row to each of two panes that lie in different pieces of the window."""
    import threading

    def folds():
        for number in range(1, 60):
            store.commit(Change(fold=number, deltas=[(key(0), body(1)), (key(DAY + 60), body(1))]))

    folding = threading.Thread(target=folds)
    folding.start()
    sums = [total(each for _, each in store.panes(MODEL, 1, "", "ref", 0, DAY + 120)) for _ in range(200)]
    folding.join()
    assert all(each % 2 == 0 for each in sums)
