"""A band holds its own history: what comes for hours on end is few pieces of news, and what does not is left alone."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rhythmworld import W2, W3, W4, build, rain

from monitor.panes import rhythm_fit
from monitor.panes.layout import Layout
from monitor.panes.reference import decode_reference, encode_reference
from monitor.panes.rhythm_fit import NOT_HELD
from monitor.panes.rhythm_held import HISTORIES, STEP, Lanes
from monitor.panes.signals import Signals, What
from monitor.panes.tilts import ETAS, share_costs

SLOTS_A_DAY, ROWS = 96, 30.0


def lanes(days, share, edge=0.5, design=1.0):
    """One lane: `share` f8[T] of ROWS rows a slot against a band that ends at `edge`."""
    slots = days * SLOTS_A_DAY
    hours = np.arange(slots) / 4
    shown = (ROWS * share)[:, np.newaxis]
    costs = share_costs(np.array([[edge]]))
    return Lanes(shown, np.full(slots, ROWS), hours, np.zeros(slots, int), ETAS, costs, np.array([design]))


def storms(days, hours, every):
    """All of the rows for so many hours, once in `every` days, and none of the others."""
    at = np.arange(days * SLOTS_A_DAY) / 4
    return (at % (24 * every) < hours).astype(float)


def logs(lane, factor=1.0):
    """log L by slot and bet, f8[T, bets]."""
    return (np.array(lane.etas) * lane.shown - lane.rows[:, np.newaxis] * lane.cost[:, 0, 0]) / lane.design[0] / factor


def highest(lane, factor):
    """What the replay's evidence reaches, in histories, told slot by slot as process.py does it."""
    evidence, top = np.zeros(len(lane.etas)), 0.0
    for told in logs(lane, factor):
        evidence *= np.exp(told)
        top = max(top, float(evidence.mean()))
        evidence += 15
    return top / (15 * len(lane.rows))


def test_what_stays_inside_its_band_is_left_alone():
    assert lanes(7, np.full(7 * SLOTS_A_DAY, 0.5)).tempered().tolist() == [1.0]


def test_a_storm_now_and_then_is_tempered_until_its_history_is_held():
    lane = lanes(30, storms(30, hours=10, every=6))
    (factor,) = lane.tempered()
    assert factor > 2
    assert highest(lane, 1.0) > HISTORIES > highest(lane, factor)


def test_equal_storms_gain_a_factor_of_e_squared_at_most_and_nearly_that():
    lane = lanes(30, storms(30, hours=10, every=3))
    (factor,) = lane.tempered()
    gain = logs(lane, factor)[:40].sum(axis=0).max()  # of ten hours
    assert 2 / STEP < gain <= 2  # their mean beyond 1 is at most 1


def test_a_storm_twice_as_long_is_tempered_twice_as_much():
    short, long = (lanes(60, storms(60, hours, every=20)).tempered()[0] for hours in (10, 20))
    assert short * 2 / STEP <= long <= short * 2 * STEP


def test_a_history_that_is_beyond_its_band_half_of_the_time_has_nothing_to_say():
    assert lanes(4, storms(4, hours=24, every=2)).tempered().tolist() == [np.inf]


def test_a_year_of_few_rows_that_gain_nothing_is_no_storm():
    rng = np.random.default_rng(1)
    quiet = lanes(365, rng.binomial(2, 0.4, 365 * SLOTS_A_DAY) / 2, edge=0.5, design=20.0)
    assert quiet.tempered().tolist() == [1.0]


def test_fair_lanes_are_tempered_no_more_often_than_is_said():
    rng, many = np.random.default_rng(2), 200
    share = rng.binomial(int(ROWS), 0.5, (4 * SLOTS_A_DAY, many)) / ROWS
    lane = lanes(4, np.zeros(4 * SLOTS_A_DAY))
    costs = np.repeat(lane.cost, many, axis=2)
    fair = Lanes(ROWS * share, lane.rows, lane.hours, lane.place, ETAS, costs, np.ones(many))
    allowed = many / HISTORIES
    assert (fair.tempered() > 1).sum() <= allowed + 4 * allowed**0.5


def test_without_rows_nothing_is_replayed():
    lane = lanes(3, storms(3, 10, 3))
    none = Lanes(0 * lane.shown, 0 * lane.rows, lane.hours, lane.place, lane.etas, lane.cost, lane.design)
    assert none.tempered().tolist() == [1.0]


@settings(max_examples=25)
@given(st.integers(1, 20), st.integers(1, 10), st.floats(0.05, 0.9), st.floats(1.0, 20.0))
def test_what_is_held_stays_below_twenty_histories(hours, every, edge, design):
    lane = lanes(10, storms(10, hours, every), edge, design)
    (factor,) = lane.tempered()
    assert factor >= 1
    assert np.isinf(factor) or highest(lane, factor) < HISTORIES


def cuts(reference):
    table = Signals.table(Layout.of(reference))
    return [band for sign, band in zip(table.signals, reference.rhythm.signals, strict=True) if sign.what is What.ABOVE]


def test_rain_is_worth_a_row_a_spell_and_not_a_row_a_flight():
    (wet, *_) = cuts(build(*rain(42, 1)))
    assert wet.centre is not None
    assert wet.design > 20  # within an hour all rows agree, so minutes of an hour say nothing: it was 1.1


@pytest.mark.parametrize("world", [replace(world, rows_a_minute=10.0, features=2) for world in (W2, W3, W4)])
def test_what_wanders_as_bands_allow_keeps_the_design_effect_that_was_measured(world, monkeypatch):
    times, values, _ = world.rows(7, 5)
    held = build(times, values).rhythm
    monkeypatch.setattr(rhythm_fit, "temper", lambda _group, _edges, designs, _kinds: np.ones(len(designs)))
    assert build(times, values).rhythm == held


def test_what_no_design_effect_can_hold_is_unknown_in_words(monkeypatch):
    monkeypatch.setattr(rhythm_fit, "temper", lambda _group, _edges, designs, _kinds: np.full(len(designs), np.inf))
    reference = build(*replace(W2, rows_a_minute=10.0, features=1).rows(3, 3)[:2])
    assert {band.why for band in cuts(reference)} == {NOT_HELD}
    assert decode_reference(encode_reference(reference)) == reference
