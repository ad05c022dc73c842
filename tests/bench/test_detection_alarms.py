"""What others page on is what they say: rates under nothing, delays under something, on our streams."""

import sys

import numpy as np
import pytest
from scipy.stats import ks_2samp

from bench.detection import rivals
from bench.detection.alarms import HourKs, HourPsi, MinuteKs, delays, means, muted, read_all, sample
from bench.detection.rivals import FALSE_MAX, Measured, table
from bench.worlds import GRID, W1, World, draw

SMALL = World("W1", features=4)


def alarms(make, hours: int, moved: float = 0.0, seed: int = 2) -> np.ndarray:
    """Of some hours, shifted after the second."""
    moves = lambda minutes: np.where((minutes >= 120)[:, np.newaxis], moved, np.zeros(4))  # noqa: E731  # a one-liner
    return np.concatenate(list(read_all(make(sample(SMALL, 1)), draw(SMALL, seed, hours * 60, moves))))


def test_the_sample_is_spread_over_the_history():
    rows = sample(SMALL, 1)
    assert rows.shape == (10_000, 4)
    assert abs(rows.mean() / GRID) < 0.03


def test_ks_at_five_percent_fires_in_five_percent_of_minutes():
    """2,880 tests; asymptotic p-values at 60 rows are a little large."""
    assert 0.03 < alarms(MinuteKs, 12).mean() < 0.06


def test_ks_of_a_minute_is_scipys():
    reference, block = sample(SMALL, 1), next(draw(SMALL, 2, 60))
    fired = MinuteKs(reference).read(block)
    for minute, rows in enumerate(np.split(block.places, np.cumsum(block.rows)[:-1])[:15]):
        p = [ks_2samp(rows[:, f], reference[:, f], method="asymp").pvalue for f in range(4)]
        assert all((value < 0.05) == fired[minute, f] for f, value in enumerate(p) if abs(value - 0.05) > 0.005)


@pytest.mark.parametrize(("make", "within"), [(HourKs, 12), (HourPsi, 45)])
def test_the_last_hour_is_quiet_until_a_shift(make, within: int):
    found = alarms(make, 4, 1.0)
    assert not found[:120].any()
    assert (delays(found, 120) <= within).all()


def test_means_are_those_of_minutes():
    blocks = list(draw(SMALL, 3, 120))
    found = means(blocks)
    assert found.shape == (120, 4)
    assert found[0] == pytest.approx(blocks[0].places[: blocks[0].rows[0]].mean(axis=0) / GRID)


def test_a_page_silences_the_next_hour():
    fired = np.zeros((300, 2), bool)
    fired[[0, 30, 59, 60, 250]] = True
    assert muted(fired) == 3


def test_a_delay_is_counted_to_the_end_of_the_minute_and_never_is_infinite():
    fired = np.zeros((10, 2), bool)
    fired[[2, 5], 0] = True
    assert delays(fired, 5).tolist() == [1.0, np.inf]


def test_a_delay_of_who_pages_all_the_time_is_not_told():
    rows = {shift: np.array([1.0]) for shift in rivals.SHIFTS}
    text = table(
        [Measured("A", "W1", FALSE_MAX + 1.0, rows), Measured("B", "W1", 0.0, rows), Measured("C", "W1", why="no")]
    )
    assert "| A | 31 | - | - | - |" in text
    assert "| B | 0 | 1 (1 to 1) |" in text
    assert "not measured: no" in text


def test_all_are_compared_on_the_same_streams_river_or_not(monkeypatch):
    def absent(_: np.ndarray) -> dict:
        raise rivals.Absent("not here")

    monkeypatch.setattr(rivals, "river", absent)  # its venv is made by the bench alone
    found = rivals.compare(World("W1", features=2), days=1, horizon=60)
    assert [each.name for each in found] == ["Tocsin", "KS p < .05", "KS, Bonferroni", "PSI > .2", "river"]
    assert found[0].pages == 0
    assert found[0].delays[1.0].max() < 10
    assert found[4].why == "not here"


def test_the_worker_knows_nothing_of_ours():
    source = (rivals.TABLE.parent / "river_worker.py").read_text()
    assert "bench" not in source
    assert "monitor" not in source
    assert "river" not in sys.modules
    assert W1.features == 50
