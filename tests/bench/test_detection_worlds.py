"""The measured promise has teeth: what a band is made of can not be left out. And a shift of all is a trial of each."""

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from bench.detection.edge import PARTS, at_edge, without
from bench.detection.trial import WEEK, Watch, delays, learn, quiet, steps, watch
from bench.detection.worlds import Job, gathered
from bench.detection.worlds_page import figures, median_interval, page, poisson_interval
from bench.worlds import W1, W3, draw
from bench.worlds_panes import live
from monitor.detectors.sequential import Ledger, Tier

BUDGET = 600.0  # minutes a page
ALL_ON_FEATURES = Ledger(
    warn=BUDGET, page=BUDGET, rollback=BUDGET, labels=0.0, output=0.0, quality=0.0, features=1.0, poisoning=0.0
)
SMALL = {world.name: replace(world, features=4) for world in (W1, W3)}
MINUTES = 3000  # 5 pages at most are bought


@cache
def learned(name: str) -> Watch:
    """A week, watched on a small budget; of "short" three days of two rows a minute, and no wander."""
    short = name not in SMALL
    found = learn(replace(SMALL["W1"], rows=2.0), 31_000, days=3) if short else learn(SMALL[name], 31_000)
    watched = watch(found.layout, found.rhythm, ALL_ON_FEATURES)
    return without("wander", watched) if short else watched


def crossings(watched: Watch, counts: object) -> int:
    return sum(one.tier is Tier.PAGE for _, said, _ in steps(watched, counts) for one in said.crossings)


def allowed() -> float:
    """What is bought and four standard deviations; a crossing begins a group again, so they vary no more."""
    return MINUTES / BUDGET + 4 * math.sqrt(MINUTES / BUDGET)


@pytest.mark.parametrize("name", ["W1", "W3"])
def test_at_the_edge_of_every_band_false_pages_stay_within_the_budget(name: str) -> None:
    found = crossings(learned(name), at_edge(learned(name), SMALL[name], 1, MINUTES))
    assert found <= allowed()


def test_at_the_edge_a_minute_is_told_once_a_minute_and_labels_do_not_come() -> None:
    watched = learned("W1")
    _, counted = next(iter(at_edge(watched, SMALL["W1"], 1, 60)))
    assert (counted.n[watched.signals.minutes] == 1).all()
    assert not counted.n[watched.signals.labels].any()
    assert (counted.x <= counted.n).all()


@pytest.mark.parametrize("part", PARTS)
def test_without_one_of_its_parts_a_band_breaks_the_budget(part: str) -> None:
    whole = learned("short" if part == "sampling error" else "W3")
    world = SMALL["W1" if part == "sampling error" else "W3"]
    assert crossings(whole, at_edge(whole, world, 1, MINUTES)) <= allowed()
    assert crossings(without(part, whole), at_edge(whole, world, 1, MINUTES)) > allowed()


def test_quiet_sessions_page_nobody_but_without_wander_and_design_effect_they_do() -> None:
    whole, world = learned("W3"), SMALL["W3"]
    bare = without("wander", without("design effect", whole))
    assert crossings(whole, quiet(whole, world, 31_001, MINUTES)) == 0
    assert crossings(bare, quiet(whole, world, 31_001, MINUTES)) > allowed()


def test_a_shift_of_all_features_is_a_trial_of_each_alone() -> None:
    watched, world = learned("W1"), SMALL["W1"]
    together = delays(watched, world, 31_002, 0.5, before=120, patience=120)

    def moves(minutes: np.ndarray) -> np.ndarray:
        return np.outer(np.where(minutes >= WEEK + 120, 0.5, 0.0), np.arange(4) == 2)

    counts = live(watched.layout, watched.signals, draw(world, 31_002, 240, moves, start=WEEK))
    paged = [
        (one.group, minute - 119)
        for minute, said, _ in steps(watched, counts)
        for one in said.crossings
        if one.tier is Tier.PAGE
    ]
    assert paged[0] == ("features/f2", together[2])


def test_intervals_are_the_exact_ones() -> None:
    assert poisson_interval(0) == pytest.approx((0.0, 3.689), abs=1e-3)
    assert poisson_interval(3) == pytest.approx((0.619, 8.767), abs=1e-3)
    low, middle, high = median_interval(np.array([*range(1, 100), math.inf]))
    assert (low, middle, high) == (41.0, 50.5, 61.0)


FOUND = {
    Job(W1, 0): [0.0],
    Job(W1, 1): [1.0],
    Job(W3, 0, edge=True): [0.0],
    Job(W1, 0, 0.5): [4.0, 5.0, 6.0, math.inf],
    Job(W3, 0): None,  # was not run
}


def test_the_page_tells_what_was_run_and_nothing_else() -> None:
    text = page(gathered(FOUND))
    assert "| W1 | 60 | 2 | 1 | 0.5 [0.0127, 2.79] |" in text
    assert "| all |  | 2 | 1 |" in text
    assert "| W3 | 60 | 1 | 0 | 0 [0, 3.69] |" in text.partition("## At the edge")[2]
    assert "| W1 | 0.5 sigma | 4 | 5.5 [4, inf] |" in text
    assert "| W3 |" not in text.partition("## At the edge")[0]


def test_a_figure_counts_quiet_months_together_and_not_those_at_the_edge() -> None:
    told = {figure.figure.partition(",")[0]: figure for figure in figures(gathered(FOUND))}
    assert told["all worlds: false pages in 30 days"].value == 0.5
    assert all(figure.reached is not None for figure in told.values())
