"""The promise: S + A * crossings - t is a supermartingale, over every course that a few ticks can take."""

import math
from itertools import product

import numpy as np
import pytest
from ticks import bands, evidence, plan_of, rows, run, share

from monitor.detectors.sequential import Plan, State, Tier, step
from monitor.facts import Family

TINY = {"warn": 1.5, "page": 2.0, "rollback": 4.0}  # minutes, so that three ticks see crossings of every tier
N = 5
ROUNDING = 1e-5


def binomial(p: float) -> list[float]:
    return [math.comb(N, x) * p**x * (1 - p) ** (N - x) for x in range(N + 1)]


def expected(
    plan: Plan, law: list[tuple[float, list[int]]], depth: int, design: float = 1.0
) -> list[tuple[float, dict]]:
    """After each tick, E[S] of the page tier and E[crossings] by (tier, group), over every course of x."""
    bounds = bands([0.3] * plan.signals, 0.3, design)
    courses: list[tuple[float, State | None, dict]] = [(1.0, None, {})]
    told = []
    for minute in range(depth):
        following = []
        for (p, state, seen), (q, x) in product(courses, law):
            said, after = step(plan, [(bounds, rows(x, N))], 1.0, state, 60.0 * minute)
            counts = dict(seen)
            for crossing in said.crossings:
                key = (crossing.tier, crossing.group)
                counts[key] = counts.get(key, 0) + 1
            following.append((p * q, after, counts))
        courses = following
        keys = {key for _, _, counts in courses for key in counts}
        crossings = {key: sum(p * counts.get(key, 0) for p, _, counts in courses) for key in keys}
        told.append((sum(p * evidence(plan, after).sum() for p, after, _ in courses), crossings))
    return told


def test_at_the_edge_of_the_band_what_is_spent_on_pages_is_never_more_than_the_minutes() -> None:
    plan = plan_of(share("features/a"), share("features/b"), **TINY)
    law = [(p, [x, x]) for x, p in enumerate(binomial(0.3))]  # the worst dependence: b is a's copy
    for minutes, (left, crossings) in enumerate(expected(plan, law, 4), start=1):
        spent = sum(2.0 * count for (tier, _), count in crossings.items() if tier is Tier.PAGE)
        assert left + spent <= minutes * (1 + ROUNDING)
    assert spent > 0.1, "courses with pages were among them"


@pytest.mark.parametrize("p", [0.0, 0.1, 0.2, 0.3])
def test_of_every_tier_crossings_are_at_most_the_minutes_over_the_budget(p: float) -> None:
    plan = plan_of(share(falls=False, family=Family.LABELS), **TINY, features=0.0, labels=1.0)
    law = [(q, [x]) for x, q in enumerate(binomial(p))]
    _, crossings = expected(plan, law, 4)[-1]
    for tier, budget in zip(Tier, TINY.values(), strict=True):
        assert crossings.get((tier, "features/a"), 0.0) <= 4 / budget


def test_a_group_that_did_not_change_pages_no_more_beside_one_that_did() -> None:
    plan = plan_of(share("features/changed", falls=False), share("features/still", falls=False), **TINY)
    law = [(p, [N, x]) for x, p in enumerate(binomial(0.3))]
    _, crossings = expected(plan, law, 4)[-1]
    assert crossings[Tier.PAGE, "features/changed"] >= 1
    assert crossings.get((Tier.PAGE, "features/still"), 0.0) <= 4 * 0.5 / TINY["page"]


def test_beyond_the_band_the_promise_ends_and_pages_come() -> None:
    plan = plan_of(share(falls=False), **TINY)
    law = [(p, [x]) for x, p in enumerate(binomial(0.9))]
    _, crossings = expected(plan, law, 4)[-1]
    assert crossings[Tier.PAGE, "features/a"] > 4 / TINY["page"] * 0.9


def test_at_the_least_favourable_null_thirty_groups_cross_no_more_than_they_may() -> None:
    """E <= T / A = 40 over all groups. A crossing begins a group again: their number varies no more than Poisson's."""
    groups, minutes, budget = 30, 6000, 150.0
    plan = plan_of(*(share(f"features/{g}") for g in range(groups)), warn=budget, page=budget, rollback=budget)
    rng = np.random.default_rng(5)
    ticks = [rows(x, 60) for x in rng.binomial(60, 0.3, (minutes, groups))]
    said, _ = run(plan, bands([0.3] * groups, 0.3), ticks)
    pages = sum(crossing.tier is Tier.PAGE for one in said for crossing in one.crossings)
    assert 1 <= pages <= 40 + 4 * math.sqrt(40)


def test_silence_gives_no_minutes_and_pages_nobody() -> None:
    plan = plan_of(share(), **TINY)
    said, state = run(plan, bands(0.2, 0.4), [rows(0, 0)] * 200)
    assert not any(one.crossings for one in said)
    assert not evidence(plan, state).any()


def test_after_a_silence_minutes_are_given_once_and_a_day_of_them_at_most() -> None:
    plan, bounds = plan_of(share()), bands(0.2, 0.4)
    _, state = step(plan, [], 5000.0, None, 0.0)
    _, state = step(plan, [(bounds, rows(3, 10))], 1.0, state, 60.0)
    assert evidence(plan, state).sum() == pytest.approx(1440.0)
    _, state = step(plan, [], 7.0, state, 120.0)
    assert evidence(plan, state).sum() == pytest.approx(1440.0)
