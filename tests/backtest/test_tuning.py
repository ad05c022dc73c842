"""Proposals: from a history that was noisier than its reference, what would have kept it quiet, and what that costs."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from histories import WORLD, live, table, terms, written

from bench.worlds import draw
from monitor.backtest.replay import replay_history
from monitor.backtest.tuning import Advice, advise, rungs_above, snippet
from monitor.decisions.rules import parse_pack
from monitor.detectors import DETECTORS

DAY_MINUTES = 1440
DAYS = 4


def wandering(minutes: int, sigma: float):
    """f1 stands `sigma` away for hours of every day: ordinary here, and unknown to the reference."""

    def moves(at):
        return np.outer(np.sin(2 * np.pi * at / DAY_MINUTES) > 0.5, [0.0, sigma, 0.0])

    import pyarrow as pa

    return pa.concat_tables([table(block) for block in draw(WORLD, 7, minutes, moves, start=DAYS * DAY_MINUTES)])


def advised(folder: Path, rows, **sequential) -> Advice:
    under = terms(every="5m", **sequential)
    found = replay_history(under, written(folder, rows), (), lambda _: None, tolerances=rungs_above(under.tolerance))
    return advise(under, "live", found)


def test_a_quiet_history_needs_no_change(tmp_path: Path) -> None:
    advice = advised(tmp_path, live(DAY_MINUTES))
    assert advice.proposed == advice.tolerance
    assert advice.noisy == ()
    assert "Nothing has to be changed" in " ".join(advice.words)
    assert "reference build" not in advice.yaml


def test_the_least_tolerance_that_keeps_the_budget_is_proposed(tmp_path: Path) -> None:
    advice = advised(tmp_path, wandering(3 * DAY_MINUTES, 0.3))
    pages = {rung.tolerance: rung.pages for rung in advice.rungs}
    assert pages[advice.tolerance] > 0
    assert pages[advice.proposed] <= advice.budget * advice.months
    assert all(pages[rung] > advice.budget * advice.months for rung in pages if rung < advice.proposed)
    assert f"--tolerance {advice.proposed:g}" in advice.yaml


def test_which_groups_page_and_what_each_of_them_needs_is_told(tmp_path: Path) -> None:
    advice = advised(tmp_path, wandering(3 * DAY_MINUTES, 0.3))
    assert [one.group for one in advice.noisy] == ["features/f1"]
    assert advice.noisy[0].quiet_at == advice.proposed


def test_what_becomes_invisible_is_told_for_every_column(tmp_path: Path) -> None:
    advice = advised(tmp_path, wandering(3 * DAY_MINUTES, 0.3))
    assert {one.column for one in advice.unseen} == {"f0", "f1", "f2"}
    for one in advice.unseen:
        assert one.then - one.now == pytest.approx(advice.proposed - advice.tolerance, rel=0.1)
    assert any("are never seen" in words for words in advice.words)


def test_a_world_that_moved_pages_at_every_tolerance(tmp_path: Path) -> None:
    advice = advised(tmp_path, live(DAY_MINUTES, shift=2.0, since=60))
    assert advice.proposed is None
    assert next(one for one in advice.noisy if one.group == "features/f1").quiet_at is None
    assert "was this history quiet?" in " ".join(advice.words)


def test_a_longer_calm_would_make_one_page_of_the_same_every_day(tmp_path: Path) -> None:
    advice = advised(tmp_path, wandering(4 * DAY_MINUTES, 0.5), calm="1h")
    pages = {calm.calm_s: calm.pages for calm in advice.calms}
    assert pages[2 * 86_400.0] == 1 < advice.rungs[0].pages
    assert "calm: " in advice.yaml
    assert "# now 1h" in advice.yaml


def test_the_snippet_is_a_section_of_a_rule_pack(tmp_path: Path) -> None:
    advice = advised(tmp_path, wandering(3 * DAY_MINUTES, 0.3))
    pack = parse_pack({"version": 1, **yaml.safe_load(advice.yaml)}, DETECTORS)
    assert pack.watch.ledger.page == 30 * DAY_MINUTES


def test_weights_that_nothing_spends_are_told(tmp_path: Path) -> None:
    advice = advised(tmp_path, live(300))
    assert advice.unspent == {"poisoning": 0.2}
    assert "poisoning 0.2" in advice.words[-1]


def test_weights_are_given_to_others_in_a_comment_alone() -> None:
    lines = snippet(terms(), None, {"labels": 0.3, "poisoning": 0.2}, (), ()).splitlines()
    given = next(line for line in lines if "while nothing else is watched" in line)
    weights = yaml.safe_load(given.partition("weights:")[2])
    assert weights == pytest.approx({"labels": 0, "output": 0.24, "quality": 0.24, "features": 0.32, "poisoning": 0.2})
    assert given.strip().startswith("#")
