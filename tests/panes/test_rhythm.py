"""Bands: what was planted is found, what is true lies inside, and what nobody can know is unknown."""

from functools import cache

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rhythmworld import MONDAY_S, W1, W2, W3, W4, World, build, shares_above

from monitor.errors import Corrupt
from monitor.panes.layout import Layout
from monitor.panes.normal import mean_scores, normal_quantile
from monitor.panes.reference import decode_reference, encode_reference
from monitor.panes.rhythm import DAILY, WEEKLY, share_band, wave_basis
from monitor.panes.rhythm_bands import Learning
from monitor.panes.rhythm_count import DAY_S, Days, Plan
from monitor.panes.rhythm_noise import tick_hours
from monitor.panes.rhythm_season import Slots
from monitor.panes.signals import Signals, What

MONDAY_H = int(MONDAY_S // 3600)


@cache
def learned(world, days=7, seed=1):
    """The reference of a simulated week, and its table of signals."""
    times, values, _ = world.rows(days, seed)
    reference = build(times, values)
    return reference, Signals.table(Layout.of(reference))


def cuts(table):
    """Places, columns and edges of the cuts of features."""
    found = [(i, int(s.column[1:]), float(s.item)) for i, s in enumerate(table.signals) if s.what is What.ABOVE]
    return tuple(np.array(each) for each in zip(*found, strict=True))


def inside(world, seed, days=7, months=1):
    """Of true hourly shares of a month that follows, how many lie in their band; and whether all bands are known."""
    reference, table = learned(world, days, seed)
    places, columns, edges = cuts(table)
    means = world.means(30 * months, np.random.default_rng(seed + 1000))
    hourly = means.reshape(-1, 60, world.features).mean(axis=1)
    held = []
    for hour in range(0, len(hourly), 7):
        bounds, true = reference.rhythm.bounds(MONDAY_H + hour), shares_above(edges, hourly[hour, columns])
        held.append((bounds.low[places] <= true) & (true <= bounds.high[places]))
    return float(np.mean(held))


@pytest.mark.parametrize(("world", "least"), [(W1, 1.0), (W2, 1.0), (W3, 0.99), (W4, 0.97)])
def test_true_hourly_shares_of_the_next_month_lie_inside(world, least):
    assert inside(world, 1) >= least


def test_with_neither_tolerance_nor_wander_the_promise_would_be_empty():
    reference, table = learned(W3)
    rhythm = reference.rhythm
    still = tuple(msgspec.structs.replace(band, wander=0.0) for band in rhythm.signals)
    bounds = msgspec.structs.replace(rhythm, signals=still, tolerance=0.0).bounds(0)
    places, columns, edges = cuts(table)
    means = W3.means(30, np.random.default_rng(3))[::60]
    true = shares_above(edges, means[:, columns])
    assert np.mean((bounds.low[places] <= true) & (true <= bounds.high[places])) < 0.6


def test_a_planted_day_is_found_with_its_phase():
    rhythm, table = learned(W2)[0].rhythm, learned(W2)[1]
    assert (rhythm.waves, rhythm.period) == (DAILY, 24)
    places, _, edges = cuts(table)
    for hour in range(24):
        bounds = rhythm.bounds(hour)
        mean = 0.3 * np.cos(2 * np.pi * (hour + 0.5 - 15) / 24)
        middle = (bounds.low + bounds.high)[places] / 2
        assert middle == pytest.approx(shares_above(edges, mean), abs=0.012)


def test_a_world_without_a_day_gets_none():
    assert learned(W1)[0].rhythm.period == 1
    assert not any(band.waves for band in learned(W3)[0].rhythm.signals)


@cache
def weekend():
    """Three weeks whose weekends lie half a standard deviation higher."""
    times, values, _ = World(rows_a_minute=10, features=1).rows(22, 3)
    values[(times - MONDAY_S) // DAY_S % 7 >= 5] += 0.5
    return build(times, values)


def test_a_weekend_is_found_in_three_weeks():
    rhythm = weekend().rhythm
    assert (rhythm.waves, rhythm.period) == (WEEKLY, 168)
    middle = [float(rhythm.bounds(MONDAY_H + day * 24 + 12).score_low[0]) for day in range(7)]
    assert min(middle[5:]) > max(middle[:5]) + 0.3


def test_a_week_is_not_believed_after_two():
    times, values, _ = World(rows_a_minute=10, features=1).rows(14, 3)
    values[(times - MONDAY_S) // DAY_S % 7 >= 5] += 0.5
    assert build(times, values).rhythm.period <= 24


def test_sessions_show_in_the_design_effect():
    rhythm = learned(W3)[0].rhythm
    assert rhythm.scored[0].band.design == pytest.approx(1.1 * (1 + 9 * 0.3), rel=0.12)
    assert learned(W1)[0].rhythm.scored[0].band.design == pytest.approx(1.1, rel=0.06)


def test_wander_is_measured_and_not_seen_where_there_is_none():
    assert [each.band.wander for each in learned(W3)[0].rhythm.scored] == pytest.approx([0.1] * 4, rel=0.45)
    assert max(each.band.wander for each in learned(W1)[0].rhythm.scored) < 0.015


def test_the_standard_error_is_that_of_the_long_run():
    still, wandering = learned(W1)[0], learned(W3)[0]
    assert [each.band.error for each in still.rhythm.scored] == pytest.approx([still.rows**-0.5] * 4, rel=0.6)
    expected = 0.1 * np.sqrt(2 * 3 / 168)  # of the mean of a week that wanders by 0.1 for 3 hours
    assert [each.band.error for each in wandering.rhythm.scored] == pytest.approx([expected] * 4, rel=0.6)


def test_a_band_reaches_farther_the_fewer_memories_its_history_holds():
    reach = {world: np.median([each.band.reach for each in learned(world)[0].rhythm.scored]) for world in (W1, W3, W4)}
    assert reach[W1] < 3.1
    assert 3.05 < reach[W3] < 3.5
    assert reach[W4] > 4


def test_columns_that_wander_alike_have_one_width():
    widths = {world: [each.band.wander for each in learned(world)[0].rhythm.scored] for world in (W3, W4)}
    assert max(widths[W3]) < 1.25 * min(widths[W3])
    assert np.median(widths[W4]) == pytest.approx(0.1, rel=0.4)


def test_the_order_of_rows_and_the_cut_into_batches_change_nothing():
    times, values, _ = World(rows_a_minute=1, features=2).rows(3, 2)
    values = values.round(1) // 0.5  # few distinct values: the edges then do not depend on the order either
    order = np.random.default_rng(1).permutation(len(times))
    whole = encode_reference(build(times, values))
    assert encode_reference(build(times, values, size=97)) == whole
    assert encode_reference(build(times[order], values[order], size=1000)) == whole


@given(st.lists(st.integers(0, 5 * 86_400), min_size=1, max_size=60), st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_any_history_gives_bands_that_are_intervals_or_unknown(seconds, seed):
    rng = np.random.default_rng(seed)
    values = rng.choice([np.nan, np.inf, 0.0, 1.0, 2.5], (len(seconds), 2))
    reference = build(MONDAY_S + np.array(seconds, float), values)
    assert decode_reference(encode_reference(reference)) == reference
    bounds = reference.rhythm.bounds(5)
    known = ~np.isnan(bounds.low)
    assert (bounds.low[known] <= bounds.high[known]).all()
    assert (bounds.design[~np.isnan(bounds.design)] >= 1).all()
    assert all(band.why for band in reference.rhythm.signals if band.centre is None)


def test_without_times_bands_are_wide_and_it_is_said():
    times, values, _ = World(rows_a_minute=10, features=1).rows(7, 2)
    timed, untimed = build(times, values).rhythm, build(np.full(len(times), np.nan), values).rhythm
    assert (untimed.timed, untimed.period) == (False, 1)
    assert "no times" in untimed.why
    assert {band.design for band in untimed.signals if band.wander == 0 and band.rows > 0} == {Learning().design}
    assert untimed.scored[0].band.error > 1.5 * timed.scored[0].band.error
    assert untimed.signals[4].rows == pytest.approx(len(times) / 4, abs=1)


def test_an_hour_of_history_is_no_rhythm():
    times, values, _ = World(features=1).rows(1 / 24, 2)
    rhythm = build(times, values).rhythm
    assert not rhythm.timed
    assert "the history spans 1 hours" in rhythm.why


def test_a_set_never_seen_has_a_band_above_nothing():
    reference, table = learned(W1)
    bounds = reference.rhythm.bounds(0)
    at = [s.what for s in table.signals].index(What.MISSING)
    rows = reference.rows
    assert bounds.low[at] == 0
    assert 9 / (rows + 9) < bounds.high[at] < 0.0003


def test_too_few_rows_are_unknown_and_say_so():
    rhythm = build(MONDAY_S + np.arange(20) * 20_000.0, np.arange(20.0)[:, np.newaxis]).rhythm
    assert (
        np.isnan(rhythm.bounds(0).low).sum() == len(rhythm.signals) - 2
    )  # ids that come again, and pairs, are assumed
    assert rhythm.signals[0].why == "20 rows of the history had a value"


def test_a_column_that_jumps_for_days_has_no_band_that_would_hold_everything():
    times, values, _ = World(rows_a_minute=5, features=1).rows(7, 2)
    values += np.where((times - MONDAY_S) // DAY_S >= 4, 4.0, 0.0)[:, np.newaxis]
    reference = build(times, values)
    at = [s.what for s in Signals.table(Layout.of(reference)).signals].index(What.ABOVE) + 4
    assert "would hold nearly everything" in reference.rhythm.signals[at].why


def test_gaps_of_days_neither_stop_nor_widen_it():
    times, values, _ = World(daily=0.3, features=1).rows(14, 2)
    keep = np.isin((times - MONDAY_S) // DAY_S, (0, 1, 2, 3, 8, 9, 10, 11, 12))
    rhythm = build(times[keep], values[keep]).rhythm
    assert rhythm.waves == DAILY
    assert rhythm.scored[0].band.wander < 0.02


def test_an_empty_night_leaves_the_day():
    times, values, _ = World(daily=0.5, features=1).rows(7, 2)
    day = times % DAY_S / 3600 >= 5
    rhythm = build(times[day], values[day]).rhythm
    assert (rhythm.waves, rhythm.unseen) == (DAILY, tuple(range(5)))
    assert not np.isnan(rhythm.bounds(12).low[0])
    assert np.isnan(rhythm.bounds(3).low[0])  # waves say nothing of hours that nobody saw
    assert rhythm.bounds(3).high[-1] == rhythm.bounds(12).high[-1]


def test_a_year_is_learned_from():
    times, values, _ = World(daily=0.3, rows_a_minute=0.5, features=1).rows(365, 2)
    rhythm = build(times, values).rhythm
    assert rhythm.waves[:3] == DAILY
    assert rhythm.scored[0].band.error < 0.01


def test_one_absurd_time_does_not_stretch_the_history():
    days = Days()
    days.update(np.concatenate([MONDAY_S + np.arange(10_000) * 60.0, [0.0, 4e9, np.nan, np.inf, 1e300]]))
    assert (days.chosen()[0], days.chosen()[-1]) == (MONDAY_S // DAY_S, MONDAY_S // DAY_S + 6)


@given(st.integers(1, 4000), st.integers(10, 200_000), st.sampled_from([1 << 22, 1 << 26]))
def test_tables_stay_within_the_memory(days, cells, memory):
    plan = Plan.of(np.arange(19_000, 19_000 + days), cells, memory)
    planned = 4 * cells * (plan.slots + 60 * len(plan.hours))
    assert planned <= memory + 4 * cells * 61
    assert plan.slots * plan.slot_s >= days * DAY_S


@pytest.mark.parametrize("days", [7, 14, 28, 30])
def test_counted_hours_meet_every_hour_of_the_day(days):
    hours = Plan.of(np.arange(19_000, 19_000 + days), 500).hours
    assert len(hours) == 168
    assert set((hours % 24).tolist()) == set(range(24))


def test_a_band_at_the_ends_stays_a_share():
    low, high = share_band(np.array([0.0, 0.5, 1.0]), np.full(3, 100.0), np.zeros(3), np.full(3, 3.0), 0.04)
    assert low.tolist() == pytest.approx([0.0, 0.3363, 0.9064], abs=1e-4)
    assert high.tolist() == pytest.approx([0.0936, 0.6637, 1.0], abs=1e-4)


def test_waves_repeat_after_their_period():
    basis = wave_basis(WEEKLY, np.array([3.5, 171.5]))
    assert basis[0] == pytest.approx(basis[1])
    assert np.abs(wave_basis(DAILY, np.array([0.0, 24.0])) - [[1, 0] * 3] * 2).max() < 1e-12


def test_normal_scores_have_mean_nothing_and_the_reference_spread():
    shares = np.full((1, 20), 0.05)
    z = mean_scores(shares)[0]
    assert abs(z.mean()) < 1e-12
    assert np.sqrt((z**2).mean()) == pytest.approx(0.991, abs=0.002)
    assert normal_quantile(np.array([0.0, 0.5, 0.999, 1.0])) == pytest.approx([-np.inf, 0, 3.0902323, np.inf])


def test_an_edited_band_is_refused():
    reference = learned(W1)[0]
    worse = msgspec.structs.replace(reference.rhythm.signals[0], design=0.5)
    rhythm = msgspec.structs.replace(reference.rhythm, signals=(worse, *reference.rhythm.signals[1:]))
    with pytest.raises(Corrupt, match="band contradicts itself"):
        decode_reference(encode_reference(msgspec.structs.replace(reference, rhythm=rhythm)))


def test_a_constant_and_a_column_of_nothing_have_bands_for_what_may_go_wrong():
    times, values, _ = World(rows_a_minute=2, features=3).rows(7, 2)
    values[:, 1], values[:, 2] = 7.0, np.nan
    reference = build(times, values)
    table, bounds = Signals.table(Layout.of(reference)), reference.rhythm.bounds(0)
    found = {(s.column, s.what): (bounds.low[i], bounds.high[i]) for i, s in enumerate(table.signals)}
    assert not {("x1", What.ABOVE), ("x2", What.ABOVE)} & set(found)
    assert found["x1", What.OVER] == pytest.approx((0, 0), abs=0.002)
    assert found["x1", What.MISSING] == pytest.approx((0, 0), abs=0.002)
    assert found["x2", What.MISSING] == pytest.approx((1, 1), abs=0.002)


def test_rows_without_a_time_teach_the_counts_and_not_the_rhythm():
    times, values, _ = World(features=4).rows(7, 2)
    whole = build(times, values).rhythm
    times[::10] = np.nan
    most = build(times, values).rhythm
    assert most.timed
    assert most.scored[0].band.rows <= 0.9 * len(times) < whole.scored[0].band.rows


def test_rows_of_other_hours_are_not_counted_by_minute():
    plan = Plan.of(np.arange(19_000, 19_100), 500)
    minutes = plan.minute_of(np.arange(19_000 * 1440, 19_100 * 1440) * 60.0)
    assert np.count_nonzero(minutes >= 0) == 60 * len(plan.hours)
    assert len(set(minutes.tolist())) == 60 * len(plan.hours) + 1
    assert plan.minute_of(np.array([np.nan, np.inf, -1e300])).tolist() == [-1, -1, -1]


def households(rows_an_hour: float, days: int, seed: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Rows spread evenly, always three of one household after each other: values that agree at .5."""
    rng = np.random.default_rng(seed)
    many = int(rows_an_hour * 24 * days) // 3 * 3
    shared = np.repeat(rng.normal(size=many // 3), 3)
    values = np.sqrt(0.5) * shared + np.sqrt(0.5) * rng.normal(size=many)
    return MONDAY_S + (np.arange(many) + 0.5) * 3600 / rows_an_hour, values[:, np.newaxis]


def test_clusters_of_a_slow_stream_are_a_design_effect_and_no_wander():
    """Three rows that agree at .5: 1 + 2 * .5, less what the end of an hour cuts off; no minute has two rows."""
    band = build(*households(8.0, 90)).rhythm.scored[0].band
    assert 1.1 * 1.5 < band.design < 1.1 * 2.1
    assert band.wander < 0.12  # as wander it would be sqrt((2 - 1) / 8) = .35


def test_a_fast_stream_is_judged_by_its_minutes():
    held = World(rows_a_minute=10, features=1).rows(3, 2)[0]
    slots = Slots(np.zeros((72, 1)), np.full(72, len(held) / 72), np.arange(72.0), 1.0)
    assert tick_hours(slots) == 1 / 60
    assert tick_hours(Slots(slots.sums, np.full(72, 8.0), slots.hours, 1.0)) == 1.0
    assert tick_hours(Slots(slots.sums, np.full(72, 0.01), slots.hours, 1.0)) == 4.0


@pytest.mark.parametrize(("world", "low", "high"), [(W1, 0.0, 0.001), (W4, 0.003, 0.2)])
def test_what_was_never_seen_borrows_how_rows_of_its_column_hang_together(world, low, high):
    reference, table = learned(world)
    at = [(s.column, s.what) for s in table.signals].index(("x0", What.OVER))
    assert low < reference.rhythm.bounds(0).high[at] < high


def test_above_the_warmest_of_a_column_that_knows_no_independent_rows_nothing_is_promised():
    rng = np.random.default_rng(3)
    hourly = np.convolve(rng.normal(size=24 * 14 + 71), np.ones(72) / 72, "valid")
    times = MONDAY_S + np.arange(24 * 14 * 30) * 120.0
    reference = build(times, np.repeat(hourly, 30)[:, np.newaxis])
    signals = Signals.table(Layout.of(reference)).signals
    over = reference.rhythm.signals[[s.what for s in signals].index(What.OVER)]
    missing = reference.rhythm.signals[[s.what for s in signals].index(What.MISSING)]
    assert "would hold nearly everything" in over.why
    assert missing.centre == 0.0


def test_sharp_hours_that_waves_do_not_follow_are_wander():
    """Above .5 from 9 to 12 and never else: within an hour nothing varies, so all that is left over is misfit."""
    times = MONDAY_S + np.arange(14 * 1440) * 60.0
    hour = times // 3600 % 24
    values = np.where((hour >= 9) & (hour < 12), 1.0, 0.0)[:, np.newaxis]
    reference = build(times, values)
    band = reference.rhythm.signals[0]
    assert band.centre is None or band.wander > 0.15
