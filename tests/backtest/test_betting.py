"""Quiet spells are skipped, and nobody can tell."""

from collections.abc import Callable

import numpy as np
import pytest
from histories import START, terms

from monitor.backtest.betting import Betting
from monitor.backtest.following import Following
from monitor.backtest.plants import Change, Plant
from monitor.backtest.told import Crossings, Ledgered
from monitor.detectors.sequential import Tier

HOURS = 3


def cells(crossings: Crossings, rows: int, moved: float) -> np.ndarray:
    """Marginal cells of so many rows as in the reference, but that a share `moved` of f0 lies in its highest bin."""
    lookout = crossings.betting.lookout
    margins, layout = lookout.signals.margins, lookout.layout
    usual = margins.sum(layout.reference_pane().counts)
    found = np.floor(usual * rows / usual[margins.rows]).astype(np.int64)
    place = layout.feature_cells[0]
    own = found[place.start : place.start + place.bins]
    own[:] = np.floor(own * (1 - moved))
    own[-2] += round(rows * moved)
    found[margins.rows] = rows
    return found


def follow() -> Crossings:
    under = terms(calm="30m")
    lookout = under.lookout()
    return Crossings(Betting(lookout, 60.0, START), under.pack, Ledgered())


def told(crossings: Crossings, came: dict[int, np.ndarray]) -> list:
    """What these cells say, by hour."""
    return [(hour, crossings.betting.lookout.signals.read_arrived(cells)) for hour, cells in came.items()]


@pytest.mark.parametrize("seed", range(4))
def test_a_quiet_spell_that_is_skipped_says_what_ticking_through_it_says(seed: int) -> None:
    rng = np.random.default_rng(seed)
    skipping, ticking = follow(), follow()
    for minute in range(HOURS * 60):
        now = START + 60.0 * (minute + 1)
        came = {}
        if rng.random() < 0.3:
            some = cells(ticking, int(rng.integers(1, 60)), 0.4 if minute > 60 else 0.0)
            came = {int((now - 60.0) // 3600): some}
            skipping.advance(now, told(skipping, came))
        ticking.advance(now, told(ticking, came))
    end = START + HOURS * 3600.0
    for each in (skipping, ticking):
        each.close(end)
    assert ticking.ledgered.counts.total() > 0
    assert skipping.ledgered.told == ticking.ledgered.told
    assert skipping.betting.ticks < ticking.betting.ticks


def lasted(then: Callable[[int], float | None]) -> tuple[list[tuple[float, float | None]], list[float]]:
    """When alerts began and ended, and the ticks at which something was latched: a shift of ten minutes, `then` other.

    `then` says of a minute how much is moved; None: nothing comes.
    """
    crossings, latched = follow(), []
    for minute in range(HOURS * 60):
        now = START + 60.0 * (minute + 1)
        moved = 0.0 if minute < 60 else 0.4 if minute < 70 else then(minute)
        came = {} if moved is None else {int((now - 60.0) // 3600): cells(crossings, 300, moved)}
        crossings.advance(now, told(crossings, came))
        if any(tier is Tier.PAGE for tier, _ in crossings.betting.latched()):
            latched.append(now)
    crossings.close(START + HOURS * 3600.0)
    return [(one.start, one.end) for one in crossings.ledgered.told if one.tier == "page"], latched


@pytest.mark.parametrize(
    "then",
    [
        pytest.param(lambda _: 0.0, id="calm at once"),
        pytest.param(lambda minute: None if minute < 130 else 0.0, id="calm when rows come again"),
    ],
)
def test_an_alert_lasts_as_long_as_its_group_is_latched(then: Callable[[int], float | None]) -> None:
    ((start, end),), latched = lasted(then)
    assert start == latched[0]
    assert end == latched[-1] + 60.0


def test_an_alert_whose_rows_never_say_calm_has_no_end() -> None:
    ((_, end),), latched = lasted(lambda _: 0.4)
    assert end is None
    assert latched[-1] == START + HOURS * 3600.0


def test_what_was_let_go_of_in_a_quiet_spell_that_is_skipped_pages_anew() -> None:
    skipping, ticking = follow(), follow()
    for minute in range(HOURS * 60):
        now = START + 60.0 * (minute + 1)
        came = {}
        if not 65 <= minute < 130:  # one minute of calm rows, then none
            came = {int((now - 60.0) // 3600): cells(ticking, 300, 0.4 if minute >= 60 and minute != 64 else 0.0)}
            skipping.advance(now, told(skipping, came))
        ticking.advance(now, told(ticking, came))
    for each in (skipping, ticking):
        each.close(START + HOURS * 3600.0)
    assert skipping.ledgered.told == ticking.ledgered.told
    assert [one.end for one in skipping.ledgered.told if one.tier == "page"] == [START + 94 * 60.0, None]


@pytest.mark.parametrize(("onset", "outcome"), [(80, "already"), (100, None)])
def test_a_plant_in_a_quiet_spell_finds_its_group_let_go_of_if_it_was(onset: int, outcome: str | None) -> None:
    crossings = follow()
    for minute in range(65):
        now = START + 60.0 * (minute + 1)
        came = {int((now - 60.0) // 3600): cells(crossings, 300, 0.4 if 60 <= minute < 64 else 0.0)}
        crossings.advance(now, told(crossings, came))
    assert Tier.PAGE in {tier for tier, _ in crossings.betting.latched()}
    plant = Plant("f0 move 0.5sigma", "f0", Change.MOVE, 0.5, "0.5sigma", onset=START + 60.0 * onset)
    following = Following(plant, 3600.0, lambda _: True)
    following.take_over(crossings.betting)
    assert (following.done and following.done.outcome) == outcome
    assert crossings.betting.at == now


def test_a_fork_goes_on_by_itself() -> None:
    one = follow().betting
    list(one.advance(START + 60.0, ()))
    other = one.fork()
    list(other.advance(START + 120.0, ()))
    assert (one.at, other.at) == (START + 60.0, START + 120.0)
