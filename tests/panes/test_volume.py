"""Volume: a flood, a trickle and silence are minutes beyond what their hour has; what is usual is inside its band."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from watchedworld import MONDAY_S, built, learned, row_counts, stream

from monitor.detectors.sequential import Ledger, Plan, step
from monitor.facts import Family
from monitor.panes.build import HistoryBatch
from monitor.panes.layout import Layout
from monitor.panes.rhythm_bands import Learning
from monitor.panes.rhythm_volume import learn_volume
from monitor.panes.signals import Signals, What
from monitor.panes.volume import ITEMS, due_minutes

HOUR = int(MONDAY_S // 3600)
DAY = 1440


def traffic(days, seed=1, swing=0.5):
    """Rows of minutes, with a day's rhythm."""
    hours = np.arange(days * DAY) // 60 % 24
    rates = 60 * (1 + swing * np.cos(2 * np.pi * (hours - 14) / 24))
    return np.random.default_rng(seed).poisson(rates).astype(np.int64)


def test_quantiles_follow_the_hour():
    found = learn_volume(traffic(14), 0).volume
    assert found.low[2] < found.high[2] < found.low[14] < found.high[14]
    assert (found.low[14], found.high[14]) == (
        pytest.approx(90 - 2.05 * 9.5, abs=4),
        pytest.approx(90 + 2.05 * 9.5, abs=4),
    )


def test_minutes_of_other_days_lie_beyond_in_about_two_of_a_hundred():
    share = learn_volume(traffic(14), 0).beyond.mean(axis=0)
    assert share[:2] == pytest.approx([0.02, 0.02], abs=0.008)
    assert share[2] == 0


def test_days_that_differ_are_no_news_because_days_are_held_out():
    rows = (traffic(3, swing=0).reshape(3, DAY) * np.array([[0.6], [1.0], [1.4]])).astype(np.int64).ravel()
    found = learn_volume(rows, 0)
    assert found.beyond[:, :2].mean() > 0.2
    assert found.volume.judge(np.arange(3 * DAY) // 60, rows)[:, :2].mean() < 0.03


def test_a_gap_of_days_is_no_silence():
    rows = traffic(10)
    rows[3 * DAY : 5 * DAY] = 0
    found = learn_volume(rows, 0)
    assert (found.held.sum(), found.beyond[found.held, 2].sum()) == (8 * DAY, 0)


@pytest.mark.parametrize("rows", [np.zeros(5 * DAY, np.int64), traffic(1)], ids=["none", "one day"])
def test_less_than_two_days_teach_nothing(rows):
    assert learn_volume(rows, 0) is None


def test_minutes_are_judged_by_their_hour():
    layout, table = learned()
    volume, here = layout.reference.rhythm.volume, table.minutes
    found = table.count_minutes(volume, HOUR, np.array([10, 10, 0, 500, 1]))
    assert found.x[here][:3].tolist() == [1, 2, 1]
    assert found.n[here][:3].tolist() == [5, 5, 5]
    assert not found.n[: here.start].any()
    assert not table.count_minutes(None, HOUR, np.array([0])).n.any()


def minutes_until_paged(rows_a_minute):
    """Minutes until the page tier crosses, at full weight of all that is watched; None within an hour."""
    layout, table = learned()
    rhythm, plan, state = layout.reference.rhythm, Plan.of(table, Ledger()), None
    bounds = rhythm.bounds(HOUR)
    for minute in range(60):
        counted = table.count_minutes(rhythm.volume, HOUR, np.array([rows_a_minute]))
        said, state = step(plan, [(bounds, counted)], 1.0, state, 60.0 * minute)
        paged = [each for each in said.crossings if each.tier.value == "page"]
        if paged:
            assert {each.group for each in paged} == {"volume"}
            return minute + 1
    return None


@pytest.mark.parametrize(("rows", "within"), [(0, 5), (60, 12), (2, 12), (10, None)])
def test_silence_a_flood_and_a_trickle_page_within_minutes(rows, within):
    found = minutes_until_paged(rows)
    assert (found is None) == (within is None)
    assert within is None or found <= within, found


def test_of_a_part_of_the_traffic_nobody_knows_how_much_there_should_be():
    reference = built(stream(1, days=3), learning=Learning(whole=False))
    table = Signals.table(Layout.of(reference))
    rates = [b for s, b in zip(table.signals, reference.rhythm.signals, strict=True) if s.family is Family.VOLUME]
    assert reference.rhythm.volume is None
    assert [(band.centre, band.why) for band in rates] == [(None, "the history is a sample of the traffic")] * len(
        ITEMS
    )


def test_without_times_the_volume_is_unknown():
    batch = stream(1, days=1)
    batch.predictions.times[:] = np.nan
    reference = built(HistoryBatch(batch.predictions, batch.labels))
    table = Signals.table(Layout.of(reference))
    assert all(band.centre is None for band in reference.rhythm.signals[table.minutes])


@pytest.mark.parametrize(
    ("judged", "now", "due"),
    [(9, 659.9, []), (9, 690.0, [10]), (9, 750.0, [10, 11]), (11, 690.0, []), (20, 690.0, [])],
)
def test_a_minute_is_due_once_and_when_its_rows_have_come(judged, now, due):
    assert list(due_minutes(judged, now, 30.0)) == due


def test_after_a_long_stop_a_day_of_minutes_is_due():
    assert len(due_minutes(0, 1e9, 0.0)) == 1440


@given(st.lists(st.integers(0, 200), min_size=1, max_size=60), st.integers(0, 60))
def test_minutes_of_any_split_add_up(rows, cut):
    layout, table = learned()
    volume, rows = layout.reference.rhythm.volume, np.array(rows)
    whole = table.count_minutes(volume, HOUR, rows)
    both = table.count_minutes(volume, HOUR, rows[:cut]) + table.count_minutes(volume, HOUR, rows[cut:])
    assert (whole.x.tolist(), whole.n.tolist()) == (both.x.tolist(), both.n.tolist())


def stale(batch):
    layout, table = learned()
    found = table.count_stale(row_counts(layout, batch))
    told = {
        s.column: (int(x), int(n))
        for s, x, n in zip(table.signals, found.x, found.n, strict=True)
        if s.what is What.STALE
    }
    return told, found.n[: table.minutes.start].any()


def test_a_number_that_stands_still_is_stale_and_one_that_moves_is_not():
    batch = stream(4, days=1 / 1440, rows_a_minute=30)
    batch.predictions.columns["x"].values[:] = 0.37
    assert stale(batch) == ({"x": (1, 1), "y": (0, 1)}, False)


def test_a_change_of_one_step_is_a_change():
    batch = stream(4, days=1 / 1440, rows_a_minute=30)
    batch.predictions.columns["x"].values[:] = 0.37
    batch.predictions.columns["x"].values[3] = 0.372
    assert stale(batch)[0]["x"] == (0, 1)


def test_too_few_rows_to_tell_say_nothing():
    assert stale(stream(4, days=1 / 1440, rows_a_minute=2))[0] == {"x": (0, 0), "y": (0, 0)}


def test_of_a_column_that_is_mostly_zeros_many_rows_are_needed():
    batch = stream(1, days=3)
    batch.predictions.columns["y"].values[::20] = 7.0
    batch.predictions.columns["y"].values[np.arange(batch.predictions.n) % 20 > 0] = 0.0
    table = Signals.table(Layout.of(built(batch)))
    assert table.stale_rows == (4, 180)
