"""Moments are exact integers that add, and mean and standard deviation are numpy's up to a step."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.panes import moments
from monitor.panes.build import find_scale
from monitor.panes.count import bin_rows, count_rows
from monitor.panes.moments import CLIP, STEPS, describe, sum_moments
from monitor.panes.reference import NumericBins

BAD = "<bad>"
cells = st.one_of(st.floats(-1e4, 1e4), st.floats(), st.none(), st.just(BAD))


def histogram(layout, some):
    return layout.features(count_rows(layout, bin_rows(layout, some)))[0]


@pytest.mark.parametrize("centre", [0.0, 1e9, -3.7])
def test_mean_and_deviation_are_numpys_within_half_a_step(layout_of, rows, centre):
    values = np.random.default_rng(1).normal(centre, 3.0, 20_000)
    x = histogram(layout_of(NumericBins("x", (centre - 9, centre, centre + 9), centre, 4.0)), rows({"x": values}))
    step = 4.0 / STEPS
    assert x.mean == pytest.approx(values.mean(), abs=step / 2)
    assert x.std**2 == pytest.approx(values.var(), abs=step**2 + step * values.std() * 2 / math.sqrt(20_000))


def test_whole_numbers_are_summed_exactly(layout_of, rows):
    values = np.random.default_rng(2).integers(-500, 500, 5_000).astype(float)
    x = histogram(layout_of(NumericBins("x", (0.0, 1.0), 3.0, 256.0)), rows({"x": values}))
    assert (x.mean, x.std) == (pytest.approx(values.mean(), rel=1e-15), pytest.approx(values.std(), rel=1e-14))


def test_deviation_does_not_cancel_far_from_zero(layout_of, rows):
    values = 1.7e9 + np.arange(1_000.0)
    x = histogram(layout_of(NumericBins("x", (1.7e9, 1.8e9), 1.7e9 + 500, 512.0)), rows({"x": values}))
    assert x.std == pytest.approx(np.arange(1_000.0).std(), rel=1e-12)


@given(st.lists(cells, min_size=1, max_size=60), st.data())
@settings(max_examples=150)
def test_any_split_gives_the_same_sums(layout_of, rows, column, data):
    layout = layout_of(NumericBins("x", (-1.0, 0.0, 1.0), 0.3, 0.5), NumericBins("y", (5.0,), 5.0, 2.0))
    some = rows({"x": column, "y": column[::-1]})
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=some.n, max_size=some.n)))
    whole = count_rows(layout, bin_rows(layout, some))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(moments, "_CHUNK", 7)
        parts = [count_rows(layout, bin_rows(layout, some.take(part))) for part in (mask, ~mask)]
    assert parts[1] + parts[0] == whole


def test_only_numbers_in_bins_are_summed(layout_of, rows):
    layout = layout_of(NumericBins("x", (0.0, 1.0), 0.0, 1.0))
    x = histogram(layout, rows({"x": [1.0, None, math.nan, math.inf, -math.inf, BAD, 3.0]}))
    assert (x.n, x.mean, x.std) == (2, 2.0, 1.0)


def test_a_value_far_away_counts_as_the_bound(layout_of, rows):
    x = histogram(layout_of(NumericBins("x", (0.0, 1.0), 0.0, 1.0)), rows({"x": [1.7e308, -1.7e308, 1e6]}))
    assert x.mean == pytest.approx(CLIP / STEPS / 3)


@pytest.mark.parametrize("edges", [(-1.7e308, 1.7e308), (0.0, 5e-324), (5e-324,)])
def test_the_extremes_of_doubles_give_a_finite_mean_or_none(layout_of, rows, edges):
    scale = find_scale(min(edges[-1] - edges[0], 1e308))
    x = histogram(layout_of(NumericBins("x", edges, edges[0], scale)), rows({"x": list(edges)}))
    assert x.mean is None or math.isfinite(x.mean)


def test_nothing_has_no_mean(layout_of, rows):
    x = histogram(layout_of(NumericBins("x", (0.0, 1.0))), rows({"x": [None, math.nan]}))
    assert (x.mean, x.std) == (None, None)


def test_a_column_that_the_rows_lack_has_no_sums(layout_of, rows):
    assert histogram(layout_of(NumericBins("x", (0.0, 1.0))), rows({"y": [1.0, 2.0]})).mean is None


def test_a_constant_has_no_deviation():
    assert describe(NumericBins("x", (2.0,), 2.0, 2.0), 9, 0, 0) == (2.0, 0.0)


def test_a_full_buffer_of_the_worst_rows_is_summed_exactly():
    worst, n = np.full(3 * moments._CHUNK + 1, 1e9), 3 * moments._CHUNK + 1
    sums = sum_moments([NumericBins("x", (0.0,), 0.0, 1.0)], [worst], np.zeros((1, n), np.uint8))
    assert sums.tolist() == [[n * CLIP, n * CLIP * CLIP]]
    assert moments._CHUNK * CLIP**2 < 2**53  # so partial sums in doubles are exact, whatever their order
    assert 2**31 * CLIP**2 == 2**63  # the promised bound on rows


@given(st.floats(0, allow_nan=False))
def test_a_scale_is_the_least_power_of_two_that_suffices(needed):
    scale = find_scale(needed)
    assert math.frexp(scale)[0] == 0.5
    if 2.0**-999 < needed < 2.0**999:
        assert scale / 2 < needed <= scale
