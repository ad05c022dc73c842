"""Pooling: columns that are alike share one number, columns that differ keep their own."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.panes.rhythm_pool import Pool

NOISE = np.full(60, 0.04)


def estimates(spread, seed=1):
    rng = np.random.default_rng(seed)
    true = 1.0 + spread * rng.normal(size=60)
    return true, true + 0.2 * rng.normal(size=60)


def test_columns_that_are_alike_share_their_mean():
    _, found = estimates(0.0)
    drawn = Pool.of(found, NOISE).drawn(found, NOISE)
    assert drawn.std() < 0.3 * found.std()
    assert drawn == pytest.approx(np.ones(60), abs=0.2)


def test_columns_that_differ_keep_their_own():
    _, found = estimates(5.0)
    assert Pool.of(found, NOISE).drawn(found, NOISE) == pytest.approx(found, abs=0.05)


@pytest.mark.parametrize("spread", [0.0, 0.1, 0.2, 0.5])
def test_what_is_drawn_is_nearer_to_the_truth(spread):
    true, found = estimates(spread)
    drawn = Pool.of(found, NOISE).drawn(found, NOISE)
    assert ((drawn - true) ** 2).mean() < ((found - true) ** 2).mean()


@pytest.mark.parametrize("many", [0, 1])
def test_one_column_stands_for_itself(many):
    pool = Pool.of(np.full(many, 3.0), np.full(many, 1.0))
    assert not pool.stands
    assert pool.drawn(np.array([7.0]), np.array([1.0])) == pytest.approx([7.0])


@given(st.lists(st.floats(-10, 10), min_size=2, max_size=20), st.floats(1e-6, 10))
def test_nothing_is_drawn_beyond_the_mean(found, noise):
    found = np.array(found)
    pool = Pool.of(found, np.full(len(found), noise))
    drawn = pool.drawn(found, np.full(len(found), noise))
    low, high = np.minimum(found, pool.mean), np.maximum(found, pool.mean)
    assert ((low - 1e-9 <= drawn) & (drawn <= high + 1e-9)).all()
