"""Quantiles for people: inside the stated rank error, and not known outside of the edges."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.facts import Histogram, Subject
from monitor.panes.count import bin_rows, count_rows
from monitor.panes.display import Quantile, quantiles
from monitor.panes.reference import NumericBins

SHARES = [0.01, 0.25, 0.5, 0.75, 0.99]


@given(st.lists(st.floats(-2, 12), min_size=1, max_size=80), st.lists(st.floats(0, 1), min_size=1, max_size=5))
@settings(max_examples=200)
def test_the_true_rank_lies_within_the_stated_error(layout_of, rows, values, shares):
    layout = layout_of(NumericBins("x", (0.0, 1.0, 2.5, 5.0, 10.0)))
    histogram = layout.features(count_rows(layout, bin_rows(layout, rows({"x": values}))))[0]
    for found in quantiles(histogram, shares):
        if found.value is not None:
            below = np.mean(np.array(values) < found.value), np.mean(np.array(values) <= found.value)
            assert below[0] - found.rank_error - 1e-9 <= found.share <= below[1] + found.rank_error + 1e-9


def test_even_bins_are_interpolated_to_what_numpy_says(layout_of, rows):
    values = np.random.default_rng(1).normal(size=20_000)
    edges = tuple(np.quantile(values, np.linspace(0, 1, 21)).tolist())
    layout = layout_of(NumericBins("x", edges))
    histogram = layout.features(count_rows(layout, bin_rows(layout, rows({"x": values}))))[0]
    for found, expected in zip(quantiles(histogram, SHARES[1:4]), np.quantile(values, SHARES[1:4]), strict=True):
        assert found.value == pytest.approx(expected, abs=0.1)
        assert found.rank_error <= 0.0501


def test_a_quantile_outside_of_the_edges_is_not_known():
    histogram = Histogram("x", True, (20, 60, 20), edges=(0.0, 1.0))
    assert quantiles(histogram, [0.1, 0.5, 0.9]) == (
        Quantile(0.1, None, None),
        Quantile(0.5, 0.5, 0.3),
        Quantile(0.9, None, None),
    )


def test_a_constant_is_its_own_quantile():
    (found,) = quantiles(Histogram("x", True, (0, 9, 0), edges=(4.0,)), [0.5])
    assert found.value == 4.0


def test_a_value_with_a_bin_of_its_own_is_answered_with_it():
    histogram = Histogram("x", True, (0, 90, 0, 10, 0), edges=(0.0, 5e-324, 1.0, 2.0))
    assert quantiles(histogram, [0.5])[0].value == pytest.approx(0.0, abs=1e-300)


def test_scores_have_quantiles_too(small, rows):
    some = rows({"x": [0.0] * 64, "c": ["red"] * 64}, scores=[(i + 0.5) / 64 for i in range(64)])
    score = small.view(count_rows(small, bin_rows(small, some)), Subject.SCORE)
    assert [q.value for q in quantiles(score, [0.0, 0.5, 1.0])] == [0.0, 0.5, 1.0]


def test_the_widest_edges_do_not_overflow():
    histogram = Histogram("x", True, (0, 2, 0), edges=(-1.7e308, 1.7e308))
    assert quantiles(histogram, [0.5])[0].value == 0.0


@pytest.mark.parametrize(
    "histogram",
    [
        Histogram("x", True, (0, 0, 0), edges=(0.0, 1.0)),
        Histogram("x", True, (1, 1)),
        Histogram("c", False, (5, 5, 0, 0)),
    ],
)
def test_without_values_or_edges_nothing_is_known(histogram):
    assert quantiles(histogram, [0.5]) == (Quantile(0.5, None, None),)
