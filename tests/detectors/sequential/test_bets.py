"""E[L] <= 1 inside the band and = 1 at its edge, by exact enumeration: nothing here is estimated.

float32 keeps a multiplier to 24 bits and its exponent to 24 bits of at most 60: 5e-6 of it, hence the tolerance.
"""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ticks import SHARES, Z, bands, multipliers, plan_of, rows, share

ROUNDING = 5e-6
NEVER = {"warn": 1e30, "page": 1e30, "rollback": 1e30}  # a crossing would begin again from 0
EDGES = (1e-6, 0.001, 0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98, 0.999)


def binomial(n: int, p: float) -> np.ndarray:
    x = np.arange(n + 1)
    ways = np.array([math.comb(n, k) for k in x], float)
    return ways * p**x * (1 - p) ** (n - x)


def every_multiplier(n: int, low: float, high: float, design: float = 1.0) -> np.ndarray:
    """Of x = 0 .. n at once, as n + 1 signals of one plan: [x][6 bets rising, then 6 falling]."""
    plan = plan_of(*(share(f"features/{x}") for x in range(n + 1)), **NEVER)
    found = multipliers(plan, (bands([low] * (n + 1), high, design), rows(range(n + 1), n)))
    return found.reshape(6, n + 1, 2).transpose(1, 2, 0).reshape(n + 1, 12)


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("n", [5, 6, 7, 11, 23, 41, 60])
def test_no_bet_gains_on_average_at_the_edge_of_the_band(edge: float, n: int) -> None:
    found = every_multiplier(n, edge, edge)
    means = binomial(n, edge) @ found
    assert means == pytest.approx(np.ones(12), rel=ROUNDING)


@pytest.mark.parametrize("n", range(5, 61))
def test_no_bet_gains_on_average_inside_the_band(n: int) -> None:
    found = every_multiplier(n, 0.2, 0.45)
    for inside in np.linspace(0.2, 0.45, 6):
        assert (binomial(n, inside) @ found).max() <= 1 + ROUNDING


@pytest.mark.parametrize("n", [5, 20, 60])
def test_every_bet_gains_beyond_the_band_on_its_side_and_loses_on_the_other(n: int) -> None:
    means = binomial(n, 0.55) @ every_multiplier(n, 0.2, 0.3)
    assert (means[:6] > 1).all()
    assert (means[6:] < 1).all()


@pytest.mark.parametrize("cluster", [2, 3, 5, 10])
def test_tempered_by_the_size_of_clusters_no_bet_gains_on_rows_that_are_copies(cluster: int) -> None:
    n = 60
    found = every_multiplier(n, 0.25, 0.25, design=cluster)[::cluster]
    assert (binomial(n // cluster, 0.25) @ found).max() <= 1 + ROUNDING


def test_untempered_the_ratios_gain_on_copies_and_tick_bets_still_do_not() -> None:
    means = binomial(6, 0.25) @ every_multiplier(60, 0.25, 0.25)[::10]
    assert means[:3].min() > 1.02
    assert means[3:6] == pytest.approx(np.ones(3), rel=ROUNDING)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=6, max_size=6), st.floats(0.02, 0.98))
def test_tick_bets_gain_on_no_joint_law_whose_rows_keep_to_the_band(law: list[float], edge: float) -> None:
    weights = np.array(law) + 1e-9
    weights /= weights.sum()  # any law of x among 5 rows ...
    share_of_x = float(weights @ np.arange(6)) / 5
    kept = min(
        1.0, edge / share_of_x
    )  # ... mixed with "none" until a row falls into the set with at most the edge's share
    weights = kept * weights
    weights[0] += 1 - kept
    assert (weights @ every_multiplier(5, 0.0, edge)[:, 3:6]).max() <= 1 + ROUNDING


def test_rows_of_another_hour_are_bet_against_their_own_hours_band() -> None:
    plan = plan_of(share(falls=False), **NEVER)
    night, noon = bands(0.0, 0.1), bands(0.0, 0.6)
    laws = binomial(7, 0.1), binomial(8, 0.6)
    mean = sum(
        laws[0][x] * laws[1][y] * multipliers(plan, (night, rows(x, 7)), (noon, rows(y, 8)))
        for x, y in product(range(8), range(9))
    )
    assert mean == pytest.approx(np.ones(6), rel=ROUNDING)


def test_tick_bets_across_two_hours_gain_on_no_dependence_between_them() -> None:
    plan = plan_of(share(falls=False), **NEVER)
    night, noon = bands(0.0, 0.1), bands(0.0, 0.6)
    all_together = [(0.1, 7, 8), (0.5, 0, 8), (0.4, 0, 0)]  # one uniform number decides every row
    mean = sum(p * multipliers(plan, (night, rows(x, 7)), (noon, rows(y, 8))) for p, x, y in all_together)
    assert mean[3:] == pytest.approx(np.ones(3), rel=ROUNDING)


def tilted(tilt: float) -> np.ndarray:
    weights = SHARES * np.exp(tilt * Z)
    return weights / weights.sum()


@pytest.mark.parametrize(("low", "high"), [(-0.05, 0.05), (-0.4, 0.3), (0.1, 0.6), (-0.001, 0.0)])
def test_scores_gain_on_no_tilt_whose_mean_lies_in_the_band_and_nothing_at_its_edges(low: float, high: float) -> None:
    plan, bounds = (
        plan_of(share(rises=False, falls=False), scored=("features/a",), **NEVER),
        bands([0.5], 0.5, 1.0, ((low, high),)),
    )
    one = np.array([multipliers(plan, (bounds, rows(0, 0, 5 * np.eye(7, dtype=int)[b])))[:6] for b in range(7)]) ** 0.2
    means = {tilt: tilted(tilt) @ one for tilt in np.linspace(-2, 2, 801)}  # of one row: 5 alike are its fifth power
    inside = [mean for tilt, mean in means.items() if low <= tilted(tilt) @ Z <= high]
    assert max(mean.max() for mean in inside) <= 1 + ROUNDING
    assert max(mean[::2].max() for mean in inside) > 0.99, "the bets on a rise stand at the edge"


def test_scores_rise_with_the_mean_and_their_mirror_falls() -> None:
    plan, bounds = plan_of(share(), scored=("features/a",), **NEVER), bands([0.5], 0.5, 1.0, ((-0.1, 0.1),))
    up = multipliers(plan, (bounds, rows(30, 60, [0, 2, 8, 20, 20, 8, 2])))[:12].reshape(3, 4)[:, 2:]
    down = multipliers(plan, (bounds, rows(30, 60, [2, 8, 20, 20, 8, 2, 0])))[:12].reshape(3, 4)[:, 2:]
    assert (up[:2, 0] > 1).all()
    assert (up[:, 1] < 1).all()
    assert up == pytest.approx(down[:, ::-1], rel=1e-5)


def test_an_edge_that_no_tilt_of_the_bins_reaches_is_not_bet_on() -> None:
    plan = plan_of(share(rises=False, falls=False), scored=("features/a",), **NEVER)
    found = multipliers(plan, (bands([0.5], 0.5, 1.0, ((-9.0, 9.0),)), rows(0, 0, [9] * 7)))
    assert np.isnan(found).all(), "nothing was ever at stake"
