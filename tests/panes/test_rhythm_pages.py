"""Bands of a simulated week against the month that follows: what wanders by itself does not page.

Mean scores of minutes stand for columns: normal with the wander as mean, and the noise of 60 rows. They are bet against
with a mixture of tempered Gaussian likelihood ratios in a Shiryaev-Roberts detector, weights as features have them.
"""

import math

import numpy as np
import pytest
from rhythmworld import World

from monitor.panes.rhythm import Z
from monitor.panes.rhythm_bands import DEFAULT_LEARNING
from monitor.panes.rhythm_fit import DESIGN_MARGIN
from monitor.panes.rhythm_noise import Common, judge, look
from monitor.panes.rhythm_season import Slots, fit_season

ROWS, FEATURES = 60, 50
PAGE_MINUTES, WEIGHT = 43_200.0, 0.2 / FEATURES / 6
BETS = np.array([0.1, 0.3, 0.9])[:, np.newaxis]


def simulate(world, days, rng):
    """Mean scores f8[minutes, features]."""
    means = world.means(days, rng)
    design = 1 + (world.session - 1) * world.agree
    return means + rng.normal(size=means.shape) * math.sqrt(design / ROWS)


def learn(scores):
    """Centre, half of the band, and design effect, f8[features] each."""
    quarters = scores.reshape(-1, 15, FEATURES).sum(axis=1) * ROWS
    many = len(quarters)
    slots = Slots(quarters, np.full(many, 15.0 * ROWS), (np.arange(many) + 0.5) / 4, 0.25)
    season = fit_season(slots)
    left = slots.sums - slots.rows[:, np.newaxis] * season.expected
    hours = scores.reshape(-1, 60, FEATURES)
    minutes = ROWS * hours.var(axis=1, ddof=1).mean(axis=0)
    single = [Slots(left[:, at : at + 1], slots.rows, slots.hours, 0.25) for at in range(FEATURES)]
    raws = [look(one, np.ones(1), np.ones(1), minutes[at : at + 1]) for at, one in enumerate(single)]
    common, found = Common.of(raws), []
    for at, raw in enumerate(raws):
        noise = judge(raw, common, np.ones(1))
        error = math.hypot(noise.error[0], season.variance[at] ** 0.5)
        half = math.hypot(Z * error, noise.reach * noise.wander[0]) + DEFAULT_LEARNING.tolerance
        found.append((season.centre[at], half, DESIGN_MARGIN * max(1.0, noise.design[0])))
    return np.array(found).T


def pages(scores, centre, half, design):
    """Features that page in these minutes, each once: a page latches."""
    ratios, paged = np.zeros((6, FEATURES)), np.zeros(FEATURES, bool)
    for score in scores:
        beyond = ROWS * np.stack([score - centre - half, centre - half - score])[:, np.newaxis]
        logs = (BETS * beyond - ROWS / 2 * BETS**2) / design
        ratios *= np.exp(np.clip(logs, -50, 50)).reshape(6, FEATURES)
        paged |= WEIGHT * ratios.sum(axis=0) >= PAGE_MINUTES
        ratios += 1
    return int(paged.sum())


@pytest.mark.soak
@pytest.mark.parametrize(
    "world",
    [
        World(features=FEATURES),
        World(wander=0.1, session=10, agree=0.3, features=FEATURES),
        World(wander=0.1, memory_h=24.0, features=FEATURES),
        World(wander=0.1, memory_h=12.0, features=FEATURES),
    ],
    ids=["still", "hours", "a day", "half a day"],
)
def test_what_wanders_by_itself_pages_less_than_once_a_month(world):
    found = []
    for seed in range(6):
        rng = np.random.default_rng([seed, 11])
        found.append(pages(simulate(world, 30, rng), *learn(simulate(world, 7, rng))))
    assert sum(found) <= 6, found
