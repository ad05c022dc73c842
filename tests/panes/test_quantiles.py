"""Quantiles of a stream: within the promised rank error, the same for the same stream, however it is cut."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.panes.quantiles import CAPACITY, Quantiles

SHARES = [i / 20 for i in range(1, 20)]
N = 300_000


def fed(values, cuts=()) -> Quantiles:
    quantiles = Quantiles()
    for part in np.split(np.asarray(values, float), cuts):
        quantiles.update(part)
    return quantiles


def rank_error(values, found) -> float:
    """How far, as a share of the rows, each answer lies from the rank that was asked for."""
    ordered = np.sort(values)
    low = np.searchsorted(ordered, found, "left") / len(values)
    high = np.searchsorted(ordered, found, "right") / len(values)
    return float(max(np.max(low - SHARES), np.max(SHARES - high), 0.0))


def streams():
    rng = np.random.default_rng(7)
    yield "random", rng.normal(size=N)
    yield "sorted", np.arange(N, dtype=float)
    yield "reversed", np.arange(N, dtype=float)[::-1]
    yield "period of a buffer", (np.arange(N) % CAPACITY).astype(float)
    yield "alternating", np.where(np.arange(N) % 2, np.arange(N), -np.arange(N)).astype(float)
    yield "heavy tail", rng.lognormal(0, 5, N)
    yield "ties", rng.integers(0, 30, N).astype(float)


@pytest.mark.parametrize(("name", "values"), list(streams()))
def test_ranks_are_off_by_less_than_the_bound(name, values):
    bound = np.log2(N / CAPACITY) / CAPACITY
    assert rank_error(values, fed(values).at(SHARES)) < bound


@pytest.mark.parametrize(("name", "values"), list(streams()))
def test_alternation_keeps_ranks_far_inside_the_bound(name, values):
    assert rank_error(values, fed(values).at(SHARES)) < 0.001


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50))
def test_few_values_are_answered_exactly(values):
    expected = [sorted(values)[min(int(share * len(values)), len(values) - 1)] for share in (0.0, 0.5, 1.0)]
    assert fed(values).at([0.0, 0.5, 1.0]) == expected


@given(st.lists(st.integers(0, 20_000), max_size=5).map(sorted))
@settings(max_examples=25)
def test_it_does_not_matter_how_the_stream_is_cut(cuts):
    values = np.random.default_rng(2).normal(size=20_000)
    assert fed(values, cuts).at(SHARES) == fed(values).at(SHARES)


def test_answers_are_values_that_were_there():
    values = np.random.default_rng(2).normal(size=20_000)
    assert set(fed(values).at(SHARES)) <= set(values.tolist())


def test_nothing_has_no_quantiles():
    assert Quantiles().at(SHARES) == []


def test_memory_grows_with_the_logarithm_of_the_rows():
    quantiles = fed(np.random.default_rng(2).normal(size=N))
    assert len(quantiles._levels) <= np.log2(N / CAPACITY) + 2
