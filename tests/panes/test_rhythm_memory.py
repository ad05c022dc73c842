"""Memory of a wander: planted ones are found, and a band reaches as far as so many memories demand."""

import numpy as np
import pytest
from scipy.stats import norm
from scipy.stats import t as student_t

from monitor.panes.rhythm_memory import REACH_MAX, correlations, memory_hours, student, taken


def wander(memory_h, days, columns=200, seed=1):
    """Means of panes of four hours, f8[panes, columns], around their own mean; variance 1 before that."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(size=(days * 48, columns))
    keep = np.exp(-0.5 / memory_h)
    steps[1:] *= np.sqrt(1 - keep * keep)
    for at in range(1, len(steps)):
        steps[at] += keep * steps[at - 1]
    panes = steps.reshape(-1, 8, columns).mean(axis=1)
    return panes - panes.mean(axis=0)


@pytest.mark.parametrize("memory_h", [1, 3, 12, 24])
def test_a_planted_memory_is_found_over_many_columns(memory_h):
    panes = wander(memory_h, 28)
    found = float(np.mean(correlations(panes, np.ones(len(panes)))))
    assert memory_hours(found) == pytest.approx(memory_h, rel=0.2)


@pytest.mark.parametrize(("memory_h", "days"), [(3, 7), (24, 7), (24, 28)])
def test_the_mean_takes_its_share_of_the_variance(memory_h, days):
    panes = wander(memory_h, days)
    whole = wander(memory_h, 7 * days).var()
    assert panes.var() / whole == pytest.approx(1 - taken(24 * days / memory_h), abs=0.1)


@pytest.mark.parametrize("freedom", [7, 10, 30, 200])
def test_the_reach_is_students_quantile(freedom):
    assert student(freedom) == pytest.approx(student_t.isf(norm.sf(3), freedom), rel=0.01)


def test_a_history_of_less_than_a_memory_reaches_beyond_every_band():
    assert student(2) > 19
    assert 19 < student(1) <= REACH_MAX


def test_memory_grows_with_correlation_and_is_finite():
    hours = [memory_hours(r) for r in np.linspace(0, 0.97, 50)]
    assert hours == sorted(hours)
    assert 0 < hours[0] < 0.1
    assert 70 < hours[-1] < 110


def test_two_panes_that_swing_about_their_mean_have_a_correlation_and_no_more():
    assert correlations(np.array([[3.0], [-3.0]]), np.array([3.0, 3.0])).tolist() == [-1.0]
