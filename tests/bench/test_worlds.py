"""The simulated streams are what they say: known shares, known dependence, the same counts every time."""

import numpy as np
import pytest

from bench.worlds import BINS, CUTS, W1, W2, W3, W4, World, above, draw, stream, watched
from bench.worlds_panes import history, live, rows, schema
from monitor.panes.build import build_reference
from monitor.panes.count import bin_rows, count_rows
from monitor.panes.layout import Layout
from monitor.panes.signals import Signals

SMALL = {"features": 3}


def small(world: World, **changes: float) -> World:
    fields = {name: getattr(world, name) for name in world.__dataclass_fields__}
    return World(**(fields | SMALL | changes))


def bins(world: World, seed: int, minutes: int, **more: object) -> np.ndarray:
    return np.concatenate([chunk.bins for chunk in stream(world, seed, minutes, **more)])


def above_cuts(counts: np.ndarray) -> np.ndarray:
    """Rows above each cut, [..., 9]."""
    return np.stack([counts[..., 1 + cut :].sum(axis=-1) for cut in CUTS], axis=-1)


def shift(minutes: np.ndarray) -> np.ndarray:
    return np.tile([0.0, 0.5, 0.0], (len(minutes), 1))


@pytest.mark.parametrize("moved", [0.0, 0.5])
def test_shares_above_the_cuts_are_the_true_ones_within_five_standard_errors(moved: float) -> None:
    counts = bins(small(W1), 1, 1440, moves=lambda minutes: np.full((len(minutes), 3), moved)).sum(axis=0)
    n = counts.sum(axis=1, keepdims=True)
    true = above(small(W1), np.full(3, moved))
    assert (np.abs(above_cuts(counts) / n - true) < 5 * np.sqrt(true * (1 - true) / n)).all()


@pytest.mark.parametrize("world", [W1, W2, W3, W4])
def test_the_same_seed_gives_the_same_counts_in_any_chunks(world: World) -> None:
    whole = bins(small(world), 7, 600)
    assert np.array_equal(whole, bins(small(world), 7, 600, chunk=1))
    assert np.array_equal(whole[:120], bins(small(world), 7, 120))
    assert not np.array_equal(whole, bins(small(world), 8, 600))


def test_a_shift_of_one_feature_touches_no_other() -> None:
    still, moved = bins(small(W3), 2, 300), bins(small(W3), 2, 300, moves=shift)
    assert np.array_equal(still[:, [0, 2]], moved[:, [0, 2]])
    assert not np.array_equal(still[:, 1], moved[:, 1])


def test_counts_of_a_minute_have_the_shape_of_what_is_watched() -> None:
    world = small(W1)
    counted = next(next(stream(world, 1, 60)).counted())
    assert len(watched(world).signals) == len(counted.x) == len(counted.n) == 27
    assert counted.bins.shape == (3, BINS + 2)
    assert (counted.x[:8] >= counted.x[1:9]).all()
    assert (counted.bins.sum(axis=1) == counted.n[::9]).all()


def minute_means(world: World, seed: int, minutes: int, start: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Mean of each minute in sigma, [minutes, features], and its rows."""
    means, numbers = [], []
    for block in draw(world, seed, minutes, start=start):
        parts = np.split(block.places / 512, np.cumsum(block.rows)[:-1])
        means += [part.mean(axis=0) for part in parts]
        numbers += [len(part) for part in parts]
    return np.array(means), np.array(numbers)


def test_rows_of_a_session_hang_together() -> None:
    """Sessions of 10 at .3: 1 + 9 * .3 = 3.7, less for sessions cut off by the minute's end; 8,640 squares: 2 %."""
    means, n = minute_means(small(W3, wander=0.0), 3, 2880)
    design = (means**2 * n[:, None]).mean()
    assert 3.3 < design < 3.8


@pytest.mark.parametrize(("world", "lag_h"), [(W3, 3), (W4, 24)])
def test_a_mean_wanders_by_a_tenth_of_sigma_and_forgets_by_its_memory(world: World, lag_h: int) -> None:
    """100 features, 30 memories: the variance is known to 10 %, the correlation e^-1 to .05."""
    wide = small(world, features=100, rows=20.0, session=1, correlation=0.0)
    means, n = minute_means(wide, 4, 30 * lag_h * 60)
    hours = (means * n[:, None]).reshape(-1, 60, 100).sum(axis=1) / n.reshape(-1, 60).sum(axis=1)[:, None]
    hours = hours[: len(hours) // lag_h * lag_h]
    noise = 1 / (60 * 20)
    variance = hours.var() - noise
    after = (hours[:-lag_h] * hours[lag_h:]).mean() / variance
    assert variance == pytest.approx(0.01, rel=0.25)
    assert after == pytest.approx(np.exp(-1), abs=0.1)


def test_a_season_swings_by_its_wave_and_traffic_by_half() -> None:
    means, n = minute_means(small(W2), 5, 1440)
    assert n[:720].mean() / n[720:].mean() == pytest.approx((1 + 1 / np.pi) / (1 - 1 / np.pi), rel=0.03)
    assert means[330:390, 0].mean() == pytest.approx(0.3, abs=5 / np.sqrt(60 * 85))
    assert means[1050:1110, 0].mean() == pytest.approx(-0.3, abs=5 / np.sqrt(60 * 35))


def test_live_minutes_are_counted_as_panes_are() -> None:
    world = small(W2)
    layout = Layout.of(build_reference(lambda: history(world, 1, days=1), schema(world), lambda _: None))
    signals = Signals.table(layout)
    told = list(live(layout, signals, draw(world, 2, 120, shift)))
    for block, minutes in zip(draw(world, 2, 120, shift), (told[:60], told[60:]), strict=True):
        found = sum((counted for _, counted in minutes[1:]), minutes[0][1])
        pane = signals.count(count_rows(layout, bin_rows(layout, rows(world, block))).counts)
        pane += signals.count_minutes(layout.reference.rhythm.volume, (5760 + block.start) // 60, block.rows)
        assert np.array_equal(found.x, pane.x)
        assert np.array_equal(found.n, pane.n)
        assert np.array_equal(found.bins, pane.bins)


def test_a_live_minute_comes_with_the_hour_of_the_history_it_continues() -> None:
    world = small(W1)
    assert next(history(world, 1)).predictions.times[0] // 3600 == 96
    layout = Layout.of(build_reference(lambda: history(world, 1, days=1), schema(world), lambda _: None))
    hours = [hour for hour, _ in live(layout, Signals.table(layout), draw(world, 2, 120, start=1440))]
    assert hours == [120] * 60 + [121] * 60
