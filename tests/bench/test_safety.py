"""The simulation of the promise S8, in short: what is worse is rolled back, and nothing else. The long form: bench."""

from statistics import NormalDist

import numpy as np
import pytest
from scipy.stats import poisson

from bench import safety
from bench.safety import ALIKE, LEVELS, Errors, World, attainable, harder, interval, packs, quiet, watching, worse
from monitor.decisions import policy
from monitor.facts import Mode
from monitor.panes.shares import What

RUNS = 30  # at 95 %, 28.5 are expected within three windows


def test_the_cells_are_what_each_of_the_models_gets_wrong():
    right, served, good, both = Errors(0.2, 0.1, 0.03).cells()
    assert (served + both, good + both, good) == pytest.approx((0.2, 0.1, 0.03))
    assert right + served + good + both == pytest.approx(1)


def test_ten_points_worse_than_the_known_good_is_rolled_back_within_three_windows():
    assert sum(0 < worse(run) <= 3 for run in range(RUNS)) >= 0.95 * RUNS


def test_so_it_is_where_one_answer_in_five_is_wrong():
    """With every window for itself seven runs in ten were in time."""
    assert sum(0 < worse(run, LEVELS[2], days=3) <= 3 for run in range(20)) >= 18


def test_no_test_of_three_windows_finds_every_drop_where_models_err_often():
    assert attainable(LEVELS[2], 0.03) > 0.99
    assert attainable(LEVELS[3], 0.03) == pytest.approx(NormalDist().cdf((0.07 - 2.75 * 0.0155) / 0.0155), abs=0.01)
    assert attainable(ALIKE, 0.03, drop=0.03) == pytest.approx(3 / 1000, rel=1e-6), "at the limit it is the level"


def test_nothing_is_rolled_back_before_it_is_worse():
    assert all(worse(run, drop=0.0) == np.inf for run in range(3))


def test_a_world_that_is_harder_for_both_never_begins_one():
    assert not any(harder(run) for run in range(50))


def test_it_would_if_the_pairs_and_the_known_good_were_not_asked(monkeypatch):
    """The simulation is able to find false rollbacks."""
    kept = tuple(g for g in policy.GATES if g.__name__ not in {"_better", "_independent", "_plausible"})
    monkeypatch.setattr(policy, "GATES", kept)
    assert sum(harder(run) for run in range(20)) > 10


def test_a_thousand_quiet_days_begin_none():
    assert sum(quiet(run, 100) for run in range(10)) == 0


def test_quiet_days_would_begin_some_if_one_window_of_any_kind_were_enough(monkeypatch):
    monkeypatch.setattr(policy, "GATES", ())
    suits = Errors(0.1, 0.04, 0.02)  # the served one is always worse: evidence enough for a policy without gates
    assert quiet(0, 20, suits) > 0


def test_the_interval_of_a_rate_is_exact():
    low, high = interval(3, 1000.0)
    assert poisson.cdf(3, 1000 * high) == pytest.approx(0.025)
    assert poisson.sf(2, 1000 * low) == pytest.approx(0.025)
    assert interval(0, 10_000.0) == (0.0, pytest.approx(3.69e-4, rel=1e-2))


def test_both_packs_have_the_rules_of_the_default_pack_in_mode_auto():
    with_bets, bare = packs()[True], packs()[False]
    assert with_bets.rules == bare.rules
    assert [rule.name for rule in bare.rules] == ["paired_error", "error"]
    assert World((1,), sequential=True).terms().mode is Mode.AUTO


def test_the_bets_are_on_errors_of_the_whole_and_on_pairs():
    watched = watching(ALIKE.good)
    chosen = [watched.signals.signals[place] for place in (watched.error, watched.paired)]
    assert [(each.what, each.item) for each in chosen] == [(What.ERROR, ""), (What.PAIRED_ERROR, "")]
    assert watched.rhythm.bounds(0) is not None


def test_the_page_has_every_number(monkeypatch, tmp_path):
    for name, value in {
        "RUNS": 2,
        "QUIET_DAYS": 20,
        "MODELS": 2,
        "LEVELS": (ALIKE,),
        "PAGE": tmp_path / "p.md",
    }.items():
        monkeypatch.setattr(safety, name, value)
    figures = safety.measure()
    page = (tmp_path / "p.md").read_text()
    assert [line for line in page.splitlines() if line.startswith("## ")][2] == "## Quiet model-days: false rollbacks"
    assert page.count("| 20 |") == len(safety.QUIET)
    assert [line.split("|")[2].strip() for line in page.splitlines() if line.startswith("| 0.10")] == [
        "0.16",
        "0.12",
        "2",
    ]
    assert all(figure.goal for figure in figures)
