"""Twenty segments on a share of the budget: what they and all else page together, and how soon one that moved does."""

import math

import numpy as np
import pytest
from ticks import ALL_ON_FEATURES, Watched, bands, rows, run, share

from monitor.detectors.sequential import Ledger, Plan, Tier
from monitor.facts import Family

SEGMENTS = 20
PART = 0.1
WHOLE = "labels/error"
OF = tuple(f"labels/error@origin={at}" for at in range(SEGMENTS))
LABELS = ALL_ON_FEATURES | {"features": 0.0, "labels": 1.0}
APART = dict.fromkeys(OF, PART / SEGMENTS)


def planned(budget, share_=1 - PART, apart=APART):
    """The whole and its segments; only a rise is watched."""
    signals = tuple(share(group, falls=False, family=Family.LABELS) for group in (WHOLE, *OF))
    ledger = Ledger(**LABELS, warn=budget, page=budget, rollback=budget)
    return Plan.of(Watched(signals), ledger, share_, apart)


def pages(said, groups):
    return sum(c.tier is Tier.PAGE and c.group in groups for one in said for c in one.crossings)


def most(expected):
    """A crossing begins a group again: their number varies no more than Poisson's (test_promise.py)."""
    return expected + 4 * math.sqrt(expected)


def quiet(rng, minutes, p=0.3, n=40):
    """Labels of each segment in every minute, as often wrong as their band allows; the whole is their sum."""
    parts = rng.binomial(n, p, (minutes, SEGMENTS))
    x = np.column_stack([parts.sum(axis=1), parts])
    of = np.array([n * SEGMENTS, *[n] * SEGMENTS])
    return x, of


@pytest.mark.parametrize("seed", [3, 4])
def test_twenty_quiet_segments_at_the_edge_of_their_bands_keep_their_share_and_all_together_the_budget(seed):
    """E <= T share / A = 60 of the segments and T / A = 600 in all, whatever hangs together: the whole is their sum."""
    minutes, budget = 6000, 10.0
    x, n = quiet(np.random.default_rng(seed), minutes)
    said, _ = run(planned(budget), bands([0.3] * (1 + SEGMENTS), 0.3), [rows(each, n) for each in x])
    assert 1 <= pages(said, OF) <= most(minutes * PART / budget)
    assert pages(said, (WHOLE, *OF)) <= most(minutes / budget)


def test_six_segments_that_spent_a_budget_each_would_page_more_than_all_may():
    """The test above can fail: the same segments, each bet on as if it were alone."""
    minutes, budget = 400, 10.0
    x, _ = quiet(np.random.default_rng(3), minutes)
    alone = Plan.of(Watched((share(OF[0], falls=False, family=Family.LABELS),)),
                    Ledger(**LABELS, warn=budget, page=budget, rollback=budget))  # fmt: skip
    said = [one for at in range(6) for one in
            run(alone, bands([0.3], 0.3), [rows(each[1 + at], 40) for each in x])[0]]  # fmt: skip
    assert pages(said, OF) > most(minutes / budget)


def test_a_segment_that_moved_is_paged_within_a_day_while_the_whole_stays_quiet():
    """40 labels an hour of each; one errs at .34 for .21, as in the README, the whole of twenty moves to .2165."""
    rng, hours = np.random.default_rng(8), 24
    parts = rng.binomial(40, np.array([0.34, *[0.21] * (SEGMENTS - 1)]), (hours, SEGMENTS))
    x, n = np.column_stack([parts.sum(axis=1), parts]), np.array([40 * SEGMENTS, *[40] * SEGMENTS])
    ticks = [tick for each in x for tick in (*[rows(0 * n, 0 * n)] * 59, rows(each, n))]
    edges = bands([0.19] * 21, [0.23, *[0.24] * SEGMENTS])
    said, _ = run(planned(30 * 1440.0), edges, ticks)
    assert pages(said, OF[:1]) >= 1
    assert pages(said, (WHOLE, *OF[1:])) == 0


def test_weights_apart_are_theirs_and_no_more_than_what_is_left():
    plan = planned(10.0)
    assert dict(zip(plan.groups, plan.group_weight.tolist(), strict=True)) == {WHOLE: 0.9, **APART}
    with pytest.raises(ValueError, match="leaves of one budget"):
        planned(10.0, share_=0.95)
    with pytest.raises(ValueError, match="leaves of one budget"):
        planned(10.0, apart=APART | {OF[0]: -0.1})
